"""The songs of a library as points, in an index on disk.

How songs become points stands in `embedding`.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from soundalike import cli
from soundalike.dataset.frame import current_notes, read_library
from soundalike.dataset.nuisance import shipped_shifts
from soundalike.dataset.segments import read_segments, segment_rows
from soundalike.embedding import Embedding, fit, from_arrays, to_arrays
from soundalike.features.vocals import VOCALS, kind_of
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import NOTES
from soundalike.library.storage import atomic_write, fresh, locked, made_from, read_notes
from soundalike.similarity.quality import measure_likeness, measure_quality
from soundalike.song import FEATURES, Song, read_tables

VERSION = 11  # raise it when the same songs would lie elsewhere

SONG_LABELS = ["song", "artist", "album", "title", "seconds", "hash", "sound", "recording", "kind"]


class Index(NamedTuple):
    """The songs of a library; its arrays are read from disk as needed."""

    # One row for each: `SONG_LABELS`, see `duplicates.mark_duplicates`; ``kind`` (`vocals.kind_of`) is missing where
    # singing was not searched for.
    songs: pd.DataFrame
    described: np.ndarray  # see `Embedding.describe` [shape=(songs, columns)]
    points: np.ndarray  # see `Embedding.points`
    embedding: Embedding
    quality: dict  # see `quality.measure_quality`
    likeness: dict  # see `quality.measure_likeness`


def describe(song: Song, embedding: Embedding) -> np.ndarray:
    """Describe a song by the ears of an index, see `Embedding.describe` [shape=(columns,)]."""
    return embedding.describe(segment_rows(song, embedding.ears))


def map_positions(index: Index, most: int = 3000) -> pd.DataFrame:
    """Lay songs out in a plane, those that sound alike side by side: t-SNE of the cosine, always the same.

    Van der Maaten and Hinton, "Visualizing data using t-SNE", 2008. How far apart groups lie, and how
    large they are, means nothing there.

    Parameters
    ----------
    index : Index
        The library.
    most : int
        Of larger libraries, so many songs are drawn at random.

    Returns
    -------
    pd.DataFrame
        `SONG_LABELS`, ``x`` and ``y``, without a unit; empty for fewer than five songs.
    """
    shown = np.sort(np.random.default_rng(0).permutation(len(index.songs))[:most])
    songs, points = index.songs.iloc[shown], np.asarray(index.points[shown])
    if len(shown) < 5:
        return songs.iloc[:0].assign(x=0.0, y=0.0)
    from sklearn.manifold import TSNE  # which takes long, and the map alone needs it

    start = points[:, :2] / points[:, :1].std() * 1e-4  # the directions in which songs differ most
    near = min(30, (len(shown) - 1) / 3)
    with threadpool_limits(1):  # how sums are shared out among threads changes where songs lie
        x, y = TSNE(perplexity=near, metric="cosine", init=start, random_state=0).fit_transform(points).T
    return songs.assign(x=x, y=y)


# --- on disk ---------------------------------------------------------------------------------


def build_index(root: Path) -> None:
    """Make the index of the songs of a library's frame; their tables are read one after the other."""
    with (
        locked(root, wait=True),
        atomic_write(root / "similar") as folder,
        threadpool_limits(1),  # its threads only get in each other's way
    ):
        folder.mkdir()
        songs, ears, kinds = read_library(root), [FEATURES, *current_notes(root)["networks"]], []
        embedding = fit(read_segments(root, songs["song"], ears).rows)
        with (
            cli.bar(len(songs), "Comparing", "songs") as bar,
            (folder / "described.f32").open("wb") as file,
            (folder / "points.f32").open("wb") as points_file,
        ):
            for _, song in read_tables(root, songs["song"], [*ears, VOCALS]):
                described = describe(song, embedding)
                file.write(described.astype(np.float32).tobytes())
                points_file.write(embedding.points(described[None]).tobytes())
                kinds.append(kind_of(song.vocals[song.loud]) if VOCALS in song.table.column_names else None)
                bar.update()
        np.savez(folder / "embedding.npz", **to_arrays(embedding))  # type: ignore[arg-type]
        songs["kind"] = pd.Series(kinds, songs.index, str)
        songs[SONG_LABELS].to_parquet(folder / "songs.parquet", index=False)
        _, points = _read_arrays(folder, embedding)
        notes = {
            "made_from": {"all": made_from(*_inputs(root))},
            "ears": ears,
            "quality": measure_quality(points, songs, embedding),
            "likeness": measure_likeness(points, songs, embedding),
        }
        (folder / NOTES).write_text(json.dumps(notes), encoding="utf-8")


def _inputs(root: Path) -> list:
    """List what an index is made from: the songs of the frame, their networks, the directions that are attenuated."""
    keys = current_notes(root)["made_from"]
    return [keys["all"], keys["networks"], hashlib.blake2b(shipped_shifts().tobytes()).hexdigest(), VERSION]


def _read_arrays(folder: Path, embedding: Embedding) -> list[np.ndarray]:
    """Map the descriptions and the points of an index, see `Index`."""
    columns, dimensions = np.sum([space.basis.shape for space in embedding.ears.values()], axis=0)
    widths = {"described.f32": columns, "points.f32": dimensions}
    return [np.memmap(folder / name, np.float32, "r").reshape(-1, width) for name, width in widths.items()]


def load_index(root: Path, *, make: bool = True) -> Index:
    """Return the index of a library.

    Parameters
    ----------
    root : Path
        Of the library.
    make : bool
        Whether it is made first where there is none, or the frame has changed.

    Raises
    ------
    UserError
        If there is no frame, one of other features, or one that is older than songs.csv; or no index, and none is made.
    """
    folder, inputs = root / "similar", _inputs(root)
    if not fresh(read_notes(folder), *inputs):
        if not make:
            raise UserError(f"{printable(folder)} is out of date; recommend.py makes it again.")
        build_index(root)
    notes = read_notes(folder)
    try:
        with np.load(folder / "embedding.npz", allow_pickle=False) as arrays:
            embedding = from_arrays(arrays, notes["ears"])
        songs = pd.read_parquet(folder / "songs.parquet")
        described, points = _read_arrays(folder, embedding)
        if not len(songs) == len(described) == len(points):
            raise ValueError
        return Index(songs, described, points, embedding, notes["quality"], notes["likeness"])
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException):
        raise UserError(f"{printable(folder)} is damaged. Delete that folder; it is made again.") from None
