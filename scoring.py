"""How well artists are told apart, on songs that were not learned from."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from classifiers import fit, folds, join_clips, probabilities


def out_of_fold(model: BaseEstimator, grid: dict, frame: pd.DataFrame, *, by: str = "song") -> pd.DataFrame:
    """The probabilities of each clip from a model that has not seen it.

    Parameters
    ----------
    model, grid
        A row of `classifiers.models`. Settings are chosen inside the training folds.
    frame : pd.DataFrame
        Clips, from `classifiers.comparable`.
    by : {"song", "clip"}
        By song, the model has seen nothing of the clip's song either. By clip, as in 2018, it
        has seen the clip's neighbours: that score is leaky.

    Returns
    -------
    pd.DataFrame
        One row for each clip, under the index of ``frame``; one column for each artist.
    """
    parts = []
    for train, test in folds(frame, by=by):
        trained = fit(model, grid, frame.iloc[train], by=by)
        parts.append(probabilities(trained, frame.iloc[test]))
    return pd.concat(parts).sort_index()


def artists_of(frame: pd.DataFrame) -> pd.Series:
    """The artist of each song, in order of song."""
    return frame.groupby("song")["artist"].first()


def score(frame: pd.DataFrame, clips: pd.DataFrame) -> dict[str, float]:
    """Scores of out-of-fold probabilities.

    Parameters
    ----------
    frame : pd.DataFrame
        The clips.
    clips : pd.DataFrame
        Their probabilities, from `out_of_fold`.

    Returns
    -------
    dict
        ``song``: balanced accuracy by song; ``song log-loss``; ``clip``: accuracy by clip.
    """
    songs, truth = join_clips(clips, frame["song"]), artists_of(frame)
    return {
        "song": float(balanced_accuracy_score(truth, songs.idxmax(axis=1))),
        "song log-loss": float(log_loss(truth, songs.to_numpy(), labels=list(songs.columns))),
        "clip": float(accuracy_score(frame["artist"], clips.idxmax(axis=1))),
    }


def compare(models: dict[str, tuple[BaseEstimator, dict]], frame: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """Score every model honestly, and beside that the 2018 way.

    Parameters
    ----------
    models : dict
        As `classifiers.models` gives it.
    frame : pd.DataFrame
        Clips, from `classifiers.comparable`.

    Returns
    -------
    table : pd.DataFrame
        One row for each model, the best song score first, ties by log-loss: the columns of `score`
        on unseen songs, and ``leaky clip``, the accuracy on random clips.
    clips : dict of str to pd.DataFrame
        The out-of-fold probabilities of each model on unseen songs.
    """
    rows, clips = {}, {}
    for name, (model, grid) in models.items():
        clips[name] = out_of_fold(model, grid, frame)
        leaky = score(frame, out_of_fold(model, grid, frame, by="clip"))["clip"]
        rows[name] = score(frame, clips[name]) | {"leaky clip": leaky}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    return table.sort_values(["song", "song log-loss"], ascending=[False, True]), clips


def chance(frame: pd.DataFrame) -> float:
    """The balanced accuracy of guessing: one over the number of artists."""
    return 1 / frame["artist"].nunique()


def confusion(frame: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    """Songs of each artist (rows) by the artist they were given (columns)."""
    given = join_clips(clips, frame["song"]).idxmax(axis=1)
    table = pd.crosstab(artists_of(frame).rename("artist"), given.rename("given"))
    names = np.sort(frame["artist"].unique())
    return table.reindex(index=names, columns=names, fill_value=0)
