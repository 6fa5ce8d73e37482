"""The songs of a library, one after another: cut, analysed, and what became of each.

Step 1 cuts songs and writes songs.csv; step 2 analyses their clips; ``--from-songs`` does both at once.
"""

import argparse
import functools
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from soundalike import cli, pool
from soundalike.audio import splitting
from soundalike.features.table import COLUMNS
from soundalike.features.vocals import VOCALS
from soundalike.library.catalogue import (
    GOOD,
    SONG_COLUMNS,
    good_songs,
    keep_songs_folder,
    preferred_first,
    reasons,
    record_of,
    songs_folder,
    write_songs,
)
from soundalike.library.errors import SongError, UserError, printable, typed
from soundalike.library.paths import clip_folder, find_songs, folder_labels, table_path
from soundalike.library.storage import check_ownership, locked, read_notes
from soundalike.song import describe_clips, describe_file, known_record, missing_columns

if TYPE_CHECKING:  # worker processes, which have to do with one song, do without it
    import pandas as pd

SAME = "the same recording as"  # starts the reason why a copy is left out
UNREADABLE = {"artist": "", "album": "", "title": "", "status": "rejected"}  # the record of a song without one
# Made by earlier versions in a library: folders, by the names of all that is in them, and a file.
FORMER = {
    "networks": r"musicnn|voice",
    "networks.parquet": r"(musicnn|voice)\.parquet|_made_from\.json",
    "folds": r"\w+\.npz",
    "altered.parquet": "",
}


# --- from files: songs.csv -------------------------------------------------------------------


def split_songs(args: argparse.Namespace) -> "tuple[pd.DataFrame, int]":
    """Cut every song that is new or has changed, see `process_songs`."""
    return process_songs(args, "Splitting", splitting.known_record, splitting.split_song, splitting.check_space)


def describe_songs(args: argparse.Namespace, spacings: Mapping[str, int]) -> "tuple[pd.DataFrame, int]":
    """Analyse every song that is new or has changed straight from its file, see `process_songs`."""
    known = functools.partial(known_record, spacings=spacings)
    describe = functools.partial(describe_file, spacings=spacings)
    return process_songs(args, "Describing", known, describe)


def process_songs(
    args: argparse.Namespace,
    label: str,
    known: Callable[..., dict | None],
    process: Callable[..., dict],
    check: Callable[[list[str], Path, Path], None] | None = None,
) -> "tuple[pd.DataFrame, int]":
    """Process every song that is new or has changed, and write songs.csv.

    Parameters
    ----------
    args : argparse.Namespace
        See `cli.add_song_arguments` and `cli.add_worker_arguments`.
    label : str
        Of the progress bar.
    known : callable
        Takes a song, ``songs`` and ``root``; returns its record if it is done, or None.
    process : callable
        Takes the same and ``max_hours``; returns the record of a song, in a worker process.
    check : callable, optional
        Called first, with the songs that are to be processed, their folder and the root.

    Returns
    -------
    table : pd.DataFrame
        The rows of songs.csv.
    processed : int
        The number of songs that were processed now.

    Raises
    ------
    UserError
        If there is no music, or the library lies where nothing may be written.
    """
    import pandas as pd

    root, songs = args.library, args.songs or args.library / "songs"
    found, refused = find_songs(songs)
    if not found and not refused:
        raise UserError(f"There is no music in {printable(songs)}. Put songs there, one folder per artist.")
    check_root(root, songs)
    with locked(root):
        clear_former(root)
        keep_songs_folder(root, songs)
        rows = [_row(song, UNREADABLE | {"reason": reason}, "folder") for song, reason in refused.items()]
        pending = []
        for song in found:
            record = known(song, songs=songs, root=root)
            rows.append(_row(song, record, args.label_by)) if record else pending.append(song)
        if check:
            check(pending, songs, root)
        for song, outcome in pool.run(
            functools.partial(process, songs=songs, root=root, max_hours=args.max_hours),
            pending,
            label=label,
            jobs=args.jobs,
            scheduler=args.scheduler,
            is_bad=lambda outcome: isinstance(outcome, SongError) or outcome["status"] not in GOOD,
        ):
            if isinstance(outcome, SongError):
                rows.append(_row(song, UNREADABLE | {"reason": str(outcome)}, "folder"))
            else:
                rows.append(_row(song, outcome, args.label_by))
        _check_still_there(songs)
        table = pd.DataFrame(rows, columns=list(SONG_COLUMNS))
        rows.clear()
        mark_duplicates(table)
        write_songs(root, table)
    return table, len(pending)


def clear_former(root: Path) -> None:
    """Remove what earlier versions of this program made and this one does not use; what it does use is made again."""
    former = [root / name for name, inside in FORMER.items() if _is_former(root / name, inside)]
    if former and (root / "songs.txt").exists():  # else it is no library yet, and these are the user's
        print(f"The library in {printable(root)} is of an earlier version of this program: it is made again.")
        for path in former:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_former(path: Path, inside: str) -> bool:
    if not path.is_dir():
        return not inside and path.is_file()
    names = [child.name for child in path.iterdir()]
    return bool(names) and all(re.fullmatch(inside, name) for name in names)


def check_root(root: Path, songs: Path) -> None:
    """Refuse a root where nothing may be written.

    Raises
    ------
    UserError
        If it lies in the folder of songs, or a user's own files are in the way.
    """
    if root == songs or songs in root.parents:
        raise UserError(
            f"{printable(root)} lies in the folder of songs, where nothing is written. Name another folder with "
            f"{typed('library')}."
        )
    check_ownership(root)


def _row(song: str, record: dict, label_by: str) -> tuple:
    """Return a row of songs.csv: a third of the memory of a record; repeated text, such as an artist, is kept once."""
    values = map(catalogue_row(song, record, label_by).get, SONG_COLUMNS)
    return tuple(sys.intern(value) if type(value) is str else value for value in values)


def catalogue_row(song: str, record: dict, label_by: str) -> dict:
    """Add artist, album and title, from folders or tags, to a song's record."""
    artist, album = folder_labels(song)
    artist = record["artist"] if label_by == "tag" else artist or record["artist"]
    row = record | {
        "song": song,
        "artist": artist,
        "album": album or record["album"],
        "title": record["title"] or Path(song).stem,
    }
    if not artist and row["status"] in GOOD:
        where = "" if label_by == "tag" else "in no artist folder and "
        row |= {"status": "rejected", "reason": f"{where}without an artist tag"}
    return row


def mark_duplicates(table: "pd.DataFrame") -> None:
    """Keep one of the songs whose decoded samples are the same; none, if artists differ. ``table`` is changed.

    The one that `catalogue.preferred_first` puts first stays.
    """
    hashes = table["hash"].where(table["status"].isin(GOOD))
    copies = table[hashes.duplicated(keep=False) & hashes.notna()]
    for _, group in copies.groupby("hash"):
        same = preferred_first(group)
        first = same.iloc[0]
        others = same[same["artist"] != first["artist"]]
        for place, row in same.iterrows():
            if len(others):
                other = others.iloc[0] if row["artist"] == first["artist"] else first
                reason = f"{SAME} {other['song']}, of another artist; both left out"
                table.loc[place, ["status", "reason"]] = "rejected", reason
            elif row["song"] != first["song"]:
                table.loc[place, ["status", "reason"]] = "duplicate", f"{SAME} {first['song']}"


def _check_still_there(songs: Path) -> None:
    """Call no song bad because its disk was unplugged."""
    try:
        there = any(songs.iterdir())
    except OSError:
        there = False
    if not there:
        raise UserError(
            f"{printable(songs)} is no longer there: was its disk unplugged? Finished songs are kept. "
            "Bring it back and run the same command again."
        )


def print_songs(table: "pd.DataFrame", processed: int, place: Path) -> int:
    """Print what became of every song; returns the exit status.

    Parameters
    ----------
    table : pd.DataFrame
        The rows of songs.csv.
    processed : int
        The number of songs that were processed now.
    place : Path
        The folder of their clips or tables.
    """
    counts = table["status"].value_counts()
    good, bad = table[table["status"].isin(GOOD)], table[~table["status"].isin(GOOD)]
    cli.print_note(place.parent)
    print(f"{cli.counted(len(table), 'song')}: {', '.join(f'{n:,} {status}' for status, n in counts.items())}")
    print(
        f"{cli.counted(int(good['clips'].sum()), 'clip')} in {printable(place)} "
        f"({int(good['silent_clips'].sum()):,} silent; {good['dropped'].sum():,.1f} s at songs' ends filled no clip). "
        f"Songs processed now: {processed:,}."
    )
    loose, music = good[~good["song"].str.contains("/")], songs_folder(place.parent)
    if len(loose):
        print(f"{cli.counted(len(loose), 'song')} in no artist's folder: labelled by the artist tag.")
    if (loose["artist"].str.casefold() == music.name.casefold()).any():
        print(
            f"{printable(music.name)} is the artist of some of these songs: are the folders in it albums? "
            f"Then name the folder above ({typed('songs')}): {printable(music.parent)}"
        )
    where = f": see {printable(place.parent / 'songs.csv')}"
    cli.print_left_out(reasons(bad), rest=where)
    if "rejected" in counts:
        print("Rejected songs are tried again the next time: fix or replace them, and run the same command again.")
    if good.empty:
        if bad["reason"].str.startswith(SAME).all():
            print("All songs here are copies of one another, under several artists. Add others, and run this again.")
        return cli.NOTHING_USABLE
    return cli.ALL_GOOD if bad.empty else cli.LEFT_OUT


# --- from clips ------------------------------------------------------------------------------


class Described(NamedTuple):
    """The outcome for the good songs of a library."""

    songs: int  # whose tables are up to date now
    now: int  # of these, tables that were made or changed by this run
    clips: int  # of those
    outdated: int  # of them, tables that were there before
    left_out: dict[str, str]  # songs without an up-to-date table, and why


def describe_good_songs(args: argparse.Namespace, spacings: Mapping[str, int]) -> Described:
    """Bring the tables of all good songs up to date.

    Parameters
    ----------
    args : argparse.Namespace
        See `cli.add_worker_arguments`.
    spacings : dict of str to int
        See `song.analyse`.
    """
    root, good = args.library, good_songs(args.library)
    left_out, clips = {}, 0
    with locked(root):
        clear_former(root)
        pending = [
            (song, digest)
            for song, digest in zip(good["song"], good["hash"], strict=True)
            if missing_columns(read_notes(table_path(root, song)), digest, spacings)
        ]
        outdated = sum(table_path(root, song).exists() for song, _ in pending)
        describe = functools.partial(
            _describe_good, songs=songs_folder(root), root=root, spacings=spacings, max_hours=args.max_hours
        )
        for (song, _), outcome in pool.run(
            describe, pending, label="Describing", jobs=args.jobs, scheduler=args.scheduler
        ):
            if isinstance(outcome, SongError):
                left_out[song] = str(outcome)
            else:
                clips += outcome["clips"]
    return Described(len(good) - len(left_out), len(pending) - len(left_out), clips, outdated, left_out)


def _describe_good(
    asked: tuple[str, str], *, songs: Path, root: Path, spacings: Mapping[str, int], max_hours: float
) -> dict:
    """Describe a song that songs.csv calls good, and names the samples of: from its clips, or without any its file."""
    song, digest = asked
    cut = record_of(read_notes(clip_folder(root, song)))
    if clip_folder(root, song).is_dir() and cut.get("hash", digest) == digest:
        return describe_clips(song, root=root, spacings=spacings)
    return describe_file(song, songs=songs, root=root, spacings=spacings, max_hours=max_hours, wanted=digest)


def print_described(described: Described, spacings: Mapping[str, int], root: Path) -> int:
    """Print how many songs are described; returns the exit status."""
    cli.print_note(root)
    by = "".join(f" and by {name}" for name in spacings if name != VOCALS)
    by += ", and searched for singing," if VOCALS in spacings else ""
    print(
        f"{cli.counted(described.songs, 'song')} described by {len(COLUMNS)} features{by} in "
        f"{printable(root / 'features')}."
    )
    again = f", of them {described.outdated:,} that were out of date" if described.outdated else ""
    print(f"Songs described now: {described.now:,} ({cli.counted(described.clips, 'clip')}){again}.")
    cli.print_left_out(described.left_out)
    if not described.songs:
        return cli.NOTHING_USABLE
    return cli.LEFT_OUT if described.left_out else cli.ALL_GOOD
