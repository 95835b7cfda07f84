"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A time limit on one example only tells how busy the machine is.
settings.register_profile("kinefed", deadline=None)
settings.load_profile("kinefed")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings, which are not part of the project."""
    folder = os.environ.get("KINEFED_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set KINEFED_DATA to the folder of real recordings")
    return Path(folder)
