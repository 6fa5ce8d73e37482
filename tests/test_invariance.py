import numpy as np
import pandas as pd
import pytest
from conftest import made_up, prepared

from soundalike.dataset import segments
from soundalike.dataset.invariance import Shrinkage, find_directions, find_shifts
from soundalike.evaluation import confounds
from soundalike.features.nuisance import PLAIN
from soundalike.features.table import CLIP_COLUMNS
from soundalike.models import specs, training


def altered_by(frame, moves, songs=None):
    """The clips of songs as they are, and moved by what each alteration adds to the features."""
    plain = frame[frame["song"].isin(songs)] if songs else frame
    parts = [plain.assign(alteration=PLAIN)]
    for name, by in moves.items():
        parts.append(plain.assign(alteration=name, **{column: plain[column] + value for column, value in by.items()}))
    return pd.concat(parts)[["song", "alteration", *CLIP_COLUMNS]]


def test_shifts_are_what_alterations_add():
    frame = made_up(artists=2, songs=2)
    altered = altered_by(frame, {"louder": {"rms_mean": 3.0}, "duller": {"centroid_mean": -2.0, "rms_mean": 1.0}})
    columns = ["centroid_mean", "rms_mean", "not altered"]
    shifts = find_shifts(altered, columns, lambda clips: clips.mean(axis=0))
    assert shifts.index.names == ["song", "alteration"]
    assert len(shifts) == 4 * 2
    np.testing.assert_allclose(shifts.xs("louder", level=1), np.tile([0, 3, 0], (4, 1)), atol=1e-5)
    np.testing.assert_allclose(shifts.xs("duller", level=1), np.tile([-2, 1, 0], (4, 1)), atol=1e-5)
    assert find_shifts(altered[:0], columns, lambda clips: clips.mean(axis=0)).shape == (0, 3)


def test_a_shift_shrinks_as_the_formula_says():
    rows = np.random.default_rng(0).normal(0, [1, 2, 5], (500, 3))
    shift = np.array([[0, 3, 0]]) * rows.std(axis=0)  # three standard deviations of the second
    shrinkage = Shrinkage(strength=2).fit(rows, shifts=np.repeat(shift, 4, axis=0))
    moved = shrinkage.transform(rows + shift) - shrinkage.transform(rows)
    np.testing.assert_allclose(moved, np.tile(shift / np.sqrt(1 + 2 * 9), (500, 1)))
    np.testing.assert_allclose(shrinkage.transform(rows)[:, [0, 2]], rows[:, [0, 2]])  # the others stay


def test_a_feature_that_never_changes_in_training_counts_for_nothing():
    draw = np.random.default_rng(0)
    rows = np.column_stack([draw.normal(size=(200, 2)), np.full(200, 7000.1)]).astype(np.float32)
    shifts = np.array([[2.0, 0, 500], [2, 0, -500]])
    shrinkage = Shrinkage().fit(rows, shifts=shifts)
    assert shrinkage.directions_.shape == (1, 3)
    moved = shrinkage.transform(rows + np.array([2, 0, 500])) - shrinkage.transform(rows)
    assert abs(moved[:, 0]).max() < 1.2
    np.testing.assert_allclose(moved[:, 1:], np.tile([0, 500], (200, 1)), atol=1e-2)


def test_without_shifts_or_strength_nothing_changes():
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    for same in (Shrinkage().fit(rows), Shrinkage(0).fit(rows, shifts=np.ones((2, 3)))):
        np.testing.assert_array_equal(same.transform(rows), rows)


def test_directions_are_orthonormal_and_small_ones_are_left():
    moved = np.array([[4.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.0, 0, 1e-3]])
    directions, removed = find_directions(moved, np.ones(3), 3)
    np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-12)
    assert removed[0] == pytest.approx(1 - 1 / np.sqrt(1 + 3 * 16 * 4 / 6), rel=1e-3)  # of six lengths, four are its
    assert len(find_directions(1e-3 * moved, np.ones(3), 3)[0]) == 0


def test_songs_that_an_encoder_no_longer_moves_do_not_hide_how_far_it_moves_others():
    moved = np.array([[4.0, 0, 0]])
    _, removed = find_directions(np.vstack([moved, np.zeros((5, 3))]), np.ones(3), 3)
    assert removed == pytest.approx(find_directions(moved, np.ones(3), 3)[1])
    assert len(find_directions(np.zeros((5, 3)), np.ones(3), 3)[0]) == 0


def test_each_model_uses_the_shifts_of_its_training_songs_alone():
    frame = made_up(artists=2, songs=4)
    songs, _ = prepared(frame)
    of_two = list(songs.index[[0, 5]])
    altered = altered_by(frame, {"louder": {"rms_mean": 5.0}}, of_two)
    examples = segments.gather([frame], songs, CLIP_COLUMNS, altered=altered)
    assert list(examples.moved) == list(songs.loc[of_two, "place"])
    for spec in (specs.specs()[name] for name in specs.ears()[specs.FEATURES]):
        found = [
            training.train(spec, [{}], examples, songs.drop(index=out))[0].estimator[0].directions_
            for out in ([], of_two[:1], of_two)
        ]
        assert list(map(len, found)) == [1, 1, 0]
        assert abs(found[0][0, CLIP_COLUMNS.index("rms_mean")]) == pytest.approx(1, abs=1e-3)


def test_how_a_file_was_made_is_no_longer_taken_for_its_artist():
    """Each artist's songs in another encoding; unseen songs in the other one."""
    cue = dict.fromkeys(CLIP_COLUMNS[100:300], 2.0)
    frame = made_up(artists=2, songs=8, artist_cue=0.4, seed=1)
    encoded = frame["artist"] == "A0"
    frame.loc[encoded, list(cue)] += 2.0
    songs, _ = prepared(frame)
    test = songs.groupby("artist").tail(3)
    learn = songs.drop(index=test.index)
    swapped = frame.copy()
    swapped[list(cue)] += np.where(encoded, -2.0, 2.0)[:, None]
    right = {}
    for name, altered in (("as it is", None), ("shrunk", altered_by(frame, {"encoded": cue}, list(learn.index)))):
        examples = segments.gather([frame], songs, CLIP_COLUMNS, altered=altered)
        unseen = segments.gather([swapped], songs, CLIP_COLUMNS).rows(test["place"])
        spec = specs.specs()[specs.LOGISTIC]
        (member,) = training.train(spec, [{}], examples, learn)
        said = member.predict(unseen)[1].idxmax(axis=1)
        right[name] = (said == test.set_index("place")["artist"].loc[said.index]).mean()
    assert right["as it is"] < 0.5
    assert right["shrunk"] == 1


def test_how_far_a_file_moves_a_song_is_measured_and_shrinks():
    frame = made_up(artists=3, songs=4, artist_cue=1.0)
    songs, examples = prepared(frame)
    moves = {"little": {"rms_mean": 1.0}, "much": dict.fromkeys(CLIP_COLUMNS[:50], 3.0)}
    table = confounds.file_effects(altered_by(frame, moves), examples, songs)
    assert list(table.index) == ["much", "little"]
    rows = examples.segments[examples.whole]
    means = pd.DataFrame(rows / rows.std(axis=0)).groupby(examples.song[examples.whole]).mean()
    apart = [np.linalg.norm(a - b) for n, a in enumerate(means.to_numpy()) for b in means.to_numpy()[: n // 4 * 4]]
    moved = np.linalg.norm(3 / rows.std(axis=0)[:50])
    assert table.loc["much", "as they are"] == pytest.approx(moved / np.median(apart), rel=1e-3)
    assert table.loc["much", "as models see them"] < table.loc["much", "as they are"] / 10
    empty = confounds.file_effects(altered_by(frame, moves)[:0], examples, songs)
    assert empty.empty
    assert list(empty) == list(table)
