"""Segments and songs as points of one space, in which a cosine says how alike two of them are.

Each ear's numbers are standardised, freed of what re-encoding moves (see `dataset.nuisance`), whitened with a ridge,
and scaled to unit length; the ears stand side by side. The cosine between plain features is nearly blind: the few that
are counted in large units drown the rest. No artist's name is used, so copies may be sought in this space, too.

An ear that does not describe a segment, or a song, gives no evidence: its dimensions are zero there, and cosines are
those of the ears that describe both.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.dataset.nuisance import find_directions, shipped_shifts
from soundalike.song import FEATURES

# Chosen on 126 instrumental songs and 59 sung ones, where a third and three times as much do about as well. It is added
# to each variance, as a share of the largest: directions in which segments hardly differ are mostly chance.
RIDGE = 0.03
DIMENSIONS = 128  # of each ear, at most
LIMIT = 10.0  # standard deviations: what is farther off counts as far


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
        return scaled / np.maximum(np.linalg.norm(scaled @ self.basis, axis=1, keepdims=True), 1e-12)

    def points(self, directions: np.ndarray) -> np.ndarray:
        """Points of unit length [shape=(rows, dimensions)] of `directions`, or of means of them; NaN stays."""
        found = directions @ self.basis
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    def is_sound(self) -> bool:
        """Whether its arrays, which may come from a file, fit together and hold numbers."""
        shapes = self.centre.ndim == 1 and self.basis.ndim == 2 and self.centre.shape == self.scale.shape
        numbers = np.isfinite(self.centre).all() and np.isfinite(self.basis).all() and (self.scale > 0).all()
        return bool(shapes and len(self.basis) == len(self.centre) and numbers)


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
        found = []
        for ear, space in self.ears.items():
            own = rows[ear][np.isfinite(rows[ear][:, 0])]
            found.append(space.directions(own).mean(axis=0) if len(own) else np.full(len(space.centre), np.nan))
        return np.concatenate(found)

    def segment_points(self, rows: Mapping[str, np.ndarray]) -> np.ndarray:
        """Points of segments [shape=(segments, dimensions)]; NaN where an ear does not describe one."""
        found = [space.directions(rows[ear]) @ space.basis for ear, space in self.ears.items()]
        return np.concatenate(found, axis=1) / np.sqrt(len(self.ears))

    def song_means(self, points: np.ndarray, song: np.ndarray) -> pd.DataFrame:
        """Average the points of segments by song [index: song]; zero where an ear describes none of its segments."""
        return pd.DataFrame(points).groupby(song).mean().fillna(0.0)

    def unit(self, means: np.ndarray) -> np.ndarray:
        """Points of songs of their `song_means` [shape=(songs, dimensions)], see `points`."""
        parts = [means[:, own] for own in self.dimensions()]
        lengths = [np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts]
        units = [part / length for part, length in zip(parts, lengths, strict=True)]
        return (np.concatenate(units, axis=1) / np.sqrt(len(self.ears))).astype(np.float32)

    def blocks(self, described: np.ndarray) -> Iterator[tuple[str, Space, np.ndarray]]:
        """Yield each ear, its space, and its columns of descriptions [shape=(songs, columns)]."""
        start = 0
        for ear, space in self.ears.items():
            yield ear, space, described[:, start : start + len(space.centre)]
            start += len(space.centre)

    def points(self, described: np.ndarray) -> np.ndarray:
        """Points of songs [shape=(songs, dimensions)], whose products are the means of the ears' cosines.

        Where an ear does not describe a song, they are zero, see `distances`.
        """
        found = [space.points(columns) for _, space, columns in self.blocks(described)]
        return np.nan_to_num(np.concatenate(found, axis=1) / np.sqrt(len(self.ears))).astype(np.float32)

    def dimensions(self) -> Iterator[slice]:
        """Yield the dimensions of each ear."""
        start = 0
        for space in self.ears.values():
            yield slice(start, start + space.basis.shape[1])
            start += space.basis.shape[1]

    def centroid(self, points: np.ndarray) -> np.ndarray:
        """Return the point between some songs, in which each ear weighs the same [shape=(dimensions,)]."""
        return self.unit(points.mean(axis=0, keepdims=True))[0]

    def distances(self, points: np.ndarray, point: np.ndarray) -> np.ndarray:
        """Compute how far points are from one, by the ears that describe both: one minus the cosine."""
        return 1 - points @ point / self.common(points, point)

    def common(self, points: np.ndarray, point: np.ndarray) -> np.ndarray:
        """Return the share of the ears that describe both of two songs [shape=(songs,)], from their points."""
        both = sum((points[:, own][:, 0] != 0) & point[own].any() for own in self.dimensions())
        return np.maximum(both / len(self.ears), 1e-12)


def to_arrays(embedding: Embedding) -> dict[str, np.ndarray]:
    """Return the arrays of a space, by the names of `from_arrays`."""
    ears = embedding.ears.items()
    return {f"{ear} {name}": values for ear, space in ears for name, values in space._asdict().items()}


def from_arrays(arrays: Mapping[str, np.ndarray], ears: Iterable[str]) -> Embedding:
    """Make a space of arrays, which may come from a file; KeyError or ValueError where they are none of a space."""
    embedding = Embedding({ear: Space(*(arrays[f"{ear} {name}"] for name in Space._fields)) for ear in ears})
    if not all(space.is_sound() for space in embedding.ears.values()):
        raise ValueError("arrays that do not fit together")
    return embedding


def fit(rows: Mapping[str, np.ndarray]) -> Embedding:
    """Fit the space that some segments span.

    Parameters
    ----------
    rows : mapping of str to np.ndarray [shape=(segments, columns)]
        Of each ear: of `FEATURES` as `segments.describe` has them, of networks embeddings; NaN where an ear does not
        describe a segment.
    """
    return Embedding({ear: fit_space(own, shipped_shifts() if ear == FEATURES else None) for ear, own in rows.items()})


def fit_space(rows: np.ndarray, shifts: np.ndarray | None = None) -> Space:
    """Fit the space of one ear, see `fit`.

    Parameters
    ----------
    rows : np.ndarray [shape=(segments, columns)]
        Its rows.
    shifts : np.ndarray, optional [shape=(shifts, columns)]
        By which the same music moves, see `nuisance.find_directions`.
    """
    rows, width = rows[np.isfinite(rows[:, 0])], rows.shape[1]
    if not len(rows):  # it describes nothing
        return Space(np.zeros(width, np.float32), np.full(width, np.inf, np.float32), np.zeros((width, 1), np.float32))
    centre = rows.mean(axis=0, dtype=np.float64)
    scaled = (rows - centre).astype(np.float32)
    scale = np.sqrt(np.einsum("ij,ij->j", scaled, scaled, dtype=np.float64) / len(rows))
    scale[scale <= 1e-6 * np.abs(centre)] = np.inf  # a column that never changes says nothing
    scale[scale == 0] = np.inf
    scaled /= scale.astype(np.float32)
    np.clip(scaled, -LIMIT, LIMIT, out=scaled)
    directions, removed = find_directions(np.empty((0, width)) if shifts is None else shifts, scale)
    scaled -= (scaled @ directions.T * removed).astype(np.float32) @ directions.astype(np.float32)
    variances, axes = principal_axes(scaled)
    weights = 1 / np.sqrt(variances + RIDGE * variances[0] + 1e-12)
    basis = (axes - directions.T @ (removed[:, None] * (directions @ axes))) * weights
    return Space(*(values.astype(np.float32) for values in (centre, scale, basis)))


def principal_axes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the directions in which centred rows differ most: their variances, and the axes [shape=(columns, axes)].

    Halko, Martinsson and Tropp, "Finding structure with randomness", 2011; with a fixed seed.
    """
    from sklearn.utils.extmath import randomized_svd  # which takes long, and asking does without

    count = min(DIMENSIONS, *rows.shape)
    _, lengths, axes = randomized_svd(rows, count, n_iter=2, random_state=0)
    return lengths.astype(np.float64) ** 2 / len(rows), axes.T.astype(np.float64)
