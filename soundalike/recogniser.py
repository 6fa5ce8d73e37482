"""The artist that a song sounds like: one multinomial logistic regression on the points of segments.

Scores are linear in points, and points in what each column says of each segment (see `embedding.Space.directions`). So
a song's scores follow from its description alone, and what ears, aspects and segments add to an answer is exact.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from soundalike.dataset.segments import by_aspect
from soundalike.embedding import Embedding
from soundalike.embedding import fit as fit_embedding

# Inverse strength of the penalty on weights, as scikit-learn counts it. On 126 instrumental songs and 59 sung ones a
# tenth and ten times as much do about as well: the temperature makes up for it.
C = 3.0

PRIOR = "prior"


class Recogniser(NamedTuple):
    """A trained model."""

    embedding: Embedding
    classes: list[str]
    weights: np.ndarray  # [shape=(dimensions, classes)]
    intercepts: np.ndarray  # [shape=(classes,)]
    temperature: float = 1.0  # by which scores are divided, see `calibration.fit_temperature`

    def scores(self, described: np.ndarray) -> np.ndarray:
        """Score songs, before the temperature [shape=(songs, classes)], from their `Embedding.describe`."""
        return self.embedding.means(described) @ self.weights + self.intercepts

    def predict(self, described: np.ndarray) -> np.ndarray:
        """Predict the log-probabilities of songs [shape=(songs, classes)], from their `Embedding.describe`."""
        return log_softmax(self.scores(described) / self.temperature, axis=1)

    def explain(self, rows: Mapping[str, np.ndarray], artist: str, other: str) -> pd.DataFrame:
        """Split the log-odds of one artist against another by segments and aspects.

        Parameters
        ----------
        rows : mapping of str to np.ndarray [shape=(segments, columns)]
            The segments of a song by each ear, see `segments.segment_rows`.
        artist, other : str
            Two of the classes.

        Returns
        -------
        pd.DataFrame
            One row for each segment; a column for each of `ASPECTS`, for each network's aspect, and `PRIOR` for what
            the model says of any song. The sum of all is the song's log-odds.
        """
        one, two = (self.classes.index(name) for name in (artist, other))
        odds = (self.weights[:, one] - self.weights[:, two]) / self.temperature / np.sqrt(len(self.embedding.ears))
        shares: dict[str, np.ndarray] = {}
        for own, (ear, space) in zip(self.embedding.dimensions(), self.embedding.ears.items(), strict=True):
            directions = space.directions(rows[ear])
            there = np.isfinite(directions[:, :1])
            added = np.where(there, directions * (space.basis @ odds[own]), 0) / max(there.sum(), 1)
            shares |= by_aspect(ear, added)
        prior = (self.intercepts[one] - self.intercepts[two]) / self.temperature
        return pd.DataFrame(shares).assign(**{PRIOR: lambda table: prior / len(table)})


def fit(rows: Mapping[str, np.ndarray], song: np.ndarray, artist: np.ndarray) -> Recogniser:
    """Train a model, every artist and every song of an artist weighing the same; its temperature is 1.

    Parameters
    ----------
    rows : mapping of str to np.ndarray [shape=(segments, columns)]
        The segments of all songs by each ear; NaN where one does not describe a segment.
    song : np.ndarray [shape=(segments,)]
        The song of each.
    artist : np.ndarray [shape=(segments,)]
        The artist of that song; two at least.
    """
    from sklearn.linear_model import LogisticRegression  # which takes long, and to predict needs none of it

    classes = np.unique(artist)
    with threadpool_limits(1):  # how sums are shared out among threads changes their last digits
        embedding = fit_embedding(rows)
        # Of two artists scikit-learn has one row of weights, whose penalty counts twice. The search ends at small
        # gradients, which shrink with the number of artists.
        model = LogisticRegression(C=C * (2 if len(classes) == 2 else 1), max_iter=1000, tol=1e-3 / len(classes))
        model.fit(embedding.segment_points(rows), artist, sample_weight=balanced_weights(song, artist))
    weights, intercepts = model.coef_.T, model.intercept_
    if len(classes) == 2:
        weights, intercepts = np.hstack([-weights / 2, weights / 2]), np.hstack([-intercepts / 2, intercepts / 2])
    for own, ear in zip(embedding.dimensions(), rows, strict=True):
        described = np.isin(classes, artist[np.isfinite(rows[ear][:, 0])])
        if described.any():  # an artist whom an ear never described is to it what the others are on average
            weights[own][:, ~described] = weights[own][:, described].mean(axis=1, keepdims=True)
    return Recogniser(embedding, classes.tolist(), weights, intercepts)


def balanced_weights(song: Iterable, artist: Iterable) -> np.ndarray:
    """Weigh rows so that every artist, and every song of an artist, counts the same; 1 on average [shape=(rows,)]."""
    table = pd.DataFrame({"song": song, "artist": artist})
    each = table.groupby("song")["song"].transform("size") * table.groupby("artist")["song"].transform("nunique")
    return (len(table) / table["artist"].nunique() / each).to_numpy()
