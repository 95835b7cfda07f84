"""The convolutional network of Moreira et al. (2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kinefed.models.base import TorqueNetwork, check_fraction, check_size
from kinefed.models.registry import Fact, Source, register


@register(
    "moreira2021cnn",
    summary="two 2 x 2 convolutions of 8 and 16 filters, dropout 25 %, linear output",
    citation=(
        "Moreira L., Figueiredo J., Vilas-Boas J. P., Santos C. P., Kinematics, speed, and "
        "anthropometry-based ankle joint torque estimation: a deep learning regression approach. "
        "Machines 9(8):154, 2021"
    ),
    doi="10.3390/machines9080154",
    n_times=50,
    sample_rate_hz=100.0,
    facts=(
        Fact("convolutions", '2, "8-16 filters"', Source.REVIEW),
        Fact("kernel", "2 x 2", Source.REVIEW),
        Fact("dropout", "25 %", Source.REVIEW),
        Fact("inputs", "ankle kinematics, speed and body measures (9)", Source.REVIEW),
        Fact("output", "ankle torque", Source.PAPER),
        Fact("filters by layer", "8, then 16", Source.OURS),
        Fact("image", "channels x frames, one plane", Source.OURS),
        Fact("padding", "one zero before each axis, so the size stays", Source.OURS),
        Fact("activation", "ReLU after each convolution", Source.OURS),
        Fact("pooling", "none", Source.OURS),
        Fact("dropout's place", "once, before the output layer", Source.OURS),
        Fact("window", "0.5 s (as Siu et al. 2021) at 100 Hz", Source.OURS),
    ),
)
class Moreira2021CNN(TorqueNetwork):
    """Two 2-D convolutions over the channels x times image, flattened into a linear head.

    The head grows with the window: clients must agree on its length.

    Parameters
    ----------
    n_channels, n_outputs, n_times, sample_rate_hz
        As in `TorqueNetwork`.
    filters
        Filters of the first convolution; the second has twice as many.
    dropout
        Probability in [0, 1).

    Notes
    -----
    ``5 f + 2 f (4 f + 1) + o (2 f c t + 1)`` weights for f filters, c channels, t frames and
    o outputs.
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        n_times: int,
        sample_rate_hz: float,
        filters: int = 8,
        dropout: float = 0.25,
    ) -> None:
        super().__init__(n_channels, n_outputs, n_times, sample_rate_hz)
        check_size("filters", filters)
        self.pad = nn.ZeroPad2d((1, 0, 1, 0))
        self.conv1 = nn.Conv2d(1, filters, kernel_size=2)
        self.conv2 = nn.Conv2d(filters, 2 * filters, kernel_size=2)
        self.dropout = nn.Dropout(check_fraction("dropout", dropout))
        self.head = nn.Linear(2 * filters * n_channels * n_times, n_outputs)

    def estimate(self, x: Tensor) -> Tensor:
        """Map (windows, channels, times) to (windows, outputs)."""
        image = torch.relu(self.conv1(self.pad(x.unsqueeze(1))))
        image = torch.relu(self.conv2(self.pad(image)))
        torque: Tensor = self.head(self.dropout(image.flatten(1)))
        return torque
