"""Confounds: how recordings were made may distinguish artists besides their music."""

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from soundalike.dataset.invariance import Shrinkage
from soundalike.dataset.segments import Examples, find_segment_shifts
from soundalike.dataset.splits import SEED, folds, several_albums
from soundalike.evaluation.crossval import Predictions, enough, predictions_of
from soundalike.evaluation.metrics import METRICS, chance, score
from soundalike.models.model import FLOOR

TECHNICAL = ["sample_rate", "channels", "bit_rate", "codec", "loudness", "cutoff_hz"]  # columns of songs.csv
COMPARED = 1000  # songs, at most, between which distances are measured


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


def file_effects(altered: pd.DataFrame, examples: Examples, songs: pd.DataFrame) -> pd.DataFrame:
    """Measure how far features move when a file changes and its music does not.

    Parameters
    ----------
    altered : pd.DataFrame
        From `nuisance.read_altered`; the features that it holds are measured.
    examples : Examples
        Of the library.
    songs : pd.DataFrame
        The table of songs.

    Returns
    -------
    pd.DataFrame
        One row for each alteration, the greatest first: the mean distance that it moves a song by, in parts of the
        median distance between songs of different artists, in features ``as they are`` and ``as models see them``
        (see `invariance.Shrinkage`; each half of the altered songs by the shifts of the other half).
    """
    some = songs["place"].sample(min(len(songs), COMPARED), random_state=SEED)
    rows = examples.find(some, segments=True)
    segments = examples.segments[rows]
    means = pd.DataFrame(segments).groupby(examples.song[rows]).mean()
    artist = songs.set_index("place")["artist"].loc[means.index].to_numpy()
    others = artist[:, None] != artist
    shifts = find_segment_shifts(altered[altered["song"].isin(songs.index)], examples.columns)
    half = shifts.index.codes[0] % 2
    plain = _lengths(Shrinkage().fit(segments), means, others, shifts)
    shrunk = [
        _lengths(Shrinkage().fit(segments, shifts=shifts[half != side].to_numpy()), means, others, shifts[half == side])
        for side in (0, 1)
    ]
    table = pd.DataFrame({"as they are": plain, "as models see them": pd.concat(shrunk)})
    return table.groupby(level="alteration").mean().sort_values("as they are", ascending=False)


def _lengths(shrinkage: Shrinkage, means: pd.DataFrame, others: np.ndarray, shifts: pd.DataFrame) -> pd.Series:
    """Measure how long shifts are, in parts of the median distance between songs of different artists."""
    points, moved = (shrinkage.transform(rows.to_numpy()) / shrinkage.scale_ for rows in (means, shifts))
    return pd.Series(np.linalg.norm(moved, axis=1) / np.median(squareform(pdist(points))[others]), shifts.index)


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
