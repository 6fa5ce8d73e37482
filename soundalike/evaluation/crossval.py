"""Nested cross-validation: every model predicts songs, and albums, that it was not trained on.

Outer folds score, the inner folds of `training.fit` choose; `metrics` says how good the predictions are.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed

from soundalike.dataset.segments import Examples
from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.study import Part, Study, end_workers, in_parallel
from soundalike.models.model import Model, average
from soundalike.models.specs import KEPT, NINE, ROWS, ModelSpec, fix, is_network
from soundalike.models.training import fit, train_on

REPEATS = 3  # of the split by song, for the models that make up the kept one; the others are split once
MANY = 500  # songs; of so many, one repeat says enough, and for models that are not kept, two of its folds
HELD_OUT = 0.3  # of random clips, as in 2018
UNSEEN_SONGS, UNSEEN_ALBUMS, KNOWN_ALBUMS, RANDOM_CLIPS = "song", "album", "known album", "clip"  # ways to split


class Predictions(NamedTuple):
    """What a model predicted for what it was not trained on, in one repeat of a split."""

    songs: pd.DataFrame  # calibrated log-probabilities, one row for each song; none of random clips
    clips: pd.DataFrame  # the same, one row for each clip; none where nothing asks for them
    clip_song: pd.Series  # the song of each clip, under the same index
    settings: list[dict]  # that inner folds chose, one for each fold


def predictions_of(songs: pd.DataFrame) -> Predictions:
    """Wrap log-probabilities of songs alone."""
    return Predictions(songs, pd.DataFrame(), pd.Series(dtype=object), [])


Results = dict[str, dict[str, list[Predictions]]]  # way to split -> model -> one for each repeat


def compare(
    specs: dict[str, ModelSpec], weights: dict[str, float], study: Study, *, repeats: int | None = None
) -> Results:
    """Let every model, and the kept one, predict songs, albums and random clips that it was not trained on.

    Parameters
    ----------
    specs : dict of str to ModelSpec
        From `specs.specs`.
    weights : dict of str to float
        From `specs.weights`: of which of them the kept model is made.
    study : Study
        The songs.
    repeats : int, optional
        Of the split by song, for the models that make up the kept one; by default `REPEATS`, and one of `MANY` songs.

    Returns
    -------
    Results
        By song: the kept model and its parts, and by `enough` folds all others; by album, where an artist has two: the
        kept one, today's others and loudness; with known albums: the kept one; by random clips: it and those of 2018.
    """
    repeats = repeats or (REPEATS if len(study.songs) < MANY else 1)
    tasks = list(_tasks(specs, weights, study, repeats))
    found: dict[tuple[str, int, str], list[Part]] = {}
    for networks, label in ((True, "Training networks"), (False, "Comparing models")):
        some = [task for task in tasks if is_network(specs[task.name]) == networks]
        parts = study.run(_predict, [(specs[task.name], *task[1:]) for task in some], label)
        for task, part in zip(some, parts, strict=True):
            found.setdefault((task.by, task.seed, task.name), []).append(part)
        if networks and some:
            end_workers()  # TensorFlow takes 0.3 GB of each as long as it lives
    for by, seed in {key[:2] for key in found if key[2] in weights}:
        found[by, seed, KEPT] = _kept({name: found[by, seed, name] for name in weights}, weights)
    results: Results = {}
    for by, seed, name in sorted(found, key=lambda key: (key[1], [*specs, KEPT].index(key[2]))):
        results.setdefault(by, {}).setdefault(name, []).append(_together(found[by, seed, name], study))
    return results


class _Task(NamedTuple):
    """One model to train, on one side of a fold."""

    name: str
    by: str  # the way to split
    seed: int  # of the split
    clips: bool  # whether its predictions of clips are wanted
    fold: Fold


def _tasks(specs: dict[str, ModelSpec], weights: dict[str, float], study: Study, repeats: int) -> Iterator[_Task]:
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
        at_random = by == RANDOM_CLIPS
        pairs = [random_clips(study)] if at_random else folds(study.songs, by=by, seed=seed)
        for name in names:
            clips = at_random or (by == UNSEEN_SONGS and seed == SEED and name in (*weights, *of_2018))
            used = pairs if by == UNSEEN_SONGS and name in weights else enough(study.songs, pairs)
            yield from (_Task(name, by, seed, clips, fold) for fold in used)


def enough(songs: pd.DataFrame, pairs: list[Fold]) -> list[Fold]:
    """The folds for what informs and is no headline: of `MANY` songs, two of them say enough."""
    return pairs[: 2 if len(songs) >= MANY else None]


def random_clips(study: Study) -> Fold:
    """Split clips one by one, as in 2018: the clips of a song stand on both sides, which flatters.

    Of very many clips only some are drawn, so that about `specs.ROWS` are trained on; of each artist at least one.
    """
    drawn = np.random.default_rng(SEED).permutation(len(study.examples.song))[: round(ROWS / (1 - HELD_OUT))]
    whole = np.flatnonzero(study.examples.whole)
    kept = whole[np.unique(study.examples.artists(study.songs, whole), return_index=True)[1]]
    test, learn = np.split(drawn, [round(HELD_OUT * len(drawn))])
    return np.union1d(learn, kept), np.setdiff1d(test, kept)


def _predict(
    spec: ModelSpec, by: str, seed: int, with_clips: bool, fold: Fold, songs: pd.DataFrame, examples: Examples
) -> Part:
    """Train on one side of a fold, and predict the other: calibrated log-probabilities and the setting chosen."""
    learn, test = fold
    if by == RANDOM_CLIPS:
        (member,) = train_on(spec, [{}], examples, learn[examples.whole[learn]] if spec.segments else learn, songs)
        clips = member.predict(examples.take(test))[0].set_axis(test).astype(np.float32)
        return {"songs": clips.iloc[:0], "clips": clips, "setting": pd.DataFrame([{}])}
    member, setting = fit(spec, examples, songs.iloc[learn], seed=seed)
    rows = examples.find(songs["place"].iloc[test], segments=spec.segments and not with_clips)
    clips, of_songs = member.predict(examples.take(rows))
    clips = clips.set_axis(rows).astype(np.float32).iloc[: None if with_clips else 0]
    return {"songs": of_songs.astype(np.float32), "clips": clips, "setting": pd.DataFrame([setting])}


def _kept(parts: dict[str, list[Part]], weights: dict[str, float]) -> list[Part]:
    """The predictions of the kept model for each fold, from those of the models that it is made of."""
    made = []
    for same in zip(*parts.values(), strict=True):
        own = dict(zip(parts, same, strict=True))
        both = {key: average({name: part[key] for name, part in own.items()}, weights) for key in ("songs", "clips")}
        made.append(both | {"setting": pd.DataFrame([{}])})
    return made


def _together(parts: list[Part], study: Study) -> Predictions:
    """Put together what was predicted for each fold."""
    of_songs, clips = (pd.concat([part[key] for part in parts]) for key in ("songs", "clips"))
    clips = clips.sort_index()
    clip_song = pd.Series(song_names(study.songs, study.examples.song[clips.index]), clips.index)
    settings = [part["setting"].iloc[0].to_dict() for part in parts]
    return Predictions(by_name(of_songs, study.songs).sort_index(), clips, clip_song, settings)


def song_names(songs: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """The songs in these places."""
    return pd.Series(songs.index, songs["place"]).loc[places].to_numpy()


def by_name(logs: pd.DataFrame, songs: pd.DataFrame) -> pd.DataFrame:
    """Predictions of songs under their names, which are under their places."""
    return logs.set_axis(pd.Index(song_names(songs, logs.index), name="song"))


def predict_held_out(
    specs: dict[str, ModelSpec], weights: dict[str, float], study: Study, splits: list[list[Fold]], label: str
) -> list[Predictions]:
    """Let the kept model predict what the folds of each of some splits hold out; see `compare`.

    Parameters
    ----------
    specs, weights, study
        See `compare`.
    splits : list of list of (np.ndarray, np.ndarray)
        Folds: positions of songs to train on and to test on.
    label : str
        What the bar says.

    Returns
    -------
    list of Predictions
        One for each split.
    """
    asked = [(n, name, fold) for n, pairs in enumerate(splits) for name in weights for fold in pairs]
    parts = study.run(_predict, [(specs[name], UNSEEN_SONGS, SEED, False, fold) for _, name, fold in asked], label)
    found: list[dict[str, list[Part]]] = [{} for _ in splits]
    for (n, name, _), part in zip(asked, parts, strict=True):
        found[n].setdefault(name, []).append(part)
    return [_together(_kept(own, weights), study) for own in found]


def train_kept(
    specs: dict[str, ModelSpec], weights: dict[str, float], study: Study
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
    calls = [delayed(fit)(specs[name], study.examples, study.songs) for name in weights]
    fits = dict(in_parallel(calls, "Training the kept model"))
    members, settings = ({name: fits[n][part] for n, name in enumerate(weights)} for part in (0, 1))
    fixed = {name: fix(specs[name], settings[name], members[name].temperature) for name in weights}
    return Model(members, weights), settings, fixed
