"""Outputs on their way out: datagrams, ROS 2 messages, an LSL stream, a function."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.client.live import Output, Status
from kinefed.client.live.outlets import (
    CallbackOutlet,
    LslOutlet,
    UdpForm,
    UdpOutlet,
    pack,
    unpack,
)
from kinefed.client.live.rosbridge import RosbridgeOutlet, joint_state, unix_offset_ns
from kinefed.datasets import DataError, OutsideError, UsageError

JOINTS = ("torque.hip.r", "torque.knee.r")
OUTPUT = Output(
    time_ns=12_345_678_901,
    time_s=5.25,
    side="r",
    joints=JOINTS,
    torque_nm_per_kg=(0.5, math.nan),
    torque_nm=(35.0, math.nan),
    status=Status.REDUCED,
    confidence=0.75,
    age_s=0.02,
    task="walk",
    task_confidence=0.9,
    model="0123456789ab",
    silent=("shank-imu",),
)
STOPPED = replace(
    OUTPUT,
    torque_nm_per_kg=(math.nan,) * 2,
    torque_nm=(math.nan,) * 2,
    status=Status.STOPPED,
    confidence=0.0,
    age_s=math.inf,
)


def test_a_function_is_called() -> None:
    got: list[Output] = []
    outlet = CallbackOutlet(got.append)
    outlet.send(OUTPUT)
    outlet.close()
    assert got == [OUTPUT]


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5.0)
        yield sock


def test_json_by_udp_is_json_for_everybody(receiver: socket.socket) -> None:
    outlet = UdpOutlet("127.0.0.1", receiver.getsockname()[1])
    for each in (OUTPUT, STOPPED):
        outlet.send(each)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    first, second = (json.loads(receiver.recv(4096), parse_constant=refuse) for _ in range(2))
    assert first["torque_nm_per_kg"] == [0.5, None]
    assert first["torque_nm"] == [35.0, None]
    assert (first["status"], first["age_s"], first["silent"]) == ("reduced", 0.02, ["shank-imu"])
    assert (second["torque_nm"], second["age_s"]) == ([None, None], None)
    assert set(first) == set(Output.__slots__)
    assert (outlet.sent, outlet.failed) == (2, 0)
    outlet.close()


def test_packed_by_udp_comes_back(receiver: socket.socket) -> None:
    outlet = UdpOutlet("127.0.0.1", receiver.getsockname()[1], UdpForm.PACKED)
    outlet.send(OUTPUT)
    outlet.send(STOPPED)
    outlet.close()
    number, back = unpack(receiver.recv(4096), JOINTS)
    assert number == 0
    assert repr(back) == repr(replace(OUTPUT, task="", task_confidence=0.0, model="", silent=()))
    number, back = unpack(receiver.recv(4096), JOINTS)
    assert (number, back.status, back.torque_nm, back.age_s) == (1, Status.STOPPED, None, math.inf)


def test_the_bytes_of_a_packed_output() -> None:
    """As they are documented, for receivers that are not written in Python."""
    data = pack(OUTPUT, 7)
    assert len(data) == 48 + 8 * 2
    assert data[:8] == b"KFLT\x01\x01\x02\x02"
    assert int.from_bytes(data[8:12], "little") == 7
    assert int.from_bytes(data[12:20], "little") == OUTPUT.time_ns
    np.testing.assert_array_equal(np.frombuffer(data[20:44], "<f8"), [5.25, 0.02, 0.75])
    np.testing.assert_array_equal(np.frombuffer(data[48:], "<f4"), [0.5, 35.0, np.nan, np.nan])


@given(st.binary(max_size=80))
def test_datagrams_from_anybody_are_refused_by_name(data: bytes) -> None:
    for candidate in (data, b"KFLT\x01" + data, pack(OUTPUT, 0)[:-1]):
        with pytest.raises(DataError, match="datagram"):
            unpack(candidate, JOINTS)


def test_nobody_who_receives_stops_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    outlet = UdpOutlet("127.0.0.1", port)
    for _ in range(20):
        outlet.send(OUTPUT)
        time.sleep(0.001)
    assert outlet.sent + outlet.failed == 20
    assert outlet.failed > 0
    outlet.close()


def test_a_host_that_is_none() -> None:
    with pytest.raises(OutsideError):
        UdpOutlet("no such host", 9999)


def test_joint_states_hold_what_there_is_and_no_more() -> None:
    state = joint_state(OUTPUT, 1_000_000_000)
    assert state["header"] == {"stamp": {"sec": 13, "nanosec": 345_678_901}, "frame_id": ""}
    assert (state["name"], state["effort"]) == (["torque.hip.r"], [35.0])
    assert state["position"] == state["velocity"] == []
    assert joint_state(STOPPED, 0)["effort"] == []
    with pytest.raises(UsageError, match="mass"):
        joint_state(replace(OUTPUT, torque_nm=None), 0)
    assert abs(time.monotonic_ns() + unix_offset_ns() - time.time_ns()) < 1e9


def test_rosbridge_gets_messages_again_after_it_was_away() -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def session() -> tuple[list[dict], list[str], RosbridgeOutlet]:
        got: list[dict] = []
        errors: list[str] = []

        async def handler(connection: ServerConnection) -> None:
            while True:
                got.append(json.loads(await connection.recv()))

        async def until(done) -> None:
            async with asyncio.timeout(10.0):
                while not done():
                    await asyncio.sleep(0.01)

        server = await serve(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with RosbridgeOutlet(
            f"ws://127.0.0.1:{port}", offset_ns=0, on_error=errors.append
        ) as outlet:
            outlet.send(OUTPUT)
            await until(lambda: len(got) == 4)
            server.close()
            await server.wait_closed()
            await until(lambda: not outlet.connected)
            for i in range(50):
                outlet.send(replace(OUTPUT, time_s=float(i)))
            server = await serve(handler, "127.0.0.1", port)
            await until(lambda: outlet.connected and len(got) >= 4 + 2 + 40)
        server.close()
        await server.wait_closed()
        return got, errors, outlet

    got, errors, outlet = asyncio.run(session())
    kinds = [(m["op"], m["topic"]) for m in got[:4]]
    topic = "/kinefed/joint_torque"
    assert kinds == [
        ("advertise", topic),
        ("advertise", f"{topic}/status"),
        ("publish", topic),
        ("publish", f"{topic}/status"),
    ]
    assert got[0]["type"] == "sensor_msgs/msg/JointState"
    assert got[2]["msg"] == joint_state(OUTPUT, 0)
    assert json.loads(got[3]["msg"]["data"]) == OUTPUT.to_dict()
    assert errors
    # The newest 20 were kept for when the server came back.
    later = [json.loads(m["msg"]["data"])["time_s"] for m in got[7::2]]
    assert later == [float(i) for i in range(30, 50)]
    assert (outlet.sent, outlet.dropped) == (21, 30)


def test_a_server_that_is_not_there_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kinefed.client.live.rosbridge._RETRY_S", 0.02)
    errors: list[str] = []

    async def session() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"ws://127.0.0.1:{closed.getsockname()[1]}"
            async with RosbridgeOutlet(url, on_error=errors.append):
                await asyncio.sleep(0.5)

    asyncio.run(session())
    (told,) = errors
    assert "tried again every second" in told


def test_lsl_gets_torques_with_the_time_of_their_tick() -> None:
    from kinefed.sensors.lsl import Inlet

    name = f"kinefed-test-{time.monotonic_ns()}"
    outlet = LslOutlet(JOINTS, 100.0, "r", name)
    with Inlet(f"{name}-r", timeout_s=10.0) as inlet:
        assert inlet.channels == JOINTS
        assert outlet._outlet.wait(5.0)
        now_ns = time.monotonic_ns()
        outlet.send(replace(OUTPUT, side="l", time_ns=now_ns - 1))
        outlet.send(replace(OUTPUT, time_ns=now_ns))
        timed = inlet.pull(5.0)
    assert timed is not None
    np.testing.assert_array_equal(timed.samples.values, [[0.5, np.nan]])
    assert abs(int(timed.host_ns[0]) - now_ns) < 5_000_000
    outlet.close()
