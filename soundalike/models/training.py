"""The models: the table of them, what they answer, and how they are trained.

A model answers for clips and for songs. Settings are chosen, and answers calibrated, on inner folds
of the songs it learns from: what it will be judged by, it never sees.
"""

import copy
import functools
import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from threadpoolctl import threadpool_limits

from soundalike.dataset.splits import SEED, folds
from soundalike.models.calibration import calibrated
from soundalike.models.model import Model, Sounds, artists_of, describe_songs, inputs, some_of
from soundalike.models.networks import is_network
from soundalike.models.on_disk import OnDisk, fit_discriminant, is_discriminant
from soundalike.models.specs import INNER_FOLDS, Recipe

# --- the table of models ---------------------------------------------------------------------


# --- one answer from many clips --------------------------------------------------------------


# --- models ----------------------------------------------------------------------------------


def fit(recipe: Recipe, frame: pd.DataFrame, *, by: str = "song", sounds: Sounds = None, seed: int = SEED) -> Model:
    """Choose settings, calibrate and train, on these clips alone.

    Parameters
    ----------
    recipe : Recipe
        Its estimator stays untrained.
    frame : pd.DataFrame
        The clips to learn from.
    by : {"song", "clip"}
        How the inner folds are dealt, see `splits.folds`, and what is to be answered for.
    sounds : np.ndarray or OnDisk, optional
        For a recipe that listens: one item for each clip. For a linear one, where the features are.
    seed : int
        Of the inner folds.
    """
    played = min(recipe.inner, 1) if by == "clip" and not recipe.grid else recipe.inner
    inner = folds(frame, INNER_FOLDS, by=by, seed=seed)[:played]
    if not inner:  # too few songs to put any aside: the first setting, and answers as they come
        return train(recipe, ParameterGrid(recipe.grid)[0], frame, sounds)
    tried, tests = [], frame.iloc[np.concatenate([test for _, test in inner])]
    for setting in ParameterGrid(recipe.grid):
        parts = [_judged(recipe, setting, frame, sounds, learn, test) for learn, test in inner]
        tried.append(calibrated(pd.concat(parts), tests, by=by) | {"setting": setting})
    chosen = min(tried, key=lambda one: one["loss"])
    return train(recipe, chosen["setting"], frame, sounds)._replace(**chosen)


def _judged(
    recipe: Recipe, setting: dict, frame: pd.DataFrame, sounds: Sounds, learn: np.ndarray, test: np.ndarray
) -> pd.DataFrame:
    """The logits of some clips from a model that learned from others."""
    model = train(recipe, setting, frame.iloc[learn], some_of(sounds, learn))
    return model.logits(frame.iloc[test], some_of(sounds, test))


def train(recipe: Recipe, setting: dict, frame: pd.DataFrame, sounds: Sounds = None) -> Model:
    """Train with one setting, on these clips.

    Parameters
    ----------
    recipe : Recipe
        Of the model.
    setting : dict
        One of those that the recipe offers.
    frame : pd.DataFrame
        Clips; of each song at most ``recipe.clips_per_song``, evenly spaced, are learned from.
    sounds : np.ndarray or OnDisk, optional
        For a recipe that listens, one item for each clip; or where the features of a ``frame`` of labels are.

    Returns
    -------
    Model
        Not calibrated.
    """
    if recipe.clips_per_song:
        songs = frame.groupby("song").indices.values()
        some = [
            np.linspace(0, len(places) - 1, min(len(places), recipe.clips_per_song)).astype(int) for places in songs
        ]
        kept = np.concatenate([places[picked] for places, picked in zip(songs, some, strict=True)])
        frame, sounds = frame.iloc[kept], some_of(sounds, kept)
    y = (artists_of(frame) if recipe.whole_songs else frame["artist"]).to_numpy(dtype=object)
    # of fewer clips than neighbours are asked for, all are neighbours
    setting = {name: min(value, len(y)) if name.endswith("n_neighbors") else value for name, value in setting.items()}
    # sklearn's clone would drop the fit_kwargs of Keras's wrapper
    estimator = copy.deepcopy(recipe.estimator) if is_network(recipe.estimator) else clone(recipe.estimator)
    # Folds run at once, each on one thread. A forest of few clips draws few for each tree, and says so.
    with threadpool_limits(None if is_network(estimator) else 1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using the fractional value max_samples")
        warnings.filterwarnings("ignore", message="The number of unique classes")  # many artists of few songs
        estimator.set_params(**setting)
        if isinstance(sounds, OnDisk) and is_discriminant(estimator):
            fit_discriminant(estimator, sounds.batches(frame, recipe.columns), frame, recipe.columns)
        else:
            estimator.fit(_learned_from(recipe, frame, sounds), y)
    return Model(estimator, list(np.unique(y)), recipe.columns, recipe.whole_songs, setting)


def _learned_from(recipe: Recipe, frame: pd.DataFrame, sounds: Sounds) -> np.ndarray:
    """What an estimator learns from, one row for each clip or, if it goes by whole songs, for each song."""
    if recipe.whole_songs:
        if isinstance(sounds, OnDisk):
            return _summaries(sounds, tuple(recipe.columns)).loc[artists_of(frame).index].to_numpy()
        return describe_songs(frame[recipe.columns], frame["song"])
    if isinstance(sounds, OnDisk):
        frame = pd.concat(sounds.batches(frame, recipe.columns))
    return inputs(recipe.columns, False, frame, sounds)


@functools.cache
def _summaries(features: OnDisk, columns: tuple[str, ...]) -> pd.DataFrame:
    """`describe_songs` for every song on disk. Each process reads them once, for all the folds that it plays."""
    clips = features.labels().query("not silent")
    rows = [describe_songs(some[[*columns]], some["song"]) for some in features.batches(clips, [*columns])]
    return pd.DataFrame(np.concatenate(rows), index=clips["song"].unique())
