"""A convolutional feature extractor before an LSTM: the hybrid that the review proposes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinefed.models.base import TorqueNetwork, check_fraction, check_size
from kinefed.models.registry import Fact, Source, register

KERNEL = 5


@register(
    "cnn-lstm",
    summary="two causal convolutions, the second halving the rate, then a small LSTM",
    citation=(
        "Proposed in: Perera, Gopalai, Gouwanda, Ahmad, A focused review on upper and lower limb "
        "joint torque estimation via neural networks. Pertanika JST 33(1), 2025"
    ),
    doi="10.47836/pjst.33.1.06",
    n_times=50,
    sample_rate_hz=100.0,
    facts=(
        Fact("idea", "convolutions extract features, an LSTM follows them in time", Source.REVIEW),
        Fact("convolutions", "16 then 32 filters, kernel 5, ReLU, causal", Source.OURS),
        Fact("stride", "1 then 2: the LSTM takes half the steps", Source.OURS),
        Fact(
            "normalisation",
            "none: averages in a federation, and fits private training",
            Source.OURS,
        ),
        Fact("recurrent layer", "1 LSTM, 32 units, its state at the last frame", Source.OURS),
        Fact("dropout", "10 % before the output layer", Source.OURS),
        Fact("window", "0.5 s at 100 Hz", Source.OURS),
    ),
)
class CnnLstm(TorqueNetwork):
    """Causal convolutions, LSTM, linear head: fewer weights than `Zhang2023LSTM`.

    Parameters
    ----------
    n_channels, n_outputs, n_times, sample_rate_hz
        As in `TorqueNetwork`.
    filters
        Filters of the first convolution; the second has twice as many.
    hidden
        LSTM units.
    dropout
        Probability in [0, 1).

    Notes
    -----
    ``f (5 c + 1) + 2 f (5 f + 1) + 4 h (2 f + h + 2) + o (h + 1)`` weights for f filters,
    c channels, h hidden units and o outputs.
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        n_times: int,
        sample_rate_hz: float,
        filters: int = 16,
        hidden: int = 32,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(n_channels, n_outputs, n_times, sample_rate_hz)
        check_size("filters", filters)
        self.conv1 = nn.Conv1d(n_channels, filters, KERNEL)
        self.conv2 = nn.Conv1d(filters, 2 * filters, KERNEL, stride=2)
        self.lstm = nn.LSTM(2 * filters, check_size("hidden", hidden), batch_first=True)
        self.dropout = nn.Dropout(check_fraction("dropout", dropout))
        self.head = nn.Linear(hidden, n_outputs)

    def estimate(self, x: Tensor) -> Tensor:
        """Map (windows, channels, times) to (windows, outputs)."""
        features = torch.relu(self.conv1(functional.pad(x, (KERNEL - 1, 0))))
        # With an even number of frames, stride 2 from the left would step over the last one, the
        # very frame whose torque is asked for.
        left = KERNEL - 1 if self.n_times % 2 else KERNEL
        features = torch.relu(self.conv2(functional.pad(features, (left, 0))))
        _, (state, _) = self.lstm(features.transpose(1, 2))
        torque: Tensor = self.head(self.dropout(state[-1]))
        return torque
