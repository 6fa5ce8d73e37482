"""Where a library's songs, clips and tables lie, what they are called, and how they are written.

One root folder (``data/`` unless told otherwise) holds one library. A song is known by its path
below the folder of songs, suffix included, written with forward slashes; its clips and its table
mirror that path, so two songs never share an output.
"""

import contextlib
import errno
import fnmatch
import functools
import hashlib
import json
import os
import platform
import shutil
import stat
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

# What ffmpeg is told a file holds. A forced demuxer keeps a file that only calls itself music
# (a playlist named .mp3, say) from making ffmpeg open other files.
DEMUXERS = {
    ".mp3": "mp3",
    ".flac": "flac",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".opus": "ogg",
    ".m4a": "mov",
    ".aac": "aac",
    ".wav": "wav",
}
OTHER_AUDIO = {
    *(".wma", ".aif", ".aiff", ".aifc", ".ape", ".wv", ".mpc", ".mp2", ".mka", ".m4b", ".m4p", ".mid"),
    *(".amr", ".ra", ".dsf", ".dff", ".tta", ".caf", ".ac3", ".dts"),
}
AUDIO = {*DEMUXERS, *OTHER_AUDIO}

# What systems and programs leave in folders of music. Other names may start with a dot: an album is
# called ".5: The Gray Chapter".
NOT_MUSIC = (
    "._*",
    ".Trash*",
    ".git",
    ".AppleDouble",
    ".unfinished-*",
    ".stversions",
    "__MACOSX",
    "@eaDir",
    "$RECYCLE.BIN",
)

RECORD = "mp3_split.json"  # in a song's folder of clips: what splitting learned

LOCK = "library.lock"  # in the root: held by whoever writes there
SIGNS = (LOCK, "songs.txt")  # of a root that this program made

# What else is made in a root, by names that a user's own files may have; and what a folder that is replaced holds.
MADE = ("clips", "features", "model", "similar", "report", "songs.csv", "df_music.pkl", "df_music.parquet")
REPLACED = {"model": "model.json", "similar": "index.json", "df_music.parquet": "_common_metadata"}

MAX_NAME = 255  # bytes in one part of a path, on most file systems

GOOD = ("ok", "damaged")  # the statuses of songs that are used

# The columns of songs.csv and the type each is read back as.
SONG_COLUMNS = {
    "song": str,
    "artist": str,
    "album": str,
    "title": str,
    "status": str,
    "reason": str,
    "seconds": float,
    "clips": int,
    "silent_clips": int,
    "dropped": float,
    "sample_rate": int,
    "channels": int,
    "bit_rate": int,
    "codec": str,
    "loudness": float,
    "reach": int,
    "hash": str,
}


CANNOT_LOCK = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)  # what a disk without locks says


class UserError(Exception):
    """Something the user can mend: the message says what is wrong and what to do."""


class SongError(Exception):
    """Something is wrong with one song: the message says what. The other songs go on."""


def printable(text: object, limit: int = 300) -> str:
    """Text that is safe in a terminal and on one line: control characters become escapes.

    A path below the current folder is shown from there.
    """
    if isinstance(text, Path) and text.is_relative_to(Path.cwd()):
        text = text.relative_to(Path.cwd())
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text)[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def default_root() -> Path:
    """The root that is used when none is named: the variable MUSIC_DATA, else ``data`` here."""
    named = os.environ.get("MUSIC_DATA")
    return resolved(named) if named else Path(__file__).resolve().parent.parent.parent / "data"


def resolved(text: str) -> Path:
    """A path from the root of the disk, ``~`` being the home folder."""
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError:  # ~somebody who has no home here
        return Path(text).resolve()


def note(root: Path) -> str:
    """What is to be said wherever results from this root are shown; empty but for the demo."""
    path = root / "NOTE.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


# --- songs -----------------------------------------------------------------------------------


def find_songs(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Find every song below a folder. Clips, wherever they lie, are not taken for songs.

    Parameters
    ----------
    folder : Path
        The folder of songs.

    Returns
    -------
    songs : list of str
        Sorted paths below ``folder``, with forward slashes.
    refused : dict of str to str
        Paths that cannot become songs, and why. Files that are not audio are in neither, nor is
        what `NOT_MUSIC` names.

    Raises
    ------
    UserError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {printable(folder)}. Put your music there, one folder per artist, "
            "or name another folder with --songs."
        )
    found, refused = [], {}

    def refuse(path: Path | str, reason: str) -> None:  # what is not Unicode is shown by escapes
        refused[Path(path).relative_to(folder).as_posix().encode(errors="backslashreplace").decode()] = reason

    def unreadable(error: OSError) -> None:
        refuse(error.filename, f"a folder that cannot be read: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        if RECORD in files:
            folders.clear()
            continue
        for name in list(folders):
            if (here / name).is_symlink():
                refuse(here / name, "a link to a folder; name that with --songs")
            if _is_no_music(name) or (here / name).is_symlink():
                folders.remove(name)
        for name in files:
            suffix = Path(name).suffix.lower()
            if _is_no_music(name) or suffix not in AUDIO:
                continue
            song = (here / name).relative_to(folder).as_posix()
            problem = _problem(here / name, suffix)
            if problem:
                refuse(here / name, problem)
            else:
                found.append(song)
    meeting = Counter(map(_folded, found))
    for song in found:
        if meeting[_folded(song)] > 1:
            refused[song] = "another song's name differs only in capitals or in how accents are stored; rename one"
    return sorted(set(found) - set(refused)), refused


def _is_no_music(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in NOT_MUSIC)


def _folded(song: str) -> str:
    """The name as a file system would see it that minds neither case nor Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", song).casefold())


def _problem(path: Path, suffix: str) -> str:
    """Why a file cannot become a song, as far as can be seen from outside; empty if it may."""
    try:
        str(path).encode()
        mode = path.lstat().st_mode
    except UnicodeEncodeError:
        return "its name is not valid Unicode; rename it"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISLNK(mode):
        return "a link; copy the file itself, or name its folder with --songs"
    if not stat.S_ISREG(mode):
        return "not an ordinary file"
    if suffix in OTHER_AUDIO:
        return unsupported(suffix)
    return ""


def unsupported(suffix: str) -> str:
    """What is to be said of a file with this suffix."""
    kinds = "MP3, FLAC, OGG, Opus, M4A, AAC or WAV"
    if suffix.lower() in OTHER_AUDIO:
        return f"{suffix} is not supported; convert it to {kinds}"
    return f"{suffix or 'a file without a suffix'} is no sound that is known here; a song is {kinds}"


def folder_labels(song: str) -> tuple[str, str]:
    """Artist and album as the folders tell them: the first folder, and whatever lies between."""
    artist, *album = song.split("/")[:-1] or [""]
    return unicodedata.normalize("NFC", artist), unicodedata.normalize("NFC", "/".join(album))


# --- what lies below the root ----------------------------------------------------------------


def clip_folder(root: Path, song: str) -> Path:
    """The folder of a song's clips and of its record."""
    return root / "clips" / song


def table_path(root: Path, song: str) -> Path:
    """The table of a song's features."""
    return root / "features" / suffixed(song, ".parquet")


def suffixed(song: str, suffix: str) -> str:
    """A song's path with one more suffix. A name that becomes too long is cut, and told from others by a hash."""
    folders, slash, name = song.rpartition("/")
    if len(f"{name}{suffix}".encode()) > MAX_NAME:
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name.encode()[:200].decode(errors='ignore')}~{digest}"
    return f"{folders}{slash}{name}{suffix}"


def clip_paths(root: Path, song: str) -> list[Path]:
    """A song's clips, in order."""
    clips = [path for path in clip_folder(root, song).glob("*.wav") if path.stem.isdecimal()]
    return sorted(clips, key=lambda path: int(path.stem))


def read_record(root: Path, song: str) -> dict | None:
    """What splitting learned about a song, or None if it was not split."""
    try:
        record = json.loads((clip_folder(root, song) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def keep_songs_folder(root: Path, songs: Path) -> None:
    """Note in songs.txt where the songs of this library lie."""
    with whole_file(root / "songs.txt") as path:
        path.write_bytes(os.fsencode(songs))


def songs_folder(root: Path) -> Path:
    """Where the songs of this library lie, as mp3_split.py was last told; else ``songs`` in the root."""
    try:
        return Path(os.fsdecode((root / "songs.txt").read_bytes()))
    except OSError:
        return root / "songs"


def write_songs(root: Path, rows: list[dict] | pd.DataFrame) -> None:
    """Write songs.csv: one row for each song that was found, in order of path."""
    table = pd.DataFrame(rows, columns=list(SONG_COLUMNS)).sort_values("song", kind="stable")
    whole = [name for name, kind in SONG_COLUMNS.items() if kind is int]
    table[whole] = table[whole].astype("Int64")  # integers that may be missing
    with whole_file(root / "songs.csv") as path:
        table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n", chunksize=1000)


def read_songs(root: Path) -> pd.DataFrame:
    """Read songs.csv.

    Raises
    ------
    UserError
        If there is none, or another program has changed its form.
    """
    path = root / "songs.csv"
    if not path.exists():
        raise UserError(f"There is no {printable(path)} yet. Run mp3_split.py first.")
    try:
        # No cell is taken for "missing": an artist may be called NA, None or 1975.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", lineterminator="\n")
        for name, kind in SONG_COLUMNS.items():
            if kind is not str:
                table[name] = pd.to_numeric(table[name])
        return table[list(SONG_COLUMNS)]
    except (KeyError, ValueError):  # of pandas, too
        raise UserError(
            f"{printable(path)} is not as mp3_split.py wrote it: did another program save it? Run mp3_split.py, which "
            "makes it again."
        ) from None


def good_songs(root: Path) -> pd.DataFrame:
    """The rows of songs.csv that are used.

    Raises
    ------
    UserError
        If there is no songs.csv, or no good song in it.
    """
    songs = read_songs(root)
    good = songs[songs["status"].isin(GOOD)].reset_index(drop=True)
    if good.empty:
        raise UserError(f"None of the {len(songs)} songs in {printable(root / 'songs.csv')} is usable; it says why.")
    return good


# --- writing ---------------------------------------------------------------------------------


@contextlib.contextmanager
def whole_file(target: Path, room: Path | None = None) -> Iterator[Path]:
    """Give a path to write to; what was written there replaces the target when all went well.

    Parameters
    ----------
    target : Path
        The file or folder that is to be.
    room : Path, optional
        A folder on the same file system for the unfinished work, where `alone` finds what a killed
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
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def check_own(root: Path) -> None:
    """Refuse a root where a user's own files lie in the way.

    Raises
    ------
    UserError
        If what this program would replace is there, and no sign that it made it.
    """
    ours = any((root / sign).exists() for sign in SIGNS) or _is_our_table(root / "songs.csv")
    strange = [] if ours else [name for name in MADE if (root / name).exists()]
    strange += [name for name, sign in REPLACED.items() if (root / name).is_dir() and not (root / name / sign).exists()]
    if strange:
        raise UserError(
            f"{printable(root)} holds {' and '.join(dict.fromkeys(strange))}, which this program would replace but did "
            "not make. Name another folder with --data, or rename yours."
        )


def _is_our_table(path: Path) -> bool:
    """Whether a file starts as songs.csv does."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith("song,artist,album,title,status,")
    except OSError:
        return False


@contextlib.contextmanager
def alone(root: Path, *, wait: bool = False) -> Iterator[None]:
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
            f"The disk of {printable(root)} cannot lock files ({error.strerror}). Name a folder on another with --data."
        ) from None
    try:
        for room in (root, root / "clips", root / "features", root / "report"):
            for workshop in room.glob(".unfinished-*"):
                for old in workshop.glob("old/*"):  # killed while it was replaced
                    if room == root and not (root / old.name).exists():
                        old.rename(root / old.name)
                shutil.rmtree(workshop, ignore_errors=True)
        yield
    finally:
        lock.release()


def at_work(root: Path) -> bool:
    """Whether another run is writing below a root."""
    lock = FileLock(root / LOCK)
    try:
        if (root / LOCK).exists():
            lock.acquire(blocking=False)
            lock.release()
    except Timeout:
        return True
    except OSError:  # a folder that may only be read, or a disk that cannot lock
        pass
    return False


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that shape the numbers."""
    names = ("numpy", "scipy", "numba", "librosa", "pandas", "scikit-learn", "tensorflow", "keras")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
