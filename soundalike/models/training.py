"""Train models on some songs: inner folds of these songs choose settings and, unless it is fixed, the temperature."""

import warnings

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from soundalike.dataset.segments import Examples
from soundalike.dataset.splits import SEED, folds
from soundalike.models.calibration import apply_temperature, fit_temperature, losses
from soundalike.models.fusion import Fusion, choose, equal
from soundalike.models.model import FLOOR, Member, Model, aggregate, inputs, logits_of_all
from soundalike.models.specs import FEWER_ROWS, INNER_FOLDS, ModelSpec


def fit_all(
    specs: dict[str, ModelSpec],
    ears: dict[str, list[str]] | Fusion,
    examples: Examples,
    songs: pd.DataFrame,
    *,
    seed: int = SEED,
) -> tuple[Model, dict[str, dict], dict[str, pd.DataFrame]]:
    """Train several models on these songs and fuse them: inner folds by song choose how, see `fusion.choose`.

    Parameters
    ----------
    specs : dict of str to ModelSpec
        By name.
    ears : dict of str to list of str, or Fusion
        The models that are fused, see `specs.ears`; with a `Fusion` nothing is chosen.
    examples, songs, seed
        See `fit`.

    Returns
    -------
    model : Model
        Calibrated.
    settings : dict of str to dict
        That were chosen for each of its members.
    inner : dict of str to pd.DataFrame
        The members' predictions for the songs that inner folds held out, see `fit`.
    """
    fusion = ears if isinstance(ears, Fusion) else equal(ears)
    members, settings, inner = {}, {}, {}
    for name in (name for names in fusion.ears.values() for name in names):
        members[name], settings[name], logs = fit(specs[name], examples, songs, seed=seed)
        if logs is not None:
            inner[name] = logs
    if not isinstance(ears, Fusion) and inner and len(ears) > 1:
        fusion = choose(ears, inner, songs.set_index("place")["artist"])
    return Model(members, fusion), settings, inner


def fit(
    spec: ModelSpec, examples: Examples, songs: pd.DataFrame, *, seed: int = SEED
) -> tuple[Member, dict, pd.DataFrame | None]:
    """Train on these songs: inner folds by song choose the setting and the temperatures.

    Parameters
    ----------
    spec : ModelSpec
        Its estimator stays untrained.
    examples : Examples
        Of these songs, at least.
    songs : pd.DataFrame
        The songs to train on: rows of the table of songs.
    seed : int
        Of the inner folds.

    Returns
    -------
    member : Member
        Calibrated.
    setting : dict
        That was chosen; empty without inner folds, or with too few songs for them: the estimator's own.
    logs : pd.DataFrame or None
        Calibrated log-probabilities of the songs that inner folds held out, where there are any.
    """
    artist = songs.set_index("place")["artist"]
    settings = list(ParameterGrid(spec.grid)) if spec.inner else [{}]
    tested, logits = [], [[] for _ in settings]  # type: list[Examples], list[list[pd.DataFrame]]
    quick = spec._replace(rows=min(spec.rows, FEWER_ROWS))
    for learn, test in folds(songs, INNER_FOLDS, seed=seed)[: spec.inner]:
        tested.append(_tested(quick, examples, songs["place"].iloc[test]))
        members = train(quick, settings, examples, songs.iloc[learn])
        for found, logs in zip(logits, logits_of_all(members, tested[-1]), strict=True):
            found.append(logs)
    if not tested:
        return train(spec, [{}], examples, songs)[0], {}, None

    def calibrate(found: list[pd.DataFrame]) -> tuple[float, float, pd.DataFrame]:
        """Return the temperature of songs, their mean loss with it, and their log-probabilities."""
        logs = pd.concat(aggregate(*fold, segments=spec.segments) for fold in zip(found, tested, strict=True))
        logs = logs.dropna(how="all").fillna(np.log(FLOOR))  # of artists that a network describes in other folds only
        if logs.empty:
            return spec.temperature, np.inf, logs
        temperature = fit_temperature(logs, artist.loc[logs.index])
        logs = apply_temperature(logs, temperature)
        return temperature, losses(logs, artist.loc[logs.index]).mean(), logs

    temperatures, lost, logs = zip(*map(calibrate, logits), strict=True)
    best = int(np.argmin(lost))
    (member,) = train(spec, [settings[best]], examples, songs)
    if logs[best].empty:
        return member, settings[best], None
    clips = pd.concat(logits[best]).set_axis(np.concatenate([fold.song for fold in tested])).dropna(how="all")
    clips = clips.fillna(clips.min().min())
    member = member._replace(
        temperature=temperatures[best], clip_temperature=fit_temperature(clips, artist.loc[clips.index])
    )
    return member, settings[best], logs[best]


def _tested(spec: ModelSpec, examples: Examples, places: pd.Series) -> Examples:
    """Find the rows of the songs in these places; evenly spaced songs where they are more than are trained on."""
    count = len(examples.find(places, segments=spec.segments))
    return examples.rows(places[:: -(-count // spec.rows)], segments=spec.segments)


def train(spec: ModelSpec, settings: list[dict], examples: Examples, songs: pd.DataFrame) -> list[Member]:
    """Train with each of some settings on these songs; see `train_on`."""
    return train_on(spec, settings, examples, examples.find(songs["place"], segments=spec.segments), songs)


def train_on(
    spec: ModelSpec, settings: list[dict], examples: Examples, rows: np.ndarray, songs: pd.DataFrame
) -> list[Member]:
    """Train with each of some settings; what prepares the rows is fitted once for all.

    Every artist weighs the same, and of an artist every song.

    Parameters
    ----------
    spec : ModelSpec
        Its estimator stays untrained.
    settings : list of dict
        Parameters of the estimator; an empty one leaves its own.
    examples : Examples
        Of the songs, and maybe of others.
    rows : np.ndarray
        The rows to train on; those that a network has no window around are passed over. Of more than
        ``spec.rows``, evenly spaced ones are taken, and one of each artist.
    songs : pd.DataFrame
        Rows of the table of songs.
    """
    if spec.network:
        rows = rows[np.isfinite(examples.networks[spec.network][rows, 0])]
    artists = examples.artists(songs, rows)
    if spec.network and len(set(artists)) < 2:
        return [Member(None, sorted(set(artists)), spec.columns, spec.segments, spec.network) for _ in settings]
    if len(rows) > spec.rows:
        first = np.unique(artists, return_index=True)[1]
        fewer = np.union1d(np.linspace(0, len(rows) - 1, spec.rows).astype(int), first)
        rows, artists = rows[fewer], artists[fewer]
    if len(artists) <= len(set(artists)):  # a discriminant wants more rows than artists
        rows, artists = np.tile(rows, 2), np.tile(artists, 2)
    X = inputs(spec, examples, rows)
    song = pd.Series(examples.song[rows])
    weight = 1 / song.groupby(song).transform("size") / song.groupby(artists).transform("nunique")
    # Folds run at once, each on one thread. Forests of few rows, and many artists of few, are warned of.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using the fractional value max_samples")
        warnings.filterwarnings("ignore", message="The number of unique classes|Only one sample available")
        prepare = prepared(spec, X) if spec.prepare else None
        X = prepare.transform(X).astype(np.float64) if prepare else X
        return [
            _member(spec, setting, prepare, X, artists, (weight / weight.mean()).to_numpy()) for setting in settings
        ]


def prepared(spec: ModelSpec, X: np.ndarray) -> Pipeline:
    """Fit what comes before an estimator; with no more landmarks than rows, or components than rows or columns."""
    made = clone(spec.prepare)
    for _, step in made.steps:
        if hasattr(step, "n_components"):
            step.n_components = min(step.n_components, len(X) if isinstance(step, Nystroem) else min(X.shape))
    return made.fit(X)


def _member(
    spec: ModelSpec, setting: dict, prepare: Pipeline | None, X: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> Member:
    """Return an estimator trained with one setting, and what comes before it."""
    estimator: BaseEstimator = clone(spec.estimator).set_params(**setting)
    if hasattr(estimator, "n_neighbors"):
        estimator.n_neighbors = min(estimator.n_neighbors, len(y))
    classes, counts = np.unique(y, return_counts=True)
    log_prior = None
    if has_fit_parameter(estimator, "sample_weight"):
        estimator.fit(X, y, sample_weight=weight)
    else:
        estimator.fit(X, y)
        log_prior = np.log(counts / len(y)) if hasattr(estimator, "predict_proba") else None
    whole = make_pipeline(*(step for _, step in prepare.steps), estimator) if prepare else estimator
    return Member(whole, list(classes), spec.columns, spec.segments, spec.network, log_prior, *[spec.temperature] * 2)
