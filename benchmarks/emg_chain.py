"""The EMG chain on one core, as times real time, beside LibEMG and NeuroKit2 on the same samples.

13 channels at 1 kHz for a minute: band-pass, rectification and low-pass envelope; then features in
windows of 150 ms every 10 ms, of time alone and with mean and median frequency. Each figure is the
best of several runs. The rivals are run where a folder holds them
(each wants another numpy, so LibEMG comes without what it asks for)::

    pip install --target rivals neurokit2==0.2.13
    pip install --target rivals --no-deps libemg==2.0.3 librosa lazy_loader decorator pooch soxr \
        numba llvmlite audioread soundfile
    OMP_NUM_THREADS=1 python benchmarks/emg_chain.py --rivals rivals --json

LibEMG has no envelope, NeuroKit2 no features of windows; their filters and definitions are their
own. LibEMG's ZC and SSC differ from ours (zeros, plateaus), which costs it nothing; its median
frequency (2.0.3) fails on numpy 2.4 and is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Callable
from typing import Any

# Before numpy is imported: one core for everybody.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

CHANNELS, RATE_HZ, SECONDS, RUNS = 13, 1000.0, 60.0, 5
WINDOW, HOP = 150, 10
TIME_FEATURES = ("mav", "rms", "zc", "ssc", "ssi", "wl", "myop")
MUSCLES = (
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_medialis",
    "biceps_femoris",
    "semitendinosus",
    "gastrocnemius_lateralis",
    "gastrocnemius_medialis",
    "soleus",
    "tibialis_anterior",
    "gluteus_maximus",
    "gluteus_medius",
    "peroneus_longus",
    "adductor_longus",
)


def samples() -> np.ndarray:
    """Noise of about 0.1 mV in bursts, (samples, channels)."""
    rng = np.random.default_rng(0)
    n = round(SECONDS * RATE_HZ)
    bursts = 1.0 + np.sin(2.0 * np.pi * np.arange(n)[:, None] / RATE_HZ + np.arange(CHANNELS))
    return 1e-4 * bursts * rng.standard_normal((n, CHANNELS))


def times_real(work: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds of signal a second of one core, in the best run."""
    spent = []
    for _ in range(runs):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return SECONDS / min(spent)


def ours() -> dict[str, float]:
    from kinefed.datasets import Stream
    from kinefed.signals import BandPass, EMGFeatures, LowPassEnvelope, Pipeline, Rectify

    channels = tuple(f"emg.{muscle}.r" for muscle in MUSCLES)
    stream = Stream("emg", RATE_HZ, 0.0, channels, ("V",) * CHANNELS, samples())
    envelope = Pipeline((BandPass(), Rectify(), LowPassEnvelope()))
    in_time = Pipeline((EMGFeatures(features=TIME_FEATURES),))
    with_frequency = Pipeline((EMGFeatures(features=(*TIME_FEATURES, "mnf", "mdf")),))
    live = envelope.open(RATE_HZ, channels)
    chunks = np.array_split(stream.data, round(SECONDS * 100))
    return {
        "envelope": times_real(lambda: envelope.apply(stream)),
        "envelope, live in 10 ms": times_real(lambda: [live.push(chunk) for chunk in chunks]),
        "time features": times_real(lambda: in_time.apply(stream)),
        "time and frequency features": times_real(lambda: with_frequency.apply(stream)),
    }


def libemg() -> dict[str, float]:
    # Without its face, which imports windows and games.
    found = importlib.util.find_spec("libemg")
    if found is None:
        raise ModuleNotFoundError("No module named 'libemg'")
    package = types.ModuleType("libemg")
    package.__path__ = list(found.submodule_search_locations or ())
    sys.modules["libemg"] = package
    from libemg.feature_extractor import FeatureExtractor
    from libemg.utils import get_windows

    data = samples()
    extractor = FeatureExtractor()
    in_time = ["MAV", "RMS", "ZC", "SSC", "IAV", "WL", "MYOP"]
    fast: dict[str, Any] = {"MYOP_threshold": 0.0}

    def features(names: list[str]) -> object:
        return extractor.extract_features(names, get_windows(data, WINDOW, HOP), fast)

    return {
        "time features": times_real(lambda: features(in_time), 2),
        "time features, mean frequency": times_real(lambda: features([*in_time, "MNF"]), 2),
    }


def neurokit2() -> dict[str, float]:
    import neurokit2 as nk

    data = samples()

    def envelope() -> None:
        for column in data.T:
            nk.emg_amplitude(nk.emg_clean(column, sampling_rate=round(RATE_HZ)))

    return {"envelope": times_real(envelope, 2)}


PROGRAMS = {"kinefed": ours, "libemg": libemg, "neurokit2": neurokit2}


def run(program: str, rivals: str | None) -> dict[str, float] | str:
    """Measure one program in a process of its own."""
    environment = dict(os.environ)
    if rivals is not None and program != "kinefed":
        environment["PYTHONPATH"] = rivals
    done = subprocess.run(
        [sys.executable, __file__, "--only", program],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it failed"])[-1]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rivals", help="folder that pip install --target filled")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=PROGRAMS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        warnings.simplefilter("ignore")
        print(json.dumps(PROGRAMS[given.only]()))
        return
    found = {program: run(program, given.rivals) for program in PROGRAMS}
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for program, figures in found.items():
        if isinstance(figures, str):
            print(f"{program:10} not measured: {figures}")
            continue
        for what, value in figures.items():
            print(f"{program:10} {what:29} {value:8.0f} x real time")


if __name__ == "__main__":
    main()
