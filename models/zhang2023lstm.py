"""The recurrent network of Zhang et al. (2023): LSTM, tanh, dense."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinefed.models.base import TorqueNetwork, check_fraction, check_size
from kinefed.models.registry import Fact, Source, register


@register(
    "zhang2023lstm",
    summary="one LSTM layer of 50, tanh dense 64, linear output",
    citation="Zhang L. et al., IEEE Trans Neural Syst Rehabil Eng 31, 2023",
    n_times=50,
    sample_rate_hz=100.0,
    facts=(
        Fact("recurrent layer", "1 LSTM, 50 units", Source.REVIEW),
        Fact("dense layer", "64 units, tanh", Source.REVIEW),
        Fact("inputs", "13 sEMG + hip, knee and ankle angles (16 or 17)", Source.REVIEW),
        Fact("outputs", "hip flexion, hip adduction, knee, ankle torque", Source.PAPER),
        Fact("where tanh stands", "after the dense layer of 64", Source.OURS),
        Fact("dense layer reads", "the LSTM's state at the last frame", Source.OURS),
        Fact("output layer", "linear, no activation", Source.OURS),
        Fact("dropout", "none stated; an argument, 0 unless asked for", Source.OURS),
        Fact("window", "0.5 s (as Siu et al. 2021) at 100 Hz", Source.OURS),
        Fact("initialisation", "PyTorch's: uniform in +-1/sqrt(width)", Source.OURS),
    ),
)
class Zhang2023LSTM(TorqueNetwork):
    """LSTM over the window, a tanh layer on its last state, a linear head.

    Parameters
    ----------
    n_channels, n_outputs, n_times, sample_rate_hz
        As in `TorqueNetwork`.
    hidden
        LSTM units.
    dense
        Units of the tanh layer.
    dropout
        Share of the LSTM's last state that is dropped while training.

    Notes
    -----
    ``4 h (c + h + 2) + d (h + 1) + o (d + 1)`` weights for c channels, o outputs, h hidden and d
    dense units (PyTorch keeps two bias vectors a gate): 17,324 for 17 channels and 4 outputs.
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        n_times: int,
        sample_rate_hz: float,
        hidden: int = 50,
        dense: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(n_channels, n_outputs, n_times, sample_rate_hz)
        self.lstm = nn.LSTM(n_channels, check_size("hidden", hidden), batch_first=True)
        self.dropout = nn.Dropout(check_fraction("dropout", dropout))
        self.dense = nn.Linear(hidden, check_size("dense", dense))
        self.head = nn.Linear(dense, n_outputs)

    def estimate(self, x: Tensor) -> Tensor:
        """Map (windows, channels, times) to (windows, outputs)."""
        _, (state, _) = self.lstm(x.transpose(1, 2))
        hidden: Tensor = self.head(torch.tanh(self.dense(self.dropout(state[-1]))))
        return hidden

    def initial_state(self) -> tuple[Tensor, ...]:
        """Return the LSTM's output and cell, (1, hidden) each, zero."""
        return tuple(torch.zeros(1, self.lstm.hidden_size) for _ in range(2))

    def step(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Run the LSTM on by one frame; see `TorqueNetwork.step`."""
        hidden, cell = (part.unsqueeze(0) for part in state)
        _, (hidden, cell) = self.lstm(x.unsqueeze(1), (hidden, cell))
        torque = self.head(torch.tanh(self.dense(self.dropout(hidden[-1]))))
        return torque, hidden[0], cell[0]
