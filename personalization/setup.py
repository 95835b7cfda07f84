"""What client and server must agree on to build the same network on the same inputs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.models import Augment, TorqueNetwork, build, seeded
from kinefed.personalization.errors import MessageError, MessageReason
from kinefed.signals import Scaling


@dataclass(frozen=True, slots=True)
class ModelSetup:
    """What both sides need to build the same network on the same inputs.

    Attributes
    ----------
    network, network_args
        Registry id and the keyword arguments of the network.
    spec
        The channel schema, as ``LegSpec.to_dict()`` writes it.
    window
        Length of the input window in frames at the rate of ``spec``.
    """

    network: str
    network_args: dict[str, Any]
    spec: dict[str, Any]
    window: int

    def to_json(self) -> str:
        """Return the canonical text: equal setups give equal text."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ModelSetup:
        """Read :meth:`to_json`.

        Raises
        ------
        MessageError
            Where the text is not the setup of a model.
        """
        try:
            raw = json.loads(text)
            setup = cls(
                str(raw["network"]),
                dict(raw["network_args"]),
                dict(raw["spec"]),
                int(raw["window"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise MessageError(MessageReason.FIELD, f"setup: not a model setup ({error})") from None
        if not 1 <= setup.window <= 100_000:
            raise MessageError(MessageReason.FIELD, f"setup.window: {setup.window} frames")
        return setup

    @property
    def n_channels(self) -> int:
        """Channels of the network's input: each optional one brings an availability flag."""
        return len(self.spec["inputs"]) + 2 * len(self.spec.get("optional", ()))

    @property
    def n_values(self) -> int:
        """Measured channels, without the availability flags."""
        return len(self.spec["inputs"]) + self.n_optional

    @property
    def n_optional(self) -> int:
        """Channels that a client may lack."""
        return len(self.spec.get("optional", ()))

    @property
    def n_outputs(self) -> int:
        """Torques that the network estimates."""
        return len(self.spec["outputs"])

    def augment(self, noise: float, offset: float) -> Augment | None:
        """Return the noise to train with; offsets are for joint angles alone."""
        if noise == 0.0 and offset == 0.0:
            return None
        angles = [i for i, c in enumerate(self.spec["inputs"]) if str(c).startswith("angle.")]
        return Augment(noise, offset, tuple(angles), self.n_optional)

    @property
    def rate_hz(self) -> float:
        """Frames a second of the windows."""
        return float(self.spec.get("rate_hz", 100.0))


def pack_scaling(scaling: Scaling) -> NDArray[np.float32]:
    """Put a scaling into one row: x_mean, x_std, y_mean, y_std."""
    return np.concatenate([scaling.x_mean, scaling.x_std, scaling.y_mean, scaling.y_std])


def unpack_scaling(row: NDArray[np.float32], setup: ModelSetup) -> Scaling:
    """Read :func:`pack_scaling`.

    Raises
    ------
    MessageError
        Where the row has not the length that the setup asks for.
    """
    c, o = setup.n_channels, setup.n_outputs
    if row.shape != (2 * c + 2 * o,):
        raise MessageError(
            MessageReason.ARRAY, f"scaling: {row.size} values, the model needs {2 * c + 2 * o}"
        )
    x_mean, x_std, y_mean, y_std = np.split(row, [c, 2 * c, 2 * c + o])
    return Scaling(x_mean, x_std, y_mean, y_std, setup.n_optional)


def build_network(setup: ModelSetup, seed: int = 0) -> TorqueNetwork:
    """Build the network of a setup; the same seed gives the same weights.

    PyTorch's global random state is left as it was.
    """
    return seeded(
        seed,
        lambda: build(
            setup.network,
            n_channels=setup.n_channels,
            n_outputs=setup.n_outputs,
            n_times=setup.window,
            sample_rate_hz=setup.rate_hz,
            **setup.network_args,
        ),
    )
