"""Numbers that laboratories publish of a movement: each a function of one stride or repetition.

What is of one leg is of the right one; a stride of walking is that of the right foot, from its
contact to its next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.types import FloatArray
from kinefed.signals.filters import forward_backward, low_pass_sos
from kinefed.simulations.cohort.repetitions import PACE_S, STANDING_M_S, TOUCH, Repetition


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that is published of a movement.

    Attributes
    ----------
    name
        As in ``ranges.toml``.
    what
        For a table.
    unit
        Of the number.
    of
        From a repetition to the number; nan where the repetition has none.
    """

    name: str
    what: str
    unit: str
    of: Callable[[Repetition], float]


_Window = Callable[[Repetition], NDArray[np.intp]]


def _all(rep: Repetition) -> NDArray[np.intp]:
    return np.arange(rep.frames)


def _between(low: float, high: float) -> _Window:
    """Frames between two shares of the repetition."""

    def window(rep: Repetition) -> NDArray[np.intp]:
        return np.arange(int(low * rep.frames), int(np.ceil(high * rep.frames)))

    return window


def _stance(rep: Repetition) -> NDArray[np.intp]:
    return np.flatnonzero(rep.loaded[:, 0])


def _push(rep: Repetition) -> NDArray[np.intp]:
    """What comes before the flight."""
    return np.arange(rep.flight()[0])


def _landing(rep: Repetition) -> NDArray[np.intp]:
    """What comes after the flight."""
    start, end = rep.flight()
    return np.arange(end, rep.frames if end > start else end)


_Series = Callable[[Repetition], FloatArray]


def _angle(name: str) -> _Series:
    return lambda rep: rep.angle[name]


def _moment(name: str) -> _Series:
    return lambda rep: rep.moment[name]


def _force(axis: int) -> _Series:
    return lambda rep: rep.force[:, 0, axis]


def _both(rep: Repetition) -> FloatArray:
    return np.asarray(rep.force[:, :, 2].sum(axis=1))


def _top(series: _Series, window: _Window = _all, sign: float = 1.0) -> Callable[..., float]:
    """Largest value within a window; with the sign -1 the largest to the other side."""

    def measure(rep: Repetition) -> float:
        values = sign * series(rep)[window(rep)]
        return float(values.max()) if len(values) else np.nan

    return measure


def _excursion(series: _Series) -> Callable[[Repetition], float]:
    return lambda rep: float(np.ptp(series(rep)))


def _hump(rep: Repetition, late: bool) -> float:
    """Peak of the vertical force in one half of stance."""
    up = rep.force[_stance(rep), 0, 2]
    half = len(up) // 2
    part = up[half:] if late else up[:half]
    return float(part.max()) if len(part) else np.nan


def _valley(rep: Repetition) -> float:
    up = rep.force[_stance(rep), 0, 2]
    half = len(up) // 2
    if half == 0:
        return np.nan
    return float(up[np.argmax(up[:half]) : half + np.argmax(up[half:]) + 1].min())


def _duration(rep: Repetition) -> float:
    return rep.frames / rep.rate_hz


def _speed(rep: Repetition) -> float:
    way = rep.angle["pelvis_x"]
    return float((way[-1] - way[0]) / (rep.frames - 1) * rep.rate_hz)


def _share(of: Callable[[Repetition], NDArray[np.bool_]]) -> Callable[[Repetition], float]:
    return lambda rep: 100.0 * float(np.mean(of(rep)))


def _when(series: _Series) -> Callable[[Repetition], float]:
    return lambda rep: 100.0 * float(np.argmax(series(rep))) / rep.frames


def _jump_height(rep: Repetition) -> float:
    """Rise of the centre of mass from take-off to its highest point."""
    start, end = rep.flight()
    return float(rep.height[start:end].max() - rep.height[start]) if end > start else np.nan


def _airborne(rep: Repetition) -> float:
    start, end = rep.flight()
    return (end - start) / rep.rate_hz if end > start else np.nan


def _steps_between(rep: Repetition, starts: bool) -> float:
    """Steps between standing and full pace: from a tenth to nine tenths of its speed.

    Speed is low-passed at the cadence, as Miff et al. 2005 do, which leaves the changes between
    steps.
    """
    contacts = [np.flatnonzero(np.diff(foot.astype(np.int8)) == 1) for foot in rep.loaded.T]
    strikes = np.sort(np.concatenate(contacts))
    if len(strikes) < 4:
        return np.nan
    step = float(np.median(np.diff(strikes)))
    sos = low_pass_sos("low_pass", rep.rate_hz / step, 2, rep.rate_hz)
    speed = forward_backward(sos, np.gradient(rep.angle["pelvis_x"])[:, None], "low_pass")[:, 0]
    speed = speed if starts else speed[::-1]
    onset = np.argmax(speed * rep.rate_hz > STANDING_M_S)
    pace = speed[onset : onset + round(PACE_S * rep.rate_hz)].max()
    return float(np.argmax(speed > 0.9 * pace) - np.argmax(speed > 0.1 * pace)) / step


def _seated(rep: Repetition) -> float:
    """How long the seat bears weight, percent of the movement."""
    return 100.0 * float(np.mean(rep.seat > TOUCH)) if rep.seat.any() else np.nan


def _quantities() -> Sequence[Quantity]:
    hip, knee, ankle = (
        _angle(f"{name}_r") for name in ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")
    )
    hip_m, hip_ab, knee_m, ankle_m = (
        _moment(f"{name}.r") for name in ("hip", "hip_abduction", "knee", "ankle")
    )
    elbow, wrist = _angle("elbow_flexion"), _angle("wrist_flexion")
    elbow_m, wrist_m = _moment("elbow"), _moment("wrist")
    deg, nm, bw = "deg", "N m/kg", "body weight"
    late = _between(0.4, 1.0)
    return (
        Quantity("hip_flexion", "peak hip flexion", deg, _top(hip)),
        Quantity("hip_extension", "peak hip extension", deg, _top(hip, sign=-1.0)),
        Quantity("hip_excursion", "hip flexion-extension range", deg, _excursion(hip)),
        Quantity("knee_contact", "knee flexion at contact", deg, lambda rep: float(knee(rep)[0])),
        Quantity("knee_loading", "knee flexion in loading", deg, _top(knee, _between(0.0, 0.3))),
        Quantity("knee_flexion", "peak knee flexion", deg, _top(knee)),
        Quantity("ankle_dorsiflexion", "peak ankle dorsiflexion", deg, _top(ankle, _stance)),
        Quantity("ankle_plantarflexion", "peak ankle plantarflexion", deg, _top(ankle, late, -1.0)),
        Quantity("ankle_excursion", "ankle range", deg, _excursion(ankle)),
        Quantity(
            "pelvis_obliquity", "pelvic obliquity range", deg, _excursion(_angle("pelvis_list"))
        ),
        Quantity("trunk_lean", "peak forward lean of the trunk", deg, _top(lambda rep: rep.trunk)),
        Quantity("hip_extension_moment", "peak hip extension moment", nm, _top(hip_m)),
        Quantity("hip_flexion_moment", "peak hip flexion moment", nm, _top(hip_m, sign=-1.0)),
        Quantity("hip_abduction_moment", "peak hip abduction moment", nm, _top(hip_ab)),
        Quantity("knee_extension_moment", "peak knee extension moment", nm, _top(knee_m)),
        Quantity(
            "knee_loading_moment",
            "knee extension moment in loading",
            nm,
            _top(knee_m, _between(0.0, 0.4)),
        ),
        Quantity("knee_flexion_moment", "peak knee flexion moment", nm, _top(knee_m, sign=-1.0)),
        Quantity("ankle_moment", "peak plantarflexion moment", nm, _top(ankle_m)),
        Quantity("vertical_first", "first peak of vertical force", bw, partial(_hump, late=False)),
        Quantity("vertical_valley", "valley of vertical force", bw, _valley),
        Quantity("vertical_second", "second peak of vertical force", bw, partial(_hump, late=True)),
        Quantity("vertical_both", "peak vertical force, both feet", bw, _top(_both)),
        Quantity("braking", "peak braking force", bw, _top(_force(0), sign=-1.0)),
        Quantity("propulsion", "peak propulsive force", bw, _top(_force(0))),
        Quantity("speed", "speed", "m/s", _speed),
        Quantity("cadence", "cadence", "steps/min", lambda rep: 120.0 / _duration(rep)),
        Quantity("stride_time", "stride time", "s", _duration),
        Quantity("stride_length", "stride length", "m", lambda rep: _speed(rep) * _duration(rep)),
        Quantity(
            "toe_off", "stance, contact to toe-off", "% of stride", _share(lambda r: r.loaded[:, 0])
        ),
        Quantity(
            "double_support",
            "double support, both phases",
            "% of stride",
            _share(lambda rep: np.asarray(rep.loaded.all(axis=1))),
        ),
        Quantity("ankle_moment_time", "time of peak ankle moment", "% of stride", _when(ankle_m)),
        Quantity(
            "start_steps",
            "steps from standing to full pace",
            "steps",
            partial(_steps_between, starts=True),
        ),
        Quantity(
            "stop_steps",
            "steps from full pace to standing",
            "steps",
            partial(_steps_between, starts=False),
        ),
        Quantity("duration", "duration", "s", _duration),
        Quantity("seated", "time on the seat", "% of movement", _seated),
        Quantity("jump_height", "rise of the centre of mass in flight", "m", _jump_height),
        Quantity("flight_time", "time in the air", "s", _airborne),
        Quantity("push_force", "peak vertical force before take-off", bw, _top(_both, _push)),
        Quantity("landing_force", "peak vertical force at landing", bw, _top(_both, _landing)),
        Quantity("hip_push_moment", "hip extension moment, push-off", nm, _top(hip_m, _push)),
        Quantity("knee_push_moment", "knee extension moment, push-off", nm, _top(knee_m, _push)),
        Quantity("ankle_push_moment", "plantarflexion moment, push-off", nm, _top(ankle_m, _push)),
        Quantity("knee_push_flexion", "knee flexion before take-off", deg, _top(knee, _push)),
        Quantity(
            "knee_landing_moment", "knee extension moment, landing", nm, _top(knee_m, _landing)
        ),
        Quantity("knee_landing_flexion", "knee flexion, landing", deg, _top(knee, _landing)),
        Quantity("elbow_flexion", "peak elbow flexion", deg, _top(elbow)),
        Quantity("elbow_straight", "least elbow flexion", deg, lambda rep: float(elbow(rep).min())),
        Quantity("elbow_excursion", "elbow range", deg, _excursion(elbow)),
        Quantity("elbow_flexion_moment", "peak elbow flexion moment", nm, _top(elbow_m, sign=-1.0)),
        Quantity("wrist_flexion", "peak wrist flexion", deg, _top(wrist)),
        Quantity("wrist_extension", "peak wrist extension", deg, _top(wrist, sign=-1.0)),
        Quantity("wrist_flexion_moment", "peak wrist flexion moment", nm, _top(wrist_m, sign=-1.0)),
    )


QUANTITIES: Mapping[str, Quantity] = MappingProxyType({q.name: q for q in _quantities()})
