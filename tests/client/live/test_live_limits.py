"""What an exoskeleton's controller gets, whatever the estimate does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.client.live import Output, Status
from kinefed.client.live.limits import SafetyConfig, SafetyLayer, TorqueLimit
from kinefed.datasets import UsageError

KNEE, HIP = "torque.knee.r", "torque.hip.r"
CONFIG = SafetyConfig({KNEE: TorqueLimit(20.0, 100.0)})


def output(time_s: float, torque_nm: float, status: Status = Status.OK) -> Output:
    return Output(
        time_ns=0,
        time_s=time_s,
        side="r",
        joints=(HIP, KNEE),
        torque_nm_per_kg=(math.nan, torque_nm / 70.0),
        torque_nm=(99.0, torque_nm),
        status=status,
        confidence=1.0,
        age_s=0.0,
        task="any",
        task_confidence=1.0,
        model="",
        silent=(),
    )


def run(layer: SafetyLayer, begin_s: float, end_s: float, torque_nm: float, **how: object) -> list:
    """Command at 100 Hz with a fresh output and a fresh flag each time, unless told otherwise."""
    commands = []
    for i in range(round((end_s - begin_s) * 100)):
        now_s = begin_s + i / 100
        if how.get("flag", True):
            layer.refresh(now_s)
        if how.get("outputs", True):
            layer.take(output(now_s, torque_nm, how.get("status", Status.OK)))
        commands.append(layer.command(now_s))
    return commands


def test_torque_and_slew_are_limited() -> None:
    layer = SafetyLayer(CONFIG)
    commands = run(layer, 0.0, 0.5, 50.0)
    torque = [c.torque_nm[KNEE] for c in commands]
    assert torque[0] == 0.0
    np.testing.assert_allclose(np.diff(torque[:21]), 1.0)  # 100 N m/s in 10 ms
    np.testing.assert_allclose(torque[20:], 20.0)
    assert max(torque) <= 20.0
    assert all(c.limited == (KNEE,) for c in commands)
    down = [c.torque_nm[KNEE] for c in run(layer, 0.5, 1.0, -3.0)]
    np.testing.assert_allclose(np.diff([20.0, *down[:23]]), -1.0)
    np.testing.assert_allclose(down[23:], -3.0)
    assert run(layer, 1.0, 1.01, -3.0)[0].limited == ()


def test_a_joint_without_a_limit_gets_nothing() -> None:
    assert set(run(SafetyLayer(CONFIG), 0.0, 0.1, 5.0)[-1].torque_nm) == {KNEE}


def test_the_flag_must_be_refreshed() -> None:
    layer = SafetyLayer(CONFIG)
    assert run(layer, 0.0, 0.1, 10.0, flag=False)[-1] == layer.command(0.1)
    assert layer.command(0.1).reason == "dead-man"
    assert layer.command(0.1).torque_nm[KNEE] == 0.0
    run(layer, 0.2, 1.0, 10.0)
    commands = run(layer, 1.0, 2.0, 10.0, flag=False)
    active = [c.active for c in commands]
    # The last refresh was at 0.99 s and holds for 0.25 s.
    assert active == [True] * 25 + [False] * 75
    torque = [c.torque_nm[KNEE] for c in commands]
    # From the limit of 20 N m to zero in 0.2 s, as fast as the slew: 1 N m in 10 ms.
    np.testing.assert_allclose(np.diff(torque[24:35]), -1.0)
    np.testing.assert_allclose(torque[35:], 0.0, atol=1e-12)
    again = run(layer, 2.0, 2.05, 10.0)
    assert [c.active for c in again] == [True] * 5
    assert again[-1].torque_nm[KNEE] == pytest.approx(5.0)


def test_release_drops_the_flag_at_once_and_a_ramp_may_beat_the_slew() -> None:
    layer = SafetyLayer(replace(CONFIG, ramp_s=0.1))
    run(layer, 0.0, 0.5, 20.0)
    layer.release()
    torque = [c.torque_nm[KNEE] for c in run(layer, 0.5, 0.7, 20.0, flag=False)]
    np.testing.assert_allclose(np.diff([20.0, *torque[:10]]), -2.0)
    assert torque[9:] == pytest.approx([0.0] * 11)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"outputs": False}, "old output"),
        ({"status": Status.STOPPED}, "stopped"),
        ({"status": Status.STARTING}, "starting"),
    ],
)
def test_no_torque_without_a_fresh_estimate(how: dict[str, object], reason: str) -> None:
    layer = SafetyLayer(CONFIG)
    run(layer, 0.0, 0.5, 10.0)
    end = run(layer, 0.5, 1.0, 10.0, **how)[-1]
    assert (end.active, end.reason, end.torque_nm[KNEE]) == (False, reason, 0.0)


def test_a_held_torque_is_followed_only_where_that_is_wanted() -> None:
    for follow in (True, False):
        layer = SafetyLayer(replace(CONFIG, follow_held=follow))
        run(layer, 0.0, 0.5, 10.0)
        end = run(layer, 0.5, 1.0, 10.0, status=Status.HELD)[-1]
        assert end.active is follow
        assert end.torque_nm[KNEE] == (10.0 if follow else 0.0)


def test_a_torque_that_is_no_number_goes_to_zero() -> None:
    layer = SafetyLayer(CONFIG)
    run(layer, 0.0, 0.5, 10.0)
    assert run(layer, 0.5, 1.0, math.nan)[-1].torque_nm[KNEE] == 0.0
    assert run(layer, 1.0, 1.5, math.inf)[-1].torque_nm[KNEE] == 0.0


def test_a_controller_that_slept_does_not_jump() -> None:
    layer = SafetyLayer(CONFIG)
    run(layer, 0.0, 0.1, 0.0)
    layer.refresh(5.0)
    layer.take(output(5.0, 20.0))
    assert layer.command(5.0).torque_nm[KNEE] == pytest.approx(5.0)  # 0.05 s of slew, not 5 s
    assert layer.command(4.0).torque_nm[KNEE] == pytest.approx(5.0)
    assert not layer.command(4.0).active  # a flag from the future is none
    layer.refresh(4.0)
    assert layer.command(5.02).torque_nm[KNEE] < 5.0


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(-0.1, 1.0),
            st.booleans(),
            st.sampled_from(list(Status)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_it_stays_within_its_limits(steps: list) -> None:
    layer, now_s, before = SafetyLayer(CONFIG), 0.0, 0.0
    latest: float | None = None
    for torque_nm, step_s, flag, status in steps:
        now_s += step_s
        if flag:
            layer.refresh(now_s)
        layer.take(output(now_s, torque_nm, status))
        after = layer.command(now_s).torque_nm[KNEE]
        assert math.isfinite(after)
        assert abs(after) <= 20.0
        # At the first call no time has passed, whatever time it is.
        passed_s = 0.0 if latest is None else max(0.0, now_s - latest)
        assert abs(after - before) <= 100.0 * passed_s + 1e-9
        before, latest = after, now_s if latest is None else max(latest, now_s)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TorqueLimit(0.0, 1.0),
        lambda: TorqueLimit(1.0, math.inf),
        lambda: SafetyConfig({}),
        lambda: replace(CONFIG, gain=1.1),
        lambda: replace(CONFIG, deadman_s=-1.0),
        lambda: SafetyLayer(CONFIG).take(replace(output(0.0, 1.0), torque_nm=None)),
    ],
)
def test_settings_that_cannot_be(make) -> None:
    with pytest.raises(UsageError):
        make()
