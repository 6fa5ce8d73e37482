import numpy as np
import pandas as pd
import pytest
from conftest import made_up
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from soundalike.evaluation import crossval, metrics
from soundalike.models import specs
from soundalike.models.model import artists_of, cooled, join

RECIPES = specs.models()
LOGISTIC = {"logistic": RECIPES["logistic regression"]}


def test_the_best_of_many_that_know_nothing_is_corrected():
    frame = made_up(songs=10)[["artist", "album", "song", "silent"]].drop_duplicates(ignore_index=True)
    draw = np.random.default_rng(0)
    truth = artists_of(frame)
    results = {"song": {}}
    for name in range(20):
        songs = pd.DataFrame(draw.random((len(truth), 3)), index=truth.index, columns=["A0", "A1", "A2"])
        results["song"][f"lot {name}"] = [crossval.Judged(songs.iloc[:0], np.log(songs))]
    best = metrics.right(results, frame).mean().max()
    expected, low, high = metrics.corrected(results, frame).values()
    assert best > 0.42
    assert low < 1 / 3 < high
    assert expected < best - 0.05
    sure = 1e-6 + pd.get_dummies(truth).astype(float)
    results["song"]["loudness alone"] = [crossval.Judged(songs.iloc[:0], np.log(sure))]
    assert metrics.corrected(results, frame)["balanced accuracy"] == expected  # a control is never chosen


def test_copies_of_a_song_count_once():
    frame = made_up(artists=2, songs=4)
    frame["recording"] = frame["song"].replace({"A0/0.mp3": "A0/1.mp3"})
    p = pd.DataFrame({"A0": [0.9, 0.1, 0.9, 0.9] + 4 * [0.1]}, index=frame["song"].unique())
    judged = crossval.Judged(frame.iloc[:0], np.log(p.assign(A1=1 - p["A0"])))
    hits = metrics.right({"song": {"x": [judged]}}, frame)["x"]
    assert hits.loc["A0/1.mp3"] == 0.5  # one copy is right, the other wrong
    assert len(hits) == 7
    assert hits.drop("A0/1.mp3").eq(1).all()


def test_measures_are_those_of_scikit_learn():
    draw = np.random.default_rng(1)
    truth = pd.Series(draw.choice(list("abc"), 200, p=[0.6, 0.3, 0.1]))
    logs = cooled(pd.DataFrame(draw.normal(size=(200, 3)), columns=list("abc")))
    found = metrics.measure(truth, logs, pd.Series(np.arange(200)))
    given = logs.idxmax(axis=1)
    assert found["balanced accuracy"] == pytest.approx(balanced_accuracy_score(truth, given))
    assert found["macro-F1"] == pytest.approx(f1_score(truth, given, average="macro"))
    assert found["log-loss"] == pytest.approx(log_loss(truth, np.exp(logs), labels=list("abc")))


def test_the_interval_is_as_wide_as_the_binomial_says():
    truth = pd.Series(["a"] * 100 + ["b"] * 100)
    sure = np.tile([0.9, 0.1], (200, 1))
    sure[30:100] = sure[100:130] = [0.9, 0.1]
    sure[:30] = sure[130:] = [0.1, 0.9]  # 70 of 100 right in both
    logs = np.log(pd.DataFrame(sure, columns=["a", "b"]))
    found = metrics.measure(truth, logs, pd.Series(np.arange(200)), resamples=20_000)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 200)
    assert found["balanced accuracy"] == pytest.approx(0.7)
    assert found["balanced accuracy low"] == pytest.approx(0.7 - half, abs=0.004)
    assert found["balanced accuracy high"] == pytest.approx(0.7 + half, abs=0.004)


@pytest.mark.parametrize(("right", "ends"), [(1.0, (0.722, 1.0)), (0.0, (0.0, 0.278))])
def test_ten_songs_prove_nothing_for_certain(right, ends):
    truth = pd.Series(["A", "B"] * 5)
    p = np.where((truth == "A") == bool(right), 0.9, 0.1)
    found = metrics.measure(truth, np.log(pd.DataFrame({"A": p, "B": 1 - p})), pd.Series(range(10)))
    assert found["balanced accuracy"] == right
    assert (found["balanced accuracy low"], found["balanced accuracy high"]) == pytest.approx(ends, abs=1e-3)


def test_clips_of_a_song_are_drawn_together():
    truth = pd.Series(["a", "b"] * 200)
    songs = pd.Series(np.arange(400) // 20 * 2 + np.arange(400) % 2)  # twenty songs of each
    right = songs % 4 < 2  # a song's clips are right or wrong as one
    logs = np.log(
        pd.DataFrame(
            {"a": np.where(right == (truth == "a"), 0.9, 0.1), "b": np.where(right == (truth == "a"), 0.1, 0.9)}
        )
    )
    by_song, by_clip = (metrics.measure(truth, logs, groups) for groups in (songs, pd.Series(np.arange(400))))
    width = [found["balanced accuracy high"] - found["balanced accuracy low"] for found in (by_song, by_clip)]
    assert width[0] > 2.5 * width[1]  # the root of ten


def test_joins_are_compared():
    frame = made_up(artist_cue=0.3)
    found = metrics.joins(crossval.compare(LOGISTIC, frame), frame)
    assert list(found.columns) == ["log", "mean", "vote"]
    assert (found > 0.6).all(axis=None)


def test_reliability_of_answers_that_are_as_sure_as_right():
    frame = made_up(artists=2, songs=500, clips=1)[["artist", "album", "song", "silent"]]
    draw = np.random.default_rng(0)
    truth = artists_of(frame)
    sure = draw.uniform(0.5, 1, len(truth))
    right = draw.random(len(truth)) < sure
    p = np.where((truth == "A0") == right, sure, 1 - sure)
    judged = crossval.Judged(frame.iloc[:0], np.log(pd.DataFrame({"A0": p, "A1": 1 - p}, index=truth.index)))
    bins = metrics.reliability([judged], frame)
    assert bins["songs"].sum() == 1000
    assert (abs(bins["confidence"] - bins["right"]) < 0.1).all()
    assert len(bins) == 6
    few = frame[frame["song"].str.contains(r"/\d\.mp3")]  # ten songs of each
    judged = judged._replace(songs=judged.songs.loc[few["song"].unique()])
    assert metrics.reliability([judged], few)["songs"].tolist() == [10, 10]  # bins of three would say nothing


def test_each_column_shows_its_own_score():
    columns = {
        "songs never heard": ("song", "song"),
        "their clips": ("song", "clip"),
        "songs of albums never heard": ("album", "song"),
        "LEAKY: random clips": ("clip", "clip"),
    }
    rows = {}
    for place, dealt in enumerate([*columns.values(), ("album heard", "song"), ("album", "clip")], start=1):
        rows["x", *dealt] = {f"{name}{end}": place / 10 for name in metrics.WORTH for end in ("", " low", " high")}
    scores = pd.DataFrame.from_dict(rows, orient="index")
    scores.index = pd.MultiIndex.from_tuples(scores.index, names=["model", "dealt by", "judged by"])
    told = metrics.readable(scores).loc["x"]
    for place, title in enumerate(columns, start=1):
        assert told[title].startswith(f"{place / 10:.2f} ("), title


def test_an_album_says_the_mean_of_what_its_songs_say():
    frame = made_up(artists=2, songs=4, albums=2, clips=1)
    p = pd.DataFrame({"A0": [0.9, 0.2, 0.4, 0.3] + [0.1] * 4}, index=frame["song"].unique())
    judged = crossval.Judged(frame.iloc[:0], np.log(p.assign(A1=1 - p["A0"])))
    truth, logs, groups = metrics.items([judged], frame, "album")
    odds = [np.sqrt(p / (1 - p) * q / (1 - q)) for p, q in ((0.9, 0.4), (0.2, 0.3))]  # every other song is of the album
    np.testing.assert_allclose(np.exp(logs["A0"]).iloc[:2], [odd / (1 + odd) for odd in odds])
    assert groups.tolist() == ["A0/Album 0", "A0/Album 1", "A1/Album 0", "A1/Album 1"]
    assert truth.tolist() == ["A0", "A0", "A1", "A1"]


def test_each_way_of_joining_is_its_own():
    frame = made_up(artists=2, songs=1, clips=3)[["artist", "album", "song", "silent"]]
    clips = pd.DataFrame({"A0": [0.9, 0.4, 0.4, 0.8, 0.8, 0.01]}).assign(A1=lambda table: 1 - table["A0"])
    judged = crossval.Judged(np.log(clips), join(np.log(clips), frame["song"]))
    found = metrics.joins({"song": {"x": [judged]}}, frame).loc["x"]
    assert found.to_dict() == {"log": 1, "mean": 0.5, "vote": 0}


def test_rows_are_the_artists_and_columns_whom_songs_were_given_to():
    frame = made_up(artists=2, songs=3)
    p = pd.DataFrame({"A0": [0.9, 0.2, 0.3, 0.1, 0.1, 0.1]}, index=frame["song"].unique())
    judged = crossval.Judged(frame.iloc[:0], np.log(p.assign(A1=1 - p["A0"])))
    assert metrics.confusion(judged, frame).to_numpy().tolist() == [[1, 2], [0, 3]]
