"""Music by others, as a distribution."""

import numpy as np
import pytest
from conftest import made_up, segments_of, study_of

from benchmarks import cohort as made
from soundalike import cohort
from soundalike.features import CLIP_COLUMNS
from soundalike.networks import NETWORKS, VOICE
from soundalike.song import FEATURES


def test_drawn_segments_have_the_mean_and_spread_of_the_source():
    rows, _, artist = segments_of(songs=60)
    source = made.describe_source(rows, set(artist), [])
    drawn = source.draw(4000, [FEATURES, VOICE])
    for ear, of_ear in rows.items():
        near = 4 * of_ear.std(axis=0) / np.sqrt(len(of_ear))
        assert (abs(drawn[ear].mean(axis=0) - of_ear.mean(axis=0)) < near).all()
    spread = drawn[VOICE].std(axis=0) / rows[VOICE].std(axis=0)
    assert 0.6 < spread.mean() <= 1.02
    both = np.corrcoef(drawn[FEATURES][:, 0], drawn[VOICE].T)[0, 1:]  # ears go together as they do in music
    true = np.corrcoef(rows[FEATURES][:, 0], rows[VOICE].T)[0, 1:]
    assert np.corrcoef(both, true)[0, 1] > 0.8
    again = source.draw(4000, [FEATURES, VOICE])
    np.testing.assert_array_equal(drawn[VOICE], again[VOICE])


def test_no_component_is_a_song():
    """Where one song is far from all others, one direction points there, but its length is that of the spread."""
    rows, song, artist = segments_of(songs=30)
    rows[VOICE][song == 7] += 40
    source = made.describe_source(rows, set(artist), [])
    middle = rows[VOICE][song == 7].mean(axis=0)
    away = np.linalg.norm(middle - source.mean[VOICE])
    lengths = np.linalg.norm(source.components[VOICE], axis=1)
    assert lengths.max() < 0.5 * away
    assert (np.linalg.norm(source.mean[VOICE] + source.components[VOICE] - middle, axis=1) > 0.5 * away).all()


def test_segments_that_an_ear_does_not_describe_are_passed_over():
    rows, _, artist = segments_of()
    rows[VOICE][::2] = np.nan
    assert np.isfinite(made.describe_source(rows, set(artist), []).mean[VOICE]).all()


def test_the_shipped_cohort_holds_nobody():
    """A mean and directions for each source, and no row for a song: fewer than there are songs, and of all together."""
    sources = cohort.read()
    assert set(sources) == {"games", "sung"}
    assert cohort.FILE.stat().st_size < 1_000_000
    widths = {FEATURES: 2 * len(CLIP_COLUMNS)} | {name: network.dims for name, network in NETWORKS.items()}
    with np.load(cohort.FILE) as arrays:
        assert {key.split("/")[-1] for key in arrays} == {
            *("made_by", "artists", "hashes", "mean", "spread", "components"),
        }
    for source in sources.values():
        assert len(source.artists) >= 5
        for ear, width in widths.items():
            assert source.mean[ear].shape == (width,)
            assert source.components[ear].shape == (cohort.COMPONENTS, width)
        together = np.concatenate([*source.components.values()], axis=1)
        scaled = together / np.maximum(np.sqrt((together**2).sum(axis=0)), 1e-12)
        products = scaled @ scaled.T  # principal components: directions of spread, at right angles
        lengths = np.sqrt(np.diag(products))
        cosines = products / np.outer(lengths, lengths)
        assert (abs(cosines - np.eye(len(cosines))) < 0.5).all()


def test_a_source_with_music_of_the_library_is_not_used():
    sources = cohort.read()
    assert list(cohort.usable(sources, ["Nickelback"], ["x"])) == ["games", "sung"]
    assert list(cohort.usable(sources, [sources["games"].artists[0].upper()], ["x"])) == ["sung"]
    assert list(cohort.usable(sources, ["Nickelback"], [sources["sung"].hashes[0]])) == ["games"]
    assert cohort.draw([], [FEATURES]) is None


def test_a_cohort_of_other_features_is_not_used(tmp_path, monkeypatch):
    study = study_of(made_up())
    rows = dict(study.segments.rows) | {name: np.ones((len(study.segments.song), 3)) for name in NETWORKS}
    made.write(tmp_path / "cohort.npz", {"x": made.describe_source(rows, ["A"], ["h"])})
    (written,) = cohort.read(tmp_path / "cohort.npz").values()
    expected = made.describe_source(rows, ["A"], ["h"])
    np.testing.assert_allclose(written.mean[FEATURES], expected.mean[FEATURES])
    unit = abs(expected.components[FEATURES]).max()
    np.testing.assert_allclose(written.components[FEATURES], expected.components[FEATURES], atol=1e-3 * unit)
    monkeypatch.setattr(cohort, "MADE_BY", [99, []])
    assert cohort.read(tmp_path / "cohort.npz") == {}


@pytest.mark.parametrize("ears", [[FEATURES], [FEATURES, VOICE]])
def test_as_many_are_drawn_of_each_source(ears):
    drawn = cohort.draw(cohort.read().values(), ears)
    assert list(drawn) == ears
    assert {len(rows) for rows in drawn.values()} == {cohort.DRAWN}
