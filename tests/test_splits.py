import numpy as np
import pandas as pd
import pytest
from conftest import made_up

from soundalike.dataset import splits
from soundalike.library.errors import UserError


@pytest.mark.parametrize("songs", [2, 3, 8])
def test_no_song_on_both_sides_and_every_artist_tested(songs):
    frame = made_up(songs=songs)
    dealt = splits.folds(frame)
    assert len(dealt) == min(songs, splits.FOLDS)
    for train, test in dealt:
        assert not set(frame["song"].iloc[train]) & set(frame["song"].iloc[test])
        assert set(frame["artist"].iloc[test]) == set(frame["artist"].iloc[train]) == set(frame["artist"])
    assert sorted(np.concatenate([test for _, test in dealt])) == list(range(len(frame)))


def test_clips_at_random_stand_on_both_sides():
    frame = made_up()
    train, test = splits.folds(frame, by="clip")[0]
    assert set(frame["song"].iloc[train]) & set(frame["song"].iloc[test])


def test_no_album_on_both_sides_and_only_artists_with_two_are_tested():
    frame = made_up(artists=2, songs=9, albums=3)
    single = made_up(artists=1, seed=1).assign(artist="B", album="Only", song=lambda f: "B" + f["song"])
    frame = pd.concat([frame, single], ignore_index=True)
    dealt = splits.folds(frame, by="album")
    assert len(dealt) == 3
    albums = frame["artist"] + frame["album"]
    for train, test in dealt:
        assert not set(albums.iloc[train]) & set(albums.iloc[test])
        assert set(frame["artist"].iloc[train]) == {"A0", "A1", "B"}
    tested = np.concatenate([test for _, test in dealt])
    assert set(frame["artist"].iloc[tested]) == {"A0", "A1"}
    assert len(tested) == len(set(tested)) == 2 * 9 * 6


def test_what_albums_are_held_against_tests_the_same_songs_and_learns_from_as_many():
    frame = made_up(artists=2, songs=10, albums=2)
    albums, songs = (splits.folds(frame, by=by) for by in ("album", "album heard"))
    tested = [sorted(np.concatenate([test for _, test in dealt])) for dealt in (albums, songs)]
    assert tested[0] == tested[1]
    assert [len(train) for train, _ in albums] == [len(train) for train, _ in songs]
    for train, test in songs:
        assert not set(frame["song"].iloc[train]) & set(frame["song"].iloc[test])


def test_an_artist_with_one_song_is_learned_from_and_the_others_are_tested():
    frame = made_up(songs=6)
    frame = frame[(frame["artist"] != "A2") | (frame["song"] == "A2/0.mp3")].reset_index(drop=True)
    dealt = splits.folds(frame)
    assert len(dealt) == 5
    for train, test in dealt:
        assert set(frame["artist"].iloc[train]) == {"A0", "A1", "A2"}
        assert set(frame["artist"].iloc[test]) == {"A0", "A1"}


def test_fewer_clips_than_folds_are_dealt_into_fewer():
    frame = made_up(artists=2, songs=3, clips=1)
    assert len(splits.folds(frame, by="clip")) == 3


def test_with_one_album_each_nothing_can_be_dealt_by_album():
    assert splits.folds(made_up(), by="album") == []


@pytest.mark.parametrize("by", ["song", "album"])
def test_a_recording_under_two_names_stays_on_one_side(by):
    frame = made_up(artists=2, songs=8, albums=2)
    same = {"A0/0.mp3": "A0/3.mp3"}  # of different albums
    frame["recording"] = frame["song"].replace(same)
    for seed in range(5):
        dealt = splits.folds(frame, by=by, seed=seed)
        assert len(dealt) == {"song": 5, "album": 2}[by]
        for train, test in dealt:
            assert not set(frame["recording"].iloc[train]) & set(frame["recording"].iloc[test])


def test_an_artist_whose_albums_hold_the_same_songs_is_not_tested_by_album():
    frame = made_up(artists=2, songs=8, albums=2)
    best_of = {f"A0/{n}.mp3": f"A0/{n + 1}.mp3" for n in (0, 2, 4, 6)}
    frame["recording"] = frame["song"].replace(best_of)
    dealt = splits.folds(frame, by="album")
    assert {artist for _, test in dealt for artist in frame["artist"].iloc[test]} == {"A1"}
    assert all(set(frame["artist"].iloc[train]) == {"A0", "A1"} for train, _ in dealt)


def test_unfair_folds_are_noticed():
    frame = made_up(artists=2, songs=4)
    first, rest = np.arange(6), np.arange(6, len(frame))
    with pytest.raises(UserError, match=r"learn from what it is tested on: A0/0\.mp3"):
        splits.check_folds(frame, [(np.arange(3, len(frame)), first)], by="song")
    with pytest.raises(UserError, match="A1 has too few recordings"):
        splits.check_folds(frame, [(rest, first)], by="song")
    frame["recording"] = frame["song"].replace({"A0/0.mp3": "A0/1.mp3"})
    with pytest.raises(UserError, match=r"tested on: A0/1\.mp3"):
        splits.check_folds(frame, [(rest, first)], by="album")


def test_an_album_on_both_sides_is_noticed():
    frame = made_up(artists=2, songs=4, albums=2)
    test = np.flatnonzero(frame["song"].isin(["A0/0.mp3", "A1/0.mp3"]))
    with pytest.raises(UserError, match="tested on: A0/Album 0"):
        splits.check_folds(frame, [(np.setdiff1d(np.arange(len(frame)), test), test)], by="album")


@pytest.mark.parametrize("by", ["song", "album", "album heard", "clip"])
def test_another_seed_deals_anew(by):
    frame = made_up(artists=3, songs=12, albums=4)
    tested = [{frozenset(test) for _, test in splits.folds(frame, by=by, seed=seed)} for seed in (0, 0, 1)]
    assert tested[0] == tested[1] != tested[2]


def test_albums_of_one_name_by_two_artists_are_two():
    frame = made_up(artists=6, songs=4, albums=2)  # all call them Album 0 and Album 1
    dealt = [test for seed in range(5) for _, test in splits.folds(frame, by="album", seed=seed)]
    assert max(frame["album"].iloc[test].nunique() for test in dealt) == 2


def test_artists_with_too_few_songs_are_left_out_on_request_only():
    frame = made_up()
    frame.loc[frame["artist"].eq("A2") & frame["song"].ne("A2/0.mp3"), "artist"] = "A1"
    frame.loc[0, "silent"] = True
    with pytest.raises(UserError, match=r"fewer than 4 songs: A2 1\. Add songs, or leave"):
        splits.comparable(frame)
    kept, too_few = splits.comparable(frame, leave_out=True)
    assert too_few == {"A2": 1}
    assert set(kept["artist"]) == {"A0", "A1"}
    assert len(kept) == len(frame) - 1 - 6


def test_the_same_recording_twice_counts_once():
    frame = made_up(artists=3, songs=4)
    frame["recording"] = frame["song"].replace({"A0/0.mp3": "A0/1.mp3"})
    _, too_few = splits.comparable(frame, leave_out=True)
    assert too_few == {"A0": 3}


def test_one_artist_cannot_be_compared():
    with pytest.raises(UserError, match=r"at least two artists with 4 songs each.*A0 8"):
        splits.comparable(made_up(artists=1))


def test_the_song_held_out_is_of_an_artist_who_can_spare_it_and_there_only_once():
    frame = made_up(artists=2, songs=4)
    spare = made_up(artists=1, songs=8, seed=1).replace({"A0": "B"}).assign(song=lambda f: "B" + f["song"])
    both = pd.concat([frame, spare], ignore_index=True)
    both["recording"] = both["song"].replace({"BA0/0.mp3": "BA0/1.mp3"})
    drawn = {splits.hold_out(both, seed) for seed in range(20)}
    assert {song[0] for song in drawn} == {"B"}
    assert not drawn & {"BA0/0.mp3", "BA0/1.mp3"}
    assert splits.hold_out(both) == splits.hold_out(both.sample(frac=1, random_state=0))
