"""A library on disk: how songs are found and named, songs.csv, and how files are written.

One root folder (``data/`` by default) holds one library. A song is known by its path below the folder of songs, suffix
included, with forward slashes; its clips and its table mirror that path, so two songs never share an output.

All that is made below a root is a *target*, a Parquet file or a folder, with notes: a Parquet file has them in its
metadata, a folder in `NOTES`. In them, ``made_from`` holds a key for each *part* of the target, a hash of all that the
part was made from: its inputs, and the version of the module that makes it. A target is fresh if its keys are those of
the inputs of today (see `fresh`); nothing depends on clocks.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from soundalike.messages import Notice, Problem, Reason, SongError, UserError, in_unicode, note

if TYPE_CHECKING:  # worker processes do without it
    import pandas as pd


# The format that ffmpeg is given for a file. A forced demuxer keeps a file that only calls itself music
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

# Files that systems and programs leave in folders of music. Other names may start with a dot: an album is
# called ".5: The Gray Chapter".
NOT_MUSIC = re.compile(
    r"(?s)\.(_.*|Trash.*|unfinished-.*|git|venv|stversions|AppleDouble)|__MACOSX|@eaDir|\$RECYCLE\.BIN"
)

NOTES = "_made_from.json"  # in a folder that was made here: what it was made from; readers of Parquet pass it over


PROJECT = Path(__file__).resolve().parents[1]  # where the scripts and notebooks lie
FRONT, MAP = "report/index.html", "report/map.html"  # in the root of a library: where to begin; all its songs

MAX_HOURS, MOST_HOURS = 6.0, 1000.0  # longer songs are refused unless another limit is set, up to the second
MAX_NAME = 255  # bytes in one part of a path, on most file systems


def read_note(root: Path) -> str:
    """Return what is to be said wherever results from this root are shown; empty for most libraries."""
    path = root / "NOTE.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


# --- songs -----------------------------------------------------------------------------------

# Folders of songs by several artists, whom tags name.
COMPILATIONS = ("various artists", "various", "va", "v.a.", "compilations", "compilation")


def find_songs(folder: Path) -> tuple[list[str], dict[str, SongError]]:
    """Find every song below a folder. Clips, wherever they lie, are not taken for songs.

    Parameters
    ----------
    folder : Path
        The folder of songs.

    Returns
    -------
    songs : list of str
        Sorted paths below ``folder``, with forward slashes.
    refused : dict of str to SongError
        Paths that cannot become songs, and why. Files that are not audio are in neither, nor is
        what `NOT_MUSIC` names.

    Raises
    ------
    UserError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise UserError(Problem.NO_FOLDER, folder=folder)
    songs: list[str] = []
    refused: dict[str, SongError] = {}

    def refuse(path: Path | str, reason: Reason, **fields: object) -> None:
        refused[in_unicode(Path(path).relative_to(folder).as_posix())] = SongError(reason, **fields)

    def unread(error: OSError) -> None:
        refuse(error.filename, Reason.FOLDER_UNREADABLE, error=error.strerror)

    for parent, folders, files in os.walk(folder, onerror=unread):
        here = Path(parent)
        if NOTES in files:
            folders.clear()
            continue
        for name in list(folders):
            if NOT_MUSIC.fullmatch(name):
                folders.remove(name)
            elif (here / name).is_symlink():
                refuse(here / name, Reason.LINK_TO_FOLDER)
                folders.remove(name)
        for name in files:
            suffix = Path(name).suffix.lower()
            if NOT_MUSIC.fullmatch(name) or suffix not in AUDIO:
                continue
            try:
                mode = (here / name).lstat().st_mode
                str((here / name).relative_to(folder)).encode()
            except UnicodeEncodeError:
                refuse(here / name, Reason.NOT_UNICODE)
            except OSError as error:
                refuse(here / name, Reason.UNREADABLE, error=error.strerror)
            else:
                if stat.S_ISLNK(mode):
                    refuse(here / name, Reason.LINK)
                elif not stat.S_ISREG(mode):
                    refuse(here / name, Reason.NOT_A_FILE)
                elif suffix in OTHER_AUDIO:
                    refuse(here / name, Reason.UNSUPPORTED, suffix=suffix)
                else:
                    songs.append((here / name).relative_to(folder).as_posix())
    meeting = Counter(map(_folded, songs))
    for song in songs:
        if meeting[_folded(song)] > 1:
            refused[song] = SongError(Reason.NAMES_MEET)
    return sorted(set(songs) - set(refused)), refused


def _folded(song: str) -> str:
    """Return the name as a file system would see it that minds neither case nor Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", song).casefold())


def folder_labels(song: str) -> tuple[str, str]:
    """Artist and album by the folders: the first, and those between it and the song; of compilations no artist."""
    artist, *album = song.split("/")[:-1] or [""]
    artist = "" if artist.casefold() in COMPILATIONS else artist
    return unicodedata.normalize("NFC", artist), unicodedata.normalize("NFC", "/".join(album))


def untagged_title(song: str, artist: str) -> str:
    """Return the title of a song that has no tag: the name of its file, without the artist before it."""
    return Path(song).stem.removeprefix(f"{artist} - ")


# --- what lies below the root ----------------------------------------------------------------


def clip_folder(root: Path, song: str) -> Path:
    """Return the folder of a song's clips and of the notes on it."""
    return root / "clips" / song


def table_path(root: Path, song: str) -> Path:
    """Return the path of a song's table."""
    return root / "features" / suffixed(song, ".parquet")


def suffixed(song: str, suffix: str) -> str:
    """Return a song's path with one more suffix. A name that becomes too long is cut, and distinguished by a hash."""
    folders, slash, name = song.rpartition("/")
    if len(f"{name}{suffix}".encode()) > MAX_NAME:
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name.encode()[:200].decode(errors='ignore')}~{digest}"
    return f"{folders}{slash}{name}{suffix}"


def clip_paths(root: Path, song: str) -> list[Path]:
    """Return a song's clips, in order."""
    clips = [path for path in clip_folder(root, song).glob("*.wav") if path.stem.isdecimal()]
    return sorted(clips, key=lambda path: int(path.stem))


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
    "cutoff_hz": int,
    "hash": str,
}
# File managers call a copy so: "Copy of Song", "Song - Copy", "Song copy 2", "Song (1)", "Kopie von Song".
NAMED_AS_COPY = (
    r"(?i)^(?:copy of|kopie von|copie de|copia de)\b|\b(?:copy|kopie|copie|copia)(?: ?\(?\d*\)?)?$| ?\(\d+\)$"
)


def record_of(notes: dict) -> dict:
    """Return the record of a song (see `audio.Decoder`) in the notes of its clips or table; empty without one."""
    record = notes.get("record")
    return record if isinstance(record, dict) and set(SONG_COLUMNS) - {"song"} <= set(record) else {}


def keep_songs_folder(root: Path, songs: Path) -> None:
    """Note in songs.txt where the songs of this library lie."""
    with atomic_write(root / "songs.txt") as path:
        path.write_bytes(os.fsencode(songs))


def songs_folder(root: Path) -> Path:
    """Return the folder of this library's songs: the last that was named, else ``songs`` in the root."""
    try:
        return Path(os.fsdecode((root / "songs.txt").read_bytes()))
    except OSError:
        return root / "songs"


def write_songs(root: Path, rows: "list[dict] | pd.DataFrame") -> None:
    """Write songs.csv: one row for each song that was found, in order of path."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(SONG_COLUMNS)).sort_values("song", kind="stable")
    integers = [name for name, kind in SONG_COLUMNS.items() if kind is int]
    table[integers] = table[integers].astype("Int64")  # integers that may be missing
    with atomic_write(root / "songs.csv") as path:
        table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n", chunksize=1000)


def read_songs(root: Path) -> "pd.DataFrame":
    """Read songs.csv.

    Raises
    ------
    UserError
        If there is none, or another program has changed its form.
    """
    import pandas as pd

    path = root / "songs.csv"
    if not path.exists():
        raise UserError(Problem.NO_CATALOGUE, path=path)
    try:
        # No cell is taken for "missing": an artist may be called NA, None or 1975.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", lineterminator="\n")
        for name, kind in SONG_COLUMNS.items():
            if kind is not str:
                table[name] = pd.to_numeric(table[name])
        return table[list(SONG_COLUMNS)]
    except (KeyError, ValueError):  # of pandas, too
        raise UserError(Problem.CATALOGUE_CHANGED, path=path) from None


def preferred_first(copies: "pd.DataFrame") -> "pd.DataFrame":
    """Order rows of songs.csv that are one recording: the one to keep is first.

    The longer sound comes first, then a file that is not named as a copy, a tagged one, and one of a longer name.
    """
    stems = copies["song"].map(lambda song: Path(song).stem)
    order = copies.assign(
        shorter=-copies["clips"],
        copied=stems.str.contains(NAMED_AS_COPY),
        untagged=[row.title == untagged_title(row.song, row.artist) for row in copies.itertuples()],
        terser=-stems.str.len(),
    )
    return copies.loc[order.sort_values(["shorter", "copied", "untagged", "terser", "song"]).index]


def good_songs(root: Path) -> "pd.DataFrame":
    """Return the rows of songs.csv that are used.

    Raises
    ------
    UserError
        If there is no songs.csv, or no good song in it.
    """
    songs = read_songs(root)
    good = songs[songs["status"].isin(GOOD)].reset_index(drop=True)
    if good.empty:
        raise UserError(Problem.NONE_USABLE, songs=len(songs), path=root / "songs.csv")
    return good


LOCK = "library.lock"  # in the root: held by the script that writes there
RUN_LOCK = "run.lock"
SIGNS = (LOCK, "songs.txt")  # of a root that this program made

# Other things that are made in a root, by names that a user's own files may have; and the folders among them that are
# replaced as a whole, each with what it holds if it was made here, by this version or by 1.0.
MADE = ("clips", "features", "model", "similar", "report", "songs.csv", "df_music.pkl", "df_music.parquet")
REPLACED = {"model": ("model.json",), "similar": (NOTES, "index.json"), "df_music.parquet": (NOTES, "_common_metadata")}

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


def read_notes(target: Path, name: str = NOTES) -> dict:
    """Read the notes of a target; none if it is missing or damaged, or another version made it."""
    try:
        text = _in_metadata(target) if target.is_file() else (target / name).read_bytes()
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
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


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
    ours = any((root / sign).exists() for sign in SIGNS)
    with contextlib.suppress(OSError), (root / "songs.csv").open(encoding="utf-8", errors="replace") as file:
        ours = ours or file.readline().startswith("song,artist,album,title,status,")
    foreign = [] if ours else [name for name in MADE if (root / name).exists()]
    for name, signs in REPLACED.items():
        if (root / name).is_dir() and not any((root / name / sign).exists() for sign in signs):
            foreign.append(name)
    if foreign:
        raise UserError(Problem.NOT_OURS, root=root, names=" and ".join(dict.fromkeys(foreign)))


def _acquire(root: Path, name: str, *, wait: bool = False) -> contextlib.AbstractContextManager:
    """Take a lock in a root until a with statement ends, see `locked`."""
    from filelock import FileLock, Timeout  # a third of what --help would take

    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root / name)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        if not wait:
            raise UserError(Problem.BUSY, root=root) from None
        note(Notice.WAITING, root=root)
        return lock.acquire()
    except OSError as error:
        if error.errno not in CANNOT_LOCK:
            raise
        raise UserError(Problem.NO_LOCKS, root=root, error=error.strerror) from None


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
    with _acquire(root, LOCK, wait=wait):
        try:
            _clear_unfinished(root)
            yield
        finally:
            with contextlib.suppress(OSError):
                _clear_unfinished(root)  # workers may have been stopped in the middle of a song


def _clear_unfinished(root: Path) -> None:
    """Remove what was left half done below a root, and put back what it was to replace."""
    for room in (root, root / "clips", root / "features", root / "report"):
        for workshop in room.glob(".unfinished-*"):
            for old in workshop.glob("old/*"):  # killed while it was replaced
                if room == root and not (root / old.name).exists():
                    old.rename(root / old.name)
            shutil.rmtree(workshop, ignore_errors=True)


def running(root: Path) -> contextlib.AbstractContextManager:
    """Mark a root as that of a run of all steps, which holds no lock while it trains models.

    Raises
    ------
    UserError
        If another such run is at work there.
    """
    return _acquire(root, RUN_LOCK)


def is_locked(root: Path) -> bool:
    """Whether another run is at work below a root."""
    from filelock import FileLock, Timeout

    for path in (root / LOCK, root / RUN_LOCK):
        with contextlib.suppress(OSError):  # a folder that may only be read, or a disk that cannot lock
            try:
                if path.exists():
                    with FileLock(path, blocking=False):
                        pass
            except Timeout:
                return True
    return False


@contextlib.contextmanager
def unless_running(root: Path) -> Iterator[None]:
    """Say of what a library lacks that a run is making it, if one is at work there."""
    try:
        yield
    except UserError:
        if not is_locked(root):
            raise
        raise UserError(Problem.NOT_YET, root=root) from None
