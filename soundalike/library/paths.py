"""Where a library's songs, clips and tables lie, and how songs are found.

One root folder (``data/`` by default) holds one library. A song is known by its path
below the folder of songs, suffix included, written with forward slashes; its clips and its table
mirror that path, so two songs never share an output.
"""

import contextlib
import fnmatch
import hashlib
import os
import stat
import unicodedata
from collections import Counter
from pathlib import Path

from soundalike.library.errors import UserError, printable, typed

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
NOT_MUSIC = (
    "._*",
    ".Trash*",
    ".git",
    ".AppleDouble",
    ".unfinished-*",
    ".stversions",
    ".venv",
    "__MACOSX",
    "@eaDir",
    "$RECYCLE.BIN",
)

NOTES = "_made_from.json"  # in a folder that was made here: what it was made from; readers of Parquet pass it over


PROJECT = Path(__file__).resolve().parents[2]  # where the scripts and notebooks lie
MAP = "report/map.html"  # in the root of a library: the page with all its songs
LAST = PROJECT / "data" / "last"  # holds the root of the library that was used last

MAX_NAME = 255  # bytes in one part of a path, on most file systems


def default_root() -> Path:
    """Return the root that is used when none is named: the variable MUSIC_LIBRARY, else ``data`` here."""
    named = os.environ.get("MUSIC_LIBRARY")
    return resolve(named) if named else PROJECT / "data"


def remember_root(root: Path) -> None:
    """Note which library was used last."""
    with contextlib.suppress(OSError):  # no reason to fail after all is done
        LAST.parent.mkdir(exist_ok=True)
        LAST.write_bytes(os.fsencode(root))


def last_root() -> tuple[Path, bool]:
    """Find the root that was used last, see `remember_root`; and whether it is another than the default.

    If a model was made in the default one since, that is it.
    """
    usual = default_root()
    with contextlib.suppress(OSError, ValueError):
        root = Path(os.fsdecode(LAST.read_bytes()))
        if root != usual and not os.environ.get("MUSIC_LIBRARY") and _model_time(root) > _model_time(usual):
            return root, True
    return usual, False


def _model_time(root: Path) -> float:
    """When the model of a library was made; 0 without one."""
    path = root / "model" / "model.json"
    return os.stat(path).st_mtime if os.path.exists(path) else 0.0


def resolve(text: str) -> Path:
    """Return a path from the root of the disk, ``~`` being the home folder."""
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError:  # ~somebody who has no home here
        return Path(text).resolve()


def note(root: Path) -> str:
    """Return what is to be said wherever results from this root are shown; empty for most libraries."""
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
            f"or name another folder with {typed('songs')}."
        )
    found, refused = [], {}

    def refuse(path: Path | str, reason: str) -> None:  # what is not Unicode is shown by escapes
        refused[Path(path).relative_to(folder).as_posix().encode(errors="backslashreplace").decode()] = reason

    def unreadable(error: OSError) -> None:
        refuse(error.filename, f"a folder that cannot be read: {error.strerror}")

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        if NOTES in files:
            folders.clear()
            continue
        for name in list(folders):
            if (here / name).is_symlink():
                refuse(here / name, f"a link to a folder; name that with {typed('songs')}")
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
    """Return the name as a file system would see it that minds neither case nor Unicode form."""
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
        return f"a link; copy the file itself, or name its folder with {typed('songs')}"
    if not stat.S_ISREG(mode):
        return "not an ordinary file"
    if suffix in OTHER_AUDIO:
        return unsupported(suffix)
    return ""


def unsupported(suffix: str) -> str:
    """Return what is to be said of a file with this suffix."""
    kinds = "MP3, FLAC, OGG, Opus, M4A, AAC or WAV"
    if suffix.lower() in OTHER_AUDIO:
        return f"{suffix} is not supported; convert it to {kinds}"
    return f"{suffix or 'a file without a suffix'} is no sound that is known here; a song is {kinds}"


def folder_labels(song: str) -> tuple[str, str]:
    """Artist and album by the folders: the first, and those between it and the song."""
    artist, *album = song.split("/")[:-1] or [""]
    return unicodedata.normalize("NFC", artist), unicodedata.normalize("NFC", "/".join(album))


# --- what lies below the root ----------------------------------------------------------------


def clip_folder(root: Path, song: str) -> Path:
    """Return the folder of a song's clips and of the notes on it."""
    return root / "clips" / song


def table_path(root: Path, song: str) -> Path:
    """Return the table of a song."""
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
