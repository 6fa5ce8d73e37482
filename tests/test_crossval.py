import numpy as np
import pandas as pd
import pytest
from conftest import made_up, prepared

from soundalike.evaluation import crossval, metrics
from soundalike.evaluation.crossval import KNOWN_ALBUMS, RANDOM_CLIPS, UNSEEN_ALBUMS, UNSEEN_SONGS
from soundalike.evaluation.study import Study
from soundalike.models import specs

SPECS = specs.specs()
EARS = specs.ears()
KEPT, FEATURES = specs.KEPT, specs.FEATURES


def compare(frame: pd.DataFrame, names: tuple[str, ...] = (), repeats: int | None = 1, inner: int = 3):
    """The results for the kept model and some others, and the songs."""
    songs, examples = prepared(frame)
    some = {name: SPECS[name]._replace(inner=min(SPECS[name].inner, inner)) for name in (*names, *EARS[FEATURES])}
    return crossval.compare(some, EARS, Study(songs, examples), repeats=repeats), songs


def accuracy(results, songs, by: str, name: str = KEPT) -> float:
    return metrics.score(results[by][name], songs, by=by)["balanced_accuracy"]


def test_shuffled_labels_score_chance():
    frame = made_up(songs=20, song_cue=1.0)
    names = frame["song"].unique()
    shuffled = dict(zip(names, np.random.default_rng(3).permutation([s[:2] for s in names]), strict=True))
    frame["artist"] = frame["song"].map(shuffled)
    results, songs = compare(frame, (f"{specs.NINE}SVM", f"{specs.NINE}k nearest neighbours"))
    for name, repeats in results[UNSEEN_SONGS].items():
        found = metrics.score(repeats, songs)
        assert found["low"] - 0.08 < 1 / 3 < found["high"] + 0.08, name
        assert found["log_loss"] < 1.25, name  # knowing nothing is log 3 = 1.10: it is not certain


def test_random_clips_flatter_and_unseen_songs_do_not():
    frame = made_up(songs=20, song_cue=1.0)  # clips of a song are alike, songs of an artist are not
    results, songs = compare(frame, (f"{specs.NINE}k nearest neighbours",), inner=0)
    both = metrics.clip_scores(results, songs)
    assert both.loc[KEPT, "random-clip split"] > 0.85
    assert both.loc[KEPT, "unseen songs"] < 0.55
    assert set(both.index) == {KEPT, f"{specs.NINE}k nearest neighbours", *EARS[FEATURES]}


def test_an_albums_sound_is_not_taken_for_the_artist():
    frame = made_up(artists=3, songs=12, albums=2, album_cue=1.0, artist_cue=0.05)
    results, songs = compare(frame, inner=0)
    found = {by: accuracy(results, songs, by) for by in results}
    assert found[RANDOM_CLIPS] > 0.95
    assert found[UNSEEN_SONGS] > 0.95
    assert found[KNOWN_ALBUMS] > 0.95
    assert found[UNSEEN_ALBUMS] < 0.65
    assert "unseen albums" in metrics.readable(metrics.score_table(results, songs), results, songs)
    assert metrics.summary(results, songs)["unseen_albums"]["low"] is None  # of two albums each


def test_fewer_songs_in_training_are_not_taken_for_the_albums_sound():
    frame = made_up(artists=4, songs=24, albums=2, artist_cue=0.1, song_cue=0.6)
    results, songs = compare(frame, inner=0)
    known, unseen = (accuracy(results, songs, by) for by in (KNOWN_ALBUMS, UNSEEN_ALBUMS))
    assert 0.4 < known < 0.98  # room to fall
    assert unseen == pytest.approx(known, abs=0.15)


def test_a_real_cue_is_found_and_the_table_has_every_model():
    frame = made_up(songs=4, clips=4, artist_cue=1.0)
    songs, examples = prepared(frame)
    names = (specs.CHANCE, specs.LOUDNESS, f"{specs.NINE}naive Bayes", "Keras dense net, segments", *EARS[FEATURES])
    some = {name: SPECS[name] for name in names}
    results = crossval.compare(some, EARS, Study(songs, examples), repeats=2)
    assert UNSEEN_ALBUMS not in results  # nobody has two
    table = metrics.score_table(results, songs)
    assert set(table.index) == {*names, KEPT}
    assert table.loc[KEPT, (UNSEEN_SONGS, "balanced_accuracy")] == 1
    assert table.loc[specs.CHANCE, (UNSEEN_SONGS, "balanced_accuracy")] <= 1 / 3 + 1e-9
    assert table.loc[specs.CHANCE, (UNSEEN_SONGS, "log_loss")] == pytest.approx(np.log(3))
    assert [len(results[UNSEEN_SONGS][name]) for name in (KEPT, *EARS[FEATURES], specs.CHANCE)] == [2, 2, 2, 1]
    reported = metrics.readable(table, results, songs)
    assert reported.index[0] == KEPT
    assert reported.loc[KEPT, "unseen songs"].startswith("1.00 (95% CI 0.7")
    assert reported.loc[specs.CHANCE, "kept model better by"].startswith("+0.6")
    assert (reported.loc[KEPT, "kept model better by"], reported.loc[specs.CHANCE, "random-clip split"]) == ("", "")


def test_the_same_seed_gives_the_same_table():
    frame = made_up(artist_cue=0.2, songs=4, clips=4)
    one, two = (metrics.score_table(*compare(frame, repeats=2)) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_artists_with_fewer_than_four_songs_are_trained_on_and_not_scored():
    frame = made_up(artists=3, songs=6, artist_cue=1.0)
    frame = frame[(frame["artist"] != "A2") | (frame["song"] < "A2/2.mp3")]
    results, songs = compare(frame, inner=0)
    (one,) = results[UNSEEN_SONGS][KEPT]
    assert list(one.songs.columns) == ["A0", "A1", "A2"]
    assert set(one.songs.index) == set(songs.index)  # they are predicted, too
    assert set(metrics.song_hits([one], songs)["artist"]) == {"A0", "A1"}
    few = frame[frame["song"] < "A1/3.mp3"]
    results, songs = compare(few.assign(artist=few["song"].str[:2]), inner=0)
    assert metrics.summary(results, songs) == {
        **{"chance": 1 / 2, "unseen_songs": None, "unseen_albums": None, "random_clips": None}
    }
    assert metrics.readable(metrics.score_table(results, songs), results, songs).iloc[0, 0] == "not measured"
    assert set(results[UNSEEN_SONGS][KEPT][0].songs.index) == set(songs.index)


def test_the_kept_model_is_trained_on_all_songs():
    frame = made_up(songs=5, artist_cue=0.5)
    songs, examples = prepared(frame)
    model, settings, _ = crossval.train_kept(SPECS, EARS, Study(songs, examples))
    assert set(model.members) == set(settings) == set(EARS[FEATURES])
    assert set(settings[specs.LOGISTIC]) == {"C"}
    predicted = model.predict(examples)[1].idxmax(axis=1)
    assert (predicted == songs.set_index("place")["artist"]).all()


def test_of_many_songs_one_repeat_and_some_folds_say_enough(monkeypatch):
    monkeypatch.setattr(crossval, "MANY", 24)
    loudness = specs.LOUDNESS
    results, songs = compare(made_up(songs=8, clips=2, artist_cue=1.0), (loudness,), repeats=None, inner=0)
    by_song = results[UNSEEN_SONGS]
    assert [len(by_song[name]) for name in (KEPT, loudness)] == [1, 1]
    assert set(by_song[KEPT][0].songs.index) == set(songs.index)
    assert 0 < len(by_song[loudness][0].songs) < len(songs)
    table = metrics.score_table(results, songs)
    assert metrics.readable(table, results, songs).loc[loudness, "kept model better by"]


def test_random_clips_stand_on_both_sides(monkeypatch):
    study = Study(*prepared(made_up(artists=4, songs=5, clips=5)))
    learn, test = crossval.random_clips(study)
    assert sorted([*learn, *test]) == list(range(100))
    assert 26 <= len(test) <= 30
    assert not np.array_equal(test, np.arange(len(test)))
    monkeypatch.setattr(crossval, "ROWS", 14)
    learn, test = crossval.random_clips(study)
    assert 14 <= len(learn) <= 18
    assert len(test) <= 6
    assert set(study.examples.take(learn).artists(study.songs)) == {"A0", "A1", "A2", "A3"}
