"""One model on one leg: from its frames to torque, and how far that can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kinefed.client.live.columns import BoolArray
from kinefed.client.live.degrade import DegradeRules, Supply
from kinefed.client.live.frames import LegFrames
from kinefed.models import ModelBundle
from kinefed.models.export import Form
from kinefed.models.runner import Runner

FloatArray = NDArray[np.float32]

FAMILIAR_SD = 5.0
"""A channel further from the training mean is unfamiliar. Of any distribution at all no more than
1 in 25 samples lies there (Chebyshev's inequality), of most far fewer."""


class Estimator:
    """Runs a bundle on the frames of a leg.

    On windows it gives what `kinefed.models.predict` gives for the frame. A stateful network
    moves on by one frame at a time; where it was not in use, or frames were passed over, it
    begins anew and runs through the last window first.

    Parameters
    ----------
    bundle
        The model.
    frames
        Of a leg, by the bundle's spec, keeping its window at least.
    runner
        Of the bundle's network, for this leg alone.
    rules
        What counts as usable.

    Attributes
    ----------
    bundle, frames
        As given.
    """

    def __init__(
        self, bundle: ModelBundle, frames: LegFrames, runner: Runner, rules: DegradeRules
    ) -> None:
        self.bundle, self.frames = bundle, frames
        self._runner, self._rules = runner, rules
        self._n_times = bundle.n_times
        self._values = len(bundle.spec.channels)
        self._optional = len(bundle.spec.optional)
        scaling = bundle.scaling
        window = runner.form is Form.WINDOW
        self._mean = scaling.x_mean[:, None] if window else scaling.x_mean
        self._std = scaling.x_std[:, None] if window else scaling.x_std
        self._seen = 0
        self._used = np.zeros(self._optional, bool)
        self._torque: FloatArray = np.zeros(len(bundle.spec.outputs), np.float32)
        self._familiar = 0.0

    def supply(self, now_s: float) -> Supply:
        """Say what there is to work with."""
        frames = self.frames
        if not frames.count:
            return Supply(math.inf, 0.0)
        age_s = max(0.0, now_s - frames.frame_s)
        if age_s > self._rules.stale_s:
            return Supply(age_s, 0.0)
        _, bridged = frames.measured(self._n_times)
        whole = bool((self._available() | ~frames.worn).all()) if self._optional else True
        return Supply(age_s, bridged, whole)

    def estimate(self) -> tuple[FloatArray, float]:
        """Estimate the torques at the newest frame.

        Returns
        -------
        torque
            (outputs,) float32, N m/kg; not to be changed.
        confidence
            0 to 1: share of the window that was measured, times the share of channels that are
            no further than `FAMILIAR_SD` from their mean in training. A warning light, not a
            probability.
        """
        available = self._available() if self._optional else self._used
        count = self.frames.count
        window = self._runner.form is Form.WINDOW
        changed = window and not np.array_equal(available, self._used)
        if count != self._seen or changed:
            self._used = available
            if window:
                scaled = self._window(self.frames.window(self._n_times))
            else:
                scaled = self._follow(count)
            self._seen = count
            scaling = self.bundle.scaling
            with np.errstate(over="ignore"):  # the caller looks at what came of it
                self._torque = scaled * scaling.y_std + scaling.y_mean
        return self._torque, self.frames.measured(self._n_times)[0] * self._familiar

    def forget(self) -> None:
        """Begin anew at the next estimate: the model was not in use."""
        self._seen = 0

    def _available(self) -> BoolArray:
        return self.frames.available(self._n_times, self._rules.max_bridged)

    def _window(self, window: FloatArray) -> FloatArray:
        x = self._runner.x
        self._scale(window, x)
        self._familiar = self._within(x[: self._values, -1])
        return self._runner.run()

    def _follow(self, count: int) -> FloatArray:
        new = count - self._seen  # 1 or more
        if not self._seen or new > self._n_times:
            self._runner.reset()
            new = min(count, self._n_times)
        torque = self._torque
        for row in self.frames.window(new).T:
            self._scale(row, self._runner.x)
            torque = self._runner.run()
        self._familiar = self._within(self._runner.x[: self._values])
        return torque

    def _scale(self, values: FloatArray, x: FloatArray) -> None:
        """As `Scaling.scale_x` does for windows, in place; to the same bits."""
        k, n = self._optional, self._values
        x[:n] = values
        if k:
            x[n:] = self._used.reshape(-1, *(1,) * (x.ndim - 1))
            x[n - k : n] *= x[n:]
        x -= self._mean
        x /= self._std
        if k:
            x[n - k : n] *= x[n:]

    def _within(self, newest: FloatArray) -> float:
        return float(np.count_nonzero(np.abs(newest) <= FAMILIAR_SD)) / len(newest)
