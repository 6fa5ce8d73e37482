"""Answers for songs that the recogniser was not trained on."""

import numpy as np
import pandas as pd
import pytest
from test_recogniser import segments_of

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
    return rows, song, songs.assign(place=range(30))


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
    assert set(used[0]) == set(learn)
    assert (answer.scores["A2"] == -np.inf).all()
    assert np.isfinite(answer.scores[["A0", "A1"]]).all(axis=None)
    assert answer.scores.index.tolist() == songs.index[asked].tolist()
    point = fit(
        {ear: own[np.isin(place, learn)] for ear, own in rows.items()}, used[0], songs["artist"].to_numpy()[used[0]]
    )
    described = [point.embedding.describe({ear: own[place == n] for ear, own in rows.items()}) for n in (0, *learn)]
    points = point.embedding.points(np.stack(described))
    own = [n for n, artist in enumerate(songs["artist"].iloc[learn], 1) if artist == answer.scores.iloc[0].idxmax()]
    nearest = sorted(points[own] @ points[0])[-2:]
    assert answer.nearness.iloc[0] == pytest.approx(np.mean(nearest), abs=1e-5)
