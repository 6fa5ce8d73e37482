"""How good answers are: scores with intervals, for songs held out of training.

In accuracies every artist counts the same, and of an artist every song, however long; log-loss and the area under the
curve are those of all songs. Only artists with `splits.MIN_SCORED` songs count. Intervals hold 95% of the bootstrap
resamples of whole recordings (by album: of whole albums), drawn artist by artist: they say how much depends on these
songs.
"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from soundalike.dataset.splits import MIN_ALBUMS, SEED, album_names

RESAMPLES = 1000  # of the bootstrap
METRICS = ("balanced_accuracy", "low", "high", "log_loss", "auc")


def score(answers: pd.DataFrame, *, by: str = "recording") -> dict[str, float | None] | None:
    """Score the answers for songs that a model was not trained on.

    Parameters
    ----------
    answers : pd.DataFrame
        Rows with ``artist``, ``recording``, ``album``, ``scored``, ``right``, ``loss`` and ``confidence``, see
        `held_out.answer_folds`.
    by : {"recording", "album"}
        The unit: an artist's units count the same, and are drawn as a whole.

    Returns
    -------
    dict or None
        `METRICS`. ``low`` and ``high`` are None by album, unless each artist has `splits.MIN_ALBUMS`; ``auc`` is the
        probability that a right answer is more confident than a wrong one, None where all are right, or wrong. None if
        fewer than two artists count.
    """
    answers = answers[answers["scored"]]
    if answers["artist"].nunique() < 2:
        return None
    right = mean_by(answers, "right", by)
    value, low, high = interval(right)
    several = answers["right"].nunique() == 2
    auc = float(roc_auc_score(answers["right"], answers["confidence"])) if several else None
    found = dict(zip(METRICS, (value, low, high, float(answers["loss"].mean()), auc), strict=True))
    too_few = by == "album" and right.groupby("artist").size().min() < MIN_ALBUMS
    return found | {"low": None, "high": None} if too_few else found


def difference(one: pd.DataFrame, other: pd.DataFrame, column: str = "right") -> tuple[float, float, float]:
    """Return how much larger a column is in one table than in another of the same songs, with a paired interval.

    Every artist counts the same; see `score`.
    """
    gain = (mean_by(one[one["scored"]], column) - mean_by(other[other["scored"]], column)).dropna()
    return interval(gain, share=False)


def mean_by(answers: pd.DataFrame, column: str, by: str = "recording") -> pd.Series:
    """Average a column over the rows of each recording, or album, of an artist [index: artist, and it]."""
    unit = album_names(answers) if by == "album" else answers[by]
    return answers[column].astype(float).groupby([answers["artist"], unit.rename("unit")]).mean()


def interval(values: pd.Series, *, share: bool = True) -> tuple[float, float, float]:
    """Average values of recordings by artist, then over artists, with the ends of its interval.

    Where a share is 0 or 1, no resample differs: then the ends are Wilson's for so many recordings.

    Parameters
    ----------
    values : pd.Series
        The first level of its index is the artist.
    share : bool
        Whether they are shares.
    """
    of_artist = values.groupby(level=0)
    weight = (1 / of_artist.transform("size") / of_artist.ngroups).to_numpy()
    mean = float((weight * values).sum().round(12))  # so that all right is 1
    draw = np.random.default_rng(SEED)
    sums = np.zeros(RESAMPLES)
    for own in of_artist.indices.values():
        times = draw.multinomial(len(own), np.full(len(own), 1 / len(own)), RESAMPLES)
        sums += times @ (weight[own] * values.to_numpy()[own])
    low, high = np.quantile(sums.round(12), [0.025, 0.975])
    if share and low == high and mean in (0, 1):
        low, high = binomtest(int(mean) * len(values), len(values)).proportion_ci(method="wilson")
    return mean, float(low), float(high)
