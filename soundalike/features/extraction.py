"""Every clip described by one row of numbers: the tables of features, and how songs become tables."""

import argparse
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from threadpoolctl import threadpool_limits

from soundalike import cli, parallel
from soundalike.audio import splitting, survey
from soundalike.audio.decoding import CLIP_SAMPLES, CLIP_SECONDS, FULL_SCALE, MAX_HOURS, SAMPLE_RATE, Decoder, is_silent
from soundalike.features import musicnn
from soundalike.features.song_level import WholeSong
from soundalike.features.spectra import Spectra
from soundalike.features.table import COLUMNS, FEATURE_SETTINGS, FEATURES, SONG_FEATURES, STATISTICS, print_columns
from soundalike.library.catalogue import GOOD, good_songs, read_record
from soundalike.library.errors import SongError, printable
from soundalike.library.paths import clip_paths, table_path
from soundalike.library.storage import atomic_write, locked

STACK = 16  # clips analysed at once; more do not fit a processor's cache


# --- the tables of features ------------------------------------------------------------------


def clip_features(y: np.ndarray | Spectra) -> np.ndarray:
    """Compute the features of each of a stack of clips.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, CLIP_SAMPLES)], or Spectra of them
        Samples between -1 and 1, at `SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(clips, len(CLIP_COLUMNS)), dtype=float32]
        One row for each clip, the same whatever clips stand beside it.
    """
    shared = y if isinstance(y, Spectra) else Spectra(y)
    if shared.y.ndim != 2 or shared.y.shape[1] != CLIP_SAMPLES:
        raise ValueError(f"clips of shape {shared.y.shape} are not (clips, {CLIP_SAMPLES})")
    parts = []
    for feature in FEATURES.values():
        values = feature.compute(shared)
        parts += [STATISTICS[name].compute(values) for name in feature.statistics] or [values]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def describe_clips(song: Iterable[np.ndarray], *, embed: bool = False) -> pd.DataFrame:
    """Turn the stacks of a song's clips, in order, into its table.

    Parameters
    ----------
    song : iterable of np.ndarray [shape=(clips, CLIP_SAMPLES)]
        All clips of the song, at least one.
    embed : bool
        Whether the published network is to hear them, too.

    Returns
    -------
    pd.DataFrame
        Columns ``clip``, ``start`` (s), ``silent``, then `COLUMNS`, and `musicnn.NETWORK_COLUMNS` if asked for.
    """
    whole, values, silent, heard = WholeSong(), [], [], []
    # On one thread, as in the workers: how sums are shared out among threads changes their last digits.
    with threadpool_limits(1):
        for stack in song:
            shared = Spectra(stack)
            values.append(clip_features(shared))
            silent.append(is_silent(stack))
            whole.hear(shared)
            if embed:
                heard.append(musicnn.embed(stack))
        of_song = np.concatenate([np.atleast_1d(feature.compute(whole)) for feature in SONG_FEATURES.values()])
    of_clips = np.concatenate(values)
    of_song = np.tile(of_song.astype(np.float32), (len(of_clips), 1))
    values, names = [of_clips, of_song], COLUMNS
    if embed:
        values, names = [*values, np.concatenate(heard)], COLUMNS + musicnn.NETWORK_COLUMNS
    table = pd.DataFrame(np.concatenate(values, axis=1), columns=names)
    table.insert(0, "clip", np.arange(len(table)))
    table.insert(1, "start", table["clip"] * float(CLIP_SECONDS))
    table.insert(2, "silent", np.concatenate(silent))
    return table


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


def describe_file(path: Path, max_hours: float = MAX_HOURS, *, embed: bool = False) -> tuple[pd.DataFrame | None, dict]:
    """The table of a song without clips on disk, by the same numbers as through them.

    Parameters
    ----------
    path : Path
        An audio file.
    max_hours : float
        Longer songs are refused.
    embed : bool
        Whether musicnn listens, too.

    Returns
    -------
    table : pd.DataFrame or None
        As `describe_clips` gives it; None where the song is not good.
    record : dict
        See `decoding.Decoder`.

    Raises
    ------
    SongError
        See `decoding.Decoder`.
    """
    listening = Decoder(path, max_hours)
    heard = stack_clips(clip / np.float32(FULL_SCALE) for clip in listening)
    first = next(heard, None)  # a song too short for a clip has no stack
    table = describe_clips(chain([first], heard), embed=embed) if first is not None else None
    return table if listening.record["status"] in GOOD else None, listening.record


def describe_song(song: str, *, root: Path, embed: bool = False) -> int:
    """Write the table of one song; returns its number of clips."""
    record, paths = read_record(root, song), clip_paths(root, song)
    if record is None or len(paths) != record.get("clips"):
        raise SongError(f"only {cli.counted(len(paths), 'clip')} of it left; run mp3_split.py again")
    write_table(describe_clips(stack_clips(map(read_clip, paths)), embed=embed), record, song, root)
    return len(paths)


def describe_from_file(
    song: str, *, songs: Path, root: Path, max_hours: float = MAX_HOURS, embed: bool = False
) -> dict:
    """Write the table of one song straight from its file; returns its record, as `splitting.split_song` does.

    Of a song that has no table, being silent, too short or a reject, nothing is kept: it is heard again the next time.
    """
    source = splitting.size_and_time(songs / song)
    table, record = describe_file(songs / song, max_hours, embed=embed)
    record |= {"source": source, "settings": splitting.CLIP_SETTINGS}
    if table is not None:
        write_table(table, record, song, root)
    return record


def write_table(table: pd.DataFrame, record: dict, song: str, root: Path) -> None:
    """Write a song's table; what it was made from and how is noted in it, by which it is known again."""
    made = pa.table({name: column.to_numpy() for name, column in table.items()})
    # What helps with long columns makes hundreds of short ones larger and slower.
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False}
    with (
        atomic_write(table_path(root, song), room=root / "features") as path,
        pq.ParquetWriter(path, made.schema, **plain) as writer,
    ):
        writer.write_table(made)
        noted = {"made_by": fingerprint_of(record["hash"]), "record": json.dumps(record)}
        if musicnn.NETWORK_COLUMNS[0] in table:
            noted["embeddings"] = musicnn.NETWORK_VERSION
        writer.add_key_value_metadata(noted)


def fingerprint_of(digest: str) -> str:
    """What a table was made from and how: a hash of that of the song's samples, and of the settings."""
    return hashlib.blake2b(json.dumps([digest, FEATURE_SETTINGS]).encode(), digest_size=16).hexdigest()


def table_notes(song: str, root: Path) -> dict[str, str]:
    """What is noted in a song's table; nothing if there is none, or a damaged one."""
    try:
        noted = pq.read_metadata(table_path(root, song)).metadata or {}
        return {key.decode(): value.decode() for key, value in noted.items()}
    except (OSError, ValueError, pa.ArrowException):
        return {}


def is_current(noted: dict[str, str], digest: str, embed: bool) -> bool:
    """Whether a table is made from these samples with these settings, going by what is noted in it.

    That it also holds what musicnn heard, though nobody asked for it, does no harm.
    """
    return noted.get("made_by") == fingerprint_of(digest) and (
        not embed or noted.get("embeddings") == musicnn.NETWORK_VERSION
    )


def known_description(song: str, *, songs: Path, root: Path, embed: bool = False) -> dict | None:
    """The record of a song whose table is there, made from the file as it is today with these settings; or None."""
    noted = table_notes(song, root)
    record = json.loads(noted.get("record", "{}"))
    if not record or not is_current(noted, record["hash"], embed) or record["settings"] != splitting.CLIP_SETTINGS:
        return None
    return record if splitting.is_unchanged(record, songs / song) else None


# --- all songs -------------------------------------------------------------------------------


def work(args: argparse.Namespace) -> int:
    """Describe all good songs."""
    if args.list:
        print_columns()
        return cli.ALL_GOOD
    root, embed = args.data, bool(args.embeddings)
    if embed:
        musicnn.check_weights()
    if args.from_songs:
        hear, heard = (functools.partial(function, embed=embed) for function in (describe_from_file, known_description))
        table, listened = survey.process_songs(args, hear, heard, label="Describing")
        return survey.print_summary(table, listened, root / "features")
    good = good_songs(root)
    songs = dict(zip(good["song"], good["hash"], strict=True))
    describing, done, failed = functools.partial(describe_song, root=root, embed=embed), 0, {}
    with locked(root):
        pending = [song for song, digest in songs.items() if not is_current(table_notes(song, root), digest, embed)]
        known = sum(table_path(root, song).exists() for song in pending)
        for song, outcome in parallel.run(
            describing, pending, label="Describing", jobs=args.jobs, scheduler=args.scheduler
        ):
            if isinstance(outcome, SongError):
                failed[song] = str(outcome)
            else:
                done += outcome
    described = len(songs) - len(failed)
    cli.print_note(root)
    where = printable(root / "features")
    also = f" and {len(musicnn.NETWORK_COLUMNS):,} numbers of musicnn" if embed else ""
    print(f"{cli.counted(described, 'song')} described by {len(COLUMNS)} features{also} in {where}.")
    again = f", of them {known:,} that were out of date" if known else ""
    print(f"Songs described now: {len(pending) - len(failed):,} ({cli.counted(done, 'clip')}){again}.")
    cli.print_left_out(failed)
    if not described:
        return cli.NOTHING_USABLE
    return cli.LEFT_OUT if failed else cli.ALL_GOOD
