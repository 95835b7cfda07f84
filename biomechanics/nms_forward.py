"""The forward part of the EMG-driven model: from envelopes and angles to torques, and derivatives.

Parameters are few kinds with one value a muscle or channel; `PARAMETERS` says what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import signal

from kinefed.biomechanics.activation import shape, shift
from kinefed.biomechanics.geometry import MuscleSet
from kinefed.biomechanics.hill import capacity
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

# Time constant of both poles of the activation filter; 15 ms is that of the fast direction.
FILTER_S = 0.015
# Name, nominal value, spread about it (prior standard deviation), bounds. Strength, gain and
# optimal length as logarithms; tendon slack in optimal fibre lengths.
PARAMETERS = {
    "strength": (0.0, 0.3, -1.0, 1.0),
    "optimal": (0.0, 0.08, -0.25, 0.25),
    "slack": (0.0, 0.08, -0.25, 0.25),
    "gain": (0.0, 0.4, -1.6, 1.6),
    "a_shape": (-1.0, 1.0, -2.9, 0.0),
    "delay_s": (0.02, 0.02, 0.0, 0.12),
}


@dataclass(frozen=True, slots=True)
class NmsTrial:
    """One limb in one recording.

    Attributes
    ----------
    envelopes
        (frames, channels) fractions of the wearer's reference.
    angles_rad, velocities_rad_s
        (frames, coordinates) of the model's muscles.
    rate_hz
        Frames a second.
    torque
        (frames, coordinates) N m/kg with the signs of labels (extension, plantarflexion, abduction
        positive), NaN where unknown; None where there are none.
    """

    envelopes: FloatArray
    angles_rad: FloatArray
    velocities_rad_s: FloatArray
    rate_hz: float
    torque: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class NmsParameters:
    """What is fitted to a person; see `PARAMETERS` for nominal values and bounds.

    Attributes
    ----------
    strength, optimal
        (muscles,) logarithms of the factors of force and optimal fibre length.
    slack
        (muscles,) change of tendon slack length in optimal fibre lengths.
    gain
        (channels,) logarithms of the factors of the envelopes.
    a_shape, delay_s
        (1,) of all muscles together.
    """

    strength: FloatArray
    optimal: FloatArray
    slack: FloatArray
    gain: FloatArray
    a_shape: FloatArray
    delay_s: FloatArray

    def vector(self) -> FloatArray:
        """All in one, in the order of the fields."""
        return np.concatenate([getattr(self, name) for name in PARAMETERS])


@dataclass(frozen=True, slots=True)
class Prepared:
    """A trial with all that does not depend on the parameters.

    Attributes
    ----------
    muscles, mass_kg, sources
        Of the model.
    rate_hz, step
        Frames a second, and how many frames on the next one that is evaluated lies.
    filtered
        (all frames, channels) envelopes after the activation filter.
    lengths, velocities, arms, wanted
        Of the frames that are evaluated: muscles, and measured torques with NaN where unknown.
    """

    muscles: MuscleSet
    mass_kg: float
    sources: FloatArray
    rate_hz: float
    step: int
    filtered: FloatArray
    lengths: FloatArray
    velocities: FloatArray
    arms: FloatArray
    wanted: FloatArray

    @classmethod
    def of(
        cls, muscles: MuscleSet, mass_kg: float, sources: FloatArray, trial: NmsTrial, step: int
    ) -> Prepared:
        """Prepare a trial.

        Raises
        ------
        DataError
            ``mismatch`` or ``not_finite``.
        """
        frames, channels = len(trial.angles_rad), sources.shape[1]
        if trial.envelopes.shape != (frames, channels):
            raise DataError(
                DataReason.MISMATCH,
                f"envelopes are {trial.envelopes.shape}, not {(frames, channels)}",
                where="NmsTrial",
            )
        if not all(
            np.isfinite(part).all()
            for part in (trial.envelopes, trial.angles_rad, trial.velocities_rad_s)
        ):
            raise DataError(
                DataReason.NOT_FINITE, "envelopes or angles are not finite", where="NmsTrial"
            )
        lengths, velocities, arms = muscles.evaluate(
            trial.angles_rad[::step], trial.velocities_rad_s[::step]
        )
        pole = np.exp(-1.0 / (trial.rate_hz * FILTER_S))
        b, a = np.array([(1.0 - pole) ** 2]), np.array([1.0, -2.0 * pole, pole**2])
        start = signal.lfilter_zi(b, a)[:, None] * trial.envelopes[:1]
        filtered, _ = signal.lfilter(b, a, trial.envelopes, axis=0, zi=start)
        wanted = np.full(trial.angles_rad.shape, np.nan) if trial.torque is None else trial.torque
        if wanted.shape != trial.angles_rad.shape:
            raise DataError(
                DataReason.MISMATCH,
                f"torques are {wanted.shape}, angles {trial.angles_rad.shape}",
                where="NmsTrial",
            )
        return cls(
            muscles,
            mass_kg,
            sources,
            trial.rate_hz,
            step,
            filtered,
            lengths,
            velocities,
            arms,
            wanted[::step],
        )

    def excitation(self, p: NmsParameters) -> FloatArray:
        """Neural excitation of each muscle before the A-shape, (frames, muscles)."""
        return np.asarray(np.clip(self._amplified(p) @ self.sources.T, 0.0, 1.0))

    def _amplified(self, p: NmsParameters) -> FloatArray:
        late = shift(self.filtered, self.rate_hz, float(p.delay_s[0]))
        return np.asarray(late[:: self.step] * np.exp(p.gain))

    def force(self, p: NmsParameters, excitation: FloatArray) -> FloatArray:
        """Tendon forces, (frames, muscles) N."""
        hill = self.muscles.hill
        own = hill.times(force=np.exp(p.strength), optimal=np.exp(p.optimal))
        moved = 1.0 + p.slack * hill.optimal_length_m / hill.slack_length_m
        own = own.times(slack=np.maximum(moved, 0.05))
        can = capacity(self.lengths, self.velocities, own)
        return can.force(shape(excitation, float(p.a_shape[0])))

    def to_torque(self, force: FloatArray) -> FloatArray:
        """Labels from forces: minus the moment over the mass."""
        return np.asarray(-np.einsum("fmc,fm->fc", self.arms, force) / self.mass_kg)

    def torque(self, p: NmsParameters) -> FloatArray:
        """Labels, (frames, coordinates)."""
        return self.to_torque(self.force(p, self.excitation(p)))

    def residual(self, p: NmsParameters, weight: FloatArray) -> FloatArray:
        """Weighted error of each frame and joint in one vector, 0 where the torque is unknown."""
        error = (self.torque(p) - self.wanted) * weight
        return np.where(np.isfinite(error), error, 0.0).ravel()

    def jacobian(self, p: NmsParameters, weight: FloatArray) -> FloatArray:
        """Derivatives of `residual`: a muscle's own parameter moves that muscle's force alone.

        So one more evaluation per kind of parameter is enough, however many muscles there are.
        """
        excitation = self.excitation(p)
        base = self.force(p, excitation)
        arm = -self.arms / self.mass_kg
        eps = 1e-5
        columns = []
        for name in ("strength", "optimal", "slack"):
            more = replace(p, **{name: getattr(p, name) + eps})
            change = (self.force(more, excitation) - base) / eps
            columns.append(arm * change[:, :, None])
        # Downwards where the excitation is full, so that the A-shape is never asked beyond 1.
        down = np.where(excitation > 0.5, -eps, eps)
        per_excitation = (self.force(p, excitation + down) - base) / down
        amplified = self._amplified(p)
        driven = amplified @ self.sources.T
        open_ = per_excitation * ((driven > 0.0) & (driven < 1.0))
        gains = np.einsum("fmc,fm,mk->fkc", arm, open_, self.sources, optimize=True)
        columns.append(gains * amplified[:, :, None])
        for name in ("a_shape", "delay_s"):
            back = -eps if name == "a_shape" else eps
            more = replace(p, **{name: getattr(p, name) + back})
            moved = self.force(more, self.excitation(more)) - base
            columns.append(np.einsum("fmc,fm->fc", arm, moved / back)[:, None, :])
        every = np.concatenate(columns, axis=1) * weight
        every = np.where(np.isfinite(self.wanted)[:, None, :], every, 0.0)
        return np.asarray(every.transpose(0, 2, 1).reshape(-1, every.shape[1]))
