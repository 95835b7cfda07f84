"""Runs a network on one window or one frame at a time, with nothing allocated on the way."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kinefed.models.base import TorqueNetwork
from kinefed.models.errors import ModelError, ModelReason
from kinefed.models.export import Form, Stepwise, example_inputs, has_onnx, to_onnx

FloatArray = NDArray[np.float32]

AGREES = 1e-5
"""ONNX Runtime and torch differ by less, as a share of the larger of 1 and the output."""
_DRAWS = 8


class Backend(enum.StrEnum):
    """What runs a network."""

    ONNX = "onnx"
    TORCH = "torch"


class Runner:
    """A network with its buffers: write into `x`, call `run`, read what it returns.

    The program that runs is made from the network in hand and compared with it before use.

    Parameters
    ----------
    network
        Trained; a copy of its weights is taken by ``onnx``, ``torch`` uses them in place.
    form
        On windows or on frames.
    backend
        None: ONNX Runtime where the extra ``live`` is installed, else torch.

    Attributes
    ----------
    form, backend
        As used.
    x
        (channels, times) float32 to write a scaled window into, or (channels,) for a frame.

    Raises
    ------
    UsageError
        ``missing_extra``.
    NetworkError
        ``bad_argument`` where the network has no stateful form.
    ModelError
        ``wrong_size`` where the program does not give what the network gives.
    """

    def __init__(
        self,
        network: TorqueNetwork,
        form: Form = Form.WINDOW,
        backend: Backend | None = None,
    ) -> None:
        if backend is None:
            backend = Backend.ONNX if has_onnx() else Backend.TORCH
        self.form, self.backend = form, backend
        made = _Onnx if backend is Backend.ONNX else _Torch
        self._set(made(network, form))
        if backend is Backend.ONNX:
            self._compare(_Torch(network, form))
        self.run()  # the first one is slow: memory is laid out in it
        self.reset()

    def twin(self) -> Runner:
        """Give another runner of the same network, with buffers and states of its own."""
        other = object.__new__(Runner)
        other.form, other.backend = self.form, self.backend
        other._set(self._program.twin())
        return other

    def run(self) -> FloatArray:
        """Estimate the torques of what is in `x`; a stateful network moves on by one frame.

        Returns
        -------
        numpy.ndarray
            (outputs,) float32, scaled; overwritten by the next call.
        """
        self._program.run()
        return self._torque

    def reset(self) -> None:
        """Forget all frames of a stateful network."""
        self._program.reset()

    def _set(self, program: _Program) -> None:
        self._program = program
        self.x: FloatArray = program.x[0]
        self._torque: FloatArray = program.torque[0]

    def _compare(self, reference: _Torch) -> None:
        rng = np.random.default_rng(0)
        for _ in range(_DRAWS):
            self._program.x[:] = reference.x[:] = rng.standard_normal(self._program.x.shape)
            self._program.run()
            reference.run()
            error = np.abs(self._program.torque - reference.torque)
            if not (error <= AGREES * np.maximum(1.0, np.abs(reference.torque))).all():
                raise ModelError(
                    ModelReason.WRONG_SIZE,
                    f"ONNX Runtime differs from the network by {error.max():.2g}",
                    where=f"{self.form} form",
                    next_step="Run it by torch, and report the versions of torch and onnxruntime",
                )


class _Program(ABC):
    """Buffers of a form, and what computes on them."""

    def __init__(self, network: TorqueNetwork, form: Form) -> None:
        self.network, self.form = network, form
        inputs = example_inputs(network, form)
        self.x: FloatArray = inputs[0].numpy()
        self.torque: FloatArray = np.zeros((1, network.n_outputs), np.float32)
        # Two sets: a step reads the one and writes the other, then they change places.
        self.states = tuple(tuple(part.numpy().copy() for part in inputs[1:]) for _ in range(2))
        self._now = 0

    @abstractmethod
    def twin(self) -> _Program:
        """Give the same with other buffers."""

    @abstractmethod
    def compute(self, now: int) -> None:
        """From `x` and ``states[now]`` to `torque` and the other states."""

    def run(self) -> None:
        self.compute(self._now)
        self._now = 1 - self._now

    def reset(self) -> None:
        for part in self.states[self._now]:
            part.fill(0.0)


class _Torch(_Program):
    def __init__(self, network: TorqueNetwork, form: Form) -> None:
        super().__init__(network, form)
        self._module = (network if form is Form.WINDOW else Stepwise(network)).eval()
        self._x = torch.from_numpy(self.x)
        self._states = [[torch.from_numpy(part) for part in each] for each in self.states]

    def twin(self) -> _Program:
        return _Torch(self.network, self.form)

    def compute(self, now: int) -> None:
        with torch.inference_mode():
            out = self._module(self._x, *self._states[now])
        torque, *after = out if self.states[now] else (out,)
        self.torque[:] = torque.numpy()
        for kept, part in zip(self.states[1 - now], after, strict=True):
            kept[:] = part.numpy()


class _Onnx(_Program):
    def __init__(self, network: TorqueNetwork, form: Form, session: Any = None) -> None:
        super().__init__(network, form)
        self._session = session or _session(to_onnx(network, form))
        self._bound = [self._binding(self.states[i], self.states[1 - i]) for i in range(2)]

    def twin(self) -> _Program:
        return _Onnx(self.network, self.form, self._session)

    def compute(self, now: int) -> None:
        self._session.run_with_iobinding(self._bound[now])

    def _binding(self, before: Sequence[FloatArray], after: Sequence[FloatArray]) -> Any:
        """Let the session read and write these buffers in place."""
        bound = self._session.io_binding()
        given = zip(self._session.get_inputs(), (self.x, *before), strict=True)
        taken = zip(self._session.get_outputs(), (self.torque, *after), strict=True)
        for bind, pairs in ((bound.bind_input, given), (bound.bind_output, taken)):
            for slot, array in pairs:
                bind(slot.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        return bound


def _session(program: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One window of a small network: more threads cost more than they bring, and a thread that
    # spins while it waits takes a core from the rest of the device.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
