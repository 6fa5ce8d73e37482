"""The table of models: what each looks at, and how it is trained."""

from typing import NamedTuple

from sklearn.base import BaseEstimator
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from soundalike.dataset.splits import SEED
from soundalike.features import musicnn
from soundalike.features.table import CLIP_COLUMNS, COLUMNS, ORIGINAL_NINE, columns
from soundalike.models.model import MFCC
from soundalike.models.networks import dense_net, is_network, listening_net

INNER_FOLDS = 3

# What is the same for all clips of a song is for models of whole songs alone: by it, a model of clips knows
# songs again instead of learning what artists do (on 126 real songs, boosted trees fell from 0.69 to 0.36).
# Which key a song is in says little of its artist: with it, songs never heard were told worse.
OF_SONGS = [name for name in COLUMNS if name not in columns("song_key")]
RMS = ["rms_mean", "rms_std"]


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
