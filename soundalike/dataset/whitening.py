"""Songs as points: what ears make of songs, centred, scaled and whitened, so that a cosine says how alike two are.

The cosine between plain features is nearly blind: the few that are counted in large units drown the rest. Each ear is
whitened for itself, and alike is what differs from the average song in the same direction.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from soundalike.dataset.nuisance import find_directions, shipped_shifts
from soundalike.features.networks import MUSICNN, NETWORKS, VOICE
from soundalike.features.table import CLIP_COLUMNS
from soundalike.song import FEATURES

# Of the largest variance, added to each: directions in which songs hardly differ are mostly chance. Chosen on
# 126 real songs, where 0.03 to 0.3 do about as well.
RIDGE = 0.1
DIMENSIONS = 128  # kept at most, for each ear
# The weight of each ear. Chosen on the same songs, where other weights of about this size do about as well.
WEIGHTS = {FEATURES: 1.0, MUSICNN: 1.0, VOICE: 0.5}
TOGETHER = 8_192  # songs that are read at a time
WIDTHS = {FEATURES: 2 * len(CLIP_COLUMNS)} | {name: len(network.columns) for name, network in NETWORKS.items()}


class Space(NamedTuple):
    """How the description of a song by one ear becomes a point."""

    centre: np.ndarray  # [shape=(columns,)]
    scale: np.ndarray  # standard deviations; infinite where songs do not differ [shape=(columns,)]
    basis: np.ndarray  # [shape=(columns, dimensions)]

    def points(self, described: np.ndarray) -> np.ndarray:
        """Points on the unit sphere [shape=(songs, dimensions)] of descriptions [shape=(songs, columns)]."""
        return unit((described - self.centre) @ self.basis)


class Spaces(NamedTuple):
    """How the descriptions of a song by some ears, side by side, become a point, see `WEIGHTS`."""

    ears: dict[str, Space]

    @property
    def shares(self) -> dict[str, float]:
        """The weight of each ear; 1 together."""
        return {ear: WEIGHTS[ear] / sum(WEIGHTS[each] for each in self.ears) for ear in self.ears}

    def blocks(self, described: np.ndarray) -> Iterator[tuple[str, Space, float, np.ndarray]]:
        """Each ear, its space, its share of the whole, and its columns of descriptions."""
        start, shares = 0, self.shares
        for ear, space in self.ears.items():
            yield ear, space, shares[ear], described[:, start : start + len(space.centre)]
            start += len(space.centre)

    def points(self, described: np.ndarray) -> np.ndarray:
        """Points [shape=(songs, dimensions)] whose products are the ears' cosines, averaged by their shares.

        Where an ear has no numbers for a song, they hold nothing, see `common`.
        """
        found = [np.sqrt(share) * space.points(columns) for _, space, share, columns in self.blocks(described)]
        return np.nan_to_num(np.concatenate(found, axis=1)).astype(np.float32)

    def middle(self, points: np.ndarray) -> np.ndarray:
        """Where some songs lie on average: a point, in which each ear has its share [shape=(dimensions,)]."""
        means = points.mean(axis=0, keepdims=True)
        return np.concatenate([np.sqrt(share) * unit(means[:, own])[0] for own, share in self.dimensions()])

    def dimensions(self) -> Iterator[tuple[slice, float]]:
        """Take, for each ear, its dimensions of points, and its share of the whole."""
        start, shares = 0, self.shares
        for ear, space in self.ears.items():
            yield slice(start, start + space.basis.shape[1]), shares[ear]
            start += space.basis.shape[1]

    def distances(self, points: np.ndarray, point: np.ndarray) -> np.ndarray:
        """Compute how far points are from one, by the ears that describe both: one minus the cosine."""
        return 1 - points @ point / self.common(points, point)

    def common(self, points: np.ndarray, point: np.ndarray) -> np.ndarray:
        """Return the share of the ears that describe both of two songs [shape=(songs,)], from their points."""
        common = np.full(len(points), 1e-12)
        for own, share in self.dimensions():
            common += share * (points[:, own][:, 0] != 0) * point[own].any()
        return common


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def fit_space(described: np.ndarray, shifts: np.ndarray | None = None) -> Space:
    """Fit the space that these songs span: centred, scaled, freed of what re-encoding moves, whitened (with a ridge).

    Parameters
    ----------
    described : np.ndarray [shape=(songs, columns)]
        It may lie on disk: a part at a time is read.
    shifts : np.ndarray, optional [shape=(shifts, columns)]
        Directions to be attenuated, see `nuisance.find_directions`; by default none are.
    """
    width = described.shape[1]
    count = sum(map(len, parts(described)))
    if not count:  # nothing is known of any song
        return Space(np.zeros(width), np.full(width, np.inf), np.zeros((width, 1)))
    centre = sum(part.sum(axis=0, dtype=np.float64) for part in parts(described)) / count
    covariance = np.zeros((width, width))
    for part in parts(described):
        moved = part - centre
        covariance += moved.T @ moved / count
    scale = np.sqrt(np.diag(covariance))
    scale[scale < 1e-9 * np.abs(centre)] = np.inf  # a column that never changes says nothing
    scale[scale == 0] = np.inf
    directions, removed = find_directions(np.empty((0, width)) if shifts is None else shifts, scale)
    shrink = np.eye(width) - directions.T * removed @ directions
    scaled = covariance / np.outer(scale, scale)
    variances, axes = np.linalg.eigh(shrink @ scaled @ shrink)
    largest = np.argsort(variances)[::-1][: min(DIMENSIONS, count)]
    ridge = RIDGE * np.linalg.eigvalsh(scaled)[-1] + 1e-12  # as large as if nothing were shrunk
    weights = 1 / np.sqrt(np.maximum(variances[largest], 0) + ridge)
    return Space(centre, scale, shrink @ axes[:, largest] / scale[:, None] * weights)


def parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield some rows at a time, without those that are not numbers."""
    for start in range(0, len(rows), TOGETHER):
        part = rows[start : start + TOGETHER]
        yield part[np.isfinite(part[:, 0])]


def fit_spaces(described: np.ndarray, ears: Iterable[str]) -> Spaces:
    """Fit the space of each ear, see `fit_space`.

    Parameters
    ----------
    described : np.ndarray [shape=(songs, columns)]
        The ears' descriptions of songs, side by side; not a number where one does not describe a song.
    ears : iterable of str
        `FEATURES`, and networks.
    """
    start, spaces = 0, Spaces({})
    for ear in ears:
        own = described[:, start : start + WIDTHS[ear]]
        spaces.ears[ear] = fit_space(own, shipped_shifts() if ear == FEATURES else None)
        start += WIDTHS[ear]
    return spaces
