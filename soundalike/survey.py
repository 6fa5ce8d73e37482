"""The songs of a library, one after another: cut, analysed, and what became of each.

Step 1 cuts songs and writes songs.csv; step 2 analyses their clips; ``--from-songs`` does both at once.
"""

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from soundalike import audio, library, pool
from soundalike.messages import Problem, Reason, SongError, UserError, sentence
from soundalike.pool import Workers
from soundalike.song import describe_clips, describe_file, known_description, missing_columns

if TYPE_CHECKING:  # worker processes, which have to do with one song, do without it
    import pandas as pd

UNREADABLE = {"artist": "", "album": "", "title": "", "status": "rejected"}  # the record of a song without one


class Music(NamedTuple):
    """The songs of a library, and how they are read."""

    root: Path  # of the library
    songs: Path  # the folder of songs
    label_by: str = "folder"  # what names the artist: that, or "tag"
    max_hours: float = library.MAX_HOURS  # longer songs are refused


# --- from files: songs.csv -------------------------------------------------------------------


def split_songs(music: Music, workers: Workers = Workers()) -> "tuple[pd.DataFrame, int]":
    """Cut every song that is new or has changed, see `process_songs`."""
    return process_songs(music, workers, "Splitting", audio.known_clips, audio.split_song, audio.check_space)


def describe_songs(
    music: Music, spacings: Mapping[str, int], workers: Workers = Workers()
) -> "tuple[pd.DataFrame, int]":
    """Analyse every song that is new or has changed straight from its file, see `process_songs`."""
    known = functools.partial(known_description, spacings=spacings)
    describe = functools.partial(describe_file, spacings=spacings)
    return process_songs(music, workers, "Describing", known, describe)


def process_songs(
    music: Music,
    workers: Workers,
    label: str,
    known: Callable[..., dict | None],
    process: Callable[..., dict],
    check: Callable[[list[str], Path, Path], None] = lambda *_: None,
) -> "tuple[pd.DataFrame, int]":
    """Process every song that is new or has changed, and write songs.csv.

    Parameters
    ----------
    music : Music
        The songs.
    workers : Workers
        Where they are processed.
    label : str
        Of the progress bar.
    known : callable
        Takes a song, ``songs`` and ``root``; returns its record if it is done, or None.
    process : callable
        Takes the same and ``max_hours``; returns the record of a song, in a worker process.
    check : callable
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

    root, songs, label_by, max_hours = music
    songs_found, refused = library.find_songs(songs)
    if not songs_found and not refused:
        raise UserError(Problem.NO_MUSIC, folder=songs)
    check_root(root, songs)
    with library.locked(root):
        library.keep_songs_folder(root, songs)
        rows = [_row(song, UNREADABLE | {"reason": str(reason)}, "folder") for song, reason in refused.items()]
        pending = []
        for song in songs_found:
            record = known(song, songs=songs, root=root)
            if record:
                rows.append(_row(song, record, label_by))
            else:
                pending.append(song)
        check(pending, songs, root)
        for song, outcome in pool.run(
            functools.partial(process, songs=songs, root=root, max_hours=max_hours),
            pending,
            label=label,
            workers=workers,
            is_bad=lambda outcome: isinstance(outcome, SongError) or outcome["status"] not in library.GOOD,
        ):
            if isinstance(outcome, SongError):
                rows.append(_row(song, UNREADABLE | {"reason": str(outcome)}, "folder"))
            else:
                rows.append(_row(song, outcome, label_by))
        # No song is bad because its disk was unplugged.
        if not any(folders or files for _, folders, files in os.walk(songs)):
            raise UserError(Problem.MUSIC_GONE, folder=songs)
        table = pd.DataFrame(rows, columns=list(library.SONG_COLUMNS))
        rows.clear()
        mark_duplicates(table)
        library.write_songs(root, table)
    return table, len(pending)


def check_root(root: Path, songs: Path) -> None:
    """Refuse a root where nothing may be written.

    Raises
    ------
    UserError
        If it lies in the folder of songs, or a user's own files are in the way.
    """
    if root == songs or songs in root.parents:
        raise UserError(Problem.AMONG_SONGS, root=root)
    library.check_ownership(root)


def _row(song: str, record: dict, label_by: str) -> tuple:
    """Return a row of songs.csv: a third of the memory of a record; repeated text, such as an artist, is kept once."""
    values = map(catalogue_row(song, record, label_by).get, library.SONG_COLUMNS)
    return tuple(sys.intern(value) if type(value) is str else value for value in values)


def catalogue_row(song: str, record: dict, label_by: str) -> dict:
    """Add artist, album and title, from folders or tags, to a song's record."""
    artist, album = library.folder_labels(song)
    artist = record["artist"] if label_by == "tag" else artist or record["artist"]
    row = record | {
        "song": song,
        "artist": artist,
        "album": album or record["album"],
        "title": record["title"] or library.untagged_title(song, artist),
    }
    if not artist and row["status"] in library.GOOD:
        reason = Reason.NO_ARTIST_TAG if label_by == "tag" else Reason.NO_ARTIST
        row |= {"status": "rejected", "reason": sentence(reason)}
    return row


def mark_duplicates(table: "pd.DataFrame") -> None:
    """Keep one of the songs whose decoded samples are the same; none, if artists differ. ``table`` is changed.

    The one that `library.preferred_first` puts first stays.
    """
    hashes = table["hash"].where(table["status"].isin(library.GOOD))
    copies = table[hashes.duplicated(keep=False) & hashes.notna()]
    for _, group in copies.groupby("hash"):
        same = library.preferred_first(group)
        first = same.iloc[0]
        others = same[same["artist"] != first["artist"]]
        for place, row in same.iterrows():
            if len(others):
                other = others.iloc[0] if row["artist"] == first["artist"] else first
                reason = sentence(Reason.OTHER_ARTIST, other=other["song"])
                table.loc[place, ["status", "reason"]] = "rejected", reason
            elif row["song"] != first["song"]:
                reason = sentence(Reason.SAME_RECORDING, other=first["song"])
                table.loc[place, ["status", "reason"]] = "duplicate", reason


# --- from clips ------------------------------------------------------------------------------


class Described(NamedTuple):
    """The outcome for the good songs of a library."""

    songs: int  # whose tables are up to date now
    now: int  # of these, tables that were made or changed by this run
    clips: int  # of those
    left_out: dict[str, SongError]  # songs without an up-to-date table, and why


def describe_good_songs(root: Path, spacings: Mapping[str, int], workers: Workers = Workers()) -> Described:
    """Bring the tables of all good songs up to date.

    Parameters
    ----------
    root : Path
        Of the library.
    spacings : dict of str to int
        See `song.analyse`.
    workers : Workers
        Where songs are described.
    """
    good = library.good_songs(root)
    left_out: dict[str, SongError] = {}
    clips = 0
    with library.locked(root):
        pending = {
            song: digest
            for song, digest in zip(good["song"], good["hash"], strict=True)
            if missing_columns(library.read_notes(library.table_path(root, song)), digest, spacings)
        }
        describe = functools.partial(_describe_good, songs=library.songs_folder(root), root=root, spacings=spacings)
        for (song, _), outcome in pool.run(describe, list(pending.items()), label="Describing", workers=workers):
            if isinstance(outcome, SongError):
                left_out[song] = outcome
            else:
                clips += outcome["clips"]
    return Described(len(good) - len(left_out), len(pending) - len(left_out), clips, left_out)


def _describe_good(asked: tuple[str, str], *, songs: Path, root: Path, spacings: Mapping[str, int]) -> dict:
    """Describe a song that songs.csv calls good, and names the samples of: from its clips, or without any its file."""
    song, digest = asked
    clips = library.clip_folder(root, song)
    cut = library.record_of(library.read_notes(clips))
    if clips.is_dir() and cut.get("hash", digest) == digest:
        return describe_clips(song, root=root, spacings=spacings)
    hours = library.MOST_HOURS  # its length was accepted when songs.csv was written
    return describe_file(song, songs=songs, root=root, spacings=spacings, max_hours=hours, wanted=digest)
