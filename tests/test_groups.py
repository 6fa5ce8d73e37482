"""Artists and albums that sound alike, see `conftest.on_a_circle`."""

import numpy as np
import pytest
from conftest import on_a_circle, raises

from soundalike import groups
from soundalike.embedding import Embedding, Space
from soundalike.messages import Problem
from soundalike.networks import VOICE


def compare(index, asked, count):
    """Compare artists: each is asked about by its songs."""
    names = groups.group_names(index, albums=False)
    return groups.compare_groups(index, names, [names.tolist().index(artist) for artist in asked], count)


def test_artists_are_alike_by_all_their_songs():
    angles = {"a": [0, 10, 50], "b": [60, 20, 70], "c": [-100, 49, -120]}  # one song of c is by the side of one of a
    index = on_a_circle([*angles["a"], *angles["b"], *angles["c"]], artist=[name for name in angles for _ in range(3)])
    first, *_ = compare(index, ["a", "b", "c"], 2)
    assert [pair.other for pair in first.alike] == ["b", "c"]
    assert (first.typical, first.oddest, first.songs) == (1, 2, 3)
    assert [pair.songs for pair in first.alike] == [(1, 4), (2, 7)]


def test_an_artist_of_one_song_is_like_none_where_others_have_more():
    index = on_a_circle([0, 10, 1, 90, 100], artist=["a", "a", "one", "b", "b"])
    first, second = compare(index, ["a", "one"], 2)
    assert [pair.other for pair in first.alike] == ["b"]
    assert [pair.other for pair in second.alike] == ["a", "b"]
    index = on_a_circle([0, 10, 90], artist=["a", "b", "c"])
    assert [pair.other for pair in compare(index, ["a"], 2)[0].alike] == ["b", "c"]


def test_copies_bring_no_artists_together():
    index = on_a_circle([0, 10, 0, 30], artist=["a", "a", "b", "b"], sound=["x", "y", "x", "z"])
    assert compare(index, ["a"], 1)[0].alike[0].songs == (1, 2)


def test_a_song_that_an_ear_does_not_describe_counts_by_the_others():
    """Two ears: by the second, b's songs are as a's and c's are not; one of b's has no numbers there."""
    index = on_a_circle([0, 10, 90, 100, 90, 100], artist=["a", "a", "b", "b", "c", "c"])
    plane = Space(np.zeros(2), np.ones(2), np.eye(2))
    embedding = Embedding(dict(index.embedding.ears) | {VOICE: plane})
    second = np.array([[1, 0], [1, 0.1], [np.nan, np.nan], [1, 0], [-1, 0], [-1, 0.1]], np.float32)
    described = np.hstack([index.described, second])
    index = index._replace(described=described, embedding=embedding, points=embedding.points(described))
    (portrait,) = compare(index, ["b"], 2)
    # By the first ear they are at a right angle to a's and as c's; each ear counts for half.
    assert {pair.other: round(pair.distance, 1) for pair in portrait.alike} == {"a": 0.5, "c": 1.0}


def test_albums_are_alike_by_all_their_songs():
    index = on_a_circle([0, 10, 20, 30, 90, 100, 5], artist=[*"aabbccd"])
    index = index._replace(songs=index.songs.assign(album=["X", "x", "X", "X", "Z", "Z", ""]))
    names = groups.group_names(index, albums=True)
    assert names.tolist() == ["a - X", "a - X", "b - X", "b - X", "c - Z", "c - Z"]  # one spelling; d has none
    first, *_ = groups.compare_groups(index, names, [], 1)
    assert (first.name, first.alike[0].other, first.alike[0].songs) == ("a - X", "b - X", (1, 2))
    (record,) = groups.records([first], index)
    (pair,) = record["alike"]
    assert (pair["start_with"], pair["most_like"]) == ("2", "1")
    assert pair["similarity"] == pytest.approx((1 + np.cos(np.radians(20))) / 2, abs=1e-4)


def test_all_are_compared_where_none_is_named():
    index = on_a_circle([0, 10, 20, 30], artist=["Bob", "Ann", "Ann", "Bob"])
    assert [portrait.name for portrait in compare(index, [], 1)] == ["Ann", "Bob"]


def test_one_artist_has_none_to_be_compared_with():
    with raises(Problem.ONE_GROUP):
        compare(on_a_circle([0, 10], artist=["a", "a"]), [], 1)
