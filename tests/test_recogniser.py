"""The linear model of segments: what it predicts, what it weighs, and exact reasons."""

import numpy as np
import pytest
from conftest import segments_of

from soundalike import recogniser
from soundalike.embedding import OF_ASPECT
from soundalike.features import ASPECTS, CLIP_COLUMNS
from soundalike.networks import NETWORKS, VOICE
from soundalike.song import FEATURES

WIDTH = 2 * len(CLIP_COLUMNS)


def embedded(model, rows, song, which) -> np.ndarray:
    """The means of the points of some songs."""
    return model.embedding.song_means(model.embedding.segment_points(rows), song).loc[list(which)].to_numpy()


def embedded_one(model, rows) -> np.ndarray:
    return embedded(model, rows, np.zeros(len(rows[VOICE])), [0])


@pytest.fixture(scope="module")
def trained():
    rows, song, artist = segments_of()
    learn = song < 18
    return recogniser.fit({ear: own[learn] for ear, own in rows.items()}, song[learn], artist[learn]), rows, song


def test_unseen_songs_get_their_artists(trained):
    model, rows, song = trained
    logs = model.predict(embedded(model, rows, song, range(18, 24)))
    assert logs.idxmax(axis=1).tolist() == [f"A{n % 3}" for n in range(18, 24)]
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-6)
    softer = model._replace(temperature=2.0).predict(embedded(model, rows, song, range(18, 24)))
    np.testing.assert_allclose(softer["A0"] - softer["A1"], (logs["A0"] - logs["A1"]) / 2, atol=1e-6)


def test_reasons_add_up_to_the_log_odds(trained):
    model, rows, song = trained
    model = model._replace(temperature=0.7)
    own = {ear: values[song == 20].copy() for ear, values in rows.items()}
    own[VOICE][:2] = np.nan  # an ear that does not describe two of the segments
    logs = model.predict(embedded_one(model, own)).iloc[0]
    shares = model.explain(own, "A2", "A0")
    assert list(shares) == [*ASPECTS, NETWORKS[VOICE].aspect, recogniser.PRIOR]
    assert len(shares) == 6
    assert shares.to_numpy().sum() == pytest.approx(logs["A2"] - logs["A0"], abs=1e-6)
    sharp = model._replace(temperature=0.05)
    logs = sharp.predict(embedded_one(model, own)).iloc[0]
    assert sharp.explain(own, "A2", "A0").to_numpy().sum() == pytest.approx(logs["A2"] - logs["A0"], abs=1e-6)
    assert (shares[NETWORKS[VOICE].aspect][:2] == 0).all()
    other = model.explain(own, "A0", "A2")
    np.testing.assert_allclose(other, -shares, atol=1e-9)


def test_an_aspect_in_which_artists_differ_is_the_reason():
    draw = np.random.default_rng(0)
    song, values = np.arange(20).repeat(4), draw.standard_normal((80, WIDTH)).astype(np.float32)
    harmony = OF_ASPECT["harmony"]
    values[:, harmony] += 2 * np.where(song % 2, 1, -1)[:, None]
    model = recogniser.fit({FEATURES: values}, song, np.array([f"A{n % 2}" for n in song]))
    shares = model.explain({FEATURES: values[song == 1]}, "A1", "A0").sum()
    assert shares.drop(recogniser.PRIOR).idxmax() == "harmony"
    assert shares["harmony"] > 0.8 * shares.drop(recogniser.PRIOR).sum()


def test_artists_and_their_songs_weigh_the_same():
    song = np.array([0] * 2 + [1] * 6 + [2] * 4)
    weights = recogniser.balanced_weights(song, np.array(["A"] * 8 + ["B"] * 4))
    assert [weights[song == n].sum() for n in range(3)] == pytest.approx([3, 3, 6])


def test_an_ear_that_an_artist_lacks_changes_no_answer_for_others(trained):
    rows, song, artist = segments_of()
    learn = song < 18
    whole, _, _ = trained
    lacking = {ear: own.copy() for ear, own in rows.items()}
    lacking[VOICE][artist == "A2"] = np.nan
    model = recogniser.fit({ear: own[learn] for ear, own in lacking.items()}, song[learn], artist[learn])
    asked = [n for n in range(18, 24) if n % 3 != 2]
    answers = [
        of.predict(embedded(of, given, song, asked)).idxmax(axis=1).tolist()
        for of, given in ((whole, rows), (model, lacking))
    ]
    assert answers[0] == answers[1] == [f"A{n % 3}" for n in asked]
    own = model.predict(embedded(model, lacking, song, [n for n in range(18, 24) if n % 3 == 2]))
    assert (own.idxmax(axis=1) == "A2").all()
    odds = [of.scores(embedded(of, rows, song, asked)) for of in (whole, model)]
    between = [of["A0"] - of["A1"] for of in odds]  # of the others, one against the other
    np.testing.assert_allclose(between[1], between[0], atol=0.1 * np.abs(between[0]).mean())
    (_, voices) = model.embedding.dimensions()
    np.testing.assert_allclose(model.weights[voices, 2], model.weights[voices, :2].mean(axis=1))


def test_two_artists_are_penalised_as_three_are():
    rows, song, artist = segments_of(artists=2)
    two = recogniser.fit(rows, song, artist)
    points = two.embedding.segment_points(rows)
    sign = np.where(artist == "A0", 1, -1)[:, None]
    margins = sign * (points @ (two.weights[:, :1] - two.weights[:, 1:]) + two.intercepts[0] - two.intercepts[1])
    # The pull of the loss; at the best weights that of the penalty is as large.
    pull = -(sign * points / (1 + np.exp(margins))).sum(axis=0)
    np.testing.assert_allclose(recogniser.C * pull, -two.weights[:, 0], atol=0.05 * np.abs(two.weights).max())


def test_five_hundred_artists_are_learned():
    rows, song, artist = segments_of(songs=1500, each=2, artists=500, cue=3.0)
    model = recogniser.fit({VOICE: rows[VOICE]}, song, artist)
    asked = range(0, 1500, 25)
    named = model.predict(embedded(model, {VOICE: rows[VOICE]}, song, asked)).idxmax(axis=1)
    assert np.mean([name == f"A{song % 500}" for name, song in zip(named, asked, strict=True)]) > 0.8


def test_two_artists_and_songs_without_any_ear():
    rows, song, artist = segments_of(artists=2)
    model = recogniser.fit(rows, song, artist)
    logs = model.predict(embedded(model, rows, song, range(24)))
    assert logs.shape == (24, 2)
    assert logs.idxmax(axis=1).tolist() == [f"A{n % 2}" for n in range(24)]
    nothing = embedded_one(model, {ear: np.full_like(own[:3], np.nan) for ear, own in rows.items()})
    np.testing.assert_allclose(np.exp(model.predict(nothing)).sum(axis=1), 1, atol=1e-6)


def test_a_cohort_is_a_class_that_changes_neither_space_nor_the_order_of_artists(trained):
    rows, song, artist = segments_of()
    draw = np.random.default_rng(5)
    cohort = {ear: 3 + draw.standard_normal((40, of.shape[1])).astype(np.float32) for ear, of in rows.items()}
    learn = song < 18
    known = {ear: of[learn] for ear, of in rows.items()}
    alone, model = trained[0], recogniser.fit(known, song[learn], artist[learn], cohort)
    assert model.classes == [recogniser.OTHERS, "A0", "A1", "A2"]
    assert model.artists == alone.classes
    for ear in rows:
        np.testing.assert_array_equal(model.embedding.ears[ear].basis, alone.embedding.ears[ear].basis)
    asked = embedded(model, rows, song, range(18, 24))
    assert model.predict(asked)[model.artists].idxmax(axis=1).tolist() == alone.predict(asked).idxmax(axis=1).tolist()
    strange = embedded_one(model, {ear: of[:4] for ear, of in cohort.items()})
    assert model.predict(strange).idxmax(axis=1).item() == recogniser.OTHERS
    one = artist == "A0"
    alone = recogniser.fit({ear: of[one] for ear, of in rows.items()}, song[one], artist[one], cohort)
    assert alone.artists == ["A0"]


def test_a_song_is_near_to_its_own_artist(trained):
    model, rows, song = trained
    asked = embedded(model, rows, song, range(18, 24))
    own = model.nearness(asked, [f"A{n % 3}" for n in range(18, 24)])
    other = model.nearness(asked, [f"A{(n + 1) % 3}" for n in range(18, 24)])
    assert (own > other + 0.1).all()
    points = model.embedding.unit(asked)
    cosines = sorted((model.points[model.owner == 0] @ points[0]).tolist())
    assert own[0] == pytest.approx(np.mean(cosines[-2:]), abs=1e-6)


def test_each_ear_has_a_say_of_its_own(trained):
    model, rows, song = trained
    own = {ear: of[song == 19].copy() for ear, of in rows.items()}
    own[VOICE] = rows[VOICE][song == 20]
    assert model.closest_by_ear(embedded_one(model, own)[0]) == {FEATURES: "A1", VOICE: "A2"}
    own[VOICE] = np.full_like(own[VOICE], np.nan)
    assert model.closest_by_ear(embedded_one(model, own)[0]) == {FEATURES: "A1"}


def test_a_song_is_the_mean_of_its_segments(trained):
    model, rows, song = trained
    own = {ear: of[song == 19] for ear, of in rows.items()}
    of_segments = model.predict(model.embedding.segment_points(own))
    between = (of_segments["A1"] - of_segments["A0"]).mean()
    whole = model.predict(embedded_one(model, own))
    assert (whole["A1"] - whole["A0"]).item() == pytest.approx(between, abs=1e-5)
