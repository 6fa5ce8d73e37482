"""Why to believe a score, and where not to: what the kept model depends on, and how it treats unknown artists."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.preprocessing import StandardScaler

from soundalike.dataset.segments import Examples
from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.crossval import Predictions, predict_held_out
from soundalike.evaluation.metrics import balanced, counted, interval
from soundalike.features.table import FEATURES, columns
from soundalike.models.model import Model, inputs
from soundalike.models.specs import ModelSpec
from soundalike.models.training import train

MOST_LEFT_OUT = 12  # groups in which artists are left out in turn


# --- unknown artists -------------------------------------------------------------------------


def unknown_artists(
    specs: dict[str, ModelSpec], weights: dict[str, float], songs: pd.DataFrame, examples: Examples, known: Predictions
) -> pd.DataFrame:
    """How confident the kept model is of songs by artists it was not trained on, and by artists it was trained on.

    Parameters
    ----------
    specs, weights, songs, examples
        See `crossval.compare`.
    known : Predictions
        Of the kept model, for each song when the artist was trained on, but not the song.

    Returns
    -------
    pd.DataFrame
        One row for each song: ``artist``, ``known`` (its confidence), ``right`` (whether it predicted the artist),
        ``unknown`` (its confidence when the artist was left out). Empty where there are fewer than three artists: with
        one left out there must be two.
    """
    names = sorted(songs["artist"].unique())
    if len(names) < 3:
        return pd.DataFrame(columns=["artist", "known", "right", "unknown"])
    group = songs["artist"].map({name: n % min(len(names), MOST_LEFT_OUT) for n, name in enumerate(names)})
    pairs = [(np.flatnonzero(group != n), np.flatnonzero(group == n)) for n in sorted(group.unique())]
    left_out = predict_held_out(specs, weights, songs, examples, pairs)
    return pd.DataFrame({
        "artist": songs["artist"],
        "known": np.exp(known.songs.max(axis=1)),
        "right": known.songs.idxmax(axis=1) == songs["artist"].loc[known.songs.index],
        "unknown": np.exp(left_out.songs.max(axis=1)),
    }).dropna()  # fmt: skip


def threshold(songs: pd.DataFrame) -> float:
    """Find the confidence below which "unknown artist" is the better answer.

    Parameters
    ----------
    songs : pd.DataFrame
        From `unknown_artists`.

    Returns
    -------
    float
        Where the share of right predictions that are kept, plus the share of songs by unknown artists that are
        refused, is largest. NaN where no prediction is right.
    """
    kept = songs["known"][songs["right"].astype(bool)].to_numpy()
    if not len(kept):
        return np.nan
    tried = np.unique(np.concatenate([kept, songs["unknown"]]))
    worth = [(kept >= t).mean() + (songs["unknown"] < t).mean() for t in tried]
    return float(tried[int(np.argmax(worth))])


def tested_threshold(songs: pd.DataFrame) -> pd.DataFrame:
    """Test the threshold on each artist in turn, chosen without that artist.

    Returns
    -------
    pd.DataFrame
        One row for each artist: the ``threshold`` of the others, ``refused`` (the share of the artist's songs that
        are refused when the artist is unknown), ``kept`` (the share of right predictions that are kept; missing
        where there are none).
    """
    rows = {}
    for artist, own in songs.groupby("artist"):
        t = threshold(songs[songs["artist"] != artist])
        kept = own["known"][own["right"].astype(bool)]
        rows[artist] = {"threshold": t, "refused": (own["unknown"] < t).mean(), "kept": (kept >= t).mean()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("artist")


def separation(songs: pd.DataFrame) -> float:
    """The probability that a right prediction is more confident than one for an unknown artist (area under the ROC)."""
    kept = songs["known"][songs["right"].astype(bool)]
    return float(roc_auc_score([1] * len(kept) + [0] * len(songs), [*kept, *songs["unknown"]]))


# --- what the kept model depends on ----------------------------------------------------------


def _by_fold(weights: dict[str, float], songs: pd.DataFrame, work: object, *arguments: object) -> pd.DataFrame:
    """Call a function for each fold by song, at once, and put its rows together."""
    calls = (delayed(work)(weights, songs, fold, *arguments) for fold in folds(songs))
    return pd.concat(Parallel(n_jobs=-1)(calls))


def _trained(
    weights: dict[str, float], specs: dict[str, ModelSpec], settings: dict, examples: Examples, songs: pd.DataFrame
) -> Model:
    """The kept model with settings that are known, not calibrated."""
    members = {name: train(specs[name], [settings[name]], examples, songs)[0] for name in weights}
    return Model(members, weights)


def _right(model: Model, examples: Examples, songs: pd.DataFrame) -> pd.Series:
    """Whether each song's artist is predicted."""
    predicted = model.predict(examples)[1].idxmax(axis=1)
    return predicted == songs.set_index("place")["artist"].loc[predicted.index]


def _gain(right: pd.DataFrame, songs: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """The mean over artists of each column, with its interval over recordings."""
    scored = songs[counted(songs)].set_index("place")
    right = right.loc[right.index.intersection(scored.index)].astype(float)
    groups = right.groupby([scored["artist"].loc[right.index], scored["recording"].loc[right.index]]).mean()
    artists = pd.Series(groups.index.get_level_values("artist"))
    rows = {column: interval(balanced(groups[column], artists), len(groups)) for column in groups}
    return pd.DataFrame.from_dict(rows, orient="index", columns=[name, "low", "high"])


def importance(
    specs: dict[str, ModelSpec], weights: dict[str, float], settings: dict, songs: pd.DataFrame, examples: Examples
) -> pd.DataFrame:
    """How much balanced accuracy the kept model loses when a family of features is exchanged between songs.

    Parameters
    ----------
    specs, weights, songs, examples
        See `crossval.compare`.
    settings : dict
        Of the kept model, see `crossval.train_kept`.

    Returns
    -------
    pd.DataFrame
        One row for each family, the greatest loss first: ``loss``, ``low``, ``high`` (paired, over songs).
    """
    right = _by_fold(weights, songs, _without_families, specs, settings, examples)
    lost = right[[""]].to_numpy().astype(float) - right.drop(columns="").astype(float)
    return _gain(lost, songs, name="loss").rename_axis("family").sort_values("loss", ascending=False)


def _without_families(
    weights: dict[str, float], songs: pd.DataFrame, fold: Fold, specs: dict, settings: dict, examples: Examples
) -> pd.DataFrame:
    """Which songs of a fold are right, as they are and with each family exchanged."""
    model = _trained(weights, specs, settings, examples, songs.iloc[fold[0]])
    tested = examples.rows(songs["place"].iloc[fold[1]])
    right = {"": _right(model, tested, songs)}
    other = np.random.default_rng(SEED).permutation(len(tested.song))
    count = len(tested.columns)
    for family in FEATURES:
        places = pd.Index(tested.columns).get_indexer(columns(family))
        clips, segments = tested.clips.copy(), tested.segments.copy()
        clips[:, places] = clips[other][:, places]
        both = np.concatenate([places, places + count])
        segments[:, both] = segments[other][:, both]
        right[family] = _right(model, tested._replace(clips=clips, segments=segments), songs)
    return pd.DataFrame(right)


def learning_curve(
    specs: dict[str, ModelSpec],
    weights: dict[str, float],
    settings: dict,
    songs: pd.DataFrame,
    examples: Examples,
    sizes: list[int],
) -> pd.DataFrame:
    """Score the kept model, trained on at most so many songs of each artist.

    Parameters
    ----------
    specs, weights, settings, songs, examples
        See `importance`.
    sizes : list of int
        How many songs.

    Returns
    -------
    pd.DataFrame
        One row for each size: ``balanced_accuracy``, ``low``, ``high``; and for each step ``gained``, ``gained low``,
        ``gained high`` (paired, over songs).
    """
    right = _by_fold(weights, songs, _with_fewer_songs, specs, settings, examples, sizes).astype(float)
    steps = right.diff(axis=1).iloc[:, 1:]
    curve = _gain(right, songs, name="balanced_accuracy")
    gained = _gain(steps, songs, name="gained").rename(columns={"low": "gained low", "high": "gained high"})
    return curve.join(gained).rename_axis("songs per artist")


def _with_fewer_songs(
    weights: dict[str, float],
    songs: pd.DataFrame,
    fold: Fold,
    specs: dict,
    settings: dict,
    examples: Examples,
    sizes: list[int],
) -> pd.DataFrame:
    """Which songs of a fold are right, by models trained on so many songs of each artist, drawn at random."""
    learn, tested = songs.iloc[fold[0]], examples.rows(songs["place"].iloc[fold[1]])
    drawn = learn.sample(frac=1, random_state=SEED)
    rank = drawn.groupby("artist").cumcount()
    models = {size: _trained(weights, specs, settings, examples, drawn[rank < size].sort_index()) for size in sizes}
    return pd.DataFrame({size: _right(model, tested, songs) for size, model in models.items()})


# --- where the flattering number comes from --------------------------------------------------


def nearest(songs: pd.DataFrame, examples: Examples, clips: int = 2000) -> pd.Series:
    """Whose clip is nearest to a clip, and what that does to a score.

    Parameters
    ----------
    songs, examples
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


def watch(spec: ModelSpec, songs: pd.DataFrame, examples: Examples) -> pd.DataFrame:
    """Train a network on one fold and measure it after each epoch.

    Returns
    -------
    pd.DataFrame
        One row for each epoch, from 1: ``accuracy`` and ``loss`` on rows that it is trained on, ``val_…`` on rows of
        unseen songs.
    """
    learn, test = folds(songs)[0]
    artist = songs.set_index("place")["artist"]
    sides = [examples.rows(songs["place"].iloc[side]) for side in (learn, test)]
    if spec.segments:
        sides = [side.take(side.whole) for side in sides]
    (X, y), unseen = (
        (inputs(spec.columns, spec.segments, side), artist.loc[side.song].to_numpy(dtype=object)) for side in sides
    )
    history = pd.DataFrame(clone(spec.estimator).fit(X, y, validation=unseen).history_)
    return history.set_index(history.index + 1)
