import numpy as np
import pytest
from conftest import made_up, prepared

from soundalike.evaluation import explain
from soundalike.evaluation.study import Study
from soundalike.features.table import columns
from soundalike.models import specs, training
from soundalike.models.fusion import equal

LOGISTIC = specs.LOGISTIC
SPECS = {LOGISTIC: specs.specs()[LOGISTIC]}
ALONE = {specs.FEATURES: [LOGISTIC]}  # a kept model of one member, which is soon trained
FUSION = equal(ALONE)
FIXED = {LOGISTIC: specs.fix(SPECS[LOGISTIC], {"C": 0.02}, 0.7)}


# --- what the kept model depends on ----------------------------------------------------------


def test_importance_finds_the_family_that_carries_the_cue():
    frame = made_up(songs=6)
    for name in columns("contrast"):
        frame[name] += frame["artist"].map({"A0": 0.0, "A1": 2.0, "A2": 4.0}).astype(np.float32)
    songs, examples = prepared(frame)
    lost = explain.importance(FIXED, FUSION, Study(songs, examples))
    assert lost.index[0] == "contrast"
    assert lost.loc["contrast", "low"] > 0.2
    assert lost["loss"].drop("contrast").abs().max() < 0.15
    assert (lost["low"] <= lost["loss"]).all()
    assert (lost["loss"] <= lost["high"]).all()


def test_more_songs_help():
    songs, examples = prepared(made_up(artists=3, songs=16, artist_cue=0.2, song_cue=1.0, seed=1))
    curve = explain.learning_curve(FIXED, FUSION, Study(songs, examples), [1, 4, 12])
    assert curve.loc[12, "balanced_accuracy"] > curve.loc[1, "balanced_accuracy"] + 0.1
    assert curve.loc[12, "gained"] == pytest.approx(curve["balanced_accuracy"].diff()[12])
    assert curve.loc[12, "gained low"] <= curve.loc[12, "gained"] <= curve.loc[12, "gained high"]


def test_no_more_songs_are_trained_on_than_asked():
    songs, _ = prepared(made_up())
    learn, drawn = np.arange(20), songs.sample(frac=1, random_state=1)
    one, three = (songs.iloc[explain.fewer(drawn, songs, learn, size)] for size in (1, 3))
    assert one.groupby("artist").size().tolist() == [1, 1, 1]
    assert three.groupby("artist").size().tolist() == [3, 3, 3]
    assert set(one.index) < set(three.index) < set(songs.index[:20])


def test_settings_that_were_chosen_are_the_models_own():
    songs, examples = prepared(made_up())
    assert FIXED[LOGISTIC].estimator.C == 0.02
    assert (FIXED[LOGISTIC].inner, FIXED[LOGISTIC].temperature) == (0, 0.7)
    member, setting, _ = training.fit(FIXED[LOGISTIC], examples, songs)
    assert (member.temperature, setting) == (0.7, {})
    assert SPECS[LOGISTIC].estimator.C != 0.02


# --- where the flattering number comes from --------------------------------------------------


def test_neighbours_are_of_the_same_song_where_songs_differ():
    near = explain.nearest(Study(*prepared(made_up(songs=10, song_cue=2.0))))
    assert near["same song"] == 1
    assert near["chance"] == pytest.approx(5 / 179)
    assert near["right, any"] == 1
    assert near["right, other songs"] < 0.6


def test_no_feature_drowns_the_others_among_neighbours():
    frame = made_up(songs=10, song_cue=2.0)
    frame["tempo"] = 1000 * np.random.default_rng(0).standard_normal(len(frame)).astype(np.float32)
    assert explain.nearest(Study(*prepared(frame)))["same song"] == 1


def test_the_network_is_watched_on_songs_that_it_is_not_trained_on():
    songs, examples = prepared(made_up(song_cue=1.0))  # nothing to learn of artists, all of songs
    watched = explain.watch(specs.specs()["Keras dense net, segments"], Study(songs, examples))
    assert len(watched) == 15
    assert watched.index[0] == 1
    assert watched["accuracy"].iloc[-1] > 0.75
    assert watched["val_accuracy"].iloc[-1] < 0.7
