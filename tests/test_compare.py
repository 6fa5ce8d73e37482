"""The comparison of two versions of the code: figures with known answers."""

import importlib
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import made_up, write_library
from scipy.stats import ttest_1samp

from soundalike.library import PROJECT

sys.path.insert(0, str(PROJECT / "benchmarks"))

compare = importlib.import_module("compare")

NAMES = list(compare.FIGURES)


def answered(right: dict[str, list[bool]], word: str = "sure") -> pd.DataFrame:
    """Answers for the songs of some artists: right ones are more confident, those for unknown artists less."""
    rows = []
    for artist, hits in right.items():
        for n, hit in enumerate(hits):
            song = {"song": f"{artist}/{n}", "artist": artist, "repeat": 0, "alike": hit}
            rows.append(song | {"known": True, "right": hit, "confidence": 0.8 + n / 100, "word": word, "loss": 0.5})
            rows.append(song | {"known": False, "right": False, "confidence": 0.3, "word": "unknown", "loss": np.nan})
    return pd.DataFrame(rows)


def test_figures_are_what_they_are_called():
    answers = answered({"A": [True] * 4, "B": [True, False]})
    figures = dict(zip(NAMES, compare.measure(answers), strict=True))
    assert figures == pytest.approx({
        "balanced accuracy": 0.75,
        "log-loss (nats)": 0.5,
        "AUC, right against unknown artists": 1.0,
        "unknown refused at the price of 10% of the right": 1.0,
        "unknown artists called sure": 0.0,
        "known artists called sure": 1.0,
        "of these right": 5 / 6,
        "nearest song by the same artist": 5 / 6,
    })  # fmt: skip


def test_the_interval_over_artists_is_that_of_their_mean():
    of_artists = {"A": [True, False], "B": [True] * 4, "C": [True, False, False, False], "D": [True, True, False]}
    low, high = compare.interval_over_artists(answered(of_artists))[:, 0]
    ends = ttest_1samp([np.mean(hits) for hits in of_artists.values()], 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((ends.low, min(ends.high, 1)))


def test_the_same_answers_do_not_differ_and_better_ones_do(monkeypatch):
    monkeypatch.setattr(compare, "RESAMPLES", 100)
    old = answered({"A": [True, False] * 4, "B": [True, False] * 4})
    new = answered({"A": [True] * 8, "B": [True] * 8})
    assert (compare.paired_intervals(old, old) == 0).all()
    low, high = compare.paired_intervals(old, new)[:, 0]
    assert 0 < low < 0.5 < high
    said = compare.compare(old, new[new["song"] != "A/0"], ("before", "after"))
    assert "15 songs that both answer for (before: 16, after: 15)" in said


def test_folds_are_written_once(tmp_path):
    library = tmp_path / "library"
    write_library(library, made_up(artists=3, songs=6, clips=9))
    folds = compare.write_folds(library, tmp_path / "folds.csv")
    assert folds.filter(like="fold ").shape == (18, compare.REPEATS)
    folds["fold 0"] = 7
    folds.to_csv(tmp_path / "folds.csv")
    assert (compare.write_folds(library, tmp_path / "folds.csv")["fold 0"] == 7).all()


def test_a_commit_that_is_not_there_is_said_to_be(tmp_path):
    with pytest.raises(SystemExit, match="no-such-commit"):
        compare.main(["no-such-commit", "--songs", str(tmp_path)])
