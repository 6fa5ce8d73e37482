"""The songs of a library as points, in an index on disk.

How songs become points stands in `dataset.whitening`.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from soundalike.dataset.frame import ROW_GROUP, current_notes, frame_notes, iter_songs
from soundalike.dataset.whitening import FEATURES, WIDTHS, Space, Spaces, fit_spaces, parts
from soundalike.dataset.windows import Windows
from soundalike.features.networks import numbers_of
from soundalike.features.nuisance import altered_hash, read_altered
from soundalike.features.one_song import DecodedSong
from soundalike.features.table import CLIP_COLUMNS
from soundalike.library.catalogue import read_songs
from soundalike.library.errors import UserError, printable
from soundalike.library.storage import atomic_write, locked
from soundalike.similarity.quality import measure_likeness, measure_quality

INDEX_VERSION = 7  # of the index; raise it when the same songs would lie elsewhere

SONG_LABELS = ["song", "artist", "album", "title", "seconds", "hash", "recording", "work"]


class Index(NamedTuple):
    """The songs of a library; its arrays are read from disk as needed."""

    songs: pd.DataFrame  # one row for each, with `SONG_LABELS`; copies have one ``recording``, versions one ``work``
    described: np.ndarray  # see `song_descriptions`; beside them, what networks make of songs: means of windows
    points: np.ndarray  # see `Spaces.points`
    spaces: Spaces
    quality: dict  # see `quality.measure_quality`
    likeness: dict  # see `quality.measure_likeness`


def song_descriptions(clips: pd.DataFrame) -> pd.DataFrame:
    """Describe songs by the means of their clips' features, and by how these vary from clip to clip.

    Parameters
    ----------
    clips : pd.DataFrame
        Rows of a frame that are not silent.

    Returns
    -------
    pd.DataFrame
        One row for each song, in order of song; for each of `CLIP_COLUMNS` a mean, then for each a
        standard deviation.
    """
    by_song = clips.groupby("song")[CLIP_COLUMNS]
    return pd.concat([by_song.mean(), by_song.std(ddof=0).add_suffix(" varies")], axis=1).astype(np.float32)


def describe_by_network(name: str, windows: dict[str, pd.DataFrame], songs: Iterable[str]) -> np.ndarray:
    """Average what a network makes of the windows of each of some songs; not a number where there are none.

    Returns
    -------
    np.ndarray [shape=(songs, columns), dtype=float32]
    """
    missing = np.full(WIDTHS[name], np.nan, np.float32)
    rows = [windows.get(song, missing[:0]) for song in songs]
    return np.stack([numbers_of(own).mean(axis=0) if len(own) else missing for own in rows]).astype(np.float32)


def describe_decoded(song: DecodedSong, index: "Index") -> np.ndarray:
    """Describe a song that may be in no library as an index describes its own [shape=(columns,)]."""
    (features,) = song_descriptions(song.loud.assign(song="")).to_numpy()
    networks = (ear for ear in index.spaces.ears if ear != FEATURES)
    return np.concatenate(
        [features, *(describe_by_network(ear, {"": song.windows.get(ear, [])}, [""])[0] for ear in networks)]
    )


def find_song_shifts(altered: pd.DataFrame) -> np.ndarray:
    """Find how far alterations move descriptions of songs [shape=(shifts, columns)]; see `invariance.find_shifts`."""
    from soundalike.dataset.invariance import find_shifts  # scikit-learn takes long, and asking does without

    def describe(clips: np.ndarray) -> np.ndarray:
        return np.concatenate([clips.mean(axis=0), clips.std(axis=0)])

    return find_shifts(altered, CLIP_COLUMNS, describe).to_numpy()


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
    """Make the index of a library: its frame is read once, some songs at a time."""
    # scikit-learn takes long, and asking does without
    from soundalike.dataset.duplicates import COPY, USED, find_pairs, linked, read_contours

    with (
        locked(root, wait=True),
        atomic_write(root / "similar") as folder,
        threadpool_limits(1),  # its threads only get in each other's way
    ):
        folder.mkdir()
        windows = Windows(root)
        columns = list(dict.fromkeys([*USED, *CLIP_COLUMNS]))
        _, means, contours = read_contours(_describe_all(root, columns, windows, folder / "described.f32"))
        ears = [FEATURES, *windows.names]
        described = _read_described(folder, ears)
        spaces = fit_spaces(described, ears, find_song_shifts(read_altered(root)))
        with (folder / "points.f32").open("wb") as file:
            for part in parts(described):
                file.write(spaces.points(part).tobytes())
        arrays = {ear: space._asdict() for ear, space in spaces.ears.items()}
        np.savez(folder / "spaces.npz", **{f"{ear} {key}": of[key] for ear, of in arrays.items() for key in of})
        songs = read_songs(root).set_index("song").reindex(list(contours)).reset_index()
        if songs["artist"].isna().any():
            raise UserError(f"The frame in {printable(root)} is older than songs.csv. Run dataframe_creation.py.")
        pairs = find_pairs(means, contours, songs, root)
        songs["recording"] = linked(songs["song"], pairs[pairs["why"] == COPY])
        songs["work"] = linked(songs["song"], pairs)
        songs[SONG_LABELS].to_parquet(folder / "songs.parquet", index=False)
        points = _read_points(folder, spaces)
        about = _made_of(root, frame_notes(root)) | {
            "quality": measure_quality(points, described, songs, spaces),
            "likeness": measure_likeness(points, songs, spaces),
        }
        (folder / "index.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _describe_all(root: Path, columns: list[str], windows: Windows, path: Path) -> Iterator[pd.DataFrame]:
    """Pass on the frame, some songs at a time; the descriptions of all that are not silent go into a file."""
    with path.open("wb") as file:
        for clips in iter_songs(root, columns, ROW_GROUP):
            rows = song_descriptions(clips[~clips["silent"]])
            of_networks = [
                describe_by_network(ear, windows.read(ear, list(rows.index)), rows.index) for ear in windows.names
            ]
            file.write(np.hstack([rows.to_numpy(), *of_networks]).tobytes())
            yield clips


def _read_described(folder: Path, ears: Iterable[str]) -> np.ndarray:
    return np.memmap(folder / "described.f32", np.float32, "r").reshape(-1, sum(WIDTHS[ear] for ear in ears))


def _read_points(folder: Path, spaces: Spaces) -> np.ndarray:
    width = sum(space.basis.shape[1] for space in spaces.ears.values())
    return np.memmap(folder / "points.f32", np.float32, "r").reshape(-1, width)


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
    noted, folder = current_notes(root), root / "similar"
    about = _about(folder)
    if not _made_of(root, noted).items() <= about.items():
        if not make:
            raise UserError(f"{printable(folder)} is out of date; recommend.py makes it again.")
        try:
            build_index(root)
        except pa.ArrowException as error:
            raise UserError(
                f"The frame in {printable(root)} is damaged ({error}). Run dataframe_creation.py."
            ) from None
        about = _about(folder)
    try:
        with np.load(folder / "spaces.npz", allow_pickle=False) as arrays:
            ears = [FEATURES, *about["windows"]]
            spaces = Spaces({ear: Space(*(arrays[f"{ear} {key}"] for key in Space._fields)) for ear in ears})
        songs = pd.read_parquet(folder / "songs.parquet")
        described, points = _read_described(folder, ears), _read_points(folder, spaces)
        if not len(songs) == len(described) == len(points):
            raise ValueError
        return Index(songs, described, points, spaces, about["quality"], about["likeness"])
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException):
        raise UserError(f"{printable(folder)} is damaged. Delete that folder; it is made again.") from None


def _made_of(root: Path, noted: dict) -> dict:
    """Return what marks an index as up to date: its version, the frame, the altered songs and the windows."""
    noted = {"version": INDEX_VERSION, "made_from": noted["made_from"], "altered": altered_hash(root)}
    return noted | {"windows": Windows(root).made_of()}


def _about(folder: Path) -> dict:
    """Return what index.json says; nothing if there is none, or it is damaged."""
    try:
        about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}
