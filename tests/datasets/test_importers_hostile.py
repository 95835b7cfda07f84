"""Hostile input: one clear error each, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sources
from hostile import HOSTILE

from kinefed.datasets import DataError, ImportOptions, KinefedError, import_dataset

OPTIONS = {"kuleuven": ImportOptions(mass_kg=60.0)}


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_hostile_input_is_one_clear_error_and_nothing_is_written(
    case: str, source: sources.Sources, tmp_path: Path
) -> None:
    name, spoil, reason = HOSTILE[case]
    folder = source.write(name)
    spoil(folder)
    with pytest.raises(DataError) as caught:
        import_dataset(name, folder, tmp_path / "made", OPTIONS.get(name))
    assert caught.value.reason is reason, caught.value
    assert caught.value.next_step, caught.value
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_c3d_parameter_section_is_refused_or_read(
    seed: int, source: sources.Sources, tmp_path: Path
) -> None:
    """ezc3d 1.7 ends the process on some damaged sections: the layout is checked before it."""
    from kinefed.datasets.importers._c3d import read_c3d

    path = source.c3d() / "P1/walk01.c3d"
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(512, 512 * 6, 5):
        content[at] = rng.integers(256)
    path.write_bytes(content)
    try:
        assert read_c3d(path).frames > 0
    except KinefedError as error:
        assert error.exit_code == 3  # noqa: PT017
