"""The songs of a library as points, in an index on disk; which of them sound alike, in what, and how sure that is.

How songs become points stands in `embedding`.
"""

import contextlib
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from soundalike.embedding import (
    Embedding,
    by_aspect,
    first_clips,
    fit_embedding,
    from_arrays,
    lengths,
    read_segments,
    segment_rows,
    shipped_shifts,
    to_arrays,
)
from soundalike.features import ASPECTS
from soundalike.frame import current_notes, read_library
from soundalike.library import NOTES, atomic_write, fresh, locked, made_from, read_notes
from soundalike.messages import progress
from soundalike.networks import NETWORKS
from soundalike.networks.vocals import VOCALS
from soundalike.song import FEATURES, Song, read_tables
from soundalike.splits import MIN_ALBUMS, album_counts, album_keys
from soundalike.traits import traits_of

VERSION = 13  # raise it when the same songs would lie elsewhere

SONG_LABELS = ["song", "artist", "album", "title", "seconds", "hash", "sound", "recording"]
WORTH_NAMING = 0.03  # what an aspect adds to the cosine to be named
MAYBE_COPIES = 3  # songs most like a file, which may be copies of it
SEEDS = 1000  # songs, at most, by which the quality is measured
FEWER_SEEDS = 300  # the same for what distances mean
STEP = 0.01  # of distance, in which pairs of songs are counted
SEGMENTS = 12  # of each song, evenly spaced, are kept to be heard: a longer song is heard at some of its moments
# The files of an index, see `Index`, and what they hold: of a song its description and its point, and of some of its
# segments their starts and points.
ARRAYS = {"described.f32": np.float32, "points.f32": np.float32, "starts.f32": np.float32, "segments.f16": np.float16}
DAMAGED = (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException)  # what says so
AT_ONCE = 64  # songs to which distances are computed together
LEAST_PAIRS = 10  # nearer pairs of one album, say, from which on it can be said that most are
ALBUM, ARTIST, DIFFERENT = "one album", "one artist", "different artists"  # of the two songs


def measure_likeness(points: np.ndarray, songs: pd.DataFrame, embedding: Embedding) -> dict:
    """Measure at which distances most pairs of songs are of one album or artist, and how far those of others are apart.

    Parameters
    ----------
    points, songs, embedding
        See `measure_quality`.

    Returns
    -------
    dict
        For `ALBUM` and `ARTIST` the distance (see `distances`) up to which most pairs are: beyond it the share
        of such pairs, isotonic in distance, is below half; None if it always is, or if they are few. For `DIFFERENT`
        the 0th to 100th percentile of the distances between songs of different artists; none if there are few.
        Copies and versions are not counted.
    """
    from sklearn.isotonic import IsotonicRegression  # which takes long, and asking does without

    artist, album, recording = _numbered(songs)
    several, named = bool((album_counts(songs) > 1).any()), songs["album"].to_numpy() != ""
    edges = np.arange(0, 2 + STEP, STEP)
    counts = {name: np.zeros(len(edges) - 1) for name in (ALBUM, ARTIST, DIFFERENT)}
    for song in np.random.default_rng(0).permutation(len(songs))[:FEWER_SEEDS]:
        distances = embedding.distances(points, points[song])
        others, same = recording != recording[song], artist == artist[song]
        groups = {ALBUM: same & (album == album[song]) & named & several, ARTIST: same, DIFFERENT: ~same}
        for name, group in groups.items():
            counts[name] += np.histogram(distances[group & others].clip(0, 2), edges)[0]
    pairs = counts[ARTIST] + counts[DIFFERENT]
    likeness: dict = {}
    for name in (ALBUM, ARTIST):
        share = counts[name] / np.maximum(pairs, 1)
        falling = IsotonicRegression(increasing=False).fit(edges[1:], share, sample_weight=pairs + 1e-9)
        most = np.flatnonzero((falling.predict(edges[1:]) >= 0.5) & (pairs > 0))
        enough = len(most) and counts[name][: most[-1] + 1].sum() >= LEAST_PAIRS
        likeness[name] = float(edges[most[-1] + 1]) if enough else None
    shares = np.cumsum(counts[DIFFERENT]) / max(counts[DIFFERENT].sum(), 1)
    enough = counts[DIFFERENT].sum() >= LEAST_PAIRS
    percentiles = np.interp(np.linspace(0, 1, 101), shares, edges[1:]) if enough else np.empty(0)
    return likeness | {DIFFERENT: percentiles.round(3).tolist()}


def _numbered(songs: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Return the artist, the album and the recording of each song, as numbers."""
    return tuple(pd.factorize(key)[0] for key in (songs["artist"], album_keys(songs), songs["recording"]))


def as_similarity(distance: float) -> float:
    """Return a distance as programs get it: 1 the same, 0.5 what songs drawn at random have, 0 the opposite."""
    return round(float(1 - distance / 2), 4)


def is_far(distance: Any, likeness: dict) -> Any:
    """Whether songs at this distance, or these, are no more alike than half of those by different artists."""
    percentiles = likeness[DIFFERENT]
    return distance >= (percentiles[50] if percentiles else np.inf)


def measure_quality(points: np.ndarray, songs: pd.DataFrame, embedding: Embedding) -> dict:
    """Measure how often the song that sounds most alike, on another album and no version, is by the same artist.

    Parameters
    ----------
    points : np.ndarray [shape=(songs, dimensions)]
        The songs.
    songs : pd.DataFrame
        Their `SONG_LABELS`. An artist's songs without an album count as one album.
    embedding : Embedding
        Of the points.

    Returns
    -------
    dict
        ``right``, the share of songs for which it is, and the ends ``low`` and ``high`` of its 95%
        interval (Wilson, as if songs were independent), None unless each of these artists has
        `MIN_ALBUMS` albums; ``chance``, for a song drawn at random; ``songs``, how many were asked
        (drawn at random among those whose artist has another album). If no artist has another album,
        ``albums`` is False, all songs are asked, and their own albums count.
    """
    count = songs["artist"].map(album_counts(songs)).to_numpy()
    albums = count > 1
    artist, album, recording = _numbered(songs)
    unit = album if albums.any() else recording
    seeds = np.random.default_rng(0).permutation(np.flatnonzero(albums | ~albums.any()))[:SEEDS]
    right: list[bool] = []
    chance: list[float] = []
    for song in seeds:
        others = (unit[song] != unit) & (recording[song] != recording)
        same = others & (artist[song] == artist)  # of a song that is alone, nothing is right
        nearest = np.where(others, embedding.distances(points, points[song]), np.inf).argmin()
        right.append(bool(same[nearest]))
        chance.append(same.sum() / max(others.sum(), 1))
    from scipy.stats import binomtest  # which takes long, and few calls need it

    interval = binomtest(int(sum(right)), len(seeds)).proportion_ci(method="wilson")
    few = albums.any() and count[seeds].min() < MIN_ALBUMS
    return {
        "right": float(np.mean(right)),
        "low": None if few else float(interval.low),
        "high": None if few else float(interval.high),
        "chance": float(np.mean(chance)),
        "songs": len(seeds),
        "albums": bool(albums.any()),
    }


class Index(NamedTuple):
    """The songs of a library; its arrays are read from disk as needed."""

    songs: pd.DataFrame  # one row for each: `SONG_LABELS`, see `duplicates.mark_duplicates`, and `traits.TRAITS`
    described: np.ndarray  # see `Embedding.describe` [shape=(songs, columns)]
    points: np.ndarray  # see `Embedding.points`
    embedding: Embedding
    quality: dict  # see `similarity.measure_quality`
    likeness: dict  # see `similarity.measure_likeness`
    # Some segments of each song: their starts (s), and their points.
    starts: np.ndarray = np.empty((0, SEGMENTS), np.float32)  # [shape=(songs, SEGMENTS)]
    segments: np.ndarray = np.empty((0, SEGMENTS, 0), np.float16)  # [shape=(songs, SEGMENTS, dimensions)]


def describe_song(song: Song, embedding: Embedding) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Describe a song as an `Index` does: see `Embedding.describe`; the starts (s) and points of some segments."""
    rows = segment_rows(song, embedding.ears)
    points = np.nan_to_num(embedding.segment_points(rows))
    starts = song.start[song.loud][first_clips(int(song.loud.sum()))]
    chosen = np.linspace(0, len(starts) - 1, SEGMENTS).round().astype(int)
    return embedding.describe(rows), starts[chosen].astype(np.float32), points[chosen].astype(np.float16)


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
    perplexity = min(30, (len(shown) - 1) / 3)
    with threadpool_limits(1):  # how sums are shared out among threads changes where songs lie
        x, y = TSNE(perplexity=perplexity, metric="cosine", init=start, random_state=0).fit_transform(points).T
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
        songs, ears, traits = read_library(root), [FEATURES, *current_notes(root)["networks"]], []
        embedding = fit_embedding(read_segments(root, songs["song"], ears).rows)
        with progress(len(songs), "Comparing", "songs") as bar, contextlib.ExitStack() as stack:
            files = [stack.enter_context((folder / name).open("wb")) for name in ARRAYS]
            for _, song in read_tables(root, songs["song"], [*ears, VOCALS]):
                described, *of_segments = describe_song(song, embedding)
                arrays = described, embedding.points(described[None]), *of_segments
                for file, array, kind in zip(files, arrays, ARRAYS.values(), strict=True):
                    file.write(array.astype(kind).tobytes())
                traits.append(traits_of(song))
                bar.update()
        np.savez(folder / "embedding.npz", **to_arrays(embedding))  # type: ignore[arg-type]
        songs = songs[SONG_LABELS].join(pd.DataFrame(traits, songs.index).astype({"kind": str}))
        songs.to_parquet(folder / "songs.parquet", index=False)
        _, points, *_ = _read_arrays(folder, embedding)
        notes = {
            "made_from": {"all": made_from(*index_inputs(root))},
            "ears": ears,
            "quality": measure_quality(points, songs, embedding),
            "likeness": measure_likeness(points, songs, embedding),
        }
        (folder / NOTES).write_text(json.dumps(notes), encoding="utf-8")


def index_inputs(root: Path) -> list:
    """List what an index is made from: the songs of the frame, their networks, the directions that are attenuated."""
    keys = current_notes(root)["made_from"]
    return [keys["all"], keys["networks"], hashlib.blake2b(shipped_shifts().tobytes()).hexdigest(), VERSION]


def _read_arrays(folder: Path, embedding: Embedding) -> list[np.ndarray]:
    """Map the arrays of an index, see `Index`: descriptions, points, starts and points of segments."""
    columns, dimensions = np.sum([space.basis.shape for space in embedding.ears.values()], axis=0)
    shapes = (columns,), (dimensions,), (SEGMENTS,), (SEGMENTS, dimensions)
    arrays = [np.memmap(folder / name, kind, "r") for name, kind in ARRAYS.items()]
    return [array.reshape(-1, *shape) for array, shape in zip(arrays, shapes, strict=True)]


def load_index(root: Path) -> Index:
    """Return the index of a library; it is made first where there is none, it is damaged, or the frame has changed.

    Raises
    ------
    UserError
        If there is no frame, one of other features, or one that is older than songs.csv.
    """
    folder = root / "similar"
    if fresh(read_notes(folder), *index_inputs(root)):
        with contextlib.suppress(*DAMAGED):
            return _read_index(folder)
    build_index(root)
    return _read_index(folder)


def _read_index(folder: Path) -> Index:
    """Read an index."""
    notes = read_notes(folder)
    with np.load(folder / "embedding.npz", allow_pickle=False) as arrays:
        embedding = from_arrays(arrays, notes["ears"])
    songs = pd.read_parquet(folder / "songs.parquet")
    described, points, *of_segments = _read_arrays(folder, embedding)
    if {len(songs)} != {len(array) for array in (described, points, *of_segments)}:
        raise ValueError
    return Index(songs, described, points, embedding, notes["quality"], notes["likeness"], *of_segments)


def distances(index: Index, described: np.ndarray) -> np.ndarray:
    """Compute how far the songs of a library are from one song, or on average from several.

    Parameters
    ----------
    index : Index
        The library.
    described : np.ndarray [shape=(columns,) or (songs, columns)]
        The song or songs. Ears without numbers for one do not count.

    Returns
    -------
    np.ndarray [shape=(songs,)]
        One minus the cosine: 0 the same, 1 what songs drawn at random have on average, 2 the opposite.
    """
    points, sums = index.embedding.points(np.atleast_2d(described)), np.zeros(len(index.songs))
    for some in np.array_split(points, -(-len(points) // AT_ONCE)):
        sums += index.embedding.distances(index.points, some).sum(axis=1)
    return sums / len(points)


def nearest_songs(index: Index, described: np.ndarray, barred: np.ndarray, count: int) -> pd.DataFrame:
    """Name the songs that sound most like one song, or several.

    Parameters
    ----------
    index, described
        See `distances`.
    barred : np.ndarray of bool [shape=(songs,)]
        Songs not to be named.
    count : int
        How many to name, at most.

    Returns
    -------
    pd.DataFrame
        See `say_why`; the nearest song first.
    """
    distance = np.where(barred, np.inf, distances(index, described))
    first = np.argsort(distance, kind="stable")[: min(count, int((~barred).sum()))]
    return say_why(index, described, first, distance[first])


def say_why(index: Index, described: np.ndarray, places: np.ndarray, distance: np.ndarray) -> pd.DataFrame:
    """Take songs from the index, and say what they have in common with one song, or several.

    Parameters
    ----------
    index, described
        See `distances`.
    places : np.ndarray of int [shape=(named,)]
        Of the songs in the index.
    distance : np.ndarray [shape=(named,)]
        Of each of them, see `distances`.

    Returns
    -------
    pd.DataFrame
        `SONG_LABELS`, ``distance``, and what each aspect adds to the cosine, see `aspects`.
    """
    embedding, chosen = index.embedding, np.atleast_2d(described)
    weights = 1 / embedding.common(np.asarray(index.points[places]), embedding.points(chosen)) / len(chosen)
    shares: dict[str, np.ndarray] = {}
    for ear, space, rows in embedding.blocks(np.concatenate([chosen, index.described[places]])):
        rows = np.nan_to_num(rows / lengths(rows @ space.basis))
        back = rows @ space.basis @ space.basis.T  # a cosine is the product of rows with these, a sum over columns
        of_chosen, back_of_chosen = (weights @ part[: len(chosen)] for part in (rows, back))
        added = of_chosen * back[len(chosen) :] + rows[len(chosen) :] * back_of_chosen
        shares |= by_aspect(ear, added / 2 / len(embedding.ears))
    return index.songs.iloc[places].assign(distance=distance, **shares)


def aspects(songs: pd.DataFrame | pd.Series) -> list[str]:
    """List the aspects that a table of `say_why`, or a row of it, has: `ASPECTS`, and those of networks."""
    every = [*ASPECTS, *(network.aspect for network in NETWORKS.values())]
    return [aspect for aspect in every if aspect in songs]


def in_common(song: pd.Series) -> list[str]:
    """List the aspects that add most to the cosine between songs, from a row of `say_why`; the first adds most."""
    added = song[aspects(song)].astype(float).sort_values(ascending=False)
    return list(added.index[added >= WORTH_NAMING])


def moments_alike(index: Index, starts: np.ndarray, points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Find where a song, see `describe_song`, and others of the library are most alike, in s [shape=(others, 2)]."""
    alike = index.segments[others].astype(np.float32) @ points.T.astype(np.float32)
    theirs, own = np.divmod(alike.reshape(len(others), SEGMENTS**2).argmax(axis=1), SEGMENTS)
    return np.column_stack([starts[own], index.starts[others, theirs]])


def find_copies(song: Song, described: np.ndarray, path: Path, index: Index, root: Path) -> np.ndarray:
    """Find the songs of the library that are the same recording as a file, encoded otherwise perhaps.

    Parameters
    ----------
    song, described, path : Song, np.ndarray, Path
        The file, decoded; see `describe_song`; and where it lies.
    index, root
        The library.

    Returns
    -------
    np.ndarray [shape=(songs,), dtype=bool]
    """
    songs = index.songs
    same = (songs["hash"] == song.record["hash"]).to_numpy()
    if not same.any():
        from soundalike.duplicates import SAME_VERSION, agreement, is_copy, read_contours  # which take long

        nearest = nearest_songs(index, described, same, MAYBE_COPIES)["song"].tolist()
        _, contours = read_contours([*read_tables(root, nearest, [FEATURES]), ("", song)])
        correlated = [name for name in nearest if agreement(contours[""], contours[name]) >= SAME_VERSION]
        same = songs["song"].isin([name for name in correlated if is_copy(root, path.absolute(), name)]).to_numpy()
    return songs["sound"].isin(songs["sound"][same]).to_numpy()
