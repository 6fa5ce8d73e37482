"""Answers for files and folders: found, decoded in parallel, and written as lines, tables and pictures."""

import argparse
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from soundalike import cli, parallel
from soundalike.library.catalogue import good_songs
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import find_songs, suffixed
from soundalike.library.storage import atomic_write
from soundalike.models.saving import Saved, load
from soundalike.report import plots
from soundalike.report.verdict import DecodedSong, Verdict, answer, decode

CSV_COLUMNS = [
    *("song", "artist", "nearest", "probability", "next"),
    *("clips", "agreeing_clips", "silent_clips", "learned_from", "problem"),
]


def work(args: argparse.Namespace) -> int:
    """Print a verdict for each song, and write what was asked for."""
    saved = load(args.data)
    files = {kind: path for kind, path in (("csv", args.csv), ("json", args.json)) if path}
    quiet = cli.STDOUT in files.values()
    cli.check_writable(*files.values())
    songs, problems = find_files(args.songs)
    rows = {path: {"problem": reason} for path, reason in problems.items()}
    draw = _picture_writer(args.plot, saved) if args.plot else None
    if not quiet:
        cli.print_note(args.data)
    filed = {} if quiet else filed_artists(args.data)
    try:
        sound = saved.listens or bool(args.plot)
        for path, outcome in decode_all(list(songs), args, keep_sound=sound, embed=saved.embeds):
            if isinstance(outcome, SongError):
                rows[path] = {"problem": str(outcome)}
                continue
            verdict = answer(outcome, saved)
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
        write_answers(kind, rows, saved, path)
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


def filed_artists(root: Path) -> dict[str, str]:
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
        write_answers(kind, rows, saved, path)
    where = f"; they are in {', '.join(map(printable, parts.values()))}" if parts else ""
    print(f"\nStopped after {len(rows)} of {cli.counted(count, 'song')}{where}.", file=sys.stderr)
    return cli.STOPPED


def _name(path: Path) -> str:
    """A path as text for a table: what is not Unicode is shown by escapes."""
    return str(path).encode(errors="backslashreplace").decode()


def find_files(named: list[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
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


def decode_all(
    songs: list[Path], args: argparse.Namespace, **needed: Any
) -> Iterator[tuple[Path, DecodedSong | SongError]]:
    """Listen to songs, as `decode` does: one alone here, at once; several in worker processes."""
    if len(songs) != 1 or args.scheduler:
        function, names = functools.partial(decode, **needed), list(map(str, songs))
        for name, outcome in parallel.run(function, names, label="Listening", jobs=args.jobs, scheduler=args.scheduler):
            yield Path(name), outcome
        return
    try:
        yield songs[0], decode(songs[0], **needed)
    except SongError as error:
        yield songs[0], error


def _picture_writer(folder: Path, saved: Saved) -> Callable[[str, DecodedSong, Verdict], None]:
    """A function that draws a song's verdict into a folder."""
    pass  # matplotlib takes a second, and few ask for pictures

    plots.use_style()
    colours = plots.artist_colours(saved.info["classes"])

    def draw(name: str, heard: DecodedSong, verdict: Verdict) -> None:
        figure = plots.verdict(name, verdict, heard.sounds, colours)
        with atomic_write(folder / suffixed(name, ".png")) as path:
            figure.savefig(path)

    return draw


def write_answers(kind: str, songs: dict[Path, dict], saved: Saved, path: Path) -> None:
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
    with atomic_write(path) as target:
        target.write_text(text, encoding="utf-8")
