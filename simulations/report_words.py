"""The report's sentences: names, the question, the answer computed from the numbers, the limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from kinefed.simulations.report_curves import Paired, headline, paired
from kinefed.simulations.report_data import Personal, RunFolder

# Method id: its name in print, and what it is.
METHODS = {
    "mean-profile": (
        "mean profile",
        "the average torque of the other people at the same phase of the contact; no sensor at "
        "all, and it is told the phase, which a wearable would have to estimate",
    ),
    "trees": (
        "trees",
        "extremely randomised trees on angles and velocities, all data in one place",
    ),
    "local": ("local only", "the network trained on the wearer's own adaptation data alone"),
    "nms": (
        "muscle model",
        "an EMG-driven Hill model of the leg's muscles, calibrated to the wearer's own adaptation "
        "data; no network",
    ),
    "pooled": (
        "pooled in one place",
        "the network trained with everybody's signals in one place: the control that gives up "
        "privacy",
    ),
    "fedavg": ("FedAvg", "one global network by federated averaging; signals stay with people"),
    "fedavg+transfer": (
        "FedAvg + transfer",
        "that network fine-tuned on the wearer's own recordings and served only where the "
        "adoption gate found it better on them, else the global one",
    ),
    "fedavg+transfer-ungated": (
        "FedAvg + transfer, no gate",
        "the fine-tuned network always served",
    ),
    "task-clusters": (
        "task clusters",
        "one global network for each cluster of movements, found by federated k-means; the "
        "nearest cluster's network is used",
    ),
    "task-clusters+transfer": (
        "task clusters + transfer",
        "the better of the cluster's and the pooled network, fine-tuned, behind the gate",
    ),
    "task-clusters+transfer-ungated": (
        "task clusters + transfer, no gate",
        "the same, always served",
    ),
}
UNIT = "N\u00a0m/kg"


# What a paired comparison reads as, by `Paired.verdict`.
VERDICTS = {-1: "better", 0: "not clearly different", 1: "worse"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two methods on the people who were tested by both: `second` against `first`."""

    first: str
    second: str
    pair: Paired


def method_name(method: str) -> str:
    """Return a method's name in print; its id where it has none."""
    return METHODS.get(method, (method, ""))[0]


def amount(value: float, digits: int = 3) -> str:
    """Write a number; a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """Write a difference with its sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float, plus: bool = False) -> str:
    """Write a share as a percentage."""
    if math.isnan(value):
        return "–"
    text = f"{100.0 * value:{'+' if plus else ''}.0f}\u00a0%"
    return text.replace("-", "\N{MINUS SIGN}")


def count(value: object, one: str, many: str = "") -> str:
    """Write ``3 people``, ``1 person``; ``? people`` where the run does not say."""
    number = value if isinstance(value, int) else None
    word = one if number == 1 else (many or f"{one}s")
    return f"{'?' if number is None else format(number, ',')} {word}"


def people_count(run: RunFolder) -> int:
    """Return how many people the run tested."""
    return max((r.people for r in run.rows), default=0) or len(run.truth)


def question(run: RunFolder) -> str:
    """Say what was asked and what was done."""
    dataset, network = run.dataset, run.network
    name = network.get("id") or run.setting("network", "a network")
    parts = [
        "Asked: how well does a network that learned from many people, without anybody's signals "
        "leaving them, estimate joint torque for a person it has never seen, and does adapting "
        "it to that person help? "
        f"Done: {count(dataset.get('people'), 'person', 'people')} and "
        f"{count(dataset.get('recordings'), 'recording')} of the dataset "
        f"“{dataset.get('name', 'unnamed')}”; "
    ]
    split = run.setting("split", "loso")
    if split == "loso":
        parts.append("each person in turn was left out of all training and then tested")
    else:
        parts.append(f"people were divided as in {split}")
    if isinstance(dataset.get("test_frames"), int):
        parts.append(f" ({dataset['test_frames']:,} test frames)")
    parts.append(f"; network {name}")
    if isinstance(network.get("parameters"), int):
        parts.append(f" with {network['parameters']:,} parameters")
    rounds, steps = run.setting("rounds"), run.setting("steps")
    if rounds and steps:
        parts.append(f", {rounds} federated rounds of {steps} local steps")
    if run.seeds:
        parts.append(f", {count(len(run.seeds), 'random seed')}")
    return "".join(parts) + "."


def comparisons(run: RunFolder) -> list[Comparison]:
    """Compare what was run, person by person, in the order of a reader's questions."""
    base, best = headline(run) or ("fedavg", "fedavg")
    asked = [
        (base, best),
        ("mean-profile", best),
        ("trees", best),
        ("local", best),
        ("pooled", "fedavg"),
        ("fedavg", "task-clusters"),
        ("fedavg+transfer", "task-clusters+transfer"),
    ]
    pairs = [(a, b, paired(run, a, b)) for a, b in asked if a != b]
    return [Comparison(a, b, pair) for a, b, pair in pairs if pair is not None]


def answer(run: RunFolder) -> list[str]:
    """Answer the question in sentences computed from the run's numbers."""
    return [*_main(run), *_others(run), *_lowest(run)]


def _score(run: RunFolder, method: str) -> str:
    row = run.row(method)
    if row is None or math.isnan(row.rmse):
        return ""
    if math.isnan(row.ci_low):
        return f"{amount(row.rmse)} {UNIT}"
    return f"{amount(row.rmse)} {UNIT}, 95 % interval {amount(row.ci_low)} to {amount(row.ci_high)}"


def _main(run: RunFolder) -> Iterator[str]:
    people = people_count(run)
    heads = headline(run)
    base = heads[0] if heads else "fedavg"
    score = _score(run, base)
    if score:
        yield (
            f"On these {count(people, 'person', 'people')} {method_name(base)}, without any data "
            f"of the wearer, had a mean RMSE of {score}."
        )
    if not heads:
        yield "No personalised method was run."
        return
    personal = heads[1]
    score = _score(run, personal)
    if score:
        yield f"Adapted to the wearer behind the gate ({method_name(personal)}) it had {score}."
    pair = paired(run, base, personal)
    if pair:
        low, mean, high = (signed(v) for v in (pair.low, pair.difference, pair.high))
        yield (
            f"Person by person, adapting is {VERDICTS[pair.verdict]}: mean difference {mean} "
            f"{UNIT} (95 % interval {low} to {high}), lower error for {pair.lower} of "
            f"{pair.people} people."
        )
    entry = next((p for p in run.personal if p.method == personal), None)
    if entry:
        yield from _gate(entry)


def _gate(entry: Personal) -> Iterator[str]:
    bare, gated = entry.ungated, entry.gated
    if math.isnan(bare.hurt) or math.isnan(gated.hurt):
        return
    yield (
        f"Fine-tuning alone did harm in {percent(bare.hurt)} of cases (a case is a person in one "
        f"test direction and seed), and behind the gate in {percent(gated.hurt)}; the gate adopted "
        f"the personal model in {percent(entry.adopted_rate)} of them. A coin that adopts as often "
        f"would have done harm in {percent(bare.hurt * entry.adopted_rate)}."
    )


def _others(run: RunFolder) -> Iterator[str]:
    """Say in one sentence how the headline method stands against all it was compared with."""
    base, best = headline(run) or ("", "fedavg")
    found = [c for c in comparisons(run) if c.second == best and c.first != base]
    phrases = {-1: "better than", 0: "not clearly different from", 1: "worse than"}
    parts = []
    for verdict, phrase in phrases.items():
        names = [method_name(c.first) for c in found if c.pair.verdict == verdict]
        if names:
            parts.append(f"{phrase} {' and '.join(names)}")
    if parts:
        yield f"Against the baselines, {method_name(best)} is {'; '.join(parts)}."


def _lowest(run: RunFolder) -> Iterator[str]:
    means = [r for r in run.rows if r.joint == "mean" and not math.isnan(r.rmse)]
    if means:
        best = min(means, key=lambda r: r.rmse)
        yield (
            f"The lowest mean error in the table is that of {method_name(best.method)}, "
            f"{amount(best.rmse)} {UNIT}."
        )


def limits(run: RunFolder) -> list[str]:
    """Say what the numbers do not show."""
    people = people_count(run)
    found = [
        f"Intervals are over people ({people} here), not over frames or seeds: they say how far "
        "the mean would move with other people like these, and with few people they are wide.",
        "Several comparisons are made on the same people and none is corrected for that.",
        "Errors are of frames with a valid reference: torque by inverse dynamics, which has errors "
        "of its own.",
        "Nothing here was measured on a device in daily life, and no torque was applied to anyone.",
    ]
    if run.row("mean-profile"):
        found.append(
            "The mean profile knows the phase of the contact: it is an oracle in that respect, and "
            "its error is a bar for the networks, not a product."
        )
    if len(run.seeds) == 1:
        found.append("One random seed only: how much the result moves with the seed is not known.")
    elif run.seeds:
        found.append(
            f"{len(run.seeds)} random seeds: results are means over them; the spread between "
            "seeds is in the table."
        )
    if run.setting("nested", True) is False:
        found.append(
            "Hyperparameters were fixed beforehand and not chosen inside the folds (no nested "
            "selection)."
        )
    if run.dropped:
        found.append(
            f"The server dropped {count(run.dropped, 'update')} as invalid; the rounds went on "
            "without them."
        )
    return found
