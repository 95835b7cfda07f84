"""The folder's face: short, sorted, complete; heavy libraries wait until they are needed."""

from __future__ import annotations

import subprocess
import sys

import kinefed.models as face


def test_face_is_sorted_and_real() -> None:
    assert face.__all__ == sorted(face.__all__)
    assert all(hasattr(face, name) for name in face.__all__)


TRAIN = """
import sys, torch
from kinefed.models.adam import FlatAdam
layer = torch.nn.Linear(2, 1)
with FlatAdam(list(layer.parameters())) as adam:
    layer(torch.ones(3, 2)).sum().backward()
    adam.step(0.1)
print(*({"sklearn", "torch._dynamo"} & set(sys.modules)))
"""


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    """scikit-learn costs half a second, torch's compiler 1.8 s: too much for every worker."""
    out = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []
