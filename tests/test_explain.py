import numpy as np
import pandas as pd
import pytest
from conftest import made_up

from soundalike.dataset.splits import folds
from soundalike.evaluation import crossval, explain
from soundalike.features.table import columns
from soundalike.models import specs, training

LOGISTIC = specs.models()["logistic regression"]


def judged(frame: pd.DataFrame) -> crossval.Judged:
    return crossval.compare({"logistic": LOGISTIC}, frame)["song"]["logistic"][0]


# --- none of these ---------------------------------------------------------------------------


def test_strangers_are_refused_where_artists_are_far_apart():
    frame = made_up(artists=5, songs=8, artist_cue=0.6)
    strange = explain.strangers([LOGISTIC], frame, judged(frame))
    assert len(strange) == 40
    assert strange["right"].all()
    tested = explain.tested_threshold(strange)
    assert tested["kept"].mean() > 0.9
    assert tested["refused"].mean() > 0.7
    assert explain.separation(strange) > 0.9


def test_two_artists_are_too_few_to_know_strangers():
    frame = made_up(artists=2, artist_cue=1.0)
    assert explain.strangers([LOGISTIC], frame, judged(frame)).empty


def test_strangers_are_told_by_a_model_that_has_not_heard_them():
    frame = made_up(artists=3, songs=6, artist_cue=1.0)
    strange = explain.strangers([LOGISTIC, LOGISTIC], frame, judged(frame))
    alone = frame[frame["artist"] != "A0"]
    _, songs = training.fit(LOGISTIC, alone).answer(frame[frame["artist"] == "A0"])
    np.testing.assert_allclose(strange["stranger"].iloc[:6], np.exp(songs.max(axis=1)), rtol=1e-6)


def test_the_threshold_keeps_the_right_and_refuses_strangers():
    songs = pd.DataFrame({
        "artist": ["a", "a", "b", "b"], "known": [0.9, 0.8, 0.95, 0.3],
        "right": [True, True, True, False], "stranger": [0.4, 0.5, 0.6, 0.7],
    })  # fmt: skip
    assert explain.threshold(songs) == 0.8
    tested = explain.tested_threshold(songs)
    assert tested.loc["a", "threshold"] == 0.95  # what b alone asks for
    assert tested.loc["a", "kept"] == 0
    assert tested.loc["b", "threshold"] == 0.8
    assert tested.loc["b", "refused"] == 1
    assert explain.separation(songs) == 1
    assert np.isnan(explain.threshold(songs.assign(right=False)))


# --- what models go by -----------------------------------------------------------------------


def test_importance_finds_the_family_that_carries_the_cue():
    frame = made_up(songs=6)
    for name in columns("contrast"):
        frame[name] += frame["artist"].map({"A0": 0.0, "A1": 2.0, "A2": 4.0}).astype(np.float32)
    lost = explain.importance(LOGISTIC, frame, repeats=2)
    assert lost.index[0] == "contrast"
    assert lost.loc["contrast", "loss"] > 0.4
    assert lost["loss"].drop("contrast").abs().max() < 0.15


def test_more_songs_help():
    frame = made_up(artists=3, songs=16, artist_cue=0.2, song_cue=1.0, seed=1)
    curve = explain.learning_curve(LOGISTIC, frame, [1, 12])
    assert curve.loc[12, "balanced accuracy"] > curve.loc[1, "balanced accuracy"] + 0.1


def test_no_more_songs_are_learned_from_than_asked():
    frame = made_up()
    train, _ = folds(frame)[0]
    some = frame.iloc[explain._fewer(frame, train, 2)]
    assert (some.groupby("artist")["song"].nunique() == 2).all()
    assert set(some.index) <= set(frame.iloc[train].index)


def test_the_hardest_songs_come_first():
    frame = made_up(artists=2, songs=4)
    p = pd.DataFrame({"A0": [0.9] * 4 + [0.2] * 4, "A1": [0.1] * 4 + [0.8] * 4}, index=frame["song"].unique())
    p.loc["A0/2.mp3"] = [0.3, 0.7]
    worst = explain.hardest(crossval.Judged(frame.iloc[:0], np.log(p)), frame, n=2)
    assert worst.index[0] == "A0/2.mp3"
    assert worst["given"].iloc[0] == "A1"
    assert worst["how sure of the artist"].iloc[0] == pytest.approx(0.3)


def test_neighbours_are_of_the_same_song_where_songs_differ():
    near = explain.nearest(made_up(songs=10, song_cue=2.0))
    assert near["same song"] == 1
    assert near["by lot"] == pytest.approx(5 / 179)
    assert near["right, any"] == 1
    assert near["right, other songs"] < 0.6


def test_the_network_is_watched_on_songs_it_does_not_learn_from():
    frame = made_up(song_cue=1.0)  # nothing to learn of artists, all of songs
    watched = explain.watch(specs.models()["Keras dense net"], frame, folds(frame)[0])
    assert len(watched) == 15
    assert watched["accuracy"].iloc[-1] > 0.75
    assert watched["val_accuracy"].iloc[-1] < 0.7


def test_no_feature_drowns_the_others_among_neighbours():
    frame = made_up(songs=10, song_cue=2.0)
    frame["tempo"] = 1000 * np.random.default_rng(0).standard_normal(len(frame)).astype(np.float32)
    assert explain.nearest(frame)["same song"] == 1
