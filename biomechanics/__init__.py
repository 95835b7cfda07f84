"""The body: anthropometry, inverse dynamics, muscles, an EMG-driven baseline."""

from kinefed.biomechanics.anthropometry import BodyParameters, body_parameters
from kinefed.biomechanics.arm import ARM_COORDINATES, Arm
from kinefed.biomechanics.body import COORDINATES, IMU_SITES, Body
from kinefed.biomechanics.dynamics import (
    Torques,
    Wrench,
    differentiate,
    joint_torques,
    torques_of,
)
from kinefed.biomechanics.engine import Dynamics, Engine, external
from kinefed.biomechanics.geometry import MuscleSet, arm_muscles, leg_muscles
from kinefed.biomechanics.hill import HillParameters
from kinefed.biomechanics.mjcf import Site
from kinefed.biomechanics.nms import NmsModel
from kinefed.biomechanics.opensim_model import OpenSimModel
from kinefed.biomechanics.opensim_muscles import opensim_leg_muscles
from kinefed.biomechanics.optimisation import static_optimisation

__all__ = [
    "ARM_COORDINATES",
    "COORDINATES",
    "IMU_SITES",
    "Arm",
    "Body",
    "BodyParameters",
    "Dynamics",
    "Engine",
    "HillParameters",
    "MuscleSet",
    "NmsModel",
    "OpenSimModel",
    "Site",
    "Torques",
    "Wrench",
    "arm_muscles",
    "body_parameters",
    "differentiate",
    "external",
    "joint_torques",
    "leg_muscles",
    "opensim_leg_muscles",
    "static_optimisation",
    "torques_of",
]
