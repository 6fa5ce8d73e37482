import numpy as np
import pandas as pd
import pytest
from conftest import loud_clips, made_up, prepared, song_of

from soundalike.dataset import segments, splits
from soundalike.features.networks import VOICE
from soundalike.features.table import CLIP_COLUMNS
from soundalike.song import FEATURES


def test_a_segment_holds_the_mean_and_deviation_of_four_clips():
    clips = np.random.default_rng(0).normal(size=(10, 3))
    described, whole = segments.describe(clips)
    np.testing.assert_allclose(described[6], [*clips[4:8].mean(axis=0), *clips[4:8].std(axis=0)], rtol=1e-5)
    np.testing.assert_allclose(described[0], described[2])  # there are no clips before the first
    np.testing.assert_allclose(described[9], described[8])
    assert np.flatnonzero(whole).tolist() == [2, 4, 6, 8]  # they start at clips 0, 2, 4 and 6


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_short_song_is_one_segment(count):
    clips = np.random.default_rng(0).normal(size=(count, 3))
    described, whole = segments.describe(clips)
    assert whole.sum() == 1
    used = clips[: min(count, 4)]
    np.testing.assert_allclose(described[whole][0], [*used.mean(axis=0), *used.std(axis=0)], rtol=1e-5)


def test_silent_clips_and_other_songs_are_passed_over():
    frame = made_up(songs=3, clips=8)
    songs, _ = splits.song_table(frame)
    frame.loc[frame["clip"] == 3, "silent"] = True
    examples = segments.gather(loud_clips(frame), songs.drop(index="A1/1.mp3"))
    assert len(examples.song) == 8 * 7
    place = songs["place"]["A2/0.mp3"]
    own = frame[(frame["song"] == "A2/0.mp3") & ~frame["silent"]][CLIP_COLUMNS].to_numpy()
    np.testing.assert_array_equal(examples.clips[examples.song == place], own)
    np.testing.assert_allclose(examples.segments[examples.song == place][2, :551], own[:4].mean(axis=0), rtol=1e-4)


def test_of_a_long_song_some_clips_and_half_as_many_segments_are_taken():
    frame = made_up(artists=2, songs=2, clips=200)
    songs, examples = prepared(frame)
    counts = pd.Series(examples.song).value_counts()
    assert set(counts) == {segments.PER_SONG}
    assert examples.whole.sum() == 4 * segments.PER_SONG // 2
    first = frame[frame["song"] == "A0/0.mp3"]["tempo"].to_numpy()
    taken = examples.clips[examples.song == songs["place"]["A0/0.mp3"], CLIP_COLUMNS.index("tempo")]
    places = [first.tolist().index(value) for value in taken]
    assert places == np.linspace(0, 199, segments.PER_SONG).round().astype(int).tolist()


def test_of_very_many_songs_fewer_clips_are_taken(monkeypatch):
    monkeypatch.setattr(segments, "IN_MEMORY", 40)
    _, examples = prepared(made_up(artists=4, songs=5, clips=30))
    assert len(examples.song) == 40
    assert examples.whole.sum() == 20


def test_rows_of_songs():
    songs, examples = prepared(made_up())
    some = songs["place"].iloc[[1, 3]]
    assert set(examples.rows(some).song) == set(some)
    assert len(examples.rows(some).song) == 12
    assert examples.rows(some, segments=True).whole.all()
    assert len(examples.rows(some, segments=True).song) == 4


# --- networks --------------------------------------------------------------------------------


def test_a_clip_gets_the_mean_of_the_windows_around_it():
    middles, found = np.array([1.0, 9.0, 41.0]), np.float32([[1, 1], [1, 3], [1, 5]])
    near = segments.around(np.array([0.0, 2.0, 16.0, 26.0, 40.0]), middles, found)
    np.testing.assert_array_equal(near[:, 1], [2, 2, 3, np.nan, 5])
    assert np.isnan(segments.around(np.array([0.0]), middles[:0], found[:0])).all()


def test_examples_hold_what_is_near_and_never_zero_where_nothing_is():
    frame = made_up(artists=2, songs=3, clips=30)
    one, none = (np.array([3.0]), np.float32([[3, 0.5]])), (np.empty(0), np.empty((0, 2), np.float32))
    names = frame["song"].unique()
    given = {song: {VOICE: none if song == "A0/1.mp3" else one} for song in names}
    songs, examples = prepared(frame, embeddings=given)
    of_missing = examples.song == songs.loc["A0/1.mp3", "place"]
    made = examples.networks[VOICE]
    assert np.isnan(made[of_missing]).all()
    assert set(np.unique(made[~of_missing][:, 1][np.isfinite(made[~of_missing][:, 1])])) == {0.5}
    assert np.isfinite(made[~of_missing]).any()
    assert np.isnan(made[~of_missing]).any()
    few = {song: {VOICE: one if song[:2] == "A0" else none} for song in names}
    assert prepared(frame, embeddings=few)[1].networks == {}  # of A1 it describes no song


def test_a_song_has_the_same_segments_in_training_and_when_it_is_asked_about():
    """All of them, where it has no more than are trained on; by a network, too, that describes half of it."""
    frame = made_up(artists=1, songs=2, clips=12)
    own = frame[frame["song"] == "A0/1.mp3"]
    embeddings = {VOICE: {place: np.full(192, place, np.float32) for place in (0, 2)}}
    song = song_of(own, embeddings)
    rows = segments.segment_rows(song, [FEATURES, VOICE])
    table = pd.DataFrame({"artist": ["A0"], "place": [0]}, ["A0/1.mp3"])
    trained = segments.gather([("A0/1.mp3", segments.loud_clips(song, [VOICE]))], table)
    np.testing.assert_array_equal(rows[FEATURES], trained.segments[trained.whole])
    around = segments.around(song.start, *song.embeddings(VOICE))[trained.whole]
    np.testing.assert_array_equal(rows[VOICE], around)
    assert np.isfinite(around[0]).all()
    assert np.isnan(around[-1]).all()
