"""From a virtual person's joint torques to the activity of that person's own muscles.

Every person has muscles that differ from the textbook's: `HiddenMuscles`. They shape the EMG that
the person shows, and no baseline may read them; it has to find them by calibration, or do without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinefed.biomechanics.activation import excite, shift, unshape
from kinefed.biomechanics.geometry import MuscleSet
from kinefed.biomechanics.hill import HillParameters, capacity
from kinefed.biomechanics.optimisation import antagonist_floor, static_optimisation
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

# Fibres of walking people stay below this share of their optimal length (Arnold et al., J Exp Biol
# 216, 2013, figures); beyond it the passive force rises steeply.
_LONGEST_FIBRE = 1.4
# Hip flexion and adduction, knee flexion, ankle dorsiflexion: sitting low, crouching, striding
# forwards and backwards, legs apart and crossed, on tiptoe, and the heel pulled up.
_LEG_POSTURES_DEG = (
    (110.0, 0.0, 110.0, 20.0),
    (100.0, 0.0, 110.0, 35.0),
    (35.0, 0.0, 5.0, 0.0),
    (-20.0, 0.0, 10.0, 15.0),
    (0.0, -20.0, 0.0, 0.0),
    (0.0, 15.0, 0.0, 0.0),
    (0.0, 0.0, 20.0, -40.0),
    (0.0, 0.0, 60.0, 0.0),
)
# Elbow and wrist flexion: hanging, bent all the way, and the wrist bent to either side.
_ARM_POSTURES_DEG = (
    (0.0, 0.0),
    (130.0, 0.0),
    (90.0, -60.0),
    (90.0, 60.0),
    (0.0, -60.0),
    (0.0, 60.0),
)


@dataclass(frozen=True, slots=True)
class HiddenSpread:
    """How much muscles differ between people.

    Attributes
    ----------
    strength
        Standard deviation of the logarithm of force, for a whole person and again for each muscle:
        21 % together. An assumption, of the order in which muscle volumes scatter about their
        regression on body size (figures of Handsfield et al., J Biomech 47, 2014).
    optimal
        Of the logarithm of optimal fibre length, each muscle; fascicles spread by 10..20 % (Ward
        et al., Clin Orthop Relat Res 467, 2009).
    slack
        Of tendon slack length, in optimal fibre lengths.
    a_shape, delay_s, co_contraction
        Ranges of even draws. The A-shape is that of Manal and Buchanan (J Biomech 36, 2003) short
        of its extremes; 30..80 ms are within the delays of Cavanagh and Komi (Eur J Appl Physiol
        42, 1979).
    """

    strength: float = 0.15
    optimal: float = 0.08
    slack: float = 0.06
    a_shape: tuple[float, float] = (-2.0, -0.1)
    delay_s: tuple[float, float] = (0.030, 0.080)
    co_contraction: tuple[float, float] = (0.05, 0.25)


@dataclass(frozen=True, slots=True)
class HiddenMuscles:
    """What one person's muscles are like beside the textbook's.

    Attributes
    ----------
    strength, optimal
        (muscles,) factors of isometric force and optimal fibre length.
    slack
        (muscles,) change of the tendon's slack length, in optimal fibre lengths.
    a_shape
        (muscles,) curvature between excitation and activation.
    delay_s
        From EMG to activation.
    co_contraction
        Share of the agonists' activation that antagonists take.
    """

    strength: FloatArray
    optimal: FloatArray
    slack: FloatArray
    a_shape: FloatArray
    delay_s: float
    co_contraction: float

    def apply(self, hill: HillParameters) -> HillParameters:
        """Give the person's own parameters."""
        own = hill.times(force=self.strength, optimal=self.optimal)
        change = self.slack * hill.optimal_length_m / hill.slack_length_m
        return own.times(slack=np.maximum(1.0 + change, 0.1))


def draw_muscles(
    count: int, rng: np.random.Generator, spread: HiddenSpread | None = None
) -> HiddenMuscles:
    """Draw one person's muscles.

    Parameters
    ----------
    count
        Muscles of the limb. Both legs of a person share one draw.
    rng
        The person's generator.
    spread
        How much people differ.
    """
    spread = spread or HiddenSpread()
    whole = spread.strength * rng.standard_normal()
    return HiddenMuscles(
        strength=np.exp(whole + spread.strength * rng.standard_normal(count)),
        optimal=np.exp(spread.optimal * rng.standard_normal(count)),
        slack=spread.slack * rng.standard_normal(count),
        a_shape=rng.uniform(*spread.a_shape, size=count),
        delay_s=float(rng.uniform(*spread.delay_s)),
        co_contraction=float(rng.uniform(*spread.co_contraction)),
    )


def limber(muscles: MuscleSet, hidden: HiddenMuscles) -> HiddenMuscles:
    """Lengthen tendons until no fibre is overstretched in the postures of daily life.

    Drawn at random, a muscle may be so short that sitting down would take several times its
    strength, which no person's is.

    Parameters
    ----------
    muscles
        Of a leg or of an arm.
    hidden
        As drawn.
    """
    arm = "elbow_flexion" in muscles.coordinates
    postures = np.deg2rad(_ARM_POSTURES_DEG if arm else _LEG_POSTURES_DEG)
    own = hidden.apply(muscles.hill)
    lengths, velocities, _ = muscles.evaluate(postures, np.zeros_like(postures))
    longest = capacity(lengths, velocities, own).fibre_length.max(axis=0)
    more = np.maximum(longest - _LONGEST_FIBRE, 0.0) * hidden.optimal
    return replace(hidden, slack=hidden.slack + more)


@dataclass(frozen=True, slots=True)
class Drive:
    """Muscle activity of a movement, each (frames, muscles).

    Attributes
    ----------
    activation
        What the muscle makes force of, at the time of the force.
    excitation
        What the EMG shows, at the time of the EMG: before the dynamics and the delay.
    residual_nm
        (frames, coordinates): torque that the muscles cannot give. Large where a person is drawn
        too weak for the movement.
    """

    activation: FloatArray
    excitation: FloatArray
    residual_nm: FloatArray


def drive(
    muscles: MuscleSet,
    hidden: HiddenMuscles,
    angles_rad: FloatArray,
    velocities_rad_s: FloatArray,
    torque_nm: FloatArray,
    rate_hz: float,
) -> Drive:
    """Find the muscle activity behind the torques of one limb.

    Parameters
    ----------
    muscles
        The textbook's muscles at the person's size.
    hidden
        What is the person's own.
    angles_rad, velocities_rad_s, torque_nm
        (frames, coordinates) in the order of ``muscles.coordinates``; torques about the
        coordinates, so that flexion, adduction and dorsiflexion are positive: minus the labels
        times the mass.
    rate_hz
        Frames a second.

    Raises
    ------
    DataError
        ``mismatch`` where the shapes do not agree.
    """
    if torque_nm.shape != angles_rad.shape:
        raise DataError(
            DataReason.MISMATCH,
            f"torques {torque_nm.shape} and angles {angles_rad.shape}",
            where="drive",
            next_step=f"Give (frames, {len(muscles.coordinates)}) of both",
        )
    own = replace(muscles, hill=hidden.apply(muscles.hill))
    lengths, velocities, arms = own.evaluate(angles_rad, velocities_rad_s)
    can = capacity(lengths, velocities, own.hill)
    per_activation = (arms * can.active_n[:, :, None]).transpose(0, 2, 1)
    wanted = torque_nm - np.einsum("fmc,fm->fc", arms, can.passive_n)
    activation = static_optimisation(per_activation, wanted)
    if hidden.co_contraction > 0.0:
        floor = antagonist_floor(per_activation, wanted, activation, hidden.co_contraction)
        activation = static_optimisation(per_activation, wanted, low=floor, start=activation)
    residual = wanted - np.einsum("fcm,fm->fc", per_activation, activation)
    excitation = excite(unshape(activation, hidden.a_shape), rate_hz)
    return Drive(activation, shift(excitation, rate_hz, -hidden.delay_s), residual)
