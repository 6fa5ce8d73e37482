import numpy as np
import pytest
from conftest import loud_clips, made_up, prepared

from soundalike.dataset import nuisance, segments
from soundalike.dataset.nuisance import find_directions
from soundalike.features.table import CLIP_COLUMNS
from soundalike.models import attenuation, specs, training
from soundalike.models.attenuation import NuisanceAttenuation


@pytest.fixture
def shipped(monkeypatch):
    """Other shifts than those that come with the package."""

    def ship(shifts: np.ndarray) -> None:
        monkeypatch.setattr(attenuation, "shipped_shifts", lambda: np.asarray(shifts, np.float32))

    return ship


def test_what_comes_with_the_package_fits_the_feature_table():
    shifts = nuisance.shipped_shifts()
    assert shifts.shape[1] == 2 * len(CLIP_COLUMNS)
    assert np.isfinite(shifts).all()
    assert nuisance.FILE.stat().st_size <= 200_000


def test_a_shift_is_attenuated_as_the_formula_says(shipped):
    rows = np.random.default_rng(0).normal(0, [1, 2, 5], (500, 3))
    shift = np.array([[0, 3, 0]]) * rows.std(axis=0)  # three standard deviations of the second
    shipped(shift)
    fitted = NuisanceAttenuation(strength=2).fit(rows)
    moved = fitted.transform(rows + shift) - fitted.transform(rows)
    np.testing.assert_allclose(moved, np.tile(shift / np.sqrt(1 + 2 * 9), (500, 1)), atol=1e-6)
    np.testing.assert_allclose(fitted.transform(rows)[:, [0, 2]], rows[:, [0, 2]], atol=1e-6)  # the others stay


def test_a_feature_that_never_changes_in_training_counts_for_nothing(shipped):
    draw = np.random.default_rng(0)
    rows = np.column_stack([draw.normal(size=(200, 2)), np.full(200, 7000.1)]).astype(np.float32)
    shipped([[2.0, 0, 500], [2, 0, -500]])
    fitted = NuisanceAttenuation().fit(rows)
    assert fitted.directions_.shape == (1, 3)
    moved = fitted.transform(rows + np.array([2, 0, 500])) - fitted.transform(rows)
    assert abs(moved[:, 0]).max() < 1.2
    np.testing.assert_allclose(moved[:, 1:], np.tile([0, 500], (200, 1)), atol=1e-2)


def test_without_strength_nothing_changes(shipped):
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    shipped(np.ones((2, 3)))
    np.testing.assert_array_equal(NuisanceAttenuation(0).fit(rows).transform(rows), rows)


def test_clips_move_as_the_means_of_segments_do(shipped):
    rows = np.random.default_rng(0).normal(size=(500, 2))
    shipped([[3.0, 0, 7, 7]])
    np.testing.assert_allclose(abs(NuisanceAttenuation().fit(rows).directions_), [[1, 0]], atol=1e-6)


def test_other_columns_stay_as_they_are(shipped):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    shipped(np.ones((2, 4)))
    np.testing.assert_array_equal(NuisanceAttenuation().fit(rows).transform(rows), rows)


def test_directions_are_orthonormal_and_small_ones_are_left():
    shifts = np.diag([4.0, 1, 1e-3])
    directions, removed = find_directions(shifts, np.ones(3), 3)
    np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-12)
    np.testing.assert_allclose(removed, 1 - 1 / np.sqrt(1 + 3 * np.array([16, 1])))
    assert len(find_directions(1e-3 * shifts, np.ones(3), 3)[0]) == 0
    assert len(find_directions(shifts[:0], np.ones(3), 3)[0]) == 0


def test_how_a_file_was_made_is_no_longer_taken_for_its_artist(shipped):
    """Each artist's songs in another encoding; unseen songs in the other one."""
    cue = CLIP_COLUMNS[100:300]
    frame = made_up(artists=2, songs=8, artist_cue=0.4, seed=1)
    encoded = frame["artist"] == "A0"
    frame.loc[encoded, cue] += 2.0
    songs, examples = prepared(frame)
    test = songs.groupby("artist").tail(3)
    learn = songs.drop(index=test.index)
    swapped = frame.copy()
    swapped[cue] += np.where(encoded, -2.0, 2.0)[:, None]
    unseen = segments.gather(loud_clips(swapped), songs).rows(test["place"])
    shift = np.concatenate([2.0 * np.isin(CLIP_COLUMNS, cue), np.zeros(len(CLIP_COLUMNS))])
    right = {}
    for name, shifts in (("as it is", 0 * shift[None]), ("attenuated", 3 * shift[None])):
        shipped(shifts)
        (member,) = training.train(specs.specs()[specs.LOGISTIC], [{}], examples, learn)
        said = member.predict(unseen)[1].idxmax(axis=1)
        right[name] = (said == test.set_index("place")["artist"].loc[said.index]).mean()
    assert right["as it is"] < 0.5
    assert right["attenuated"] == 1
