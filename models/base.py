"""What every torque network has in common: one signature, checked once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from kinefed.models.errors import ModelError, ModelReason, NetworkError

NetworkArg = bool | int | float | str

# Far above any body-worn system, and low enough that a mistyped or hostile size is refused before
# memory is asked for: 4096 channels x 100 000 frames are 1.6 GB in one window.
MAX_CHANNELS = 4096
MAX_OUTPUTS = 256
MAX_TIMES = 100_000


class TorqueNetwork(nn.Module, ABC):
    """Estimates joint torques at the last frame of a window.

    Inputs and outputs are in scaled units (`kinefed.signals.Scaling`). A subclass implements
    `estimate`; modules assigned in ``__init__`` stand in the order in which data pass them.

    Parameters
    ----------
    n_channels
        Channels of a window.
    n_outputs
        Torques to estimate.
    n_times
        Frames of a window.
    sample_rate_hz
        Frames a second.

    Attributes
    ----------
    network_id
        Its name in the registry; empty where it is not registered.
    network_args
        The keyword arguments, besides these four, that it was built with.

    Raises
    ------
    NetworkError
        ``bad_argument``.
    """

    network_id: ClassVar[str] = ""
    network_args: Mapping[str, NetworkArg]

    def __init__(
        self, n_channels: int, n_outputs: int, n_times: int, sample_rate_hz: float
    ) -> None:
        super().__init__()
        self.n_channels = _whole("n_channels", n_channels, MAX_CHANNELS)
        self.n_outputs = _whole("n_outputs", n_outputs, MAX_OUTPUTS)
        self.n_times = _whole("n_times", n_times, MAX_TIMES)
        if not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0.0):
            raise NetworkError(
                ModelReason.BAD_ARGUMENT, f"{sample_rate_hz} is not above 0", where="sample_rate_hz"
            )
        self.sample_rate_hz = float(sample_rate_hz)
        self.network_args = {}

    @abstractmethod
    def estimate(self, x: Tensor) -> Tensor:
        """Map (windows, channels, times) to (windows, outputs), both float32 and scaled."""

    def forward(self, x: Tensor) -> Tensor:
        """Estimate the torques of some windows.

        Parameters
        ----------
        x
            (windows, channels, times) float32, scaled.

        Returns
        -------
        torch.Tensor
            (windows, outputs) float32, scaled.

        Raises
        ------
        ModelError
            ``wrong_shape``.
        """
        if x.ndim != 3 or x.shape[1] != self.n_channels or x.shape[2] != self.n_times:
            raise ModelError(
                ModelReason.WRONG_SHAPE,
                f"x is {tuple(x.shape)}, expected (windows, {self.n_channels}, {self.n_times})",
                where=self.network_id or type(self).__name__,
                next_step="Make the windows from the spec and window length of this model",
            )
        return self.estimate(x)

    def initial_state(self) -> tuple[Tensor, ...]:
        """Return the state of `step` before the first frame.

        Returns
        -------
        tuple of torch.Tensor
            (1, ...) each, float32, zero; empty where the network runs on whole windows only.
        """
        return ()

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Take one frame instead of a window: a recurrent network running on for ever.

        The first `n_times` frames after `initial_state` end in the very value that `forward`
        gives for them. Later ones differ: a window begins with an empty memory each time, a
        running state remembers what lies before it. It is another estimator with the same
        weights, whose error has to be measured by itself.

        Parameters
        ----------
        x
            (1, channels) float32, scaled.
        *state
            As `initial_state` or the step before gave it.

        Returns
        -------
        torque
            (1, outputs) float32, scaled.
        *state
            For the next frame.

        Raises
        ------
        NetworkError
            ``bad_argument`` where the network has no such form.
        """
        raise NetworkError(
            ModelReason.BAD_ARGUMENT,
            f"{self.network_id or type(self).__name__} runs on whole windows only",
            where="step",
            next_step="Use its windowed form",
        )

    def layer_groups(self) -> list[list[str]]:
        """Return the parameter names by layer, input side first, head last.

        Transfer learning freezes and frees whole groups.
        """
        groups = (
            [f"{name}.{own}" for own, _ in child.named_parameters()]
            for name, child in self.named_children()
        )
        return [group for group in groups if group]

    @property
    def n_parameters(self) -> int:
        """Number of weights, each once."""
        return sum(parameter.numel() for parameter in self.parameters())


def check_fraction(name: str, value: float) -> float:
    """Return a dropout probability in [0, 1), else refuse it.

    Raises
    ------
    NetworkError
        ``bad_argument``.
    """
    if not 0.0 <= value < 1.0:
        raise NetworkError(ModelReason.BAD_ARGUMENT, f"{value} is not in [0, 1)", where=name)
    return float(value)


def check_size(name: str, value: int) -> int:
    """Return the width of a layer, 1 to 65 536, else refuse it.

    Raises
    ------
    NetworkError
        ``bad_argument``.
    """
    return _whole(name, value, 65_536)


def _whole(name: str, value: int, top: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= top:
        raise NetworkError(
            ModelReason.BAD_ARGUMENT, f"{value!r} is not a whole number in 1..{top}", where=name
        )
    return value
