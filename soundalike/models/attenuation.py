"""The first step of a model: attenuate the directions in which features move while the music stays."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from soundalike.dataset.nuisance import STRENGTH, find_directions, shipped_shifts


class NuisanceAttenuation(TransformerMixin, BaseEstimator):
    """Attenuate the directions of `nuisance.find_directions`, in units of the deviations of the rows it is fitted on.

    Rows are segments (means, then deviations of all features), or clips, whose features move as those means. Rows of
    other columns stay as they are: nothing was learned of these.

    Parameters
    ----------
    strength : float
        Not negative; 0 changes nothing.
    """

    def __init__(self, strength: float = STRENGTH) -> None:
        self.strength = strength

    def fit(self, X: np.ndarray, y: object = None) -> "NuisanceAttenuation":
        """Learn the scale of the columns [shape=(rows, columns)]."""
        scale = X.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(scale > 1e-6 * np.abs(X.mean(axis=0, dtype=np.float64)), scale, np.inf)
        shifts, width = shipped_shifts(), X.shape[1]
        shifts = shifts[:, :width] if shifts.shape[1] in (width, 2 * width) else np.empty((0, width))
        self.directions_, self.removed_ = find_directions(shifts, self.scale_, self.strength)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Attenuate rows [shape=(rows, columns)]; they stay float32, for models of float64 take twice as long."""
        directions, scale = self.directions_.astype(X.dtype), self.scale_.astype(X.dtype)
        along = (X / scale) @ directions.T * self.removed_.astype(X.dtype)
        back = np.where(np.isinf(scale), 0, scale)  # features that never changed in training stay
        return X - along @ directions * back
