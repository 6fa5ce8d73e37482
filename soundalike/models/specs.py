"""The table of models: what each is trained on, its settings, and why it is there."""

from collections.abc import Sequence
from typing import NamedTuple

from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from soundalike.dataset.splits import SEED
from soundalike.features.table import CLIP_COLUMNS, ORIGINAL_NINE
from soundalike.models.attenuation import NuisanceAttenuation
from soundalike.models.networks import DenseNet
from soundalike.song import FEATURES

INNER_FOLDS = 3
ROWS = 24_000  # a model is trained on so many at most
FEWER_ROWS = 6_000  # the same for choosing a setting, and for forests and the SVM, which hardly gain by more clips


class ModelSpec(NamedTuple):
    """One row of the table of models."""

    estimator: BaseEstimator  # its own settings are used where none are chosen
    columns: list[str] = CLIP_COLUMNS
    segments: bool = True  # trained on segments; else on single clips
    network: str = ""  # trained on what this network makes of the windows around segments; then there are no columns
    prepare: Pipeline | None = None  # fitted once for all settings
    grid: dict = {}  # noqa: RUF012 - nothing changes it
    inner: int = INNER_FOLDS  # folds on which settings are chosen and probabilities calibrated
    rows: int = ROWS  # it is trained on so many at most, evenly spaced
    temperature: float = 1.0  # where none is fitted, so that models can be averaged all the same


CHANCE, LOUDNESS = "majority", "loudness alone"  # controls: what any model should beat
LOGISTIC, KERNEL, FOREST = "logistic regression, segments", "kernel ridge, segments", "random forest, clips"
KEPT = "kept model"
NINE = "2018 features: "  # starts the names of the models of 2018


def ears(networks: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the models of each ear, whose log-probabilities are averaged; the ears are fused to the kept model.

    Of the features, a linear and a kernel model make different mistakes. Of what networks make of songs, a kernel
    model was better than a linear one (benchmarks/README.md).

    Parameters
    ----------
    networks : sequence of str
        That have described windows.
    """
    return {FEATURES: [LOGISTIC, KERNEL]} | {name: [name] for name in networks}


def specs(networks: Sequence[str] = ()) -> dict[str, ModelSpec]:
    """Return the models to compare, by name; the kept model is made of some of them, see `ears`."""
    table = {
        CHANCE: ModelSpec(DummyClassifier(strategy="prior"), ORIGINAL_NINE, segments=False, inner=0),
        LOUDNESS: _logistic(columns=["rms_mean", "rms_std"], segments=False),
    }
    table |= {f"{NINE}{name}": spec for name, spec in _models_of_2018().items()}
    table |= {
        LOGISTIC: _logistic(first=[NuisanceAttenuation()]),
        KERNEL: _kernel(first=[NuisanceAttenuation()]),
        "linear discriminant, segments": ModelSpec(
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
            prepare=make_pipeline(NuisanceAttenuation(), StandardScaler()),
            inner=1,
        ),
        "Keras dense net, segments": ModelSpec(DenseNet(), prepare=make_pipeline(NuisanceAttenuation()), inner=0),
        FOREST: ModelSpec(
            _forest(100),
            segments=False,
            prepare=make_pipeline(NuisanceAttenuation()),
            inner=0,
            rows=FEWER_ROWS,
            temperature=0.4,  # inner folds found 0.3 to 0.5 for 2 to 12 artists of benchmarks/real_music.csv
        ),
    }
    return table | {name: _kernel([], network=name) for name in networks}


def is_network(spec: ModelSpec) -> bool:
    """Whether it is trained by Keras, which takes seconds however small it is."""
    return isinstance(spec.estimator, DenseNet)


def fix(spec: ModelSpec, setting: dict, temperature: float) -> ModelSpec:
    """Leave nothing to inner folds: a model with settings and a temperature that were found before."""
    return spec._replace(estimator=clone(spec.estimator).set_params(**setting), inner=0, temperature=temperature)


def _models_of_2018() -> dict[str, ModelSpec]:
    """Return the seven classifiers of 2018 on its nine features of single clips."""
    rows = {
        "logistic regression": _logistic(columns=ORIGINAL_NINE),
        "k nearest neighbours": ModelSpec(
            KNeighborsClassifier(15, weights="distance"),
            prepare=make_pipeline(StandardScaler()),
            grid={"n_neighbors": [135, 45, 15, 5]},
        ),
        "SVM": ModelSpec(
            # Of landmarks, and by gradient descent: as right as SVC of 1,200 rows, in a fifth of its time.
            SGDClassifier(loss="hinge", average=True, max_iter=5, tol=None, random_state=SEED),
            prepare=make_pipeline(StandardScaler(), Nystroem(n_components=300, random_state=SEED)),
            grid={"alpha": [1e-3, 1e-4, 1e-5, 1e-6]},
            rows=FEWER_ROWS,
        ),
        "naive Bayes": ModelSpec(GaussianNB(), prepare=make_pipeline(StandardScaler())),
        "decision tree": ModelSpec(
            DecisionTreeClassifier(min_samples_leaf=10, random_state=SEED),
            grid={"min_samples_leaf": [100, 50, 25, 10, 5, 2]},
        ),
        "random forest": ModelSpec(_forest(100), rows=FEWER_ROWS),
        "Keras dense net": ModelSpec(DenseNet(), inner=0),
    }
    return {
        name: spec._replace(columns=ORIGINAL_NINE, segments=False, inner=min(spec.inner, 1))
        for name, spec in rows.items()
    }


def _logistic(
    columns: list[str] = CLIP_COLUMNS, *, segments: bool = True, first: Sequence[BaseEstimator] = ()
) -> ModelSpec:
    """Logistic regression of at most 200 principal components, which cost nothing and make it 20 times faster."""
    grid = {"C": [0.01, 0.1, 1, 10, 100, 1000] if len(columns) <= 9 else [0.0001, 0.001, 0.01, 0.1, 1, 10]}
    prepare = make_pipeline(*first, StandardScaler(), PCA(200, svd_solver="randomized", random_state=SEED))
    return ModelSpec(LogisticRegression(C=0.01, max_iter=2000, tol=1e-3), columns, segments, "", prepare, grid)


def _kernel(columns: list[str] = CLIP_COLUMNS, *, network: str = "", first: Sequence[BaseEstimator] = ()) -> ModelSpec:
    """Ridge regression on radial basis functions around 500 landmarks."""
    return ModelSpec(
        RidgeClassifier(alpha=1.0),
        columns,
        network=network,
        prepare=make_pipeline(*first, StandardScaler(), Nystroem(n_components=500, random_state=SEED)),
        grid={"alpha": [100, 10, 1, 0.1, 0.01, 0.001]},
        temperature=0.15,
    )


def _forest(trees: int) -> RandomForestClassifier:
    # Of music, trees are 13 levels deep. Of noise they would be 60, for rows would be split off one by one.
    return RandomForestClassifier(trees, min_samples_leaf=2, max_depth=16, max_samples=0.2, random_state=SEED)
