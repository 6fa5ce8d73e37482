"""Lists of songs that lie where they are put: on a circle, so that a distance is one minus the cosine of an angle."""

import itertools

import numpy as np
import pytest
from conftest import likeness, made_index, raises

from soundalike import playlists, similarity, wording
from soundalike.embedding import Embedding, Space
from soundalike.messages import Problem, UserError
from soundalike.networks import VOICE
from soundalike.playlists import Rules, Seed, find_seed
from soundalike.similarity import Index


def on_a_circle(angles, artist=None, sound=None, means=None) -> Index:
    """Make a library of songs at these angles (degrees), which are called by their places."""
    points = np.column_stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))])
    names = [f"{n}" for n in range(len(angles))]
    return made_index(points, means or likeness(), artist=artist or names, sound=sound or names)


def seed(index: Index, place: int) -> Seed:
    song = index.songs.iloc[place]
    itself = (index.songs["sound"] == song["recording"]).to_numpy()
    return Seed(song["song"], playlists.Path(song["song"]), song["song"], 1.0, index.described[place], itself)


def fill(index: Index, places: list[int], without: tuple[int, ...] = (), **rules) -> tuple[list[int], str]:
    seeds = [seed(index, place) for place in places]
    barred = np.any([one.itself for one in seeds], axis=0)
    barred[list(without)] = True
    songs, why = playlists.fill(index, seeds, barred, Rules(**({"most": 10, "per_artist": 2, "far": False} | rules)))
    return songs["song"].astype(int).tolist(), why


def named(*args, **rules) -> list[int]:
    return fill(*args, **rules)[0]


# --- lists -----------------------------------------------------------------------------------


def test_the_nearest_come_first_and_not_the_song_itself():
    assert named(on_a_circle([0, 50, 10, -20, 30]), [0]) == [2, 3, 4, 1]


def test_of_each_artist_a_few_are_named():
    index = on_a_circle([0, 1, 2, 3, 40, 50], artist=["a", "a", "a", "a", "b", "b"])
    assert fill(index, [0]) == ([1, 2, 4, 5], playlists.End.ARTISTS)
    assert named(index, [0], per_artist=1) == [1, 4]
    assert fill(index, [0], per_artist=9, most=4) == ([1, 2, 3, 4], playlists.End.FULL)
    assert fill(index, [0], per_artist=9) == ([1, 2, 3, 4, 5], playlists.End.ALL)


def test_of_copies_one_is_named_and_none_of_what_is_asked_for():
    index = on_a_circle([0, 1, 20, 21, 40], sound=["x", "x", "y", "y", "z"])
    assert named(index, [0]) == [2, 4]


def test_to_sound_like_several_is_to_lie_between_them():
    index = on_a_circle([0, 90, 45, 100, -5])
    assert named(index, [0, 1])[0] == 2
    assert named(index, [0])[0] == 4
    assert named(index, [1])[0] == 3
    assert named(index, [0, 1], without=(2,))[0] in (3, 4)


def test_it_stops_where_songs_are_no_more_alike_than_others():
    means = likeness(0.1, 0.4, np.linspace(0, 2, 101))
    index = on_a_circle([0, 20, 50, 80, 120], means=means)  # distances 0.06, 0.36, 0.83, 1.5
    assert fill(index, [0]) == ([1, 2, 3], playlists.End.FAR)
    both = on_a_circle([0, 20, 50, 120, 130], artist=["a", "b", "b", "c", "b"], means=means)
    assert fill(both, [0])[1] == playlists.End.FAR  # --far would name c
    two = on_a_circle([0, 20, 50, 80, 120], artist=["a", "b", "b", "b", "b"], means=means)
    assert fill(two, [0]) == ([1, 2], playlists.End.ARTISTS)  # --far would name no more
    once = on_a_circle([0, 10, 20, 50, 80, 120], artist=["a", "c", "b", "b", "b", "b"], means=means)
    assert fill(once, [0]) == ([1, 2, 3], playlists.End.ARTISTS)  # nor here: c has no other song
    assert fill(index, [0], far=True) == ([1, 2, 3, 4], playlists.End.ALL)
    assert [wording.how_alike(distance, means) for distance in (0.06, 0.36, 0.83, 1.5)] == [
        "as alike as songs of one album",
        "as alike as songs of one artist",
        "more alike than 58% of songs by different artists",
        "no more alike than songs of different artists",
    ]
    assert wording.how_alike(0.06, likeness()) == ""


def test_what_is_in_common_adds_up_for_several_songs():
    index = on_a_circle([0, 90, 45, 100, -5])
    found, _ = playlists.fill(index, [seed(index, 0), seed(index, 1)], np.arange(5) < 2, Rules(9, 9))
    own = [column for column in found if column not in [*index.songs, "distance"]]
    np.testing.assert_allclose(1 - found[own].sum(axis=1), found["distance"], atol=1e-6)


# --- paths -----------------------------------------------------------------------------------


def test_the_shortest_way_is_that_of_trying_all():
    for trial in range(20):
        steps = np.random.default_rng(trial).uniform(0.1, 2, (8, 8))
        usable = np.arange(8) != 4
        for between in (1, 3, 5):
            ways = [(0, *middle, 7) for middle in itertools.combinations([1, 2, 3, 5, 6], between)]
            lengths = [sum(steps[a, b] ** 2 for a, b in itertools.pairwise(way)) for way in ways]
            assert tuple(playlists.shortest(steps, usable, between)) == ways[int(np.argmin(lengths))]
    assert playlists.shortest(np.ones((4, 4)), np.ones(4, bool), 9).tolist() == [0, 1, 2, 3]


def path(index: Index, first: int, last: int, most: int = 10, per_artist: int = 2) -> tuple[list[int], np.ndarray]:
    ends = seed(index, first), seed(index, last)
    found, steps = playlists.find_path(index, *ends, ends[0].itself | ends[1].itself, Rules(most, per_artist))
    return found["song"].astype(int).tolist(), steps


def test_a_path_goes_forward_in_even_steps():
    index = on_a_circle([0, 90, 30, 62, 58, 5, 31, -30, 120])
    found, steps = path(index, 0, 1, most=2)
    assert found in ([2, 3], [6, 3], [6, 4], [2, 4])
    assert steps == pytest.approx([1 - np.cos(np.radians(30))] * 3, abs=0.02)
    assert path(index, 0, 1)[0] == [5, 2, 6, 4, 3]  # all between, in order; none behind or beyond


def test_a_path_takes_few_songs_of_each_artist_and_no_copies():
    index = on_a_circle([0, 90, 20, 40, 60, 41], artist=["x", "y", "a", "a", "a", "b"], sound=[*"abcdef"])
    assert path(index, 0, 1, most=4, per_artist=1)[0] == [5, 4]  # of a the one that leaves the least steps
    copies = on_a_circle([0, 90, 45, 45], sound=["a", "b", "c", "c"])
    assert path(copies, 0, 1)[0] == [2]


def test_where_no_song_lies_between_the_path_is_one_step():
    found, steps = path(on_a_circle([0, 90, 200, -20]), 0, 1)
    assert found == []
    np.testing.assert_allclose(steps, [1], atol=1e-6)


# --- what distances mean ---------------------------------------------------------------------


def test_up_to_a_distance_most_songs_are_of_one_album_or_artist():
    """Each artist has two albums 40° apart, of five songs on one spot each; artists are 120° apart."""
    spots = [(artist, album) for artist in range(3) for album in range(2) for _ in range(5)]
    index = on_a_circle([120 * artist + 40 * album for artist, album in spots], artist=[f"{a}" for a, _ in spots])
    songs = index.songs.assign(album=[f"{album}" for _, album in spots])
    found = similarity.measure_likeness(index.points, songs, index.embedding)
    assert found[similarity.ALBUM] == pytest.approx(0, abs=0.02)
    assert found[similarity.ARTIST] == pytest.approx(1 - np.cos(np.radians(40)), abs=0.02)
    assert found[similarity.DIFFERENT][1] == pytest.approx(1 - np.cos(np.radians(80)), abs=0.02)
    assert len(found[similarity.DIFFERENT]) == 101
    assert np.isfinite(found[similarity.DIFFERENT]).all()


def test_where_songs_of_one_artist_are_no_nearer_it_is_not_said_that_they_are():
    angles = np.random.default_rng(0).uniform(0, 360, 60)
    index = on_a_circle(angles, artist=[f"{n % 6}" for n in range(60)])
    found = similarity.measure_likeness(index.points, index.songs, index.embedding)
    assert found[similarity.ALBUM] is None  # without names of albums
    assert found[similarity.ARTIST] is None
    alone = similarity.measure_likeness(index.points, index.songs.assign(artist="a"), index.embedding)
    assert alone[similarity.DIFFERENT] == []
    assert wording.how_alike(0.5, alone) == ""
    few = similarity.measure_likeness(index.points[:3], index.songs[:3], index.embedding)
    assert few == likeness()


def test_copies_make_nothing_alike():
    index = on_a_circle(np.repeat(np.arange(0, 360, 12), 2), artist=[f"{n // 2 % 5}" for n in range(60)])
    songs = index.songs.assign(recording=np.repeat(np.arange(30), 2))
    assert similarity.measure_likeness(index.points, songs, index.embedding)[similarity.ARTIST] is None
    assert similarity.measure_likeness(index.points, index.songs, index.embedding)[similarity.ARTIST] is not None


# --- artists ---------------------------------------------------------------------------------


def test_artists_are_alike_by_all_their_songs():
    angles = {"a": [0, 10, 50], "b": [60, 20, 70], "c": [-100, 49, -120]}  # one song of c is by the side of one of a
    index = on_a_circle([*angles["a"], *angles["b"], *angles["c"]], artist=[name for name in angles for _ in range(3)])
    first, *_ = playlists.compare_artists(index, ["a", "b", "c"], 2)
    assert [pair.other for pair in first.alike] == ["b", "c"]
    assert (first.typical, first.oddest, first.songs) == (1, 2, 3)
    assert [pair.songs for pair in first.alike] == [(1, 4), (2, 7)]


def test_an_artist_of_one_song_is_like_none_where_others_have_more():
    index = on_a_circle([0, 10, 1, 90, 100], artist=["a", "a", "one", "b", "b"])
    first, second = playlists.compare_artists(index, ["a", "one"], 2)
    assert [pair.other for pair in first.alike] == ["b"]
    assert [pair.other for pair in second.alike] == ["a", "b"]
    index = on_a_circle([0, 10, 90], artist=["a", "b", "c"])
    assert [pair.other for pair in playlists.compare_artists(index, ["a"], 2)[0].alike] == ["b", "c"]


def test_copies_bring_no_artists_together():
    index = on_a_circle([0, 10, 0, 30], artist=["a", "a", "b", "b"], sound=["x", "y", "x", "z"])
    assert playlists.compare_artists(index, ["a"], 1)[0].alike[0].songs == (1, 2)


def test_a_song_that_an_ear_does_not_describe_counts_by_the_others():
    """Two ears: by the second, b's songs are as a's and c's are not; one of b's has no numbers there."""
    index = on_a_circle([0, 10, 90, 100, 90, 100], artist=["a", "a", "b", "b", "c", "c"])
    plane = Space(np.zeros(2), np.ones(2), np.eye(2))
    embedding = Embedding(dict(index.embedding.ears) | {VOICE: plane})
    second = np.array([[1, 0], [1, 0.1], [np.nan, np.nan], [1, 0], [-1, 0], [-1, 0.1]], np.float32)
    described = np.hstack([index.described, second])
    index = index._replace(described=described, embedding=embedding, points=embedding.points(described))
    (portrait,) = playlists.compare_artists(index, ["b"], 2)
    # By the first ear they are at a right angle to a's and as c's; each ear counts for half.
    assert {pair.other: round(pair.distance, 1) for pair in portrait.alike} == {"a": 0.5, "c": 1.0}


def test_an_artist_is_found_by_a_part_of_the_name():
    index = on_a_circle([0, 10, 20, 30], artist=["Ann", "Anna", "Bob", "Bob"])
    assert playlists.find_artists(["ann"], index) == ["Ann"]
    assert playlists.find_artists(["BO"], index) == ["Bob"]
    assert playlists.find_artists([], index) == ["Ann", "Anna", "Bob"]
    for name, said in (("nn", "2 artists are called so: Ann; Anna"), ("x", "x is no part of an artist's name")):
        with pytest.raises(UserError, match=said):
            playlists.find_artists([name], index)


def test_one_artist_has_none_to_be_compared_with():
    with raises(Problem.ONE_ARTIST):
        playlists.find_artists([], on_a_circle([0, 10], artist=["a", "a"]))


def test_a_title_is_found_as_it_is_said(tmp_path):
    index = on_a_circle([0, 10])
    index = index._replace(songs=index.songs.assign(title=["02_-_Code_On_My_Mind", "On My Own"]))
    for asked in ("code on my mind", "Code_On", "02_-_Code_On_My_Mind"):
        assert find_seed(asked, index, tmp_path).itself.tolist() == [True, False]
    with raises(Problem.SEVERAL_SONGS):
        find_seed("on my", index, tmp_path)
    index = index._replace(songs=index.songs.assign(title=["On_My_Own", "On My Own (Live)"]))
    assert find_seed("on my own", index, tmp_path).itself.tolist() == [True, False]  # all of a title before a part


def test_the_seed_is_the_song_itself_and_no_version_of_it(tmp_path):
    index = made_index(np.eye(3, dtype=np.float32), likeness(), recording=["0", "0", "2"])
    assert find_seed("1", index, tmp_path).itself.tolist() == [False, True, False]
    copies = made_index(np.eye(3, dtype=np.float32), likeness(), sound=["0", "0", "2"])
    assert find_seed("1", copies, tmp_path).itself.tolist() == [True, True, False]
