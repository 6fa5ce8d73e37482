import numpy as np
import pandas as pd
import pytest
from conftest import made_up, raises
from hypothesis import given, settings
from hypothesis import strategies as st

from soundalike import splits
from soundalike.messages import Problem


def table(**kinds) -> pd.DataFrame:
    return splits.song_table(made_up(clips=1, **kinds))[0]


def sides(songs: pd.DataFrame, **how) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    return [(songs.iloc[train], songs.iloc[test]) for train, test in splits.folds(songs, **how)]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 12)), min_size=2, max_size=40),
    st.integers(0, 3),
    st.sampled_from(["song", "album", "known album"]),
    st.booleans(),
)
def test_no_recording_and_no_album_stands_on_both_sides(rows, seed, by, shared):
    works = [(f"A{a}", f"Album {b}", f"work {r}" if shared else f"A{a} work {r}") for a, b, r in rows]
    songs = pd.DataFrame(works, columns=["artist", "album", "recording"])
    for train, test in sides(songs, by=by, seed=seed):
        assert not set(train["recording"]) & set(test["recording"])
        assert set(test["artist"]) <= set(train["artist"])
        assert len(test)
        if by == "album":
            assert not set(train["artist"] + train["album"]) & set(test["artist"] + test["album"])


@pytest.mark.parametrize("count", [2, 3, 8])
def test_every_song_is_tested_once(count):
    songs = table(songs=count)
    tested = np.concatenate([test for _, test in splits.folds(songs)])
    assert sorted(tested) == list(range(len(songs)))


def test_folds_are_of_about_one_size():
    sizes = [len(test) for _, test in splits.folds(table(artists=40, songs=4))]
    assert len(sizes) == 5
    assert max(sizes) < 2 * min(sizes)


def test_another_artist_leaves_the_folds_of_the_others_as_they_were():
    few = table(artists=3, songs=7)
    many = table(artists=4, songs=7)
    for (_, before), (_, after) in zip(sides(few), sides(many), strict=True):
        assert set(after.index[after["artist"] != "A3"]) == set(before.index)


def test_an_artist_with_four_songs_leaves_the_others_five_folds():
    songs = table(songs=10)
    songs = songs[(songs["artist"] != "A2") | songs.index.isin([f"A2/{n}.mp3" for n in range(4)])]
    tested = [test["artist"].value_counts() for _, test in sides(songs)]
    assert [counts["A0"] for counts in tested] == [2] * 5
    assert sum(counts.get("A2", 0) for counts in tested) == 4


def test_only_artists_with_two_albums_are_tested_by_album():
    one = table(artists=2, songs=4).iloc[:4].rename(index="B{}".format).assign(artist="B", album="Only")
    one["recording"] = one.index
    songs = pd.concat([table(artists=2, songs=9, albums=3), one])
    split = sides(songs, by="album")
    assert len(split) == 3
    assert all(set(train["artist"]) == {"A0", "A1", "B"} for train, _ in split)
    tested = pd.concat([test for _, test in split])
    assert set(tested["artist"]) == {"A0", "A1"}
    assert len(tested) == tested.index.nunique() == 18


def test_known_albums_are_as_many_songs_to_train_on():
    songs = table(artists=2, songs=10, albums=2)
    unseen, known = sides(songs, by="album"), sides(songs, by="known album")
    assert {frozenset(pd.concat([test for _, test in split]).index) for split in (unseen, known)} == {
        frozenset(songs.index)
    }
    assert [len(train) for train, _ in unseen] == [len(train) for train, _ in known]


def test_one_album_spelt_in_two_ways_is_one():
    songs = table(artists=2, songs=6, albums=2)
    songs["album"] = songs["album"].replace({"Album 0": "UFO:AI", "Album 1": "UFO_AI"})
    assert splits.album_counts(songs).max() == 1
    assert splits.folds(songs, by="album") == []
    assert splits.album_names(pd.DataFrame({"album": ["Été", "ete", "!!!", "???", ""]})).tolist() == [
        *("ete", "ete", "!!!", "???", "")
    ]


def test_albums_of_one_name_by_two_artists_are_two():
    songs = table(artists=6, songs=4, albums=2)  # all call them Album 0 and Album 1
    assert max(test["album"].nunique() for seed in range(5) for _, test in sides(songs, by="album", seed=seed)) == 2


def test_an_artist_whose_albums_hold_the_same_songs_is_not_tested_by_album():
    songs = table(artists=2, songs=8, albums=2)
    songs["recording"] = songs["recording"].replace({f"A0/{n}.mp3": f"A0/{n + 1}.mp3" for n in (0, 2, 4, 6)})
    split = sides(songs, by="album")
    assert {artist for _, test in split for artist in test["artist"]} == {"A1"}


def test_backings_that_all_artists_share_are_held_out_together():
    songs = table(artists=4, songs=10)
    songs["recording"] = songs.index.str[3:]  # each of ten backings, by all four
    for train, test in sides(songs):
        assert train["recording"].nunique() == 8
        assert len(test) == 8


@pytest.mark.parametrize("by", ["song", "album", "known album"])
def test_another_seed_deals_anew(by):
    songs = table(artists=3, songs=12, albums=4)
    tested = [{frozenset(test) for _, test in splits.folds(songs, by=by, seed=seed)} for seed in (0, 0, 1)]
    assert tested[0] == tested[1] != tested[2]


# --- who is compared -------------------------------------------------------------------------


def test_artists_with_one_song_are_left_out_and_those_with_fewer_than_four_are_not_scored():
    frame = made_up(artists=4, songs=4)
    frame = frame[~frame["song"].isin([f"A2/{n}.mp3" for n in range(1, 4)]) & ~frame["song"].eq("A3/0.mp3")]
    frame = frame.assign(copy_of=np.where(frame["song"] == "A0/0.mp3", "A0/1.mp3", ""))
    songs, left_out = splits.song_table(frame)
    assert left_out["status"].to_dict() == {"A0/0.mp3": splits.COPY, "A2/0.mp3": splits.TOO_FEW}
    assert songs.groupby("artist").size().to_dict() == {"A0": 3, "A1": 4, "A3": 3}
    assert songs.groupby("artist")["scored"].all().to_dict() == {"A0": False, "A1": True, "A3": False}


def test_two_versions_count_once():
    frame = made_up(artists=3, songs=4)
    frame["recording"] = frame["song"].replace({"A0/0.mp3": "A0/1.mp3"})
    assert not splits.song_table(frame)[0].loc["A0/3.mp3", "scored"]


def test_one_artist_cannot_be_compared():
    with raises(Problem.TOO_FEW):
        splits.song_table(made_up(artists=1))


def test_the_song_held_out_is_of_an_artist_who_can_spare_it_and_there_only_once():
    songs = table(artists=3, songs=6)
    songs = songs[(songs["artist"] == "A2") | (songs.index.str[3].astype(int) < 4)]
    songs["recording"] = songs["recording"].replace({f"A2/{n}.mp3": "A2/0.mp3" for n in range(1, 3)})
    assert splits.hold_out(songs.assign(recording=songs.index))[:2] == "A2"
    songs = songs[(songs["artist"] != "A2") | (songs.index < "A2/3.mp3")]
    assert splits.hold_out(songs)[:2] in ("A0", "A1")  # A2's three are one work
    assert splits.hold_out(songs) == splits.hold_out(songs.sample(frac=1, random_state=0))
    assert splits.hold_out(table(songs=2)) == ""
