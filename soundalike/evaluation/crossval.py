"""Every model answers for songs and albums that it has not learned from: nested cross-validation.

The outer folds dealt here judge, the inner folds of `training.fit` choose. `metrics` says how good the answers are.
"""

import time
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from soundalike.dataset.splits import SEED, folds
from soundalike.models.calibration import average_temperature
from soundalike.models.model import Model, Sounds, artists_of, averaged, cooled, some_of
from soundalike.models.networks import is_network
from soundalike.models.on_disk import OnDisk
from soundalike.models.specs import Recipe
from soundalike.models.training import fit

BEST_FEW = 3  # models in the average
AVERAGE = f"average of the best {BEST_FEW}"

LEAKY_ONLY = (
    "This frame does not say which clips are of one song. All that can be had of it is the LEAKY score of 2018: "
    "clips drawn at random, while the rest of their songs is learned from. It flatters; do not believe it."
)


class Judged(NamedTuple):
    """What a model says of what it has not learned from, as log-probabilities."""

    clips: pd.DataFrame  # one row for each clip, under the index of the frame
    songs: pd.DataFrame  # one row for each song; none where clips are dealt one by one
    loss: float = np.inf  # of the model on its inner folds
    inner: pd.DataFrame | None = None  # see `model.Model`
    seconds: float = 0.0  # that choosing, training and answering took


Results = dict[str, dict[str, list[Judged]]]  # how the folds were dealt -> model -> one for each repeat


def judge(recipe: Recipe, frame: pd.DataFrame, fold: tuple, by: str, sounds: Sounds = None, seed: int = SEED) -> Judged:
    """Train on one side of a fold, and let it answer for the other.

    Parameters
    ----------
    recipe : Recipe
        Of the model.
    frame : pd.DataFrame
        Clips.
    fold : tuple of np.ndarray
        Positions of clips to learn from and of clips to be judged by, from `splits.folds`.
    by : {"song", "album", "album heard", "clip"}
        How the fold was dealt. By clip, songs are not answered for, and inner folds are of clips, too.
    sounds : np.ndarray or OnDisk, optional
        See `compare`.
    seed : int
        Of the inner folds.
    """
    learn, test = fold
    started = time.monotonic()
    inner_by = "clip" if by == "clip" else "song"
    model = fit(recipe, frame.iloc[learn], by=inner_by, sounds=some_of(sounds, learn), seed=seed)
    tested = frame.iloc[test], some_of(sounds, test)
    if by == "clip":
        clips = cooled(model.logits(*tested), model.clip_temperature)
        songs = pd.DataFrame(columns=clips.columns)
    else:
        clips, songs = model.answer(*tested)
        # Of its clips, a model of whole songs says what it does knowing the song: not to be held against others.
        # And of clips that memory would not hold, all answers are too many.
        if recipe.whole_songs or isinstance(sounds, OnDisk):
            clips = clips.iloc[:0].copy()  # else it would keep them all
    return Judged(clips, songs, model.loss, model.inner, time.monotonic() - started)


def compare(recipes: dict[str, Recipe], frame: pd.DataFrame, *, repeats: int = 1, sounds: Sounds = None) -> Results:
    """Let every model answer for songs, albums and, as in 2018, for clips it has not learned from.

    Parameters
    ----------
    recipes : dict
        As `specs.models` gives it. What needs columns that the frame lacks is left out.
    frame : pd.DataFrame
        Clips, from `splits.comparable`. Without a column ``song``, clips are dealt one by one, which
        is leaky, and nothing else.
    repeats : int
        How often songs are dealt anew. Networks, and the average, are judged on the first deal only;
        networks that listen, on songs only.
    sounds : np.ndarray or OnDisk, optional
        For recipes that listen: one item for each clip. For linear ones, where the features of the
        ``frame`` of labels are; then songs are judged, and no clips.

    Returns
    -------
    dict of str to dict of str to list of Judged
        ``song``, ``album`` and ``album heard`` (if some artist has two), ``clip`` (leaky) -> model ->
        repeats.
    """
    recipes = {name: recipe for name, recipe in recipes.items() if _possible(recipe, frame, sounds)}
    if "song" not in frame:
        warnings.warn(LEAKY_ONLY, stacklevel=2)
    honest = [*(("song", seed) for seed in range(SEED, SEED + repeats)), ("album", SEED), ("album heard", SEED)]
    honest = honest if "song" in frame else []
    leaky = [] if isinstance(sounds, OnDisk) else [("clip", SEED)]
    dealt = {(by, seed): folds(frame, by=by, seed=seed) for by, seed in honest + leaky}
    networks = [name for name, recipe in recipes.items() if is_network(recipe.estimator)]
    tasks = [
        (name, by, seed, number)
        for (by, seed), pairs in dealt.items()
        for number in range(len(pairs))
        for name in recipes
        if (seed == SEED or name not in networks)
        and not (by == "clip" and recipes[name].whole_songs)
        and (by == "song" or recipes[name].columns)  # what listens takes too long for more
    ]

    def asked(name: str, by: str, seed: int, number: int) -> tuple:
        return recipes[name], frame, dealt[by, seed][number], by, _beside(recipes[name], sounds), seed

    # A network uses all cores by itself, and no other process need import TensorFlow.
    found = {task: judge(*asked(*task)) for task in tasks if task[0] in networks}
    fast = [task for task in tasks if task not in found]
    found |= zip(fast, _at_once(sounds)(delayed(judge)(*asked(*task)) for task in fast), strict=True)
    if len(recipes) > BEST_FEW:
        for fold in {task[1:] for task in tasks if task[2] == SEED}:
            rivals = sorted((found[task] for task in tasks if task[1:] == fold), key=lambda judged: judged.loss)
            found[AVERAGE, *fold] = average(rivals[:BEST_FEW], frame)
    results: Results = {}
    for name in [*recipes, AVERAGE]:
        for (by, seed), pairs in dealt.items():
            parts = [found[name, by, seed, n] for n in range(len(pairs)) if (name, by, seed, n) in found]
            if parts:
                results.setdefault(by, {}).setdefault(name, []).append(together(parts))
    return results


def _at_once(sounds: Sounds) -> Parallel:
    """On all cores; by threads, which share what memory there is, where it would not hold the features."""
    return Parallel(n_jobs=-1, prefer="threads" if isinstance(sounds, OnDisk) else None)


def _beside(recipe: Recipe, sounds: Sounds) -> Sounds:
    """What a recipe needs beside the frame."""
    return sounds if not recipe.columns or isinstance(sounds, OnDisk) else None


def _possible(recipe: Recipe, frame: pd.DataFrame, sounds: Sounds) -> bool:
    """Whether a recipe finds in this frame what it needs."""
    if not recipe.columns:
        return sounds is not None
    if isinstance(sounds, OnDisk):
        return True
    return set(recipe.columns) <= set(frame.columns) and ("song" in frame or not recipe.whole_songs)


def together(parts: list[Judged]) -> Judged:
    """Put together what was judged fold by fold."""
    clips, songs = (pd.concat(logs).sort_index() for logs in list(zip(*parts, strict=True))[:2])
    return Judged(clips, songs, seconds=sum(judged.seconds for judged in parts))


def average(best: list[Judged], frame: pd.DataFrame) -> Judged:
    """The mean of what some models said of a fold, made as sure as it was right on the inner folds."""
    clips, songs = averaged([(one.clips, one.songs) for one in best])
    if songs.empty:
        return Judged(clips, songs)
    return Judged(clips, cooled(songs, average_temperature([one.inner for one in best], artists_of(frame))))


def train_best(best: str, recipes: dict[str, Recipe], frame: pd.DataFrame, sounds: Sounds = None) -> dict[str, Model]:
    """Train the best model on all songs: the one, or those that the average is of.

    Parameters
    ----------
    best : str
        The model, or `AVERAGE`.
    recipes : dict of str to Recipe
        All that were compared.
    frame : pd.DataFrame
        Clips.
    sounds : np.ndarray or OnDisk, optional
        See `compare`.

    Returns
    -------
    dict of str to Model
        One; or, of the average, the few that did best on inner folds.
    """
    names = list(recipes) if best == AVERAGE else [best]
    fast = [name for name in names if not is_network(recipes[name].estimator)]
    heard = {name: _beside(recipes[name], sounds) for name in names}
    fits = _at_once(sounds)(delayed(fit)(recipes[name], frame, sounds=heard[name]) for name in fast)
    models = dict(zip(fast, fits, strict=True))
    for name in names:
        if name not in fast:
            models[name] = fit(recipes[name], frame, sounds=heard[name])
    best_few = sorted(models, key=lambda name: models[name].loss)[:BEST_FEW]
    return {name: models[name] for name in best_few}
