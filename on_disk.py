"""Learn from a frame whose features stay on disk, because memory would not hold them.

What goes around them, labels and answers, is in memory. They are read some songs at a time, as often
as a model needs.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from dataframe_creation import LABELS, some_songs


class OnDisk(NamedTuple):
    """The features of a library's frame. Which clips are meant says the frame of labels beside it."""

    root: Path

    def __getitem__(self, places: np.ndarray) -> "OnDisk":
        return self

    def labels(self) -> pd.DataFrame:
        """`dataframe_creation.LABELS` and ``silent`` of every clip."""
        return pd.read_parquet(self.root / "df_music.parquet", columns=[*LABELS, "silent"])

    def batches(self, clips: pd.DataFrame, columns: list[str]) -> Iterator[pd.DataFrame]:
        """Read the features of clips, some songs at a time.

        Parameters
        ----------
        clips : pd.DataFrame
            Labels, in their order on disk: of some songs all clips that are not silent.
        columns : list of str
            The features to read.

        Yields
        ------
        pd.DataFrame
            ``artist``, ``song`` and the features, under the index of ``clips``.
        """
        places = clips.groupby("song").indices
        for some in some_songs(self.root, ["song", "silent", *columns]):
            wanted = some[some["song"].isin(places) & ~some["silent"]]
            if len(wanted):
                own = np.concatenate([places[song] for song in wanted["song"].unique()])
                artists = clips["artist"].to_numpy()[own]
                yield wanted.drop(columns="silent").set_axis(clips.index[own]).assign(artist=artists)


def fit_discriminant(model: Pipeline, batches: Iterable, again: Iterable, columns: list[str]) -> None:
    """Train a scaled linear discriminant as scikit-learn would, were all clips in memory.

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004,
    for each class, as ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")`` does it.

    Parameters
    ----------
    model : Pipeline
        A StandardScaler and that discriminant; they are trained in place.
    batches, again : iterable of pd.DataFrame
        The same clips twice: ``artist`` and the features.
    columns : list of str
        The features to go by.
    """
    scaler, discriminant = (step for _, step in model.steps)
    of_class: dict[str, StandardScaler] = {}
    for batch in batches:
        scaler.partial_fit(batch[columns].to_numpy(np.float64))
        for artist, own in batch.groupby("artist"):
            of_class.setdefault(artist, StandardScaler()).partial_fit(own[columns].to_numpy(np.float64))
    classes = np.array(sorted(of_class), dtype=object)
    width = len(columns)
    # Of each class, standardised by itself: the sum of outer products, and of the clips' lengths to the fourth.
    products = {artist: np.zeros((width, width)) for artist in classes}
    fourth = dict.fromkeys(classes, 0.0)
    for batch in again:
        for artist, own in batch.groupby("artist"):
            moved = of_class[artist].transform(own[columns].to_numpy(np.float64))
            products[artist] += moved.T @ moved
            fourth[artist] += float((np.square(moved).sum(axis=1) ** 2).sum())
    counts = np.array([int(of_class[artist].n_samples_seen_) for artist in classes])
    priors, covariance = counts / counts.sum(), np.zeros((width, width))
    for artist, count, prior in zip(classes, counts, priors, strict=True):
        spread = of_class[artist].scale_ / scaler.scale_
        covariance += prior * _shrunk(products[artist] / count, fourth[artist], count) * np.outer(spread, spread)
    means = scaler.transform(np.stack([of_class[artist].mean_ for artist in classes]))
    weights = np.linalg.lstsq(covariance, means.T, rcond=None)[0].T
    offsets = np.log(priors) - 0.5 * (means * weights).sum(axis=1)
    if len(classes) == 2:
        weights, offsets = weights[1:] - weights[:1], offsets[1:] - offsets[:1]
    discriminant.classes_, discriminant.priors_, discriminant.means_ = classes, priors, means
    discriminant.covariance_, discriminant.coef_, discriminant.intercept_ = covariance, weights, offsets
    discriminant.n_features_in_, discriminant._max_components = width, len(classes) - 1


def _shrunk(covariance: np.ndarray, fourth: float, count: int) -> np.ndarray:
    """A covariance drawn towards a multiple of the identity, as far as its clips leave it unsure."""
    width = len(covariance)
    mean = np.trace(covariance) / width
    apart = np.square(covariance).sum() - width * mean**2
    unsure = min((fourth / count - np.square(covariance).sum()) / count, apart)
    part = unsure / apart if unsure else 0.0
    return (1 - part) * covariance + part * mean * np.eye(width)


def is_discriminant(estimator: object) -> bool:
    """Whether an estimator can be trained by `fit_discriminant`."""
    return isinstance(estimator, Pipeline) and isinstance(estimator[-1], LinearDiscriminantAnalysis)
