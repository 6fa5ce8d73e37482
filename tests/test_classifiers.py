import functools
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import log_loss
from sklearn.preprocessing import FunctionTransformer

import classifiers
import library
import scoring
from feature_extraction import COLUMNS


def made_up(
    artists: int = 3, songs: int = 8, clips: int = 6, artist_cue: float = 0.0, song_cue: float = 0.0, seed: int = 0
) -> pd.DataFrame:
    """A frame of noise, in which artists and songs shift the features by as much as is asked for."""
    draw = np.random.default_rng(seed)
    parts = []
    for artist in range(artists):
        of_artist = draw.normal(0, artist_cue, len(COLUMNS))
        for song in range(songs):
            values = draw.normal(of_artist + draw.normal(0, song_cue, len(COLUMNS)), 1, (clips, len(COLUMNS)))
            part = pd.DataFrame(values.astype(np.float32), columns=COLUMNS)
            labels = {"artist": f"A{artist}", "album": "", "song": f"A{artist}/{song}.mp3", "silent": False}
            parts.append(part.assign(**labels, clip=np.arange(clips), start=2.0 * np.arange(clips)))
    return pd.concat(parts, ignore_index=True)


# --- songs and folds -------------------------------------------------------------------------


@pytest.mark.parametrize("songs", [2, 3, 8])
def test_no_song_on_both_sides_and_every_artist_tested(songs):
    frame = made_up(songs=songs)
    dealt = classifiers.folds(frame)
    assert len(dealt) == min(songs, classifiers.FOLDS)
    for train, test in dealt:
        assert not set(frame["song"].iloc[train]) & set(frame["song"].iloc[test])
        assert set(frame["artist"].iloc[test]) == set(frame["artist"].iloc[train]) == set(frame["artist"])
    assert sorted(np.concatenate([test for _, test in dealt])) == list(range(len(frame)))


def test_clips_at_random_stand_on_both_sides():
    frame = made_up()
    train, test = classifiers.folds(frame, by="clip")[0]
    assert set(frame["song"].iloc[train]) & set(frame["song"].iloc[test])


def test_artists_with_too_few_songs_and_silent_clips_are_left_out():
    frame = made_up()
    frame.loc[frame["artist"].eq("A2") & frame["song"].ne("A2/0.mp3"), "artist"] = "A1"
    frame.loc[0, "silent"] = True
    kept, too_few = classifiers.comparable(frame)
    assert too_few == {"A2": 1}
    assert set(kept["artist"]) == {"A0", "A1"}
    assert len(kept) == len(frame) - 1 - 6


def test_one_artist_cannot_be_compared():
    with pytest.raises(library.UserError, match=r"at least two artists with 4 songs each.*A0 8"):
        classifiers.comparable(made_up(artists=1))


def test_the_song_held_out_is_of_an_artist_who_can_spare_it():
    frame = made_up(artists=2, songs=4)
    spare = made_up(artists=1, songs=8, seed=1).replace({"A0": "B"}).assign(song=lambda f: "B" + f["song"])
    both = pd.concat([frame, spare], ignore_index=True)
    assert {classifiers.hold_out(both, seed)[0] for seed in range(10)} == {"B"}
    assert classifiers.hold_out(both) == classifiers.hold_out(both.sample(frac=1, random_state=0))


# --- training --------------------------------------------------------------------------------

SCIKIT_MODELS = [name for name in classifiers.models() if "Keras" not in name]


@pytest.mark.parametrize("name", classifiers.models())
def test_every_model_learns_what_is_there(name):
    frame = made_up(artist_cue=1.0)
    model = classifiers.fit(*classifiers.models()[name], frame)
    found = classifiers.probabilities(model, made_up(artist_cue=1.0))
    assert list(found.columns) == ["A0", "A1", "A2"]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    right = (found.idxmax(axis=1) == frame["artist"]).mean()
    assert right > 0.9 if name != "majority" else right == pytest.approx(1 / 3)


def test_the_same_seed_gives_the_same_network():
    frame = made_up(artist_cue=0.3)
    nets = [classifiers.fit(classifiers.dense_net(epochs=3), {}, frame) for _ in range(2)]
    first, second = (classifiers.probabilities(net, frame) for net in nets)
    pd.testing.assert_frame_equal(first, second)


def test_the_network_is_watched_on_songs_it_does_not_learn_from():
    frame = made_up(song_cue=1.0)  # nothing to learn of artists, all of songs
    train, test = classifiers.folds(frame)[0]
    watched = classifiers.watch_dense_net(frame.iloc[train], frame.iloc[test])
    assert watched["accuracy"].iloc[-1] > 0.9
    assert watched["val_accuracy"].iloc[-1] < 0.7


def test_clips_are_joined_by_the_mean_of_logs():
    clips = pd.DataFrame({"a": [0.9, 0.4, 0.2], "b": [0.1, 0.6, 0.8]})
    joined = classifiers.join_clips(clips, pd.Series(["x", "x", "y"]))
    a, b = np.sqrt(0.9 * 0.4), np.sqrt(0.1 * 0.6)
    assert joined.loc["x", "a"] == pytest.approx(a / (a + b))
    assert joined.loc["y", "b"] == pytest.approx(0.8)
    certain = classifiers.join_clips(pd.DataFrame({"a": [0.0, 1, 1], "b": [1.0, 0, 0]}), pd.Series(["x"] * 3))
    assert certain.loc["x", "a"] > 0.9  # one clip that is sure of another does not decide alone


# --- scores ----------------------------------------------------------------------------------

LOGISTIC = classifiers.models()["logistic regression"]
NEIGHBOURS = classifiers.models()["k nearest neighbours"]


@pytest.mark.parametrize("model", [LOGISTIC, NEIGHBOURS, classifiers.models()["RBF-SVM"]])
def test_shuffled_labels_score_chance(model):
    frame = made_up(songs=20, song_cue=1.0)
    songs = frame["song"].unique()
    shuffled = dict(zip(songs, np.random.default_rng(3).permutation([s[:2] for s in songs]), strict=True))
    frame["artist"] = frame["song"].map(shuffled)
    found = scoring.score(frame, scoring.out_of_fold(*model, frame))
    assert found["song"] == pytest.approx(1 / 3, abs=0.2)  # 60 songs: three standard errors


def test_fewest_songs_suffice_for_every_model():
    frame = made_up(artists=2, songs=classifiers.MIN_SONGS, artist_cue=1.0)
    frame = frame[frame["song"] != classifiers.hold_out(frame)].reset_index(drop=True)
    for name, (model, grid) in classifiers.models().items():
        if "Keras" not in name:
            assert len(scoring.out_of_fold(model, grid, frame)) == len(frame), name


def test_calibration_has_not_heard_the_song():
    frame = made_up(songs=20, song_cue=2.0)  # clips of one song on both sides would make it feel certain
    frame = frame.sample(frac=1, random_state=0).reset_index(drop=True)  # or order alone would keep songs together
    clips = scoring.out_of_fold(*classifiers.models()["RBF-SVM"], frame)
    assert log_loss(frame["artist"], clips.to_numpy()) < 1.25  # knowing nothing is log 3 = 1.10


def test_balanced_accuracy_counts_artists_alike():
    frame = made_up(artists=2, songs=4)
    frame = frame[~frame["song"].isin(["A1/2.mp3", "A1/3.mp3", "A1/1.mp3"])]  # four songs and one
    always_a0 = pd.DataFrame({"A0": 0.9, "A1": 0.1}, index=frame.index)
    assert scoring.score(frame, always_a0)["song"] == 0.5


def test_the_leaky_score_flatters_and_the_honest_one_does_not():
    frame = made_up(songs=20, song_cue=1.0)  # clips of a song are alike, songs of an artist are not
    honest = scoring.score(frame, scoring.out_of_fold(*NEIGHBOURS, frame))
    leaky = scoring.score(frame, scoring.out_of_fold(*NEIGHBOURS, frame, by="clip"))
    assert leaky["clip"] > 0.95
    assert honest["clip"] < 0.55


def test_a_real_cue_is_found():
    frame = made_up(artist_cue=1.0)
    table, clips = scoring.compare({"logistic": LOGISTIC, "majority": classifiers.models()["majority"]}, frame)
    assert list(table.index) == ["logistic", "majority"]
    assert table.loc["logistic", "song"] == 1
    assert scoring.chance(frame) == pytest.approx(1 / 3)
    assert table.loc["majority", "song"] <= 1 / 3  # below: who leads among the others is behind in the fold
    counts = scoring.confusion(frame, clips["logistic"])
    assert (counts.to_numpy() == 8 * np.eye(3)).all()


def test_the_same_seed_gives_the_same_table():
    frame = made_up(artist_cue=0.2)
    one, two = (scoring.compare({"logistic": LOGISTIC}, frame)[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


# --- saving and loading ----------------------------------------------------------------------


@functools.cache
def trained(name: str):
    return classifiers.fit(*classifiers.models()[name], made_up(artist_cue=0.5))


def save(root, name: str) -> pd.DataFrame:
    """Save a trained model; its probabilities for the frame it was made from."""
    frame = made_up(artist_cue=0.5)
    library.write_songs(root, [{"song": song, "hash": f"hash of {song}"} for song in frame["song"].unique()])
    classifiers.save(root, name, trained(name), scores={"song": 1.0}, trained_on=frame, held_out="x")
    return classifiers.probabilities(trained(name), frame)


@pytest.mark.parametrize("name", classifiers.models())
def test_a_loaded_model_answers_as_the_saved_one(tmp_path, name):
    expected = save(tmp_path, name)
    saved = classifiers.load(tmp_path)
    pd.testing.assert_frame_equal(saved.probabilities(made_up(artist_cue=0.5)), expected, rtol=1e-6)
    assert saved.info["name"] == name
    assert saved.info["songs"] == {song: f"hash of {song}" for song in made_up()["song"].unique()}


def change(root, **changes) -> None:
    path = root / "model/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("content", ["{}", "[]", '{"settings": null}', "not JSON"])
def test_a_damaged_description_is_refused(tmp_path, content):
    save(tmp_path, "naive Bayes")
    (tmp_path / "model/model.json").write_text(content)
    with pytest.raises(library.UserError, match=r"lacks what it should hold|There is no model"):
        classifiers.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": [*COLUMNS[:-1], "wow_mean"]}, rf"wow_mean.*{COLUMNS[-1]}"),
        ({"features": COLUMNS[::-1]}, "another order"),
        ({"features": COLUMNS[:-1]}, f"does not know the features {COLUMNS[-1]}"),
        ({"settings": {"n_fft": 512}}, "n_fft was 512, is 2048"),
        ({"versions": {"scikit-learn": "0.1"}}, r"scikit-learn was 0\.1, is"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path, changes, says):
    save(tmp_path, "naive Bayes")
    change(tmp_path, **changes)
    with pytest.raises(library.UserError, match=says):
        classifiers.load(tmp_path)


def test_a_model_file_of_other_types_is_refused(tmp_path):
    save(tmp_path, "naive Bayes")
    skops.io.dump(FunctionTransformer(shutil.rmtree), tmp_path / "model/model.skops")
    with pytest.raises(library.UserError, match=r"is refused: it holds .*rmtree"):
        classifiers.load(tmp_path)


def test_a_pickle_is_not_opened(tmp_path):
    save(tmp_path, "naive Bayes")
    (tmp_path / "model/model.skops").write_bytes(pickle.dumps(trained("naive Bayes")))
    with pytest.raises(library.UserError, match="holds no model file that can be read"):
        classifiers.load(tmp_path)


def test_no_model_says_how_to_make_one(tmp_path):
    with pytest.raises(library.UserError, match="There is no model in"):
        classifiers.load(tmp_path)
