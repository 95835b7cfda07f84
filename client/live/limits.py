"""The last step before an exoskeleton's controller: limits, a dead-man flag, a ramp to zero.

An estimate may be wrong, late or gone. Whatever it is, what leaves here is finite, within limits,
changes no faster than allowed, and is zero soon after anything stops. It is one layer: it takes
the place of none of the controller's own limits, nor of an emergency stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kinefed.client.live.degrade import Status
from kinefed.client.live.output import Output
from kinefed.datasets import UsageError, UsageReason

# A controller that was not called for longer is not allowed the change of all that time at once.
_LONGEST_STEP_S = 0.05


@dataclass(frozen=True, slots=True)
class TorqueLimit:
    """What a joint's drive may be asked for.

    Attributes
    ----------
    torque_nm
        Largest magnitude.
    slew_nm_per_s
        Fastest change.

    Raises
    ------
    UsageError
        ``bad_argument`` where one is not above 0.
    """

    torque_nm: float
    slew_nm_per_s: float

    def __post_init__(self) -> None:
        for name in ("torque_nm", "slew_nm_per_s"):
            _above_zero(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class SafetyConfig:
    """The limits of one leg.

    Attributes
    ----------
    limits
        By joint as in `Output.joints`, ``torque.knee.r``. Joints that are not here get no torque.
    deadman_s
        The dead-man flag holds for this long after each refresh.
    old_s
        An output that is older is not followed, as where the engine has stopped.
    ramp_s
        From a joint's limit to zero in this time where the torque has to end; from less, sooner.
    gain
        Share of the estimated torque that is asked for, 0 to 1.
    follow_held
        Whether a held torque is followed until it ends, or ends at once.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """

    limits: Mapping[str, TorqueLimit]
    deadman_s: float = 0.25
    old_s: float = 0.1
    ramp_s: float = 0.2
    gain: float = 1.0
    follow_held: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", dict(self.limits))
        for name in ("deadman_s", "old_s", "ramp_s"):
            _above_zero(name, getattr(self, name))
        if not 0.0 <= self.gain <= 1.0:
            raise _bad("gain", f"{self.gain} is not in 0..1")
        if not self.limits:
            raise _bad("limits", "no joint has a limit, so none may be driven")


@dataclass(frozen=True, slots=True)
class Command:
    """What to ask of the drives.

    Attributes
    ----------
    torque_nm
        By joint, always finite.
    active
        Whether the estimate is followed; False while it goes to zero, and at zero.
    limited
        Joints whose torque or slew limit is at work.
    reason
        Why not active: ``"no output"``, ``"dead-man"``, ``"old output"`` or the engine's status.
    """

    torque_nm: dict[str, float]
    active: bool
    limited: tuple[str, ...]
    reason: str


class SafetyLayer:
    """Follows the outputs of one leg within limits.

    Call `refresh` for as long as the wearer holds the switch, `take` with each output, and
    `command` at the controller's own rate. Nothing moves before all three have been called.

    Parameters
    ----------
    config
        The limits.
    """

    def __init__(self, config: SafetyConfig) -> None:
        self._config = config
        self._torque = dict.fromkeys(config.limits, 0.0)
        self._output: Output | None = None
        self._refreshed_s = -math.inf
        self._last_s: float | None = None

    def refresh(self, now_s: float) -> None:
        """Hold the dead-man flag for another `SafetyConfig.deadman_s`.

        Parameters
        ----------
        now_s
            Present time on the clock of the outputs.
        """
        self._refreshed_s = now_s

    def release(self) -> None:
        """Drop the dead-man flag at once."""
        self._refreshed_s = -math.inf

    def take(self, output: Output) -> None:
        """Take the newest output of the leg.

        Raises
        ------
        UsageError
            ``bad_argument`` where it is in N m/kg only.
        """
        if output.torque_nm is None:
            raise _bad("output", "it holds no N m: give the engine the wearer's mass")
        self._output = output

    def command(self, now_s: float) -> Command:
        """Say what to ask of the drives now.

        Parameters
        ----------
        now_s
            Present time, seconds since the engine's time zero as in `Output.time_s`. A time
            before that of the last call changes nothing.
        """
        step_s = 0.0 if self._last_s is None else now_s - self._last_s
        step_s = min(max(step_s, 0.0), _LONGEST_STEP_S)
        self._last_s = now_s if self._last_s is None else max(now_s, self._last_s)
        reason = self._why_not(now_s)
        wanted = {} if reason else self._wanted()
        limited = []
        for joint, limit in self._config.limits.items():
            before, target = self._torque[joint], wanted.get(joint, 0.0)
            held = min(max(target, -limit.torque_nm), limit.torque_nm)
            # Down to zero it may go as fast as the ramp, if that is faster than the slew.
            fastest = limit.slew_nm_per_s
            if joint not in wanted:
                fastest = max(fastest, limit.torque_nm / self._config.ramp_s)
            most = fastest * step_s
            after = before + min(max(held - before, -most), most)
            if held != target or after != held:
                limited.append(joint)
            self._torque[joint] = after
        return Command(dict(self._torque), not reason, tuple(limited), reason)

    def _why_not(self, now_s: float) -> str:
        output, config = self._output, self._config
        if output is None:
            return "no output"
        # A clock that goes back holds no flag: times after the present count as old too.
        if not 0.0 <= now_s - self._refreshed_s <= config.deadman_s:
            return "dead-man"
        if not abs(now_s - output.time_s) <= config.old_s:
            return "old output"
        followed = {Status.OK, Status.REDUCED} | ({Status.HELD} if config.follow_held else set())
        return "" if output.status in followed else str(output.status)

    def _wanted(self) -> dict[str, float]:
        output = self._output
        assert output is not None
        assert output.torque_nm is not None
        torques = zip(output.joints, output.torque_nm, strict=True)
        return {joint: t * self._config.gain for joint, t in torques if math.isfinite(t)}


def _above_zero(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise _bad(name, f"{value} is not above 0")


def _bad(where: str, what: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, where=f"safety.{where}")
