"""Songs described by numbers: from clips or files to one row per clip."""

import argparse
import functools
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import soundfile
from threadpoolctl import threadpool_limits

from soundalike import cli, parallel
from soundalike.audio import splitting
from soundalike.audio.decoding import CLIP_SAMPLES, CLIP_SECONDS, FULL_SCALE, SAMPLE_RATE, Decoder, is_silent
from soundalike.audio.survey import Work
from soundalike.features.song_level import WholeSong
from soundalike.features.song_tables import is_up_to_date, noted_record, read_notes, write_song_table
from soundalike.features.spectra import Spectra
from soundalike.features.table import COLUMNS, FEATURES, SONG_FEATURES, STATISTICS
from soundalike.library.catalogue import GOOD, good_songs, read_record
from soundalike.library.errors import SongError, printable
from soundalike.library.paths import clip_paths, table_path
from soundalike.library.storage import locked

STACK = 16  # clips analysed at once; more do not fit a processor's cache


def clip_features(y: np.ndarray | Spectra) -> np.ndarray:
    """Compute the features of each of a stack of clips.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, CLIP_SAMPLES)], or Spectra of them
        Samples between -1 and 1, at `SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(clips, len(CLIP_COLUMNS)), dtype=float32]
        One row for each clip, the same beside any other clips.
    """
    shared = y if isinstance(y, Spectra) else Spectra(y)
    if shared.y.ndim != 2 or shared.y.shape[1] != CLIP_SAMPLES:
        raise ValueError(f"clips of shape {shared.y.shape} are not (clips, {CLIP_SAMPLES})")
    parts = []
    for feature in FEATURES.values():
        values = feature.compute(shared)
        parts += [STATISTICS[name].compute(values) for name in feature.statistics] or [values]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def song_table(song: Iterable[np.ndarray]) -> pa.Table:
    """Describe the clips of a song.

    Parameters
    ----------
    song : iterable of np.ndarray [shape=(clips, CLIP_SAMPLES)]
        Stacks of all its clips in order, at least one clip.

    Returns
    -------
    pa.Table
        Columns ``clip``, ``start`` (s), ``silent``, then `COLUMNS`.
    """
    whole, values, silent = WholeSong(), [], []
    # On one thread, as in the workers: how sums are shared out among threads changes their last digits.
    with threadpool_limits(1):
        for stack in song:
            shared = Spectra(stack)
            values.append(clip_features(shared))
            silent.append(is_silent(stack))
            whole.add(shared)
        of_song = np.concatenate([np.atleast_1d(feature.compute(whole)) for feature in SONG_FEATURES.values()])
    count = sum(map(len, values))
    numbers = [np.concatenate(values), np.tile(of_song.astype(np.float32), (count, 1))]
    columns = dict(zip(COLUMNS, np.concatenate(numbers, axis=1).T.copy(), strict=True))
    clip = np.arange(count)
    return pa.table({"clip": clip, "start": clip * float(CLIP_SECONDS), "silent": np.concatenate(silent)} | columns)


# --- one song --------------------------------------------------------------------------------


def read_clip(path: Path) -> np.ndarray:
    """Read a clip.

    Returns
    -------
    np.ndarray [shape=(CLIP_SAMPLES,), dtype=float32]
        Samples between -1 and 1.

    Raises
    ------
    SongError
        If the file is no clip of the right rate, channels and length.
    """
    problem = ""
    try:
        samples, rate = soundfile.read(path, dtype="float32")
        if rate != SAMPLE_RATE or samples.shape != (CLIP_SAMPLES,):
            problem = f"has {rate} Hz and shape {samples.shape}, not {SAMPLE_RATE} Hz and ({CLIP_SAMPLES},)"
    except (OSError, soundfile.SoundFileError) as error:
        problem = f"cannot be read ({error})"
    if problem:
        raise SongError(f"clip {path.name} {problem}; delete {printable(path.parent)} and run mp3_split.py again")
    return samples


def stack_clips(clips: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Put clips together, some at a time [shape=(up to STACK, CLIP_SAMPLES)]."""
    clips = iter(clips)
    while stack := list(islice(clips, STACK)):
        yield np.stack(stack)


def describe_file(
    path: Path, max_hours: float = cli.MAX_HOURS, *, through: Callable[[Iterator], Iterator] = iter
) -> "tuple[pa.Table | None, dict]":
    """Describe a song without clips on disk, by the same numbers as through them.

    Parameters
    ----------
    path : Path
        An audio file.
    max_hours : float
        Longer songs are refused.
    through : callable
        All clips [shape=(CLIP_SAMPLES,), dtype=float32] pass through it, in order, for other uses.

    Returns
    -------
    table : pa.Table or None
        See `song_table`; None where the song is not good.
    record : dict
        See `decoding.Decoder`.

    Raises
    ------
    SongError
        See `decoding.Decoder`.
    """
    decoder = Decoder(path, max_hours)
    stacks = stack_clips(through(clip / np.float32(FULL_SCALE) for clip in decoder))
    first = next(stacks, None)  # a song too short for a clip has no stack
    table = song_table(chain([first], stacks)) if first is not None else None
    return table if decoder.record["status"] in GOOD else None, decoder.record


def describe_song(song: str, *, root: Path) -> int:
    """Write the table of one song from its clips; returns how many there are."""
    record, paths = read_record(root, song), clip_paths(root, song)
    if record is None or len(paths) != record.get("clips"):
        raise SongError(f"only {cli.counted(len(paths), 'clip')} of it left; run mp3_split.py again")
    write_song_table(song_table(stack_clips(map(read_clip, paths))), record, song, root)
    return len(paths)


def describe_from_file(song: str, *, songs: Path, root: Path, max_hours: float) -> dict:
    """Write the table of one song straight from its file; returns its record, as `splitting.split_song` does.

    Silent, too short and rejected songs have no table, so nothing of them is kept: they are decoded again next time.
    """
    source = splitting.size_and_time(songs / song)
    table, record = describe_file(songs / song, max_hours)
    record |= {"source": source, "settings": splitting.CLIP_SETTINGS}
    if table is not None:
        write_song_table(table, record, song, root)
    return record


def known_record(song: str, *, songs: Path, root: Path) -> dict | None:
    """Return the record of a song whose table is up to date, or None."""
    notes = read_notes(table_path(root, song))
    record = noted_record(notes)
    if record is None or not is_up_to_date(notes, record["hash"]):
        return None
    return record if splitting.record_is_current(record, songs / song) else None


# --- all songs -------------------------------------------------------------------------------


class Described(NamedTuple):
    """The outcome for the songs that were to be described."""

    songs: int  # that have a table now
    now: int  # songs described by this run
    clips: int  # of these
    outdated: int  # tables that were made again
    failed: dict[str, str]  # songs without a table, and why


FROM_SONGS = Work(describe_from_file, known_record, "Describing")


def describe_songs(args: argparse.Namespace) -> Described:
    """Write the tables of all good songs that have none, or one that is out of date.

    Parameters
    ----------
    args : argparse.Namespace
        See `cli.add_worker_arguments`.
    """
    root, good = args.library, good_songs(args.library)
    songs = dict(zip(good["song"], good["hash"], strict=True))
    failed, clips = {}, 0
    with locked(root):
        pending = [
            song for song, digest in songs.items() if not is_up_to_date(read_notes(table_path(root, song)), digest)
        ]
        outdated = sum(table_path(root, song).exists() for song in pending)
        describe = functools.partial(describe_song, root=root)
        for song, outcome in parallel.run(
            describe, pending, label="Describing", jobs=args.jobs, scheduler=args.scheduler
        ):
            if isinstance(outcome, SongError):
                failed[song] = str(outcome)
            else:
                clips += outcome
    return Described(len(songs) - len(failed), len(pending) - len(failed), clips, outdated, failed)


def print_described(described: Described, root: Path) -> int:
    """Print how many songs are described; returns the exit status."""
    cli.print_note(root)
    where = printable(root / "features")
    print(f"{cli.counted(described.songs, 'song')} described by {len(COLUMNS)} features in {where}.")
    again = f", of them {described.outdated:,} that were out of date" if described.outdated else ""
    print(f"Songs described now: {described.now:,} ({cli.counted(described.clips, 'clip')}){again}.")
    cli.print_left_out(described.failed)
    if not described.songs:
        return cli.NOTHING_USABLE
    return cli.LEFT_OUT if described.failed else cli.ALL_GOOD
