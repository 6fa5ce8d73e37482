import numpy as np
import pandas as pd
import pytest
from conftest import made_up

from soundalike.dataset import variance
from soundalike.features.table import CLIP_COLUMNS


def labelled(values: np.ndarray) -> pd.DataFrame:
    """A frame of one feature, ``x`` [shape=(artists, albums, songs, clips)]."""
    places = np.indices(values.shape).reshape(4, -1)
    artist, album, song, _ = (level.astype(str) for level in places)
    song = artist + "/" + album + "/" + song
    return pd.DataFrame({"artist": artist, "album": album, "song": song, "x": values.ravel()})


def test_artists_that_are_all_there_is_score_one_and_noise_nothing():
    draw = np.random.default_rng(0)
    artists = np.broadcast_to(np.arange(3.0)[:, None, None, None], (3, 2, 10, 5))
    assert variance.effect_size(labelled(artists), ["x"])["x"] == pytest.approx(1)
    noise = draw.standard_normal((3, 2, 10, 1)) + np.zeros((3, 2, 10, 5))
    assert abs(variance.effect_size(labelled(noise), ["x"])["x"]) < 0.15


def test_chance_is_taken_off_and_songs_are_what_counts():
    """Many artists of few songs without anything in common: the plain ratio would be about a half."""
    draw = np.random.default_rng(0)
    found = [
        variance.effect_size(labelled(draw.standard_normal((20, 1, 2, 1)) + np.zeros((20, 1, 2, 50))), ["x"])["x"]
        for _ in range(50)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.1)


def test_a_known_effect_is_found():
    draw = np.random.default_rng(0)
    values = draw.standard_normal((50, 1, 40, 1)) + draw.standard_normal((50, 1, 1, 1))  # equal parts
    assert variance.effect_size(labelled(values), ["x"])["x"] == pytest.approx(0.5, abs=0.1)


def test_the_best_of_many_features_is_large_by_chance():
    draw = np.random.default_rng(0)
    frame = labelled(np.zeros((3, 1, 4, 1)))
    noise = {f"x{n}": draw.standard_normal(len(frame)) for n in range(100)}
    frame = pd.concat([frame, pd.DataFrame(noise)], axis=1)
    by_chance = variance.chance_effect(frame, list(noise))
    assert variance.effect_size(frame, list(noise)).iloc[0] == pytest.approx(by_chance, abs=0.15)
    assert by_chance > 0.4
    assert variance.chance_effect(frame, ["x0"]) == pytest.approx(0, abs=0.15)


def test_too_few_songs_separate_nothing():
    assert variance.effect_size(labelled(np.ones((1, 1, 4, 2))), ["x"]).empty
    assert variance.effect_size(labelled(np.random.default_rng(0).random((3, 1, 1, 2))), ["x"]).empty


def test_shares_add_up_and_name_their_level():
    levels = ["between artists", "between albums", "between songs", "within songs"]
    shape = (3, 4, 5, 6)
    draw = np.random.default_rng(0)
    for place, level in enumerate(levels):
        own = draw.standard_normal([n if k <= place else 1 for k, n in enumerate(shape)])
        for k in range(place):  # nothing of the levels above is left
            own = own - own.mean(axis=tuple(range(k + 1, 4)), keepdims=True)
        own = own - own.mean(axis=place, keepdims=True)
        row = variance.variance_components(labelled(np.broadcast_to(own, shape)), ["x"]).loc["x"]
        assert row[level] == pytest.approx(1)
        assert row.sum() == pytest.approx(1)


def test_a_song_changes_where_it_changes():
    frame = made_up(artists=1, songs=1, clips=40)
    frame.loc[frame["clip"] >= 15, CLIP_COLUMNS] += 4
    frame.loc[frame["clip"] >= 28, CLIP_COLUMNS] -= 9
    assert variance.sections(frame, seconds=27).tolist() == [0, 30, 56]


def test_short_songs_have_one_section():
    assert variance.sections(made_up(artists=1, songs=1, clips=2)).tolist() == [0]
    assert variance.sections(made_up(artists=1, songs=1, clips=5)).tolist() == [0]
