"""Raw signals to model input: filters, envelopes, features, windows; offline and live alike."""

from kinefed.signals.cutoff import ResidualAnalysis, power_cutoff, residual_analysis
from kinefed.signals.differentiate import Differentiate
from kinefed.signals.envelopes import MovingRMS, Rectify, Reference, envelope_steps
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.extract import emg_reference_of, leg_series
from kinefed.signals.features import EMGFeatures
from kinefed.signals.filters import BandPass, LowPass, LowPassEnvelope, Notch
from kinefed.signals.fitted import PCA, ZScore
from kinefed.signals.legs import LegSeries, LegSpec, contacts_of
from kinefed.signals.mirror import mirror_sign
from kinefed.signals.pipeline import Pipeline, PipelineSession
from kinefed.signals.resample import Resample
from kinefed.signals.scaling import Scaling, Sums, leg_sums
from kinefed.signals.steps import STEPS, Layout, Step, step_from_dict
from kinefed.signals.windows import Windows

__all__ = [
    "PCA",
    "STEPS",
    "BandPass",
    "Differentiate",
    "EMGFeatures",
    "Layout",
    "LegSeries",
    "LegSpec",
    "LowPass",
    "LowPassEnvelope",
    "MovingRMS",
    "Notch",
    "Pipeline",
    "PipelineSession",
    "Rectify",
    "Reference",
    "Resample",
    "ResidualAnalysis",
    "Scaling",
    "SignalError",
    "SignalReason",
    "Step",
    "Sums",
    "Windows",
    "ZScore",
    "contacts_of",
    "emg_reference_of",
    "envelope_steps",
    "leg_series",
    "leg_sums",
    "mirror_sign",
    "power_cutoff",
    "residual_analysis",
    "step_from_dict",
]
