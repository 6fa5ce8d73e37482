"""The models: the table of them, how songs are dealt into folds, training, saving and loading.

Rows of a frame are clips. Every function here that splits or trains keeps the clips of a song
together; what splitting clips at random would claim is for `scoring` to show.
"""

import contextlib
import copy
import datetime
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from feature_extraction import COLUMNS, SETTINGS
from library import UserError, printable, read_songs, versions, whole_file

MIN_SONGS = 4  # an artist needs one song to be put aside, one to be judged by, and two to learn from
FOLDS = 5
INNER_FOLDS = 3
SEED = 0

# The only types, beyond skops' own list, that a model file may hold.
TRUSTED = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
]


REMAKE = "modeling.ipynb makes one; make run runs it."


# --- the table of models ---------------------------------------------------------------------


def models(seed: int = SEED) -> dict[str, tuple[BaseEstimator, dict]]:
    """The models to compare: name -> (untrained model, grid of settings to choose from)."""

    def scaled(model: BaseEstimator) -> BaseEstimator:
        return make_pipeline(StandardScaler(), model)

    return {
        "majority": (DummyClassifier(strategy="prior"), {}),
        "logistic regression": (
            scaled(LogisticRegression(class_weight="balanced", max_iter=2000)),
            {"logisticregression__C": [0.003, 0.03, 0.3]},
        ),
        "k nearest neighbours": (
            scaled(KNeighborsClassifier(weights="distance")),
            {"kneighborsclassifier__n_neighbors": [5, 15, 45]},
        ),
        "RBF-SVM": (scaled(SVC(class_weight="balanced")), {"svc__C": [0.3, 3, 30]}),
        "naive Bayes": (scaled(GaussianNB()), {}),
        "decision tree": (
            DecisionTreeClassifier(class_weight="balanced", random_state=seed),
            {"min_samples_leaf": [2, 10, 50]},
        ),
        "random forest": (
            RandomForestClassifier(300, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=-1),
            {},
        ),
        "Keras dense net": (dense_net(seed), {}),
    }


def dense_net(seed: int = SEED, epochs: int = 40) -> BaseEstimator:
    """A small Keras network, by Keras's own scikit-learn wrapper."""
    with _quiet_tensorflow():
        from keras.wrappers import SKLearnClassifier
    return SKLearnClassifier(
        _build_dense_net, model_kwargs={"seed": seed}, fit_kwargs={"epochs": epochs, "batch_size": 64, "verbose": 0}
    )


def _build_dense_net(X: np.ndarray, y: np.ndarray, seed: int) -> Any:
    """The network for these features and one-hot artists; it scales by what it is trained on."""
    import keras

    keras.utils.set_random_seed(seed)
    scale = keras.layers.Normalization()
    scale.adapt(X)
    layers = [keras.Input((X.shape[1],)), scale]
    for units in (128, 64):
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.4)]
    net = keras.Sequential([*layers, keras.layers.Dense(y.shape[1], activation="softmax")])
    net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="categorical_crossentropy", metrics=["accuracy"])
    return net


def watch_dense_net(train: pd.DataFrame, test: pd.DataFrame, seed: int = SEED) -> pd.DataFrame:
    """Train the Keras network and measure it after each epoch.

    Parameters
    ----------
    train, test : pd.DataFrame
        Clips to learn from, and clips of other songs by the same artists.
    seed : int
        Of the network.

    Returns
    -------
    pd.DataFrame
        One row for each epoch: ``accuracy`` and ``loss`` on the one, ``val_…`` on the other.
    """
    artists = np.unique(train["artist"].to_numpy(dtype=object))
    one_hot = (test["artist"].to_numpy(dtype=object)[:, None] == artists).astype(np.float32)
    unheard = test[COLUMNS].to_numpy(), one_hot
    net = dense_net(seed)
    net.fit(train[COLUMNS].to_numpy(), train["artist"].to_numpy(dtype=object), validation_data=unheard)
    return pd.DataFrame(net.history_.history)


@contextlib.contextmanager
def _quiet_tensorflow() -> Iterator[None]:
    """Keep TensorFlow's greetings, which its C++ side writes to stderr at import, out of notebooks."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it sets its own level when it is imported
        os.close(stderr)
        os.close(nowhere)


# --- songs and folds -------------------------------------------------------------------------


def comparable(frame: pd.DataFrame, min_songs: int = MIN_SONGS) -> tuple[pd.DataFrame, dict[str, int]]:
    """The clips that artists can be compared by.

    Parameters
    ----------
    frame : pd.DataFrame
        As written by ``dataframe_creation.py``.
    min_songs : int
        How many songs an artist needs, at least 2.

    Returns
    -------
    kept : pd.DataFrame
        The clips that are not silent, of artists with enough songs, under a fresh index.
    too_few : dict of str to int
        The other artists and how many songs each has.

    Raises
    ------
    UserError
        If fewer than two artists have enough songs.
    """
    loud = frame[~frame["silent"]]
    songs = loud.groupby("artist")["song"].nunique()
    too_few = songs[songs < min_songs].to_dict()
    if len(songs) - len(too_few) < 2:
        counts = ", ".join(f"{printable(artist)} {n}" for artist, n in songs.head(10).items())
        raise UserError(
            f"Comparing takes at least two artists with {min_songs} songs each. Songs per artist here: {counts}."
        )
    return loud[~loud["artist"].isin(too_few)].reset_index(drop=True), too_few


def hold_out(frame: pd.DataFrame, seed: int = SEED) -> str:
    """Draw one song to keep out of all training: of an artist who can spare it, if there is one."""
    songs = frame[["artist", "song"]].drop_duplicates()
    per_artist = songs["artist"].map(songs["artist"].value_counts())
    spare = songs[per_artist > MIN_SONGS]
    return str((spare if len(spare) else songs)["song"].sort_values().sample(random_state=seed).item())


def folds(
    frame: pd.DataFrame, n_folds: int = FOLDS, *, by: str = "song", seed: int = SEED
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal clips into folds.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips, with ``artist`` and ``song``.
    n_folds : int
        At most this many, and no more than the songs of the artist who has fewest.
    by : {"song", "clip"}
        Whether whole songs are dealt, or, as in 2018, clips one by one.
    seed : int
        Of the shuffling.

    Returns
    -------
    list of (np.ndarray, np.ndarray)
        Positions of training and of test clips. By song, every artist stands in every test fold
        and no song on both sides. Empty if some artist has only one song.
    """
    if by == "clip":
        deal = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        return list(deal.split(frame, frame["artist"]))
    # One row for each song, not for each clip: then each artist's songs are spread evenly.
    songs = frame[["artist", "song"]].drop_duplicates(ignore_index=True)
    n_folds = min(n_folds, songs["artist"].value_counts().min())
    if n_folds < 2:
        return []
    deal = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    dealt = []
    for _, test in deal.split(songs, songs["artist"], groups=songs["song"]):
        tested = frame["song"].isin(songs["song"].iloc[test]).to_numpy()
        dealt.append((np.flatnonzero(~tested), np.flatnonzero(tested)))
    return dealt


# --- training --------------------------------------------------------------------------------


def fit(model: BaseEstimator, grid: dict, frame: pd.DataFrame, *, by: str = "song", seed: int = SEED) -> BaseEstimator:
    """Choose settings and train, on these clips alone.

    Parameters
    ----------
    model : BaseEstimator
        Untrained; it stays so.
    grid : dict
        The settings to choose from, judged on inner folds.
    frame : pd.DataFrame
        The clips to learn from, with `feature_extraction.COLUMNS`.
    by : {"song", "clip"}
        How the inner folds are dealt, see `folds`.
    seed : int
        Of the inner folds.

    Returns
    -------
    BaseEstimator
        Trained; `probabilities` takes it.
    """
    model = copy.deepcopy(model)  # sklearn's clone would drop the fit_kwargs of Keras's wrapper
    X, y = frame[COLUMNS].to_numpy(), frame["artist"].to_numpy(dtype=object)
    inner = folds(frame, INNER_FOLDS, by=by, seed=seed)
    if grid and inner:
        # A setting that cannot be tried on so few clips (45 neighbours of 20) loses to those that can.
        search = GridSearchCV(model, grid, cv=inner, scoring="balanced_accuracy", error_score=0, n_jobs=-1)
        model = search.fit(X, y).best_estimator_
    if inner and not hasattr(model, "predict_proba") and hasattr(model, "decision_function") and not _is_keras(model):
        return CalibratedClassifierCV(model, cv=inner, ensemble=False).fit(X, y)
    return model.fit(X, y)


def _is_keras(model: BaseEstimator) -> bool:
    return type(model).__module__.startswith("keras.")


def probabilities(model: BaseEstimator, frame: pd.DataFrame) -> pd.DataFrame:
    """The probability of each artist for each clip; columns are artists, rows sum to 1."""
    X = frame[COLUMNS].to_numpy()
    values = model.model_.predict(X, verbose=0) if _is_keras(model) else model.predict_proba(X)
    return pd.DataFrame(values, columns=model.classes_, index=frame.index)


def join_clips(clips: pd.DataFrame, songs: pd.Series) -> pd.DataFrame:
    """Join the clips of each song: the mean of log probabilities, made to sum to 1 again.

    Parameters
    ----------
    clips : pd.DataFrame
        Probabilities, one row for each clip.
    songs : pd.Series
        The song of each clip, under the same index.

    Returns
    -------
    pd.DataFrame
        Probabilities, one row for each song.
    """
    logs = np.log(clips.clip(lower=1e-6)).groupby(songs.to_numpy()).mean()  # no clip alone rules an artist out
    joined = np.exp(logs.sub(logs.max(axis=1), axis=0))
    return joined.div(joined.sum(axis=1), axis=0)


# --- saving and loading ----------------------------------------------------------------------


class Saved(NamedTuple):
    """A model from disk: it answers with probabilities, and knows what it was made from."""

    model: Any
    info: dict

    def probabilities(self, table: pd.DataFrame) -> pd.DataFrame:
        """The probability of each artist for each row of a song's table."""
        X = table[self.info["features"]].to_numpy()
        values = self.model.predict(X, verbose=0) if self.info["kind"] == "keras" else self.model.predict_proba(X)
        return pd.DataFrame(values, columns=self.info["classes"], index=table.index)


def save(root: Path, name: str, model: BaseEstimator, *, scores: dict, trained_on: pd.DataFrame, held_out: str) -> None:
    """Save a trained model below the root, with all that must match when it is used.

    Parameters
    ----------
    root : Path
        Of the library; the model goes to ``model/``.
    name : str
        Its name in `models`.
    model : BaseEstimator
        As `fit` returned it.
    scores : dict
        Its honest scores.
    trained_on : pd.DataFrame
        The clips it learned from.
    held_out : str
        The song it has never seen.
    """
    keras = _is_keras(model)
    table = read_songs(root)
    hashes = dict(zip(table["song"], table["hash"], strict=True))
    info = {
        "name": name,
        "kind": "keras" if keras else "scikit-learn",
        "classes": list(model.classes_),
        "features": COLUMNS,
        "settings": SETTINGS,
        "versions": versions(),
        "scores": scores,
        "songs": {song: hashes.get(song, "") for song in sorted(trained_on["song"].unique())},
        "held_out": held_out,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    with whole_file(root / "model") as folder:
        folder.mkdir()
        if keras:
            model.model_.save(folder / "model.keras")
        else:
            skops.io.dump(model, folder / "model.skops")
        (folder / "model.json").write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


def load(root: Path) -> Saved:
    """Load the saved model of a library. No code in the file is run.

    Raises
    ------
    UserError
        If there is none, it was made for other features, settings or versions, or it holds
        types that no model of `models` needs.
    """
    folder = root / "model"
    try:
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        demo = " For the demo's, add --data data/demo." if (root / "demo" / "model").is_dir() else ""
        raise UserError(f"There is no model in {printable(folder)}. {REMAKE}{demo}") from None
    try:
        problems = mismatches(info)
    except (KeyError, TypeError, AttributeError):
        problems = ["model.json lacks what it should hold"]
    if problems:
        raise UserError(f"The model in {printable(folder)} does not fit: {'; '.join(problems)}. {REMAKE}")
    try:
        return Saved(_load_keras(folder) if info["kind"] == "keras" else _load_skops(folder), info)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{printable(folder)} holds no model file that can be read ({error}). {REMAKE}") from None


def _load_keras(folder: Path) -> Any:
    with _quiet_tensorflow():
        import keras
    return keras.models.load_model(folder / "model.keras", safe_mode=True)


def _load_skops(folder: Path) -> BaseEstimator:
    unknown = set(skops.io.get_untrusted_types(file=folder / "model.skops")) - set(TRUSTED)
    if unknown:
        raise UserError(f"The model in {printable(folder)} is refused: it holds {', '.join(sorted(unknown))}.")
    return skops.io.load(folder / "model.skops", trusted=TRUSTED)


def mismatches(info: dict) -> list[str]:
    """How a saved model differs from what the code here would make: each in words."""
    problems = []
    missing, extra = set(info["features"]) - set(COLUMNS), set(COLUMNS) - set(info["features"])
    if missing:
        problems.append(f"it needs features that are no longer made ({', '.join(sorted(missing)[:5])})")
    if extra:
        problems.append(f"it does not know the features {', '.join(sorted(extra)[:5])}")
    if not missing and not extra and info["features"] != COLUMNS:
        problems.append("it knows the features in another order")
    for key in SETTINGS.keys() | info["settings"].keys():
        before, now = info["settings"].get(key), SETTINGS.get(key)
        if key != "columns" and before != now:
            problems.append(f"{key} was {before}, is {now}")
    before, now = info["versions"].get(info["kind"]), versions()[info["kind"]]
    if before != now:
        problems.append(f"{info['kind']} was {before}, is {now}")
    return problems
