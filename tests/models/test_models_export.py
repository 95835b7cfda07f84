"""ONNX of every registered network, and the runner that uses it."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.models import NetworkError, TorqueNetwork, available, build, export, seeded
from kinefed.models import runner as runner_module
from kinefed.models.errors import ModelError
from kinefed.models.export import Form, to_onnx
from kinefed.models.runner import Backend, Runner

CHANNELS, OUTPUTS, TIMES = 5, 3, 12
every = pytest.mark.parametrize("network_id", available())
backends = pytest.mark.parametrize("backend", list(Backend))


def make(network_id: str, seed: int = 3) -> TorqueNetwork:
    return seeded(
        seed,
        lambda: build(
            network_id,
            n_channels=CHANNELS,
            n_outputs=OUTPUTS,
            n_times=TIMES,
            sample_rate_hz=100.0,
            dropout=0.3,
        ),
    )


@functools.cache
def runner_of(network_id: str, form: Form = Form.WINDOW, backend: Backend = Backend.ONNX) -> Runner:
    """Make each program once: it takes seconds."""
    return Runner(make(network_id), form, backend)


def signal(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((CHANNELS, frames)).astype(np.float32)


def by_torch(network: TorqueNetwork, window: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(window[None]))[0].numpy()


@every
@backends
def test_windows_give_what_torch_gives(network_id: str, backend: Backend) -> None:
    network, runner = make(network_id), runner_of(network_id, backend=backend)
    x = signal(40)
    for end in range(TIMES, 40):
        window = np.ascontiguousarray(x[:, end - TIMES : end])
        runner.x[:] = window
        np.testing.assert_allclose(runner.run(), by_torch(network, window), atol=1e-5, rtol=0)


def stateful() -> list[str]:
    return [n for n in available() if make(n).initial_state()]


def test_the_lstm_alone_runs_on_frames() -> None:
    assert stateful() == ["zhang2023lstm"]
    for network_id in set(available()) - set(stateful()):
        with pytest.raises(NetworkError, match="whole windows"):
            to_onnx(make(network_id), Form.STATEFUL)


@pytest.mark.parametrize("network_id", stateful())
@backends
def test_frames_from_an_empty_state_end_where_the_window_ends(
    network_id: str, backend: Backend
) -> None:
    network = make(network_id)
    with torch.no_grad():  # a network that remembers: at random weights half is gone in a frame
        network.lstm.bias_ih_l0[50:100] += 3.0  # type: ignore[union-attr,index]
    runner = Runner(network, Form.STATEFUL, backend)
    for seed in range(3):
        x = signal(TIMES + 1, seed)
        runner.reset()
        for t in range(TIMES):
            runner.x[:] = x[:, t]
            torque = runner.run()
        np.testing.assert_allclose(torque, by_torch(network, x[:, :TIMES]), atol=1e-5, rtol=0)
        # From there on it remembers more than a window does.
        runner.x[:] = x[:, TIMES]
        later = by_torch(network, np.ascontiguousarray(x[:, 1:]))
        assert np.abs(runner.run() - later).max() > 1e-4


def test_both_backends_step_alike_for_long() -> None:
    pair = [runner_of("zhang2023lstm", Form.STATEFUL, backend).twin() for backend in Backend]
    x = signal(500)
    for t in range(500):
        for runner in pair:
            runner.x[:] = x[:, t]
        a, b = (runner.run() for runner in pair)
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=0)


def test_the_network_keeps_its_mode_and_the_caller_its_output() -> None:
    network = make("zhang2023lstm").train()
    with_dropout = to_onnx(network)
    assert network.training
    assert with_dropout == to_onnx(network.eval())


def test_the_same_input_gives_the_same_bits() -> None:
    runner = runner_of("cnn-lstm")
    runner.x[:] = signal(TIMES)
    first = runner.run().copy()
    runner.x[:] = 0.0
    assert not np.array_equal(runner.run(), first)
    runner.x[:] = signal(TIMES)
    assert np.array_equal(runner.run(), first)


def test_torch_takes_over_where_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "EXTRA", ("no_such_package",))
    assert Runner(make("cnn-lstm")).backend is Backend.TORCH
    with pytest.raises(UsageError, match=r"kinefed\[live\]") as caught:
        Runner(make("cnn-lstm"), backend=Backend.ONNX)
    assert caught.value.reason is UsageReason.MISSING_EXTRA


def test_a_program_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = to_onnx(make("zhang2023lstm", seed=4))
    monkeypatch.setattr(runner_module, "to_onnx", lambda *_: other)
    with pytest.raises(ModelError, match="differs"):
        Runner(make("zhang2023lstm"))


@backends
def test_a_twin_has_a_state_of_its_own(backend: Backend) -> None:
    runner = runner_of("zhang2023lstm", Form.STATEFUL, backend)
    runner.reset()
    twin = runner.twin()
    x = signal(2)
    runner.x[:] = twin.x[:] = x[:, 0]
    runner.run()
    runner.x[:] = twin.x[:] = x[:, 1]
    alone = twin.run().copy()
    assert not np.array_equal(runner.run(), alone)
    runner.reset()
    runner.x[:] = x[:, 1]
    np.testing.assert_array_equal(runner.run(), alone)


def test_one_thread_that_does_not_spin() -> None:
    options = runner_of("zhang2023lstm")._program._session.get_session_options()  # type: ignore[attr-defined]
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
