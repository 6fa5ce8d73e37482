"""Which songs sound alike: songs as points, an index of them on disk, and the nearest.

How songs become points stands in `dataset.whitening`.
"""

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from soundalike import cli
from soundalike.dataset.frame import ROW_GROUP, current_notes, frame_notes, iter_songs
from soundalike.dataset.splits import MIN_ALBUMS, album_counts, album_names
from soundalike.dataset.whitening import FEATURES, WIDTHS, Space, Spaces, fit_spaces, parts, unit
from soundalike.dataset.windows import Windows
from soundalike.features.networks import NETWORKS, numbers_of
from soundalike.features.nuisance import altered_hash, read_altered
from soundalike.features.one_song import DecodedSong
from soundalike.features.table import ASPECTS, CLIP_COLUMNS, columns
from soundalike.library.catalogue import read_songs
from soundalike.library.errors import UserError, printable
from soundalike.library.storage import atomic_write, locked

INDEX_VERSION = 5  # of the index; raise it when the same songs would lie elsewhere
SEEDS, SEEDS_AT_ONCE = 1000, 50  # songs, at most, by which the quality is measured; how many at a time

SONG_LABELS = ["song", "artist", "album", "title", "seconds", "hash"]

# Which columns of a description belong to which aspect: means first, then deviations.
OF_ASPECT = {
    aspect: np.flatnonzero(np.isin(2 * CLIP_COLUMNS, [column for name in names for column in columns(name)]))
    for aspect, names in ASPECTS.items()
}


class Index(NamedTuple):
    """The songs of a library; its arrays are read from disk as needed."""

    songs: pd.DataFrame  # one row for each, with `SONG_LABELS`
    described: np.ndarray  # see `song_descriptions`; beside them, what networks make of songs: means of windows
    points: np.ndarray  # see `Spaces.points`
    spaces: Spaces
    quality: dict  # see `measure_quality`


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


def nearest_songs(index: Index, described: np.ndarray, barred: np.ndarray, count: int) -> pd.DataFrame:
    """The songs that sound most like a song.

    Parameters
    ----------
    index : Index
        The library.
    described : np.ndarray [shape=(columns,)]
        The song. Ears without numbers for it do not count.
    barred : np.ndarray of bool [shape=(songs,)]
        Songs not to be named.
    count : int
        How many to name, at most.

    Returns
    -------
    pd.DataFrame
        The nearest song first: `SONG_LABELS`; ``distance``, one minus the cosine (0 the same, 1 what songs
        drawn at random have on average, 2 the opposite); and what each aspect adds to the cosine, see `aspects`.
    """
    (point,) = index.spaces.points(described[None])
    common = index.spaces.common(index.points, point)
    distance = np.where(barred, np.inf, 1 - index.points @ point / common)
    first = np.argsort(distance, kind="stable")[: min(count, int((~barred).sum()))]
    found = index.songs.iloc[first].assign(distance=distance[first])
    added = _shares(index.spaces, described, np.asarray(index.described[first]))
    return found.assign(**{aspect: values / common[first] for aspect, values in added.items()})


def aspects(songs: pd.DataFrame) -> list[str]:
    """Return the columns of `nearest_songs` that say what songs have in common: `ASPECTS`, and those of networks."""
    every = [*ASPECTS, *(network.aspect for network in NETWORKS.values())]
    return [aspect for aspect in every if aspect in songs]


def _shares(spaces: Spaces, song: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """What each aspect adds to the cosine between a song and others: exact, for the cosine is a sum over columns."""
    shares: dict[str, np.ndarray] = {}
    for ear, space, share, described in spaces.blocks(np.concatenate([song[None], others])):
        rows = described - space.centre
        points = rows @ space.basis
        length = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
        rows, back = rows / length, points / length @ space.basis.T
        added = np.nan_to_num((rows[0] * back[1:] + rows[1:] * back[0]) / 2 * share)
        if ear == FEATURES:
            shares |= {aspect: added[:, own].sum(axis=1) for aspect, own in OF_ASPECT.items()}
        else:
            shares[NETWORKS[ear].aspect] = added.sum(axis=1)
    return shares


def measure_quality(points: np.ndarray, described: np.ndarray, songs: pd.DataFrame, spaces: Spaces) -> dict:
    """How often the song that sounds most alike, on another album, is by the same artist.

    Parameters
    ----------
    points, described : np.ndarray
        The songs.
    songs : pd.DataFrame
        Their `SONG_LABELS`. An artist's songs without an album count as one album.
    spaces : Spaces
        Of the points.

    Returns
    -------
    dict
        ``right``, the share of songs for which it is, and the ends ``low`` and ``high`` of its 95%
        interval (Wilson, as if songs were independent), None unless each of these artists has
        `MIN_ALBUMS` albums; the same share by the cosine between features that are only ``scaled``,
        and that are ``plain``; ``chance``, for a song drawn at random; ``songs``, how many were asked
        (drawn at random among those whose artist has another album), and of how many ``artists``. If no
        artist has another album, ``albums`` is False, all songs are asked, and their own albums count.
    """
    count = songs["artist"].map(album_counts(songs)).to_numpy()
    albums = count > 1
    keys = songs["artist"], songs["artist"] + "\n" + album_names(songs)
    artist, album = (pd.factorize(key)[0] for key in keys)
    own = album if albums.any() else np.arange(len(songs))
    asked = np.random.default_rng(0).permutation(np.flatnonzero(albums | ~albums.any()))[:SEEDS]
    space = spaces.ears[FEATURES]
    described = described[:, : WIDTHS[FEATURES]]
    ways = {
        "right": (points, lambda rows: rows),
        "scaled": (described, lambda rows: unit((rows - space.centre) / space.scale)),
        "plain": (described, unit),
    }
    hits: dict[str, list] = {name: [] for name in (*ways, "chance")}
    for some in np.array_split(asked, -(-len(asked) // SEEDS_AT_ONCE)):
        same, others = artist[some, None] == artist, own[some, None] != own
        same &= others  # of a song that is alone, nothing is right
        for name, (rows, view) in ways.items():
            ours = view(rows[some])
            cosine = np.concatenate([ours @ view(part).T for part in parts(rows)], axis=1)
            first = np.where(others, cosine, -np.inf).argmax(axis=1)
            hits[name].extend(same[np.arange(len(some)), first])
        hits["chance"].extend(same.sum(axis=1) / np.maximum(others.sum(axis=1), 1))
    found: dict = {name: float(np.mean(values)) for name, values in hits.items()}
    from scipy.stats import binomtest  # which takes long, and few calls need it

    ends = binomtest(int(sum(hits["right"])), len(asked)).proportion_ci(method="wilson")
    few = albums.any() and count[asked].min() < MIN_ALBUMS
    low, high = (None, None) if few else (float(ends.low), float(ends.high))
    found |= {"low": low, "high": high, "songs": len(asked)}
    return found | {"artists": len(set(artist[asked])), "albums": bool(albums.any())}


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
    with (
        locked(root, wait=True),
        atomic_write(root / "similar") as folder,
        threadpool_limits(1),  # its threads only get in each other's way
    ):
        folder.mkdir()
        names, windows = [], Windows(root)
        with (folder / "described.f32").open("wb") as file:
            for clips in iter_songs(root, ["song", "silent", *CLIP_COLUMNS], ROW_GROUP):
                rows = song_descriptions(clips[~clips["silent"]])
                of_networks = [
                    describe_by_network(ear, windows.read(ear, list(rows.index)), rows.index) for ear in windows.names
                ]
                names.extend(rows.index)
                file.write(np.hstack([rows.to_numpy(), *of_networks]).tobytes())
        ears = [FEATURES, *windows.names]
        described = _read_described(folder, ears)
        spaces = fit_spaces(described, ears, find_song_shifts(read_altered(root)))
        with (folder / "points.f32").open("wb") as file:
            for part in parts(described):
                file.write(spaces.points(part).tobytes())
        arrays = {ear: space._asdict() for ear, space in spaces.ears.items()}
        np.savez(folder / "spaces.npz", **{f"{ear} {key}": of[key] for ear, of in arrays.items() for key in of})
        songs = read_songs(root).set_index("song").reindex(names).reset_index()[SONG_LABELS]
        if songs["artist"].isna().any():
            raise UserError(f"The frame in {printable(root)} is older than songs.csv. Run dataframe_creation.py.")
        songs.to_parquet(folder / "songs.parquet", index=False)
        found = measure_quality(_read_points(folder, spaces), described, songs, spaces)
        about = _made_of(root, frame_notes(root)) | {"quality": found}
        (folder / "index.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _read_described(folder: Path, ears: Iterable[str]) -> np.ndarray:
    return np.memmap(folder / "described.f32", np.float32, "r").reshape(-1, sum(WIDTHS[ear] for ear in ears))


def _read_points(folder: Path, spaces: Spaces) -> np.ndarray:
    width = sum(space.basis.shape[1] for space in spaces.ears.values())
    return np.memmap(folder / "points.f32", np.float32, "r").reshape(-1, width)


def load_index(root: Path, *, make: bool = True) -> Index:
    """The index of a library.

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
            raise UserError(f"{printable(folder)} is out of date.")
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
        return Index(songs, described, points, spaces, about["quality"])
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException):
        raise UserError(f"{printable(folder)} is damaged. Delete that folder; it is made again.") from None


def _made_of(root: Path, noted: dict) -> dict:
    """Return what marks an index as up to date: its version, the frame, the altered songs and the windows."""
    noted = {"version": INDEX_VERSION, "made_from": noted["made_from"], "altered": altered_hash(root)}
    return noted | {"windows": Windows(root).made_of()}


def _about(folder: Path) -> dict:
    """What index.json says; nothing if there is none, or it is damaged."""
    try:
        about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


WORTH_NAMING = 0.03  # what an aspect adds to the cosine to be named


def why_alike(song: pd.Series) -> str:
    """What two songs have in common, in words: the aspects that add most to the cosine between them."""
    added = song[aspects(song.to_frame().T)].astype(float).sort_values(ascending=False)
    named = ", ".join(added.index[added >= WORTH_NAMING])
    return f"alike in {named}" if named else "not much alike"


def quality_in_words(quality: dict) -> str:
    """How good such recommendations are, in a sentence."""
    which = "on another album is" if quality["albums"] else "(of any album, for no artist has two) is"
    sure = "too few albums for an interval"
    if quality["low"] is not None:
        sure = f"95% CI {100 * quality['low']:.0f}–{100 * quality['high']:.0f}%"
    return (
        f"In this library the most similar song {which} by the same artist for {100 * quality['right']:.0f}% of "
        f"{cli.counted(quality['songs'], 'song')} ({sure}; at random {100 * quality['chance']:.0f}%)."
    )
