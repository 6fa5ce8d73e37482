import numpy as np
import pandas as pd
import pytest
from conftest import made_up, prepared

from soundalike.evaluation import crossval, explain
from soundalike.evaluation.study import Study
from soundalike.features.table import ASPECTS, columns
from soundalike.models import specs, training
from soundalike.models.fusion import equal

LOGISTIC = specs.LOGISTIC
SPECS = {LOGISTIC: specs.specs()[LOGISTIC]}
ALONE = {specs.FEATURES: [LOGISTIC]}  # a kept model of one member, which is soon trained
FUSION = equal(ALONE)
FIXED = {LOGISTIC: specs.fix(SPECS[LOGISTIC], {"C": 0.02}, 0.7)}


# --- what the kept model depends on ----------------------------------------------------------


def test_the_aspect_that_carries_the_cue_is_what_the_model_depends_on():
    frame = made_up(songs=6)
    for name in columns("chroma"):
        frame[name] += frame["artist"].map({"A0": 0.0, "A1": 2.0, "A2": 4.0}).astype(np.float32)
    lost = explain.importance(FIXED, FUSION, Study(*prepared(frame)))
    assert lost.index[0] == "harmony"
    assert set(lost.index) == set(ASPECTS)
    assert lost.loc["harmony", "low"] > 0.2
    assert lost["loss"].drop("harmony").abs().max() < 0.15
    assert (lost["low"] <= lost["loss"]).all()
    assert (lost["loss"] <= lost["high"]).all()


def test_what_a_network_describes_is_an_aspect_too():
    songs, examples = prepared(made_up(songs=6))
    places = np.unique(songs["artist"].loc[crossval.song_names(songs, examples.song)], return_inverse=True)[1]
    noise = np.random.default_rng(0).standard_normal((len(places), 3))
    examples = examples._replace(networks={"voice": (places[:, None] + 0.1 * noise).astype(np.float32)})
    ears = {specs.FEATURES: [LOGISTIC], "voice": ["voice"]}
    fixed = FIXED | {"voice": specs.fix(specs.specs(["voice"])["voice"], {"alpha": 1}, 0.2)}
    lost = explain.importance(fixed, equal(ears), Study(songs, examples))
    assert lost.index[0] == "lead sound"
    assert lost.loc["lead sound", "low"] > 0.3


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


def works(frame: pd.DataFrame) -> pd.Series:
    songs = frame["song"].unique()
    return pd.Series(songs, songs)


def test_the_nearest_clip_is_of_the_same_song_where_songs_differ():
    frame = made_up(songs=10, song_cue=2.0)
    found = explain.nearest_clips(frame, works(frame))
    at_random, by_song = (found[by]["nearest"].value_counts() for by in (crossval.RANDOM_CLIPS, crossval.UNSEEN_SONGS))
    training, same_song, same_artist, other_artist = explain.NEAREST
    assert at_random[same_song] == len(frame) - at_random[training]
    assert by_song[same_song] == 0
    assert by_song[other_artist] > by_song[same_artist] > 0  # nothing is common to an artist's songs: chance
    held_out = found[crossval.UNSEEN_SONGS].groupby("song")["nearest"].agg(lambda own: (own != training).mean())
    assert set(held_out) == {0, 1}  # whole songs
    assert held_out.groupby(held_out.index.str[:2]).sum().tolist() == [3, 3, 3]


def test_the_nearest_clip_is_the_artists_where_artists_differ():
    frame = made_up(songs=10, artist_cue=2.0, song_cue=0.5)
    found = explain.nearest_clips(frame, works(frame))[crossval.UNSEEN_SONGS]["nearest"].value_counts()
    assert found["another artist"] == 0
    assert found["the same artist"] == 9 * 6


def test_no_feature_drowns_the_others_among_neighbours():
    frame = made_up(songs=10, song_cue=2.0)
    frame["tempo"] = 1000 * np.random.default_rng(0).standard_normal(len(frame)).astype(np.float32)
    found = explain.nearest_clips(frame, works(frame))[crossval.RANDOM_CLIPS]["nearest"]
    assert set(found) == set(explain.NEAREST[:2])


@pytest.mark.parametrize("song", range(4))
def test_copies_are_one_song(song):
    frame = made_up(artists=2, songs=4, song_cue=2.0)
    names = [f"A0/{song}.mp3", "A0/copy.mp3"]
    frame = pd.concat([frame, frame[frame["song"] == names[0]].assign(song=names[1])], ignore_index=True)
    found = explain.nearest_clips(frame, works(frame).replace(names[1], names[0]))
    at_random, by_song = (
        found[by].set_index("song")["nearest"][names] for by in (crossval.RANDOM_CLIPS, crossval.UNSEEN_SONGS)
    )
    assert set(at_random) == {"in training", "the same song"}
    assert (by_song == "in training").all() or (by_song != "in training").all()


def test_of_very_many_songs_some_are_compared(monkeypatch):
    monkeypatch.setattr(explain, "MOST_CLIPS", 60)
    frame = made_up(songs=10)
    for clips in explain.nearest_clips(frame, works(frame)).values():
        assert clips.groupby("song").size().tolist() == 30 * [2]  # all songs, for fewer would be easier to hold out


def test_an_artist_of_one_song_is_in_training():
    frame = made_up(artists=2, songs=1)
    found = explain.nearest_clips(frame, works(frame))
    assert set(found[crossval.UNSEEN_SONGS]["nearest"]) == {"in training"}
