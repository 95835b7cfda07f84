"""A trained network as ONNX, in the form that runs on windows or in the one that runs on frames.

The file is always made here, from a network that this program built itself: ONNX is a program, and
none is ever read from anybody else. It takes and gives scaled values, as the network does.
"""

from __future__ import annotations

import enum
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.models.base import TorqueNetwork
from kinefed.models.predict import in_mode

EXTRA = ("onnx", "onnxscript", "onnxruntime")
"""Packages of the extra ``live``."""


class Form(enum.StrEnum):
    """How a network is run."""

    WINDOW = "window"
    """On the last `n_times` frames each time: what it was trained as."""
    STATEFUL = "stateful"
    """Frame by frame with a running state (`TorqueNetwork.step`): faster, another estimator."""


class Stepwise(nn.Module):
    """`TorqueNetwork.step` as a module's forward, which is what an exporter takes."""

    def __init__(self, network: TorqueNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Take one frame, as `TorqueNetwork.step`."""
        return self.network.step(x, *state)


def has_onnx() -> bool:
    """Say whether the extra ``live`` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in EXTRA)


def need_onnx() -> None:
    """Refuse to go on without the extra ``live``.

    Raises
    ------
    UsageError
        ``missing_extra``.
    """
    if not has_onnx():
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            f"{', '.join(EXTRA)} are needed to run a network by ONNX Runtime",
            next_step="Install them: pip install 'kinefed[live]'; or run it by torch",
        )


def example_inputs(network: TorqueNetwork, form: Form) -> tuple[Tensor, ...]:
    """Give zeros of the shapes that a form takes: x, and its states.

    Raises
    ------
    NetworkError
        ``bad_argument`` where the network has no stateful form.
    """
    if form is Form.WINDOW:
        return (torch.zeros(1, network.n_channels, network.n_times),)
    state = network.initial_state()
    frame = torch.zeros(1, network.n_channels)
    if not state:
        network.step(frame)  # says that there is no such form
    return (frame, *state)


def to_onnx(network: TorqueNetwork, form: Form = Form.WINDOW) -> bytes:
    """Write a network as ONNX, for one window or one frame at a time.

    Parameters
    ----------
    network
        Its dropout is left out, whatever mode it is in.
    form
        ``window``: ``x`` (1, channels, times) to ``torque`` (1, outputs). ``stateful``: ``x``
        (1, channels) and ``state_0``, ``state_1``, ... to ``torque`` and ``next_0``, ...

    Returns
    -------
    bytes
        An ONNX model, float32, weights included.

    Raises
    ------
    UsageError
        ``missing_extra``.
    NetworkError
        ``bad_argument`` where the network has no stateful form.
    """
    need_onnx()
    inputs = example_inputs(network, form)
    states = range(len(inputs) - 1)
    module: nn.Module = network if form is Form.WINDOW else Stepwise(network)
    with in_mode(module, training=False), _quiet():
        program = torch.onnx.export(
            module,
            inputs,
            input_names=["x", *(f"state_{i}" for i in states)],
            output_names=["torque", *(f"next_{i}" for i in states)],
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about its own inside from the user."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
