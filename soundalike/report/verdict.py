"""Who songs are by, how surely, and when."""

import argparse
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from soundalike import cli, parallel
from soundalike.audio.decoding import CLIP_SECONDS, Listening
from soundalike.features import musicnn
from soundalike.features.extraction import describe_file
from soundalike.library.catalogue import good_songs
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import find_songs, suffixed
from soundalike.library.storage import whole_file
from soundalike.models.classifiers import some_of
from soundalike.models.saving import Saved, load
from soundalike.report import plots

BAR = 60  # cells of a song's timeline, at most
CSV_COLUMNS = [
    *("song", "artist", "nearest", "probability", "next"),
    *("clips", "agreeing_clips", "silent_clips", "learned_from", "problem"),
]
MARKS = "█▒·", "#=."  # in it: the artist the song is given to, the next, the others; and where that cannot be shown


class Heard(NamedTuple):
    """A song that is in no library, as a model needs it."""

    table: pd.DataFrame  # see `extraction.describe`
    record: dict  # see `decoding.Listening`
    sounds: np.ndarray | None  # its clips [shape=(clips, CLIP_SAMPLES), dtype=int16], if they were asked for


class Verdict(NamedTuple):
    """What the model says of one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same for each clip, by its start in seconds; silent ones are missing numbers
    known: bool  # whether the model learned from this very recording
    none_below: float | None  # less sure than this, the song is by none of them
    alone: bool = True  # whether a clip was judged by itself; else also by the song around it
    tags: list[str] | tuple = ()  # what musicnn would call it, if it was asked

    @property
    def agreeing(self) -> int:
        """How many clips are given to the artist that the song is given to."""
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
        agree = f"{self.agreeing} of {cli.counted(self.judged, 'clip')} agree" + (
            "" if self.alone else ", knowing the song"
        )
        known = ". The model learned from this very song, so this proves nothing" if self.known else ""
        return f"{first}  ({agree}; next {', '.join(others[:2])}){known}"

    def timeline(self, marks: str) -> str:
        """The song in a line: who each stretch of it is given to, blank where it is silent."""
        rank = {artist: min(place, len(marks) - 1) for place, artist in enumerate(self.song.index)}
        cells = np.arange(len(self.clips)) * min(BAR, len(self.clips)) // len(self.clips)
        stretches = self.clips.groupby(cells).mean()
        line = "".join(" " if row.isna().any() else marks[rank[row.idxmax()]] for _, row in stretches.iterrows())
        names = [*map(printable, self.song.index[: len(marks) - 1]), "others"]
        legend = "  ".join(f"{mark} {name}" for mark, name in zip(marks, names, strict=False) if mark in line)
        return f"0:00 {line} {cli.clock(CLIP_SECONDS * len(self.clips))}   {legend}"

    def in_words(self) -> str:
        """All of it, as it is printed below the song's name."""
        tags = f"\n  musicnn calls it: {', '.join(self.tags)}" if self.tags else ""
        return f"  {self}\n  {self.timeline(cli.drawable(*MARKS))}{tags}"

    def as_dict(self) -> dict:
        """For programs: ``artist`` is None if it is by none of these; ``probability`` is that of ``nearest``."""
        nearest, following = self.song.index[:2]
        return {
            "artist": None if self.none else nearest,
            "nearest": nearest,
            "probability": _rounded(self.song.iloc[0]),
            "next": following,
            "clips": self.judged,
            "agreeing_clips": self.agreeing,
            "silent_clips": len(self.clips) - self.judged,
            "learned_from": self.known,
        }

    def in_full(self) -> dict:
        """The probability of each artist, and what is said of each clip: nothing where it is silent."""
        artists, best = self.clips.dropna().idxmax(axis=1), self.clips.max(axis=1)
        return {
            "probabilities": {artist: _rounded(p) for artist, p in self.song.items()},
            "tags": list(self.tags),
            "timeline": [
                {"start": start, "artist": None if np.isnan(p) else artists[start], "probability": _rounded(p)}
                for start, p in best.items()
            ],
        }


def _rounded(p: float) -> float | None:
    return None if np.isnan(p) else round(float(p), 4)


# --- one song --------------------------------------------------------------------------------


def hear(path: str | Path, *, keep_sound: bool = False, embed: bool = False) -> Heard:
    """Listen to a file.

    Parameters
    ----------
    path : str or Path
        The song.
    keep_sound : bool
        Whether its clips are kept: for a model that listens, or for a picture.
    embed : bool
        Whether musicnn listens, too: for a model that goes by that.

    Raises
    ------
    SongError
        If it is no usable song.
    """
    path = Path(path)
    if not path.exists():
        raise SongError("there is no such file")
    table, record = describe_file(path, embed=embed)
    if table is None:
        by_none = ", so by none of these" if record["status"] == "silent" else ""
        raise SongError(f"{record['status']}{by_none}: {record['reason']}")
    return Heard(table, record, np.stack(list(Listening(path))) if keep_sound else None)


def judge(heard: Heard, saved: Saved) -> Verdict:
    """Who a song is by.

    Parameters
    ----------
    heard : Heard
        The song, with sounds if the model listens.
    saved : Saved
        The model, from `saving.load`.
    """
    loud = heard.table[~heard.table["silent"]]
    sounds = some_of(heard.sounds, loud.index) if saved.listens else None
    clips, songs = saved.answer(loud.assign(song="song"), sounds)
    song = np.exp(songs.iloc[0]).sort_values(ascending=False)
    known = heard.record["hash"] in saved.info["songs"].values()
    by_start = np.exp(clips).reindex(heard.table.index).set_axis(heard.table["start"])
    tags = musicnn.top_tags(loud) if saved.embeds else []
    return Verdict(song, by_start, known, saved.info["none_below"], not saved.whole_songs, tags)


# --- all songs -------------------------------------------------------------------------------


def work(args: argparse.Namespace) -> int:
    """Print a verdict for each song, and write what was asked for."""
    saved = load(args.data)
    files = {kind: path for kind, path in (("csv", args.csv), ("json", args.json)) if path}
    quiet = cli.STDOUT in files.values()
    cli.check_writable(*files.values())
    songs, problems = find(args.songs)
    rows = {path: {"problem": reason} for path, reason in problems.items()}
    draw = _painter(args.plot, saved) if args.plot else None
    if not quiet:
        cli.print_note(args.data)
    filed = {} if quiet else artists_here(args.data)
    try:
        sound = saved.listens or bool(args.plot)
        for path, outcome in listen(list(songs), args, keep_sound=sound, embed=saved.embeds):
            if isinstance(outcome, SongError):
                rows[path] = {"problem": str(outcome)}
                continue
            verdict = judge(outcome, saved)
            rows[path] = verdict.as_dict() | (verdict.in_full() if args.json else {}) | {"problem": ""}
            if draw:
                draw(songs[path], outcome, verdict)
            if not quiet:
                tqdm.write(
                    f"{printable(path)}\n{verdict.in_words()}{_beside(verdict, filed.get(outcome.record['hash']))}"
                )
    except KeyboardInterrupt:
        kept = {kind: path for kind, path in files.items() if path != cli.STDOUT}
        return _stop(rows, len(songs) + len(problems), kept, saved)
    for kind, path in files.items():
        write(kind, rows, saved, path)
    failed = {str(path): row["problem"] for path, row in rows.items() if row["problem"]}
    if not quiet:
        where = f": see {printable(next(iter(files.values())))}" if files else ""
        cli.print_left_out(failed, "No verdict", rest=where)
    if len(failed) == len(rows):
        return cli.NOTHING_USABLE
    if not quiet:
        for path in filter(None, (*files.values(), args.plot)):
            print(f"Written: {printable(path)}")
        if saved.info["none_below"] is None:
            print(f"This model always names one of its {len(saved.info['classes'])} artists, whoever a song is by.")
    return cli.LEFT_OUT if failed else cli.ALL_GOOD


def _beside(verdict: Verdict, artist: str | None) -> str:
    """A line for a song that the library knows and the model does not."""
    if not artist or verdict.known:
        return ""
    unknown = "" if artist in verdict.song.index else ", whom the model has not learned"
    return f"\n  In your library it is by {printable(artist)}{unknown}."


def artists_here(root: Path) -> dict[str, str]:
    """The artist of each song of the library, by the hash of its sound."""
    try:
        songs = good_songs(root)
    except UserError:  # a model may be used without the library it was made from
        return {}
    return dict(zip(songs["hash"], songs["artist"], strict=True))


def _stop(rows: dict[Path, dict], count: int, files: dict[str, Path], saved: Saved) -> int:
    """Keep what is done, but replace no whole table with a part of one."""
    parts = {kind: path.with_suffix(f".part.{kind}") for kind, path in files.items()}
    for kind, path in parts.items():
        write(kind, rows, saved, path)
    where = f"; they are in {', '.join(map(printable, parts.values()))}" if parts else ""
    print(f"\nStopped after {len(rows)} of {cli.counted(count, 'song')}{where}.", file=sys.stderr)
    return cli.STOPPED


def _name(path: Path) -> str:
    """A path as text for a table: what is not Unicode is shown by escapes."""
    return str(path).encode(errors="backslashreplace").decode()


def find(named: list[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
    """What is to be judged (path -> a short name, its own), and what cannot be (path -> why)."""
    songs: dict[Path, str] = {}
    failed: dict[Path, str] = {}
    for path in map(Path.absolute, named):
        if not path.is_dir():
            songs.setdefault(path, path.name)
            continue
        found, refused = find_songs(path)
        songs |= {path / song: song for song in found}
        failed |= {path / song: reason for song, reason in refused.items()}
        if not found and not refused:
            failed[path] = "a folder without music"
    taken: Counter = Counter()
    for path, name in songs.items():
        taken[name] += 1
        songs[path] = name if taken[name] == 1 else f"{name} ({taken[name]})"
    return songs, failed


def listen(songs: list[Path], args: argparse.Namespace, **needed: Any) -> Iterator[tuple[Path, Heard | SongError]]:
    """Listen to songs, as `hear` does: one alone here, at once; several in worker processes."""
    if len(songs) != 1 or args.scheduler:
        function, names = functools.partial(hear, **needed), list(map(str, songs))
        for name, outcome in parallel.run(function, names, label="Listening", jobs=args.jobs, scheduler=args.scheduler):
            yield Path(name), outcome
        return
    try:
        yield songs[0], hear(songs[0], **needed)
    except SongError as error:
        yield songs[0], error


def _painter(folder: Path, saved: Saved) -> Callable[[str, Heard, Verdict], None]:
    """A function that draws a song's verdict into a folder."""
    pass  # matplotlib takes a second, and few ask for pictures

    plots.use_style()
    colours = plots.artist_colours(saved.info["classes"])

    def draw(name: str, heard: Heard, verdict: Verdict) -> None:
        figure = plots.verdict(name, verdict, heard.sounds, colours)
        with whole_file(folder / suffixed(name, ".png")) as path:
            figure.savefig(path)

    return draw


def write(kind: str, songs: dict[Path, dict], saved: Saved, path: Path) -> None:
    """Write a row for each song as ``csv`` or ``json`` to a file, or print them."""
    rows = [{"song": _name(song)} | songs[song] for song in sorted(songs)]
    if kind == "json":
        about = {key: saved.info[key] for key in ("name", "created", "classes", "none_below")}
        text = json.dumps({"model": about, "songs": rows}, indent=1) + "\n"
    else:
        table = pd.DataFrame(rows, columns=CSV_COLUMNS)
        whole = [name for name in CSV_COLUMNS if name.endswith("clips")]
        table[whole] = table[whole].astype("Int64")  # missing where there is a problem
        text = table.to_csv(index=False, lineterminator="\n")
    if path == cli.STDOUT:
        lines = text.splitlines()
        print("\n".join(printable(line, limit=10_000) for line in lines) if sys.stdout.isatty() else text[:-1])
        return
    with whole_file(path) as target:
        target.write_text(text, encoding="utf-8")
