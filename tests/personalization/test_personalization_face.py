from __future__ import annotations

import kinefed.personalization as face


def test_every_public_name_is_there_once() -> None:
    assert len(set(face.__all__)) == len(face.__all__)
    for name in face.__all__:
        assert hasattr(face, name), name


def test_no_public_name_hides_a_module() -> None:
    # A function called like its file would make the file's other names unreachable by it.
    modules = {"choose", "descriptors", "gate", "kmeans", "personalize", "scores", "transfer"}
    assert not modules & set(face.__all__)
