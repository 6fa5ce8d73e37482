"""The words of answers: what they promise, and what they cost."""

import numpy as np
import pandas as pd
import pytest
from conftest import made_up, prepared

from soundalike.evaluation import crossval, unknown
from soundalike.evaluation.crossval import UNSEEN_SONGS
from soundalike.evaluation.study import Study
from soundalike.models import open_set, specs
from soundalike.models.fusion import equal
from soundalike.models.open_set import CLOSEST, PROBABLY, SURE, UNKNOWN, OpenSet

LOGISTIC = specs.LOGISTIC
FIXED = {LOGISTIC: specs.fix(specs.specs()[LOGISTIC], {"C": 0.02}, 0.7)}
FUSION = equal({specs.FEATURES: [LOGISTIC]})  # a kept model of one member, which is soon trained


def answers(known: list[tuple[float, bool]], others: list[float], group: int = 0, repeat: int = 0) -> pd.DataFrame:
    """Answers of these probabilities (%); for songs by known artists also whether they are right.

    The songs by unknown artists are by three.
    """
    rows = [(f"k{n}", "A", repeat, group, True, True, right, "A", p / 100) for n, (p, right) in enumerate(known)]
    rows += [(f"u{n}", "BCD"[n % 3], repeat, group, True, False, False, "A", p / 100) for n, p in enumerate(others)]
    return pd.DataFrame(rows, columns=unknown.COLUMNS)


# --- thresholds ------------------------------------------------------------------------------

UNLIKE = [0.0] * 30  # songs by unknown artists that no artist is near to


def test_unknown_costs_one_right_answer_in_ten():
    chosen = open_set._choose(answers([(n, True) for n in range(40)], [0.0] * 5))
    assert chosen.unknown_below == 0.04  # 0 to 3% are lost
    assert chosen.strict_below == 0.12
    assert open_set._choose(answers([(n, True) for n in range(9)], [0.0] * 5)).unknown_below is None
    assert open_set._choose(answers([(n, True) for n in range(40)], [])).unknown_below is None


def test_sure_promises_that_nearly_all_are_right():
    right = [(100 - n, True) for n in range(30)]
    assert open_set._choose(answers(right, UNLIKE)).sure_from == 0.74  # (27 + 1) / 29 >= 0.95; lower is unknown
    wrong = [(73.5 - n, False) for n in range(10)]
    assert open_set._choose(answers(right + wrong, UNLIKE)).sure_from == 0.74
    worse = [(90.5, False)]
    assert open_set._choose(answers(right + worse, UNLIKE)).sure_from is None  # (27 + 1) / 30, and so on
    assert open_set._choose(answers(right[:17], UNLIKE)).sure_from is None  # too few
    often_wrong = [(100 - n, n % 5 > 0) for n in range(100)]
    assert open_set._choose(answers(often_wrong, UNLIKE)).sure_from is None


def test_sure_promises_to_be_said_of_few_unknown_artists():
    right = [(100 - n / 10, True) for n in range(60)]
    others = [99.55 - n for n in range(30)]  # some answers are as probable as those of known artists
    rows = answers(right, others)
    sure_from = open_set._choose(rows).sure_from
    said = rows["probability"] >= sure_from
    assert said[~rows["known"]].sum() == 3  # one in ten, and one more would be too many
    assert sure_from == pytest.approx(0.966)
    assert open_set._choose(rows, 0.05).sure_from is None  # too few songs by known artists are surer than that
    wrong = [(97 - n / 10, False) for n in range(6)]  # none that is surer than songs by unknown artists is right
    assert open_set._choose(answers(wrong + [(96 - n / 10, True) for n in range(200)], [96.4] * 30)).sure_from is None
    certain = answers(right, [100.0] * 4 + UNLIKE[:26])
    assert open_set._choose(certain).sure_from is None  # no threshold could keep it


@pytest.mark.parametrize("others", [[], UNLIKE[:19], "two artists"])
def test_sure_is_not_said_where_unknown_artists_are_not_measured(others):
    rows = answers([(100 - n, True) for n in range(30)], UNLIKE if others == "two artists" else others)
    rows = rows.replace({"artist": {"D": "C"}}) if others == "two artists" else rows
    assert open_set._choose(rows).sure_from is None


def test_repeats_are_no_more_songs():
    right = [(100 - n, True) for n in range(12)]
    rows = pd.concat([answers(right, UNLIKE[:12], repeat=repeat) for repeat in range(3)], ignore_index=True)
    assert open_set._choose(rows) == open_set._choose(rows[rows["repeat"] == 0])  # twelve, not 36
    assert open_set._choose(rows).sure_from is None


def by_groups(known: list[tuple[float, bool]], others: list[float], groups: int = 4) -> pd.DataFrame:
    """Give the same answers to several groups of artists, whose songs have names of their own."""
    rows = [answers(known, others, group=group) for group in range(groups)]
    return pd.concat([one.assign(song=f"{n}/" + one["song"]) for n, one in enumerate(rows)], ignore_index=True)


def test_the_promise_is_kept_as_measured_on_others_or_the_word_is_not_used():
    """The songs of one group are like those of others: by thresholds that let a tenth of the rest through, all are."""
    rows = by_groups([(100 - n / 10, True) for n in range(30)], list(np.linspace(50, 98, 10)))
    odd = (rows["group"] == 0) & ~rows["known"]
    rows.loc[odd, "probability"] = 0.976
    assert open_set._choose(rows[rows["group"] != 0]).sure_from < 0.976
    found = unknown.give_words(rows)
    assert (found["word"][~found["known"]] == SURE).mean() <= open_set.UNKNOWN_SURE
    assert open_set.choose(rows)[0].sure_from > 0.976
    rows.loc[odd, "probability"] = 0.999
    assert open_set.choose(rows)[0].sure_from is None


def test_unknown_is_said_only_where_it_tells_unknown_artists():
    known = [(60 + n, True) for n in range(30)]
    assert open_set.choose(by_groups(known, [30.0] * 10))[0].unknown_below is not None
    same = by_groups(known, [60 + 3 * n for n in range(10)])
    chosen, others = open_set.choose(same)
    assert chosen.unknown_below is chosen.strict_below is None
    assert all(of.unknown_below is None for of in others.values())
    assert set(chosen.words(same["probability"])) <= {CLOSEST, SURE}


def test_a_word_that_was_not_measured_is_not_used():
    """Only with both artists there are enough answers."""
    rows = [answers([(n, True) for n in range(12)], [0.0] * 5, group=group) for group in (0, 1)]
    chosen, others = open_set.choose(pd.concat(rows, ignore_index=True))
    assert chosen.sure_from is None
    assert {found.sure_from for found in others.values()} == {None}
    assert open_set.choose(rows[0])[0] == OpenSet()


def test_songs_of_artists_who_are_not_scored_choose_nothing():
    rows = answers([(n, True) for n in range(40)], [0.0] * 5)
    assert open_set._choose(
        pd.concat([rows, rows.assign(scored=False, right=False)], ignore_index=True)
    ) == open_set._choose(rows)


def test_where_both_thresholds_meet_probably_is_not_said():
    chosen, _ = open_set.choose(by_groups([(n, True) for n in range(50, 90)], [0.0] * 10))
    assert chosen.sure_from == chosen.unknown_below
    assert chosen.named == [SURE]
    assert set(chosen.words(pd.Series(np.linspace(0, 1, 101)))) == {SURE, UNKNOWN}


def test_words_follow_the_probability_and_nothing_contradicts_itself():
    p = pd.Series([0.1, 0.2, 0.3])
    assert OpenSet(0.2, 0.3, 0.3).words(p).tolist() == [UNKNOWN, PROBABLY, SURE]
    assert OpenSet(0.2, 0.3, 0.3).words(p, strict=True).tolist() == [UNKNOWN, UNKNOWN, SURE]
    assert OpenSet(0.2, 0.3, 0.3).named == [SURE, PROBABLY]
    assert OpenSet().named == [CLOSEST]
    assert set(OpenSet().words(p)) == {CLOSEST}  # no adverb where unknown artists were not measured
    assert open_set.in_words(CLOSEST, "A", artists=2) == "closest of your 2 artists: A"
    certain = open_set._choose(answers([(95 + n / 10, True) for n in range(40)], [0.0]))
    assert certain.unknown_below == certain.strict_below == open_set.CERTAIN


# --- what users get --------------------------------------------------------------------------


def test_what_users_get_is_counted():
    rows = answers([(1, True), (2, False), (3, True), (4, True)], [1.0, 5.0]).assign(
        word=[UNKNOWN, PROBABLY, PROBABLY, SURE, UNKNOWN, SURE]
    )
    assert unknown.as_shipped(rows) == {
        "known": {"songs": 4, "right": 0.5, "wrong": 0.25, "unknown": 0.25, "right_by_artist": 0.5},
        "unknown": {"songs": 2, "refused": 0.5, "called_sure": 0.5},
        SURE: {"songs": 1, "right": 1},
        PROBABLY: {"songs": 2, "right": 1},
        CLOSEST: {"songs": 0, "right": 0},
    }
    assert unknown.as_shipped(rows[rows["known"]].assign(artist=[*"AABB"]))["unknown"] is None
    assert unknown.as_shipped(rows[rows["known"]]) is None  # of one artist
    assert unknown.as_shipped(rows[:0]) is None


def test_a_word_that_is_not_used_is_not_in_the_sentence():
    known = {"songs": 20, "right": 0.7, "wrong": 0.3, "unknown": 0.0, "right_by_artist": 0.6}
    assert "unknown artist" not in open_set.shipped_in_words({"known": known, "unknown": {"refused": 0.0}})


def test_words_are_chosen_on_other_artists():
    rows = by_groups([(n + 60, True) for n in range(20)], [0.0] * 10)
    rows.loc[rows["group"] == 0, "probability"] -= 0.6  # by what the others ask for, all of these are unknown
    found = unknown.give_words(rows)
    words = found.groupby(["group", "known"])["word"].unique().map(set)
    assert words[0, True] == {UNKNOWN}
    assert words[1, True] >= {SURE}
    assert words[1, False] == {UNKNOWN}


def answered(frame: pd.DataFrame) -> pd.DataFrame:
    songs, examples = prepared(frame)
    study, (name,) = Study(songs, examples), FIXED
    kept = crossval.compare({name: specs.specs()[name]}, dict(FUSION.ears), study, repeats=1)[UNSEEN_SONGS][specs.KEPT]
    return unknown.answer_all(FIXED, FUSION, study, kept)


def test_unknown_artists_are_told_where_artists_are_far_apart():
    found = answered(made_up(artists=5, songs=8, artist_cue=0.6))
    assert found["known"].value_counts().to_dict() == {True: 40, False: 40}
    shipped = unknown.as_shipped(unknown.give_words(found))
    assert shipped["known"]["right"] >= 0.8
    assert shipped["unknown"]["refused"] > 0.7


def test_a_left_out_artist_is_answered_by_a_model_of_as_many_songs_of_the_others(monkeypatch):
    asked = []

    def watched(specs, ears, study, pairs, label):
        asked.extend((study.songs["artist"].iloc[learn], study.songs["artist"].iloc[test]) for learn, test in pairs[0])
        return crossval.predict_held_out(specs, ears, study, pairs, label)

    monkeypatch.setattr(unknown, "predict_held_out", watched)
    found = answered(made_up(artists=3, songs=10, artist_cue=1.0))
    assert len(asked) == 3
    for trained, tested in asked:
        assert not set(trained) & set(tested)
        assert set(trained.value_counts()) == {8}  # four of five folds, as songs by known artists are held out
    others = found[~found["known"]]
    assert len(others) == 30
    assert (others["closest"] != others["artist"]).all()


def test_two_artists_are_too_few_to_leave_one_out():
    found = answered(made_up(artists=2, artist_cue=1.0))
    assert found["known"].all()
    assert unknown.as_shipped(unknown.give_words(found))["unknown"] is None
