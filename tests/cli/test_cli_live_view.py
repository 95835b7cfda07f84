"""What the screen of worn sensors shows, at the sizes that terminals have."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from kinefed.cli.live_view import LiveView
from kinefed.cli.sensor_view import SensorView
from kinefed.client.live import Output, Status
from kinefed.sensors.decoder import Battery
from kinefed.sensors.quality import ChannelQuality, Fault
from kinefed.sensors.session import Session
from kinefed.sensors.streaming import State
from kinefed.sensors.worn import Worn

SITES = ("thigh.r", "shank.r", "foot.r", "thigh.l", "shank.l", "foot.l")
PLACES = ("pelvis", "torso", *SITES)
DOTS = tuple(Worn(place, "movella-dot", place=place) for place in PLACES)
BANDS = tuple(
    Worn(f"emg.{side}", "myo", electrodes={1: f"soleus.{side}", 2: f"tibialis_anterior.{side}"})
    for side in "rl"
)
JOINTS = ("hip", "knee", "ankle")


def state_of(worn: tuple[Worn, ...]) -> State:
    state = State.of(worn, Session(worn))
    state.seconds = 12.4
    for each in worn:
        state.connected[each.name] = True
        state.health[each.name].battery = Battery(80.0)
    for flow in state.flows.values():
        flow.received, flow.first_ns, flow.last_ns = 601, 0, 10 * 10**9
    return state


def output(side: str, status: Status = Status.OK, silent: tuple[str, ...] = ()) -> Output:
    return Output(
        time_ns=0,
        time_s=12.0,
        side=side,
        joints=tuple(f"torque.{joint}.{side}" for joint in JOINTS),
        torque_nm_per_kg=(-0.5, 0.25, 1.5),
        torque_nm=None,
        status=status,
        confidence=0.9,
        age_s=0.013,
        task="any",
        task_confidence=1.0,
        model="",
        silent=silent,
    )


def screen(view: LiveView | SensorView, state: State, width: int, height: int) -> list[str]:
    """What a terminal of this size holds, without its styles."""
    text = io.StringIO()
    view._console = Console(
        file=text, width=width, height=height, markup=False, highlight=False, soft_wrap=True
    )
    view._console.print(view._drawn(state), soft_wrap=False)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def live_view(worn: tuple[Worn, ...], *outputs: Output) -> LiveView:
    view = LiveView(worn, None)
    for each in outputs:
        view.send(each)
    return view


@pytest.mark.parametrize(("width", "height"), [(60, 18), (80, 24), (120, 40), (200, 60)])
def test_every_torque_is_there_and_nothing_is_cut_off(width: int, height: int) -> None:
    worn = DOTS + BANDS
    lines = screen(live_view(worn, output("l"), output("r")), state_of(worn), width, height)
    # The cursor stands on the last line.
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "12 s Ctrl-C ends it, 10 of 10 sensors connected" in lines[0]
    for joint in JOINTS:
        for side in "lr":
            (row,) = (line for line in lines if line.startswith(f"{joint}.{side}"))
            assert {"ok", "90", "13"} <= set(row.split())
    assert any("█" in line for line in lines) == (width >= 80)
    shown = sum(line.startswith((*PLACES, "emg.")) for line in lines)
    more = [line for line in lines if "more" in line]
    assert shown + sum(int(line.split()[0]) for line in more) == 12
    assert (height >= 40) == (more == [])


def test_sensors_in_trouble_come_first_where_there_is_no_place_for_all() -> None:
    worn = DOTS + BANDS
    state = state_of(worn)
    state.connected["foot.l"] = False
    state.health["emg.l"].battery = Battery(7.0)
    state.flows["thigh.l", "imu"].lost = 40
    view = live_view(worn, output("l", Status.HELD, ("foot.l-imu",)), output("r"))
    lines = screen(view, state, 80, 24)
    table = lines[next(i for i, line in enumerate(lines) if line.startswith("sensor")) + 2 :]
    assert [line.split()[0] for line in table[:4]] == ["thigh.l", "foot.l", "emg.l", "emg.l"]
    assert table[0].endswith("loses samples")
    assert table[1].endswith("not connected")
    assert table[2].endswith("battery low")
    assert "left leg is without foot.l-imu" in lines
    assert len(lines) < 24


def test_no_more_troubles_are_hidden_than_are_told() -> None:
    state = state_of(DOTS)
    state.connected = dict.fromkeys(state.connected, False)
    lines = screen(live_view(DOTS, output("l"), output("r")), state, 60, 18)
    (rest,) = (line for line in lines if "more" in line)
    hidden = int(rest.split()[0])
    assert 0 < hidden < len(DOTS)
    assert f"{hidden} in trouble" in rest


@pytest.mark.parametrize("kind", [LiveView, SensorView])
def test_faults_of_channels_are_told_in_words(kind: type[LiveView] | type[SensorView]) -> None:
    worn = DOTS[:1] + BANDS
    state = state_of(worn)
    faulty = [
        ChannelQuality(f"emg.{name}", (Fault.FLAT,), 0.0, 0.0, 0.0, 0.0)
        for name in ("soleus.r", "tibialis_anterior.r")
    ]
    state.quality._streams["emg.r", "emg"].found = tuple(faulty)
    lines = screen(kind(worn, 30.0), state, 120, 40)
    assert "emg.soleus.r no signal: the electrode or its lead is off" in lines
    (row,) = (line for line in lines if line.startswith("emg.r") and " emg " in line)
    assert row.endswith("see below")
    assert "of 30 s" in lines[0]


def test_before_the_first_output_and_without_emg() -> None:
    lines = screen(live_view(DOTS[:2]), state_of(DOTS[:2]), 80, 24)
    assert "task not known" in lines[0]
    assert sum("imu" in line for line in lines) == 2


def test_a_column_that_repeats_the_names_is_left_out() -> None:
    named = (Worn("left", "movella-dot", place="shank.l"),)
    for worn, told in ((DOTS, False), (named, True)):
        lines = screen(live_view(worn), state_of(worn), 120, 40)
        assert any("worn on" in line for line in lines) == told


def test_without_a_terminal_there_is_a_line_a_second_and_news_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worn = DOTS[:1] + BANDS
    state = state_of(worn)
    state.quality._streams["emg.r", "emg"].found = (
        ChannelQuality("emg.soleus.r", (Fault.HUM,), 0.0, 0.0, 0.9, 0.0),
    )
    view = live_view(worn, output("r"))
    with view:
        view.connecting("pelvis")
        for tenth in range(120, 145):
            state.seconds = tenth / 10.0
            view.show(state)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == "connecting pelvis (1 of 3)"
    told = "12 s; 3 of 3 connected; ok: hip.r -0.50, knee.r 0.25, ankle.r 1.50 N m/kg"
    assert lines[1] == told
    assert sum("N m/kg" in line for line in lines) == 3
    assert sum("hum of the mains" in line for line in lines) == 1


def test_names_from_outside_steer_no_terminal() -> None:
    view = LiveView((Worn("a.b", "thingy", place="shank.r"),), 5.0)
    state = state_of((Worn("a.b", "thingy", place="shank.r"),))
    view.send(output("r", silent=("x\x1b[2J",)))
    assert "\x1b" not in "\n".join(screen(view, state, 80, 24))
