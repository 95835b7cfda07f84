"""What a whole run puts on the wire holds no signal."""

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.client.data import local_data
from kinefed.personalization.setup import unpack_scaling
from kinefed.server import FederationConfig
from kinefed.server.checkpoint import load_state
from kinefed.simulations.federate import federate
from kinefed.simulations.wiresearch import SignalIndex, search_wire, signals_of_dataset
from kinefed.simulations.workers import InlinePool


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    """Record a federation with clusters and personalisation; index raw, prepared and scaled."""
    root = tmp_path_factory.mktemp("wire")
    arm = write_two_link_arm(root / "data", people=3, seconds=2.0)
    people = sorted(arm.subjects)
    config = FederationConfig(
        rounds=2,
        steps=2,
        batch=8,
        clusters=2,
        cluster_rounds=1,
        heldout=people[0],
        personalise="heldout",
        transfer='[{"mode": "all", "rate": 0.001, "steps": 2, "early": false}]',
        out=str(root / "out"),
    )
    messages = []
    federate(
        arm.path, people, root / "c", config, InlinePool(), lambda _d, _k, m: messages.append(m)
    )
    state = load_state(root / "out" / "state.safetensors", config.digest())
    assert state is not None
    scaling = unpack_scaling(state.scaling, config.model_setup)
    extra = {}
    for person in people:
        for i, leg in enumerate(local_data(arm.path, person, config.setup).series):
            extra[f"{person}/{i}/prepared"] = leg.x.astype(np.float64)
            scaled = scaling.scale_x(leg.x.T[None])[0].T
            extra[f"{person}/{i}/scaled"] = scaled.astype(np.float64)
            extra[f"{person}/{i}/torque"] = leg.y[leg.mask].astype(np.float64)
    index = SignalIndex.build(signals_of_dataset(arm, extra), strides=(6, 20))
    return messages, index, extra


def test_no_message_of_a_whole_run_holds_a_signal(wire):
    messages, index, _ = wire
    assert len(messages) > 50
    assert search_wire(messages, index) == []


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_window_planted_in_a_message_is_found(wire, dtype, order):
    messages, index, extra = wire
    name = next(n for n in extra if n.endswith("scaled"))
    window = extra[name][40:60].astype(dtype)
    planted = messages[-1][:37] + window.tobytes(order=order) + messages[-1][37:]
    assert search_wire([planted], index)
