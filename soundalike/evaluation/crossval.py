"""Nested cross-validation: every model predicts songs, and albums, that it was not trained on.

Outer folds score, the inner folds of `training.fit` choose; `metrics` says how good the predictions are.
"""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from soundalike.dataset.segments import Examples
from soundalike.dataset.splits import FOLDS, SEED, Fold, folds
from soundalike.models.model import FLOOR, Model, average
from soundalike.models.specs import KEPT, NINE, ModelSpec, fix, is_network
from soundalike.models.training import fit, train_on

REPEATS = 3  # of the split by song, for the models that make up the kept one; the others are split once
UNSEEN_SONGS, UNSEEN_ALBUMS, KNOWN_ALBUMS, RANDOM_CLIPS = "song", "album", "known album", "clip"  # ways to split


class Predictions(NamedTuple):
    """What a model predicted for what it was not trained on, in one repeat of a split."""

    songs: pd.DataFrame  # calibrated log-probabilities, one row for each song; none of random clips
    clips: pd.DataFrame  # the same, one row for each clip
    clip_song: pd.Series  # the song of each clip, under the same index
    settings: list[dict]  # that inner folds chose, one for each fold


def predictions_of(songs: pd.DataFrame) -> Predictions:
    """Wrap log-probabilities of songs alone."""
    return Predictions(songs, pd.DataFrame(), pd.Series(dtype=object), [])


Results = dict[str, dict[str, list[Predictions]]]  # way to split -> model -> one for each repeat


class _Part(NamedTuple):
    """The predictions of one model for one fold."""

    songs: pd.DataFrame
    clips: pd.DataFrame
    setting: dict


def compare(
    specs: dict[str, ModelSpec],
    weights: dict[str, float],
    songs: pd.DataFrame,
    examples: Examples,
    *,
    repeats: int = REPEATS,
) -> Results:
    """Let every model, and the kept one, predict songs, albums and random clips that it was not trained on.

    Parameters
    ----------
    specs : dict of str to ModelSpec
        From `specs.specs`.
    weights : dict of str to float
        From `specs.weights`: of which of them the kept model is made.
    songs : pd.DataFrame
        From `splits.song_table`.
    examples : Examples
        Of these songs.
    repeats : int
        Of the split by song, for the models that make up the kept one.

    Returns
    -------
    Results
        By song: all models; by album, where an artist has two: the kept one, today's other models and
        loudness; with known albums: the kept one; by random clips: the kept one and those of 2018.
    """
    # Networks first: a process that grows later, by TensorFlow, is taken for leaking and replaced again and again.
    tasks = sorted(_tasks(specs, weights, songs, examples, repeats), key=lambda task: not is_network(specs[task[2]]))
    parts = _predict_all(tasks, specs, songs, examples)
    found: dict[tuple[str, int, str], list[_Part]] = {}
    for (by, seed, name, _), part in zip(tasks, parts, strict=True):
        found.setdefault((by, seed, name), []).append(part)
    for by, seed in {key[:2] for key in found if key[2] in weights}:
        found[by, seed, KEPT] = _kept({name: found[by, seed, name] for name in weights}, weights)
    results: Results = {}
    for by, seed, name in sorted(found, key=lambda key: (key[1], [*specs, KEPT].index(key[2]))):
        predictions = _together(found[by, seed, name], songs, examples)
        results.setdefault(by, {}).setdefault(name, []).append(predictions)
    return results


Task = tuple[str, int, str, Fold]  # the way to split, its seed, the model, the fold


def _tasks(
    specs: dict[str, ModelSpec], weights: dict[str, float], songs: pd.DataFrame, examples: Examples, repeats: int
) -> Iterator[Task]:
    """All that has to be trained."""
    of_2018 = [name for name in specs if name.startswith(NINE)]
    today = [name for name in specs if name not in of_2018 and not is_network(specs[name])]
    asked = [
        (UNSEEN_SONGS, seed, list(specs) if seed == SEED else list(weights)) for seed in range(SEED, SEED + repeats)
    ]
    asked += [
        (UNSEEN_ALBUMS, SEED, today),
        (KNOWN_ALBUMS, SEED, list(weights)),
        (RANDOM_CLIPS, SEED, [*weights, *of_2018]),
    ]
    for by, seed, names in asked:
        pairs = random_clips(len(examples.song)) if by == RANDOM_CLIPS else folds(songs, by=by, seed=seed)
        yield from ((by, seed, name, fold) for fold in pairs for name in names)


def random_clips(count: int, seed: int = SEED) -> list[Fold]:
    """Split clips one by one, as in 2018: the clips of a song stand on both sides, which flatters."""
    number_of = np.random.default_rng(seed).permutation(count) % FOLDS
    return [(np.flatnonzero(number_of != n), np.flatnonzero(number_of == n)) for n in range(FOLDS)]


def _predict_all(
    tasks: list[Task], specs: dict[str, ModelSpec], songs: pd.DataFrame, examples: Examples
) -> list[_Part]:
    """Train and predict for each task, on all cores."""
    work = (delayed(_predict)(specs[name], by, seed, fold, songs, examples) for by, seed, name, fold in tasks)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A worker stopped")  # and was replaced: TensorFlow takes much memory
        return Parallel(n_jobs=-1)(work)


def _predict(spec: ModelSpec, by: str, seed: int, fold: Fold, songs: pd.DataFrame, examples: Examples) -> _Part:
    """Train on one side of a fold, and predict the other."""
    learn, test = fold
    if by == RANDOM_CLIPS:
        some = examples.take(learn[examples.whole[learn]] if spec.segments else learn)
        (member,) = train_on(spec, [{}], some, some.artists(songs))
        clips = member.predict(examples.take(test))[0].set_axis(test).astype(np.float32)
        # Of an artist with few clips, none may be among those trained on.
        clips = clips.reindex(columns=sorted(songs["artist"].unique()), fill_value=np.log(FLOOR))
        return _Part(clips.iloc[:0], clips, {})
    member, setting = fit(spec, examples, songs.iloc[learn], seed=seed)
    rows = np.flatnonzero(np.isin(examples.song, songs["place"].iloc[test]))
    clips, of_songs = member.predict(examples.take(rows))
    return _Part(of_songs, clips.set_axis(rows).astype(np.float32), setting)


def _kept(parts: dict[str, list[_Part]], weights: dict[str, float]) -> list[_Part]:
    """The predictions of the kept model for each fold, from those of the models that it is made of."""
    made = []
    for same in zip(*parts.values(), strict=True):
        own = dict(zip(parts, same, strict=True))
        songs, clips = (average({name: part[n] for name, part in own.items()}, weights) for n in (0, 1))
        made.append(_Part(songs, clips, {}))
    return made


def _together(parts: list[_Part], songs: pd.DataFrame, examples: Examples) -> Predictions:
    """Put together what was predicted for each fold."""
    of_songs, clips = (pd.concat([part[n] for part in parts]) for n in (0, 1))
    clips = clips.sort_index()
    clip_song = pd.Series(song_names(songs, examples.song[clips.index]), clips.index)
    return Predictions(by_name(of_songs, songs).sort_index(), clips, clip_song, [part.setting for part in parts])


def song_names(songs: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """The songs in these places."""
    return pd.Series(songs.index, songs["place"]).loc[places].to_numpy()


def by_name(logs: pd.DataFrame, songs: pd.DataFrame) -> pd.DataFrame:
    """Predictions of songs under their names, which are under their places."""
    return logs.set_axis(pd.Index(song_names(songs, logs.index), name="song"))


def predict_held_out(
    specs: dict[str, ModelSpec], weights: dict[str, float], songs: pd.DataFrame, examples: Examples, pairs: list[Fold]
) -> Predictions:
    """Let the kept model predict the songs that each of some folds holds out; see `compare`."""
    tasks = [(UNSEEN_SONGS, SEED, name, fold) for name in weights for fold in pairs]
    parts = _predict_all(tasks, specs, songs, examples)
    own = {name: parts[n * len(pairs) : (n + 1) * len(pairs)] for n, name in enumerate(weights)}
    return _together(_kept(own, weights), songs, examples)


def train_kept(
    specs: dict[str, ModelSpec], weights: dict[str, float], songs: pd.DataFrame, examples: Examples
) -> tuple[Model, dict[str, dict], dict[str, ModelSpec]]:
    """Train the kept model on all songs.

    Returns
    -------
    model : Model
        Calibrated.
    settings : dict of str to dict
        That inner folds chose for each of its parts.
    fixed : dict of str to ModelSpec
        Its parts with these settings and temperatures, see `specs.fix`.
    """
    fits = Parallel(n_jobs=-1)(delayed(fit)(specs[name], examples, songs) for name in weights)
    members, settings = (dict(zip(weights, found, strict=True)) for found in zip(*fits, strict=True))
    fixed = {name: fix(specs[name], settings[name], members[name].temperature) for name in weights}
    return Model(members, weights), settings, fixed
