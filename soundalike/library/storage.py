"""Files that are whole and up to date, and one run at a time: atomic writes, freshness, locks, what belongs to a user.

All that is made below a root is a *target*, a Parquet file or a folder, with notes: a Parquet file has them in its
metadata, a folder in `paths.NOTES`. In them, ``made_from`` holds a key for each *part* of
the target, a hash of all that the part was made from: its inputs, and the version of the module that makes it. A
target is fresh if its keys are those of the inputs of today (see `fresh`); nothing depends on clocks.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from soundalike.library.errors import UserError, printable, typed
from soundalike.library.paths import NOTES

LOCK = "library.lock"  # in the root: held by the script that writes there
RUN_LOCK = "run.lock"
SIGNS = (LOCK, "songs.txt")  # of a root that this program made

# Other things that are made in a root, by names that a user's own files may have; and the folders among them that are
# replaced as a whole, each with what it holds if it was made here.
MADE = ("clips", "features", "model", "similar", "report", "songs.csv", "df_music.pkl", "df_music.parquet")
REPLACED = {"model": ("model.json",), "similar": (NOTES, "index.json"), "df_music.parquet": (NOTES,)}

CANNOT_LOCK = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # what a disk without locks says


# --- freshness -------------------------------------------------------------------------------


def made_from(*inputs: object) -> str:
    """Return the key of what is made from these inputs: a hash of lists, dicts, words and numbers."""
    return hashlib.blake2b(json.dumps(inputs).encode(), digest_size=16).hexdigest()


def fresh(notes: dict, *inputs: object, part: str = "all") -> bool:
    """Whether a part of a target, by its notes, was made from just these inputs.

    Parameters
    ----------
    notes : dict
        From `read_notes`.
    *inputs
        See `made_from`; the version of what makes the part is among them.
    part : str
        A name; most targets are made as a whole.
    """
    return notes.get("made_from", {}).get(part) == made_from(*inputs)


def read_notes(target: Path) -> dict:
    """Read the notes of a target; none if it is missing or damaged, or another version made it."""
    try:
        text = _in_metadata(target) if target.is_file() else (target / NOTES).read_bytes()
        notes = json.loads(text)
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) and isinstance(notes.get("made_from"), dict) else {}


def _in_metadata(path: Path) -> bytes:
    import pyarrow as pa  # which those that have to do with folders do without
    import pyarrow.parquet as pq

    try:
        return (pq.read_metadata(path).metadata or {}).get(b"notes", b"")
    except pa.ArrowException:
        return b""


def state_of(path: Path) -> list[int]:
    """State of a file, as far as can be seen without reading it: another one if it was changed or replaced.

    Raises
    ------
    OSError
        If it is not there.
    """
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def digest_of(path: Path) -> str:
    """Hash the content of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


# --- writing ---------------------------------------------------------------------------------


@contextlib.contextmanager
def atomic_write(target: Path, room: Path | None = None) -> Iterator[Path]:
    """Give a path to write to; what was written there replaces the target if nothing was raised.

    Parameters
    ----------
    target : Path
        The file or folder that is to be.
    room : Path, optional
        A folder on the same file system for the unfinished work, where `locked` finds what a killed
        run leaves; by default the target's own folder.

    Yields
    ------
    Path
        A path in a fresh folder, at which a file or a folder may be made.
    """
    room = room or target.parent
    room.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=room))
    try:
        yield workshop / target.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not (workshop / target.name).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        old = workshop / "old" / target.name
        if target.is_dir() or ((workshop / target.name).is_dir() and target.exists()):
            # A folder can be renamed over nothing but an empty one: move aside what is there.
            old.parent.mkdir()
            target.rename(old)
        try:
            (workshop / target.name).replace(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        if error.errno and not error.filename:  # a full disk names no file
            error.filename = str(target)
        raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def check_ownership(root: Path) -> None:
    """Refuse a root where a user's own files lie in the way.

    Raises
    ------
    UserError
        If what this program would replace is there, and no sign that it made it.
    """
    ours = any((root / sign).exists() for sign in SIGNS) or _is_our_table(root / "songs.csv")
    strange = [] if ours else [name for name in MADE if (root / name).exists()]
    strange += [name for name, signs in REPLACED.items() if not _is_ours(root / name, signs)]
    if strange:
        raise UserError(
            f"{printable(root)} holds {' and '.join(dict.fromkeys(strange))}, which this program would replace but did "
            f"not make. Name another folder with {typed('library')}, or rename yours."
        )


def _is_ours(folder: Path, signs: tuple[str, ...]) -> bool:
    """Whether a folder may be replaced: there is none, or it holds what this program puts there."""
    return not folder.is_dir() or any((folder / sign).exists() for sign in signs)


def _is_our_table(path: Path) -> bool:
    """Whether a file starts as songs.csv does."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith("song,artist,album,title,status,")
    except OSError:
        return False


@contextlib.contextmanager
def locked(root: Path, *, wait: bool = False) -> Iterator[None]:
    """Keep other runs from writing below a root, and remove what a killed one left half done there.

    Parameters
    ----------
    root : Path
        The root of a library; it is made if need be.
    wait : bool
        Whether to wait for another run to end, rather than to refuse.

    Raises
    ------
    UserError
        If another run is at work there, or its disk cannot lock files.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if not wait:
            raise UserError(
                f"Another run is at work in {printable(root)}. When it has ended, run this again."
            ) from None
        print(f"Waiting until another run in {printable(root)} has ended.", file=sys.stderr)
        lock.acquire()
    except OSError as error:
        if error.errno not in CANNOT_LOCK:
            raise
        raise UserError(
            f"The disk of {printable(root)} cannot lock files ({error.strerror}). Name a folder on another disk with "
            f"{typed('library')}."
        ) from None
    try:
        _clear_unfinished(root)
        yield
    finally:
        with contextlib.suppress(OSError):
            _clear_unfinished(root)  # workers may have been stopped in the middle of a song
        lock.release()


def _clear_unfinished(root: Path) -> None:
    """Remove what was left half done below a root, and put back what it was to replace."""
    for room in (root, root / "clips", root / "features", root / "report"):
        for workshop in room.glob(".unfinished-*"):
            for old in workshop.glob("old/*"):  # killed while it was replaced
                if room == root and not (root / old.name).exists():
                    old.rename(root / old.name)
            shutil.rmtree(workshop, ignore_errors=True)


@contextlib.contextmanager
def running(root: Path) -> Iterator[None]:
    """Mark a root as that of a run of all steps, which holds no lock while it trains models.

    Raises
    ------
    UserError
        If another such run is at work there.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / RUN_LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UserError(f"Another run is at work in {printable(root)}. When it has ended, run this again.") from None
    except OSError as error:
        if error.errno not in CANNOT_LOCK:
            raise
    try:
        yield
    finally:
        lock.release()


def is_locked(root: Path) -> bool:
    """Whether another run is at work below a root."""
    for path in (root / LOCK, root / RUN_LOCK):
        lock = FileLock(path)
        try:
            if path.exists():
                lock.acquire(blocking=False)
                lock.release()
        except Timeout:
            return True
        except OSError:  # a folder that may only be read, or a disk that cannot lock
            pass
    return False


@contextlib.contextmanager
def unless_running(root: Path) -> Iterator[None]:
    """Say of what a library lacks that a run is making it, if one is at work there."""
    try:
        yield
    except UserError:
        if not is_locked(root):
            raise
        raise UserError(
            f"A run is at work in {printable(root)} now, so there is no answer yet. Ask again when it has ended."
        ) from None
