"""The federation's server: aggregates weights and sums, and never reads a signal."""

from kinefed.server.config import FederationConfig
from kinefed.server.coordinator import Coordinator
from kinefed.server.outcome import FederationResult

__all__ = ["Coordinator", "FederationConfig", "FederationResult"]
