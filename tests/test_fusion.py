import numpy as np
import pandas as pd
import pytest

from soundalike.models import fusion
from soundalike.models.calibration import apply_temperature
from soundalike.models.fusion import Fusion, average, choose, equal, fuse


def logs(*rows: tuple[float, ...], artists: str = "ab") -> pd.DataFrame:
    """Log-probabilities of artists."""
    return np.log(pd.DataFrame(rows, columns=list(artists)))


def test_log_probabilities_are_averaged_by_weights():
    three = {"x": logs((0.9, 0.1)), "y": logs((0.2, 0.8)), "z": logs((0.5, 0.5))}
    odds = (0.9 / 0.1) ** 0.5 * (0.2 / 0.8) ** 0.25
    found = average(three, {"x": 0.5, "y": 0.25, "z": 0.25})
    assert np.exp(found).loc[0, "a"] == pytest.approx(odds / (1 + odds))
    cooler = average(three, {"x": 0.5, "y": 0.25, "z": 0.25}, 2.0)
    assert np.exp(cooler).loc[0, "a"] == pytest.approx(odds**0.5 / (1 + odds**0.5))


def test_models_of_an_ear_count_the_same_whatever_their_number():
    ears = {"one": ["x", "y"], "other": ["z"]}
    three = {"x": logs((0.9, 0.1)), "y": logs((0.9, 0.1)), "z": logs((0.1, 0.9))}
    assert np.exp(fuse(three, equal(ears))).loc[0, "a"] == pytest.approx(0.5)
    assert set(fusion.ears_of(three, equal(ears))) == set(ears)


def test_where_an_ear_is_absent_the_others_count():
    absent = logs((0.9, 0.1), (0.9, 0.1))
    absent.loc[1] = np.nan
    other = logs((0.4, 0.6), (0.4, 0.6))
    found = np.exp(average({"x": absent, "y": other}, {"x": 0.75, "y": 0.25}))
    odds = (0.9 / 0.1) ** 0.75 * (0.4 / 0.6) ** 0.25
    assert found.loc[0, "a"] == pytest.approx(odds / (1 + odds))
    assert found.loc[1, "a"] == pytest.approx(0.4)
    only = np.exp(average({"x": absent, "y": other}, {"x": 1, "y": 0}))  # a weight of 0 counts where nothing else does
    assert only["a"].tolist() == pytest.approx([0.9, 0.4])


def test_an_artist_that_an_ear_has_no_songs_of_is_judged_by_the_others():
    found = np.exp(average({"x": logs((0.5, 0.5)), "y": logs((0.2, 0.2, 0.6), artists="abc")}, {"x": 0.5, "y": 0.5}))
    assert list(found) == ["a", "b", "c"]
    assert found.loc[0, "c"] == found.loc[0].max()


def songs_and_ears(right: dict[str, float], count: int = 400) -> tuple[dict[str, pd.DataFrame], pd.Series]:
    """Ears that are right so often, each independently, and know it, but for one at chance; and the truth."""
    draw = np.random.default_rng(0)
    truth = pd.Series(draw.choice(list("ab"), count))
    made = {}
    for name, p in right.items():
        says_a = (truth == "a") == (draw.random(count) < p)
        sure = max(p, 0.8)
        made[name] = np.log(
            pd.DataFrame({"a": np.where(says_a, sure, 1 - sure), "b": np.where(says_a, 1 - sure, sure)})
        )
    return made, truth


def test_weights_go_to_the_ears_that_are_right():
    made, truth = songs_and_ears({"good": 0.9, "chance": 0.5, "fair": 0.8})
    found = choose({name: [name] for name in made}, made, truth)
    assert sum(found.weights.values()) == pytest.approx(1)
    assert all(8 * weight == round(8 * weight) for weight in found.weights.values())
    assert found.weights["good"] >= 0.5
    assert found.weights["good"] >= found.weights["fair"] > found.weights["chance"]
    fused = fuse(made, found)
    right = np.exp(fused).to_numpy()[np.arange(len(truth)), fused.columns.get_indexer(truth)]
    assert -np.log(right).mean() < 0.27  # the best ear alone: 0.33
    confidence, hit = np.exp(fused).max(axis=1), fused.idxmax(axis=1) == truth
    assert confidence.mean() == pytest.approx(hit.mean(), abs=0.03)


def test_an_ear_alone_can_have_all_the_weight():
    made, truth = songs_and_ears({"good": 0.95, "chance": 0.5})
    certain = {"good": made["good"], "chance": apply_temperature(3 * made["good"].sample(frac=1, random_state=0))}
    certain["chance"].index = made["good"].index  # confident and unrelated to the truth
    assert choose({name: [name] for name in certain}, certain, truth).weights == {"good": 1.0, "chance": 0.0}


def test_with_nothing_to_choose_by_ears_count_the_same():
    made, truth = songs_and_ears({"x": 0.9})
    assert choose({"x": ["x"], "y": ["y"]}, made, truth) == Fusion({"x": ["x"], "y": ["y"]}, {"x": 0.5, "y": 0.5})
