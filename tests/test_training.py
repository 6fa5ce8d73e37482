import numpy as np
import pandas as pd
import pytest
from conftest import made_up

from soundalike.dataset.splits import MIN_SONGS, hold_out
from soundalike.models import calibration, specs, training
from soundalike.models.model import MFCC, artists_of, averaged, cooled, describe_songs, join, with_variation

RECIPES = specs.models()


@pytest.mark.parametrize("name", RECIPES)
def test_every_model_learns_what_is_there(name):
    frame = made_up(artist_cue=1.0)
    unheard = frame[frame["song"].str[3].isin(["6", "7"])]
    model = training.fit(RECIPES[name], frame.drop(unheard.index))
    clips, songs = model.answer(unheard)
    assert list(songs.columns) == ["A0", "A1", "A2"]
    assert clips.index.equals(unheard.index)
    right = (songs.idxmax(axis=1) == artists_of(unheard)).mean()
    if name == "majority":
        assert right == pytest.approx(1 / 3)
    else:
        assert right > (0.4 if name == "loudness alone" else 0.9)


def test_fewest_songs_suffice_for_every_model():
    frame = made_up(artists=2, songs=MIN_SONGS, artist_cue=1.0)
    frame = frame[frame["song"] != hold_out(frame)].reset_index(drop=True)
    for name, recipe in RECIPES.items():
        if "Keras" not in name:
            assert len(training.fit(recipe, frame).answer(frame)[1]) == len(frame["song"].unique()), name


def test_one_artist_of_many_songs_does_not_drown_the_others():
    many = made_up(artists=1, songs=30, artist_cue=0.7, seed=1)
    few = made_up(artists=2, songs=4, artist_cue=0.7, seed=2).replace({"A0": "B", "A1": "C"})
    few["song"] = few["artist"] + few["song"]
    frame = pd.concat([many, few], ignore_index=True)
    for name in ("logistic regression", "RBF-SVM", "random forest"):
        _, songs = training.fit(RECIPES[name], frame).answer(frame)
        assert set(songs.idxmax(axis=1)) == {"A0", "B", "C"}, name


def test_the_same_seed_gives_the_same_network():
    frame = made_up(artist_cue=0.3)
    recipe = RECIPES["Keras dense net"]
    first, second = (training.fit(recipe, frame).answer(frame)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_settings_are_chosen_by_songs_that_were_not_learned_from():
    frame = made_up(songs=20, song_cue=2.0)  # songs of an artist have nothing in common
    by_song = training.fit(RECIPES["decision tree"], frame)
    by_clip = training.fit(RECIPES["decision tree"], frame, by="clip")
    assert by_song.setting["min_samples_leaf"] > by_clip.setting["min_samples_leaf"]


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].whole_songs])
def test_songs_of_one_clip_in_any_order_are_learned_as_songs(name):
    frame = made_up(songs=12, clips=1, artist_cue=1.0).sample(frac=1, random_state=0, ignore_index=True)
    model = training.fit(RECIPES[name], frame)
    assert model.loss < 0.5
    assert (model.answer(frame)[1].idxmax(axis=1) == artists_of(frame)).mean() > 0.9


# --- joining and calibrating -----------------------------------------------------------------


def test_clips_are_joined_by_the_mean_of_logs():
    clips = np.log(pd.DataFrame({"a": [0.9, 0.4, 0.2], "b": [0.1, 0.6, 0.8]}))
    joined = np.exp(join(clips, pd.Series(["x", "x", "y"])))
    a, b = np.sqrt(0.9 * 0.4), np.sqrt(0.1 * 0.6)
    assert joined.loc["x", "a"] == pytest.approx(a / (a + b))
    assert joined.loc["y", "b"] == pytest.approx(0.8)


def test_one_clip_that_is_sure_of_another_does_not_decide_alone():
    with np.errstate(divide="ignore"):
        clips = np.log(pd.DataFrame({"a": [0.0, 1, 1], "b": [1.0, 0, 0]}))
    joined = np.exp(join(clips, pd.Series(["x"] * 3)))
    assert joined.loc["x", "a"] > 0.9


def test_other_ways_to_join():
    clips = np.log(pd.DataFrame({"a": [0.9, 0.4, 0.4], "b": [0.1, 0.6, 0.6]}))
    songs = pd.Series(["x"] * 3)
    assert np.exp(join(clips, songs, "mean")).loc["x", "a"] == pytest.approx(1.7 / 3)
    assert np.exp(join(clips, songs, "vote")).loc["x", "a"] == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="'sum' is none of"):
        join(clips, songs, "sum")


def test_temperature_makes_answers_as_sure_as_they_are_right():
    draw = np.random.default_rng(0)
    truth = pd.Series(draw.choice(["a", "b"], 5000))
    right = draw.random(5000) < 0.8  # sure without end, and right four times in five
    says_a = (truth == "a") == right
    logits = pd.DataFrame({"a": np.where(says_a, 10.0, -10.0), "b": np.where(says_a, -10.0, 10.0)})
    temperature, loss = calibration.fit_temperature(logits, truth)
    assert np.exp(cooled(logits, temperature)).max(axis=1).mean() == pytest.approx(0.8, abs=0.02)
    assert loss == pytest.approx(0.5, abs=0.02)


def test_a_few_right_answers_are_no_reason_to_be_certain():
    logits = pd.DataFrame({"a": [5.0, 5, -5, -5], "b": [-5.0, -5, 5, 5]})
    temperature, _ = calibration.fit_temperature(logits, pd.Series(["a", "a", "b", "b"]))
    sure = np.exp(cooled(logits, temperature)).max(axis=1)
    assert 0.85 < sure.max() < 0.95  # one item more, half of it wrong: nine in ten


def test_a_song_is_summed_up_by_mean_and_covariance_of_its_mfccs():
    frame = made_up(artists=1, songs=1, clips=50)
    half = len(MFCC) // 2
    (vector,) = describe_songs(frame[MFCC], frame["song"])
    values = frame[MFCC].to_numpy(np.float64)
    assert len(vector) == half + half * (half + 1) // 2
    np.testing.assert_allclose(vector[:half], values[:, :half].mean(axis=0))
    inside = (values[:, half] ** 2).mean()
    assert vector[half] == pytest.approx(values[:, 0].var() + inside)
    first, second = values[:, 0] - values[:, 0].mean(), values[:, 1] - values[:, 1].mean()
    assert vector[half + 1] == pytest.approx((first * second).mean())


@pytest.mark.parametrize("columns", [MFCC, specs.RMS])
def test_the_mean_of_a_songs_rows_is_its_summary(columns):
    frame = made_up(artists=2, songs=3).sample(frac=1, random_state=0)
    rows = with_variation(frame[columns], frame["song"])
    means = pd.DataFrame(rows).groupby(frame["song"].to_numpy()).mean()
    np.testing.assert_allclose(means, describe_songs(frame[columns], frame["song"]))


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].whole_songs])
@pytest.mark.parametrize("artists", [2, 3])
def test_of_a_song_a_linear_model_says_the_mean_of_what_it_says_of_its_clips(name, artists):
    frame = made_up(artists=artists, artist_cue=0.2)
    model = training.fit(RECIPES[name], frame)
    assert len(model.estimator[-1].coef_[0]) > len(RECIPES[name].columns)  # it knows how songs vary
    direct = model.estimator.predict_log_proba(describe_songs(frame[model.columns], frame["song"]))
    logits = model.logits(frame).groupby(frame["song"]).mean()
    np.testing.assert_allclose(cooled(logits), direct, atol=1e-8)


def test_the_average_is_of_probabilities():
    some = [np.log(pd.DataFrame({"a": [p], "b": [1 - p]}, index=["x"])) for p in (0.2, 0.3, 0.9, 0.5, 0.4)]
    none = some[0].iloc[:0]  # one judges no clips
    of_clips, of_songs = averaged([(some[0], some[2]), (some[1], some[3]), (none, some[4])])
    assert np.exp(of_songs).loc["x", "a"] == pytest.approx(0.6)
    assert np.exp(of_clips).loc["x", "a"] == pytest.approx(0.25)


def test_an_average_is_made_as_sure_as_it_is_right():
    names = [f"song {n}" for n in range(100)]
    artists = pd.Series(["a", "b"] * 50, index=names)
    sure, torn = np.where(artists == "a", 0.9, 0.1), np.full(100, 0.5)  # one knows, one does not: 0.7 each, all right
    inner = [np.log(pd.DataFrame({"a": p, "b": 1 - p}, index=names)) for p in (sure, torn)]
    assert calibration.average_temperature(inner, artists) < 0.5
    assert calibration.average_temperature(inner[:1], artists) == 1
    assert calibration.average_temperature([inner[0].iloc[:60], inner[1].iloc[40:]], artists) < 0.5


def test_one_artist_with_one_song_does_not_stop_the_others_from_being_tuned():
    frame = made_up(artist_cue=0.5)
    frame = frame[(frame["artist"] != "A2") | (frame["song"] == "A2/0.mp3")].reset_index(drop=True)
    model = training.fit(RECIPES["logistic regression"], frame)
    assert model.loss < 1
    assert model.setting["logisticregression__C"] in (0.003, 0.03, 0.3)


def test_a_library_with_fewer_clips_than_neighbours_is_answered_for():
    frame = made_up(artists=2, songs=4, clips=1, artist_cue=1.0)
    model = training.fit(RECIPES["k nearest neighbours"], frame)
    assert model.answer(frame)[1].shape == (8, 2)


def test_songs_are_cooled_by_a_temperature_of_their_own():
    frame = made_up(artist_cue=0.5)
    model = training.fit(RECIPES["naive Bayes"], frame)._replace(clip_temperature=8.0, song_temperature=4.0)
    clips, songs = model.answer(frame)
    pd.testing.assert_frame_equal(clips, cooled(model.logits(frame), 8))
    pd.testing.assert_frame_equal(songs, cooled(join(clips, frame["song"]), 4))
