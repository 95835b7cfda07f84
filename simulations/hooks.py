"""How a study tells of its progress."""

from __future__ import annotations


class StudyHooks:
    """Does nothing; a command line or a test overrides what it wants to see."""

    def stage(self, name: str, total: int) -> None:
        """A stage of ``total`` pieces of work begins."""

    def advance(self, n: int = 1) -> None:
        """``n`` pieces of the stage are done."""

    def note(self, text: str) -> None:
        """Something worth a line."""
