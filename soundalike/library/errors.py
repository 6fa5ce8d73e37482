"""Errors, and how text from outside is made safe to print."""

import os
from pathlib import Path


class UserError(Exception):
    """Something the user can fix: the message says what is wrong and what to do."""


class SongError(Exception):
    """Something is wrong with one song: the message says what. The other songs go on."""


def typed(option: str) -> str:
    """Write an option that names a folder as the user typed it: ``SONGS=DIR`` for make, or ``--songs DIR``."""
    return f"{option.upper()}=DIR" if "MAKELEVEL" in os.environ else f"--{option} DIR"  # make sets it


def printable(text: object, limit: int = 300) -> str:
    """Text that is safe in a terminal and on one line: control characters become escapes.

    A path below the current folder is shown from there.
    """
    if isinstance(text, Path) and text.is_relative_to(Path.cwd()):
        text = text.relative_to(Path.cwd())
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text)[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"
