"""Segments and songs as points of one space."""

import numpy as np
import pytest
from conftest import unit

from soundalike import embedding
from soundalike.embedding import FEATURES, Embedding

DRAW = np.random.default_rng(0)
MIXED = DRAW.standard_normal((2000, 6)) @ DRAW.standard_normal((6, 6)) + 50


def fitted(rows: np.ndarray, shifts: np.ndarray | None = None) -> embedding.Space:
    """Fit a space; without shifts nothing is attenuated."""
    return embedding.fit_space(rows, rows[:0] if shifts is None else shifts)


def test_points_are_centred_white_but_for_the_ridge_and_of_unit_length():
    space = fitted(MIXED)
    scaled = (MIXED - space.centre) / space.scale
    variances = np.sort(np.linalg.eigvalsh(np.corrcoef(MIXED.T)))[::-1]
    expected = np.diag(variances / (variances + embedding.RIDGE * variances[0]))
    np.testing.assert_allclose(np.cov((scaled @ space.basis).T, bias=True), expected, atol=1e-4)
    points = space.directions(MIXED) @ space.basis
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)


def test_units_and_offsets_of_columns_change_nothing():
    cosines = []
    for rows in (MIXED, MIXED * [1, 10, 100, 1e3, 1e4, 1e5] - 7):
        space = fitted(rows)
        points = space.directions(rows) @ space.basis
        cosines.append(points @ points[:5].T)
    np.testing.assert_allclose(*cosines, atol=1e-3)


def test_a_column_that_never_changes_says_nothing():
    space = fitted(np.column_stack([MIXED[:50], np.full(50, 7.3)]))
    assert np.isfinite(space.basis).all()
    assert (space.directions(np.column_stack([MIXED[:5], np.full(5, 1e9)]))[:, 6] == 0).all()


def test_what_re_encoding_moves_counts_for_little():
    """The songs lie in eight dimensions; encoding moves a ninth, in which they hardly differ, by much."""
    songs = DRAW.standard_normal((40, 9)) * (1 - 0.9 * np.eye(9)[8])
    encoded = songs + np.eye(9)[8]
    shifts = (encoded - songs)[:5] + 0.01 * DRAW.standard_normal((5, 9))
    found = {}
    for way, given in (("plain", None), ("attenuated", shifts)):
        space = fitted(songs, given)
        cosine = space.directions(encoded) @ space.basis @ (space.directions(songs) @ space.basis).T
        found[way] = (cosine.argmax(axis=1) == np.arange(40)).mean()
    assert found["plain"] < 0.5
    assert found["attenuated"] == 1


@pytest.fixture
def two_ears() -> Embedding:
    return Embedding({FEATURES: fitted(MIXED), "voice": fitted(MIXED[:, :4])})


def test_a_song_is_the_mean_of_its_segments_in_each_ear(two_ears):
    described = two_ears.describe({FEATURES: MIXED[:7], "voice": MIXED[:7, :4]})
    (point,) = two_ears.points(described[None])
    for own, (ear, rows) in zip(two_ears.dimensions(), ((FEATURES, MIXED[:7]), ("voice", MIXED[:7, :4])), strict=True):
        space = two_ears.ears[ear]
        mean = (space.directions(rows) @ space.basis).mean(axis=0)
        np.testing.assert_allclose(point[own], mean / np.linalg.norm(mean) / np.sqrt(2), atol=1e-5)
    assert np.linalg.norm(point) == pytest.approx(1, abs=1e-5)


def test_an_ear_that_describes_nothing_gives_no_evidence(two_ears):
    absent = np.full((7, 4), np.nan)
    deaf = two_ears.points(two_ears.describe({FEATURES: MIXED[:7], "voice": absent})[None])[0]
    songs = [two_ears.describe({FEATURES: MIXED[n : n + 7], "voice": MIXED[n : n + 7, :4]}) for n in range(0, 70, 7)]
    points = two_ears.points(np.stack(songs))
    alone = unit(np.stack(songs)[:, :6] @ two_ears.ears[FEATURES].basis)
    np.testing.assert_allclose(1 - two_ears.distances(points, deaf), alone @ alone[0], atol=1e-5)
    half = np.concatenate([MIXED[:3, :4], absent[:4]])  # its point is that of the segments that it describes
    np.testing.assert_allclose(
        two_ears.describe({FEATURES: MIXED[:7], "voice": half})[6:],
        two_ears.describe({FEATURES: MIXED[:7], "voice": MIXED[:3, :4]})[6:],
    )
    nothing = embedding.fit_embedding({FEATURES: np.full((3, 2), np.nan)})
    assert (nothing.points(nothing.describe({FEATURES: np.zeros((2, 2))})[None]) == 0).all()


def test_directions_of_other_features_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "other.npz", factors=np.zeros((1, 4), np.float16), scale=np.ones(4, np.float32))
    monkeypatch.setattr(embedding, "NUISANCE_FILE", tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"benchmarks/nuisance\.py"):
        embedding.shipped_shifts.__wrapped__()
