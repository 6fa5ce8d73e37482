"""Answers as sure as they are right: temperatures fitted on songs that a model was not trained on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from soundalike.models.model import artists_of, averaged, cooled, join


def fit_temperature(logits: pd.DataFrame, truth: pd.Series) -> tuple[float, float]:
    """The temperature at which logits are as sure as they are right, and the log-loss then.

    Guo et al., "On calibration of modern neural networks", 2017. One more item, which is anybody's,
    is counted in, as Platt did ("Probabilistic outputs for support vector machines", 1999): few
    items, all of them right, are no reason to be certain.

    Parameters
    ----------
    logits : pd.DataFrame
        One row for each item, one column for each artist.
    truth : pd.Series
        The artist of each item, in the same order.

    Returns
    -------
    temperature : float
        Between 0.05 and 50.
    loss : float
        Mean negative log-probability of the truth, in nats, with that one item.
    """
    values, places = logits.to_numpy(), logits.columns.get_indexer(truth)
    anybody = 1 / (len(values) + 1)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(values / np.exp(log_temperature), axis=1)
        return -((1 - anybody) * logs[np.arange(len(logs)), places] + anybody * logs.mean(axis=1)).mean()

    found = minimize_scalar(loss, bounds=np.log([0.05, 50]), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def calibrated(logits: pd.DataFrame, frame: pd.DataFrame, *, by: str) -> dict:
    """Calibrate what a model says: one temperature for clips, one for songs.

    See `fit_temperature`.

    Parameters
    ----------
    logits : pd.DataFrame
        Of clips that the model did not learn from.
    frame : pd.DataFrame
        These clips.
    by : {"song", "clip"}
        What is to be answered for.

    Returns
    -------
    dict
        What `Model` calls ``clip_temperature``, ``song_temperature``, ``loss`` and ``inner``; by clip the
        first and third alone.
    """
    clip_temperature, loss = fit_temperature(logits, frame["artist"])
    if by == "clip":
        return {"clip_temperature": clip_temperature, "loss": loss}
    songs = join(cooled(logits, clip_temperature), frame["song"])
    temperature, loss = fit_temperature(songs, artists_of(frame).loc[songs.index])
    found = {"clip_temperature": clip_temperature, "song_temperature": temperature, "loss": loss}
    return found | {"inner": cooled(songs, temperature)}


def average_temperature(inner: Sequence[pd.DataFrame | None], artists: pd.Series) -> float:
    """The temperature for the average of several models, which is less sure than each of them.

    Parameters
    ----------
    inner : sequence of pd.DataFrame
        What each said of songs on its inner folds; the songs that all judged count.
    artists : pd.Series
        The artist of each song.
    """
    said = [logs for logs in inner if logs is not None]
    if len(said) < max(2, len(inner)):
        return 1.0
    common = sorted(set.intersection(*(set(logs.index) for logs in said)))
    songs = [logs.loc[common] for logs in said]
    return fit_temperature(averaged([(logs.iloc[:0], logs) for logs in songs])[1], artists.loc[common])[0]
