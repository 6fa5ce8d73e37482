"""Songs cut into whole two-second clips, and the list of what became of each song."""

import argparse
import contextlib
import functools
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from soundalike import cli, parallel
from soundalike.audio.decoding import CLIP_SECONDS, MAX_HOURS, SAMPLE_RATE, SILENCE_DBFS, Listening
from soundalike.library.catalogue import GOOD, SONG_COLUMNS, keep_songs_folder, read_record, write_songs
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import RECORD, clip_folder, clip_paths, find_songs, folder_labels
from soundalike.library.storage import alone, check_own, whole_file

with warnings.catch_warnings():  # pydub warns where no ffmpeg is on PATH; it is not asked to decode here
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

FASTEST, FASTEST_MP3 = 1_152_000, 40_000  # bytes a second: 192 kHz in 24 bits, uncompressed; 320 kbit/s

# A record made with other settings is out of date. Raise the version when the same song would be
# cut or judged otherwise.
SETTINGS = {"version": 2, "sample_rate": SAMPLE_RATE, "clip_seconds": CLIP_SECONDS, "silence_dbfs": SILENCE_DBFS}


# --- one song --------------------------------------------------------------------------------


def write_clip(folder: Path, number: int, samples: np.ndarray) -> None:
    """Write one clip as ``0000.wav`` and so on."""
    clip = AudioSegment(samples.tobytes(), sample_width=2, frame_rate=SAMPLE_RATE, channels=1)
    clip.export(folder / f"{number:04d}.wav", format="wav").close()


def split_song(song: str, *, songs: Path, root: Path, max_hours: float = MAX_HOURS) -> dict:
    """Cut one song; its folder of clips appears whole or not at all. Returns its record."""
    source = source_of(songs / song)
    with whole_file(clip_folder(root, song), room=root / "clips") as folder:
        folder.mkdir()
        listening = Listening(songs / song, max_hours)
        for number, samples in enumerate(listening):
            write_clip(folder, number, samples)
        record = listening.record | {"source": source, "settings": SETTINGS}
        if record["status"] not in GOOD:
            for wav in folder.glob("*.wav"):
                wav.unlink()
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return record


def up_to_date(song: str, *, songs: Path, root: Path) -> dict | None:
    """The record of a song that need not be split again, or None. What was rejected is tried again."""
    record = read_record(root, song)
    if record is None or record.get("settings") != SETTINGS or record["status"] == "rejected":
        return None
    expected = record["clips"] if record["status"] in GOOD else 0
    return record if unchanged(record, songs / song) and len(clip_paths(root, song)) == expected else None


def unchanged(record: dict, path: Path) -> bool:
    """Whether a record is of the file as it is today."""
    try:
        return record["source"] == source_of(path)
    except SongError:  # gone in the meantime
        return False


def source_of(path: Path) -> list[int]:
    """Size and time stamp, by which a changed file is known."""
    try:
        stat = path.stat()
    except OSError as error:
        raise SongError(f"cannot be read: {error.strerror}") from None
    return [stat.st_size, stat.st_mtime_ns]


# --- all songs -------------------------------------------------------------------------------


NOTHING_KNOWN = {"artist": "", "album": "", "title": "", "status": "rejected"}  # of a song that could not be read


def labelled(song: str, record: dict, by: str) -> dict:
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


def check_space(pending: list[str], songs: Path, root: Path) -> None:
    """Refuse to begin what cannot be finished.

    Only sizes are looked at: to read thousands of headers takes long, and that of a hostile file hours.

    Raises
    ------
    UserError
        If the clips will need more space than there is, even at the bit rates that fill a file fastest.
    """
    seconds = 0.0
    for song in pending:
        with contextlib.suppress(SongError):  # it is gone: splitting says so
            size, _ = source_of(songs / song)
            seconds += size / (FASTEST_MP3 if song.lower().endswith(".mp3") else FASTEST)
    needed = seconds / CLIP_SECONDS * 90_112  # bytes: a clip of 88,244, in blocks of 4,096
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(
            f"The clips need {needed / 1e9:,.1f} GB or more, and {printable(root)} has {free / 1e9:,.1f} GB free. "
            "Make room, or name a root on another disk with --data."
        )


def work(args: argparse.Namespace) -> int:
    """Split all songs and write songs.csv."""
    table, listened = survey(args, split_song, up_to_date, label="Splitting", check=check_space)
    return summarise(table, listened, args.data / "clips")


def survey(
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
    check_own(root)
    with alone(root):
        keep_songs_folder(root, songs)
        rows, pending = [], []

        def keep(song: str, outcome: dict | str) -> None:  # a song's record, or why there is none
            if isinstance(outcome, str):
                row = labelled(song, NOTHING_KNOWN | {"reason": outcome}, "folder")
            else:
                row = labelled(song, outcome, args.label_by)
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
        check_still_there(songs)
        table = pd.DataFrame(rows, columns=list(SONG_COLUMNS))
        rows.clear()
        mark_duplicates(table)
        write_songs(root, table)
    return table, len(pending)


def check_still_there(songs: Path) -> None:
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


def summarise(table: pd.DataFrame, listened: int, place: Path) -> int:
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
