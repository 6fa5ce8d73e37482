"""Learn from a frame whose features stay on disk, because memory would not hold them.

What goes around them, labels and answers, is in memory. They are read some songs at a time, as often
as models need them.
"""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from soundalike.dataset.frame import LABELS, iter_songs

if TYPE_CHECKING:  # to ask a model takes none of it
    from sklearn.pipeline import Pipeline


@dataclasses.dataclass(frozen=True)
class OnDisk:
    """The features of a library's frame; which of its clips are meant, the frame of labels beside it says."""

    root: Path

    def __getitem__(self, places: np.ndarray) -> "OnDisk":
        return self

    def labels(self) -> pd.DataFrame:
        """`frame.LABELS` and ``silent`` of every clip, and its ``row`` on disk."""
        labels = pd.read_parquet(self.root / "df_music.parquet", columns=[*LABELS, "silent"])
        return labels.assign(row=np.arange(len(labels)))

    def batches(self, clips: pd.DataFrame, columns: list[str]) -> Iterator[pd.DataFrame]:
        """Read the features of clips, some songs at a time.

        Parameters
        ----------
        clips : pd.DataFrame
            Rows of `labels`, in their order.
        columns : list of str
            The features to read.

        Yields
        ------
        pd.DataFrame
            ``artist``, ``song`` and the features, under the index of ``clips``.
        """
        rows, start = clips["row"].to_numpy(), 0
        for some in iter_songs(self.root, ["song", *columns]):
            own = slice(*np.searchsorted(rows, [start, start + len(some)]))
            if own.start < own.stop:
                artists = clips["artist"].to_numpy()[own]
                yield some.iloc[rows[own] - start].set_axis(clips.index[own]).assign(artist=artists)
            start += len(some)


def fit_discriminant(
    model: "Pipeline", batches: Iterable[pd.DataFrame], clips: pd.DataFrame, columns: list[str]
) -> None:
    """Train a scaled linear discriminant as scikit-learn would, were all clips in memory.

    Parameters
    ----------
    model : Pipeline
        A StandardScaler and ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")``; they are
        trained in place.
    batches : iterable of pd.DataFrame
        ``artist`` and the features.
    clips : pd.DataFrame
        The labels of all that the batches will bring. An artist's clips are in memory at once, from
        the first to the last; where artists are folders, no others are.
    columns : list of str
        The features to go by.
    """
    from sklearn.covariance import ledoit_wolf
    from sklearn.preprocessing import StandardScaler

    scaler, discriminant = (step for _, step in model.steps)
    counts = clips["artist"].value_counts().sort_index()
    means: dict[str, np.ndarray] = {}
    covariance = np.zeros((len(columns), len(columns)))
    for artist, X in _by_artist(batches, counts.to_dict(), columns):
        own = StandardScaler().fit(X)
        scaler.partial_fit(X)
        shrunk = ledoit_wolf(own.transform(X, copy=False))[0]
        covariance += len(X) * shrunk * np.outer(own.scale_, own.scale_)
        means[artist] = own.mean_
    covariance /= len(clips) * np.outer(scaler.scale_, scaler.scale_)
    priors, centres = (counts / len(clips)).to_numpy(), scaler.transform([means[artist] for artist in counts.index])
    weights = np.linalg.lstsq(covariance, centres.T, rcond=None)[0].T
    offsets = np.log(priors) - 0.5 * (centres * weights).sum(axis=1)
    if len(counts) == 2:
        weights, offsets = weights[1:] - weights[:1], offsets[1:] - offsets[:1]
    discriminant.classes_, discriminant.priors_, discriminant.means_ = counts.index.to_numpy(object), priors, centres
    discriminant.covariance_, discriminant.coef_, discriminant.intercept_ = covariance, weights, offsets
    discriminant.n_features_in_, discriminant._max_components = len(columns), len(counts) - 1


def _by_artist(batches: Iterable[pd.DataFrame], left: dict[str, int], columns: list[str]) -> Iterator:
    """Each artist and all its features, as soon as there are as many clips as it should have."""
    waiting: dict[str, list[np.ndarray]] = collections.defaultdict(list)
    for batch in batches:
        for artist, own in batch.groupby("artist"):
            waiting[artist].append(own[columns].to_numpy())
            left[artist] -= len(own)
            if not left[artist]:
                yield artist, np.concatenate(waiting.pop(artist)).astype(np.float64)


def is_discriminant(estimator: object) -> bool:
    """Whether an estimator can be trained by `fit_discriminant`."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import Pipeline

    return isinstance(estimator, Pipeline) and isinstance(estimator[-1], LinearDiscriminantAnalysis)
