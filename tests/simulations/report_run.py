"""A made-up run folder: the files of a real one, with numbers that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

METHODS = {  # noise of the estimate, N m/kg
    "mean-profile": 0.22,
    "trees": 0.19,
    "local": 0.30,
    "pooled": 0.16,
    "fedavg": 0.20,
    "fedavg+transfer-ungated": 0.15,
    "fedavg+transfer": 0.14,
    "task-clusters": 0.21,
    "task-clusters+transfer-ungated": 0.16,
    "task-clusters+transfer": 0.15,
}
JOINTS = ("hip", "knee", "ankle")
CONTACTS, FRAMES = 4, 60


def torque(person: int, rng: np.random.Generator) -> np.ndarray:
    phase = np.linspace(0, 1, FRAMES)
    scale = 1.0 + 0.08 * np.sin(person)
    hip = 0.8 * np.cos(np.pi * phase) * scale
    knee = 0.5 * np.sin(2.5 * np.pi * phase) * np.exp(-phase) * scale
    ankle = 1.4 * phase**2 * np.exp(-(((phase - 0.75) / 0.25) ** 4)) * scale
    base = np.stack([hip, knee, ankle], axis=1)
    return np.concatenate(
        [base * (1 + 0.05 * rng.standard_normal()) for _ in range(CONTACTS)]
    ).astype(np.float32)


def write_run(
    run: Path,
    people: tuple[str, ...] = tuple(f"S{i:02d}" for i in range(1, 10)),
    methods: tuple[str, ...] = tuple(METHODS),
    seeds: tuple[int, ...] = (0, 1),
    parts: bool = True,
) -> Path:
    """Write a run folder; without `parts` only ``summary.json``."""
    rng = np.random.default_rng(5)
    run.mkdir(parents=True)
    truth = {p: torque(i, rng) for i, p in enumerate(people)}
    n = CONTACTS * FRAMES
    contact = np.repeat(np.arange(CONTACTS), FRAMES)
    error: dict[tuple[str, str], np.ndarray] = {}
    for method in methods:
        for i, person in enumerate(people):
            # Smooth in time, as the error of a network is; person 0 is hurt by fine-tuning.
            sd = METHODS.get(method, 0.2) * (1 + 0.05 * i)
            if i == 0 and method.endswith("-ungated"):
                sd *= 1.6
            per_seed = []
            for seed in seeds:
                bias = rng.standard_normal((CONTACTS, 1, 3)) * 0.5
                wave = np.sin(np.linspace(0, 3, FRAMES))[None, :, None] * rng.standard_normal(
                    (CONTACTS, 1, 3)
                )
                off = sd * (0.5 * bias + wave).reshape(n, 3)
                predicted = (truth[person] + off).astype(np.float32)
                per_seed.append(np.sqrt(np.mean(off**2, axis=0)))
                if parts:
                    folder = run / "predictions" / method / str(seed)
                    folder.mkdir(parents=True, exist_ok=True)
                    np.save(folder / f"{person}.npy", predicted)
            error[method, person] = np.mean(per_seed, axis=0)
    (run / "summary.json").write_text(json.dumps(summary(people, methods, seeds, error)))
    if not parts:
        return run
    (run / "truth").mkdir()
    for person in people:
        np.savez(
            run / "truth" / f"{person}.npz",
            y=truth[person],
            task=np.where(contact % 2 == 0, "straight", "turn"),
            recording=np.array([f"{person}/s01/walk_{c:02d}" for c in contact]),
            side=np.where(contact < 2, "r", "l"),
            contact=contact,
            frame=np.arange(n),
            phase=np.tile(np.linspace(0, 1, FRAMES), CONTACTS),
            outputs=np.array(["torque.hip", "torque.knee", "torque.ankle"]),
        )
    for seed in seeds:
        for person in people:
            folder = run / "federations" / str(seed) / person
            folder.mkdir(parents=True)
            with (folder / "log.jsonl").open("w") as file:
                for model in ("pooled", "cluster-0", "cluster-1"):
                    for r in range(1, 16):
                        loss = 0.2 + 0.9 * np.exp(-r / 4) + 0.02 * rng.standard_normal()
                        entry = {"event": "round", "model": model, "round": r, "loss": loss}
                        file.write(json.dumps(entry) + "\n")
    (run / "config.toml").write_text(
        'network = "zhang2023lstm"\nrounds = 15\nsteps = 20\nsplit = "loso"\nengine = "pool"\n'
        'seeds = [0, 1]\nclusters = 2\nnested = true\nnote = "<b>bold</b>"\n'
    )
    return run


def summary(people, methods, seeds, error) -> dict:
    rows = []
    for method in methods:
        table = np.array([error[method, p] for p in people])
        table = np.concatenate([table, table.mean(axis=1, keepdims=True)], axis=1)
        for j, joint in enumerate((*JOINTS, "mean")):
            column = table[:, j]
            half = 2.3 * column.std() / np.sqrt(len(column))
            rows.append(
                {
                    "method": method,
                    "network": "zhang2023lstm",
                    "joint": joint,
                    "rmse_nm_per_kg": column.mean(),
                    "nrmse_range": column.mean() / 2,
                    "r": 0.9,
                    "rho": 0.88,
                    "r2": 0.78,
                    "r2_pooled": 0.8,
                    "people": len(people),
                    "worst_person": people[int(column.argmax())],
                    "worst_rmse_nm_per_kg": column.max(),
                    "ci95_rmse": [column.mean() - half, column.mean() + half],
                    "seeds": len(seeds),
                    "seed_sd": 0.004,
                }
            )
    personal = {}
    for method in ("fedavg+transfer", "task-clusters+transfer"):
        base, bare = method.partition("+")[0], f"{method}-ungated"
        if not {method, base, bare} <= set(methods):
            continue
        entries = []
        for p in people:
            g, x = float(error[base, p].mean()), float(error[bare, p].mean())
            kept = x < g
            entries.append(
                {
                    "subject": p,
                    "global_rmse": g,
                    "personal_rmse": x,
                    "gated_rmse": x if kept else g,
                    "gain": 1 - x / g,
                    "adopted": kept,
                }
            )
        gains = np.array([e["gain"] for e in entries])
        kept_gains = np.maximum(gains, 0)
        personal[method] = {
            "hurt_rate": float((gains < 0).mean()),
            "improved_rate": float((gains > 0).mean()),
            "median_gain": float(np.median(gains)),
            "gated": {
                "hurt_rate": float((kept_gains < 0).mean()),
                "improved_rate": float((kept_gains > 0).mean()),
                "median_gain": float(np.median(kept_gains)),
            },
            "adopted_rate": float((gains > 0).mean()),
            "people": entries,
        }
    clustered = any("clusters" in m for m in methods)
    return {
        "schema": 1,
        "rows": rows,
        "personalisation": personal,
        "wall_s": 512.3,
        "seeds": list(seeds),
        "bytes_up_per_client_round": 123456,
        "bytes_down_per_client_round": 123456,
        "dataset": {
            "name": "made-up walkers",
            "citation": "Nobody et al. (2020) <A made-up & small dataset>",
            "licence": "CC0",
            "people": len(people),
            "recordings": 4 * len(people),
            "test_frames": 240 * len(people),
        },
        "network": {"id": "zhang2023lstm", "parameters": 54321, "window_frames": 60},
        "joints": list(JOINTS),
        "choices": [
            {
                "fold": p,
                "seed": s,
                "mode": ("all", "head")[i % 3 == 0],
                "rate": 1e-3,
                "steps": 40,
                "inner_rmse": 0.17,
            }
            for i, p in enumerate(people)
            for s in seeds
        ],
        "clusters": [
            {
                "fold": p,
                "seed": s,
                "cluster": c,
                "bouts": 20,
                "by_task": {"straight": 18 - 14 * (c ^ i % 2), "turn": 3 + 13 * (c ^ i % 2)},
            }
            for i, p in enumerate(people)
            for s in seeds
            for c in (0, 1)
        ]
        if clustered
        else [],
        "machine": {"cores": 2, "python": "3.11", "torch": "2.13"},
    }
