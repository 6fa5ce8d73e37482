"""What could tell artists apart besides their music: how their recordings were made, going by songs.csv."""

import numpy as np
import pandas as pd
from scipy.stats import kruskal
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from soundalike.dataset.splits import SEED, folds, recordings, several_albums
from soundalike.evaluation.metrics import measure

TECHNICAL = ["sample_rate", "channels", "bit_rate", "codec", "loudness", "cutoff_hz"]  # columns of songs.csv


def technical(songs: pd.DataFrame) -> pd.DataFrame:
    """How each artist's recordings were made: the usual value, or the commonest, and the range."""
    by_artist = songs.groupby("artist")
    made = pd.DataFrame({"songs": by_artist.size()})
    for name in TECHNICAL:
        made[name] = by_artist[name].agg(_usual)
    return made


def _usual(values: pd.Series) -> str:
    """The median and the range of numbers; of words, the commonest."""
    if not pd.api.types.is_numeric_dtype(values):
        counts = values.value_counts()
        return f"{counts.index[0]} ({counts.iloc[0]} of {len(values)})" if len(counts) > 1 else str(counts.index[0])
    if values.isna().all():
        return "not stated"
    low, middle, high = values.min(), values.median(), values.max()
    return f"{middle:,.6g}" if low == high else f"{middle:,.6g} ({low:,.6g} to {high:,.6g})"


def give_away(songs: pd.DataFrame) -> pd.DataFrame:
    """How well the artist of a song never seen can be told from how its recording was made.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv, of the artists to be compared; a column ``recording`` is heeded.

    Returns
    -------
    pd.DataFrame
        One row for each of `TECHNICAL`, and one for all: balanced accuracy by song with its interval
        (see `metrics.measure`), and ``differs``, the probability that artists who do not differ
        would look as different (Kruskal-Wallis; missing for words).
    """
    songs = songs.reset_index(drop=True)
    rows = {}
    for name in ["all of these", *TECHNICAL]:
        used = TECHNICAL if name == "all of these" else [name]
        rows[name] = _judged(songs, used) | {"differs": _differs(songs, name)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("property")


def _judged(songs: pd.DataFrame, used: list[str]) -> dict[str, float]:
    """How well these properties alone tell artists apart, on songs never seen."""
    words = [name for name in used if not pd.api.types.is_numeric_dtype(songs[name])]
    values = songs[used].copy()
    numbers = [name for name in used if name not in words]
    values[numbers] = values[numbers].astype(float).fillna(-1)  # not stated in the header
    parts = []
    for train, test in folds(songs):
        forest = make_pipeline(
            make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough"),
            RandomForestClassifier(100, min_samples_leaf=2, class_weight="balanced", random_state=SEED),
        ).fit(values.iloc[train], songs["artist"].iloc[train])
        logs = np.log(np.maximum(forest.predict_proba(values.iloc[test]), 1e-6))
        parts.append(pd.DataFrame(logs, index=test, columns=forest.classes_))
    logs = pd.concat(parts).sort_index()
    found = measure(songs["artist"].loc[logs.index], logs, recordings(songs).loc[logs.index])
    return {key: found[key] for key in found if key.startswith("balanced accuracy")}


def _differs(songs: pd.DataFrame, name: str) -> float:
    """The p of a Kruskal-Wallis test; missing for words, and for what never changes."""
    if name not in songs or not pd.api.types.is_numeric_dtype(songs[name]) or songs[name].nunique() < 2:
        return np.nan
    stated = [part for _, part in songs.dropna(subset=name).groupby("artist")[name]]
    return float(kruskal(*stated).pvalue) if len(stated) > 1 else np.nan


def warnings_of(songs: pd.DataFrame, given_away: pd.DataFrame) -> list[str]:
    """What a reader should know before believing a score, in sentences."""
    told = []
    chance = 1 / songs["artist"].nunique()
    if given_away.loc["all of these", "balanced accuracy low"] > chance:
        sure = given_away.loc["all of these", "balanced accuracy"]
        told.append(
            f"How recordings were made gives artists away: {sure:.2f} by that alone, where guessing gets {chance:.2f}."
        )
    if not several_albums(songs):
        told.append("Nobody has two albums: whether an album's sound is taken for its artist cannot be seen.")
    return told
