"""Why to believe a score, and where not to: what models go by, and what they say of strangers."""

import copy
from collections.abc import Callable

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from soundalike.dataset.splits import SEED, folds, recordings
from soundalike.evaluation.crossval import Judged, average, judge, together
from soundalike.evaluation.metrics import items, measure
from soundalike.features.table import CLIP_COLUMNS, FEATURES, columns
from soundalike.models.model import Sounds, artists_of, inputs, some_of
from soundalike.models.networks import is_network
from soundalike.models.specs import Recipe
from soundalike.models.training import fit, train

MOST_LEFT_OUT = 12  # groups in which artists are left out in turn


def _parallel(function: Callable, recipe: Recipe, arguments: list[tuple]) -> list:
    """Call a function for each of some arguments, at once where the model does not use all cores by itself."""
    jobs = 1 if is_network(recipe.estimator) else -1
    return Parallel(n_jobs=jobs)(delayed(function)(recipe, *some) for some in arguments)


# --- none of these ---------------------------------------------------------------------------


def strangers(recipes: list[Recipe], frame: pd.DataFrame, known: Judged, sounds: Sounds = None) -> pd.DataFrame:
    """How sure a model is of songs whose artist it has never heard, and of songs whose artist it knows.

    Parameters
    ----------
    recipes : list of Recipe
        Of the model; of several the average is taken.
    frame : pd.DataFrame
        Clips.
    known : Judged
        What the model said of each song when it knew the artist, but not the song.
    sounds : np.ndarray, optional
        For recipes that listen.

    Returns
    -------
    pd.DataFrame
        One row for each song: ``artist``, ``known`` (its confidence), ``right`` (whether it named the
        artist), ``stranger`` (its confidence when the artist was left out). Empty where there are
        fewer than three artists: with one left out there must be two.
    """
    artists = frame["artist"].nunique()
    if artists < 3:
        return pd.DataFrame(columns=["artist", "known", "right", "stranger"])
    deal = GroupKFold(min(artists, MOST_LEFT_OUT)).split(frame, groups=frame["artist"])
    deal = [(learn, test) for learn, test in deal if frame["artist"].iloc[learn].nunique() > 1]
    judged = []
    for recipe in recipes:
        heard = None if recipe.columns else sounds
        judged.append(_parallel(judge, recipe, [(frame, fold, "song", heard) for fold in deal]))
    of_strangers = pd.concat([average(list(some), frame).songs.max(axis=1) for some in zip(*judged, strict=True)])
    truth = artists_of(frame)
    return pd.DataFrame({
        "artist": truth,
        "known": np.exp(known.songs.max(axis=1)),
        "right": known.songs.idxmax(axis=1) == truth,
        "stranger": np.exp(of_strangers),
    })  # fmt: skip


def threshold(songs: pd.DataFrame) -> float:
    """The confidence below which "none of these" is the better answer.

    Parameters
    ----------
    songs : pd.DataFrame
        From `strangers`.

    Returns
    -------
    float
        Where the part of right answers that are kept, plus the part of strangers that are refused,
        is largest. NaN where no answer is right: then nothing is known of how sure that is.
    """
    kept = songs["known"][songs["right"]].to_numpy()
    if not len(kept):
        return np.nan
    tried = np.unique(np.concatenate([kept, songs["stranger"]]))
    worth = [(kept >= t).mean() + (songs["stranger"] < t).mean() for t in tried]
    return float(tried[int(np.argmax(worth))])


def tested_threshold(songs: pd.DataFrame) -> pd.DataFrame:
    """Test the threshold on each artist in turn, chosen without that artist.

    Returns
    -------
    pd.DataFrame
        One row for each artist: the ``threshold`` that the others ask for, ``refused`` (the part of
        the artist's songs that are refused when the artist is a stranger), ``kept`` (the part of
        right answers that are kept when known; missing where there are none).
    """
    rows = {}
    for artist, own in songs.groupby("artist"):
        t = threshold(songs[songs["artist"] != artist])
        kept = own["known"][own["right"]]
        rows[artist] = {"threshold": t, "refused": (own["stranger"] < t).mean(), "kept": (kept >= t).mean()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("artist")


def separation(songs: pd.DataFrame) -> float:
    """The probability that a right answer is surer than one about a stranger (area under the ROC curve)."""
    kept = songs["known"][songs["right"]]
    return float(roc_auc_score([1] * len(kept) + [0] * len(songs), [*kept, *songs["stranger"]]))


# --- what models go by -----------------------------------------------------------------------


def importance(recipe: Recipe, frame: pd.DataFrame, repeats: int = 3) -> pd.DataFrame:
    """How much balanced accuracy by song is lost when a family of features is shuffled among clips.

    Parameters
    ----------
    recipe : Recipe
        One that looks at `CLIP_COLUMNS`.
    frame : pd.DataFrame
        Clips; a model learns from some songs, and the features of the others are shuffled.
    repeats : int
        How often each family is shuffled.

    Returns
    -------
    pd.DataFrame
        One row for each family, the greatest loss first: ``loss``, and its standard ``deviation``
        over repeats.
    """
    parts = _parallel(_without, recipe, [(frame, fold, repeats) for fold in folds(frame)])

    def balanced(family: str, turn: int) -> float:
        judged = together([Judged(*part[family, turn]) for part in parts])
        return measure(*items([judged], frame), resamples=1)["balanced accuracy"]

    rows = {}
    for family in FEATURES:
        lost = [balanced("", 0) - balanced(family, turn) for turn in range(repeats)]
        rows[family] = {"loss": np.mean(lost), "deviation": np.std(lost)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("family").sort_values("loss", ascending=False)


def _without(recipe: Recipe, frame: pd.DataFrame, fold: tuple, repeats: int) -> dict:
    """What a model says of a fold, as it is and with each family shuffled."""
    learn, test = fold
    model, tested = fit(recipe, frame.iloc[learn]), frame.iloc[test]
    draw = np.random.default_rng(SEED)
    answers = {("", 0): model.answer(tested)}
    for family in FEATURES:
        for turn in range(repeats):
            shuffled = tested.copy()
            shuffled[columns(family)] = tested[columns(family)].to_numpy()[draw.permutation(len(tested))]
            answers[family, turn] = model.answer(shuffled)
    return answers


def learning_curve(recipe: Recipe, frame: pd.DataFrame, sizes: list[int]) -> pd.DataFrame:
    """Scores by song when at most so many songs of each artist are learned from.

    Parameters
    ----------
    recipe : Recipe
        Of the model.
    frame : pd.DataFrame
        Clips.
    sizes : list of int
        How many songs.

    Returns
    -------
    pd.DataFrame
        One row for each size, columns as `metrics.measure` gives them.
    """
    rows = {}
    for size in sizes:
        some = [(_fewer(frame, learn, size), test) for learn, test in folds(frame)]
        judged = _parallel(judge, recipe, [(frame, fold, "song") for fold in some])
        rows[size] = measure(*items([together(judged)], frame))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("songs per artist")


def _fewer(frame: pd.DataFrame, learn: np.ndarray, size: int) -> np.ndarray:
    """Of the clips to learn from, those of so many songs of each artist, drawn by lot."""
    songs = frame[["artist", "song"]].iloc[learn].drop_duplicates().sample(frac=1, random_state=SEED)
    kept = songs[songs.groupby("artist").cumcount() < size]["song"]
    return learn[frame["song"].iloc[learn].isin(kept)]


def hardest(judged: Judged, frame: pd.DataFrame, n: int = 10) -> pd.DataFrame:
    """The songs whose artist the model thought least of: ``artist``, ``given``, and how sure it was of each."""
    truth, songs = artists_of(frame), np.exp(judged.songs)
    table = pd.DataFrame({
        "artist": truth,
        "how sure of the artist": songs.to_numpy()[np.arange(len(songs)), songs.columns.get_indexer(truth)],
        "given": songs.idxmax(axis=1),
        "how sure of that": songs.max(axis=1),
    })  # fmt: skip
    return table.sort_values("how sure of the artist").head(n)


def nearest(frame: pd.DataFrame, clips: int = 2000, most: int = 20_000) -> pd.Series:
    """Whose clip is nearest to a clip, and what that does to a score: where the leaky number comes from.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips with `CLIP_COLUMNS`.
    clips : int
        How many are drawn and looked at.
    most : int
        Among how many clips their nearest is sought; of larger frames, some songs are drawn.

    Returns
    -------
    pd.Series
        ``same song``: the part of clips whose nearest other clip is of their own song; ``by lot``:
        what that would be by chance; ``right, any``: the part given to their artist by the nearest
        clip, whatever its song; ``right, other songs``: the same when the own song does not count.
    """
    if len(frame) > most:
        songs = frame["song"].drop_duplicates().sample(frac=most / len(frame), random_state=SEED)
        frame = frame[frame["song"].isin(songs)]
    values = StandardScaler().fit_transform(frame[CLIP_COLUMNS]).astype(np.float32)
    song, artist = pd.factorize(recordings(frame))[0], pd.factorize(frame["artist"])[0]
    asked = np.random.default_rng(SEED).permutation(len(frame))[:clips]
    distance = pairwise_distances(values[asked], values)
    distance[np.arange(len(asked)), asked] = np.inf
    first = distance.argmin(axis=1)
    own = song[asked][:, None] == song[None, :]
    other = np.where(own, np.inf, distance).argmin(axis=1)
    return pd.Series({
        "same song": (song[first] == song[asked]).mean(),
        "by lot": (own.sum(axis=1) - 1).mean() / (len(frame) - 1),
        "right, any": (artist[first] == artist[asked]).mean(),
        "right, other songs": (artist[other] == artist[asked]).mean(),
    })  # fmt: skip


def watch(recipe: Recipe, frame: pd.DataFrame, fold: tuple, sounds: Sounds = None) -> pd.DataFrame:
    """Train a network and measure it after each epoch.

    Parameters
    ----------
    recipe : Recipe
        Of the network.
    frame : pd.DataFrame
        Clips.
    fold : tuple of np.ndarray
        Clips to learn from, and clips of other songs, from `splits.folds`.
    sounds : np.ndarray, optional
        For a network that listens.

    Returns
    -------
    pd.DataFrame
        One row for each epoch, from 1: ``accuracy`` and ``loss`` on the one, ``val_…`` on the other.
    """
    learn, test = fold
    artists = np.unique(frame["artist"].iloc[learn].to_numpy(dtype=object))
    one_hot = (frame["artist"].iloc[test].to_numpy(dtype=object)[:, None] == artists).astype(np.float32)
    unheard = inputs(recipe.columns, False, frame.iloc[test], some_of(sounds, test)), one_hot
    estimator = copy.deepcopy(recipe.estimator)
    estimator.fit_kwargs |= {"validation_data": unheard}
    trained = train(recipe._replace(estimator=estimator), {}, frame.iloc[learn], some_of(sounds, learn))
    history = pd.DataFrame(trained.estimator.history_.history)
    return history.set_index(history.index + 1)
