"""The embedding: segments and songs as points of one space, in which a cosine says how alike two of them are.

A *segment* is `SEGMENT_CLIPS` neighbouring clips that are not silent: more than a clip of an artist, and more of them
than songs. The feature table describes it by the mean and the standard deviation of each feature over its clips, a
network by the mean embedding of the windows around its middle. A song's segments start at every `SEGMENT_EVERY`-th
clip; a shorter song is one.

The columns of each ear are standardised, freed of what re-encoding moves (*nuisance attenuation*), whitened with a
ridge, and scaled to unit length; the ears stand side by side. The cosine between plain features is nearly blind: the
few that are counted in large units drown the rest. No artist's name is used, so copies may be sought in this space,
too. An ear that does not describe a segment, or a song, gives no evidence: its dimensions are zero there, and cosines
are those of the ears that describe both.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.audio import CLIP_SECONDS
from soundalike.features import ASPECTS, CLIP_COLUMNS, columns
from soundalike.messages import progress
from soundalike.networks import NETWORKS
from soundalike.song import FEATURES, Song, read_tables

# --- segments --------------------------------------------------------------------------------------

SEGMENT_CLIPS = 4  # 8 s
SEGMENT_EVERY = 2  # clips, so that segments overlap by half
SEGMENT_RULE = {"clips": SEGMENT_CLIPS, "every": SEGMENT_EVERY}  # as a saved model names it
NEAR = 8  # s: windows of a network that lie no further from the middle of a segment describe it

PER_SONG, IN_MEMORY = 12, 24_000  # segments that are read: of a song, and of all, at most; but one of each song

# The columns of segments that belong to each aspect: of means, then of deviations.
OF_ASPECT = {
    aspect: np.flatnonzero(np.isin(2 * CLIP_COLUMNS, [column for name in names for column in columns(name)]))
    for aspect, names in ASPECTS.items()
}

# Segments by each ear [shape=(segments, columns)]; NaN where one does not describe them.
Rows = dict[str, np.ndarray]


def by_aspect(ear: str, added: np.ndarray) -> dict[str, np.ndarray]:
    """Sum what the columns of an ear add to rows [shape=(rows, columns)] by aspect; a network has one."""
    if ear != FEATURES:
        return {NETWORKS[ear].aspect: added.sum(axis=1)}
    return {aspect: added[:, places].sum(axis=1) for aspect, places in OF_ASPECT.items()}


def first_clips(count: int) -> np.ndarray:
    """Return the first clip of each segment of so many clips [shape=(segments,)]."""
    return np.arange(0, max(count - SEGMENT_CLIPS, 0) + 1, SEGMENT_EVERY)


def nearest_segment(count: int) -> np.ndarray:
    """Return the place of the segment whose middle is nearest to each of so many clips [shape=(clips,)]."""
    middles = first_clips(count) + (min(SEGMENT_CLIPS, count) - 1) / 2
    return abs(np.arange(count)[:, None] - middles).argmin(axis=1)


def feature_rows(clips: np.ndarray) -> np.ndarray:
    """Describe the segments of a song by the feature table.

    Parameters
    ----------
    clips : np.ndarray [shape=(clips, columns)]
        Features of its clips, in order, without the silent ones.

    Returns
    -------
    np.ndarray [shape=(segments, 2 * columns), dtype=float32]
        The mean of each feature over the segment, then its standard deviation.
    """
    windows = np.lib.stride_tricks.sliding_window_view(clips, min(SEGMENT_CLIPS, len(clips)), axis=0)
    segments = windows[first_clips(len(clips))].astype(np.float64)
    return np.concatenate([segments.mean(axis=-1), segments.std(axis=-1)], axis=1).astype(np.float32)


def network_rows(seconds: np.ndarray, middles: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Average the windows of a network around some places of a song.

    Parameters
    ----------
    seconds : np.ndarray [shape=(segments,)]
        Those places.
    middles, embeddings : np.ndarray
        See `Song.embeddings`.

    Returns
    -------
    np.ndarray [shape=(segments, columns), dtype=float32]
        NaN where no window is near.
    """
    near = abs(seconds[:, None] - middles) <= NEAR
    counts = near.sum(axis=1, keepdims=True)
    sums = near.astype(np.float32) @ embeddings
    return np.where(counts, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def segment_rows(song: Song, ears: Iterable[str]) -> Rows:
    """Describe the segments of a song by each ear.

    Parameters
    ----------
    song : Song
        With embeddings by these networks.
    ears : iterable of str
        `FEATURES`, and networks.
    """
    start = song.start[song.loud]
    first = first_clips(len(start))
    seconds = start[np.minimum(first + SEGMENT_CLIPS // 2, len(start) - 1)] + CLIP_SECONDS / 2
    rows = {FEATURES: feature_rows(song.features[song.loud][:, : len(CLIP_COLUMNS)])}
    return rows | {ear: network_rows(seconds, *song.embeddings(ear)) for ear in ears if ear != FEATURES}


class Segments(NamedTuple):
    """Segments of many songs."""

    rows: Rows
    song: np.ndarray  # of each [shape=(segments,)]

    def of(self, songs: Iterable[str]) -> "Segments":
        """Return the segments of some of the songs."""
        used = pd.Index(self.song).isin(songs)
        return Segments({ear: of_ear[used] for ear, of_ear in self.rows.items()}, self.song[used])


def read_segments(root: Path, songs: Iterable[str], ears: Iterable[str]) -> Segments:
    """Read segments of songs of a library, evenly spaced: `PER_SONG` of each, or fewer of very many songs."""
    songs, ears = list(songs), list(ears)
    most = max(1, min(PER_SONG, IN_MEMORY // max(len(songs), 1)))
    parts: list[Rows] = []
    song: list[str] = []
    with progress(len(songs), "Reading", "songs") as bar:
        for name, table in read_tables(root, songs, ears):
            rows = segment_rows(table, ears)
            count = len(rows[FEATURES])
            chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int)
            parts.append({ear: of_ear[chosen] for ear, of_ear in rows.items()})
            song += [name] * len(chosen)
            bar.update()
    return Segments({ear: np.concatenate([part[ear] for part in parts]) for ear in ears}, np.array(song, dtype=object))


# --- nuisance attenuation --------------------------------------------------------------------------

# The directions in which features move when a song is encoded or mastered otherwise were learned once, by
# benchmarks/nuisance.py from songs that were re-encoded, and come with the package: as in speaker recognition, they are
# a property of the features and not of a library.
NUISANCE_FILE = Path(__file__).parent / "nuisance.npz"
STRENGTH = 3.0
LEAST = 0.05  # directions that would shrink by less are left as they are


@functools.cache
def shipped_shifts() -> np.ndarray:
    """Read how features move while the music stays.

    Returns
    -------
    np.ndarray [shape=(shifts, 2 * len(CLIP_COLUMNS)), dtype=float32]
        Of the means and deviations of a segment, in the units of the features: N, the mean outer product of shifts
        by re-encoding, is the sum of their outer products.
    """
    with np.load(NUISANCE_FILE, allow_pickle=False) as arrays:
        shifts = arrays["factors"].astype(np.float32) * arrays["scale"]
    if shifts.shape[1] != 2 * len(CLIP_COLUMNS):
        raise ValueError(f"{NUISANCE_FILE} is of other features than those of today: run benchmarks/nuisance.py")
    return shifts


# --- the space -------------------------------------------------------------------------------------

# Chosen on 126 instrumental songs and 59 sung ones, where a third and three times as much do about as well. It is added
# to each variance, as a share of the largest: directions in which segments hardly differ are mostly chance.
RIDGE = 0.03
DIMENSIONS = 128  # of each ear, at most
LIMIT = 10.0  # standard deviations: what is farther off counts as far


def lengths(rows: np.ndarray) -> np.ndarray:
    """Return the length of each row [shape=(rows, 1)], to divide by: not zero."""
    return np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class Space(NamedTuple):
    """How the numbers of one ear become a point on a sphere."""

    centre: np.ndarray  # [shape=(columns,)]
    scale: np.ndarray  # standard deviations; infinite where segments do not differ [shape=(columns,)]
    basis: np.ndarray  # of columns that are centred and scaled [shape=(columns, dimensions)]

    def directions(self, rows: np.ndarray) -> np.ndarray:
        """Centre and scale rows to z, and return z / |z basis| [shape=(rows, columns), dtype=float64]; NaN stays.

        So points are linear in them, and what each column adds to a cosine is exact.
        """
        scaled = np.clip((rows.astype(np.float64) - self.centre) / self.scale, -LIMIT, LIMIT)
        return scaled / lengths(scaled @ self.basis)


class Embedding(NamedTuple):
    """The spaces of some ears, side by side; each has the same weight."""

    ears: dict[str, Space]

    def describe(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Describe a song: the mean of its segments' directions, the ears side by side [shape=(columns,), float64].

        Parameters
        ----------
        rows : mapping of str to np.ndarray [shape=(segments, columns)]
            Of each ear; NaN where it does not describe a segment.
        """
        columns = []
        for ear, space in self.ears.items():
            described = rows[ear][np.isfinite(rows[ear][:, 0])]
            columns.append(
                space.directions(described).mean(axis=0) if len(described) else np.full(len(space.centre), np.nan)
            )
        return np.concatenate(columns)

    def segment_points(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Points of segments [shape=(segments, dimensions)]; NaN where an ear does not describe one."""
        points = [space.directions(rows[ear]) @ space.basis for ear, space in self.ears.items()]
        return np.concatenate(points, axis=1) / np.sqrt(len(self.ears))

    def song_means(self, points: np.ndarray, song: np.ndarray) -> pd.DataFrame:
        """Average the points of segments by song [index: song]; zero where an ear describes none of its segments."""
        return pd.DataFrame(points).groupby(song).mean().fillna(0.0)

    def unit(self, means: np.ndarray) -> np.ndarray:
        """Points of songs of their `song_means`, or of groups of means of their songs' [shape=(rows, dimensions)]."""
        parts = [means[:, dimensions] for dimensions in self.dimensions()]
        units = [part / lengths(part) for part in parts]
        return (np.concatenate(units, axis=1) / np.sqrt(len(self.ears))).astype(np.float32)

    def blocks(self, described: np.ndarray) -> Iterator[tuple[str, Space, np.ndarray]]:
        """Yield each ear, its space, and its columns of descriptions [shape=(songs, columns)]."""
        ends = np.cumsum([len(space.centre) for space in self.ears.values()])
        columns = np.split(described, ends[:-1], axis=1)
        return zip(self.ears, self.ears.values(), columns, strict=True)

    def points(self, described: np.ndarray) -> np.ndarray:
        """Points of songs [shape=(songs, dimensions)], whose products are the means of the ears' cosines.

        Where an ear does not describe a song, they are zero, see `distances`.
        """
        means = [columns @ space.basis for _, space, columns in self.blocks(described)]
        return self.unit(np.nan_to_num(np.concatenate(means, axis=1)))

    def dimensions(self) -> list[slice]:
        """Return the dimensions of each ear."""
        ends = itertools.accumulate((space.basis.shape[1] for space in self.ears.values()), initial=0)
        return [slice(start, end) for start, end in itertools.pairwise(ends)]

    def distances(self, points: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Compute how far points are from another [shape=(points,)], or from each of some others, by shared ears.

        That is one minus the cosine.
        """
        return 1 - points @ others.T / self.common(points, others)

    def common(self, points: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the share of the ears that describe both of two songs, see `distances`."""
        starts = [dimensions.start for dimensions in self.dimensions()]
        ears, of_others = ((part[..., starts] != 0).astype(np.float32) for part in (points, others))
        return np.maximum(ears @ of_others.T / len(self.ears), np.float32(1e-12))


def to_arrays(embedding: Embedding) -> dict[str, np.ndarray]:
    """Return the arrays of a space, by the names of `from_arrays`."""
    ears = embedding.ears.items()
    return {f"{ear} {name}": values for ear, space in ears for name, values in space._asdict().items()}


def from_arrays(arrays: Mapping[str, np.ndarray], ears: Iterable[str]) -> Embedding:
    """Make a space of arrays, which may come from a file; KeyError or ValueError where they are none of a space."""
    embedding = Embedding({ear: Space(*(arrays[f"{ear} {name}"] for name in Space._fields)) for ear in ears})
    for centre, scale, basis in embedding.ears.values():
        shapes = centre.ndim == 1 and basis.ndim == 2 and centre.shape == scale.shape == basis.shape[:1]
        if not (shapes and np.isfinite(centre).all() and np.isfinite(basis).all() and (scale > 0).all()):
            raise ValueError("arrays that do not fit together")
    return embedding


def fit_embedding(rows: Mapping[str, np.ndarray]) -> Embedding:
    """Fit the space that some segments span.

    Parameters
    ----------
    rows : mapping of str to np.ndarray [shape=(segments, columns)]
        Of each ear: of `FEATURES` as `feature_rows` has them, of networks embeddings; NaN where an ear does not
        describe a segment.
    """
    shifts = {FEATURES: shipped_shifts()}
    return Embedding({ear: fit_space(of_ear, shifts.get(ear, of_ear[:0])) for ear, of_ear in rows.items()})


def fit_space(rows: np.ndarray, shifts: np.ndarray) -> Space:
    """Fit the space of one ear, see `fit_embedding`.

    Parameters
    ----------
    rows : np.ndarray [shape=(segments, columns)]
        Its rows.
    shifts : np.ndarray [shape=(shifts, columns)]
        See `shipped_shifts`; without rows, nothing is attenuated.
    """
    from sklearn.utils.extmath import randomized_svd  # which takes long, and asking does without

    rows, width = rows[np.isfinite(rows[:, 0])], rows.shape[1]
    if not len(rows):  # it describes nothing
        return Space(np.zeros(width, np.float32), np.full(width, np.inf, np.float32), np.zeros((width, 1), np.float32))
    centre = rows.mean(axis=0, dtype=np.float64)
    scaled = (rows - centre).astype(np.float32)
    scale = np.sqrt(np.einsum("ij,ij->j", scaled, scaled, dtype=np.float64) / len(rows))
    scale[scale <= 1e-6 * np.abs(centre)] = np.inf  # a column that never changes says nothing
    scaled /= scale.astype(np.float32)
    np.clip(scaled, -LIMIT, LIMIT, out=scaled)
    # Rows times (I + STRENGTH N)^-½, with the versions of a song as the class: Hatch, Kajarekar and Stolcke,
    # "Within-class covariance normalization for SVM-based speaker recognition", 2006. As STRENGTH grows it becomes
    # nuisance attribute projection, which removes these directions, and with them more of what distinguishes artists.
    _, singular, directions = np.linalg.svd(shifts / scale, full_matrices=False)
    removed = 1 - 1 / np.sqrt(1 + STRENGTH * singular**2)  # from 0, nothing, to 1, all
    directions, removed = directions[removed > LEAST], removed[removed > LEAST]
    scaled -= (scaled @ directions.T * removed).astype(np.float32) @ directions.astype(np.float32)
    # The axes along which segments differ most: Halko, Martinsson and Tropp, "Finding structure with randomness", 2011.
    count = min(DIMENSIONS, *scaled.shape)
    _, singular, rows_of_axes = randomized_svd(scaled, count, n_iter=2, random_state=0)
    variances, axes = singular.astype(np.float64) ** 2 / len(rows), rows_of_axes.T.astype(np.float64)
    weights = 1 / np.sqrt(variances + RIDGE * variances[0] + 1e-12)
    basis = (axes - directions.T @ (removed[:, None] * (directions @ axes))) * weights
    return Space(*(values.astype(np.float32) for values in (centre, scale, basis)))
