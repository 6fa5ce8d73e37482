"""The words of answers that users get, for held-out songs by known artists and by unknown ones."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from soundalike.dataset.splits import SEED, folds
from soundalike.evaluation.crossval import Predictions, predict_held_out
from soundalike.evaluation.study import Study
from soundalike.models import open_set
from soundalike.models.fusion import Fusion
from soundalike.models.open_set import PROBABLY, SURE, UNKNOWN
from soundalike.models.specs import ModelSpec

MOST_ALONE = 12  # artists who are left out one by one; more are left out in GROUPS
GROUPS = 6
COLUMNS = ["song", "artist", "group", "scored", "known", "right", "closest", "probability"]


def answer_all(
    fixed: dict[str, ModelSpec], fusion: Fusion, study: Study, known: Predictions, *, seed: int = SEED
) -> pd.DataFrame:
    """Answer for songs that a model was not trained on, once with other songs by their artists, and once with none.

    Both times the model is trained on the same share of the songs by others, so that one is no surer than the other.

    Parameters
    ----------
    fixed, fusion, study
        See `explain.importance`.
    known : Predictions
        Of the kept model for songs held out of training, whose artists were not.
    seed : int
        Of the split that they are from: artists are left out by the same folds.

    Returns
    -------
    pd.DataFrame
        One or two rows for each song: ``song``, ``artist``, ``group`` (of artists that are left out together),
        ``scored`` (whether its artist is), ``known`` (whether there were other songs by the artist), ``right``,
        ``closest`` (the artist) and its ``probability``. With two artists all are known: when one is left out there
        must be two.
    """
    songs = study.songs
    names = sorted(songs["artist"].unique())
    number = len(names) if len(names) <= MOST_ALONE else GROUPS
    group = songs["artist"].map({name: n % number for n, name in enumerate(names)})
    pairs, rows = folds(songs, seed=seed), [_rows(known.songs, songs, group, known=True)]
    if len(names) > 2 and songs["artist"][songs["scored"]].nunique() > 1:
        left_out = []
        for n in range(number):
            learn = pairs[n % len(pairs)][0]
            left_out.append((learn[group.iloc[learn] != n], np.flatnonzero(group == n)))
        (others,) = predict_held_out(fixed, fusion, study, [left_out], "Leaving artists out")
        rows.append(_rows(others.songs, songs, group, known=False))
    return pd.concat(rows, ignore_index=True)


def _rows(logs: pd.DataFrame, songs: pd.DataFrame, group: pd.Series, *, known: bool) -> pd.DataFrame:
    """Make a row for each song of these log-probabilities."""
    table = pd.DataFrame({
        "song": logs.index,
        "artist": songs["artist"].loc[logs.index].to_numpy(),
        "group": group.loc[logs.index].to_numpy(),
        "scored": songs["scored"].loc[logs.index].to_numpy(),
        "known": known,
        "closest": logs.idxmax(axis=1).to_numpy(),
        "probability": np.exp(logs.max(axis=1)).to_numpy(),
    })  # fmt: skip
    return table.assign(right=table["artist"] == table["closest"])[COLUMNS]


def give_words(answers: pd.DataFrame) -> pd.DataFrame:
    """Give each answer its ``word``, by what was chosen on other artists.

    Parameters
    ----------
    answers : pd.DataFrame
        From `answer_all`.
    """
    words = pd.Series("", answers.index)
    for group, chosen in open_set.choose(answers)[1].items():
        own = answers["group"] == group
        words[own] = chosen.words(answers.loc[own, "probability"])
    return answers.assign(word=words)


def as_shipped(answers: pd.DataFrame) -> dict | None:
    """Measure what users get, on artists that no threshold was chosen on.

    Parameters
    ----------
    answers : pd.DataFrame
        From `give_words`.

    Returns
    -------
    dict or None
        ``known``: of the songs by known artists their number, ``songs``, and the shares whose answer is ``right``,
        ``wrong`` and ``unknown``; ``unknown``: the shares of songs by unknown artists that are ``refused`` (called so)
        and ``called_sure``, None where there are none; ``auc``: the probability that a right answer is more probable
        than one for an unknown artist (the area under the ROC); ``sure`` and ``probably``: of songs by known artists,
        how many were called so and how many were right. None where no song could be held out.
    """
    answers = answers[answers["scored"]]
    if answers["artist"].nunique() < 2:
        return None
    known, others = answers[answers["known"]], answers[~answers["known"]]
    named = known["word"] != UNKNOWN
    found: dict = {
        "known": {
            "songs": len(known),
            "right": float((named & known["right"]).mean()),
            "wrong": float((named & ~known["right"]).mean()),
            "unknown": float((~named).mean()),
        },
        "unknown": None,
        "auc": None,
    }
    if len(others):
        found["unknown"] = {
            "refused": float((others["word"] == UNKNOWN).mean()),
            "called_sure": float((others["word"] == SURE).mean()),
        }
        used = answers[answers["right"] | ~answers["known"]]
        found["auc"] = float(roc_auc_score(used["known"], used["probability"])) if used["known"].any() else None
    for word in (SURE, PROBABLY):
        called = known["right"][known["word"] == word]
        found[word] = {"songs": len(called), "right": int(called.sum())}
    return found
