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
from soundalike.models.calibration import apply_temperature
from soundalike.models.fusion import Fusion, choose, ears_of, equal, fuse
from soundalike.models.model import FLOOR, Model
from soundalike.models.specs import KEPT, NINE, ROWS, ModelSpec, fix, is_network
from soundalike.models.training import fit_all, train_on

REPEATS = 3  # of the split by song, for the models that make up the kept one; the others are split once
MANY = 500  # songs; of so many, one repeat says enough, and for models that are not kept, two of its folds
HELD_OUT = 0.3  # of random clips, as in 2018
WITHOUT = "all ears but "  # starts the name of a fusion that lacks one
UNSEEN_SONGS, UNSEEN_ALBUMS, KNOWN_ALBUMS, RANDOM_CLIPS = "song", "album", "known album", "clip"  # ways to split


class Predictions(NamedTuple):
    """A model's predictions for songs held out of training, in one repeat of a split."""

    songs: pd.DataFrame  # calibrated log-probabilities, one row for each song; none of random clips
    clips: pd.DataFrame  # the same, one row for each clip; none where nothing asks for them
    clip_song: pd.Series  # the song of each clip, under the same index
    settings: list[dict]  # that inner folds chose, one for each fold


def predictions_of(songs: pd.DataFrame) -> Predictions:
    """Wrap log-probabilities of songs alone."""
    return Predictions(songs, pd.DataFrame(), pd.Series(dtype=object), [])


Results = dict[str, dict[str, list[Predictions]]]  # way to split -> model -> one for each repeat
KEYS = ("songs", "clips", "setting")  # the tables that a task makes for each model
Ears = dict[str, list[str]] | Fusion  # which models are fused: by weights that inner folds choose, or by these


def compare(
    specs: dict[str, ModelSpec], ears: dict[str, list[str]], study: Study, *, repeats: int | None = None
) -> Results:
    """Let every model, and the kept one, predict songs, albums and random clips that it was not trained on.

    Parameters
    ----------
    specs : dict of str to ModelSpec
        From `specs.specs`.
    ears : dict of str to list of str
        From `specs.ears`: those that make up the kept model.
    study : Study
        The songs.
    repeats : int, optional
        Of the split by song, for the models that make up the kept one; by default `REPEATS`, and one of `MANY` songs.

    Returns
    -------
    Results
        By song: the kept model, its ears and its parts, and by `enough` folds all others; by album, where an artist has
        two: these, today's others and loudness; with known albums: the kept one and its parts; by random clips: these
        and those of 2018. Ears have their names, parts theirs.
    """
    repeats = repeats or (REPEATS if len(study.songs) < MANY else 1)
    tasks = list(_tasks(specs, ears, study, repeats))
    found: dict[tuple[str, int, str], list[Part]] = {}
    for networks, label in ((True, "Training networks"), (False, "Comparing models")):
        some = [task for task in tasks if any(map(is_network, task.specs.values())) == networks]
        for task, part in zip(some, study.run(_predict, [tuple(task) for task in some], label), strict=True):
            for name in dict.fromkeys(key.partition(": ")[2] for key in part):
                own = {key: part[f"{key}: {name}"] for key in KEYS}
                found.setdefault((task.by, task.seed, name), []).append(own)
        if networks and some:
            end_workers()  # TensorFlow takes 0.3 GB of each as long as it lives
    results: Results = {}
    order = [*specs, *(ear for ear in ears if ear not in specs), KEPT, *(f"{WITHOUT}{ear}" for ear in ears)]
    for by, seed, name in sorted(found, key=lambda key: (key[1], order.index(key[2]))):
        results.setdefault(by, {}).setdefault(name, []).append(_together(found[by, seed, name], study))
    return results


class _Task(NamedTuple):
    """The models to train on one side of a fold: one, or all that are fused."""

    specs: dict[str, ModelSpec]
    ears: Ears | None  # none: the one model
    by: str  # the way to split
    seed: int  # of the split
    clips: bool  # whether its predictions of clips are wanted
    fold: Fold


def _tasks(specs: dict[str, ModelSpec], ears: dict[str, list[str]], study: Study, repeats: int) -> Iterator[_Task]:
    """All that has to be trained."""
    kept = {name: specs[name] for names in ears.values() for name in names}
    of_2018 = [name for name in specs if name.startswith(NINE)]
    today = [name for name in specs if name not in of_2018 and not is_network(specs[name])]
    asked: list[tuple[str, int, list[str]]] = [(UNSEEN_SONGS, SEED, list(specs))]
    asked += [(UNSEEN_SONGS, seed, []) for seed in range(SEED + 1, SEED + repeats)]
    asked += [(UNSEEN_ALBUMS, SEED, today), (KNOWN_ALBUMS, SEED, []), (RANDOM_CLIPS, SEED, of_2018)]
    for by, seed, names in asked:
        at_random = by == RANDOM_CLIPS
        pairs = [random_clips(study)] if at_random else folds(study.songs, by=by, seed=seed)
        first = at_random or (by == UNSEEN_SONGS and seed == SEED)
        used = pairs if by == UNSEEN_SONGS else enough(study.songs, pairs)
        yield from (_Task(kept, ears, by, seed, first, fold) for fold in used)
        for name in (name for name in names if name not in kept):
            clips, own = first and name in of_2018, {name: specs[name]}
            yield from (_Task(own, None, by, seed, clips, fold) for fold in enough(study.songs, pairs))


def enough(songs: pd.DataFrame, pairs: list[Fold]) -> list[Fold]:
    """Return the folds for what informs and is no headline: of `MANY` songs, two of them say enough."""
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
    specs: dict[str, ModelSpec],
    ears: Ears | None,
    by: str,
    seed: int,
    with_clips: bool,
    fold: Fold,
    songs: pd.DataFrame,
    examples: Examples,
) -> Part:
    """Train on one side of a fold, and predict the other: calibrated log-probabilities and the settings chosen."""
    learn, test = fold
    settings: dict[str, dict] = {name: {} for name in specs}
    inner: dict[str, pd.DataFrame] = {}
    fused = ears or {name: [name] for name in specs}
    if by == RANDOM_CLIPS:
        whole = learn[examples.whole[learn]]
        members = {
            name: train_on(spec, [{}], examples, whole if spec.segments else learn, songs)[0]
            for name, spec in specs.items()
        }
        model = Model(members, fused if isinstance(fused, Fusion) else equal(fused))
    else:
        model, settings, inner = fit_all(specs, fused, examples, songs.iloc[learn], seed=seed)
        test = examples.find(songs["place"].iloc[test])
    clips, of_songs = model.predict_each(examples.take(test))
    if ears:
        made = {KEPT: model.fusion} | _without_each(model.fusion, inner, songs)
        several = len(model.fusion.ears) > 1
        clips, of_songs = (
            logs
            | (ears_of(logs, model.fusion) if several else {})
            | {name: fuse(logs, fusion) for name, fusion in made.items()}
            for logs in (clips, of_songs)
        )
    part = {}
    for name, logs in of_songs.items():
        part[f"songs: {name}"] = logs.astype(np.float32).iloc[: 0 if by == RANDOM_CLIPS else None]
        part[f"clips: {name}"] = clips[name].set_axis(test).astype(np.float32).iloc[: None if with_clips else 0]
        part[f"setting: {name}"] = pd.DataFrame([settings.get(name, {})])
    return part


def _without_each(fusion: Fusion, inner: dict[str, pd.DataFrame], songs: pd.DataFrame) -> dict[str, Fusion]:
    """Fuse the ears but for one, each in turn: what an ear adds is what is lost without it."""
    if len(fusion.ears) < 3 or not inner:
        return {}
    artist = songs.set_index("place")["artist"]
    return {
        f"{WITHOUT}{ear}": choose({name: own for name, own in fusion.ears.items() if name != ear}, inner, artist)
        for ear in fusion.ears
    }


def _together(parts: list[Part], study: Study) -> Predictions:
    """Put together what was predicted for each fold."""
    of_songs, clips = (_whole(pd.concat([part[key] for part in parts])) for key in ("songs", "clips"))
    clips = clips.sort_index()
    clip_song = pd.Series(song_names(study.songs, study.examples.song[clips.index]), clips.index)
    settings = [part["setting"].iloc[0].to_dict() for part in parts]
    return Predictions(by_name(of_songs, study.songs).sort_index(), clips, clip_song, settings)


def _whole(logs: pd.DataFrame) -> pd.DataFrame:
    """Give chance to songs that an ear has no window of, and the least probability to artists it has none of."""
    return apply_temperature(logs.fillna(np.log(FLOOR))) if logs.isna().any(axis=None) else logs


def song_names(songs: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """Return the songs in these places."""
    return pd.Series(songs.index, songs["place"]).loc[places].to_numpy()


def by_name(logs: pd.DataFrame, songs: pd.DataFrame) -> pd.DataFrame:
    """Predictions of songs under their names, which are under their places."""
    return logs.set_axis(pd.Index(song_names(songs, logs.index), name="song"))


def predict_held_out(
    specs: dict[str, ModelSpec], ears: Ears, study: Study, splits: list[list[Fold]], label: str
) -> list[Predictions]:
    """Let the kept model predict what the folds of each of some splits hold out; see `compare`.

    Parameters
    ----------
    specs, ears, study
        See `compare`; of the specs only those that are fused.
    splits : list of list of (np.ndarray, np.ndarray)
        Folds: positions of songs to train on and to test on.
    label : str
        The label of the bar.

    Returns
    -------
    list of Predictions
        One for each split.
    """
    asked = [(n, fold) for n, pairs in enumerate(splits) for fold in pairs]
    parts = study.run(_predict, [(specs, ears, UNSEEN_SONGS, SEED, False, fold) for _, fold in asked], label)
    found: list[list[Part]] = [[] for _ in splits]
    for (n, _), part in zip(asked, parts, strict=True):
        found[n].append({key: part[f"{key}: {KEPT}"] for key in KEYS})
    return [_together(own, study) for own in found]


def train_kept(
    specs: dict[str, ModelSpec], ears: dict[str, list[str]], study: Study
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
    kept = {name: specs[name] for names in ears.values() for name in names}
    call = delayed(fit_all)(kept, ears, study.examples, study.songs)
    ((_, (model, settings, _)),) = in_parallel([call], "Training the kept model")
    fixed = {name: fix(spec, settings[name], model.members[name].temperature) for name, spec in kept.items()}
    return model, settings, fixed
