"""Lists of songs that lie where they are put: on a circle, so that a distance is one minus the cosine of an angle."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import likeness, on_a_circle, raises

from soundalike import playlists, similarity, wording
from soundalike.messages import Problem
from soundalike.playlists import Rules
from soundalike.seeds import Seed, of_library
from soundalike.similarity import Index


def seed(index: Index, place: int) -> Seed:
    return of_library(place, index, Path("nowhere"))


def fill(index: Index, places: list[int], without: tuple[int, ...] = (), less=(), **rules) -> tuple[list[int], str]:
    seeds = [seed(index, place) for place in places]
    barred = np.any([one.itself for one in seeds], axis=0)
    barred[list(without)] = True
    songs, why = playlists.fill(
        index, seeds, [seed(index, place) for place in less], barred, Rules(**({"most": 10, "per_artist": 2} | rules))
    )
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
    found, _ = playlists.fill(index, [seed(index, 0), seed(index, 1)], [], np.arange(5) < 2, Rules(9, 9))
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
    found, steps = playlists.find_path(
        index, *ends, ends[0].itself | ends[1].itself, Rules(most, per_artist), Counter()
    )
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


# --- unwanted songs, others, stops, order ----------------------------------------------------


def test_unlike_a_song_is_on_the_other_side():
    index = on_a_circle([0, 20, -20, 25, -25, 40])
    assert named(index, [0])[:2] in ([1, 2], [2, 1])
    assert named(index, [0], without=(5,), less=[5])[:2] == [4, 2]
    means = likeness(0.1, 0.4, np.linspace(0, 2, 101))
    far = on_a_circle([0, 10, -150, 20], means=means)
    assert named(far, [0], without=(3,), less=[3]) == [1]  # what is far stays out, though it is unlike that song


def test_another_answer_is_what_follows():
    index = on_a_circle([0, 10, 20, 30, 40])
    assert named(index, [0], most=2) == [1, 2]
    assert named(index, [0], most=2, again=2) == [3, 4]
    with raises(Problem.NO_MORE):
        named(index, [0], most=2, again=4)


def test_a_way_over_stops_passes_no_song_twice_and_few_by_an_artist():
    index = on_a_circle([0, 60, 0.1, 20, 40, 30, 50], artist=["x", "y", "z", "a", "a", "a", "b"])
    stops = [seed(index, 0), seed(index, 1), seed(index, 2)]
    barred = np.any([stop.itself for stop in stops], axis=0)
    legs = playlists.find_ways(index, stops, barred, Rules(4, 2))
    passed = [song for songs, _ in legs for song in songs["song"].astype(int)]
    assert [len(songs) for songs, _ in legs] == [2, 1]
    assert len(set(passed)) == len(passed)
    assert sum(song in (3, 4, 5) for song in passed) <= 2
    with raises(Problem.ENDS_MEET):
        playlists.find_ways(index, [stops[0], stops[0]], barred, Rules(4, 2))
    with raises(Problem.NO_STOP):
        playlists.find_ways(index, [stops[0], stops[1]._replace(group="a")], barred, Rules(4, 2))


def test_an_order_without_jumps_is_the_way_round():
    draw = np.random.default_rng(0)
    angles = [0, *draw.permutation(np.arange(5, 180, 5))]
    index = on_a_circle(angles)
    order = playlists.without_jumps(index, range(len(angles)), 2)
    assert sorted(order) == [*range(len(angles))]
    assert [angles[place] for place in order] == sorted(angles)


def test_no_more_by_an_artist_are_in_a_row_than_asked_for():
    index = on_a_circle([0, 1, 2, 3, 4, 5, 90, 100], artist=[*"aaaaaa", "b", "c"])
    order = playlists.without_jumps(index, range(8), 2)
    runs = [len([*run]) for _, run in itertools.groupby(index.songs["artist"].iloc[order])]
    assert max(runs) == 2
    assert len(playlists.without_jumps(on_a_circle([0, 1, 2], artist=[*"aaa"]), range(3), 1)) == 3  # it cannot be
