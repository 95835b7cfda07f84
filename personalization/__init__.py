"""Personal models: transfer learning, the adoption gate, task clusters, what is exchanged."""

from kinefed.personalization.choose import (
    NO_CLUSTER,
    POOLED,
    Choice,
    ClusterChoice,
    choose_global,
    cluster_model,
)
from kinefed.personalization.descriptors import (
    DESCRIPTOR_NAMES,
    Bout,
    BoutConfig,
    bout_of_window,
    bouts,
    descriptor_table,
)
from kinefed.personalization.gate import (
    CrossFit,
    GateConfig,
    GateDecision,
    GateReason,
    crossfit,
    decide,
    units,
)
from kinefed.personalization.kmeans import (
    Clustering,
    ClusterSums,
    cluster_sums,
    descriptor_sums,
    lloyd,
    nearest,
    standardisation,
    standardised,
    start_centres,
    update_centres,
)
from kinefed.personalization.personalize import (
    Personal,
    PersonalConfig,
    PersonalModel,
    personalise,
)
from kinefed.personalization.scores import LabelErrors, label_errors
from kinefed.personalization.transfer import AdaptResult, TransferConfig, adapt

__all__ = [
    "DESCRIPTOR_NAMES",
    "NO_CLUSTER",
    "POOLED",
    "AdaptResult",
    "Bout",
    "BoutConfig",
    "Choice",
    "ClusterChoice",
    "ClusterSums",
    "Clustering",
    "CrossFit",
    "GateConfig",
    "GateDecision",
    "GateReason",
    "LabelErrors",
    "Personal",
    "PersonalConfig",
    "PersonalModel",
    "TransferConfig",
    "adapt",
    "bout_of_window",
    "bouts",
    "choose_global",
    "cluster_model",
    "cluster_sums",
    "crossfit",
    "decide",
    "descriptor_sums",
    "descriptor_table",
    "label_errors",
    "lloyd",
    "nearest",
    "personalise",
    "standardisation",
    "standardised",
    "start_centres",
    "units",
    "update_centres",
]
