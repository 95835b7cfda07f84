"""The made legs: torque against a numerical Lagrangian, and power against energy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import two_link_arm as legs

from kinefed.datasets import check_dataset, leave_one_group_out


def _positions(leg: legs.Leg, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres of mass (3, 2) and segment angles (3,), by walking down the chain."""
    thigh = q[0]
    shank = thigh - q[1]
    foot = shank + np.pi / 2.0 + q[2]
    phi = np.array([thigh, shank, foot])
    along = np.stack([np.sin(phi), -np.cos(phi)], axis=1)
    joints = np.vstack([np.zeros(2), np.cumsum(leg.length[:, None] * along, axis=0)[:-1]])
    return joints + leg.com[:, None] * along, phi


def _energy(leg: legs.Leg, q: np.ndarray, dq: np.ndarray) -> tuple[float, float]:
    """Kinetic and potential energy, speeds by central differences of positions."""
    step = 1e-4
    ahead, phi_ahead = _positions(leg, q + step * dq)
    behind, phi_behind = _positions(leg, q - step * dq)
    speed = (ahead - behind) / (2 * step)
    spin = (phi_ahead - phi_behind) / (2 * step)
    kinetic = 0.5 * np.sum(leg.mass * np.sum(speed**2, axis=1)) + 0.5 * leg.inertia @ spin**2
    here, _ = _positions(leg, q)
    return float(kinetic), float(legs.GRAVITY_M_S2 * leg.mass @ here[:, 1])


def _lagrangian_torque(leg: legs.Leg, movement: legs.Movement, at_s: float) -> np.ndarray:
    """``d/dt dL/dq' - dL/dq`` by central differences."""
    h = 1e-3

    def lagrangian(q: np.ndarray, dq: np.ndarray) -> float:
        kinetic, potential = _energy(leg, q, dq)
        return kinetic - potential

    def momentum(time_s: float) -> np.ndarray:
        q, dq, _ = (x[0] for x in movement.at(np.array([time_s])))
        return np.array(
            [(lagrangian(q, dq + h * e) - lagrangian(q, dq - h * e)) / (2 * h) for e in np.eye(3)]
        )

    q, dq, _ = (x[0] for x in movement.at(np.array([at_s])))
    slope = np.array(
        [(lagrangian(q + h * e, dq) - lagrangian(q - h * e, dq)) / (2 * h) for e in np.eye(3)]
    )
    return (momentum(at_s + h) - momentum(at_s - h)) / (2 * h) - slope


@pytest.mark.parametrize("task", legs.TASKS)
@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_is_the_lagrangian(task: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    leg, _ = legs.make_leg(rng)
    movement = legs.make_movement(task, rng)
    for at_s in (0.1, 0.63, 1.9):
        q, dq, ddq = movement.at(np.array([at_s]))
        expected = _lagrangian_torque(leg, movement, at_s)
        np.testing.assert_allclose(
            legs.inverse_dynamics(leg, q, dq, ddq)[0], expected, rtol=1e-4, atol=1e-3
        )


@pytest.mark.parametrize("task", legs.TASKS)
def test_the_power_of_the_torques_is_the_change_of_energy(task: str) -> None:
    rng = np.random.default_rng(5)
    leg, _ = legs.make_leg(rng)
    movement = legs.make_movement(task, rng)
    time_s = np.linspace(0.0, 2.0, 4001)
    q, dq, ddq = movement.at(time_s, 0.5)
    power = np.sum(legs.inverse_dynamics(leg, q, dq, ddq) * dq, axis=1)
    energy = np.array([sum(_energy(leg, q[i], dq[i])) for i in (0, 4000)])
    work = np.sum((power[1:] + power[:-1]) / 2.0) * (time_s[1] - time_s[0])
    assert work == pytest.approx(energy[1] - energy[0], abs=1e-4)
    assert np.abs(power).max() > 1.0  # the balance is not one of zeros


def test_a_leg_held_forward_needs_hip_flexors() -> None:
    leg, _ = legs.make_leg(np.random.default_rng(0))
    held = np.array([[0.5, 0.0, 0.0]])
    still = np.zeros((1, 3))
    moment = legs.inverse_dynamics(leg, held, still, still)[0]
    centres, _ = _positions(leg, held[0])
    assert moment[0] == pytest.approx(legs.GRAVITY_M_S2 * leg.mass @ centres[:, 0])
    assert moment[0] > 0.0  # towards flexion, so negative as an extension moment
    assert moment[2] > 0.0  # dorsiflexors hold the foot up


def test_the_written_dataset_is_sound_and_repeatable(tmp_path: Path) -> None:
    dataset = legs.write_two_link_arm(tmp_path / "a", people=3, seconds=4.0, seed=7)
    again = legs.write_two_link_arm(tmp_path / "b", people=3, seconds=4.0, seed=7)
    other = legs.write_two_link_arm(tmp_path / "c", people=3, seconds=4.0, seed=8)
    assert check_dataset(dataset.path) == []
    assert len(dataset.refs) == 6
    assert dataset.tasks == ("lift", "reach")
    assert len(leave_one_group_out(dataset)) == 3
    ref = dataset.refs[0]
    first = dataset.load(ref).streams["torque"].data
    np.testing.assert_array_equal(first, again.load(ref).streams["torque"].data)
    assert not np.array_equal(first, other.load(ref).streams["torque"].data)
    body = dataset.load(ref)
    assert body.streams["kinematics"].data.shape == (400, 6)
    assert len(body.trials) >= 2
