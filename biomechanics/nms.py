"""EMG-driven Hill model calibrated to one person: what a network has to beat with EMG and angles.

As CEINMS does (Lloyd and Besier, J Biomech 36, 2003; Pizzolato et al., J Biomech 48, 2015): EMG
envelopes, delayed and passed through a critically damped second-order filter, bent by the A-shape,
drive Hill muscles of the textbook's geometry. Strength, gains, A-shape, delay, fibre and tendon
lengths are fitted to the measured torques of a calibration recording, and held towards the textbook
where the recording cannot tell them apart. It is causal: no estimate needs a later frame.

`leg_sources` and `leg_trial` make it a row beside the networks: they read the same `LegSeries`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinefed.biomechanics.geometry import MuscleSet
from kinefed.biomechanics.nms_forward import PARAMETERS, NmsParameters, NmsTrial, Prepared
from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray
from kinefed.signals import LegSeries, LegSpec

# Error of the model that the calibration expects, as a share of the torque's standard deviation,
# and the time over which errors are alike: they weigh the recording against the prior.
_EXPECTED_ERROR = 0.3
_ALIKE_S = 0.1
_MAX_FRAMES = 3000
# The fit ends when a step improves by less than this share, when no step does, or here.
_GAIN, _STUCK, _MAX_STEPS = 1e-5, 1e8, 60
# Muscles without an electrode of their own, and whose envelopes stand for theirs, in order of
# preference (after Sartori et al., PLoS One 7, 2012): the first group with one at hand is used.
_STAND_INS = {
    "vastus_intermedius": (("vastus_lateralis", "vastus_medialis"),),
    "vastus_medialis": (("vastus_lateralis",),),
    "vastus_lateralis": (("vastus_medialis",),),
    "biceps_femoris": (("hamstrings",), ("semitendinosus",)),
    "biceps_femoris_short": (("biceps_femoris",), ("hamstrings",), ("semitendinosus",)),
    "semitendinosus": (("semimembranosus",), ("hamstrings",), ("biceps_femoris",)),
    "semimembranosus": (("semitendinosus",), ("hamstrings",), ("biceps_femoris",)),
    "gluteus_minimus": (("gluteus_medius",),),
    "adductor_longus": (("adductors",), ("adductor_magnus",)),
    "adductor_magnus": (("adductors",), ("adductor_longus",)),
    "gastrocnemius_lateralis": (("gastrocnemius",), ("gastrocnemius_medialis",)),
    "gastrocnemius_medialis": (("gastrocnemius",), ("gastrocnemius_lateralis",)),
    "soleus": (("gastrocnemius_medialis",), ("gastrocnemius",)),
    "iliopsoas": (("rectus_femoris",),),
}
_LABELS = {
    "hip_flexion": "torque.hip",
    "hip_adduction": "torque.hip_abduction",
    "knee_flexion": "torque.knee",
    "ankle_dorsiflexion": "torque.ankle",
}


@dataclass(frozen=True, slots=True)
class NmsModel:
    """An EMG-driven model of one limb.

    Attributes
    ----------
    muscles
        The textbook's, at the person's size.
    mass_kg
        The person's.
    sources
        (muscles, channels): which envelopes drive which muscle, each row adding up to 1, or to 0
        for a muscle that nothing drives.
    parameters
        Nominal, or fitted by `calibrate`.
    """

    muscles: MuscleSet
    mass_kg: float
    sources: FloatArray
    parameters: NmsParameters

    @classmethod
    def nominal(cls, muscles: MuscleSet, mass_kg: float, sources: FloatArray) -> NmsModel:
        """Make the model of the textbook, before calibration.

        Raises
        ------
        DataError
            ``mismatch`` or ``no_mass``.
        """
        count = len(muscles.names)
        if sources.ndim != 2 or len(sources) != count:
            raise DataError(
                DataReason.MISMATCH,
                f"the sources are {sources.shape}",
                where="NmsModel",
                next_step=f"Give ({count}, channels)",
            )
        if not mass_kg > 0.0:
            raise DataError(DataReason.NO_MASS, f"a mass of {mass_kg} kg", where="NmsModel")
        sizes = {"gain": sources.shape[1], "a_shape": 1, "delay_s": 1}
        values = {
            name: np.full(sizes.get(name, count), prior[0]) for name, prior in PARAMETERS.items()
        }
        return cls(muscles, mass_kg, sources, NmsParameters(**values))

    def predict(self, trial: NmsTrial) -> FloatArray:
        """Estimate torques.

        Parameters
        ----------
        trial
            Its torques are not looked at.

        Returns
        -------
        torque
            (frames, coordinates) N m/kg, signs of labels.

        Raises
        ------
        DataError
            ``mismatch`` or ``not_finite``.
        """
        return self._prepare(trial, 1).torque(self.parameters)

    def calibrate(self, trials: Sequence[NmsTrial]) -> NmsModel:
        """Fit the parameters to measured torques.

        Parameters
        ----------
        trials
            With torques; 3000 frames at most are used, spread evenly.

        Returns
        -------
        model
            The same with fitted parameters.

        Raises
        ------
        DataError
            ``empty`` where no frame has a torque; ``mismatch`` or ``not_finite``.
        """
        labelled = [
            trial
            for trial in trials
            if trial.torque is not None and np.isfinite(trial.torque).any()
        ]
        if not labelled:
            raise DataError(
                DataReason.EMPTY,
                "no frame has a measured torque to calibrate on",
                where="NmsModel.calibrate",
            )
        step = -(-sum(len(trial.angles_rad) for trial in labelled) // _MAX_FRAMES)
        known = [self._prepare(trial, step) for trial in labelled]
        every = np.ma.masked_invalid(np.concatenate([p.wanted for p in known]))
        # Joints count alike, but one that is hardly loaded, or unknown, must not be blown up.
        spread = every.std(axis=0).filled(0.0)
        spread = np.maximum(spread, max(0.05 * float(spread.max()), 1e-6))
        alike = max(known[0].rate_hz / step * _ALIKE_S, 1.0)
        weight = 1.0 / (_EXPECTED_ERROR * spread * np.sqrt(alike))
        start = self.parameters.vector()
        sizes = [len(getattr(self.parameters, name)) for name in PARAMETERS]
        prior = np.repeat(np.array(list(PARAMETERS.values())), sizes, axis=0)
        centre, sigma, low, high = prior.T

        def residual(vector: FloatArray) -> FloatArray:
            now = self._parameters(vector)
            parts = [p.residual(now, weight) for p in known]
            return np.concatenate([*parts, (vector - centre) / sigma])

        def jacobian(vector: FloatArray) -> FloatArray:
            now = self._parameters(vector)
            parts = [p.jacobian(now, weight) for p in known]
            return np.concatenate([*parts, np.diag(1.0 / sigma)])

        fitted = _fit(residual, jacobian, np.clip(start, low, high), low, high)
        return replace(self, parameters=self._parameters(fitted))

    def _prepare(self, trial: NmsTrial, step: int) -> Prepared:
        return Prepared.of(self.muscles, self.mass_kg, self.sources, trial, step)

    def _parameters(self, vector: FloatArray) -> NmsParameters:
        sizes = [len(getattr(self.parameters, name)) for name in PARAMETERS]
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        return NmsParameters(**dict(zip(PARAMETERS, parts, strict=True)))


def _fit(
    residual: Callable[[FloatArray], FloatArray],
    jacobian: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> FloatArray:
    """Least squares within bounds: Levenberg and Marquardt's steps, clipped.

    The prior makes the normal equations well-conditioned, so they may be formed; scipy's solver
    takes a singular value decomposition of every frame instead and is ten times slower.
    """
    error = residual(x)
    damping = 1e-3
    for _ in range(_MAX_STEPS):
        slopes = jacobian(x)
        curvature, gradient = slopes.T @ slopes, slopes.T @ error
        held = ((x <= low) & (gradient > 0.0)) | ((x >= high) & (gradient < 0.0))
        free = np.flatnonzero(~held)
        matrix = curvature[np.ix_(free, free)]
        before = error @ error
        while damping < _STUCK:
            step = np.zeros_like(x)
            damped = matrix + damping * np.diag(np.diag(matrix))
            step[free] = -np.linalg.solve(damped, gradient[free])
            new = np.clip(x + step, low, high)
            new_error = residual(new)
            if new_error @ new_error < before:
                break
            damping *= 5.0
        else:
            return x
        x, error, damping = new, new_error, damping / 5.0
        if before - error @ error < _GAIN * before:
            return x
    return x


def leg_sources(muscles: MuscleSet, spec: LegSpec, available: Sequence[bool]) -> FloatArray:
    """Say which envelope drives which muscle, for `NmsModel.nominal`.

    Parameters
    ----------
    muscles
        Of a leg.
    spec
        Its ``envelope.*`` channels, required or optional, are the columns.
    available
        (channels,) of ``spec.channels``, as in `LegSeries`.

    Returns
    -------
    sources
        (muscles, envelopes). A muscle without an electrode is driven by its neighbours of the same
        action; where there is none it stays silent and only resists.
    """
    sites = _sites(spec)
    here = {site: column for column, (site, place) in enumerate(sites) if available[place]}
    sources = np.zeros((len(muscles.names), len(sites)))
    for row, name in enumerate(muscles.names):
        for group in ((name,), *_STAND_INS.get(name, ())):
            columns = [here[site] for site in group if site in here]
            if columns:
                sources[row, columns] = 1.0 / len(columns)
                break
    return sources


def leg_trial(leg: LegSeries, spec: LegSpec, muscles: MuscleSet) -> NmsTrial:
    """Read a leg as the model needs it.

    Angles that the leg does not have are held at 0; labels that are masked become NaN, and so do
    torques that the leg does not have.

    Raises
    ------
    DataError
        ``missing_column`` where there is no angle of the muscles, or an angle without its velocity.
    """
    x = np.asarray(leg.x, dtype=np.float64)
    columns = {name: x[:, k] for k, name in enumerate(spec.channels) if leg.available[k]}
    angles = np.zeros((leg.n_frames, len(muscles.coordinates)))
    velocities = np.zeros_like(angles)
    torque = np.full_like(angles, np.nan)
    found = [name for name in muscles.coordinates if f"angle.{name}" in columns]
    if not found or any(f"velocity.{name}" not in columns for name in found):
        raise DataError(
            DataReason.MISSING_COLUMN,
            "the EMG-driven model needs joint angles and their velocities",
            where=f"{leg.key} leg {leg.side}",
            next_step="Put angle.* and velocity.* of the same joints among the leg's inputs",
        )
    for k, name in enumerate(muscles.coordinates):
        if name in found:
            angles[:, k] = columns[f"angle.{name}"]
            velocities[:, k] = columns[f"velocity.{name}"]
        if _LABELS.get(name) in spec.outputs:
            label = np.asarray(leg.y[:, spec.outputs.index(_LABELS[name])], dtype=np.float64)
            torque[:, k] = np.where(leg.mask, label, np.nan)
    envelopes = x[:, [place for _, place in _sites(spec)]]
    return NmsTrial(envelopes, angles, velocities, leg.rate_hz, torque)


def _sites(spec: LegSpec) -> list[tuple[str, int]]:
    """Envelope channels of a leg: site, and column of x."""
    parsed = [ChannelName.parse(channel) for channel in spec.channels]
    return [(name.site, k) for k, name in enumerate(parsed) if name.kind == "envelope"]
