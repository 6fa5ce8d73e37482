import numpy as np
import pandas as pd
import pytest
from conftest import made_up

from soundalike.evaluation import crossval, metrics
from soundalike.features.table import COLUMNS, ORIGINAL_NINE
from soundalike.models import specs

RECIPES = specs.models()
LOGISTIC = {"logistic": RECIPES["logistic regression"]}
NEIGHBOURS = {"neighbours": RECIPES["k nearest neighbours"]}


def score_table(recipes: dict, frame: pd.DataFrame) -> pd.DataFrame:
    return metrics.table(crossval.compare(recipes, frame), frame)


def score(recipes: dict, frame: pd.DataFrame) -> pd.Series:
    return score_table(recipes, frame)["balanced accuracy"]


@pytest.mark.parametrize("name", ["logistic regression", "k nearest neighbours", "RBF-SVM", "songs: all features"])
def test_shuffled_labels_score_chance(name):
    frame = made_up(songs=20, song_cue=1.0)
    songs = frame["song"].unique()
    shuffled = dict(zip(songs, np.random.default_rng(3).permutation([s[:2] for s in songs]), strict=True))
    frame["artist"] = frame["song"].map(shuffled)
    found = metrics.table(crossval.compare({name: RECIPES[name]}, frame), frame).loc[(name, "song", "song")]
    assert found["balanced accuracy low"] - 0.08 < 1 / 3 < found["balanced accuracy high"] + 0.08
    assert found["log-loss"] < 1.25  # knowing nothing is log 3 = 1.10: it does not feel certain


def test_the_leaky_score_flatters_and_the_honest_one_does_not():
    frame = made_up(songs=20, song_cue=1.0)  # clips of a song are alike, songs of an artist are not
    found = score(NEIGHBOURS, frame)
    assert found["neighbours", "clip", "clip"] > 0.95
    assert found["neighbours", "song", "clip"] < 0.55


def test_an_albums_sound_is_not_taken_for_the_artist():
    frame = made_up(artists=3, songs=12, albums=2, album_cue=1.0, artist_cue=0.05)
    results = crossval.compare(LOGISTIC, frame)
    found = metrics.table(results, frame)["balanced accuracy"]
    assert found["logistic", "clip", "clip"] > 0.95
    assert found["logistic", "song", "song"] > 0.95
    assert found["logistic", "album", "song"] < 0.65
    effect = metrics.album_effect(metrics.table(results, frame)).loc["logistic"]
    assert effect["album heard"] > 0.95
    assert effect["album not heard"] == pytest.approx(found["logistic", "album", "song"])
    assert "songs of albums never heard" in metrics.readable(metrics.table(results, frame))


def test_without_albums_there_is_no_score_by_album():
    frame = made_up(artist_cue=1.0)
    results = crossval.compare(LOGISTIC, frame)
    assert "album" not in results
    assert metrics.album_effect(metrics.table(results, frame)).empty


def test_fewer_songs_to_learn_from_are_not_taken_for_the_albums_sound():
    frame = made_up(artists=4, songs=12, albums=2, artist_cue=0.15, song_cue=0.5)
    effect = metrics.album_effect(score_table(LOGISTIC, frame)).loc["logistic"]
    assert 0.4 < effect["album heard"] < 0.95  # room to fall
    assert effect["album not heard"] == pytest.approx(effect["album heard"], abs=0.12)


def test_a_real_cue_is_found():
    frame = made_up(artist_cue=1.0)
    results = crossval.compare({"majority": RECIPES["majority"], **LOGISTIC}, frame)
    scores = metrics.table(results, frame)
    assert metrics.ranking(scores) == ["logistic", "majority"]
    assert metrics.best_of(scores.rename(index={"majority": "m", "logistic": "majority"})) == "m"  # no control is kept
    assert scores.loc[("logistic", "song", "song"), "balanced accuracy"] == 1
    assert scores.loc[("majority", "song", "song"), "balanced accuracy"] <= metrics.chance(frame)
    assert (metrics.confusion(results["song"]["logistic"][0], frame).to_numpy() == 8 * np.eye(3)).all()
    tested = metrics.mcnemar(results, frame, "logistic", ["majority"]).loc["majority"]
    assert tested["only the other right"] == 0
    assert tested["p"] == pytest.approx(2 * 0.5 ** tested["only the best right"])


def test_the_same_seed_gives_the_same_table():
    frame = made_up(artist_cue=0.2, songs=4, clips=4)
    few = {name: RECIPES[name] for name in ("majority", "naive Bayes", "logistic regression", "random forest")}
    one, two = (metrics.table(crossval.compare(few, frame, repeats=2), frame) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert crossval.AVERAGE in one.index.get_level_values("model")


def test_the_average_is_of_the_models_that_did_best_on_inner_folds():
    frame = made_up(artist_cue=0.25, songs=6)
    useless = {f"majority {n}": RECIPES["majority"] for n in range(3)}
    names = ("naive Bayes", "logistic regression", "linear discriminant")
    found = score(useless | {name: RECIPES[name] for name in names}, frame).xs(("song", "song"), level=[1, 2])
    assert found[crossval.AVERAGE] > found["majority 0"] + 0.2


def test_a_frame_of_2018_is_scored_by_random_clips_only_and_loudly():
    frame = made_up(songs=20, song_cue=1.0)[["artist", "silent", *ORIGINAL_NINE]]
    with pytest.warns(UserWarning, match="LEAKY score of 2018"):
        results = crossval.compare({n: r for n, r in RECIPES.items() if "Keras" not in n}, frame)
    assert set(results) == {"clip"}
    assert "2018 nine: random forest" in results["clip"]
    assert "random forest" not in results["clip"]  # it needs what the frame lacks
    told = metrics.readable(metrics.table(results, frame))
    assert list(told.columns) == ["LEAKY: random clips"]
    assert set(COLUMNS) > set(ORIGINAL_NINE)


def test_the_average_is_trained_of_those_that_did_best_on_inner_folds():
    frame = made_up(artist_cue=0.5, songs=6)
    names = ("naive Bayes", "logistic regression", "linear discriminant")
    recipes = {f"majority {n}": RECIPES["majority"]._replace(inner=1) for n in range(3)}
    members = crossval.train_best(crossval.AVERAGE, recipes | {name: RECIPES[name] for name in names}, frame)
    assert set(members) == set(names)
    assert list(members) == sorted(members, key=lambda name: members[name].loss)
