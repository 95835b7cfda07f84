"""Checks that a bundle agrees with itself, and with the data at hand."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import torch

from kinefed.datasets.channels import unit_of
from kinefed.models.base import TorqueNetwork
from kinefed.models.bundle_fields import bad_field
from kinefed.models.errors import BundleError, BundleReason, ModelReason, NetworkError
from kinefed.models.registry import COMMON_ARGS, build
from kinefed.models.vector import named_tensors, schema_hash
from kinefed.signals.legs import LegSpec


def make_skeleton(
    network: str, spec: LegSpec, n_times: int, args: Mapping[str, Any], where: str
) -> TorqueNetwork:
    """Build the network without memory for weights: a hostile size costs nothing.

    Raises
    ------
    BundleError
        ``unknown_network`` or ``bad_field``.
    """
    for name in args:
        if name in ("network_id", *COMMON_ARGS):
            raise bad_field(f"{where}.network_args.{name}", "is not for the bundle to choose")
    try:
        with torch.device("meta"):
            return build(
                network,
                n_channels=spec.n_channels,
                n_outputs=len(spec.outputs),
                n_times=n_times,
                sample_rate_hz=spec.rate_hz,
                **args,
            )
    except NetworkError as error:
        unknown = error.reason is ModelReason.UNKNOWN_NETWORK
        raise BundleError(
            BundleReason.UNKNOWN_NETWORK if unknown else BundleReason.BAD_FIELD,
            error.what,
            where=f"{where}.{'network' if unknown else error.where}",
            next_step=error.next_step,
        ) from None


def check_schema(
    skeleton: TorqueNetwork, shapes: Mapping[str, tuple[int, ...]], schema: str, where: str
) -> None:
    """Refuse a file whose tensors or schema hash are not those of its own network.

    Parameters
    ----------
    skeleton
        The network that the file names.
    shapes
        Name and shape of every tensor in the file.
    schema
        Hash in the file.
    where
        Its name, for messages.

    Raises
    ------
    BundleError
        ``wrong_shape`` with the first tensor that differs, or ``schema_mismatch``.
    """
    need = {name: tuple(t.shape) for name, t in named_tensors(skeleton).items()}
    for name in sorted(need.keys() | shapes.keys()):
        if need.get(name) != shapes.get(name):
            raise BundleError(
                BundleReason.WRONG_SHAPE,
                f"file: {shapes.get(name, 'missing')}, {skeleton.network_id}: "
                f"{need.get(name, 'none')}",
                where=f"{where}: {name}"[:200],
            )
    if schema != schema_hash(skeleton):
        raise BundleError(
            BundleReason.SCHEMA_MISMATCH,
            f"{schema[:40]!r} is not {schema_hash(skeleton)!r}, that of its own network",
            where=f"{where}.schema",
        )


def check_fit(
    spec: LegSpec, units: Mapping[str, str], data: LegSpec, data_units: Mapping[str, str]
) -> None:
    """Refuse data that a model was not made for.

    Parameters
    ----------
    spec, units
        Of the model.
    data, data_units
        Of the data; units that are not given are those of the channel table.

    Raises
    ------
    BundleError
        ``channel_mismatch``, ``unit_mismatch`` or ``rate_mismatch``, naming what differs.
    """
    for role in ("inputs", "optional", "outputs"):
        pairs = zip_longest(getattr(spec, role), getattr(data, role), fillvalue="nothing")
        for place, (ours, theirs) in enumerate(pairs):
            if ours != theirs:
                raise _misfit(BundleReason.CHANNEL_MISMATCH, f"{role}[{place}]", ours, theirs)
    for channel, unit in units.items():
        other = data_units.get(channel, unit_of(channel))
        if unit != other:
            raise _misfit(BundleReason.UNIT_MISMATCH, f"unit of {channel}", unit, other)
    for name in ("rate_hz", "velocity_cutoff_hz"):
        mine, theirs = getattr(spec, name), getattr(data, name)
        if mine != theirs:
            texts = ("none" if value is None else f"{value:g}" for value in (mine, theirs))
            raise _misfit(BundleReason.RATE_MISMATCH, name, *texts)


def _misfit(reason: BundleReason, what: str, mine: str, other: str) -> BundleError:
    return BundleError(
        reason,
        f"the model needs {mine}, the data have {other}",
        where=what,
        next_step="Prepare the data with the bundle's spec, or use another bundle",
    )
