"""A model in one file: weights, network, channels, scaling, where it comes from, how good it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.channels import unit_of
from kinefed.datasets.errors import KinefedError
from kinefed.models import bundle_fields as fields
from kinefed.models.base import NetworkArg, TorqueNetwork
from kinefed.models.bundle_checks import check_fit, check_schema, make_skeleton
from kinefed.models.bundle_fields import Provenance, bad_field
from kinefed.models.bundle_file import pack, read_file, tensors_of, unpack, write_file
from kinefed.models.errors import BundleError, BundleReason
from kinefed.models.registry import build
from kinefed.models.seeds import torch_seed
from kinefed.models.vector import from_vector, named_tensors, schema_hash, to_vector, vector_size
from kinefed.signals.legs import LegSpec
from kinefed.signals.scaling import Scaling

T = TypeVar("T")

FORMAT = 1
"""Raised by a change that an older reader would misread; others only add optional fields."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelBundle:
    """Everything that is needed to estimate torque from a leg's channels.

    Attributes
    ----------
    network, network_args
        Registry id and the network's own keyword arguments.
    spec
        Channels, rate and outputs.
    n_times
        Window length in frames.
    scaling
        Centre and spread of inputs and outputs.
    vector
        (weights,) float32, in the order of `to_vector`; read-only.
    pipeline
        ``Pipeline.to_dict()`` of the preparation before `spec`, or empty.
    provenance
        Where the model comes from.
    metrics
        Finite numbers by name, for example ``{"rmse_nm_per_kg.knee": 0.14}``.
    units
        Unit of each channel and output that the weights were trained in.
    emg_reference
        ``emg.<muscle>.<side>`` to the wearer's reference in volts, from the recordings that a
        personal model was adapted on. It is one wearer's own: a shared model has none.

    Raises
    ------
    BundleError
        Where the parts do not belong together.
    """

    network: str
    spec: LegSpec
    n_times: int
    scaling: Scaling
    vector: NDArray[np.float32]
    network_args: Mapping[str, NetworkArg] = field(default_factory=dict)
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    metrics: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    emg_reference: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vector = np.array(self.vector, dtype=np.float32)
        vector.flags.writeable = False
        object.__setattr__(self, "vector", vector)
        every = (*self.spec.channels, *self.spec.outputs)
        units = dict(self.units) or {channel: unit_of(channel) for channel in every}
        object.__setattr__(self, "units", units)
        if set(units) != set(every):
            odd = sorted(set(units) ^ set(every))[0]
            raise bad_field("units", f"{odd!r} is not both a channel and given a unit")
        for channel, volts in self.emg_reference.items():
            if not (channel.startswith("emg.") and 0.0 < volts < float("inf")):
                raise bad_field(f"emg_reference.{channel}"[:80], f"{volts} V is no reference")
        size = vector_size(self._skeleton())
        if vector.shape != (size,):
            raise BundleError(
                BundleReason.WRONG_SHAPE,
                f"a vector of shape {vector.shape}, {self.network} has {size} weights",
                where="weights",
            )
        if not np.isfinite(vector).all():
            bad = int((~np.isfinite(vector)).sum())
            raise BundleError(
                BundleReason.NOT_FINITE, f"{bad} weights are NaN or infinite", where="weights"
            )
        have = (len(self.scaling.x_mean), len(self.scaling.y_mean), self.scaling.n_optional)
        need = (self.spec.n_channels, len(self.spec.outputs), len(self.spec.optional))
        if have != need:
            raise bad_field("scaling", f"(channels, outputs, optional) {have}, spec has {need}")

    @classmethod
    def of(
        cls,
        module: TorqueNetwork,
        spec: LegSpec,
        scaling: Scaling,
        *,
        pipeline: Mapping[str, Any] | None = None,
        provenance: Provenance | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> Self:
        """Pack a registered network that was trained on windows of `spec`."""
        return cls(
            network=module.network_id,
            spec=spec,
            n_times=module.n_times,
            scaling=scaling,
            vector=to_vector(module),
            network_args=dict(module.network_args),
            pipeline=dict(pipeline or {}),
            provenance=provenance or Provenance(),
            metrics=dict(metrics or {}),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the file, as 64 hex digits: what a child names as its parent."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def module(self) -> TorqueNetwork:
        """Build the network with these weights, in evaluation mode."""
        # The random weights are overwritten; the caller's random numbers are left alone.
        with torch_seed(0):
            module = build(
                self.network,
                n_channels=self.spec.n_channels,
                n_outputs=len(self.spec.outputs),
                n_times=self.n_times,
                sample_rate_hz=self.spec.rate_hz,
                **self.network_args,
            )
        from_vector(module, self.vector)
        return module.eval()

    def require(self, spec: LegSpec, units: Mapping[str, str] | None = None) -> None:
        """Refuse data that this model was not made for.

        Parameters
        ----------
        spec
            Of the data at hand.
        units
            Units of the data by sideless channel name; those of the channel table where not given.

        Raises
        ------
        BundleError
            ``channel_mismatch``, ``unit_mismatch`` or ``rate_mismatch``, naming what differs.
        """
        check_fit(self.spec, self.units, spec, units or {})

    def to_bytes(self) -> bytes:
        """Give the bundle as a safetensors file; equal bundles give equal bytes."""
        skeleton = self._skeleton()
        tensors, start = {}, 0
        for name, tensor in named_tensors(skeleton).items():
            piece = self.vector[start : start + tensor.numel()]
            tensors[name] = piece.reshape(tuple(tensor.shape))
            start += tensor.numel()
        metadata = {
            "format": FORMAT,
            "network": self.network,
            "network_args": dict(self.network_args),
            "n_times": self.n_times,
            "schema": schema_hash(skeleton),
            "spec": self.spec.to_dict(),
            "units": dict(self.units),
            "pipeline": dict(self.pipeline),
            "scaling": self.scaling.to_dict(),
            "provenance": self.provenance.to_dict(),
            "metrics": dict(self.metrics),
        }
        if self.emg_reference:  # left out where empty: older bundles keep their digest
            metadata["emg_reference"] = dict(self.emg_reference)
        return pack(tensors, metadata)

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "bundle") -> Self:
        """Read `to_bytes`; nothing in `data` is trusted, and no code in it can run.

        Parameters
        ----------
        data
            The whole file.
        where
            Its name, for messages.

        Raises
        ------
        BundleError
            With the reason and the path of the field.
        """
        shapes, raw = unpack(data, where)
        if fields.field(raw, "format", int, where) != FORMAT:
            raise BundleError(
                BundleReason.WRONG_VERSION,
                f"format {raw['format']}, this version reads {FORMAT}",
                where=f"{where}.format",
                next_step="Use the version of kinefed that wrote it, or write it again",
            )
        spec = _part(LegSpec.from_dict, raw, "spec", where)
        scaling = _part(Scaling.from_dict, raw, "scaling", where)
        args = fields.field(raw, "network_args", dict[str, Any], where)
        network = fields.field(raw, "network", str, where)
        n_times = fields.field(raw, "n_times", int, where)
        skeleton = make_skeleton(network, spec, n_times, args, where)
        check_schema(skeleton, shapes, fields.field(raw, "schema", str, where), where)
        tensors = tensors_of(data, where)
        return cls(
            network=network,
            spec=spec,
            n_times=n_times,
            scaling=scaling,
            vector=np.concatenate([tensors[name].reshape(-1) for name in named_tensors(skeleton)]),
            network_args=args,
            pipeline=fields.field(raw, "pipeline", dict[str, Any], where),
            provenance=Provenance.from_dict(
                fields.field(raw, "provenance", dict[str, Any], where), f"{where}.provenance"
            ),
            metrics=fields.numbers(raw, "metrics", where),
            units=fields.words(raw, "units", where),
            emg_reference=(
                fields.numbers(raw, "emg_reference", where) if "emg_reference" in raw else {}
            ),
        )

    def save(self, path: Path) -> None:
        """Write the file, all or nothing."""
        write_file(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file; see `from_bytes`.

        Raises
        ------
        BundleError
            Also ``not_found`` and ``too_large``.
        """
        return cls.from_bytes(read_file(path), str(path))

    def _skeleton(self) -> TorqueNetwork:
        return make_skeleton(self.network, self.spec, self.n_times, self.network_args, "bundle")


def _part(read: Callable[[dict[str, Any], str], T], raw: dict[str, Any], name: str, at: str) -> T:
    """Read a part by the folder that owns its type, and name it where that folder does not."""
    path = f"{at}.{name}"
    try:
        return read(fields.field(raw, name, dict[str, Any], at), path)
    except BundleError:
        raise
    except KinefedError as error:
        where = error.where if error.where.startswith(path) else f"{path}: {error.where}"
        raise bad_field(where.removesuffix(": "), error.what) from None
