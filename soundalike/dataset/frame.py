"""The tables of all good songs in one labelled, checked frame."""

import argparse
import functools
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soundalike import cli, parallel
from soundalike.features import musicnn
from soundalike.features.extraction import is_current, table_notes
from soundalike.features.table import COLUMNS, FEATURE_SETTINGS, ORIGINAL_NINE
from soundalike.library.catalogue import GOOD, good_songs, read_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import RECORD, find_songs, table_path
from soundalike.library.storage import atomic_write, is_locked, locked
from soundalike.parallel import versions

PART = 128e6  # bytes in a file of the frame, about
TABLES_AT_ONCE = 50  # songs' tables in memory: each of hundreds of columns, it takes far more than its numbers
ROW_GROUP = 8_192  # clips that a reader holds in memory at least
PICKLE_LIMIT = 1.0  # GB; the notebooks hold several copies of what is in it

LABELS = ["artist", "album", "song"]
KEYS = ["clip", "start", "silent"]
ALL_COLUMNS = COLUMNS + musicnn.NETWORK_COLUMNS  # what tables hold if they were asked to
NOTED = "_common_metadata"  # in the frame's folder: what it was made from; readers of Parquet do not take it for data

# The columns of a frame of 2018, and what they are called now. Its RMS was on another scale.
OF_2018 = {"Artist": "artist", "Tempo": "tempo"} | {
    f"{old} {statistic.title()}": f"{new}_{statistic}"
    for old, new in {"Cent": "centroid", "RMSE": "rms", "Rolloff": "rolloff", "ZCR": "zcr"}.items()
    for statistic in ("mean", "std")
}


def schema(columns: list[str]) -> pa.Schema:
    """Of a frame with these features."""
    return pa.schema(
        [(name, pa.string()) for name in LABELS]
        + list(zip(KEYS, (pa.int64(), pa.float64(), pa.bool_()), strict=True))
        + [(name, pa.float32()) for name in columns]
    )


def load_table(song: str, columns: list[str] = COLUMNS, *, root: Path) -> pa.Table:
    """Read a song's table and check it; of its features only these are kept.

    Raises
    ------
    SongError
        If it cannot be read, its columns are not the expected ones in their order, a number is
        missing or infinite, or a clip stands in it twice.
    """
    try:
        with pq.ParquetFile(table_path(root, song)) as file:
            table = file.read(use_threads=False)
    except (OSError, pa.ArrowException):
        table = None
    problem = ""
    if table is None:
        problem = "cannot be read"
    elif table.column_names not in (KEYS + COLUMNS, KEYS + ALL_COLUMNS) or not set(columns) <= set(table.column_names):
        problem = "has other columns"
    elif bad := [name for name in columns if not np.isfinite(table[name].to_numpy()).all()]:
        problem = f"holds values that are no numbers, in {', '.join(bad[:3])}"
    elif len(table["clip"].unique()) < len(table):
        problem = "holds a clip twice"
    if problem:
        raise SongError(
            f"its table {problem}; delete {printable(table_path(root, song))} and run feature_extraction.py"
        )
    return table.select(KEYS + columns)


class Part(NamedTuple):
    """What goes into one file of the frame."""

    number: int
    songs: list[tuple[str, str, str]]  # `LABELS` of each


def parts(songs: pd.DataFrame, columns: list[str] = COLUMNS) -> list[Part]:
    """Share songs out among files of about `PART` bytes, in order of song.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv.
    columns : list of str
        The features that the frame will have.
    """
    songs = songs.sort_values("song")
    before = songs["clips"].cumsum() - songs["clips"]
    return [
        Part(number, list(some[LABELS].itertuples(index=False, name=None)))
        for number, (_, some) in enumerate(songs.groupby(before // (PART // (4 * len(columns)))))
    ]


def write_part(part: Part, *, root: Path, folder: Path, columns: list[str]) -> tuple[int, dict[str, str]]:
    """Put the tables of some songs below one another, with their labels in front, into one file of the frame.

    Returns
    -------
    clips : int
        How many were written.
    left_out : dict of str to str
        Songs whose tables cannot be used, and why.
    """
    kinds = schema(columns)
    tables, left_out, clips = [], {}, 0
    with pq.ParquetWriter(folder / f"part-{part.number:05d}.parquet", kinds, use_dictionary=LABELS) as writer:
        for labels in part.songs:
            song = labels[-1]
            try:
                table = load_table(song, columns, root=root)
            except SongError as error:
                left_out[song] = str(error)
                continue
            before = [pa.repeat(pa.scalar(label, pa.string()), len(table)) for label in labels]
            tables.append(pa.table([*before, *table.columns], kinds))
            if len(tables) > TABLES_AT_ONCE:
                tables = [pa.concat_tables(tables).combine_chunks()]
            if sum(map(len, tables)) >= ROW_GROUP:
                clips += _flush(tables, writer)
        clips += _flush(tables, writer)
    return clips, left_out


def _flush(tables: list[pa.Table], writer: pq.ParquetWriter) -> int:
    """Write tables as one group of rows, and forget them; returns the number of rows."""
    if not tables:
        return 0
    made = pa.concat_tables(tables).combine_chunks()
    writer.write_table(made)
    tables.clear()
    return len(made)


def fingerprint(songs: pd.DataFrame, embedded: str = "") -> str:
    """What a frame is made from: the labels and samples of its songs, the settings, and what else is in it."""
    rows = songs.sort_values("song")[[*LABELS, "hash"]].to_numpy().tolist()
    made_from = [rows, FEATURE_SETTINGS, embedded] if embedded else [rows, FEATURE_SETTINGS]
    return hashlib.blake2b(json.dumps(made_from).encode(), digest_size=16).hexdigest()


def frame_notes(root: Path) -> dict:
    """What was noted with the frame that is there.

    Returns
    -------
    dict
        ``made_from`` (see `fingerprint`), ``settings``, ``embedded`` (`musicnn.NETWORK_VERSION` or nothing),
        ``versions``, ``songs``, ``clips``, and ``pickled``: what `_end_of` says of its pickle. Empty where
        there is no frame.
    """
    try:
        return json.loads(pq.read_metadata(root / "df_music.parquet" / NOTED).metadata[b"PANDAS_ATTRS"])
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return {}


def current_notes(root: Path) -> dict:
    """`frame_notes` of a frame that is there and was made by the features of today.

    Raises
    ------
    UserError
        If there is none, or another code made it.
    """
    noted = frame_notes(root)
    if not noted:
        raise UserError(f"There is no frame in {printable(root)} yet. Run dataframe_creation.py first.")
    _check_made_by(noted, root / "df_music.parquet")
    return noted


def _check_made_by(noted: dict, path: Path) -> None:
    """Let no model learn from numbers that today's code would not make, and be known by today's settings."""
    if noted.get("settings", FEATURE_SETTINGS) != FEATURE_SETTINGS or noted.get("embedded", "") not in (
        "",
        musicnn.NETWORK_VERSION,
    ):
        raise UserError(
            f"{printable(path)} was made by other features than those of today. Run feature_extraction.py and "
            "dataframe_creation.py again."
        )


def _end_of(pickle: Path) -> str:
    """A hash of the end of a pickle, where its attributes lie: they say what it was made from. Empty without one."""
    try:
        with pickle.open("rb") as file:
            file.seek(-min(2**16, pickle.stat().st_size), os.SEEK_END)
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except FileNotFoundError:
        return ""


def iter_songs(root: Path, columns: list[str], clips: int = ROW_GROUP) -> Iterator[pd.DataFrame]:
    """The frame, or some of its columns, a number of whole songs at a time.

    Parameters
    ----------
    root : Path
        Of the library.
    columns : list of str
        What to read; ``song`` is among them.
    clips : int
        About how many at a time.
    """
    rest = pd.DataFrame()
    for path in sorted((root / "df_music.parquet").glob("part-*.parquet")):
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(clips, columns=columns, use_threads=False):
                some = pd.concat([rest, batch.to_pandas()], ignore_index=True)
                last = some["song"] == some["song"].iloc[-1]  # it may go on
                rest, whole = some[last], some[~last]
                if len(whole):
                    yield whole
    if len(rest):
        yield rest


def read_frame(path: Path) -> pd.DataFrame:
    """Read a frame from anywhere, one of 2018 too.

    Parameters
    ----------
    path : Path
        A ``.parquet`` (file or folder), ``.csv`` or ``.pkl``. Reading a pickle runs code: never one from a stranger.

    Returns
    -------
    pd.DataFrame
        As `update_frame` makes it; of a frame of 2018 only ``artist``, ``silent`` and the nine features,
        for it does not know songs.

    Raises
    ------
    UserError
        If it holds neither kind of frame, or features that today's code would not make.
    """
    readers = {".parquet": pd.read_parquet, ".csv": _read_csv, ".pkl": pd.read_pickle}
    if path.suffix not in readers:
        raise UserError(f"{printable(path)} is none of {', '.join(readers)}.")
    if not path.exists():
        beside = path.with_suffix(".parquet")
        large = f" {printable(beside)} is too large for one; python -m soundalike.evaluation.large reads that."
        raise UserError(f"There is no {printable(path)}.{large if beside.is_dir() else ''}")
    frame = readers[path.suffix](path)
    _check_made_by(frame.attrs, path)
    if set(OF_2018) <= set(frame.columns):
        frame = frame[list(OF_2018)].rename(columns=OF_2018).assign(silent=False).reset_index(drop=True)
    missing = {"artist", "silent", *ORIGINAL_NINE} - set(frame.columns)
    if missing:
        raise UserError(
            f"{printable(path)} is no frame of music: it lacks {', '.join(sorted(missing)[:5])}. One of 2018 "
            f"would have {', '.join(OF_2018)}."
        )
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """Only a number may be missing: an artist may be called NA, and an album nothing."""
    numbers = set(pd.read_csv(path, nrows=0).columns) - {*LABELS, "Artist"}
    return pd.read_csv(path, keep_default_na=False, na_values={name: ["", "nan"] for name in numbers})


def work(args: argparse.Namespace) -> int:
    """Make the frame if need be, and say what is in it."""
    root = args.data
    if args.status:
        print("\n".join(status(root)))
        return cli.ALL_GOOD
    good = good_songs(root)
    cli.print_note(root)
    with locked(root):
        left_out = update_frame(good, args)
    cli.print_left_out(left_out)
    if left_out:
        print(f"To make missing tables: {cli.command('feature_extraction.py', root)}, then this again.")
    return cli.LEFT_OUT if left_out else cli.ALL_GOOD


def songs_with_tables(good: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[str], dict[str, str]]:
    """The good songs that have a table of today, the columns that all of these have, and why others have none."""
    notes = (table_notes(song, root) for song in good["song"])  # one at a time: a record is a kilobyte
    both = [
        [is_current(noted, digest, embed) for embed in (False, True)]
        for noted, digest in zip(notes, good["hash"], strict=True)
    ]
    ready, heard = np.array(both).T
    left_out = dict.fromkeys(good["song"][~ready], "has no table, or one that is out of date")
    songs = good[ready]
    if songs.empty:
        raise UserError("No song has its table of features yet. Run feature_extraction.py first.")
    if heard.any() and not heard[ready].all():
        print(
            f"Of {len(songs):,} songs, {int(heard.sum()):,} have musicnn's numbers, so the frame does without. For the "
            f"others: {cli.command('feature_extraction.py', root)} --embeddings musicnn, then this again."
        )
    return songs, ALL_COLUMNS if heard[ready].all() else COLUMNS, left_out


def is_up_to_date(root: Path, made_from: str, small: bool) -> bool:
    """Whether the frame that is there was made from just this, and its pickle with it, if it is to have one.

    The pickle is replaced first: if it is not the one that was noted, a run was killed in between.
    """
    noted = frame_notes(root)
    if noted.get("made_from") != made_from or small != bool(noted["pickled"]):
        return False
    return noted["pickled"] == _end_of(root / "df_music.pkl")


def update_frame(good: pd.DataFrame, args: argparse.Namespace) -> dict[str, str]:
    """Gather the tables of good songs and write the frame, if it is out of date; returns what is not in it, and why."""
    root = args.data
    songs, columns, left_out = songs_with_tables(good, root)
    embedded = musicnn.NETWORK_VERSION if columns == ALL_COLUMNS else ""
    size = 4e-9 * len(columns) * int(songs["clips"].sum())  # GB, labels left out
    small = size <= args.pickle_limit
    if is_up_to_date(root, fingerprint(songs, embedded), small):
        print(f"{printable(root / 'df_music.parquet')} is up to date: {cli.counted(len(songs), 'song')}.")
        return left_out
    with atomic_write(root / "df_music.parquet") as folder:
        folder.mkdir()
        clips, unusable = gather(songs, columns, folder, args)
        left_out |= unusable
        songs = songs[~songs["song"].isin(left_out)]
        if songs.empty:
            raise UserError(f"No table is usable; the first: {next(iter(left_out.values()))}")
        noted = {"made_from": fingerprint(songs, embedded), "settings": FEATURE_SETTINGS, "embedded": embedded}
        finish(folder, root, noted | {"versions": versions(), "songs": len(songs), "clips": clips}, small)
    print(
        f"{cli.counted(clips, 'clip')} of {cli.counted(len(songs), 'song')} by "
        f"{cli.counted(songs['artist'].nunique(), 'artist')}, {len(columns):,} features each, "
        f"in {printable(root / 'df_music.parquet')}{' and df_music.pkl' if small else ''}."
    )
    if not small:
        print(
            f"No df_music.pkl: that would be {size:,.1f} GB, more than {args.pickle_limit:g} GB, and whoever loads it "
            "holds all of it in memory, several times. Use df_music.parquet, or raise --pickle-limit."
        )
    return left_out


def gather(songs: pd.DataFrame, columns: list[str], folder: Path, args: argparse.Namespace) -> tuple[int, dict]:
    """Write the files of the frame into a folder; returns as `write_part` does, of all of them."""
    writing = functools.partial(write_part, root=args.data, folder=folder, columns=columns)
    clips = 0
    left_out: dict[str, str] = {}
    for _, outcome in parallel.run(
        writing, parts(songs, columns), label="Gathering", unit="files", jobs=args.jobs, scheduler=args.scheduler
    ):
        if isinstance(outcome, SongError):
            raise UserError(f"A part of the frame could not be written: {outcome}")
        clips += outcome[0]
        left_out |= outcome[1]
    return clips, left_out


def finish(folder: Path, root: Path, noted: dict, pickled: bool) -> None:
    """Write the pickle of a frame whose files are written, and note what both were made from."""
    pickle = root / "df_music.pkl"

    def note(end: str) -> None:
        frame_notes = {"PANDAS_ATTRS": json.dumps(noted | {"pickled": end})}
        kinds = pq.read_schema(next(folder.glob("part-*.parquet")))
        pq.write_metadata(kinds.with_metadata(frame_notes), folder / NOTED)

    if not pickled:
        note("")
        pickle.unlink(missing_ok=True)
        return
    with atomic_write(pickle) as path:  # it takes its place before the folder does
        frame = pd.read_parquet(folder)
        frame.attrs = noted
        frame.to_pickle(path)
        note(_end_of(path))


def status(root: Path) -> list[str]:
    """How far the three steps are, a line each. What there is is counted, not checked."""
    source = songs_folder(root)
    lines = [f"songs:      {printable(source)} is not there"]
    if source.is_dir():
        found, refused = find_songs(source)
        lines = [f"songs:      {len(found):,} in {printable(source)}; {len(refused):,} that cannot become songs"]
    heard = sum(RECORD in files for _, _, files in os.walk(root / "clips"))
    lines.append(f"cut:        {heard:,} (none are needed with --from-songs)")
    tables = sum(name.endswith(".parquet") for _, _, files in os.walk(root / "features") for name in files)
    lines.append(f"described:  {tables:,}")
    if (root / "songs.csv").exists():
        table = read_songs(root)
        good = int(table["status"].isin(GOOD).sum())
        lines.append(f"songs.csv:  {good:,} good, {len(table) - good:,} left out, when it was last written")
    noted = frame_notes(root)
    if noted:
        lines.append(f"frame:      {noted['songs']:,} songs, {noted['clips']:,} clips")
    lines.append("A run is at work here now." if is_locked(root) else "Nothing is at work here now.")
    return lines
