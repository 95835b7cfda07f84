"""The contract that every registered network keeps, and what is particular to each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kinefed.models import (
    ModelError,
    ModelReason,
    NetworkError,
    Source,
    TorqueNetwork,
    available,
    build,
    card,
    from_vector,
    own_args,
    parameter_table,
    register,
    schema_hash,
    seeded,
    to_vector,
    vector_size,
)

every = pytest.mark.parametrize("network_id", available())


def make(network_id: str, n_times: int = 12, seed: int = 0, **args: float) -> TorqueNetwork:
    return seeded(
        seed,
        lambda: build(
            network_id, n_channels=5, n_outputs=3, n_times=n_times, sample_rate_hz=100.0, **args
        ),
    )


def batch(windows: int, n_times: int = 12, seed: int = 0) -> Tensor:
    return torch.randn(windows, 5, n_times, generator=torch.Generator().manual_seed(seed))


def test_the_three_networks_are_there() -> None:
    assert available() == ("cnn-lstm", "moreira2021cnn", "zhang2023lstm")


@every
@pytest.mark.parametrize("n_times", [1, 2, 3, 12, 51])
def test_shape_for_every_window_length(network_id: str, n_times: int) -> None:
    y = make(network_id, n_times)(batch(7, n_times))
    assert y.shape == (7, 3)
    assert y.dtype == torch.float32
    assert torch.isfinite(y).all()


@every
def test_every_weight_gets_a_gradient(network_id: str) -> None:
    network = make(network_id).eval()
    network(batch(64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@every
@pytest.mark.parametrize("n_times", [1, 6, 7])
def test_the_last_frame_matters(network_id: str, n_times: int) -> None:
    """A stride that steps over the present frame would estimate the past."""
    network = make(network_id, n_times).eval()
    x = batch(16, n_times).requires_grad_()
    network(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad[:, :, -1].abs().sum() > 0


@every
def test_seed_decides_the_weights_and_the_caller_keeps_its_random_numbers(network_id: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = to_vector(make(network_id, seed=1))
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(first, to_vector(make(network_id, seed=1)))
    assert not np.array_equal(first, to_vector(make(network_id, seed=2)))


@every
def test_vector_round_trip(network_id: str) -> None:
    one, other = make(network_id, seed=1).eval(), make(network_id, seed=2).eval()
    x = batch(4)
    assert not torch.equal(one(x), other(x))
    from_vector(other, to_vector(one))
    assert torch.equal(one(x), other(x))
    assert vector_size(one) == to_vector(one).size


@every
def test_windows_do_not_see_each_other_in_evaluation(network_id: str) -> None:
    network = make(network_id).eval()
    x = batch(33)
    alone = torch.cat([network(x[i : i + 1]) for i in range(33)])
    torch.testing.assert_close(network(x), alone, rtol=1e-5, atol=1e-6)


@every
def test_layer_groups_hold_every_parameter_once_with_the_head_last(network_id: str) -> None:
    network = make(network_id)
    groups = network.layer_groups()
    assert [n for g in groups for n in g] == [n for n, _ in network.named_parameters()]
    assert len(groups) >= 2
    # The head is what maps to the outputs: its bias has one number each.
    assert dict(network.named_parameters())[groups[-1][-1]].shape == (3,)


@every
@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 12), (2, 5, 11), (2, 12, 5)])
def test_wrong_input_is_refused(network_id: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        make(network_id)(torch.zeros(shape))
    assert caught.value.reason is ModelReason.WRONG_SHAPE
    assert "(windows, 5, 12)" in str(caught.value)


@every
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_channels", 0),
        ("n_outputs", -1),
        ("n_times", 0),
        ("n_times", 2.0),
        ("n_channels", True),
        ("n_channels", 10**9),
        ("sample_rate_hz", 0.0),
        ("sample_rate_hz", float("nan")),
    ],
)
def test_bad_sizes_are_refused_by_name(network_id: str, name: str, value: float) -> None:
    sizes = {"n_channels": 5, "n_outputs": 3, "n_times": 12, "sample_rate_hz": 100.0}
    with pytest.raises(NetworkError) as caught:
        build(network_id, **{**sizes, name: value})  # type: ignore[arg-type]
    assert caught.value.reason is ModelReason.BAD_ARGUMENT
    assert caught.value.where == name
    assert caught.value.exit_code == 2


@every
def test_own_arguments_are_checked(network_id: str) -> None:
    for name, default in own_args(network_id).items():
        with pytest.raises(NetworkError, match="network_args"):
            make(network_id, **{name: "wide"})  # type: ignore[arg-type]
        with pytest.raises(NetworkError):
            make(network_id, **{name: -1 if isinstance(default, int) else 1.0})
    with pytest.raises(NetworkError, match="no argument 'colour'"):
        make(network_id, colour=1)


@every
def test_card_says_whose_each_fact_is(network_id: str) -> None:
    known = card(network_id)
    assert known.network_id == network_id
    assert known.citation
    assert known.n_times >= 1
    sources = {fact.source for fact in known.facts}
    assert Source.OURS in sources
    assert sources & {Source.PAPER, Source.REVIEW}
    module = make(network_id)
    assert module.network_id == network_id


@every
def test_dropout_is_off_in_evaluation(network_id: str) -> None:
    network, x = make(network_id, dropout=0.5), batch(8)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_unknown_network_names_the_known_ones() -> None:
    with pytest.raises(NetworkError, match="zhang2023lstm") as caught:
        build("resnet", n_channels=1, n_outputs=1, n_times=1, sample_rate_hz=1.0)
    assert caught.value.reason is ModelReason.UNKNOWN_NETWORK


def test_a_name_is_registered_once() -> None:
    with pytest.raises(NetworkError, match="twice"):
        register("cnn-lstm", summary="", citation="", facts=(), n_times=1, sample_rate_hz=1.0)(
            TorqueNetwork
        )


def test_exact_parameter_counts() -> None:
    """17 inputs and 4 outputs, those of Zhang et al.: "about 17 k" weights."""
    counts = {row.network_id: row.parameters for row in parameter_table()}
    assert counts == {"cnn-lstm": 12_548, "moreira2021cnn": 54_972, "zhang2023lstm": 17_324}
    assert [row.bytes_float32 for row in parameter_table()] == [4 * n for n in counts.values()]


@pytest.mark.parametrize(("channels", "outputs"), [(6, 3), (17, 4), (1, 1)])
def test_parameter_formulas_of_the_docstrings(channels: int, outputs: int) -> None:
    c, o, t = channels, outputs, 50
    counts = {row.network_id: row.parameters for row in parameter_table(c, o)}
    h, d = 50, 64
    assert counts["zhang2023lstm"] == 4 * h * (c + h + 2) + d * (h + 1) + o * (d + 1)
    f = 8
    assert counts["moreira2021cnn"] == 5 * f + 2 * f * (4 * f + 1) + o * (2 * f * c * t + 1)
    f, h = 16, 32
    conv = f * (5 * c + 1) + 2 * f * (5 * f + 1)
    assert counts["cnn-lstm"] == conv + 4 * h * (2 * f + h + 2) + o * (h + 1)


def test_zhang_against_the_lstm_equations() -> None:
    """Gates i, f, g, o of Hochreiter and Schmidhuber with forget gate, written out."""
    network = make("zhang2023lstm", n_times=5).eval()
    p = {k: v.detach().double().numpy() for k, v in network.named_parameters()}
    x = batch(1, 5).double().numpy()[0]

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-z))

    h, c = np.zeros(50), np.zeros(50)
    for t in range(5):
        z = p["lstm.weight_ih_l0"] @ x[:, t] + p["lstm.bias_ih_l0"]
        i, f, g, o = np.split(z + p["lstm.weight_hh_l0"] @ h + p["lstm.bias_hh_l0"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    dense = np.tanh(p["dense.weight"] @ h + p["dense.bias"])
    expected = p["head.weight"] @ dense + p["head.bias"]
    got = network(batch(1, 5)).detach().numpy()[0]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_schema_hash_tells_networks_and_sizes_apart() -> None:
    hashes = [schema_hash(make(n)) for n in available()]
    hashes.append(schema_hash(make("moreira2021cnn", n_times=13)))
    hashes.append(schema_hash(make("zhang2023lstm", hidden=51)))
    assert len(set(hashes)) == len(hashes)
    # Weights, dropout and the window of a recurrent network change nothing that travels.
    assert schema_hash(make("zhang2023lstm", n_times=13, seed=9)) == hashes[2]
    assert schema_hash(make("cnn-lstm", dropout=0.5)) == hashes[0]
