"""The frame: the clips of all good songs in one labelled table, for people, as a pickle and as Parquet files.

The folder ``df_music.parquet`` holds, beside the files of the frame, ``_songs.feather``: a row for each song, with all
that songs.csv says of it and, from `duplicates.mark_duplicates`, which songs are one recording. Models and the index
read that, and the songs' own tables.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from soundalike import cli
from soundalike.features.networks import NETWORKS, column_made_by
from soundalike.features.table import COLUMNS, MADE_BY
from soundalike.features.vocals import COLUMNS as VOCAL_COLUMNS
from soundalike.features.vocals import VOCALS
from soundalike.library.catalogue import GOOD, good_songs, read_songs, songs_folder
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import NOTES, find_songs, table_path
from soundalike.library.storage import atomic_write, fresh, is_locked, made_from, read_notes
from soundalike.song import FEATURES, KEYS, read_tables, spacing_of

VERSION = 2  # raise it when a frame of the same songs would hold something else
FILE_BYTES = 128e6  # in a file of the frame, about
ROW_GROUP = 8_192  # clips that a reader holds in memory at least
BATCH = 512  # clips that are handed to the writer at once, at least
SONGS = "_songs.feather"  # by a name that no reader of Parquet takes for a part of the frame

NOTED = {"made_from", "songs", "clips", "pickle", "networks"}  # see `current_notes`

LABELS = ["artist", "album", "song", "recording"]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in LABELS]
    + list(zip(KEYS, (pa.int64(), pa.float64(), pa.bool_()), strict=True))
    + [(name, pa.float32()) for name in (*VOCAL_COLUMNS, *COLUMNS)]
)


# --- writing it ------------------------------------------------------------------------------


class Written(NamedTuple):
    """The outcome of `write_frame`."""

    songs: pd.DataFrame  # that are in the frame: rows of songs.csv
    clips: int
    networks: dict[str, int]  # how many of the songs each describes
    searched: int  # in how many of the songs singing was searched for
    left_out: dict[str, str]  # good songs that are not in it, and why
    gigabytes: float  # size of the features in memory
    pickled: bool
    now: bool  # whether it was made by this run


def write_frame(good: pd.DataFrame, root: Path, networks: list[str], pickle_limit: float) -> Written:
    """Make the frame if it is out of date: a folder of Parquet files, and a pickle; each appears when it is whole.

    Parameters
    ----------
    good : pd.DataFrame
        Rows of songs.csv.
    root : Path
        Of the library.
    networks : list of str
        That models are to use.
    pickle_limit : float
        No larger pickle is written, in GB of features.

    Raises
    ------
    UserError
        If no song has a usable table.
    """
    good = good.sort_values("song", ignore_index=True)
    ready, spacings = [], {name: [] for name in (*networks, VOCALS)}  # type: list[bool], dict[str, list[int]]
    for song, digest in good[["song", "hash"]].to_numpy():
        notes = read_notes(table_path(root, song))
        ready.append(fresh(notes, digest, MADE_BY, part=FEATURES))
        for name in spacings if ready[-1] else ():
            spacings[name].append(spacing_of(notes, name))
    songs = good[ready].reset_index(drop=True).assign(searched=spacings.pop(VOCALS))
    if songs.empty:
        raise UserError("No song has its table of features yet. Run feature_extraction.py first.")
    left_out = dict.fromkeys(sorted(set(good["song"]) - set(songs["song"])), "has no table, or one that is out of date")
    gigabytes = 4e-9 * len(COLUMNS) * int(songs["clips"].sum())
    folder, pickled = root / "df_music.parquet", gigabytes <= pickle_limit
    noted = read_notes(folder)
    of_networks = {name: [NETWORKS[name].made_by(every) for every in own] for name, own in spacings.items()}
    used = {name: max(every) for name, every in spacings.items() if any(every)}
    kept = noted.get("pickle")
    now = not noted.keys() >= NOTED or not fresh(noted, *_inputs(songs))
    now = now or kept != _state(root) or pickled != bool(kept)
    if now:
        with atomic_write(folder) as unfinished:
            noted = _write(songs, root, unfinished, left_out, pickled=pickled) | {"networks": used}
            noted["made_from"]["networks"] = made_from(of_networks)
            (unfinished / NOTES).write_text(json.dumps(noted), encoding="utf-8")
    elif not fresh(noted, of_networks, part="networks"):
        noted["made_from"]["networks"] = made_from(of_networks)
        noted["networks"] = used
        with atomic_write(folder / NOTES, room=root) as path:
            path.write_text(json.dumps(noted), encoding="utf-8")
    described = {name: sum(map(bool, every)) for name, every in spacings.items()}
    searched = int(songs["searched"].sum())
    songs = songs[~songs["song"].isin(list(left_out))]
    return Written(songs, noted["clips"], described, searched, left_out, gigabytes, pickled, now)


def _inputs(songs: pd.DataFrame) -> list:
    """List what a frame of these songs is made from."""
    of_songs = songs[["song", "artist", "album", "title", "hash", "searched"]].to_numpy().tolist()
    return [of_songs, MADE_BY, column_made_by(VOCALS, 1), VERSION]


def _state(root: Path) -> list[int]:
    """Size and time stamp of the pickle; nothing if there is none."""
    pickle = root / "df_music.pkl"
    return [pickle.stat().st_size, pickle.stat().st_mtime_ns] if pickle.exists() else []


def _write(songs: pd.DataFrame, root: Path, folder: Path, left_out: dict[str, str], *, pickled: bool) -> dict:
    """Write the files of the frame and the pickle; adds to what is left out, and returns the notes."""
    from soundalike.dataset.duplicates import mark_duplicates  # scikit-learn takes long, and readers do without

    songs = mark_duplicates(songs, root, left_out)
    folder.mkdir()
    clips = _write_files(songs, root, folder)
    songs.to_feather(folder / SONGS)
    if pickled:
        with atomic_write(root / "df_music.pkl") as path:  # it takes its place before the folder does
            frame = pd.read_parquet(folder)
            # As Python's own strings: so pandas 2.2 reads it too, and no pandas needs pyarrow for it.
            texts = {name: frame[name].astype(object) for name in frame.select_dtypes("string")}
            frame.assign(**texts).set_axis(frame.columns.astype(object), axis=1).to_pickle(path)
    else:
        (root / "df_music.pkl").unlink(missing_ok=True)
    keys = {"all": made_from(*_inputs(songs)), "version": made_from(MADE_BY, VERSION)}  # without what is left out
    return {"made_from": keys, "songs": len(songs), "clips": clips, "pickle": _state(root)}


def _write_files(songs: pd.DataFrame, root: Path, folder: Path) -> int:
    """Write the files of the frame; returns the number of rows."""
    written: list = []
    rows = max(ROW_GROUP, int(FILE_BYTES / (4 * len(COLUMNS))))  # in a file
    ds.write_dataset(
        _batches(songs, root),
        folder,
        schema=SCHEMA,
        format="parquet",
        file_options=ds.ParquetFileFormat().make_write_options(use_dictionary=LABELS),
        basename_template="part-{i}.parquet",
        max_rows_per_file=rows,
        min_rows_per_group=ROW_GROUP,
        max_rows_per_group=min(2 * ROW_GROUP, rows),
        preserve_order=True,
        existing_data_behavior="overwrite_or_ignore",
        file_visitor=written.append,
    )
    for file in written:  # in the order of their names, which readers go by
        path = Path(file.path)
        path.rename(path.with_name(f"part-{int(path.stem.removeprefix('part-')):05d}.parquet"))
    return sum(file.metadata.num_rows for file in written)


def _batches(songs: pd.DataFrame, root: Path) -> Iterator[pa.RecordBatch]:
    """Yield the clips of songs with their labels in front, in order of song."""
    labels = songs.set_index(songs["song"].rename(None))[LABELS]
    group: list[pa.Table] = []
    with cli.bar(len(songs), "Gathering", "songs") as bar:
        for song, found in read_tables(root, songs["song"], [FEATURES, VOCALS]):
            front = [pa.repeat(pa.scalar(label, pa.string()), len(found.table)) for label in labels.loc[song]]
            numbers = np.hstack([found.vocals, found.features]).T.copy()
            group.append(pa.table([*front, *found.table.select(KEYS).columns, *numbers], schema=SCHEMA))
            bar.update()
            # Joined: the writer collects a row group first, and each array takes some bytes beside its numbers.
            if sum(map(len, group)) >= BATCH:
                yield from pa.concat_tables(group).combine_chunks().to_batches()
                group = []
        if group:
            yield from pa.concat_tables(group).combine_chunks().to_batches()


def print_written(written: Written, root: Path) -> None:
    """Print what is in the frame, see `write_frame`."""
    count = cli.counted(len(written.songs), "song")
    if written.now:
        print(
            f"{cli.counted(written.clips, 'clip')} of {count} by "
            f"{cli.counted(written.songs['artist'].nunique(), 'artist')}, {len(COLUMNS):,} features each, "
            f"in {printable(root / 'df_music.parquet')}{' and df_music.pkl' if written.pickled else ''}."
        )
        if not written.pickled:
            print(
                f"No df_music.pkl: it would take {written.gigabytes:,.1f} GB, and several times that in memory. Use "
                "df_music.parquet, or raise --pickle-limit."
            )
    else:
        print(f"The frame in {printable(root)} is up to date: {count}.")
    rest = f" of {len(written.songs):,}; to describe the others, run feature_extraction.py"
    for name, songs in written.networks.items():
        print(f"{name} describes {cli.counted(songs, 'song')}{'' if songs == len(written.songs) else rest}.")
    if written.searched not in (0, len(written.songs)):
        print(f"Singing was searched for in {cli.counted(written.searched, 'song')}{rest}.")


# --- reading it ------------------------------------------------------------------------------


def current_notes(root: Path) -> dict:
    """Read the notes of a frame that has today's features.

    Returns
    -------
    dict
        ``made_from`` (see `storage.fresh`), ``songs`` and ``clips`` (how many), ``pickle`` (its size and time stamp),
        and ``networks``: of each that models use, clips from the start of one window to the next.

    Raises
    ------
    UserError
        If there is none, or another version of this program made it.
    """
    notes = read_notes(root / "df_music.parquet")
    if not notes and not (root / "df_music.parquet").is_dir():
        raise UserError(f"There is no frame in {printable(root)} yet. Run make run first, or the three steps.")
    if not notes.keys() >= NOTED or not fresh(notes, MADE_BY, VERSION, part="version"):
        raise UserError(
            f"The frame in {printable(root)} is of another version of this program, or damaged. Run make run, or the "
            "three steps, which make it again."
        )
    return notes


def read_library(root: Path) -> pd.DataFrame:
    """Read the songs of the frame.

    Returns
    -------
    pd.DataFrame
        Rows of songs.csv in order of song, with the columns of `duplicates.mark_duplicates`.

    Raises
    ------
    UserError
        See `current_notes`; or if the frame is older than songs.csv.
    """
    current_notes(root)
    folder = root / "df_music.parquet"
    try:
        songs = pd.read_feather(folder / SONGS)
    except (OSError, pa.ArrowException):
        raise UserError(f"{printable(folder)} is damaged. Delete it, and run dataframe_creation.py.") from None
    now = good_songs(root).set_index("song")["hash"]
    if not (songs["song"].map(now) == songs["hash"]).all():
        raise UserError(f"The frame in {printable(root)} is older than songs.csv. Run dataframe_creation.py.")
    return songs


def read_frame(root: Path, most: int | None = None) -> pd.DataFrame:
    """Read the frame of a library.

    Parameters
    ----------
    root : Path
        Of the library.
    most : int, optional
        Of more clips than that, read only some songs: evenly spaced ones of each artist, and two at least, so that
        they come to about this number.

    Raises
    ------
    UserError
        See `current_notes`.
    """
    notes, songs = current_notes(root), read_library(root)
    if most is None or notes["clips"] <= most:
        return pd.read_parquet(root / "df_music.parquet")
    of_artist = songs.groupby("artist")["song"]
    place, share = of_artist.cumcount(), np.maximum(most / notes["clips"], 2 / of_artist.transform("size"))
    kept = songs["song"][np.floor((place + 1) * share) > np.floor(place * share)]
    return pd.read_parquet(root / "df_music.parquet", filters=[("song", "in", list(kept))])


def status(root: Path) -> list[str]:
    """Say how far the three steps are, a line each. Files are counted, not checked."""
    source = songs_folder(root)
    lines = [f"songs:      {printable(source)} is not there"]
    if source.is_dir():
        found, refused = find_songs(source)
        lines = [f"songs:      {len(found):,} in {printable(source)}; {len(refused):,} that cannot become songs"]
    cut = sum(NOTES in files for _, _, files in os.walk(root / "clips"))
    lines.append(f"decoded:    {cut:,} (none with --from-songs)")
    tables = sum(name.endswith(".parquet") for _, _, files in os.walk(root / "features") for name in files)
    lines.append(f"described:  {tables:,}")
    if (root / "songs.csv").exists():
        table = read_songs(root)
        good = int(table["status"].isin(GOOD).sum())
        lines.append(f"songs.csv:  {good:,} good, {len(table) - good:,} left out, when it was last written")
    noted = read_notes(root / "df_music.parquet")
    if noted.keys() >= NOTED:
        lines.append(f"frame:      {noted['songs']:,} songs, {noted['clips']:,} clips")
    lines.append("A run is at work here now." if is_locked(root) else "Nothing is at work here now.")
    return lines
