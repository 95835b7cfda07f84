"""Virtual people who stand, bend their knees and walk, with sensors put on askew."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from kinefed.cli.calibration_person import perform
from kinefed.sensors.orientation import imus_of
from kinefed.simulations.cohort.outfit import dress
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.radio import LinkConfig

WIRED = LinkConfig(loss=0.0, skew_ppm=0.0, offset_s=0.0)


@cache
def performance(number=0, seed=5, walk_s=20.0, rate_hz=100.0, wired=True, posture_deg=0.0):
    """One person's; asked for again, it is the same object."""
    person = sample_people(number + 1, seed)[number]
    outfit = dress(person.rigid_body(), rate_hz, (seed, number), 0)
    done = perform(
        person,
        outfit,
        [("squat", 9.0), ("walk_normal", walk_s)],
        rate_hz=rate_hz,
        posture_rad=np.deg2rad(posture_deg),
        link=WIRED if wired else None,
    )
    return done, outfit


def spans(done):
    """Standing, bending and walking, without their edges."""
    begin, end = done.phases["stand"]
    return (begin + 0.5, end - 0.5), done.phases["squat"], done.phases["walk_normal"]


def turned(imus, seed=0):
    """The same sensors, each put on in any direction; with the rotations."""
    rng = np.random.default_rng(seed)
    turns = {place: Rotation.random(rng=rng) for place in imus}
    return {
        place: replace(each, acc=turns[place].apply(each.acc), gyro=turns[place].apply(each.gyro))
        for place, each in imus.items()
    }, turns


def legs(done):
    """IMUs of the segments that can be aligned."""
    return {place: each for place, each in imus_of(done.recording).items() if place != "torso"}
