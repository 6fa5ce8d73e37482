"""Answers of the recogniser for songs that it was not trained on: held-out songs, and songs by left-out artists.

In each, the space is fitted without these songs, too. Temperatures are those that other folds ask for.
"""

from collections.abc import Mapping
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd

from soundalike import recogniser
from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.study import in_parallel
from soundalike.evaluation.unknown import answer_rows, artist_groups, leave_out
from soundalike.models.calibration import apply_temperature, fit_temperature, losses

REPEATS = 3  # of the split by song
NEAR = 2  # songs by the named artist that a song is compared with

Rows = Mapping[str, np.ndarray]  # the segments of all songs by each ear [shape=(segments, columns)]


class Asked(NamedTuple):
    """The answers of a model that was not trained on some songs: a row for each of these."""

    scores: pd.DataFrame  # of each artist, before the temperature [index: song]; -inf for those not trained on
    nearness: pd.Series  # mean cosine to the nearest songs of the artist who is named


def ask(rows: Rows, place: np.ndarray, songs: pd.DataFrame, fold: Fold) -> Asked:
    """Train on some songs, and answer for others.

    Parameters
    ----------
    rows : mapping of str to np.ndarray
        See `Rows`.
    place : np.ndarray [shape=(segments,)]
        The place of each segment's song in the table of songs.
    songs : pd.DataFrame
        From `splits.song_table`.
    fold : (np.ndarray, np.ndarray)
        Positions of songs to train on, and to answer for.
    """
    learn, asked = (songs.iloc[positions] for positions in fold)
    used = np.isin(place, learn["place"])
    artist = songs.set_index("place")["artist"].loc[place[used]].to_numpy(dtype=object)
    model = recogniser.fit({ear: own[used] for ear, own in rows.items()}, place[used], artist)

    segments = pd.Series(range(len(place))).groupby(place).indices

    def describe(table: pd.DataFrame) -> np.ndarray:
        of_songs = (segments[n] for n in table["place"])
        return np.stack([model.embedding.describe({ear: of[n] for ear, of in rows.items()}) for n in of_songs])

    described = describe(asked)
    scores = pd.DataFrame(model.scores(described), asked.index, model.classes)
    known, points = model.embedding.points(describe(learn)), model.embedding.points(described)
    of_artist = learn.reset_index().groupby("artist").indices
    nearness = [
        np.sort(1 - model.embedding.distances(known[of_artist[named]], point))[-NEAR:].mean()
        for point, named in zip(points, scores.idxmax(axis=1), strict=True)
    ]
    every = sorted(songs["artist"].unique())
    return Asked(scores.reindex(columns=every, fill_value=-np.inf), pd.Series(nearness, asked.index))


def ask_all(
    rows: Rows, place: np.ndarray, songs: pd.DataFrame, splits: list[list[Fold]], label: str
) -> list[list[Asked]]:
    """Answer for the songs of each fold of each split, on all cores; see `ask`."""
    flat = [fold for split in splits for fold in split]
    calls = [joblib.delayed(ask)(rows, place, songs, fold) for fold in flat]
    found = dict(in_parallel(calls, label))
    each = iter([found[n] for n in range(len(flat))])
    return [[next(each) for _ in split] for split in splits]


def answers(rows: Rows, place: np.ndarray, songs: pd.DataFrame, repeats: int = REPEATS) -> pd.DataFrame:
    """Answer for each song, once with other songs by its artist in training, and once with none.

    Both times the model is trained on the same share of the songs by others, so that one is no surer than the other.

    Parameters
    ----------
    rows, place, songs
        See `ask`.
    repeats : int
        Of the split by song.

    Returns
    -------
    pd.DataFrame
        One or two rows for each song and repeat: the columns of `unknown.answer_all`, and ``nearness`` and ``loss``
        (nats; missing where the artist is left out).
    """
    group = artist_groups(songs)
    held_out = [folds(songs, seed=SEED + n) for n in range(repeats)]
    left_out = [leave_out(songs, group, pairs) for pairs in held_out] if songs["artist"].nunique() > 2 else []
    known = ask_all(rows, place, songs, held_out, "Holding songs out")
    others = ask_all(rows, place, songs, left_out, "Leaving artists out")
    found = []
    for repeat, parts in enumerate(known):
        for n, part in enumerate(parts):
            rest = pd.concat([part.scores[:0], *(of.scores for m, of in enumerate(parts) if m != n)])
            found.append(_rows(part, rest, songs, group, known=True).assign(repeat=repeat))
        whole = pd.concat([part.scores for part in parts])
        for part in others[repeat] if others else ():
            rest = whole[~whole.index.isin(part.scores.index)]
            found.append(_rows(part, rest, songs, group, known=False).assign(repeat=repeat))
    return pd.concat(found, ignore_index=True)


def _rows(asked: Asked, rest: pd.DataFrame, songs: pd.DataFrame, group: pd.Series, *, known: bool) -> pd.DataFrame:
    """Make the rows of some songs, by the temperature that other songs ask for; 1 where there are none."""
    temperature = fit_temperature(rest, songs["artist"].loc[rest.index]) if len(rest) else 1.0
    logs = apply_temperature(asked.scores, temperature)
    loss = losses(logs, songs["artist"].loc[logs.index]) if known else np.nan
    rows = answer_rows(logs, songs, group, known=known).set_index("song", drop=False)
    return rows.assign(nearness=asked.nearness, loss=loss)
