"""The words of answers that users get, for held-out songs by known artists and by unknown ones."""

import numpy as np
import pandas as pd

from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.crossval import Predictions, predict_held_out
from soundalike.evaluation.study import Study
from soundalike.models import open_set
from soundalike.models.fusion import Fusion
from soundalike.models.open_set import CLOSEST, PROBABLY, SURE, UNKNOWN
from soundalike.models.specs import ModelSpec

MOST_ALONE = 12  # artists who are left out one by one; more are left out in GROUPS
GROUPS = 6
COLUMNS = ["song", "artist", "repeat", "group", "scored", "known", "right", "closest", "probability"]


def answer_all(fixed: dict[str, ModelSpec], fusion: Fusion, study: Study, known: list[Predictions]) -> pd.DataFrame:
    """Answer for songs that a model was not trained on, once with other songs by their artists, and once with none.

    Both times the model is trained on the same share of the songs by others, so that one is no surer than the other.

    Parameters
    ----------
    fixed, fusion, study
        See `explain.importance`.
    known : list of Predictions
        Of the kept model for songs held out of training, whose artists were not, in each repeat of the split by song.
        Artists are left out by the same folds.

    Returns
    -------
    pd.DataFrame
        One or two rows for each song and repeat: ``song``, ``artist``, ``repeat``, ``group`` (of artists that are left
        out together), ``scored`` (whether its artist is), ``known`` (whether there were other songs by the artist),
        ``right``, ``closest`` (the artist) and its ``probability``. With two artists all are known: when one is left
        out there must be two.
    """
    songs = study.songs
    group = artist_groups(songs)
    rows = [answer_rows(one.songs, songs, group, known=True).assign(repeat=n) for n, one in enumerate(known)]
    if songs["artist"].nunique() > 2 and songs["artist"][songs["scored"]].nunique() > 1:
        splits = [leave_out(songs, group, folds(songs, seed=SEED + n)) for n in range(len(known))]
        splits = splits if all(splits) else []
        others = predict_held_out(fixed, fusion, study, splits, "Leaving artists out")
        rows += [answer_rows(one.songs, songs, group, known=False).assign(repeat=n) for n, one in enumerate(others)]
    return pd.concat(rows, ignore_index=True)[COLUMNS]


def artist_groups(songs: pd.DataFrame) -> pd.Series:
    """Return for each song the number of the group of artists who are left out together with its own."""
    names = sorted(songs["artist"].unique())
    number = len(names) if len(names) <= MOST_ALONE else GROUPS
    return songs["artist"].map({name: n % number for n, name in enumerate(names)})


def leave_out(songs: pd.DataFrame, group: pd.Series, pairs: list[Fold]) -> list[Fold]:
    """Leave out each group of artists in turn, and of the others what one of some folds by song holds out.

    Songs that share a work with theirs are not trained on either. A group without which fewer than two artists remain
    is not left out.
    """
    found = []
    for n in sorted(group.unique()):
        learn, asked = pairs[n % len(pairs)][0], np.flatnonzero(group == n)
        apart = (group.iloc[learn] != n) & ~songs["recording"].iloc[learn].isin(songs["recording"].iloc[asked])
        if songs["artist"].iloc[learn][apart].nunique() > 1:
            found.append((learn[apart.to_numpy()], asked))
    return found


def answer_rows(logs: pd.DataFrame, songs: pd.DataFrame, group: pd.Series, *, known: bool) -> pd.DataFrame:
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
    return table.assign(right=table["artist"] == table["closest"])


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
        From `give_words`; of one repeat, so that each song counts once.

    Returns
    -------
    dict or None
        ``known``: of the songs by known artists their number, ``songs``, the shares whose answer is ``right``,
        ``wrong`` and ``unknown``, and ``right_by_artist``, the mean over artists of the first; ``unknown``: of songs
        by unknown artists their number, ``songs``, and the shares that are ``refused`` (called so) and
        ``called_sure``, None where there are none; ``sure``, ``probably`` and ``closest``: of songs by
        known artists, how many were called so and how many were right. None where no song could be held out.
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
            "right_by_artist": float((named & known["right"]).groupby(known["artist"]).mean().mean()),
        },
        "unknown": None,
    }
    if len(others):
        found["unknown"] = {
            "songs": len(others),
            "refused": float((others["word"] == UNKNOWN).mean()),
            "called_sure": float((others["word"] == SURE).mean()),
        }
    for word in (SURE, PROBABLY, CLOSEST):
        called = known["right"][known["word"] == word]
        found[word] = {"songs": len(called), "right": int(called.sum())}
    return found
