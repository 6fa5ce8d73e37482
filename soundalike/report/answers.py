"""Answers for files and folders: found, decoded in parallel, and written as lines, tables and pictures."""

import argparse
import functools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from soundalike import cli, pool
from soundalike.library.catalogue import good_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import find_songs, suffixed
from soundalike.library.storage import atomic_write
from soundalike.model import Model, is_current, load_model
from soundalike.report.summary import answer_in_words, read_predictions
from soundalike.report.verdict import Verdict, answer
from soundalike.report.wording import explain_words
from soundalike.similarity.index import Index, load_index
from soundalike.similarity.seeds import find_seed
from soundalike.song import Song, decode, read_table

CSV_COLUMNS = [
    *("song", "answer", "artist", "closest", "probability", "nearness", "next"),
    *("clips", "agreeing_clips", "silent_clips", "trained_on", "copy_of", "problem"),
]

Rows = dict[Path, dict]  # the answer for each file, or its ``problem``


def find_files(named: list[Path], root: Path, index: Index | None = None, why: str = "") -> tuple[dict, dict]:
    """Find the files that are meant.

    Parameters
    ----------
    named : list of Path
        Files and folders, and songs of the library by a part of their title or path.
    root : Path
        Of the library.
    index, why
        See `find_index`.

    Returns
    -------
    songs : dict of Path to str
        A short name for each, its own.
    problems : dict of Path to str
        Files that cannot be answered for, and why.
    """
    songs: dict[Path, str] = {}
    problems: dict[Path, str] = {}
    for asked in named:
        path = asked.absolute()
        if not os.path.exists(path):  # which, unlike Path's, raises nothing
            try:
                path = _by_title(str(asked), root, index, why)
            except UserError as error:
                problems[path] = f"there is no such file. {error}"
                continue
        if not os.path.isdir(path):
            songs.setdefault(path, path.name)
            continue
        found, refused = find_songs(path)
        songs |= {path / song: song for song in found}
        problems |= {path / song: reason for song, reason in refused.items()}
        if not found and not refused:
            problems[path] = "a folder without music"
    taken: Counter = Counter()
    for path, name in songs.items():
        taken[name] += 1
        songs[path] = name if taken[name] == 1 else f"{name} ({taken[name]})"
    return songs, problems


def _by_title(asked: str, root: Path, index: Index | None, why: str) -> Path:
    """Return the file of a song of the library."""
    if index is None:
        raise UserError(f"Titles of the library cannot be looked up: {why}")
    return find_seed(asked, index, root).path


def decode_all(
    songs: list[Path], args: argparse.Namespace, spacings: dict[str, int]
) -> Iterator[tuple[Path, Song | SongError]]:
    """Decode songs, see `song.decode`: a single one in this process, several in worker processes."""
    work = functools.partial(decode, spacings=spacings, keep_sound=bool(args.plot))
    if len(songs) != 1 or args.scheduler:
        names = list(map(str, songs))
        for name, outcome in pool.run(work, names, label="Decoding", jobs=args.jobs, scheduler=args.scheduler):
            yield Path(name), outcome
        return
    try:
        with cli.bar(1, "Decoding", "songs", stays=False):
            song: Song | SongError = work(songs[0])
    except SongError as error:
        song = error
    yield songs[0], song


def viewer(
    args: argparse.Namespace, model: Model, songs: dict[Path, str]
) -> Callable[[Path, Song | None, Verdict | None], None]:
    """Return what draws the answer for a song and prints it, as the arguments ask for it.

    Parameters
    ----------
    args : argparse.Namespace
        See ``predict.py``.
    model : Model
        The model.
    songs : dict of Path to str
        From `find_files`: answers are printed in this order, whichever song is ready first. Of a song without an
        answer, the function is to be called with None.
    """
    draw = _picture_writer(args.plot, model) if args.plot else None
    quiet = cli.STDOUT in (args.csv, args.json)
    filed = None if quiet else _filed_songs(args.library)
    left, waiting = list(songs), {}  # type: list[Path], dict[Path, str]
    if not quiet:
        cli.print_note(args.library)

    def show(path: Path, song: Song | None, said: Verdict | None) -> None:
        from tqdm import tqdm

        waiting[path] = ""
        if song and said and draw:
            draw(songs[path], song, said)
        if song and said and filed is not None:
            words = said.in_words(numbers=args.verbose)
            waiting[path] = f"{printable(path)}\n{words}{_filed(said, filed)}"
        with tqdm.external_write_mode():
            while left and left[0] in waiting:
                if text := waiting.pop(left.pop(0)):
                    print(text)

    return show


def find_model(root: Path) -> Model:
    """Load the model of a library; it is trained first where there is none, or the frame has changed."""
    if not is_current(root):
        from soundalike.training import train  # which takes scikit-learn

        train(root)
    return load_model(root)


def answer_held_out(model: Model, index: Index, root: Path) -> str:
    """Answer for the song that a model was not trained on from its table: the text is that of `predict.py`."""
    name = model.info["held_out"]
    said = answer(read_table(name, root), model, index, (index.songs["song"] == name).to_numpy())
    words = f"{said.in_words()}{_filed(said, _filed_songs(root))}"
    return "\n".join([printable(songs_folder(root) / name), words, *explain_words(model.info)])


def find_index(root: Path) -> tuple[Index | None, str]:
    """Find the songs of the library, as points, to say what a song sounds like.

    A model may be used without them: then there is no index, but the reason why.
    """
    try:
        return load_index(root, make=False), ""
    except (UserError, OSError) as error:
        return None, str(error)


def _picture_writer(folder: Path, model: Model) -> Callable[[str, Song, Verdict], None]:
    """Return a function that draws a song's verdict into a folder."""
    from soundalike.report import plots  # matplotlib takes a second, and few ask for pictures

    plots.use_style()
    colours = plots.artist_colours(model.info["classes"])

    def draw(name: str, song: Song, said: Verdict) -> None:
        figure = plots.verdict(name, said, song.sound, colours)
        with atomic_write(folder / suffixed(name, ".png")) as path:
            figure.savefig(path)

    return draw


def _filed_songs(root: Path) -> pd.DataFrame:
    """Read the library's songs [index: song]: ``artist``; ``answer`` and ``predicted`` when held out."""
    try:
        songs = good_songs(root)[["song", "artist"]].set_index("song")
    except UserError:  # a model may be used without the library it was made from
        songs = pd.DataFrame(columns=["artist"])
    return songs.join(read_predictions(root))


def _filed(said: Verdict, songs: pd.DataFrame) -> str:
    """Return lines for a song of the library: its artist, and what was said of it when it was held out of training."""
    if said.copy_of not in songs.index:
        return ""
    song, lines = songs.loc[said.copy_of], []
    if not said.known or song["artist"] != said.song.index[0]:
        unknown = "" if song["artist"] in said.song.index else ", on whom the model was not trained"
        lines.append(f"In your library it is filed under {printable(song['artist'])}{unknown}.")
    if said.known and not pd.isna(song["answer"]):
        lines.append(f"When it was held out of training, the answer was {answer_in_words(song)}.")
    return "".join(f"\n  {line}" for line in lines)


def write_answers(kind: str, rows: Rows, model: Model, path: Path) -> None:
    """Write a row for each song as ``csv`` or ``json`` to a file, or print them."""
    # In a table a path is text: its bytes that are not Unicode become escapes.
    names = {song: str(song).encode(errors="backslashreplace").decode() for song in sorted(rows)}
    named = [{"song": name} | rows[song] for song, name in names.items()]
    if kind == "json":
        about = {key: model.info[key] for key in ("created", "classes", "words")}
        text = json.dumps({"model": about, "songs": named}, indent=1) + "\n"
    else:
        table = pd.DataFrame(named, columns=CSV_COLUMNS)
        whole = [name for name in CSV_COLUMNS if name.endswith("clips")]
        table[whole] = table[whole].astype("Int64")  # missing where there is a problem
        text = table.to_csv(index=False, lineterminator="\n")
    if path == cli.STDOUT:
        lines = text.splitlines()
        print("\n".join(printable(line, limit=10_000) for line in lines) if sys.stdout.isatty() else text[:-1])
        return
    with atomic_write(path) as target:
        target.write_text(text, encoding="utf-8")


def keep_partial(tables: dict[str, Path], rows: Rows, count: int, model: Model) -> int:
    """Keep the answers of a run that was stopped, beside the tables; returns the exit status."""
    files = {kind: path for kind, path in tables.items() if path != cli.STDOUT}
    parts = {kind: path.with_suffix(f".part.{kind}") for kind, path in files.items()}
    for kind, path in parts.items():
        write_answers(kind, rows, model, path)
    where = f"; they are in {', '.join(map(printable, parts.values()))}" if parts else ""
    print(f"\nStopped after {len(rows)} of {cli.counted(count, 'song')}{where}.", file=sys.stderr)
    return cli.STOPPED


def print_problems(rows: Rows, tables: dict[str, Path], args: argparse.Namespace, model: Model) -> int:
    """Print which songs have no answer, and what was written; returns the exit status."""
    failed = {str(path): row["problem"] for path, row in rows.items() if row["problem"]}
    status = cli.LEFT_OUT if failed else cli.ALL_GOOD
    if len(failed) == len(rows):
        status = cli.NOTHING_USABLE
    if cli.STDOUT in tables.values():
        return status
    where = f": see {printable(next(iter(tables.values())))}" if tables else ""
    cli.print_left_out(failed, "No verdict", rest=where)
    if status != cli.NOTHING_USABLE:
        for path in filter(None, (*tables.values(), args.plot, args.page)):
            print(f"Written: {printable(path)}")
        print("\n".join(explain_words(model.info, strict=args.strict)))
    return status
