"""``kinefed data`` and ``kinefed models``."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_run import Run
from walkers import write_walkers

from kinefed.models import available


def test_inspect_counts_what_is_there(kinefed: Run, walkers: Path) -> None:
    found = kinefed("data", "inspect", walkers, "--json").json
    assert [p["id"] for p in found["people"]] == ["S01", "S02", "S03", "S04", "S05"]
    first = found["people"][0]
    assert first["recordings"] == 2
    assert first["tasks"] == {"straight": 1, "turn": 1}
    assert first["minutes"] == pytest.approx(4.0 / 60.0)
    assert first["dead_channels"] == ["emg.gastrocnemius.l"]
    assert found["people"][1]["dead_channels"] == []
    assert set(found["streams"]) == {"torque", "kinematics", "emg"}
    assert found["streams"]["kinematics"]["rates_hz"] == [100.0]
    # Of 800 leg frames those count whose mask says so: by construction about 56 %.
    assert 0.5 * 800 < first["valid_label_frames"] < 0.62 * 800


def test_inspect_shows_a_table(kinefed: Run, walkers: Path) -> None:
    result = kinefed("data", "inspect", walkers)
    assert result.code == 0
    assert "emg.gastrocnemius.l" in result.out
    assert "straight 1, turn 1" in result.out
    assert "angle.hip_flexion, angle.knee_flexion, angle.ankle_dorsiflexion" in result.out


@pytest.mark.parametrize("verb", ["inspect", "check"])
def test_a_missing_folder_is_bad_data(kinefed: Run, tmp_path: Path, verb: str) -> None:
    result = kinefed("data", verb, tmp_path / "none", "--json")
    assert result.code == 3
    assert "none" in result.err + result.out


def test_check_passes_a_good_folder(kinefed: Run, walkers: Path) -> None:
    result = kinefed("data", "check", walkers, "--json")
    assert result.code == 0
    assert result.json == {"dataset": str(walkers), "faults": []}


def test_check_names_every_fault(kinefed: Run, tmp_path: Path) -> None:
    folder = write_walkers(tmp_path / "walkers", people=2, seconds=1.0)
    for person in ("S01", "S02"):
        (folder / "recordings" / person / "s01" / "turn_01" / "torque.parquet").write_text("x")
    result = kinefed("data", "check", folder, "--json")
    assert result.code == 3
    where = " ".join(fault["where"] + fault["what"] for fault in result.json["faults"])
    assert "S01" in where
    assert "S02" in where
    table = kinefed("data", "check", folder)
    assert table.code == 3
    assert "S02" in table.out


def test_import_lists_the_formats_of_the_registry(kinefed: Run) -> None:
    from kinefed.datasets.importers import IMPORTERS

    help_text = kinefed("data", "import", "--help").out
    assert IMPORTERS
    for name in IMPORTERS:
        assert name in help_text


def test_import_refuses_what_it_does_not_know(kinefed: Run, tmp_path: Path) -> None:
    result = kinefed("data", "import", "no-such-format", tmp_path, tmp_path / "out")
    assert result.code == 2
    assert "no-such-format" in result.err
    assert not (tmp_path / "out").exists()


def test_import_refuses_an_empty_source(kinefed: Run, tmp_path: Path) -> None:
    from kinefed.datasets.importers import IMPORTERS

    source = tmp_path / "empty"
    source.mkdir()
    for name in IMPORTERS:
        result = kinefed("data", "import", name, source, tmp_path / "out", "--json")
        assert result.code in (2, 3), name
        assert result.out == ""
        assert not (tmp_path / "out").exists()


def test_models_list_has_every_network_with_its_size(kinefed: Run) -> None:
    entries = {e["id"]: e for e in kinefed("models", "list", "--json").json["networks"]}
    assert set(entries) == set(available())
    lstm = entries["zhang2023lstm"]
    # LSTM 4 (6*50 + 50*50 + 2*50), dense 50*64 + 64, output 64*3 + 3.
    assert lstm["parameters"] == 4 * (300 + 2500 + 100) + 3264 + 195
    assert lstm["bytes_float32"] == 4 * lstm["parameters"]
    assert "2023" in lstm["citation"]
    assert "zhang2023lstm" in kinefed("models", "list").out


def test_models_show_parts_the_papers_facts_from_ours(kinefed: Run) -> None:
    shown = kinefed("models", "show", "zhang2023lstm", "--json").json
    assert {fact["source"] for fact in shown["facts"]} >= {"paper", "ours"}
    assert shown["arguments"] == {"hidden": 50, "dense": 64, "dropout": 0.0}
    text = kinefed("models", "show", "zhang2023lstm").out
    assert "15,059 parameters" in text


def test_models_show_names_the_ones_there_are(kinefed: Run) -> None:
    result = kinefed("models", "show", "resnet")
    assert result.code == 2
    assert "cnn-lstm" in result.err
