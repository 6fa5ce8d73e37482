import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from soundalike import evaluation


def answers(right: dict[str, list[bool]], **columns) -> pd.DataFrame:
    """One row for each song of some artists, and whether its answer is right."""
    rows = [(artist, f"{artist}/{n}", one) for artist, own in right.items() for n, one in enumerate(own)]
    table = pd.DataFrame(rows, columns=["artist", "recording", "right"])
    table["confidence"] = np.linspace(0, 1, len(table))
    return table.assign(**({"album": table["recording"], "scored": True, "loss": 0.5} | columns))


def test_scores_are_those_of_scikit_learn():
    draw = np.random.default_rng(1)
    table = answers({"A": draw.random(40) < 0.8, "B": draw.random(13) < 0.5, "C": draw.random(20) < 0.4})
    found = evaluation.score(table)
    predicted = table["artist"].where(table["right"], "nobody")
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        expected = balanced_accuracy_score(table["artist"], predicted)
    assert found["balanced_accuracy"] == pytest.approx(expected)
    assert found["auc"] == pytest.approx(roc_auc_score(table["right"], table["confidence"]))
    assert found["log_loss"] == 0.5
    assert set(found) == set(evaluation.METRICS)


def test_the_interval_is_as_wide_as_the_binomial_says():
    scores = evaluation.score(answers({"A": [True] * 140 + [False] * 60, "B": [False] * 60 + [True] * 140}))
    half = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert scores["balanced_accuracy"] == pytest.approx(0.7)
    assert scores["low"] == pytest.approx(0.7 - half, abs=0.008)
    assert scores["high"] == pytest.approx(0.7 + half, abs=0.008)


@pytest.mark.parametrize(("right", "ends"), [(True, (0.722, 1.0)), (False, (0.0, 0.278))])
def test_ten_songs_prove_nothing_for_certain(right, ends):
    scores = evaluation.score(answers({"A": [right] * 5, "B": [right] * 5}))
    assert (scores["low"], scores["high"]) == pytest.approx(ends, abs=1e-3)
    assert scores["auc"] is None


def test_copies_of_a_song_count_once_and_repeats_half():
    table = answers({"A": [True, False, True, True, True], "B": [True] * 5})
    table["recording"] = table["recording"].replace({"A/0": "A/1"})  # one copy right, the other wrong
    assert evaluation.score(table)["balanced_accuracy"] == pytest.approx((3.5 / 4 + 1) / 2)
    once, again = answers({"A": [True] * 5, "B": [True] * 5}), answers({"A": [False] * 5, "B": [True] * 5})
    assert evaluation.score(pd.concat([once, again]))["balanced_accuracy"] == pytest.approx(0.75)


def test_artists_of_few_songs_do_not_count():
    table = answers({"A": [True] * 5, "B": [True] * 5, "C": [False] * 2})
    table["scored"] = table["artist"] != "C"
    assert evaluation.score(table)["balanced_accuracy"] == 1
    assert evaluation.score(table[table["artist"] != "B"]) is None


@pytest.mark.parametrize(("albums", "given"), [(4, False), (5, True)])
def test_few_albums_give_no_interval(albums, given):
    table = answers({"A": [True, False] * 5, "B": [True] * 9 + [False]})
    table["album"] = [f"{n % albums}" for n in range(20)]
    scores = evaluation.score(table, by="album")
    assert [scores[name] is not None for name in ("low", "high")] == [given, given]
    assert evaluation.score(table)["low"] is not None


def test_a_paired_difference_is_narrower_than_two_intervals():
    base = np.random.default_rng(0).random(200) < 0.6
    better = base.copy()
    better[:10] = better[100:110] = True
    one, other = (answers({"A": of[:100], "B": of[100:]}) for of in (better, base))
    gain, low, high = evaluation.difference(one, other)
    scores = [evaluation.score(of) for of in (one, other)]
    assert gain == pytest.approx(scores[0]["balanced_accuracy"] - scores[1]["balanced_accuracy"])
    assert 0 <= low < gain < high < 2 * gain
    assert high - low < 0.5 * (scores[0]["high"] - scores[0]["low"])
