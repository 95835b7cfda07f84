"""The live engine: samples of worn sensors to torque at a fixed rate."""

from kinefed.client.live.columns import StreamLayout
from kinefed.client.live.config import LiveConfig
from kinefed.client.live.degrade import DegradeRules, Status
from kinefed.client.live.engine import LiveEngine
from kinefed.client.live.feed import SensorFeed, layouts_of
from kinefed.client.live.output import Output
from kinefed.client.live.tasks import ANY, ConstantTask, TaskGuess, TaskRecogniser

__all__ = [
    "ANY",
    "ConstantTask",
    "DegradeRules",
    "LiveConfig",
    "LiveEngine",
    "Output",
    "SensorFeed",
    "Status",
    "StreamLayout",
    "TaskGuess",
    "TaskRecogniser",
    "layouts_of",
]
