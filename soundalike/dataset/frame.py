"""The frame: the tables of all good songs in one, labelled and checked, on disk as Parquet and as a pickle."""

import collections
import functools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from soundalike import cli
from soundalike.features.song_tables import is_up_to_date, read_notes
from soundalike.features.table import COLUMNS, FEATURE_SETTINGS, ORIGINAL_NINE
from soundalike.library.catalogue import GOOD, read_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import RECORD, find_songs, table_path
from soundalike.library.storage import FRAME_NOTES, atomic_write, hash_of, is_locked
from soundalike.parallel import versions

FILE_BYTES = 128e6  # in a file of the frame, about
ROW_GROUP = 8_192  # clips that a reader holds in memory at least
BATCH = 512  # clips that are handed to the writer at once, at least
READERS = os.cpu_count() or 1  # threads

LABELS = ["artist", "album", "song"]
KEYS = ["clip", "start", "silent"]

# The columns of a frame of 2018, and their names today. Its RMS was on another scale.
OF_2018 = {"Artist": "artist", "Tempo": "tempo"} | {
    f"{old} {statistic.title()}": f"{new}_{statistic}"
    for old, new in {"Cent": "centroid", "RMSE": "rms", "Rolloff": "rolloff", "ZCR": "zcr"}.items()
    for statistic in ("mean", "std")
}

NO_SONGS = (
    "This frame does not say which clips are of one song (no column song; one of 2018 has none), so no score on unseen "
    "songs can be had from it. Make the frame from the music again: mp3_split.py, feature_extraction.py, "
    "dataframe_creation.py."
)


# --- the tables that go into it --------------------------------------------------------------


class Gathered(NamedTuple):
    """The songs that a frame is made of."""

    songs: pd.DataFrame  # rows of songs.csv
    left_out: dict[str, str]  # good songs that are not in it, and why

    @property
    def gigabytes(self) -> float:
        """The size of the features in memory."""
        return 4e-9 * len(COLUMNS) * int(self.songs["clips"].sum())


def find_tables(good: pd.DataFrame, root: Path) -> Gathered:
    """Find which good songs have an up-to-date table.

    Parameters
    ----------
    good : pd.DataFrame
        Rows of songs.csv.
    root : Path
        Of the library.

    Raises
    ------
    UserError
        If none has.
    """
    notes = (read_notes(table_path(root, song)) for song in good["song"])  # one at a time: a record is a kilobyte
    ready = np.array([is_up_to_date(of_song, digest) for of_song, digest in zip(notes, good["hash"], strict=True)])
    if not ready.any():
        raise UserError("No song has its table of features yet. Run feature_extraction.py first.")
    left_out = dict.fromkeys(good["song"][~ready], "has no table, or one that is out of date")
    return Gathered(good[ready].sort_values("song"), left_out)


SCHEMA = pa.schema(
    [(name, pa.string()) for name in LABELS]
    + list(zip(KEYS, (pa.int64(), pa.float64(), pa.bool_()), strict=True))
    + [(name, pa.float32()) for name in COLUMNS]
)


def load_table(song: str, *, root: Path) -> pa.Table:
    """Read a song's table and check it.

    Parameters
    ----------
    song : str
        The song.
    root : Path
        Of the library.

    Raises
    ------
    SongError
        If it cannot be read, its columns are not the expected ones in their order, a number is
        missing or infinite, or a clip occurs twice.
    """
    try:
        with pq.ParquetFile(table_path(root, song)) as file:
            table = file.read(use_threads=False)
    except (OSError, pa.ArrowException):
        table = None
    problem = ""
    if table is None:
        problem = "cannot be read"
    elif table.column_names[: len(KEYS + COLUMNS)] != KEYS + COLUMNS:
        problem = "has other columns"
    else:
        table = table.select(range(len(KEYS + COLUMNS)))  # version 1 kept what musicnn made behind these
        features = zip(COLUMNS, table.columns[len(KEYS) :], strict=True)
        if bad := [name for name, values in features if not np.isfinite(values.to_numpy()).all()]:
            problem = f"holds values that are no numbers, in {', '.join(bad[:3])}"
        elif len(table["clip"].unique()) < len(table):
            problem = "holds a clip twice"
    if problem:
        raise SongError(
            f"its table {problem}; delete {printable(table_path(root, song))} and run feature_extraction.py"
        )
    return table


# --- writing it ------------------------------------------------------------------------------


def write_frame(gathered: Gathered, root: Path, *, pickled: bool) -> tuple[int, Gathered]:
    """Write the frame, as a folder of Parquet files and as a pickle; each takes its place when it is whole.

    Parameters
    ----------
    gathered : Gathered
        The songs.
    root : Path
        Of the library.
    pickled : bool
        Whether there is to be a pickle.

    Returns
    -------
    clips : int
        The number of rows.
    gathered : Gathered
        The songs that are in it, and those whose tables turned out unusable.

    Raises
    ------
    UserError
        If no table is usable.
    """
    left_out = dict(gathered.left_out)
    if (root / "df_music.parquet").is_dir() and not frame_notes(root):
        print(f"The frame in {printable(root)} is of an earlier version of this program: it is made again.")
    with atomic_write(root / "df_music.parquet") as folder:
        clips = _write_files(gathered, folder, root, left_out)
        songs = gathered.songs[~gathered.songs["song"].isin(left_out)]
        if songs.empty:
            raise UserError(f"No table is usable. The first: {next(iter(left_out.values()))}")
        written = gathered._replace(songs=songs, left_out=left_out)
        save_notes(folder, root, notes_of(written, clips), pickled=pickled)
    return clips, written


def _write_files(gathered: Gathered, folder: Path, root: Path, left_out: dict[str, str]) -> int:
    """Write the files of the frame; adds to what is left out, and returns the number of rows."""
    written: list = []
    rows = max(ROW_GROUP, int(FILE_BYTES / (4 * len(COLUMNS))))  # in a file
    ds.write_dataset(
        _batches(gathered, root, left_out),
        folder,
        schema=SCHEMA,
        format="parquet",
        file_options=ds.ParquetFileFormat().make_write_options(use_dictionary=LABELS),
        basename_template="part-{i}.parquet",
        max_rows_per_file=rows,
        min_rows_per_group=ROW_GROUP,
        max_rows_per_group=min(2 * ROW_GROUP, rows),
        preserve_order=True,
        file_visitor=written.append,
    )
    for file in written:  # in the order of their names, which readers go by
        path = Path(file.path)
        path.rename(path.with_name(f"part-{int(path.stem.removeprefix('part-')):05d}.parquet"))
    return sum(file.metadata.num_rows for file in written)


def _batches(gathered: Gathered, root: Path, left_out: dict[str, str]) -> Iterator[pa.RecordBatch]:
    """Yield the songs' tables with their labels in front, in order of song, while the next ones are read."""

    def read(labels: tuple[str, ...]) -> pa.Table | None:
        try:
            table = load_table(labels[-1], root=root)
        except SongError as error:
            left_out[labels[-1]] = str(error)
            return None
        front = [pa.repeat(pa.scalar(label, pa.string()), len(table)) for label in labels]
        return pa.table([*front, *table.columns], SCHEMA)

    rows = gathered.songs[LABELS].itertuples(index=False, name=None)
    with (
        ThreadPoolExecutor(READERS) as pool,
        cli.bar(len(gathered.songs), "Gathering", "songs") as bar,
    ):
        reading = (pool.submit(read, labels) for labels in rows)
        ahead = collections.deque(islice(reading, 2 * READERS))
        group: list[pa.Table] = []
        while ahead:
            table = ahead.popleft().result()
            ahead.extend(islice(reading, 1))
            bar.update()
            if table is not None:
                group.append(table)
            # Joined: the writer collects a row group first, and each array takes some bytes beside its numbers.
            if group and (sum(map(len, group)) >= BATCH or not ahead):
                yield from pa.concat_tables(group).combine_chunks().to_batches()
                group = []


def print_written(gathered: Gathered, clips: int, root: Path, *, pickled: bool) -> None:
    """Print what was written, see `write_frame`."""
    print(
        f"{cli.counted(clips, 'clip')} of {cli.counted(len(gathered.songs), 'song')} by "
        f"{cli.counted(gathered.songs['artist'].nunique(), 'artist')}, {len(COLUMNS):,} features each, "
        f"in {printable(root / 'df_music.parquet')}{' and df_music.pkl' if pickled else ''}."
    )
    if not pickled:
        print(
            f"No df_music.pkl: it would take {gathered.gigabytes:,.1f} GB, and several times that in memory. Use "
            "df_music.parquet, or raise --pickle-limit."
        )


def notes_of(gathered: Gathered, clips: int) -> dict:
    """Return what is noted with a frame.

    Returns
    -------
    dict
        ``made_from`` (see `fingerprint`), ``settings``, ``versions``, ``songs``, ``clips``.
    """
    return {
        "made_from": fingerprint(gathered.songs),
        "settings": FEATURE_SETTINGS,
        "versions": versions(),
        "songs": len(gathered.songs),
        "clips": clips,
    }


def save_notes(folder: Path, root: Path, notes: dict, *, pickled: bool) -> None:
    """Write the pickle of a frame whose files are written, and beside the files what both were made from."""
    pickle = root / "df_music.pkl"
    if pickled:
        with atomic_write(pickle) as path:  # it takes its place before the folder does
            frame = pd.read_parquet(folder)
            # As Python's own strings: so pandas 2.2 reads it too, and no pandas needs pyarrow for it.
            texts = {name: frame[name].astype(object) for name in frame.select_dtypes("string")}
            frame = frame.assign(**texts).set_axis(frame.columns.astype(object), axis=1)
            frame.attrs = notes
            frame.to_pickle(path)
    else:
        pickle.unlink(missing_ok=True)
    (folder / FRAME_NOTES).write_text(json.dumps(notes | {"pickle": _state(pickle)}), encoding="utf-8")


def _state(pickle: Path) -> list[int]:
    """Size and time stamp of a pickle; nothing if there is none."""
    return [pickle.stat().st_size, pickle.stat().st_mtime_ns] if pickle.exists() else []


def fingerprint(songs: pd.DataFrame) -> str:
    """Hash what a frame is made from: the labels and samples of its songs, and the settings."""
    return hash_of([songs.sort_values("song")[[*LABELS, "hash"]].to_numpy().tolist(), FEATURE_SETTINGS])


def frame_is_current(gathered: Gathered, root: Path, *, pickled: bool) -> bool:
    """Whether the frame that is there was made from just these songs, and the pickle with it, if there is to be one."""
    notes = frame_notes(root)
    if notes.get("made_from") != fingerprint(gathered.songs) or "pickle" not in notes:
        return False
    return pickled == bool(notes["pickle"]) and notes["pickle"] == _state(root / "df_music.pkl")


# --- reading it ------------------------------------------------------------------------------


def frame_notes(root: Path) -> dict:
    """Read what was noted with the frame that is there, see `notes_of`; nothing without one."""
    try:
        notes = json.loads((root / "df_music.parquet" / FRAME_NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def current_notes(root: Path) -> dict:
    """Read the notes of a frame that has today's features.

    Raises
    ------
    UserError
        If there is none, or another version of this program made it.
    """
    notes = frame_notes(root)
    if not notes and (root / "df_music.parquet").is_dir():
        raise UserError(
            f"The frame in {printable(root)} is of an earlier version of this program. Run dataframe_creation.py, "
            "which makes it again."
        )
    if not notes:
        raise UserError(f"There is no frame in {printable(root)} yet. Run make run first, or the three steps.")
    _check_made_by(notes, root / "df_music.parquet")
    return notes


def _check_made_by(notes: dict, path: Path) -> None:
    """Train no model on numbers that today's code would not make."""
    if notes.get("settings", FEATURE_SETTINGS) != FEATURE_SETTINGS:
        raise UserError(
            f"{printable(path)} was made by other features than those of today. Run feature_extraction.py and "
            "dataframe_creation.py again."
        )


def iter_songs(root: Path, columns: list[str], clips: int = ROW_GROUP) -> Iterator[pd.DataFrame]:
    """Read the frame, or some of its columns, a number of whole songs at a time.

    Parameters
    ----------
    root : Path
        Of the library.
    columns : list of str
        The columns to read; ``song`` is among them.
    clips : int
        About how many at a time.
    """
    rest = pd.DataFrame()
    for path in sorted((root / "df_music.parquet").glob("part-*.parquet")):
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(clips, columns=columns, use_threads=False):
                some = pd.concat([rest, batch.to_pandas()], ignore_index=True)
                last = int((some["song"] != some["song"].iloc[-1]).sum())  # where the last song begins: it may go on
                whole, rest = some.iloc[:last], some.iloc[last:]
                if len(whole):
                    yield whole
    if len(rest):
        yield rest


def find_frame(root: Path) -> Path:
    """Find the frame of a library: its pickle or, where that would be too large, its Parquet files."""
    pickle = root / "df_music.pkl"
    return pickle if pickle.exists() else pickle.with_suffix(".parquet")


class Frame:
    """The frame of a library where it lies: its pickle, which is read as a whole, or its Parquet files, in parts.

    Parameters
    ----------
    root : Path
        Of the library.

    Raises
    ------
    UserError
        See `read_frame`; or if it does not name songs.
    """

    def __init__(self, root: Path) -> None:
        self.path = find_frame(root)
        self._whole = read_frame(self.path) if self.path.suffix == ".pkl" else None
        if self._whole is None:
            self.clips = current_notes(root)["clips"]
            self.columns = pq.read_schema(next(self.path.glob("part-*.parquet"))).names
        else:
            self.clips, self.columns = len(self._whole), list(self._whole.columns)
        if "song" not in self.columns:
            raise UserError(NO_SONGS)

    def parts(self, columns: list[str]) -> Iterator[pd.DataFrame]:
        """Read some columns: a number of whole songs at a time, or all of them from a pickle."""
        if self._whole is not None:
            yield self._whole[columns]
            return
        with cli.bar(self.clips, "Reading", "clips") as bar:
            for part in iter_songs(self.path.parent, columns):
                yield part
                bar.update(len(part))

    def song(self, song: str) -> pd.DataFrame:
        """Read the clips of one song, all columns."""
        if self._whole is not None:
            return self._whole[self._whole["song"] == song].reset_index(drop=True)
        return pd.read_parquet(self.path, filters=[("song", "==", song)])


def read_frame(path: Path, most: int | None = None) -> pd.DataFrame:
    """Read a frame from anywhere, one of 2018 too.

    Parameters
    ----------
    path : Path
        A ``.parquet`` (file or folder), ``.csv`` or ``.pkl``. Reading a pickle runs code: open none from others.
    most : int, optional
        Of a folder with more clips than that, read only some songs: evenly spaced ones of each artist, and two at
        least, so that they come to about this number.

    Returns
    -------
    pd.DataFrame
        As `write_frame` writes it; of a frame of 2018 only ``artist``, ``silent`` and the nine features,
        for it does not name songs.

    Raises
    ------
    UserError
        If it holds neither kind of frame, or features that today's code would not make.
    """
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".parquet": functools.partial(_read_parquet, most=most),
        ".csv": _read_csv,
        ".pkl": _read_pickle,
    }
    if path.suffix not in readers:
        raise UserError(f"{printable(path)} is no frame. Name a file that ends in one of {', '.join(readers)}.")
    if not path.exists():
        raise UserError(f"There is no {printable(path)}. Run dataframe_creation.py first.")
    frame = readers[path.suffix](path)
    _check_made_by(frame.attrs or (frame_notes(path.parent) if path.is_dir() else {}), path)
    if set(OF_2018) <= set(frame.columns):
        frame = frame[list(OF_2018)].rename(columns=OF_2018).assign(silent=False).reset_index(drop=True)
    missing = {"artist", "silent", *ORIGINAL_NINE} - set(frame.columns)
    if missing:
        raise UserError(
            f"{printable(path)} is no frame of music: it lacks {', '.join(sorted(missing)[:5])}. One of 2018 "
            f"would have {', '.join(OF_2018)}."
        )
    return frame


def _read_parquet(path: Path, most: int | None) -> pd.DataFrame:
    """Read all of it, or some songs of each artist, see `read_frame`."""
    share = most / ds.dataset(path).count_rows() if most and path.is_dir() else 1
    if share >= 1:
        return pd.read_parquet(path)
    songs = pd.read_parquet(path, columns=["artist", "song"]).drop_duplicates()
    of_artist = songs.groupby("artist")["song"]
    place, of_each = of_artist.cumcount(), np.maximum(share, 2 / of_artist.transform("size"))
    kept = songs["song"][np.floor((place + 1) * of_each) > np.floor(place * of_each)]
    return pd.read_parquet(path, filters=[("song", "in", list(kept))])


def _read_pickle(path: Path) -> pd.DataFrame:
    """Text as the other kinds have it; a pickle holds Python's own strings."""
    frame = pd.read_pickle(path)
    frame.columns = pd.Index(list(frame.columns))
    return frame.astype({name: "str" for name in LABELS if name in frame})


def _read_csv(path: Path) -> pd.DataFrame:
    """Only a number may be missing: an artist may be called NA, and an album nothing."""
    numbers = set(pd.read_csv(path, nrows=0).columns) - {*LABELS, "Artist"}
    return pd.read_csv(path, keep_default_na=False, na_values={name: ["", "nan"] for name in numbers})


def status(root: Path) -> list[str]:
    """Say how far the three steps are, a line each. Files are counted, not checked."""
    source = songs_folder(root)
    lines = [f"songs:      {printable(source)} is not there"]
    if source.is_dir():
        found, refused = find_songs(source)
        lines = [f"songs:      {len(found):,} in {printable(source)}; {len(refused):,} that cannot become songs"]
    cut = sum(RECORD in files for _, _, files in os.walk(root / "clips"))
    lines.append(f"decoded:    {cut:,} (none with --from-songs)")
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
