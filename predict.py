"""Say who songs are by, how surely, and when.

python predict.py "New song.mp3"                 # by the model that modeling.ipynb saved
python predict.py ~/Unsorted --csv guesses.csv   # a folder: proposals in a table, files stay as they are
python predict.py *.mp3 --plot pictures          # and a picture of each
"""

import argparse
import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

import terminal
import workers
from feature_extraction import describe_file
from library import DEMUXERS, SongError, UserError, find_songs, good_songs, printable, unsupported, whole_file
from model_files import Saved, load
from mp3_split import Listening

BAR = 60  # cells of a song's timeline, at most
MARKS = "█▒·", "#=."  # in it: the artist the song is given to, the next, the others; and where that cannot be shown


class Heard(NamedTuple):
    """A song that is in no library, as a model needs it."""

    table: pd.DataFrame  # see `feature_extraction.describe`
    record: dict  # see `mp3_split.Listening`
    sounds: np.ndarray | None  # its clips [shape=(clips, CLIP_SAMPLES), dtype=int16], if they were asked for


class Verdict(NamedTuple):
    """What the model says of one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same for each clip, by its start in seconds; silent ones are missing numbers
    known: bool  # whether the model learned from this very recording
    none_below: float | None  # less sure than this, the song is by none of them

    @property
    def agreeing(self) -> int:
        """How many clips are, alone, given to the artist that the song is given to."""
        return int((self.clips.dropna().idxmax(axis=1) == self.song.index[0]).sum())

    @property
    def judged(self) -> int:
        """How many clips are not silent."""
        return len(self.clips.dropna())

    @property
    def none(self) -> bool:
        """Whether the song is by none of the artists that the model knows, as far as it can tell."""
        return self.none_below is not None and self.song.iloc[0] < self.none_below

    def __str__(self) -> str:
        first, *others = [f"{printable(artist)} {p:.2f}" for artist, p in self.song.items()]
        first = f"none of these; nearest {first}" if self.none else first
        agree = f"{self.agreeing} of {terminal.counted(self.judged, 'clip')} agree"
        known = ". The model learned from this very song, so it should know" if self.known else ""
        return f"{first}  ({agree}; next {', '.join(others[:2])}){known}"

    def timeline(self, marks: str) -> str:
        """The song in a line: who each stretch of it is given to, blank where it is silent."""
        rank = {artist: min(place, len(marks) - 1) for place, artist in enumerate(self.song.index)}
        cells = np.arange(len(self.clips)) * min(BAR, len(self.clips)) // len(self.clips)
        stretches = self.clips.groupby(cells).mean()
        line = "".join(" " if row.isna().any() else marks[rank[row.idxmax()]] for _, row in stretches.iterrows())
        names = [*map(printable, self.song.index[: len(marks) - 1]), "others"]
        legend = "  ".join(f"{mark} {name}" for mark, name in zip(marks, names, strict=False) if mark in line)
        return f"0:00 {line} {terminal.clock(2 * len(self.clips))}   {legend}"

    def as_dict(self) -> dict:
        """For programs: plain values. ``artist`` is None if it is by none of these."""
        nearest, *others = self.song.index
        return {
            "artist": None if self.none else nearest,
            "probability": _rounded(self.song.iloc[0]),
            "nearest": nearest,
            "next": others[0],
            "clips": self.judged,
            "agreeing_clips": self.agreeing,
            "silent_clips": len(self.clips) - self.judged,
            "learned_from": self.known,
            "probabilities": {artist: _rounded(p) for artist, p in self.song.items()},
            "timeline": [
                {"start": start, "artist": None, "probability": None}
                if row.isna().any()
                else {"start": start, "artist": row.idxmax(), "probability": _rounded(row.max())}
                for start, row in self.clips.iterrows()
            ],
        }


def _rounded(p: float) -> float:
    return round(float(p), 4)


# --- one song --------------------------------------------------------------------------------


def hear(path: str | Path, *, keep_sound: bool = False) -> Heard:
    """Listen to a file.

    Raises
    ------
    SongError
        If it is no usable song.
    """
    path = Path(path)
    if not path.exists():
        raise SongError("there is no such file")
    if path.suffix.lower() not in DEMUXERS:
        raise SongError(unsupported(path.suffix))
    table, record = describe_file(path)
    if table is None:
        silent = "none of these: " if record["status"] == "silent" else ""
        raise SongError(f"{silent}{record['status']}: {record['reason']}")
    return Heard(table, record, np.stack(list(Listening(path))) if keep_sound else None)


def judge(heard: Heard, saved: Saved) -> Verdict:
    """Who a song is by.

    Parameters
    ----------
    heard : Heard
        The song, with sounds if the model listens.
    saved : Saved
        The model, from `model_files.load`.
    """
    loud = heard.table[~heard.table["silent"]]
    sounds = heard.sounds[loud.index] if saved.listens else None
    clips, songs = saved.answer(loud.assign(song="song"), sounds)
    song = np.exp(songs.iloc[0]).sort_values(ascending=False)
    known = heard.record["hash"] in saved.info["songs"].values()
    by_start = np.exp(clips).reindex(heard.table.index).set_axis(heard.table["start"])
    return Verdict(song, by_start, known, saved.info["none_below"])


# --- all songs -------------------------------------------------------------------------------


def work(args: argparse.Namespace) -> int:
    """Print a verdict for each song, and write what was asked for."""
    saved = load(args.data)
    quiet = "-" in (str(args.csv), str(args.json))
    if not quiet:
        terminal.print_note(args.data)
    songs, failed = find(args.songs)
    draw = _painter(args.plot, args.data, saved) if args.plot else None
    rows = [{"song": str(song), "problem": reason} for song, reason in failed.items()]
    try:
        for path, outcome in listen(list(songs), args, keep_sound=saved.listens or bool(args.plot)):
            if isinstance(outcome, SongError):
                failed[path] = str(outcome)
                rows.append({"song": str(path), "problem": str(outcome)})
                continue
            verdict = judge(outcome, saved)
            rows.append({"song": str(path)} | verdict.as_dict() | {"problem": ""})
            if draw:
                draw(songs[path], outcome, verdict)
            if not quiet:
                tqdm.write(f"{printable(path)}\n  {verdict}\n  {verdict.timeline(terminal.drawable(*MARKS))}")
    finally:  # whoever stops here keeps what is done
        write(sorted(rows, key=lambda row: row["song"]), saved, args)
    if not quiet:
        where = f": see {printable(args.csv or args.json)}" if args.csv or args.json else ""
        terminal.print_left_out({str(path): reason for path, reason in failed.items()}, "No verdict", rest=where)
    if len(failed) == len(rows):
        return terminal.NOTHING_USABLE
    return terminal.LEFT_OUT if failed else terminal.ALL_GOOD


def find(named: list[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
    """What is to be judged (path -> a short name, its own), and what cannot be (path -> why)."""
    songs, failed = {}, {}
    for path in named:
        path = path.expanduser().absolute()
        if not path.is_dir():
            songs.setdefault(path, path.name)
            continue
        found, refused = find_songs(path)
        songs |= {path / song: song for song in found}
        failed |= {path / song: reason for song, reason in refused.items()}
        if not found and not refused:
            failed[path] = "a folder without music"
    return songs, failed


def listen(
    songs: list[Path], args: argparse.Namespace, *, keep_sound: bool
) -> Iterator[tuple[Path, Heard | SongError]]:
    """Listen to songs: one alone here, at once; several in worker processes."""
    if len(songs) != 1 or args.scheduler:
        function, names = functools.partial(hear, keep_sound=keep_sound), list(map(str, songs))
        for name, outcome in workers.run(function, names, label="Listening", jobs=args.jobs, scheduler=args.scheduler):
            yield Path(name), outcome
        return
    try:
        yield songs[0], hear(songs[0], keep_sound=keep_sound)
    except SongError as error:
        yield songs[0], error


def _painter(folder: Path, root: Path, saved: Saved):
    """A function that draws a song's verdict into a folder."""
    import plots  # matplotlib takes a second, and few ask for pictures

    try:
        artists = {*saved.info["classes"], *good_songs(root)["artist"]}  # the colours of the notebooks
    except UserError:
        artists = saved.info["classes"]
    plots.use_style()
    colours = plots.artist_colours(artists)
    taken = set()

    def draw(name: str, heard: Heard, verdict: Verdict) -> None:
        number = next(n for n in range(1, len(taken) + 2) if (name, n) not in taken)
        taken.add((name, number))
        figure = plots.verdict(name, str(verdict), heard.sounds, verdict.clips, list(verdict.song.index), colours)
        with whole_file(folder / f"{name}{f' ({number})' if number > 1 else ''}.png") as path:
            figure.savefig(path)

    return draw


def write(rows: list[dict], saved: Saved, args: argparse.Namespace) -> None:
    """Write the rows to the files that were named, ``-`` being standard output."""
    texts = {}
    if args.json:
        about = {key: saved.info[key] for key in ("name", "created", "classes", "none_below")}
        texts[args.json] = json.dumps({"model": about, "songs": rows}, indent=1, ensure_ascii=False) + "\n"
    if args.csv:
        columns = ["song", "artist", "probability", "nearest", "next", "clips", "agreeing_clips", "silent_clips"]
        table = pd.DataFrame(rows, columns=[*columns, "learned_from", "problem"])
        whole = ["clips", "agreeing_clips", "silent_clips"]
        table[whole] = table[whole].astype("Int64")  # missing where there is a problem
        texts[args.csv] = table.to_csv(index=False, lineterminator="\n")
    for path, text in texts.items():
        if str(path) == "-":
            sys.stdout.write(text)
            continue
        with whole_file(path) as target:
            target.write_text(text, encoding="utf-8")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG_OR_FOLDER", help="audio file, or folder of them")
    parser.add_argument("--plot", type=terminal.folder, metavar="DIR", help="draw a picture of each song there")
    for kind in ("csv", "json"):
        parser.add_argument(
            f"--{kind}",
            type=terminal.output(f".{kind}", or_stdout=True),
            metavar="FILE",
            help=f"write the verdicts to a file that ends in .{kind}; - prints them instead of words",
        )
    workers.add_arguments(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, parse_args(argv))


if __name__ == "__main__":
    import predict  # so that worker processes know its functions by this name

    sys.exit(predict.main())
