"""Answers for songs that the recogniser was not trained on."""

import numpy as np
import pandas as pd
import pytest
from conftest import made_up, segments_of, study_of

from soundalike import evaluation, recogniser
from soundalike.embedding import Segments
from soundalike.splits import folds


@pytest.fixture(scope="module")
def study():
    rows, song, artist = segments_of(songs=30, each=4, artists=3, cue=0.5)
    names = np.array([f"{artist[song == n][0]}/{n:02d}" for n in range(30)], dtype=object)
    table = {"artist": [name[:2] for name in names], "album": "", "recording": names, "scored": True}
    rows["voice"][song % 2 == 0] = np.nan  # an ear that does not describe half of the songs
    return evaluation.Study(pd.DataFrame(table, names), Segments(rows, names[song]))


def cohort_of(study: evaluation.Study) -> dict:
    draw = np.random.default_rng(1)
    return {ear: draw.standard_normal((40, of.shape[1])).astype(np.float32) for ear, of in study.segments.rows.items()}


@pytest.fixture(scope="module")
def found(study):
    return evaluation.answers(study, repeats=2)[0]


def test_each_song_is_answered_for_with_its_artist_in_training_and_without(found):
    assert len(found) == 30 * 2 * 2
    assert found.groupby(["known", "repeat"])["song"].nunique().tolist() == [30] * 4
    known, others = found[found["known"]], found[~found["known"]]
    assert known["right"].mean() > 0.9
    assert not others["right"].any()
    assert (others["closest"] != others["artist"]).all()
    assert others["loss"].isna().all()
    right = known[known["right"]]
    np.testing.assert_allclose(right["loss"], -np.log(right["probability"]), atol=1e-6)
    assert right["nearness"].mean() > others["nearness"].mean() + 0.1
    assert known["among"].sum() >= known["right"].sum()
    assert found.groupby("artist")["block"].nunique().max() > 1  # three artists are too few to be blocks


def test_neither_space_nor_model_sees_the_songs_that_are_asked_about(study, monkeypatch):
    used = []
    fit = recogniser.fit
    monkeypatch.setattr(recogniser, "fit", lambda rows, song, *more: used.append(set(song)) or fit(rows, song, *more))
    asked = np.arange(0, 30, 7)
    learn = np.setdiff1d(np.arange(30), [*asked, *range(2, 30, 3)])  # one artist is left out
    answer = evaluation.ask(study, (learn, asked))
    assert used == [set(study.songs.index[learn])]
    assert (answer.scores["A2"] == -np.inf).all()
    assert np.isfinite(answer.scores[["A0", "A1"]]).all(axis=None)
    assert answer.scores.index.tolist() == study.songs.index[asked].tolist()


def test_a_left_out_artist_is_answered_by_a_model_of_as_many_songs_of_the_others(study):
    group = evaluation.artist_groups(study.songs)
    left_out = evaluation.leave_out(study.songs, group, folds(study.songs))
    assert len(left_out) == 3
    for learn, asked in left_out:
        trained, tested = study.songs["artist"].iloc[learn], study.songs["artist"].iloc[asked]
        assert not set(trained) & set(tested)
        assert set(trained.value_counts()) == {8}  # four of five folds, as songs by known artists are held out


def test_two_artists_are_left_out_where_there_is_a_cohort():
    study = study_of(made_up(artists=2, songs=6, artist_cue=1.0))
    assert evaluation.answers(study, 1)[0]["known"].all()
    found, _ = evaluation.answers(study._replace(cohort=cohort_of(study)), 1)
    assert found["known"].value_counts().to_dict() == {True: 12, False: 12}
    assert {len(either) for either in found.loc[~found["known"], "either"]} == {1}  # the other is left out
    assert found.groupby("song")["block"].nunique().max() == 1
    assert found["block"].nunique() == 5  # of two artists, thresholds are chosen on other songs
    assert set(found["closest"]) == {"A0", "A1"}  # never the cohort
    assert (found["others"] > 0).all()
    known = found[found["known"]]
    assert known["right"].all()
    assert (known["probability"] >= 0.5).all()  # among the artists


def test_a_temperature_is_that_of_other_songs(study, monkeypatch):
    fitted = []
    fit = evaluation.fit_temperature
    monkeypatch.setattr(
        evaluation, "fit_temperature", lambda rest, truth: fitted.append(set(rest.index)) or fit(rest, truth)
    )
    songs = study.songs
    evaluation.answers(study._replace(cohort=cohort_of(study)), repeats=1)
    parts = [set(songs.index[test]) for _, test in folds(songs)]
    assert fitted[: len(parts)] == [set(songs.index) - part for part in parts]
    artists = [set(songs.index[songs["artist"] == artist]) for artist in ("A0", "A1", "A2")]
    assert fitted[len(parts) : -1] == [set(songs.index) - own for own in artists]
    assert fitted[-1] == set(songs.index)


def test_more_artists_than_fifty_are_left_out_in_ten_groups():
    songs = pd.DataFrame({"artist": [f"A{n % 60:02d}" for n in range(120)]})
    assert evaluation.artist_groups(songs).nunique() == 10
    assert evaluation.artist_groups(songs[songs["artist"] < "A50"]).nunique() == 6
    assert evaluation.artist_groups(songs[songs["artist"] < "A12"]).nunique() == 12


def test_an_album_is_harder_than_a_song_where_albums_sound_of_their_own():
    study = study_of(made_up(artists=4, songs=9, clips=4, artist_cue=0.1, album_cue=0.6, albums=3))
    unseen, known = (evaluation.answer_albums(study, by) for by in ("album", "known album"))
    assert len(unseen) == len(known) == 36
    assert unseen["right"].mean() < known["right"].mean() - 0.1
    none = evaluation.answer_albums(study_of(made_up(artists=2, songs=2)))
    assert none.empty
    assert set(none.columns) == set(unseen.columns)


def test_a_recording_by_both_of_two_artists_leaves_answers_or_none():
    """Two artists of two songs, two of them over one backing: folds may train on one artist, or be empty."""
    for other in "BCDEFGHIJKLMNOPQ":
        names = ["A/0", "A/1", f"{other}/0", f"{other}/1"]
        songs = pd.DataFrame({"artist": [name[0] for name in names], "album": "", "scored": False}, names)
        songs["recording"] = ["same", "A/1", "same", f"{other}/1"]
        rows, song, _ = segments_of(songs=4, each=3, artists=2)
        study = evaluation.Study(songs, Segments(rows, np.array(names, dtype=object)[song]))
        for cohort in (None, cohort_of(study)):
            found, temperature = evaluation.answers(study._replace(cohort=cohort), 1)
            assert set(found["song"]) <= set(names)
            assert temperature > 0
            assert {"known", "block", "either"} <= set(found)


def test_no_recording_of_an_artist_left_out_is_trained_on():
    songs = pd.DataFrame({"artist": list("AABBCC"), "recording": ["r0", "r1", "r0", "r3", "r4", "r5"]})
    every = np.arange(6)
    folds = evaluation.leave_out(songs, evaluation.artist_groups(songs), [(every, every[:0])])
    found = [(learn.tolist(), tested.tolist()) for learn, tested in folds]
    assert found == [([3, 4, 5], [0, 1]), ([1, 4, 5], [2, 3]), ([0, 1, 2, 3], [4, 5])]


def test_fewer_songs_teach_less():
    study = study_of(made_up(artists=4, songs=15, clips=4, artist_cue=0.15, song_cue=0.4))
    curve = evaluation.learning_curve(study, [1, 12])
    assert [len(of) for of in curve.values()] == [60, 60]
    assert curve[12]["right"].mean() > curve[1]["right"].mean() + 0.1


def test_other_processes_say_the_same(study, monkeypatch):
    alone, _ = evaluation.answers(study, repeats=1)
    monkeypatch.setattr(evaluation, "ROWS_AT_ONCE", 0)
    together, _ = evaluation.answers(study, repeats=1)
    pd.testing.assert_frame_equal(alone, together)
