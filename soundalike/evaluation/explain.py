"""Why to believe a score, and where not to: what the kept model depends on."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import pairwise_distances
from sklearn.preprocessing import StandardScaler

from soundalike.dataset.segments import Examples
from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.crossval import by_name, enough, predict_held_out, predictions_of
from soundalike.evaluation.metrics import METRICS, difference, score
from soundalike.evaluation.study import Part, Study
from soundalike.features.table import FEATURES, columns
from soundalike.models.fusion import Fusion
from soundalike.models.model import inputs
from soundalike.models.specs import ModelSpec
from soundalike.models.training import fit_all, prepared

# --- what the kept model depends on ----------------------------------------------------------


def importance(fixed: dict[str, ModelSpec], fusion: Fusion, study: Study) -> pd.DataFrame:
    """How much balanced accuracy some models lose when a family of features is exchanged between clips.

    Parameters
    ----------
    fixed : dict of str to ModelSpec
        The parts of the kept model as they are, from `crossval.train_kept`.
    fusion : Fusion
        Of these.
    study
        See `crossval.compare`.

    Returns
    -------
    pd.DataFrame
        One row for each family, the greatest loss first: ``loss``, ``low``, ``high`` (paired, over songs).
    """
    tasks = [(fixed, fusion, fold) for fold in enough(study.songs, folds(study.songs))]
    parts = study.run(_without_families, tasks, "Exchanging features")
    songs = study.songs
    found = {
        family: [predictions_of(by_name(pd.concat([part[family] for part in parts]), songs))] for family in parts[0]
    }
    rows = {family: difference(found[""], found[family], songs) for family in FEATURES}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["loss", "low", "high"])
    return table.rename_axis("family").sort_values("loss", ascending=False)


def _without_families(
    fixed: dict[str, ModelSpec], fusion: Fusion, fold: Fold, songs: pd.DataFrame, examples: Examples
) -> Part:
    """The predictions for the songs of a fold, as they are and with each family exchanged."""
    model, tested = (
        fit_all(fixed, fusion, examples, songs.iloc[fold[0]])[0],
        examples.rows(songs["place"].iloc[fold[1]]),
    )
    other = np.random.default_rng(SEED).permutation(len(tested.song))
    found = {"": model.predict(tested)[1]}
    for family in FEATURES:
        places = pd.Index(tested.columns).get_indexer(columns(family))
        both = np.concatenate([places, places + len(tested.columns)])
        clips, segments = tested.clips.copy(), tested.segments.copy()
        clips[:, places], segments[:, both] = clips[other][:, places], segments[other][:, both]
        found[family] = model.predict(tested._replace(clips=clips, segments=segments))[1]
    return found


def learning_curve(fixed: dict[str, ModelSpec], fusion: Fusion, study: Study, sizes: list[int]) -> pd.DataFrame:
    """Score the kept model, trained on at most so many songs of each artist, drawn at random.

    Parameters
    ----------
    fixed, fusion, study
        See `importance`.
    sizes : list of int
        How many songs.

    Returns
    -------
    pd.DataFrame
        One row for each size: ``balanced_accuracy``, ``low``, ``high``; and ``gained``, ``gained low``, ``gained
        high`` over the size before (paired, over songs).
    """
    songs = study.songs
    drawn = songs.reindex(songs.sample(frac=1, random_state=SEED).index)
    used = enough(songs, folds(songs))
    splits = [[(fewer(drawn, songs, learn, size), test) for learn, test in used] for size in sizes]
    rows, before = {}, None
    for size, predicted in zip(
        sizes, predict_held_out(fixed, fusion, study, splits, "Training on fewer songs"), strict=True
    ):
        gained = difference([predicted], [before], songs) if before else [np.nan] * 3
        scored = score([predicted], songs) or dict.fromkeys(METRICS, np.nan)
        rows[size] = scored | dict(zip(("gained", "gained low", "gained high"), gained, strict=True))
        before = predicted
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("songs per artist")


def fewer(drawn: pd.DataFrame, songs: pd.DataFrame, learn: np.ndarray, size: int) -> np.ndarray:
    """Of the songs to train on, the first so many of each artist in the order in which they were drawn."""
    some = drawn[drawn.index.isin(songs.index[learn])]
    kept = some.index[some.groupby("artist").cumcount() < size]
    return learn[songs.index[learn].isin(kept)]


# --- where the flattering number comes from --------------------------------------------------


def nearest(study: Study, clips: int = 2000) -> pd.Series:
    """Whose clip is nearest to a clip, and what that does to a score.

    Parameters
    ----------
    study
        See `crossval.compare`.
    clips : int
        How many are drawn and looked at, among at most ten times as many.

    Returns
    -------
    pd.Series
        ``same song``: the share of clips whose nearest other clip is of their own song; ``chance``: the same for
        a clip drawn at random; ``right, any``: the share given to their artist by the nearest clip, whatever
        its song; ``right, other songs``: the same when the own song does not count.
    """
    songs, examples = study.songs, study.examples
    drawn = np.sort(np.random.default_rng(SEED).permutation(len(examples.song))[: 10 * clips])
    values = StandardScaler().fit_transform(examples.clips[drawn])
    of_song = songs.set_index("place").loc[examples.song[drawn]]
    song, artist = pd.factorize(of_song["recording"])[0], pd.factorize(of_song["artist"])[0]
    asked = np.random.default_rng(SEED + 1).permutation(len(drawn))[:clips]
    distance = pairwise_distances(values[asked], values)
    distance[np.arange(len(asked)), asked] = np.inf
    first = distance.argmin(axis=1)
    own = song[asked][:, None] == song[None, :]
    other = np.where(own, np.inf, distance).argmin(axis=1)
    return pd.Series({
        "same song": (song[first] == song[asked]).mean(),
        "chance": (own.sum(axis=1) - 1).mean() / (len(drawn) - 1),
        "right, any": (artist[first] == artist[asked]).mean(),
        "right, other songs": (artist[other] == artist[asked]).mean(),
    })  # fmt: skip


def watch(spec: ModelSpec, study: Study) -> pd.DataFrame:
    """Train a network on one fold and measure it after each epoch.

    Returns
    -------
    pd.DataFrame
        One row for each epoch, from 1: ``accuracy`` and ``loss`` on rows that it is trained on, ``val_…`` on rows of
        unseen songs.
    """
    (part,) = study.run(_history, [(spec, folds(study.songs)[0])], "Training a network")
    return part["history"]


def _history(spec: ModelSpec, fold: Fold, songs: pd.DataFrame, examples: Examples) -> Part:
    """What Keras notes after each epoch."""
    rows = [examples.find(songs["place"].iloc[side], segments=spec.segments) for side in fold]
    X = [inputs(spec, examples, side) for side in rows]
    if spec.prepare:
        prepare = prepared(spec, X[0], examples, rows[0])
        X = [prepare.transform(side) for side in X]
    learn, unseen = zip(X, (examples.artists(songs, side) for side in rows), strict=True)
    history = pd.DataFrame(clone(spec.estimator).fit(*learn, validation=unseen).history_)
    return {"history": history.set_index(history.index + 1)}
