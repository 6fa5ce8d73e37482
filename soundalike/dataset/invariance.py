"""Models and recommendations depend on the music, not on the file: the directions that re-encoding moves are shrunk."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from soundalike.features.nuisance import PLAIN

STRENGTH = 3.0  # chosen on benchmarks/real_music.csv, where 1 to 10 do about as well
LEAST = 0.05  # directions that would shrink by less are left as they are


def find_shifts(
    altered: pd.DataFrame, columns: list[str], describe: Callable[[np.ndarray], np.ndarray]
) -> pd.DataFrame:
    """Find how far each alteration moves each song.

    Parameters
    ----------
    altered : pd.DataFrame
        From `nuisance.read_altered`.
    columns : list of str
        Features; those that were not altered do not move.
    describe : callable
        Turns the features of some clips [shape=(clips, columns)] into numbers [shape=(numbers,)].

    Returns
    -------
    pd.DataFrame
        The description of an altered song, less that of the song as it is: one row for each ``song`` and
        ``alteration``, its index.
    """
    shifts: dict[tuple[str, str], np.ndarray] = {}
    for song, rows in altered.groupby("song"):
        values = rows.reindex(columns=columns, fill_value=0).to_numpy(np.float32)
        found = {name: describe(values[places]) for name, places in rows.groupby("alteration").indices.items()}
        shifts |= {(song, name): found[name] - found[PLAIN] for name in found if name != PLAIN}
    width = len(describe(np.zeros((1, len(columns)), np.float32)))
    index = pd.MultiIndex.from_tuples(list(shifts), names=["song", "alteration"])
    return pd.DataFrame(np.array(list(shifts.values()), np.float32).reshape(-1, width), index)


def find_directions(
    shifts: np.ndarray | None, scale: np.ndarray, strength: float = STRENGTH
) -> tuple[np.ndarray, np.ndarray]:
    """Find the directions in which songs move while their music stays, and how much of each is to be removed.

    Rows are to be multiplied by (I + strength N)^-½, where N is the mean outer product of the shifts: within-class
    covariance normalisation, with an altered song as the class (Hatch, Kajarekar and Stolcke, "Within-class
    covariance normalization for SVM-based speaker recognition", 2006). As strength grows it becomes nuisance
    attribute projection, which removes these directions, and with them more of what distinguishes artists.
    Shifts weigh as much as they are long: to encode a file at 64 kbit/s moves it little if it has been before, and
    says little of what moves others.

    Parameters
    ----------
    shifts : np.ndarray [shape=(shifts, columns)], optional
        In the units of the features; without any, nothing is to be removed.
    scale : np.ndarray [shape=(columns,)]
        Standard deviations of the features; infinite for those that are to count for nothing.
    strength : float
        Not negative; 0 changes nothing.

    Returns
    -------
    directions : np.ndarray [shape=(directions, columns)]
        Orthonormal.
    removed : np.ndarray [shape=(directions,)]
        From 0, nothing, to 1, all.
    """
    if shifts is None or not len(shifts):
        return np.empty((0, len(scale))), np.empty(0)
    shifts = shifts / scale
    weights = np.linalg.norm(shifts, axis=1, keepdims=True)
    weights /= max(weights.sum(), np.finfo(float).tiny)
    _, lengths, directions = np.linalg.svd(np.sqrt(weights) * shifts, full_matrices=False)
    removed = 1 - 1 / np.sqrt(1 + strength * lengths**2)
    return directions[removed > LEAST], removed[removed > LEAST]


class Shrinkage(TransformerMixin, BaseEstimator):
    """The first step of a model: shrink the directions in which features move while the music stays.

    See `find_directions`, in units of the standard deviations of the rows that it is fitted on.

    Parameters
    ----------
    strength : float
        Not negative; 0 changes nothing.
    """

    def __init__(self, strength: float = STRENGTH) -> None:
        self.strength = strength

    def fit(self, X: np.ndarray, y: object = None, *, shifts: np.ndarray | None = None) -> "Shrinkage":
        """Learn the directions from shifts [shape=(shifts, columns)]; without any, nothing will change."""
        scale = X.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(scale > 1e-6 * np.abs(X.mean(axis=0, dtype=np.float64)), scale, np.inf)
        self.directions_, self.removed_ = find_directions(shifts, self.scale_, self.strength)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Shrink rows [shape=(rows, columns)]; they stay of the same type, for models of float64 take twice as long."""
        directions, scale = self.directions_.astype(X.dtype), self.scale_.astype(X.dtype)
        along = (X / scale) @ directions.T * self.removed_.astype(X.dtype)
        back = np.where(np.isinf(scale), 0, scale)  # features that never changed in training stay
        return X - along @ directions * back
