"""The models: the table of them, what they answer, and how they are trained.

A model answers for clips and for songs. Settings are chosen, and answers calibrated, on inner folds
of the songs it learns from: what it will be judged by, it never sees.
"""

import copy
import functools
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from soundalike.dataset.splits import SEED, folds
from soundalike.features import musicnn
from soundalike.features.table import CLIP_COLUMNS, COLUMNS, ORIGINAL_NINE, columns
from soundalike.models.networks import dense_net, is_network, listening_net
from soundalike.models.on_disk import OnDisk, fit_discriminant, is_discriminant

INNER_FOLDS = 3
LEAST = 1e-6  # a clip's least probability: no clip alone rules an artist out
JOINS = ("log", "mean", "vote")  # the ways to join a song's clips, the one that is used first

# What is the same for all clips of a song is for models of whole songs alone: by it, a model of clips knows
# songs again instead of learning what artists do (on 126 real songs, boosted trees fell from 0.69 to 0.36).
# Which key a song is in says little of its artist: with it, songs never heard were told worse.
OF_SONGS = [name for name in COLUMNS if name not in columns("song_key")]
RMS = ["rms_mean", "rms_std"]
MFCC = [name for name in columns("mfcc") if name.endswith(("_mean", "_std"))]

Sounds = np.ndarray | OnDisk | None  # beside a frame: its clips, for who listens; or where its features are

# --- the table of models ---------------------------------------------------------------------


class Recipe(NamedTuple):
    """One row of the table of models: what it looks at, and how it is trained."""

    estimator: BaseEstimator
    grid: dict = {}  # noqa: RUF012 - nothing changes it
    columns: list[str] = CLIP_COLUMNS  # of the frame; none: it listens to the clips themselves
    whole_songs: bool = False  # it learns from summaries of songs, see `describe_songs`; a linear one
    inner: int = INNER_FOLDS  # how many inner folds are played
    clips_per_song: int | None = None  # it learns from at most so many


CONTROLS = MAJORITY, LOUDNESS_ALONE = "majority", "loudness alone"  # what any model should beat; never kept


def models(*, listening: bool = False, embedded: bool = False) -> dict[str, Recipe]:
    """The models to compare, by name.

    Parameters
    ----------
    listening : bool
        Whether the network that listens to clips is among them; it takes far longer than all others.
    embedded : bool
        Whether the frame holds what musicnn heard, see `embeddings`: some more go by that.
    """
    classics = _classics()
    table = {
        MAJORITY: Recipe(DummyClassifier(strategy="prior"), columns=RMS, inner=0),
        LOUDNESS_ALONE: classics["logistic regression"]._replace(columns=RMS),
    }
    for name, recipe in (classics | {"Keras dense net": Recipe(dense_net(), inner=1)}).items():
        # The network of 2018 was not calibrated either, and to train one takes seconds however small it is.
        table[f"2018 nine: {name}"] = recipe._replace(
            columns=ORIGINAL_NINE, inner=0 if is_network(recipe.estimator) else recipe.inner
        )
        table[name] = recipe
    table |= {
        "extra trees": Recipe(
            ExtraTreesClassifier(
                200, min_samples_leaf=2, max_samples=0.2, bootstrap=True, class_weight="balanced", random_state=SEED
            )
        ),
        "boosted trees": Recipe(
            # Its own early stopping would put aside clips, not songs; class weights make it ten times slower.
            HistGradientBoostingClassifier(
                max_iter=50, max_leaf_nodes=8, learning_rate=0.15, early_stopping=False, random_state=SEED
            ),
            inner=1,
        ),
        "linear discriminant": Recipe(_scaled(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))),
        "songs: MFCC mean and covariance": classics["logistic regression"]._replace(columns=MFCC, whole_songs=True),
        "songs: all features": classics["logistic regression"]._replace(columns=OF_SONGS, whole_songs=True),
    }
    if embedded:
        of_songs, of_clips = table["songs: all features"], table["linear discriminant"]
        table |= {
            "musicnn: linear discriminant": of_clips._replace(columns=musicnn.LAST_COLUMNS),
            "songs: musicnn": of_songs._replace(columns=musicnn.NETWORK_COLUMNS),
            "songs: all features and musicnn": of_songs._replace(columns=OF_SONGS + musicnn.NETWORK_COLUMNS),
        }
    if listening:
        table["Keras listening net"] = Recipe(listening_net(), columns=[], inner=1, clips_per_song=24)
    return table


def linear_models(*, embedded: bool = False) -> dict[str, Recipe]:
    """The linear ones of `models`, which also learn from an `OnDisk`.

    They choose their settings on one inner fold instead of three: of thousands of songs, a third tells enough.
    Logistic regression of all features of clips is not among them: it takes hundreds of passes over what is on
    disk where the linear discriminant takes one, and is no better.
    """
    names = (*CONTROLS, "2018 nine: logistic regression", "linear discriminant")
    known = models(embedded=embedded).items()
    thrifty = {
        name: recipe._replace(inner=min(recipe.inner, 1))
        for name, recipe in known
        if name.removeprefix("musicnn: ") in names or recipe.whole_songs
    }
    for name in names[:3]:  # two or nine features of a clip are soon learned
        thrifty[name] = thrifty[name]._replace(clips_per_song=24)
    return thrifty


def _classics() -> dict[str, Recipe]:
    """The classifiers of 2018, but for the network."""
    return {
        "logistic regression": Recipe(
            _scaled(LogisticRegression(class_weight="balanced", max_iter=2000)),
            {"logisticregression__C": [0.003, 0.03, 0.3]},
        ),
        "k nearest neighbours": Recipe(
            _scaled(KNeighborsClassifier(weights="distance", algorithm="brute")),
            {"kneighborsclassifier__n_neighbors": [5, 15, 45]},
        ),
        "RBF-SVM": Recipe(_scaled(SVC(class_weight="balanced")), {"svc__C": [0.3, 3, 30]}),
        "naive Bayes": Recipe(_scaled(GaussianNB())),
        "decision tree": Recipe(
            DecisionTreeClassifier(class_weight="balanced", random_state=SEED),
            {"min_samples_leaf": [2, 10, 50]},
            inner=1,
        ),
        "random forest": Recipe(
            RandomForestClassifier(200, min_samples_leaf=2, max_samples=0.2, class_weight="balanced", random_state=SEED)
        ),
    }


def _scaled(model: BaseEstimator) -> BaseEstimator:
    """A model that is given features of mean 0 and deviation 1."""
    return make_pipeline(StandardScaler(), model)


# --- one answer from many clips --------------------------------------------------------------


def join(logs: pd.DataFrame, songs: pd.Series, how: str = JOINS[0]) -> pd.DataFrame:
    """Join the answers of each song's clips.

    Parameters
    ----------
    logs : pd.DataFrame
        Log-probabilities, one row for each clip.
    songs : pd.Series
        The song of each clip, in the same order.
    how : {"log", "mean", "vote"}
        The mean of log-probabilities, the mean of probabilities, or each clip one vote.

    Returns
    -------
    pd.DataFrame
        Log-probabilities, one row for each song.
    """
    values = logs.to_numpy()
    if how == "log":
        values = np.maximum(values, np.log(LEAST))
    elif how == "mean":
        values = np.exp(values)
    elif how == "vote":
        values = np.eye(values.shape[1])[values.argmax(axis=1)]
    else:
        raise ValueError(f"{how!r} is none of {', '.join(JOINS)}")
    joined = pd.DataFrame(values, columns=logs.columns).groupby(songs.to_numpy()).mean()
    return cooled(joined if how == "log" else np.log(joined.clip(lower=LEAST)))


def cooled(logs: pd.DataFrame, temperature: float = 1.0) -> pd.DataFrame:
    """Divide logits by a temperature and turn them into log-probabilities: hotter is less sure."""
    return pd.DataFrame(log_softmax(logs.to_numpy() / temperature, axis=1), index=logs.index, columns=logs.columns)


def fit_temperature(logits: pd.DataFrame, truth: pd.Series) -> tuple[float, float]:
    """The temperature at which logits are as sure as they are right, and the log-loss then.

    Guo et al., "On calibration of modern neural networks", 2017. One more item, which is anybody's,
    is counted in, as Platt did ("Probabilistic outputs for support vector machines", 1999): few
    items, all of them right, are no reason to be certain.

    Parameters
    ----------
    logits : pd.DataFrame
        One row for each item, one column for each artist.
    truth : pd.Series
        The artist of each item, in the same order.

    Returns
    -------
    temperature : float
        Between 0.05 and 50.
    loss : float
        Mean negative log-probability of the truth, in nats, with that one item.
    """
    values, places = logits.to_numpy(), logits.columns.get_indexer(truth)
    anybody = 1 / (len(values) + 1)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(values / np.exp(log_temperature), axis=1)
        return -((1 - anybody) * logs[np.arange(len(logs)), places] + anybody * logs.mean(axis=1)).mean()

    found = minimize_scalar(loss, bounds=np.log([0.05, 50]), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


# --- models ----------------------------------------------------------------------------------


class Model(NamedTuple):
    """A trained model: it answers with log-probabilities, for clips and for songs."""

    estimator: Any
    classes: list[str]
    columns: list[str]
    whole_songs: bool = False
    setting: dict = {}  # noqa: RUF012 - nothing changes it
    clip_temperature: float = 1.0
    song_temperature: float = 1.0
    loss: float = np.inf  # log-loss on the inner folds, of songs; of clips where they are dealt one by one
    inner: pd.DataFrame | None = None  # what it then said of their songs, calibrated

    def logits(self, clips: pd.DataFrame, sounds: Sounds = None) -> pd.DataFrame:
        """What the estimator says: log-probabilities, up to a temperature.

        Parameters
        ----------
        clips : pd.DataFrame
            Rows of a frame.
        sounds : np.ndarray or OnDisk, optional
            For a model that listens, what it listens to: one item for each row. Or, where ``clips`` has
            only labels, where their features are.

        Returns
        -------
        pd.DataFrame
            One row for each clip, under the same index. Of a model of whole songs it is what that says
            of a song whose mean is this clip; a linear one says of the song the mean of these.
        """
        if isinstance(sounds, OnDisk):
            return pd.concat(self.logits(some).astype(np.float32) for some in sounds.batches(clips, self.columns))
        X = inputs(self.columns, self.whole_songs, clips, sounds)
        if is_network(self.estimator):
            net = getattr(self.estimator, "model_", self.estimator)
            values = _logs(net.predict(X, batch_size=256, verbose=0))
        elif hasattr(self.estimator, "decision_function"):
            values = self.estimator.decision_function(X)
            if values.ndim == 1:  # of two artists: how far on the side of the second
                values = np.stack([-values / 2, values / 2], axis=1)
        else:
            values = _logs(self.estimator.predict_proba(X))
        return pd.DataFrame(values, index=clips.index, columns=self.classes)

    def answer(self, clips: pd.DataFrame, sounds: Sounds = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Calibrated log-probabilities of each clip, and of each song."""
        logs = cooled(self.logits(clips, sounds), self.clip_temperature)
        return logs, cooled(join(logs, clips["song"]), self.song_temperature)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    """Their logarithms, none of them infinite."""
    return np.log(np.maximum(probabilities, LEAST))


def inputs(columns: list[str], whole_songs: bool, clips: pd.DataFrame, sounds: Sounds) -> Any:
    """What an estimator is given for these clips, one row for each."""
    if not columns:
        return sounds
    return with_variation(clips[columns], clips["song"]) if whole_songs else clips[columns].to_numpy()


def describe_songs(values: pd.DataFrame, songs: pd.Series) -> np.ndarray:
    """Describe each song by the mean of its clips and how they vary around it.

    Parameters
    ----------
    values : pd.DataFrame
        Features of clips. A song varies by the standard deviation of each over its clips. Of MFCC
        columns alone (means and deviations within each clip) it is the covariance: that of the
        clips' means, and on its diagonal also the mean variance within clips.
    songs : pd.Series
        The song of each clip.

    Returns
    -------
    np.ndarray [shape=(songs, n)]
        In order of song.
    """
    clips, centres = values.to_numpy(np.float64), _centres(values)
    upper = np.triu_indices(centres)
    rows = []
    for _, places in sorted(songs.groupby(songs.to_numpy()).indices.items()):
        means, within = np.split(clips[places], [centres], axis=1)
        if centres == values.shape[1]:
            varies = means.std(axis=0)
        else:
            varies = (np.cov(means.T, bias=True) + np.diag((within**2).mean(axis=0)))[upper]
        rows.append(np.concatenate([means.mean(axis=0), varies]))
    return np.stack(rows)


def _centres(values: pd.DataFrame) -> int:
    """How many of the columns are means of clips: of MFCC columns alone the first half, else all."""
    return len(MFCC) // 2 if list(values.columns) == MFCC else values.shape[1]


def with_variation(values: pd.DataFrame, songs: pd.Series) -> np.ndarray:
    """Each clip, and beside it how its song varies: the mean of a song's rows is its row in `describe_songs`."""
    summaries, places = describe_songs(values, songs), np.unique(songs.to_numpy(dtype=object), return_inverse=True)[1]
    centres = _centres(values)
    return np.concatenate([values.to_numpy(np.float64)[:, :centres], summaries[places, centres:]], axis=1)


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


def some_of(sounds: Sounds, places: np.ndarray) -> Sounds:
    """Some of the sounds, if there are any."""
    return None if sounds is None else sounds[places]


def calibrated(logits: pd.DataFrame, frame: pd.DataFrame, *, by: str) -> dict:
    """Calibrate what a model says: one temperature for clips, one for songs.

    See `fit_temperature`.

    Parameters
    ----------
    logits : pd.DataFrame
        Of clips that the model did not learn from.
    frame : pd.DataFrame
        These clips.
    by : {"song", "clip"}
        What is to be answered for.

    Returns
    -------
    dict
        What `Model` calls ``clip_temperature``, ``song_temperature``, ``loss`` and ``inner``; by clip the
        first and third alone.
    """
    clip_temperature, loss = fit_temperature(logits, frame["artist"])
    if by == "clip":
        return {"clip_temperature": clip_temperature, "loss": loss}
    songs = join(cooled(logits, clip_temperature), frame["song"])
    temperature, loss = fit_temperature(songs, artists_of(frame).loc[songs.index])
    found = {"clip_temperature": clip_temperature, "song_temperature": temperature, "loss": loss}
    return found | {"inner": cooled(songs, temperature)}


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


def artists_of(frame: pd.DataFrame) -> pd.Series:
    """The artist of each song, in order of song."""
    return frame.groupby("song")["artist"].first()


def averaged(answers: list[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mean of several models' probabilities, as logarithms: of clips, by those that judge clips, and of songs."""
    clips, songs = zip(*answers, strict=True)
    of_clips = [logs for logs in clips if len(logs)] or [clips[0]]
    return np.log(sum(map(np.exp, of_clips)) / len(of_clips)), np.log(sum(map(np.exp, songs)) / len(songs))


def average_temperature(inner: Sequence[pd.DataFrame | None], artists: pd.Series) -> float:
    """The temperature for the average of several models, which is less sure than each of them.

    Parameters
    ----------
    inner : sequence of pd.DataFrame
        What each said of songs on its inner folds; the songs that all judged count.
    artists : pd.Series
        The artist of each song.
    """
    said = [logs for logs in inner if logs is not None]
    if len(said) < max(2, len(inner)):
        return 1.0
    common = sorted(set.intersection(*(set(logs.index) for logs in said)))
    songs = [logs.loc[common] for logs in said]
    return fit_temperature(averaged([(logs.iloc[:0], logs) for logs in songs])[1], artists.loc[common])[0]
