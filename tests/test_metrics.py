import numpy as np
import pandas as pd
import pytest
from conftest import made_up
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from soundalike.dataset.splits import song_table
from soundalike.evaluation import metrics
from soundalike.evaluation.crossval import UNSEEN_ALBUMS, UNSEEN_SONGS, Predictions
from soundalike.models import specs
from soundalike.models.calibration import apply_temperature

NONE = pd.DataFrame()


def predictions(probabilities: pd.DataFrame, **more) -> Predictions:
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities)
    return Predictions(logs, NONE, pd.Series(dtype=object), more.get("settings", []))


def two_artists(p_first: list[float], songs: int = 0) -> tuple[pd.DataFrame, Predictions]:
    """As many songs of A0 as of A1, and for each the probability of A0."""
    table, _ = song_table(made_up(artists=2, songs=songs or len(p_first) // 2, clips=1))
    return table.sort_values("place"), predictions(
        pd.DataFrame({"A0": p_first}, index=table.index).assign(A1=lambda t: 1 - t["A0"])
    )


def test_scores_are_those_of_scikit_learn():
    songs, _ = song_table(made_up(artists=3, songs=40, clips=1))
    songs = pd.concat([songs[songs["artist"] == "A0"], songs[songs["artist"] != "A0"].iloc[::3]])
    draw = np.random.default_rng(1)
    logits = pd.DataFrame(draw.normal(size=(len(songs), 3)), index=songs.index, columns=["A0", "A1", "A2"])
    logs = apply_temperature(logits)
    found = metrics.score([predictions(np.exp(logs))], songs)
    right = logs.idxmax(axis=1) == songs["artist"]
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(songs["artist"], logs.idxmax(axis=1)))
    assert found["log_loss"] == pytest.approx(log_loss(songs["artist"], np.exp(logs), labels=["A0", "A1", "A2"]))
    assert found["auc"] == pytest.approx(roc_auc_score(right, logs.max(axis=1)))


def test_the_interval_is_as_wide_as_the_binomial_says():
    songs, found = two_artists([0.9] * 140 + [0.1] * 60 + [0.9] * 60 + [0.1] * 140)  # 70% right of both
    scores = metrics.score([found], songs)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert scores["balanced_accuracy"] == pytest.approx(0.7)
    assert scores["low"] == pytest.approx(0.7 - half, abs=0.008)
    assert scores["high"] == pytest.approx(0.7 + half, abs=0.008)


@pytest.mark.parametrize(("p", "ends"), [(0.9, (0.722, 1.0)), (0.1, (0.0, 0.278))])
def test_ten_songs_prove_nothing_for_certain(p, ends):
    songs, found = two_artists([p] * 5 + [1 - p] * 5)
    scores = metrics.score([found], songs)
    assert (scores["low"], scores["high"]) == pytest.approx(ends, abs=1e-3)
    assert scores["auc"] is None


def test_copies_of_a_song_count_once_and_are_drawn_together():
    songs, found = two_artists([0.9, 0.1, 0.9, 0.9, 0.9] + [0.1] * 5)
    songs["recording"] = songs["recording"].replace({"A0/0.mp3": "A0/1.mp3"})  # one copy right, the other wrong
    assert metrics.score([found], songs)["balanced_accuracy"] == pytest.approx((3.5 / 4 + 1) / 2)


def test_repeats_count_half():
    songs, found = two_artists([0.9] * 5 + [0.1] * 5)
    other = two_artists([0.1] * 5 + [0.1] * 5)[1]
    assert metrics.score([found, other], songs)["balanced_accuracy"] == pytest.approx(0.75)


@pytest.mark.parametrize(("albums", "given"), [(4, False), (5, True)])
def test_few_albums_give_no_interval(albums, given):
    songs, _ = song_table(made_up(artists=2, songs=10, albums=albums, clips=1))
    p = np.where(songs["artist"] == "A0", 0.9, 0.1)
    p[::7] = 1 - p[::7]
    found = predictions(pd.DataFrame({"A0": p, "A1": 1 - p}, index=songs.index))
    scores = metrics.score([found], songs, by=UNSEEN_ALBUMS)
    assert [scores[name] is not None for name in ("low", "high")] == [given, given]
    assert metrics.score([found], songs)["low"] is not None


def test_where_nothing_differs_either_may_be_better():
    songs, found = two_artists([0.9, 0.2, 0.3, 0.9, 0.1, 0.1, 0.1, 0.1])
    value, low, high = metrics.difference([found], [found], songs)
    assert (value, low) == (0, -high)
    assert 0.1 < high < 0.5


def test_a_paired_difference_is_narrower_than_two_intervals():
    draw = np.random.default_rng(0)
    base = np.where(draw.random(200) < 0.6, 0.9, 0.1)
    base[100:] = 1 - base[100:]
    better = base.copy()
    better[:10], better[100:110] = 0.9, 0.1
    songs, one = two_artists(list(better))
    _, other = two_artists(list(base))
    gain, low, high = metrics.difference([one], [other], songs)
    scores = [metrics.score([found], songs) for found in (one, other)]
    assert gain == pytest.approx(scores[0]["balanced_accuracy"] - scores[1]["balanced_accuracy"])
    assert 0 <= low < gain < high < 2 * gain
    assert high - low < 0.5 * (scores[0]["high"] - scores[0]["low"])


def test_calibration_has_a_sign():
    songs, bold = two_artists([0.9] * 50 + [0.1] * 50)  # confident by 0.9, and always right
    off, low, high = metrics.calibration([bold], songs)
    assert (off, low, high) == pytest.approx((-0.1, -0.1, -0.1))
    wrong = two_artists(([0.9] * 25 + [0.1] * 25) + ([0.1] * 25 + [0.9] * 25))[1]  # right half of the time
    off, low, high = metrics.calibration([wrong], songs)
    assert off == pytest.approx(0.4)
    assert 0.2 < low < 0.35 < 0.45 < high < 0.6
    assert np.isnan(metrics.calibration([wrong], songs, by=UNSEEN_ALBUMS)[1:]).all()  # of one album each


def test_reliability_of_predictions_that_are_as_confident_as_right():
    songs, _ = song_table(made_up(artists=2, songs=500, clips=1))
    draw = np.random.default_rng(0)
    confidence = draw.uniform(0.5, 1, len(songs))
    right = draw.random(len(songs)) < confidence
    p = np.where((songs["artist"] == "A0") == right, confidence, 1 - confidence)
    found = predictions(pd.DataFrame({"A0": p, "A1": 1 - p}, index=songs.index))
    bins = metrics.reliability([found], songs)
    assert bins["songs"].sum() == 1000
    assert (abs(bins["confidence"] - bins["right"]) < 0.1).all()
    assert len(bins) == 6
    assert ((bins["low"] < bins["right"]) & (bins["right"] < bins["high"])).all()
    again = metrics.reliability([found, found], songs)  # a repeat adds no songs
    assert (abs(again["songs"] - bins["songs"]) <= 1).all()
    pd.testing.assert_frame_equal(again.drop(columns="songs"), bins.drop(columns="songs"), atol=0.02)
    few = found._replace(songs=found.songs.iloc[[*range(20), *range(500, 520)]])
    assert metrics.reliability([few], songs).empty  # two bins would say nothing


def test_rows_are_the_artists_and_columns_the_predictions():
    songs, found = two_artists([0.9, 0.2, 0.3, 0.9, 0.1, 0.1, 0.1, 0.1])
    assert metrics.confusion(metrics.song_hits([found], songs)).to_numpy().tolist() == [[2, 2], [0, 4]]


def test_of_many_artists_those_with_most_mistakes_are_shown():
    hits = pd.DataFrame({"artist": [*"ABCDE"], "predicted": [*"ABDCE"]}).assign(right=[True, True, False, False, True])
    table = metrics.confusion(hits, most=3)
    assert list(table.index) == ["A", "C", "D"]
    assert list(table.columns) == ["A", "C", "D", metrics.OTHERS]
    assert table.loc["C", "D"] == table.loc["D", "C"] == table.loc["A", "A"] == 1
    elsewhere = pd.DataFrame({"artist": [*"AAB"], "predicted": [*"CAB"], "right": [False, True, True]})
    assert metrics.confusion(elsewhere, most=1).loc["A"].to_dict() == {"A": 1, metrics.OTHERS: 1}
    alike = hits.assign(predicted=hits["artist"], right=True)
    assert metrics.confusion(alike, most=2).to_numpy().tolist() == [[1, 0, 0], [0, 1, 0]]


def test_an_edge_of_a_grid_warns():
    grid = specs.specs()[specs.LOGISTIC].grid["C"]
    settings = [{"C": grid[-1]}, {"C": grid[2]}, {"C": grid[-1]}]
    results = {UNSEEN_SONGS: {specs.LOGISTIC: [predictions(NONE, settings=settings)], specs.KEPT: [predictions(NONE)]}}
    (reported,) = metrics.edges(results, specs.specs())
    assert reported.startswith(f"{specs.LOGISTIC} chose C = {grid[-1]}, the edge of its grid, in 2 of 3 folds")
    inside = {UNSEEN_SONGS: {specs.LOGISTIC: [predictions(NONE, settings=settings[1:2])]}}
    assert not list(metrics.edges(inside, specs.specs()))
