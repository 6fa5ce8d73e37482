"""Step 3: gather the tables of all good songs into one labelled, checked frame.

    python dataframe_creation.py               # the tables that feature_extraction.py made

Writes data/df_music.pkl, which the notebooks load, and the same frame as data/df_music.parquet,
which anything else can read. Songs that songs.csv does not call good today are not in it.
"""

import argparse
import functools
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import terminal
import workers
from feature_extraction import COLUMNS, ORIGINAL, SETTINGS, up_to_date
from library import SongError, UserError, alone, good_songs, printable, table_path, versions, whole_file

ROW_GROUP = 50_000  # clips: what a reader of the Parquet file holds in memory at least

LABELS = ["artist", "album", "song"]
KEYS = ["clip", "start", "silent"]

# The columns of a frame of 2018, and what they are called now. Its RMS was on another scale.
OF_2018 = {"Artist": "artist", "Tempo": "tempo"} | {
    f"{old} {statistic.title()}": f"{new}_{statistic}"
    for old, new in {"Cent": "centroid", "RMSE": "rms", "Rolloff": "rolloff", "ZCR": "zcr"}.items()
    for statistic in ("mean", "std")
}


def load_table(song: str, *, root: Path) -> pd.DataFrame:
    """Read a song's table and check it.

    Raises
    ------
    SongError
        If it cannot be read, its columns are not the expected ones in their order, a number is
        missing or infinite, or a clip stands in it twice.
    """
    try:
        table = pq.read_table(table_path(root, song)).to_pandas()
    except (OSError, pa.ArrowException):
        table = None
    problem = ""
    if table is None:
        problem = "cannot be read"
    elif list(table.columns) != KEYS + COLUMNS:
        problem = "has other columns"
    elif not np.isfinite(table[COLUMNS].to_numpy()).all():
        bad = [name for name in COLUMNS if not np.isfinite(table[name]).all()]
        problem = f"holds values that are no numbers, in {', '.join(bad[:3])}"
    elif table["clip"].duplicated().any():
        problem = "holds a clip twice"
    if problem:
        raise SongError(
            f"its table {problem}; delete {printable(table_path(root, song))} and run feature_extraction.py"
        )
    return table


def gather(songs: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the songs' tables below one another, in order of song, with their labels in front.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv, with `LABELS`; each of these songs has a table.
    tables : dict of str to pd.DataFrame
        The table of each song.

    Returns
    -------
    pd.DataFrame
        Columns `LABELS`, `KEYS`, then the features; one row for each clip.
    """
    songs = songs.sort_values("song")
    frame = pd.concat([tables[song] for song in songs["song"]], ignore_index=True)
    clips = [len(tables[song]) for song in songs["song"]]
    for place, name in enumerate(LABELS):
        frame.insert(place, name, np.repeat(songs[name].to_numpy(), clips))
    return frame


def fingerprint(songs: pd.DataFrame) -> str:
    """What a frame is made from: the labels and samples of its songs, and the settings."""
    rows = songs.sort_values("song")[[*LABELS, "hash"]].to_numpy().tolist()
    return hashlib.blake2b(json.dumps([rows, SETTINGS]).encode(), digest_size=16).hexdigest()


def attributes(root: Path) -> dict:
    """What was noted with the frame that is there: ``made_from`` (see `fingerprint`), ``settings``, ``versions``.

    Empty where there is none, or one that was not finished.
    """
    try:
        noted = json.loads(pq.read_schema(root / "df_music.parquet").metadata[b"PANDAS_ATTRS"])
        written = [(root / f"df_music.{kind}").stat().st_mtime_ns for kind in ("pkl", "parquet")]
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return {}
    # The pickle comes first. One that is newer is from a run that was killed in between.
    return noted if written == sorted(written) else {}


def read_frame(path: Path) -> pd.DataFrame:
    """Read a frame from anywhere, one of 2018 too.

    Parameters
    ----------
    path : Path
        A ``.parquet``, ``.csv`` or ``.pkl``. Reading a pickle runs code: never one from a stranger.

    Returns
    -------
    pd.DataFrame
        As `gather` makes it; of a frame of 2018 only ``artist``, ``silent`` and the nine features,
        for it does not know songs.

    Raises
    ------
    UserError
        If it holds neither kind of frame.
    """
    readers = {".parquet": pd.read_parquet, ".csv": pd.read_csv, ".pkl": pd.read_pickle}
    if path.suffix not in readers:
        raise UserError(f"{printable(path)} is none of {', '.join(readers)}.")
    if not path.exists():
        raise UserError(f"There is no {printable(path)}.")
    frame = readers[path.suffix](path)
    if set(OF_2018) <= set(frame.columns):
        frame = frame[list(OF_2018)].rename(columns=OF_2018).assign(silent=False).reset_index(drop=True)
    missing = {"artist", "silent", *ORIGINAL} - set(frame.columns)
    if missing:
        raise UserError(f"{printable(path)} is no frame of music: it lacks {', '.join(sorted(missing)[:5])}.")
    return frame


def work(args: argparse.Namespace) -> int:
    """Make the frame if need be, and say what is in it."""
    root = args.data
    good = good_songs(root)
    terminal.print_note(root)
    with alone(root):
        left_out = renew(good, args)
    terminal.print_left_out(left_out)
    if left_out:
        print(f"To make missing tables: {terminal.command('feature_extraction.py', root)}, then this again.")
    return terminal.LEFT_OUT if left_out else terminal.ALL_GOOD


def renew(good: pd.DataFrame, args: argparse.Namespace) -> dict[str, str]:
    """Gather the tables of good songs and write the frame, if it is out of date; returns what is not in it, and why."""
    root = args.data
    hashes = zip(good["song"], good["hash"], strict=True)
    ready = np.array([up_to_date(song, digest, root=root) for song, digest in hashes])
    left_out = dict.fromkeys(good["song"][~ready], "has no table, or one that is out of date")
    songs = good[ready]
    if songs.empty:
        raise UserError("No song has its table of features yet. Run feature_extraction.py first.")
    if fingerprint(songs) == attributes(root).get("made_from"):
        print(f"{printable(root / 'df_music.pkl')} is up to date: {terminal.counted(len(songs), 'song')}.")
        return left_out
    tables, names, load = {}, list(songs["song"]), functools.partial(load_table, root=root)
    for song, outcome in workers.run(load, names, label="Gathering", jobs=args.jobs, scheduler=args.scheduler):
        if isinstance(outcome, SongError):
            left_out[song] = str(outcome)
        else:
            tables[song] = outcome
    songs = songs[songs["song"].isin(tables)]
    if songs.empty:
        raise UserError(f"No table is usable; the first: {next(iter(left_out.values()))}")
    frame = gather(songs, tables)
    frame.attrs = {"made_from": fingerprint(songs), "settings": SETTINGS, "versions": versions()}
    write(frame, root)
    print(
        f"{terminal.counted(len(frame), 'clip')} of {terminal.counted(len(songs), 'song')} by "
        f"{terminal.counted(frame['artist'].nunique(), 'artist')}, {len(COLUMNS)} features each, "
        f"in {printable(root / 'df_music.pkl')} and .parquet."
    )
    return left_out


def write(frame: pd.DataFrame, root: Path) -> None:
    """Write the frame as pickle and as Parquet: both, or neither where there is no room."""
    # The pickle is written first, and first put in its place: see `attributes`.
    with whole_file(root / "df_music.parquet") as parquet, whole_file(root / "df_music.pkl") as pickle:
        frame.to_pickle(pickle)
        frame.to_parquet(parquet, index=False, row_group_size=ROW_GROUP)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    workers.add_arguments(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, parse_args(argv))


if __name__ == "__main__":
    import dataframe_creation  # so that worker processes know its functions by this name

    sys.exit(dataframe_creation.main())
