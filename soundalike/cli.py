"""How the scripts talk to the person at the terminal: options, summaries, errors, exit statuses."""

import argparse
import contextlib
import errno
import functools
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from soundalike.library.errors import UserError, printable
from soundalike.library.paths import PROJECT, default_root, last_root, note, resolve

if TYPE_CHECKING:
    from tqdm import tqdm

ALL_GOOD, NOTHING_USABLE, LEFT_OUT = 0, 1, 3  # exit statuses; 2 is argparse's: wrong usage
SHOWN = 20  # songs that are left out are named on the screen, at most
ALIKE = 4  # songs that are left out for one reason are named; more are counted in a line
LONGEST_NAME = 12  # words of a name that came without quotes, at most
STOPPED = 130  # what shells report for Ctrl-C
MAX_HOURS = 6.0  # longer songs are refused unless another limit is set
REPORT_EVERY = 30  # s between two lines of progress where no terminal shows the bar

USERS_TO_FIX = {  # no room, no permission, unplugged, not a folder, gone
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG),
}

PROJECT_PACKAGE = __name__.partition(".")[0]
STDOUT = Path("-")  # as the name of a file

STATUSES = "exit status: 0 all good, 1 nothing usable, 2 wrong usage, 3 finished but left songs out"


class _Parser(argparse.ArgumentParser):
    """Says it where a name with spaces came without quotes, instead of calling its words unknown."""

    def error(self, message: str) -> NoReturn:
        name = unquoted(sys.argv[1:]) if message.startswith("unrecognized arguments") else ""
        super().error(quotes_missing(name) if name else message)


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the line breaks of a module's docstring and shows each default there is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def folder(text: str) -> Path:
    """Return a folder as it was typed, from the root of the disk, ``~`` being the home folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name of a folder is missing")
    return resolve(text)


def words(text: str) -> str:
    """Text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a name is missing")
    return text


def unquoted(words: list[str]) -> str:
    """Find a file or folder whose name has spaces and came as several words; empty if there is none."""
    for start in range(len(words[:LONGEST_NAME])):
        for stop in range(start + 2, min(start + LONGEST_NAME, len(words)) + 1):
            name = " ".join(words[start:stop])
            if os.path.exists(os.path.expanduser(name)):
                return name
    return ""


def quotes_missing(name: str) -> str:
    """Say how a name with spaces is written."""
    return f'a name with spaces goes in quotes: "{printable(name)}"'


def check_quotes(words: list[str]) -> None:
    """Refuse the words of a name with spaces that came without quotes.

    Raises
    ------
    UserError
        If some words that are no files are one together.
    """
    if not all(map(os.path.exists, words)) and (name := unquoted(words)):
        raise UserError(f"There is no file of one of these names; {quotes_missing(name)}")


def output(suffix: str, *, or_stdout: bool = False) -> Callable[[str], Path]:
    """Return the type of a file to write: it must end as it should, lest a song be overwritten by mistake."""

    def named(text: str) -> Path:
        if or_stdout and text == str(STDOUT):
            return STDOUT
        if Path(text).suffix.lower() != suffix:
            raise argparse.ArgumentTypeError(f"{text!r} does not end in {suffix}")
        if resolve(text).is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is a folder")
        return resolve(text)

    return named


def positive(text: str) -> int:
    """Return a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def number(what: str, *, most: float, zero: bool = False) -> Callable[[str], float]:
    """Return a type for argparse: a number above zero, or from zero on, and at most another, that is called so."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1
        if not 0 <= value <= most or (value == 0 and not zero):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return read


def command(script: str, root: Path) -> str:
    """Return the command line that runs a script on a library."""
    parts = map(printable, (Path(sys.executable), PROJECT / script, "--library", root))
    return " ".join(f'"{part}"' if " " in part else part for part in parts)


def parser(description: str, *, asks: bool = False) -> argparse.ArgumentParser:
    """Return a parser that shows the docstring, the defaults and the exit statuses, and has ``--library``.

    Parameters
    ----------
    description : str
        The docstring.
    asks : bool
        Whether the script asks a library that was made before: then it is that of the last run, see `find_library`.
    """
    made = _Parser(description=description, epilog=STATUSES, formatter_class=_Formatter)
    made.add_argument(
        "--library",
        type=folder,
        default=None if asks else default_root(),
        metavar="DIR",
        help=f"folder of the library{' (default: the last that was made)' if asks else ''}; the variable MUSIC_LIBRARY "
        "sets the default",
    )
    return made


def find_library(args: argparse.Namespace) -> None:
    """Take the library that was used last where none is named, and say so."""
    if args.library is None:
        args.library, last = last_root()
        if last:
            print(f"Asking the library in {printable(args.library)}, the last that was made.", file=sys.stderr)


def add_song_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--songs``, ``--label-by`` and ``--max-hours``."""
    parser.add_argument("--songs", type=folder, metavar="DIR", help="folder of music (default: songs/ in the library)")
    parser.add_argument("--label-by", choices=("folder", "tag"), default="folder", help="what names the artist")
    hours = number("a number of hours above zero", most=1000)
    parser.add_argument("--max-hours", type=hours, default=MAX_HOURS, metavar="H", help="refuse longer songs")


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--networks``."""
    parser.add_argument(
        "--networks",
        choices=("none", "musicnn", "voice", "both"),
        help="the published networks to use, too (default: both, or what is installed of them)",
    )


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--jobs`` and ``--scheduler``."""
    parser.add_argument("--jobs", type=positive, metavar="N", help="worker processes here (default: one per core)")
    parser.add_argument(
        "--scheduler",
        default=os.environ.get("DASK_SCHEDULER_ADDRESS"),
        metavar="ADDRESS",
        help="a Dask cluster to use instead, e.g. tls://host:8786 (docs/large-libraries.md); it sees the same paths",
    )


def counted(number: int, noun: str) -> str:
    """``1 song``, ``2 songs``, ``7,013 clips``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def with_interval(score: Mapping | None) -> str:
    """``0.71 (95% CI 0.64–0.79)``: a balanced accuracy; or why there is none, or no interval."""
    if score is None or math.isnan(score["balanced_accuracy"]):
        return "not measured"
    if score["low"] is None or math.isnan(score["low"]):
        return f"{score['balanced_accuracy']:.2f} (too few albums for an interval)"
    return f"{score['balanced_accuracy']:.2f} (95% CI {score['low']:.2f}–{score['high']:.2f})"


def signed(value: float, low: float, high: float) -> str:
    """``+0.05 (95% CI -0.01 to +0.11)``: a difference and its interval, if there is one."""
    value, low, high = (round(each, 2) + 0.0 for each in (value, low, high))  # no -0.00
    ends = "too few albums for an interval" if math.isnan(low) else f"95% CI {low:+.2f} to {high:+.2f}"
    return f"{value:+.2f} ({ends})"


def clock(seconds: float) -> str:
    """``3:07``, ``1:02:03``."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def drawable(nice: str, plain: str) -> str:
    """Return the nice characters if standard output can show them, else the plain ones."""
    try:
        nice.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return plain
    return nice


@contextlib.contextmanager
def bar(total: int, label: str, unit: str, *, stays: bool = True) -> "Iterator[tqdm]":
    """Show a bar with rate and time left.

    It goes to stderr; in the log of a run of days, as a line now and then. In a notebook it stands below its cell until
    the work is done, and so it does where it is not to stay.
    """
    from tqdm import tqdm

    in_notebook = type(sys.stdout).__module__ == "ipykernel.iostream"
    every = 0.5 if in_notebook else 0.1 if sys.stderr.isatty() else REPORT_EVERY
    looks: dict = {"ncols": 79, "leave": False} if in_notebook else {"dynamic_ncols": True, "leave": stays}
    with tqdm(
        total=total,
        desc=label,
        unit=f" {unit}",
        file=sys.stdout if in_notebook else sys.stderr,
        mininterval=every,
        maxinterval=max(10, every),
        smoothing=0.05,
        **looks,
    ) as shown:
        over = threading.Event()
        if in_notebook or sys.stderr.isatty():
            threading.Thread(target=_tick, args=(shown, over), daemon=True).start()
        try:
            yield shown
        finally:
            over.set()


def _tick(shown: "tqdm", over: threading.Event) -> None:
    """Let the clock of a bar go on, also while a first song takes long: a bar that stands still looks dead."""
    while not over.wait(1):
        shown.refresh()


def check_writable(*files: Path) -> None:
    """Refuse now what could not be written at the end of a long run."""
    for file in (file for file in files if file != STDOUT):
        file.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(file.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file.parent))


def print_note(root: Path) -> None:
    """Say what is to be said of all that comes from this library, if anything."""
    if note(root):
        print(printable(note(root)))


def print_left_out(left_out: dict[str, str], title: str = "Left out", rest: str = "") -> None:
    """Name the songs that were left out, each with its reason; ``rest`` says where the others are."""
    if not left_out:
        return
    print(f"{title} ({counted(len(left_out), 'song')}):")
    by_reason: dict[str, list[str]] = {}
    for song in sorted(left_out):
        reason, other, _ = left_out[song].partition(" as ")
        by_reason.setdefault(f"{reason} as another" if other else reason, []).append(song)  # the same recording as X
    alike = {reason: songs for reason, songs in by_reason.items() if len(songs) > ALIKE}
    for reason, songs in alike.items():
        print(f"  {counted(len(songs), 'song')}, such as {printable(songs[0])}: {printable(reason)}")
    single = sorted(set(left_out).difference(*alike.values()))
    for song in single[:SHOWN]:
        print(f"  {printable(song)}: {printable(left_out[song])}")
    if len(single) > SHOWN or (alike and rest):
        print(f"  … and {len(single) - SHOWN:,} more{rest}" if len(single) > SHOWN else f"  All of them{rest}")


@contextlib.contextmanager
def ctrl_c_remembered() -> Iterator[list]:
    """Yield a list that Ctrl-C fills: where Python or a library cleans up, KeyboardInterrupt would be swallowed.

    It is raised again at the end, if nothing else was.
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def remember(number: int, frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _right_python() -> str:
    """Say how a script is run by a Python that has the packages."""
    room = PROJECT / ".venv"
    if Path(sys.prefix) == room:
        return f"What is installed in {printable(room)} is not whole: remove that folder, and run make run again."
    make = "" if room.exists() else " (which make run installs)"
    script = "-m soundalike" if Path(sys.argv[0]).name == "__main__.py" else sys.argv[0]
    return f"Use this Python{make}: {printable(room / 'bin' / 'python')} {printable(script)}"


def script(main: Callable[[list[str] | None], int]) -> Callable[..., int]:
    """Make a script's main end in an exit status: a user's mistake takes one line on stderr, not a traceback.

    Parameters
    ----------
    main : callable
        Takes the arguments (None: those of the process) and returns an exit status.
    """

    @functools.wraps(main)
    def run(argv: list[str] | None = None) -> int:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal without Unicode shows escapes
                stream.reconfigure(errors="backslashreplace")
        try:
            return main(argv)
        except UserError as error:
            print(printable(error, limit=2000), file=sys.stderr)
            return NOTHING_USABLE
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("", PROJECT_PACKAGE):
                raise
            print(f"{sys.executable} lacks the package {error.name}. {_right_python()}", file=sys.stderr)
            return NOTHING_USABLE
        except KeyboardInterrupt:
            print("\nStopped. Finished songs are kept; run the same command again to go on.", file=sys.stderr)
            return STOPPED
        except BrokenPipeError:  # the reader of a pipe has seen enough, as in "| head"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ALL_GOOD
        except OSError as error:
            if error.errno not in USERS_TO_FIX:
                raise
            where = printable(error.filename or "the disk")
            print(
                f"Cannot read or write {where}: {error.strerror}. Fix this and run the same command again; finished "
                "songs are kept.",
                file=sys.stderr,
            )
            return NOTHING_USABLE

    return run
