"""One leg of the live engine: its frames, its models by task, and its last torque."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kinefed.client.live.columns import StreamLayout
from kinefed.client.live.config import LiveConfig
from kinefed.client.live.degrade import Degrader, Status
from kinefed.client.live.estimator import Estimator
from kinefed.client.live.frames import LegFrames
from kinefed.client.live.output import Output
from kinefed.client.live.tasks import ANY, TaskGuess
from kinefed.datasets.channels import with_side
from kinefed.models import ModelBundle
from kinefed.models.export import Form
from kinefed.models.runner import Runner
from kinefed.sensors import Even


class LiveLeg:
    """One leg.

    Parameters
    ----------
    side
        ``"l"`` or ``"r"``.
    frames
        All that its models read.
    tasks
        Models by task, the wanted one first; with `ANY`.
    config
        Of the engine.

    Attributes
    ----------
    side
        As given.
    joints
        Channels of the torques of all its models.
    """

    def __init__(
        self,
        side: str,
        frames: Iterable[LegFrames],
        tasks: Mapping[str, list[Estimator]],
        config: LiveConfig,
    ) -> None:
        self.side = side
        self._frames, self._tasks, self._config = tuple(frames), tasks, config
        bundles = [e.bundle for each in tasks.values() for e in each]
        names = dict.fromkeys(name for bundle in bundles for name in bundle.spec.outputs)
        self.joints = tuple(with_side(name, side) for name in names)
        # Of each model: where its outputs stand among the joints.
        order = list(names)
        self._places = {
            id(e): [order.index(name) for name in e.bundle.spec.outputs]
            for each in tasks.values()
            for e in each
        }
        self._digests = {id(bundle): bundle.digest[:12] for bundle in bundles}
        self._degrader = Degrader(config.rules)
        self._active: Estimator | None = None
        self._last: tuple[tuple[float, ...], float, float, str] | None = None

    def push(self, stream: str, even: Even) -> None:
        """Take the next samples of a stream."""
        for frames in self._frames:
            frames.push(stream, even.first, even.values, even.valid)

    def output(self, tick_ns: int, now_s: float, guess: TaskGuess, served: str) -> Output:
        """Estimate at a tick.

        Parameters
        ----------
        tick_ns, now_s
            The tick on the host's clock, and since time zero.
        guess
            What the movement is taken for.
        served
            The task whose models are used.
        """
        for frames in self._frames:
            frames.advance(now_s)
        models = self._tasks.get(served) or self._tasks[ANY]
        choice = self._degrader.choose(now_s, (model.supply(now_s) for model in models))
        status = choice.status
        if choice.model is not None and not self._run(models[choice.model]):
            # What overflows is no estimate, and the one before it is not one to hold on to.
            status = Status.STOPPED
        if status is Status.HELD and self._last is None:
            status = Status.STOPPED
        if status in (Status.STARTING, Status.STOPPED):
            self._last = None
        torque, frame_s, confidence, digest = self._last or (
            (math.nan,) * len(self.joints), -math.inf, 0.0, ""
        )  # fmt: skip
        mass_kg = self._config.mass_kg
        return Output(
            time_ns=tick_ns,
            time_s=now_s,
            side=self.side,
            joints=self.joints,
            torque_nm_per_kg=torque,
            torque_nm=None if mass_kg is None else tuple(t * mass_kg for t in torque),
            status=status,
            confidence=confidence * choice.trust,
            age_s=max(0.0, now_s - frame_s),
            task=guess.task,
            task_confidence=guess.confidence,
            model=digest,
            silent=models[0].frames.silent(now_s, self._config.rules.stale_s),
        )

    def _run(self, model: Estimator) -> bool:
        """Estimate; say whether a torque came of it."""
        if model is not self._active:
            model.forget()
            self._active = model
        values, confidence = model.estimate()
        if not np.isfinite(values).all():
            return False
        torque = [math.nan] * len(self.joints)
        for place, value in zip(self._places[id(model)], values.tolist(), strict=True):
            torque[place] = value
        digest = self._digests[id(model.bundle)]
        self._last = (tuple(torque), model.frames.frame_s, confidence, digest)
        return True


class LegBuilder:
    """Makes the legs; models that read alike share their frames, and legs their programs.

    Parameters
    ----------
    streams, models, config, emg_reference
        As for `LiveEngine`.

    Attributes
    ----------
    unfit
        What kept models from legs, as sentences.
    """

    def __init__(
        self,
        streams: Mapping[str, StreamLayout],
        models: Mapping[str, Sequence[ModelBundle]],
        config: LiveConfig,
        emg_reference: Mapping[str, float],
    ) -> None:
        self._streams, self._models, self._config = streams, models, config
        self._reference = emg_reference
        self._runners: dict[int, Runner] = {}
        bundles = [bundle for each in models.values() for bundle in each]
        self._keep = max(bundle.n_times for bundle in bundles)
        self.unfit: list[str] = []

    def leg(self, side: str) -> LiveLeg | None:
        """Make a leg with the models that fit it; None where `ANY` is left without."""
        frames: dict[object, LegFrames] = {}
        made: dict[int, Estimator] = {}
        tasks: dict[str, list[Estimator]] = {}
        for task, bundles in self._models.items():
            tasks[task] = []
            for place, bundle in enumerate(bundles):
                source = self._frames(bundle, side, frames)
                if source.missing:
                    self.unfit.append(
                        f"model {place + 1} of {task!r} lacks {', '.join(source.missing)} on {side}"
                    )
                    continue
                if id(bundle) not in made:
                    runner = self._runner(bundle)
                    made[id(bundle)] = Estimator(bundle, source, runner, self._config.rules)
                tasks[task].append(made[id(bundle)])
        if not tasks[ANY]:
            return None
        used = {id(e.frames): e.frames for each in tasks.values() for e in each}
        return LiveLeg(side, used.values(), tasks, self._config)

    def _frames(self, bundle: ModelBundle, side: str, known: dict[object, LegFrames]) -> LegFrames:
        reference = {**self._reference, **bundle.emg_reference}
        key = (bundle.spec.inputs, bundle.spec.optional, bundle.spec.rate_hz,
               bundle.spec.velocity_cutoff_hz, tuple(sorted(reference.items())))  # fmt: skip
        if key not in known:
            known[key] = LegFrames(
                bundle.spec, side, self._streams, self._keep, reference, self._config.rules.stale_s
            )
        return known[key]

    def _runner(self, bundle: ModelBundle) -> Runner:
        """Make a runner; the program of a network is made once, which takes a second or two."""
        if id(bundle) not in self._runners:
            network = bundle.module()
            form = self._config.form if network.initial_state() else Form.WINDOW
            self._runners[id(bundle)] = Runner(network, form, self._config.backend)
            return self._runners[id(bundle)]
        return self._runners[id(bundle)].twin()
