"""All songs of a library: those that are new or have changed are processed, and songs.csv says what became of each."""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from soundalike import cli, parallel
from soundalike.library.catalogue import GOOD, SONG_COLUMNS, keep_songs_folder, write_songs
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import find_songs, folder_labels
from soundalike.library.storage import check_ownership, locked

UNREADABLE = {"artist": "", "album": "", "title": "", "status": "rejected"}  # of a song that could not be read


def catalogue_row(song: str, record: dict, by: str) -> dict:
    """A song's row of songs.csv: its record, with artist, album and title from folders or tags."""
    artist, album = folder_labels(song)
    artist = record["artist"] if by == "tag" else artist or record["artist"]
    row = record | {
        "song": song,
        "artist": artist,
        "album": album or record["album"],
        "title": record["title"] or Path(song).stem,
    }
    if not artist and row["status"] in GOOD:
        where = "" if by == "tag" else "in no artist folder and "
        row |= {"status": "rejected", "reason": f"{where}without an artist tag"}
    return row


def mark_duplicates(table: pd.DataFrame) -> None:
    """Keep one of the songs whose decoded samples are the same; none, if artists differ. ``table`` is changed.

    The shortest name stays: what copies are called is longer.
    """
    hashes = table["hash"].where(table["status"].isin(GOOD))
    again = table[hashes.duplicated(keep=False) & hashes.notna()].sort_values("song")
    again = again.sort_values("song", key=lambda names: names.str.len(), kind="stable")
    for _, same in again.groupby("hash"):
        first = same.iloc[0]
        strangers = same[same["artist"] != first["artist"]]
        for place, row in same.iterrows():
            if len(strangers):
                other = strangers.iloc[0] if row["artist"] == first["artist"] else first
                reason = f"the same recording as {other['song']}, of another artist; both left out"
                table.loc[place, ["status", "reason"]] = "rejected", reason
            elif row["song"] != first["song"]:
                table.loc[place, ["status", "reason"]] = "duplicate", f"the same recording as {first['song']}"


def process_songs(
    args: argparse.Namespace, listen: Callable, known: Callable, *, label: str, check: Callable | None = None
) -> tuple[pd.DataFrame, int]:
    """Listen to every song that is new or has changed, and write songs.csv.

    Parameters
    ----------
    args : argparse.Namespace
        See `add_arguments`.
    listen : callable
        Called with a song, the folder of ``songs``, the ``root`` and ``max_hours``, in a worker
        process; it keeps what it hears and returns the song's record.
    known : callable
        Called with a song, the folder of ``songs`` and the ``root``; it returns the record of a song
        that need not be listened to again, or None.
    label : str
        Of the progress bar.
    check : callable, optional
        Called before with the songs to listen to, their folder and the root.

    Returns
    -------
    table : pd.DataFrame
        What is in songs.csv.
    listened : int
        How many songs were listened to now.
    """
    root, songs = args.data, args.songs or args.data / "songs"
    found, refused = find_songs(songs)
    if not found and not refused:
        raise UserError(f"There is no music in {printable(songs)}. Put songs there, one folder per artist.")
    if root == songs or songs in root.parents:
        raise UserError(
            f"{printable(root)} lies in the folder of songs, where nothing is written. Name another folder with --data."
        )
    check_ownership(root)
    with locked(root):
        keep_songs_folder(root, songs)
        rows, pending = [], []

        def keep(song: str, outcome: dict | str) -> None:  # a song's record, or why there is none
            if isinstance(outcome, str):
                row = catalogue_row(song, UNREADABLE | {"reason": outcome}, "folder")
            else:
                row = catalogue_row(song, outcome, args.label_by)
            # a third of the memory of the record; what comes again and again, as artists do, is there once
            values = map(row.get, SONG_COLUMNS)
            rows.append(tuple(sys.intern(value) if type(value) is str else value for value in values))

        for song, reason in refused.items():
            keep(song, reason)
        for song in found:
            record = known(song, songs=songs, root=root)
            keep(song, record) if record else pending.append(song)
        if check:
            check(pending, songs, root)
        for song, outcome in parallel.run(
            functools.partial(listen, songs=songs, root=root, max_hours=args.max_hours),
            pending,
            label=label,
            jobs=args.jobs,
            scheduler=args.scheduler,
            is_bad=lambda outcome: isinstance(outcome, SongError) or outcome["status"] not in GOOD,
        ):
            keep(song, str(outcome) if isinstance(outcome, SongError) else outcome)
        check_songs_folder(songs)
        table = pd.DataFrame(rows, columns=list(SONG_COLUMNS))
        rows.clear()
        mark_duplicates(table)
        write_songs(root, table)
    return table, len(pending)


def check_songs_folder(songs: Path) -> None:
    """Call no song bad because its disk was unplugged.

    Raises
    ------
    UserError
        If the folder of songs is gone, or empty.
    """
    try:
        there = any(songs.iterdir())
    except OSError:
        there = False
    if not there:
        raise UserError(
            f"{printable(songs)} is no longer there: was its disk unplugged? What was finished is kept. "
            "Bring it back and run this again."
        )


def print_summary(table: pd.DataFrame, listened: int, place: Path) -> int:
    """Print what became of every song, whose clips or descriptions are in a place; return the exit status."""
    counts = table["status"].value_counts()
    good, bad = table[table["status"].isin(GOOD)], table[~table["status"].isin(GOOD)]
    cli.print_note(place.parent)
    print(f"{cli.counted(len(table), 'song')}: {', '.join(f'{n:,} {status}' for status, n in counts.items())}")
    print(
        f"{cli.counted(int(good['clips'].sum()), 'clip')} in {printable(place)} "
        f"({int(good['silent_clips'].sum()):,} silent; {good['dropped'].sum():,.1f} s at songs' ends filled no clip). "
        f"Songs listened to now: {listened:,}."
    )
    by_tag = int((~good["song"].str.contains("/")).sum())
    if by_tag:
        print(f"{cli.counted(by_tag, 'song')} in no artist's folder: labelled by the artist tag.")
    where = f": see {printable(place.parent / 'songs.csv')}"
    cli.print_left_out(dict(zip(bad["song"], bad["status"] + ": " + bad["reason"], strict=True)), rest=where)
    if "rejected" in counts:
        print("What was rejected is tried again the next time: mend or replace it, and run this again.")
    if good.empty:
        return cli.NOTHING_USABLE
    return cli.ALL_GOOD if bad.empty else cli.LEFT_OUT
