"""Answers for songs that the recogniser was not trained on."""

import numpy as np
import pandas as pd
import pytest
from conftest import segments_of

from soundalike import recogniser
from soundalike.evaluation import held_out
from soundalike.evaluation.study import end_workers


@pytest.fixture(scope="module")
def library():
    rows, song, artist = segments_of(songs=30, each=4, artists=3, cue=0.5)
    names = [f"{artist[song == n][0]}/{n:02d}" for n in range(30)]
    songs = pd.DataFrame(
        {"artist": [name[:2] for name in names], "album": "", "recording": names, "scored": True}, names
    )
    rows["voice"][song % 2 == 0] = np.nan  # an ear that does not describe half of the songs
    return rows, 3 * song + 5, songs.assign(place=3 * np.arange(30) + 5)


@pytest.fixture(scope="module")
def found(library):
    yield held_out.answers(*library, repeats=2)
    end_workers()


def test_each_song_is_answered_for_with_its_artist_in_training_and_without(found):
    assert len(found) == 30 * 2 * 2
    assert found.groupby(["known", "repeat"])["song"].nunique().tolist() == [30] * 4
    known, others = found[found["known"]], found[~found["known"]]
    assert known["right"].mean() > 0.9
    assert not others["right"].any()
    assert others["loss"].isna().all()
    right = known[known["right"]]
    np.testing.assert_allclose(right["loss"], -np.log(right["probability"]), atol=1e-6)
    assert right["nearness"].mean() > others["nearness"].mean() + 0.1


def test_neither_space_nor_model_sees_the_songs_that_are_asked_about(library, monkeypatch):
    rows, place, songs = library
    used = []
    fit = recogniser.fit
    monkeypatch.setattr(recogniser, "fit", lambda rows, song, artist: used.append(song) or fit(rows, song, artist))
    asked = np.arange(0, 30, 7)
    learn = np.setdiff1d(np.arange(30), [*asked, *range(2, 30, 3)])  # one artist is left out
    answer = held_out.ask(rows, place, songs, (learn, asked))
    assert set(used[0]) == set(songs["place"].iloc[learn])
    assert (answer.scores["A2"] == -np.inf).all()
    assert np.isfinite(answer.scores[["A0", "A1"]]).all(axis=None)
    assert answer.scores.index.tolist() == songs.index[asked].tolist()
    seen = np.isin(place, songs["place"].iloc[learn])
    artist = songs.set_index("place")["artist"].loc[place[seen]].to_numpy(object)
    point = fit({ear: own[seen] for ear, own in rows.items()}, place[seen], artist)
    asked_about = songs["place"].iloc[[0, *learn]]
    described = [point.embedding.describe({ear: own[place == n] for ear, own in rows.items()}) for n in asked_about]
    points = point.embedding.points(np.stack(described))
    own = [n for n, artist in enumerate(songs["artist"].iloc[learn], 1) if artist == answer.scores.iloc[0].idxmax()]
    nearest = sorted(1 - point.embedding.distances(points[own], points[0]))[-2:]
    assert answer.nearness.iloc[0] == pytest.approx(np.mean(nearest), abs=1e-5)


def test_a_temperature_is_that_of_other_songs(library, monkeypatch):
    rows, place, songs = library
    fitted = []
    fit = held_out.fit_temperature
    monkeypatch.setattr(
        held_out, "fit_temperature", lambda rest, truth: fitted.append(set(rest.index)) or fit(rest, truth)
    )
    found = held_out.answers(rows, place, songs, repeats=1)
    parts = [set(songs.index[test]) for _, test in held_out.folds(songs, seed=held_out.SEED)]
    assert fitted[: len(parts)] == [set(songs.index) - part for part in parts]
    artists = [set(songs.index[songs["artist"] == artist]) for artist in ("A0", "A1", "A2")]
    assert fitted[len(parts) :] == [set(songs.index) - own for own in artists]
    assert found["probability"].between(0, 1).all()
