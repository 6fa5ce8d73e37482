"""The edge to the person at the terminal: options, the environment, the bar, printing, exit statuses."""

import argparse
import contextlib
import difflib
import errno
import functools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from soundalike import messages
from soundalike.library import MAX_HOURS, MOST_HOURS, PROJECT, atomic_write, read_note
from soundalike.messages import Listener, Problem, UserError, counted, printable

if TYPE_CHECKING:
    from tqdm import tqdm

ALL_GOOD, NOTHING_USABLE, LEFT_OUT = 0, 1, 3  # exit statuses; 2 is argparse's: wrong usage
LONGEST_NAME = 12  # words of a name that came without quotes, at most
STOPPED = 130  # what shells report for Ctrl-C
REPORT_EVERY = 30  # s between two lines of progress where no terminal shows the bar

USERS_TO_FIX = {  # no room, no permission, unplugged, not a folder, gone
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG),
}

LAST = PROJECT / "data" / "last"  # holds the root of the library that was used last
STDOUT = Path("-")  # as the name of a file

STATUSES = "exit status: 0 all good, 1 nothing usable, 2 wrong usage, 3 finished but left songs out"


class _Parser(argparse.ArgumentParser):
    """Says it where a name with spaces came without quotes, instead of calling its words unknown."""

    def error(self, message: str) -> NoReturn:
        name = unquoted(sys.argv[1:]) if message.startswith("unrecognized arguments") else ""
        if not name and message.startswith("unrecognized arguments: -"):
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(message.split()[2].partition("=")[0], known, 1)
            message += f" (did you mean {near[0]}?)" if near else ""
        super().error(f'a name with spaces goes in quotes: "{printable(name)}"' if name else message)


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the line breaks of a module's docstring and shows each default there is."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False, []) else super()._get_help_string(action)


def folder(text: str) -> Path:
    """Return a folder as it was typed, from the root of the disk, ``~`` being the home folder."""
    return resolve(name(text))


def output_folder(text: str) -> Path:
    """Return a folder to write to, which need not be there."""
    path = folder(text)
    if path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is a file")
    return path


def name(text: str) -> str:
    """Text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a name is missing")
    return text


def unquoted(words: list[str]) -> str:
    """Find a file or folder whose name has spaces and came as several words; empty if there is none."""
    for start in range(len(words)):
        for stop in range(start + 2, min(start + LONGEST_NAME, len(words)) + 1):
            name = " ".join(words[start:stop])
            if os.path.exists(os.path.expanduser(name)):
                return name
    return ""


def check_quotes(words: list[str]) -> None:
    """Refuse the words of a name with spaces that came without quotes.

    Raises
    ------
    UserError
        If some words that are no files are one together.
    """
    if not all(map(os.path.exists, words)) and (name := unquoted(words)):
        raise UserError(Problem.NO_QUOTES, name=name)


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


def resolve(text: str) -> Path:
    """Return a path from the root of the disk, ``~`` being the home folder."""
    return Path(os.path.expanduser(text)).resolve()  # which, unlike Path's, takes ~nobody as it is


def default_root() -> Path:
    """Return the root that is used when none is named: the variable MUSIC_LIBRARY, else ``data`` here."""
    named = os.environ.get("MUSIC_LIBRARY")
    return resolve(named) if named else PROJECT / "data"


def remember_root(root: Path) -> None:
    """Note which library was used last."""
    with contextlib.suppress(OSError):  # no reason to fail after all is done
        LAST.parent.mkdir(exist_ok=True)
        LAST.write_bytes(os.fsencode(root))


def last_root() -> Path:
    """Find the root that was used last, see `remember_root`; the default, if a model was made there since."""
    usual = default_root()
    with contextlib.suppress(OSError, ValueError):
        root = Path(os.fsdecode(LAST.read_bytes()))
        if root != usual and not os.environ.get("MUSIC_LIBRARY"):
            return max(usual, root, key=_model_time)
    return usual


def _model_time(root: Path) -> float:
    """When the model of a library was made; 0 without one."""
    path = root / "model" / "model.json"
    return os.stat(path).st_mtime if os.path.exists(path) else 0.0


def find_library(args: argparse.Namespace) -> Path:
    """Return the library that is asked: where none is named that which was used last, and say so."""
    root = args.library or last_root()
    if root not in (args.library, default_root()):
        print(f"Asking the library in {printable(root)}, the last that was made.", file=sys.stderr)
    return root


def add_song_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--songs``, ``--label-by`` and ``--max-hours``."""
    parser.add_argument("--songs", type=folder, metavar="DIR", help="folder of music (default: songs/ in the library)")
    parser.add_argument("--label-by", choices=("folder", "tag"), default="folder", help="what names the artist")
    hours = number("a number of hours above zero", most=MOST_HOURS)
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


def tempo(text: str) -> tuple[str, tuple[float, float]]:
    """Return the filter of a range of tempo, in BPM: ``90-110``."""
    try:
        low, high = map(float, text.replace("–", "-").split("-"))
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of tempo such as 90-110")
    return "tempo", (low, high)


AGAINST = {
    **{"louder": ("loudness_db", 1), "softer": ("loudness_db", -1), "brighter": ("brightness_hz", 1)},
    **{"darker": ("brightness_hz", -1), "faster": ("tempo", 1), "slower": ("tempo", -1)},
}


def add_filter_arguments(group: argparse._ArgumentGroup, *, seeds: bool = False) -> None:
    """Add the options that are gathered in ``filters``, see `traits.Filter`; with seeds also those that compare."""

    def add(to: argparse._ActionsContainer, option: str, action: str, **how: Any) -> None:
        to.add_argument(f"--{option}", dest="filters", default=[], action=action, **how)

    add(group, "tempo", "append", type=tempo, metavar="LOW-HIGH", help="in BPM, such as 90-110")
    kinds = group.add_mutually_exclusive_group()
    for kind, help_text in (("sung", "somebody sings in much of it"), ("instrumental", "nobody sings")):
        add(kinds, kind, "append_const", const=("kind", kind), help=help_text)
    tag, part = (lambda text: ("tag", name(text).lower())), (lambda text: ("folder", name(text)))
    add(group, "tag", "append", type=tag, metavar="TAG", help="a genre or sound, such as rock; repeatable")
    add(group, "folder", "append", type=part, metavar="DIR", help="it lies in a folder with this in its name")
    for option, trait_and_sign in AGAINST.items() if seeds else ():
        add(group, option, "append_const", const=(option, trait_and_sign), help=f"{option} than SONG")


def say(lines: Iterable[str], file: TextIO | None = None) -> None:
    """Print lines, above any bar; options that name a folder as the user typed them: for make ``SONGS=DIR``."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file):
        for line in lines:
            print(as_typed(line), file=file)


def as_typed(text: str) -> str:
    """Write ``--songs DIR`` as ``SONGS=DIR`` where make runs the script."""
    if "MAKELEVEL" in os.environ:  # make sets it
        text = text.replace("--songs DIR", "SONGS=DIR").replace("--library DIR", "LIBRARY=DIR")
    return text


class Console(Listener):
    """Shows bars, and prints what is noted, on stderr."""

    @contextlib.contextmanager
    def bar(self, total: int, label: str, unit: str, *, stays: bool) -> "Iterator[tqdm]":
        """Show a bar with rate and time left; in the log of a run of days, as a line now and then."""
        from tqdm import tqdm

        every = 0.1 if sys.stderr.isatty() else REPORT_EVERY
        with tqdm(
            total=total,
            desc=label,
            unit=f" {unit}",
            mininterval=every,
            maxinterval=max(10, every),
            smoothing=0.05,
            dynamic_ncols=True,
            leave=stays,
        ) as shown:
            over = threading.Event()
            if sys.stderr.isatty():
                threading.Thread(target=_tick, args=(shown, over), daemon=True).start()
            try:
                yield shown
            finally:
                over.set()

    def note(self, text: str) -> None:
        """Print a sentence."""
        say([text], sys.stderr)


def _tick(shown: "tqdm", over: threading.Event) -> None:
    """Let the clock of a bar go on, also while a first song takes long: a bar that stands still looks dead."""
    while not over.wait(1):
        shown.refresh()


def exit_status(all_songs: int, left_out: int) -> int:
    """Return the exit status of a script that left so many of its songs out."""
    return NOTHING_USABLE if left_out == all_songs else LEFT_OUT if left_out else ALL_GOOD


def check_writable(*files: Path) -> None:
    """Refuse now what could not be written at the end of a long run."""
    for file in (file for file in files if file != STDOUT):
        file.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(file.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file.parent))


def write_text(text: str, file: Path) -> None:
    """Write text to a file, or print it: to a terminal line by line, each safe to show."""
    if file != STDOUT:
        with atomic_write(file) as target:
            target.write_text(text, encoding="utf-8")
    elif sys.stdout.isatty():
        print("\n".join(printable(line, limit=10_000) for line in text.splitlines()))
    else:
        print(text, end="")


def write_partial(texts: dict[str, str], files: dict[str, Path]) -> list[Path]:
    """Write what there is of each text beside the file that was to hold all of it; returns these files."""
    parts = {kind: path.with_suffix(f".part.{kind}") for kind, path in files.items() if path != STDOUT}
    for kind, path in parts.items():
        write_text(texts[kind], path)
    return list(parts.values())


def say_stopped(done: int, songs: int, written: list[Path]) -> None:
    """Say after how many songs a run was stopped."""
    where = f"; they are in {', '.join(map(printable, written))}" if written else ""
    print(f"\nStopped after {done} of {counted(songs, 'song')}{where}.", file=sys.stderr)


def write_json(content: dict, file: Path | None) -> None:
    """Write what was answered for programs, if a file is named, see `write_text`."""
    if file:
        write_text(json.dumps(content, indent=1) + "\n", file)


def note_lines(root: Path) -> list[str]:
    """Return what is to be said of all that comes from this library, if anything."""
    note = read_note(root)
    return [printable(note)] if note else []


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
        messages.listener = Console()
        try:
            return main(argv)
        except UserError as error:
            print(printable(as_typed(str(error)), limit=2000), file=sys.stderr)
            return NOTHING_USABLE
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("", "soundalike"):
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
