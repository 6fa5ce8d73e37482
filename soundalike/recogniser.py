"""The artist that a song sounds like: one multinomial logistic regression on the points of segments.

Scores are linear in points, and points in what each column says of each segment (see `embedding.Space.directions`). So
a song's scores are those of the mean of its segments' points, and what ears, aspects and segments add is exact.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from soundalike.dataset.segments import Rows, by_aspect
from soundalike.embedding import Embedding
from soundalike.embedding import fit as fit_embedding

# Inverse strength of the penalty on weights, as scikit-learn counts it. On 126 instrumental songs and 59 sung ones a
# tenth and ten times as much do about as well: the temperature makes up for it.
C = 3.0

OTHERS = ""  # the class of the cohort: music by none of the artists
PRIOR = "prior"
NEAREST = 2  # songs by an artist, to which a song is near or not


class Recogniser(NamedTuple):
    """A trained model."""

    embedding: Embedding
    classes: list[str]  # the artists, and `OTHERS` where there was a cohort
    weights: np.ndarray  # [shape=(dimensions, classes)]
    intercepts: np.ndarray  # [shape=(classes,)]
    points: np.ndarray  # of the songs that it was trained on, see `Embedding.unit` [shape=(songs, dimensions)]
    owner: np.ndarray  # the place of their artists among the classes [shape=(songs,)]
    temperature: float = 1.0  # by which scores are divided, see `calibration.fit_temperature`

    @property
    def artists(self) -> list[str]:
        """The classes that are artists."""
        return [name for name in self.classes if name != OTHERS]

    def scores(self, points: np.ndarray) -> pd.DataFrame:
        """Score segments by their points, or songs by the means of these: a row for each, a column for each class.

        The temperature is not applied.
        """
        return pd.DataFrame(points @ self.weights + self.intercepts, columns=self.classes)

    def predict(self, points: np.ndarray) -> pd.DataFrame:
        """Predict log-probabilities, see `scores`."""
        return pd.DataFrame(log_softmax(self.scores(points) / self.temperature, axis=1), columns=self.classes)

    def closest_by_ear(self, mean: np.ndarray) -> dict[str, str]:
        """Return the artist whom each ear alone finds closest to a song [shape=(dimensions,)], if it describes it."""
        found = {}
        for ear, own in zip(self.embedding.ears, self.embedding.dimensions(), strict=True):
            if mean[own].any():
                scores = pd.Series(mean[own] @ self.weights[own], self.classes)
                found[ear] = str(scores[self.artists].idxmax())
        return found

    def nearness(self, means: np.ndarray, artists: Iterable[str]) -> np.ndarray:
        """Compute how near each song is to one artist: the mean cosine to the `NEAREST` songs [shape=(songs,)]."""
        found = []
        for point, artist in zip(self.embedding.unit(means), artists, strict=True):
            own = self.points[self.owner == self.classes.index(artist)]
            found.append(np.sort(1 - self.embedding.distances(own, point))[-NEAREST:].mean())
        return np.array(found)

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


def fit(rows: Rows, song: np.ndarray, artist: np.ndarray, cohort: Rows | None = None) -> Recogniser:
    """Train a model, every artist and every song of an artist weighing the same; its temperature is 1.

    Parameters
    ----------
    rows : dict of str to np.ndarray [shape=(segments, columns)]
        The segments of all songs by each ear; NaN where one does not describe a segment.
    song : np.ndarray [shape=(segments,)]
        The song of each.
    artist : np.ndarray [shape=(segments,)]
        The artist of that song; two at least, or one where there is a cohort.
    cohort : dict of str to np.ndarray, optional
        Segments by others, which are one more class, see `cohort.draw`. They do not change the space.
    """
    from sklearn.linear_model import LogisticRegression  # which takes long, and to predict needs none of it

    with threadpool_limits(1):  # how sums are shared out among threads changes their last digits
        embedding = fit_embedding(rows)
        segments, labels = embedding.segment_points(rows), np.asarray(artist, dtype=object)
        means, number = embedding.song_means(segments, song), pd.factorize(song)[0]
        if cohort is not None:
            others = embedding.segment_points(cohort)
            segments = np.concatenate([segments, others])
            labels = np.append(labels, np.full(len(others), OTHERS, dtype=object))
            number = np.append(number, len(number) + np.arange(len(others)))  # each as a song of its own
        classes = np.unique(labels)
        # Of two classes scikit-learn has one row of weights, whose penalty counts twice. The search ends at small
        # gradients, which shrink with the number of classes.
        model = LogisticRegression(C=C * (2 if len(classes) == 2 else 1), max_iter=1000, tol=1e-3 / len(classes))
        model.fit(np.nan_to_num(segments), labels, sample_weight=balanced_weights(number, labels))
    weights, intercepts = model.coef_.T, model.intercept_
    if len(classes) == 2:
        weights, intercepts = np.hstack([-weights / 2, weights / 2]), np.hstack([-intercepts / 2, intercepts / 2])
    for own, ear in zip(embedding.dimensions(), rows, strict=True):
        described = np.isin(classes, [OTHERS, *artist[np.isfinite(rows[ear][:, 0])]])
        if described.any():  # an artist whom an ear never described is to it what the others are on average
            weights[own][:, ~described] = weights[own][:, described].mean(axis=1, keepdims=True)
    owner = np.searchsorted(classes, pd.Series(artist, song).groupby(level=0).first().loc[means.index])
    return Recogniser(embedding, classes.tolist(), weights, intercepts, embedding.unit(means.to_numpy()), owner)


def balanced_weights(song: Iterable, artist: Iterable) -> np.ndarray:
    """Weigh rows so that every artist, and every song of an artist, counts the same; 1 on average [shape=(rows,)]."""
    table = pd.DataFrame({"song": song, "artist": artist})
    each = table.groupby("song")["song"].transform("size") * table.groupby("artist")["song"].transform("nunique")
    return (len(table) / table["artist"].nunique() / each).to_numpy()
