"""Small stand-ins of each published layout, so that importers are tested without the recordings."""

from __future__ import annotations

from pathlib import Path

import pytest
import sources


@pytest.fixture
def source(tmp_path: Path) -> sources.Sources:
    """Writers of small sources into a folder of their own."""
    folder = tmp_path / "source"
    folder.mkdir()
    return sources.Sources(folder)
