"""What networks make of the windows of all songs: gathered in ``networks.parquet/``, one file for each network."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soundalike import cli
from soundalike.features import musicnn
from soundalike.features.networks import (
    MUSICNN,
    NETWORKS,
    NUMBERS,
    named,
    network_path,
    noted_spacing,
    numbers_of,
)
from soundalike.library.storage import FRAME_NOTES, atomic_write, hash_of

FOLDER = "networks.parquet"  # in the root
ROW_GROUP = 2_048  # windows; they are in order of song, so few groups are read for some songs


def gather_windows(songs: pd.DataFrame, root: Path, asked: str | None = None) -> dict[str, int]:
    """Gather the tables that songs have of each network; what is up to date stays.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv, in order of song.
    root : Path
        Of the library.
    asked : {"none", "both"} or str, optional
        Or the name of one network; by default both.

    Returns
    -------
    dict of str to int
        How many songs have a table of each network that any has.
    """
    rows = list(zip(songs["song"], songs["hash"], strict=True))
    spacings = {name: [noted_spacing(root, name, song, digest) for song, digest in rows] for name in named(asked)}
    there = {name: list(songs["song"][np.array(found) > 0]) for name, found in spacings.items() if any(found)}
    made_from = {name: [NETWORKS[name].made_by, hash_of([rows, spacings[name]])] for name in there}
    if made_from != window_notes(root):
        with atomic_write(root / FOLDER) as folder:
            folder.mkdir()
            for name, those in there.items():
                _write(folder / f"{name}.parquet", name, those, root)
            (folder / FRAME_NOTES).write_text(json.dumps(made_from), encoding="utf-8")
    return {name: len(those) for name, those in there.items()}


def print_gathered(found: dict[str, int], songs: int) -> None:
    """Print which networks describe how many songs, see `gather_windows`."""
    for name, count in found.items():
        missing = "" if count == songs else f" of {songs:,}; feature_extraction.py describes the others"
        print(f"{name} describes {cli.counted(count, 'song')}{missing}.")


def _write(path: Path, name: str, songs: list[str], root: Path) -> None:
    """Write the windows of these songs, in their order."""
    lists = pa.list_(pa.float32(), len(NETWORKS[name].columns))
    kinds = {"song": pa.string(), "clip": pa.int64(), "start": pa.float64(), NUMBERS: lists}
    schema = pa.schema(list(kinds.items()))
    with pq.ParquetWriter(path, schema, use_dictionary=["song"], write_statistics=["song"]) as writer:
        group: list[pa.Table] = []
        for song in songs:
            table = pq.read_table(network_path(root, name, song), use_threads=False)
            group.append(table.add_column(0, "song", pa.repeat(pa.scalar(song), len(table))).cast(schema))
            if sum(map(len, group)) >= ROW_GROUP or song == songs[-1]:
                writer.write_table(pa.concat_tables(group))
                group = []


class Windows:
    """What networks make of a library, where it lies.

    Parameters
    ----------
    root : Path, optional
        Of the library; without one there are none.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.folder = (root or Path()) / FOLDER
        self.made_from = window_notes(root) if root else {}
        self.names = [
            name for name, network in NETWORKS.items() if self.made_from.get(name, [""])[0] == network.made_by
        ]

    def read(self, name: str, songs: list[str]) -> dict[str, pd.DataFrame]:
        """Read what a network makes of some songs, see `networks.describe_windows`."""
        rows = pd.read_parquet(self.folder / f"{name}.parquet", filters=[("song", "in", songs)])
        return {str(song): own for song, own in rows.groupby("song")}

    def tags(self) -> pd.DataFrame:
        """Average what musicnn tags each song with [index: song], under `musicnn.TAG_COLUMNS`; empty without it."""
        found = [pd.DataFrame(columns=["song", *musicnn.TAG_COLUMNS])]
        if MUSICNN in self.names:
            with pq.ParquetFile(self.folder / f"{MUSICNN}.parquet") as file:
                for batch in file.iter_batches(ROW_GROUP, columns=["song", NUMBERS]):
                    rows = batch.to_pandas()
                    found.append(musicnn.tag_table(numbers_of(rows)).assign(song=rows["song"].to_numpy()))
        return pd.concat(found[1:] or found).groupby("song").mean()


def window_notes(root: Path) -> dict[str, list[str]]:
    """Read by what and from what the windows that are there were made, for each network; nothing without any."""
    try:
        notes = json.loads((root / FOLDER / FRAME_NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
