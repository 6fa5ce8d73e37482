import numpy as np
import pytest
from conftest import made_up, song_of, write_library

from soundalike import embedding
from soundalike.features import CLIP_COLUMNS
from soundalike.networks import VOICE
from soundalike.song import FEATURES


def test_a_segment_holds_the_mean_and_deviation_of_four_clips():
    clips = np.random.default_rng(0).normal(size=(11, 3))
    described = embedding.feature_rows(clips)
    assert embedding.first_clips(11).tolist() == [0, 2, 4, 6]
    assert len(described) == 4
    np.testing.assert_allclose(described[2], [*clips[4:8].mean(axis=0), *clips[4:8].std(axis=0)], rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_short_song_is_one_segment(count):
    clips = np.random.default_rng(0).normal(size=(count, 3))
    described, used = embedding.feature_rows(clips), clips[: min(count, 4)]
    np.testing.assert_allclose(described, [[*used.mean(axis=0), *used.std(axis=0)]], rtol=1e-5, atol=1e-7)


def test_each_clip_has_the_segment_whose_middle_is_nearest():
    assert embedding.nearest_segment(9).tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert embedding.nearest_segment(3).tolist() == [0, 0, 0]


def test_silent_clips_are_passed_over():
    frame = made_up(artists=1, songs=1, clips=9)
    frame.loc[frame["clip"] == 3, "silent"] = True
    rows = embedding.segment_rows(song_of(frame), [FEATURES])[FEATURES]
    loud = frame.loc[~frame["silent"], CLIP_COLUMNS].to_numpy()
    np.testing.assert_allclose(rows[1, : len(CLIP_COLUMNS)], loud[2:6].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_a_segment_gets_the_mean_of_the_windows_around_it():
    middles, found = np.array([1.0, 9.0, 41.0]), np.float32([[1, 1], [1, 3], [1, 5]])
    near = embedding.network_rows(np.array([1.0, 3.0, 17.0, 27.0, 41.0]), middles, found)
    np.testing.assert_array_equal(near[:, 1], [2, 2, 3, np.nan, 5])
    assert np.isnan(embedding.network_rows(np.array([1.0]), middles[:0], found[:0])).all()


def test_a_network_describes_the_segments_that_it_has_windows_of():
    frame = made_up(artists=1, songs=1, clips=12)
    embeddings = {VOICE: {place: np.full(192, place, np.float32) for place in (0, 2)}}
    rows = embedding.segment_rows(song_of(frame, embeddings), [FEATURES, VOICE])
    assert len(rows[VOICE]) == len(rows[FEATURES]) == 5
    np.testing.assert_array_equal(np.isfinite(rows[VOICE][:, 0]), [True, True, True, False, False])
    assert rows[VOICE][0, 0] == 1  # of both windows


@pytest.fixture
def library(tmp_path):
    write_library(tmp_path, made_up(artists=2, songs=2, clips=60))
    return tmp_path


def test_of_a_long_song_some_segments_are_read(library, monkeypatch):
    found = embedding.read_segments(library, ["A0/1.mp3", "A1/0.mp3"], [FEATURES])
    assert found.song.tolist() == ["A0/1.mp3"] * 12 + ["A1/0.mp3"] * 12
    whole = embedding.feature_rows(
        made_up(artists=2, songs=2, clips=60).query("song == 'A0/1.mp3'")[CLIP_COLUMNS].to_numpy()
    )
    places = np.linspace(0, 28, 12).round().astype(int)
    np.testing.assert_allclose(found.rows[FEATURES][:12], whole[places], rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(embedding, "IN_MEMORY", 7)
    assert len(embedding.read_segments(library, ["A0/1.mp3", "A1/0.mp3"], [FEATURES]).song) == 6
    monkeypatch.setattr(embedding, "IN_MEMORY", 1)
    assert len(embedding.read_segments(library, ["A0/1.mp3", "A1/0.mp3"], [FEATURES]).song) == 2
