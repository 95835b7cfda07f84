"""Torque networks, their weights and bundles, training, metrics and baselines."""

from kinefed.datasets.errors import KinefedError

# Importing a network's module enters it in the registry.
from kinefed.models import cnn_lstm as _cnn_lstm  # noqa: F401
from kinefed.models import moreira2021cnn as _moreira2021cnn  # noqa: F401
from kinefed.models import zhang2023lstm as _zhang2023lstm  # noqa: F401
from kinefed.models.augment import Augment
from kinefed.models.base import TorqueNetwork
from kinefed.models.baselines import MeanProfile, Trees, contact_phase, labels
from kinefed.models.bundle import ModelBundle
from kinefed.models.bundle_fields import Privacy, Provenance
from kinefed.models.errors import BundleError, BundleReason, ModelError, ModelReason, NetworkError
from kinefed.models.history import EpochRow, History, TrainHook
from kinefed.models.metrics import JointScore, PersonScores, bootstrap_ci, person_scores, score
from kinefed.models.predict import masked_mse, mean_loss, predict
from kinefed.models.registry import (
    Fact,
    NetworkCard,
    ParameterRow,
    Source,
    available,
    build,
    card,
    own_args,
    parameter_table,
    register,
)
from kinefed.models.seeds import seeded, torch_seed
from kinefed.models.table import SummaryRow, summarise
from kinefed.models.train import fit, train_steps
from kinefed.models.train_config import TrainConfig, cosine_rates
from kinefed.models.vector import from_vector, schema_hash, to_vector, vector_size

# The server may not import `signals`; the arithmetic of scaling holds no signal.
from kinefed.signals.scaling import Scaling, Sums

__all__ = [
    "Augment",
    "BundleError",
    "BundleReason",
    "EpochRow",
    "Fact",
    "History",
    "JointScore",
    "KinefedError",
    "MeanProfile",
    "ModelBundle",
    "ModelError",
    "ModelReason",
    "NetworkCard",
    "NetworkError",
    "ParameterRow",
    "PersonScores",
    "Privacy",
    "Provenance",
    "Scaling",
    "Source",
    "SummaryRow",
    "Sums",
    "TorqueNetwork",
    "TrainConfig",
    "TrainHook",
    "Trees",
    "available",
    "bootstrap_ci",
    "build",
    "card",
    "contact_phase",
    "cosine_rates",
    "fit",
    "from_vector",
    "labels",
    "masked_mse",
    "mean_loss",
    "own_args",
    "parameter_table",
    "person_scores",
    "predict",
    "register",
    "schema_hash",
    "score",
    "seeded",
    "summarise",
    "to_vector",
    "torch_seed",
    "train_steps",
    "vector_size",
]
