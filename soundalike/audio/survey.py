"""All songs of a library: new and changed ones are processed, and songs.csv says what became of each."""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from soundalike import cli, parallel
from soundalike.library.catalogue import (
    GOOD,
    SONG_COLUMNS,
    keep_songs_folder,
    preferred_first,
    reasons,
    songs_folder,
    write_songs,
)
from soundalike.library.errors import SongError, UserError, printable, typed
from soundalike.library.paths import find_songs, folder_labels
from soundalike.library.storage import check_ownership, locked

if TYPE_CHECKING:  # worker processes, which have to do with one song, do without it
    import pandas as pd

SAME = "the same recording as"  # starts the reason why a copy is left out
UNREADABLE = {"artist": "", "album": "", "title": "", "status": "rejected"}  # the record of a song without one


class Work(NamedTuple):
    """The work on each song."""

    process: Callable[..., dict]  # (song, *, songs, root, max_hours) -> its record, in a worker process
    known_record: Callable[..., dict | None]  # (song, *, songs, root) -> the record of a song that is done, or None
    label: str  # of the progress bar
    check: Callable[[list[str], Path, Path], None] | None = None  # (pending, folder of songs, root), first of all


def process_songs(work: Work, args: argparse.Namespace) -> "tuple[pd.DataFrame, int]":
    """Process every song that is new or has changed, and write songs.csv.

    Parameters
    ----------
    work : Work
        The work on each.
    args : argparse.Namespace
        See `cli.add_song_arguments` and `cli.add_worker_arguments`.

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
        keep_songs_folder(root, songs)
        rows = [_row(song, UNREADABLE | {"reason": reason}, "folder") for song, reason in refused.items()]
        pending = []
        for song in found:
            record = work.known_record(song, songs=songs, root=root)
            rows.append(_row(song, record, args.label_by)) if record else pending.append(song)
        if work.check:
            work.check(pending, songs, root)
        for song, outcome in parallel.run(
            functools.partial(work.process, songs=songs, root=root, max_hours=args.max_hours),
            pending,
            label=work.label,
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
