import numpy as np
import pandas as pd
import pytest
from conftest import loud_clips, made_up, prepared
from sklearn.dummy import DummyClassifier

from soundalike.dataset.segments import LoudClips, one_song
from soundalike.features.table import CLIP_COLUMNS
from soundalike.models import calibration, fusion, specs, training
from soundalike.models.fusion import average
from soundalike.models.model import Member, Model, aggregate, inputs
from soundalike.models.specs import ModelSpec

SPECS = specs.specs()


def right(member: Member, examples, songs: pd.DataFrame) -> float:
    predicted = member.predict(examples)[1].idxmax(axis=1)
    return (predicted == songs.set_index("place")["artist"].loc[predicted.index]).mean()


@pytest.mark.parametrize("name", SPECS)
def test_every_model_learns_what_is_there(name):
    songs, examples = prepared(made_up(artist_cue=1.0))
    unseen = songs.index.str[3].isin(["6", "7"])
    member, setting, _ = training.fit(SPECS[name], examples, songs[~unseen])
    tested = examples.rows(songs["place"][unseen])
    clips, of_songs = member.predict(tested)
    assert list(of_songs.columns) == ["A0", "A1", "A2"]
    assert len(clips) == len(tested.song)
    np.testing.assert_allclose(np.exp(of_songs).sum(axis=1), 1, rtol=1e-6)
    assert set(setting) == set(SPECS[name].grid)
    share = right(member, tested, songs)
    if name == specs.CHANCE:
        assert share == pytest.approx(1 / 3)
    else:
        assert share > (0.4 if name == specs.LOUDNESS else 0.9)


def test_two_songs_of_two_artists_suffice_for_every_model():
    songs, examples = prepared(made_up(artists=2, songs=2, clips=1, artist_cue=1.0))
    for name, spec in SPECS.items():
        member, setting, _ = training.fit(spec, examples, songs)
        assert len(member.predict(examples)[1]) == 4, name
        assert not setting or set(setting) == set(spec.grid)


def test_an_artist_weighs_the_same_and_so_does_each_song_of_an_artist():
    many = made_up(artists=1, songs=30, seed=7)
    few = made_up(artists=1, songs=4, seed=8).replace({"A0": "B"}).assign(song=lambda f: "B" + f["song"])
    frame = pd.concat([many, few], ignore_index=True)  # nothing distinguishes the two
    columns = ["rms_mean", "rms_std"]
    songs, examples = prepared(frame, columns)
    for name in (specs.LOGISTIC, specs.KERNEL, specs.FOREST, f"{specs.NINE}k nearest neighbours"):
        member, *_ = training.fit(SPECS[name]._replace(inner=0, columns=columns), examples, songs)
        other = made_up(artists=1, songs=60, seed=9)
        predicted = [
            member.predict(one_song(own)._replace(columns=columns))[1].idxmax(axis=1).item()
            for _, own in loud_clips(other, columns)
        ]
        assert 0.1 < np.mean([artist == "B" for artist in predicted]) < 0.95, name


def test_a_long_song_weighs_no_more_than_a_short_one():
    draw = np.random.default_rng(0)
    rows = [("A", "long", 24, 0.0), ("A", "short", 2, 4.0), ("B", "x", 8, 8.0), ("B", "y", 8, 8.0)]
    parts = []
    for artist, song, clips, centre in rows:
        values = pd.DataFrame(draw.normal(centre, 0.1, (clips, 2)), columns=["rms_mean", "rms_std"])
        labels = {"artist": artist, "album": "", "song": f"{artist}/{song}", "silent": False}
        parts.append(values.assign(**labels, clip=range(clips), start=0.0))
    frame = pd.concat(parts, ignore_index=True)
    songs, examples = prepared(frame, ["rms_mean", "rms_std"])
    bayes = SPECS[f"{specs.NINE}naive Bayes"]._replace(columns=["rms_mean", "rms_std"], prepare=None)
    (member,) = training.train(bayes, [{}], examples, songs)
    assert member.estimator.theta_[0] == pytest.approx([2, 2], abs=0.1)  # the middle of the two songs
    assert member.estimator.class_prior_ == pytest.approx([0.5, 0.5])


def test_the_same_seed_gives_the_same_network():
    songs, examples = prepared(made_up(artist_cue=0.3))
    spec = SPECS["Keras dense net, segments"]
    first, second = (training.fit(spec, examples, songs)[0].predict(examples)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_settings_are_chosen_on_songs_that_were_not_trained_on():
    frame = made_up(songs=30, song_cue=1.5)
    frame["tempo"] += 2 * frame["artist"].str[1].astype(np.float32)  # all that the songs of an artist have in common
    spec = SPECS[f"{specs.NINE}k nearest neighbours"]._replace(grid={"n_neighbors": [1, 45]})
    songs, examples = prepared(frame)
    assert training.fit(spec, examples, songs)[1] == {"n_neighbors": 45}  # by clips, the nearest is of the same song
    clear, there = prepared(made_up(songs=6, clips=2, artist_cue=3.0))
    assert training.fit(spec, there, clear)[1] == {"n_neighbors": 1}


def test_one_artist_with_one_song_in_a_fold_does_not_stop_the_others_from_being_tuned():
    frame = made_up(artist_cue=0.5)
    songs, examples = prepared(frame[(frame["artist"] != "A2") | (frame["song"] < "A2/2.mp3")])
    member, setting, _ = training.fit(SPECS[specs.LOGISTIC], examples, songs.drop(index="A2/1.mp3"))
    assert setting
    assert member.classes == ["A0", "A1", "A2"]
    assert member.temperature != 1


class Counting(DummyClassifier):
    """Notes how many rows it is trained on."""

    trained: list[int] = []  # noqa: RUF012 - by all copies

    def fit(self, X, y, sample_weight=None):
        self.trained.append(len(X))
        return super().fit(X, y, sample_weight)


def test_no_more_rows_are_trained_on_than_the_cap(monkeypatch):
    songs, examples = prepared(made_up(clips=20))
    monkeypatch.setattr(training, "FEWER_ROWS", 30)
    spec = ModelSpec(Counting(), segments=False, inner=2, rows=50)
    member, *_ = training.fit(spec, examples, songs)
    assert all(cap <= rows <= cap + 3 for cap, rows in zip([30, 30, 50], Counting.trained, strict=True))
    assert member.classes == ["A0", "A1", "A2"]


def test_an_artist_of_few_clips_is_trained_on_however_many_others_there_are():
    frame = made_up(artists=5, songs=20, clips=6)
    few = (frame["artist"] == "A2") & ((frame["song"] > "A2/1.mp3") | (frame["clip"] > 0))
    songs, examples = prepared(frame[~few])
    assert songs["artist"].value_counts()["A2"] == 2
    for name in (specs.FOREST, specs.LOGISTIC):
        member, *_ = training.fit(SPECS[name]._replace(rows=4), examples, songs)
        assert member.classes == ["A0", "A1", "A2", "A3", "A4"]


# --- what is predicted -----------------------------------------------------------------------


def examples_of(rows: list[int]):
    clips = LoudClips(np.zeros((len(rows), 1), np.float32), 2.0 * np.arange(len(rows)), {})
    return one_song(clips)._replace(song=np.array(rows))


def test_a_song_gets_the_mean_log_probability_of_its_clips():
    clips = np.log(pd.DataFrame({"a": [0.9, 0.4, 0.2], "b": [0.1, 0.6, 0.8]}))
    songs = np.exp(aggregate(clips, examples_of([5, 5, 7]), segments=False))
    a, b = np.sqrt(0.9 * 0.4), np.sqrt(0.1 * 0.6)
    assert songs.loc[5, "a"] == pytest.approx(a / (a + b))
    assert songs.loc[7, "b"] == pytest.approx(0.8)


def test_of_segments_those_of_the_song_count():
    clips = np.log(pd.DataFrame({"a": [0.9, 0.4, 0.2], "b": [0.1, 0.6, 0.8]}))
    some = examples_of([5, 5, 5])._replace(whole=np.array([False, True, False]))
    assert np.exp(aggregate(clips, some, segments=True)).loc[5, "a"] == pytest.approx(0.4)


def test_one_clip_that_is_certain_of_another_does_not_decide_alone():
    with np.errstate(divide="ignore"):
        clips = np.log(pd.DataFrame({"a": [0.0, 1, 1], "b": [1.0, 0, 0]}))
    clips = clips.clip(lower=-1e9)
    assert np.exp(aggregate(clips, examples_of([5, 5, 5]), segments=False)).loc[5, "a"] > 0.9


def test_models_are_averaged_by_their_weights():
    logs = {name: np.log(pd.DataFrame({"a": [p], "b": [1 - p]})) for name, p in (("x", 0.9), ("y", 0.2), ("z", 0.5))}
    odds = (0.9 / 0.1) ** 0.5 * (0.2 / 0.8) ** 0.25
    assert np.exp(average(logs, {"x": 0.5, "y": 0.25, "z": 0.25})).loc[0, "a"] == pytest.approx(odds / (1 + odds))


def test_a_model_predicts_the_average_of_its_members():
    songs, examples = prepared(made_up(artist_cue=0.2))
    names = (specs.LOGISTIC, specs.FOREST)
    members = {name: training.fit(SPECS[name], examples, songs)[0] for name in names}
    clips, of_songs = Model(members, fusion.equal({"both": list(names)})).predict(examples)
    for place, found in enumerate((clips, of_songs)):
        both = {name: member.predict(examples)[place] for name, member in members.items()}
        pd.testing.assert_frame_equal(found, average(both, dict.fromkeys(names, 0.5)))


def test_a_song_that_changes_hands_turns_in_the_middle():
    frame = made_up(artists=2, songs=8, clips=16, artist_cue=0.3)
    songs, examples = prepared(frame)
    model, *_ = training.fit_all(SPECS, specs.ears(), examples, songs)
    halves = pd.concat(frame[frame["song"] == f"A{n}/0.mp3"][:10] for n in (0, 1)).assign(song="both")
    ((_, both),) = loud_clips(halves)
    clips, _ = model.predict(one_song(both))
    of_second = np.exp(clips["A1"]).to_numpy() > 0.5
    assert not of_second[:8].any()
    assert of_second[12:].all()


def test_columns_are_found_by_name_in_clips_and_segments():
    _, examples = prepared(made_up())
    names = [CLIP_COLUMNS[7], CLIP_COLUMNS[2]]
    of_segments = SPECS[specs.LOGISTIC]._replace(columns=names)
    of_clips = of_segments._replace(segments=False)
    np.testing.assert_array_equal(inputs(of_clips, examples), examples.clips[:, [7, 2]])
    np.testing.assert_array_equal(inputs(of_segments, examples), examples.segments[:, [7, 2, 558, 553]])
    np.testing.assert_array_equal(inputs(of_clips, examples, np.array([3])), examples.clips[3:4, [7, 2]])
    assert np.shares_memory(inputs(SPECS[specs.LOGISTIC], examples), examples.segments)


# --- right probabilities ---------------------------------------------------------------------


def test_temperature_makes_predictions_as_confident_as_they_are_right():
    draw = np.random.default_rng(0)
    truth = pd.Series(draw.choice(["a", "b"], 5000))
    hit = draw.random(5000) < 0.8  # confident without end, and right four times in five
    says_a = (truth == "a") == hit
    logits = pd.DataFrame({"a": np.where(says_a, 10.0, -10.0), "b": np.where(says_a, -10.0, 10.0)})
    calibrated = calibration.apply_temperature(logits, calibration.fit_temperature(logits, truth))
    assert np.exp(calibrated).max(axis=1).mean() == pytest.approx(0.8, abs=0.02)
    assert calibration.losses(calibrated, truth).mean() == pytest.approx(0.5, abs=0.02)


def test_a_few_right_answers_are_no_reason_to_be_certain():
    logits = pd.DataFrame({"a": [5.0, 5, -5, -5], "b": [-5.0, -5, 5, 5]})
    temperature = calibration.fit_temperature(logits, pd.Series(["a", "a", "b", "b"]))
    confidence = np.exp(calibration.apply_temperature(logits, temperature)).max(axis=1)
    assert 0.85 < confidence.max() < 0.95  # one item more, half of it wrong: nine in ten


def test_the_svm_is_more_confident_where_it_is_right():
    songs, examples = prepared(made_up(artists=4, songs=12, artist_cue=0.6, seed=4))
    unseen = songs.index.str[3:5].isin(["8.", "9.", "10", "11"])
    member, *_ = training.fit(SPECS[f"{specs.NINE}SVM"], examples, songs[~unseen])
    logs = member.predict(examples.rows(songs["place"][unseen]))[1]
    assert np.exp(logs).max(axis=1).std() > 0.05  # with one of scikit-learn's SVC for each pair, they are nearly alike


def test_landmarks_are_as_many_as_rows_and_not_as_features():
    songs, examples = prepared(made_up(artists=4, songs=6, clips=5))
    (member,) = training.train(SPECS[f"{specs.NINE}SVM"], [{}], examples, songs)
    assert member.estimator["nystroem"].components_.shape == (120, 9)
