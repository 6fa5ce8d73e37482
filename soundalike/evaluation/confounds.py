"""Confounds: how recordings were made may distinguish artists besides their music."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from soundalike.dataset.splits import SEED, folds, several_albums
from soundalike.evaluation.crossval import Predictions, enough, predictions_of
from soundalike.evaluation.metrics import METRICS, chance, score
from soundalike.models.model import FLOOR

TECHNICAL = ["sample_rate", "channels", "bit_rate", "codec", "loudness", "cutoff_hz"]  # columns of songs.csv


def score_confounds(files: pd.DataFrame, songs: pd.DataFrame) -> dict[str, float | None]:
    """Score how well the artist of an unseen song can be predicted from how its recording was made, by `TECHNICAL`.

    Parameters
    ----------
    files : pd.DataFrame
        Rows of songs.csv.
    songs : pd.DataFrame
        The table of songs, see `splits.song_table`.

    Returns
    -------
    dict of str to float, or to None
        `metrics.METRICS`; not numbers where too few songs are scored.
    """
    made = files.set_index("song").loc[songs.index, TECHNICAL]
    return score([_predict(made, songs)], songs) or dict.fromkeys(METRICS, np.nan)


def _predict(made: pd.DataFrame, songs: pd.DataFrame) -> Predictions:
    """Predict unseen songs from these properties alone, by a random forest."""
    words = [name for name in made if not pd.api.types.is_numeric_dtype(made[name])]
    values = made.copy()
    numbers = values.columns.difference(words)
    values[numbers] = values[numbers].astype(float).fillna(-1)  # not stated in the header
    parts = []
    for train, test in enough(songs, folds(songs)):
        forest = make_pipeline(
            make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough"),
            RandomForestClassifier(50, min_samples_leaf=2, class_weight="balanced", random_state=SEED),
        ).fit(values.iloc[train], songs["artist"].iloc[train])
        logs = np.log(np.maximum(forest.predict_proba(values.iloc[test]), FLOOR))
        parts.append(pd.DataFrame(logs, songs.index[test], forest.classes_))
    return predictions_of(pd.concat(parts))


def warnings_of(songs: pd.DataFrame, by_recording: dict[str, float | None]) -> list[str]:
    """Say what a reader should know before believing a score, in sentences; see `score_confounds`."""
    sentences = []
    if (by_recording["low"] or 0) > chance(songs) + 1e-6:
        sentences.append(
            f"How recordings were made distinguishes artists: {by_recording['balanced_accuracy']:.2f} by that "
            f"alone, at a chance level of {chance(songs):.2f}."
        )
    if not several_albums(songs):
        sentences.append(
            "No artist has two albums: whether a model takes an album's sound for its artist cannot be seen."
        )
    return sentences
