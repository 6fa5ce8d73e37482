"""The networks' numbers for the windows of all songs: gathered in ``networks.parquet/``, one file for each network."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soundalike import cli
from soundalike.dataset.frame import frame_notes
from soundalike.features import musicnn
from soundalike.features.networks import (
    MUSICNN,
    NETWORKS,
    NUMBERS,
    network_path,
    noted_spacing,
    numbers_of,
)
from soundalike.library.errors import UserError, printable
from soundalike.library.storage import FRAME_NOTES, atomic_write, hash_of

FOLDER = "networks.parquet"  # in the root
KEYS = ("made_by", "every", "made_from")  # what windows are known by: network, clips from one to the next, songs
ROW_GROUP = 2_048  # windows; they are in order of song, so few groups are read for some songs


def gather_windows(songs: pd.DataFrame, root: Path, names: list[str]) -> dict[str, int]:
    """Gather the tables that songs have of networks, beside the frame of these songs; what is up to date stays.

    Of tables with windows of several spacings, those of the widest are taken, so that all songs are described alike.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv, in order of song.
    root : Path
        Of the library.
    names : list of str
        Networks.

    Returns
    -------
    dict of str to int
        How many songs each network describes.

    Raises
    ------
    UserError
        If a table cannot be read.
    """
    rows = list(zip(songs["song"], songs["hash"], strict=True))
    wanted: dict[str, dict] = {}
    there: dict[str, list[str]] = {}
    for name in names:
        spacings = [noted_spacing(root, name, song, digest) for song, digest in rows]
        every = max(spacings)
        used = [spacing > 0 and every % spacing == 0 for spacing in spacings]
        there[name] = [song for (song, _), taken in zip(rows, used, strict=True) if taken]
        if every:
            about = (NETWORKS[name].made_by, every, hash_of([rows, spacings]))
            wanted[name] = dict(zip(KEYS, about, strict=True))
    frame = frame_notes(root).get("made_from", "")
    noted = window_notes(root)
    whole = all(_is_whole(root, name, of, frame) for name, of in noted.items())
    if not whole or wanted != {name: {key: of.get(key) for key in KEYS} for name, of in noted.items()}:
        with atomic_write(root / FOLDER) as folder:
            folder.mkdir()
            for name, noting in wanted.items():
                path = folder / f"{name}.parquet"
                _write(path, name, there[name], noting["every"], root)
                noting["bytes"] = path.stat().st_size
            (folder / FRAME_NOTES).write_text(json.dumps({"frame": frame, "networks": wanted}), encoding="utf-8")
    return {name: len(those) for name, those in there.items()}


def print_gathered(found: dict[str, int], songs: int) -> None:
    """Print which networks describe how many songs, see `gather_windows`."""
    for name, count in found.items():
        missing = "" if count == songs else f" of {songs:,}; to describe the others, run feature_extraction.py"
        print(f"{name} describes {cli.counted(count, 'song')}{missing}.")


def _write(path: Path, name: str, songs: list[str], every: int, root: Path) -> None:
    """Write the windows of these songs, in their order, one at every so many clips."""
    lists = pa.list_(pa.float32(), len(NETWORKS[name].columns))
    kinds = {"song": pa.string(), "clip": pa.int64(), "start": pa.float64(), NUMBERS: lists}
    schema = pa.schema(list(kinds.items()))
    with pq.ParquetWriter(path, schema, use_dictionary=["song"], write_statistics=["song"]) as writer:
        group: list[pa.Table] = []
        for song in songs:
            try:
                table = pq.read_table(network_path(root, name, song), use_threads=False)
                table = table.filter(table["clip"].to_numpy() % every == 0)
            except (OSError, KeyError, pa.ArrowException):
                where = printable(network_path(root, name, song))
                raise UserError(f"{where} cannot be read. Delete it, and run feature_extraction.py again.") from None
            group.append(table.add_column(0, "song", pa.repeat(pa.scalar(song), len(table))).cast(schema))
            if sum(map(len, group)) >= ROW_GROUP or song == songs[-1]:
                writer.write_table(pa.concat_tables(group))
                group = []


class Windows:
    """The networks' numbers for a library, where they lie.

    Parameters
    ----------
    root : Path, optional
        Of the library; without one there are none.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.folder = (root or Path()) / FOLDER
        noted = window_notes(root) if root else {}
        frame = frame_notes(root).get("made_from", "") if root else ""
        self._noted = used = {name: of for name, of in noted.items() if root and _is_whole(root, name, of, frame)}
        self.names = [name for name in NETWORKS if name in used]  # in this order everywhere
        self.spacings = {name: used[name]["every"] for name in self.names}  # from one window to the next, in clips

    def made_of(self) -> dict[str, list]:
        """Return by what the windows of each network are known, see `KEYS`."""
        return {name: [self._noted[name][key] for key in KEYS] for name in self.names}

    def read(self, name: str, songs: list[str]) -> dict[str, pd.DataFrame]:
        """Read what a network makes of some songs, see `networks.describe_windows`."""
        if not songs:
            return {}
        # Of a list of more than 50, pyarrow passes over no groups of rows; of a range it does.
        some = [("song", ">=", min(songs)), ("song", "<=", max(songs)), ("song", "in", songs)]
        rows = pd.read_parquet(self.folder / f"{name}.parquet", filters=some)
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


def window_notes(root: Path) -> dict[str, dict]:
    """Read what is noted of the windows of each network: `KEYS`, ``bytes`` and ``frame``."""
    try:
        notes = json.loads((root / FOLDER / FRAME_NOTES).read_text(encoding="utf-8"))
        return {name: of | {"frame": notes["frame"]} for name, of in notes["networks"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_whole(root: Path, name: str, noted: dict, frame: str) -> bool:
    """Whether the windows of a network are all there, by the network of today, and of the frame that is there."""
    path = root / FOLDER / f"{name}.parquet"
    try:
        whole = noted["bytes"] == path.stat().st_size and noted["frame"] == frame
        return whole and noted["made_by"] == NETWORKS[name].made_by
    except (OSError, KeyError):
        return False
