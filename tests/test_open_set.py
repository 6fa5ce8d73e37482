"""The words of answers: what they promise, and what they cost."""

import numpy as np
import pandas as pd
import pytest

from soundalike import recogniser
from soundalike.recogniser import CLOSEST, EITHER, OTHERS, PROBABLY, SURE, UNKNOWN, OpenSet
from soundalike.wording import in_words, shipped_in_words

COLUMNS = ["song", "artist", "repeat", "block", "scored", "known", "right", "closest", "confidence"]


def answers(known: list[tuple[float, bool]], others: list[float], block: int = 0, repeat: int = 0) -> pd.DataFrame:
    """Answers of these confidences (%), and as probable; for songs by known artists also whether they are right.

    The songs by unknown artists are by three.
    """
    rows = [(f"k{n}", "A", repeat, block, True, True, right, "A", p / 100) for n, (p, right) in enumerate(known)]
    rows += [(f"u{n}", "BCD"[n % 3], repeat, block, True, False, False, "A", p / 100) for n, p in enumerate(others)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(probability=table["confidence"], among=table["right"])


def give_words(rows: pd.DataFrame) -> pd.DataFrame:
    return recogniser.give_words(rows, recogniser.choose(rows)[1])


# --- thresholds ------------------------------------------------------------------------------

UNLIKE = [0.0] * 30  # songs by unknown artists that no artist is near to


def test_unknown_costs_one_right_answer_in_ten():
    chosen = recogniser.choose_on(answers([(n, True) for n in range(40)], [0.0] * 5))
    assert chosen.unknown_below == 0.04  # 0 to 3% are lost
    assert chosen.strict_below == 0.12
    assert recogniser.choose_on(answers([(n, True) for n in range(9)], [0.0] * 5)).unknown_below == 0  # none is lost
    assert recogniser.choose_on(answers([(n, True) for n in range(4)], [0.0] * 5)).unknown_below is None
    assert recogniser.choose_on(answers([(n, True) for n in range(40)], [])).unknown_below is None


def test_sure_promises_that_nearly_all_are_right():
    right = [(100 - n, True) for n in range(30)]
    assert recogniser.choose_on(answers(right, UNLIKE)).sure_from == 0.74  # (27 + 1) / 29 >= 0.95; lower is unknown
    wrong = [(73.5 - n, False) for n in range(10)]
    assert recogniser.choose_on(answers(right + wrong, UNLIKE)).sure_from == 0.74
    worse = [(90.5, False)]
    assert recogniser.choose_on(answers(right + worse, UNLIKE)).sure_from is None  # (27 + 1) / 30, and so on
    assert recogniser.choose_on(answers(right[:17], UNLIKE)).sure_from is None  # too few
    often_wrong = [(100 - n, n % 5 > 0) for n in range(100)]
    assert recogniser.choose_on(answers(often_wrong, UNLIKE)).sure_from is None


def test_sure_promises_to_be_said_of_few_unknown_artists():
    right = [(100 - n / 10, True) for n in range(60)]
    others = [99.55 - n for n in range(30)]  # some answers are as probable as those of known artists
    rows = answers(right, others)
    sure_from = recogniser.choose_on(rows).sure_from
    said = rows["confidence"] >= sure_from
    assert said[~rows["known"]].sum() == 3  # one in ten, and one more would be too many
    assert sure_from == pytest.approx(0.966)
    assert recogniser.choose_on(rows, 0.05).sure_from is None  # too few songs by known artists are surer than that
    wrong = [(97 - n / 10, False) for n in range(6)]  # none that is surer than songs by unknown artists is right
    assert (
        recogniser.choose_on(answers(wrong + [(96 - n / 10, True) for n in range(200)], [96.4] * 30)).sure_from is None
    )
    certain = answers(right, [100.0] * 4 + UNLIKE[:26])
    assert recogniser.choose_on(certain).sure_from is None  # no threshold could keep it


@pytest.mark.parametrize("others", [[], UNLIKE[:19], "one artist"])
def test_sure_is_not_said_where_unknown_artists_are_not_measured(others):
    rows = answers([(100 - n, True) for n in range(30)], UNLIKE if others == "one artist" else others)
    rows = rows.replace({"artist": {"D": "B", "C": "B"}}) if others == "one artist" else rows
    assert recogniser.choose_on(rows).sure_from is None


def test_repeats_are_no_more_songs():
    right = [(100 - n, True) for n in range(12)]
    rows = pd.concat([answers(right, UNLIKE[:12], repeat=repeat) for repeat in range(3)], ignore_index=True)
    assert recogniser.choose_on(rows) == recogniser.choose_on(rows[rows["repeat"] == 0])  # twelve, not 36
    assert recogniser.choose_on(rows).sure_from is None


def by_blocks(known: list[tuple[float, bool]], others: list[float], blocks: int = 4) -> pd.DataFrame:
    """Give the same answers to several blocks, whose songs have names of their own."""
    rows = [answers(known, others, block=block).replace({"artist": {"A": f"A{block}"}}) for block in range(blocks)]
    return pd.concat([one.assign(song=f"{n}/" + one["song"]) for n, one in enumerate(rows)], ignore_index=True)


def test_the_promise_is_kept_as_measured_on_others_or_the_word_is_not_used():
    """The songs of one group are like those of others: by thresholds that let a tenth of the rest through, all are."""
    rows = by_blocks([(100 - n / 10, True) for n in range(30)], list(np.linspace(50, 98, 10)))
    odd = (rows["block"] == 0) & ~rows["known"]
    rows.loc[odd, "confidence"] = 0.976
    assert recogniser.choose_on(rows[rows["block"] != 0]).sure_from < 0.976
    found = give_words(rows)
    assert (found["word"][~found["known"]] == SURE).mean() <= recogniser.UNKNOWN_SURE
    assert recogniser.choose(rows)[0].sure_from > 0.976
    rows.loc[odd, "confidence"] = 0.999
    assert recogniser.choose(rows)[0].sure_from is None


def test_unknown_is_said_only_where_it_tells_unknown_artists():
    known = [(60 + n, True) for n in range(30)]
    assert recogniser.choose(by_blocks(known, [30.0] * 10))[0].unknown_below is not None
    same = by_blocks(known, [60 + 3 * n for n in range(10)])
    chosen, others = recogniser.choose(same)
    assert chosen.unknown_below is chosen.strict_below is None
    assert all(of.unknown_below is None for of in others.values())
    assert set(chosen.word_of(same)) <= {PROBABLY, EITHER}
    assert chosen.sure_from is None


def test_an_artist_without_whom_nobody_is_sure_gets_no_sure_answer():
    """Half of the songs are by the artists of one group, and without them there are too few to promise anything."""
    rows = by_blocks([(100 - n, True) for n in range(15)], UNLIKE[:12], blocks=2)
    many = answers([(100 - n, True) for n in range(30)], UNLIKE, block=2)
    rows = pd.concat([rows, many.assign(song="2/" + many["song"])], ignore_index=True)
    chosen, others = recogniser.choose(rows)
    assert chosen.sure_from is not None
    assert [of.sure_from is None for of in others.values()] == [False, False, False]
    fewer = rows[~((rows["block"] == 1) & rows["known"])]
    chosen, others = recogniser.choose(fewer)
    assert chosen.sure_from is not None
    assert others[2].sure_from is None
    words = give_words(fewer)
    assert SURE not in set(words.loc[words["block"] == 2, "word"])
    assert SURE in set(words["word"])


def test_songs_of_artists_who_are_not_scored_choose_nothing():
    rows = answers([(n, True) for n in range(40)], [0.0] * 5)
    assert recogniser.choose_on(
        pd.concat([rows, rows.assign(scored=False, right=False)], ignore_index=True)
    ) == recogniser.choose_on(rows)


def test_probably_promises_three_in_four():
    rows = answers([(100 - n, True) for n in range(30)] + [(60 - n, n % 2 > 0) for n in range(40)], [78.5] * 30)
    chosen = recogniser.choose_on(rows)
    assert chosen.sure_from == pytest.approx(0.79)
    named = rows[rows["known"] & (rows["confidence"] < 0.79) & (rows["probability"] >= chosen.probably_from)]
    assert (named["right"].sum() + 1) / (len(named) + 2) >= 0.75
    assert chosen.probably_from < 0.6
    often_wrong = answers([(100 - n, n % 2 > 0) for n in range(60)], UNLIKE)
    assert recogniser.choose_on(often_wrong).probably_from is None


def test_probably_is_not_said_where_probabilities_say_nothing():
    """Half of the answers are right, however probable."""
    said = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        known = [(100 * draw.random(), draw.random() < 0.5) for _ in range(40)]
        rows = by_blocks(known, [0.0] * 5)
        rows["right"] = np.where(rows["known"], draw.random(len(rows)) < 0.5, False)
        said += recogniser.choose(rows)[0].probably_from is not None
    assert said <= 4


def test_words_come_in_order():
    rows = pd.DataFrame({"confidence": [0.1, 0.2, 0.3, 0.2], "probability": [0.9, 0.6, 0.4, 0.4]})
    chosen = OpenSet(0.2, 0.3, 0.3, 0.5)
    assert chosen.word_of(rows).tolist() == [UNKNOWN, PROBABLY, SURE, EITHER]
    assert chosen.word_of(rows, strict=True).tolist() == [UNKNOWN, UNKNOWN, SURE, UNKNOWN]
    assert OpenSet(0.2, 0.3).word_of(rows).tolist() == [UNKNOWN, EITHER, EITHER, EITHER]
    assert set(OpenSet(sure_from=0.1).word_of(rows)) == {CLOSEST}  # no adverb where unknown artists were not measured


def test_an_answer_in_words():
    assert in_words(CLOSEST, ["A", "B"], artists=2) == "closest of your 2 artists: A"
    assert in_words(SURE, ["A", "B"]) == "sure: A"
    assert in_words(PROBABLY, ["A", "B"]) == "probably A (or B)"
    assert in_words(EITHER, ["A", "B"]) == "A or B"
    assert in_words(EITHER, ["A", "B", "C"]) == "A, B or C"
    assert in_words(UNKNOWN, ["A", "B"]) == "unknown artist? closest A"


def test_witnesses_are_of_the_artists_alone_and_the_cohort_lowers_confidence():
    shares = pd.DataFrame([[0.5, 0.4, 0.06, 0.04], [0.1, 0.3, 0.3, 0.3]], columns=[OTHERS, "A", "B", "C"])
    table = recogniser.answer_table(np.log(shares), np.array([0.2, 0.1]))
    assert table["closest"].tolist() == ["A", "A"]
    assert table["probability"].tolist() == pytest.approx([0.8, 1 / 3])
    assert table["others"].tolist() == pytest.approx([0.5, 0.1])
    near = recogniser.NEARNESS * np.array([0.2, 0.1])
    assert table["confidence"].tolist() == pytest.approx([0.4 + near[0], 0.3 + near[1]])
    assert table["either"].tolist() == [("A", "B"), ("A", "B", "C")]
    without = recogniser.answer_table(np.log(shares[["A", "B", "C"]]), np.array([0.2, 0.1]))
    assert without["probability"].tolist() == pytest.approx([0.8, 1 / 3])
    assert (without["others"] == 0).all()


# --- what users get --------------------------------------------------------------------------


def test_what_users_get_is_counted():
    rows = answers([(1, True), (2, False), (3, True), (4, True), (5, False)], [1.0, 5.0]).assign(
        word=[UNKNOWN, PROBABLY, PROBABLY, SURE, EITHER, UNKNOWN, SURE]
    )
    rows.loc[rows["word"] == EITHER, "among"] = True
    assert recogniser.as_shipped(rows) == {
        "known": {"songs": 5, "right": 0.4, "wrong": 0.2, "either": 0.2, "unknown": 0.2, "right_by_artist": 0.4},
        "unknown": {"songs": 2, "refused": 0.5, "called_sure": 0.5},
        SURE: {"songs": 1, "right": 1},
        PROBABLY: {"songs": 2, "right": 1},
        EITHER: {"songs": 1, "right": 1},
        CLOSEST: {"songs": 0, "right": 0},
    }
    known = rows[rows["known"]]
    assert recogniser.as_shipped(known.assign(artist=[*"AABBB"]))["unknown"] is None
    assert recogniser.as_shipped(known) is None  # of one artist
    assert recogniser.as_shipped(rows[:0]) is None


def test_a_word_that_is_not_used_is_not_in_the_sentence():
    known = {"songs": 20, "right": 0.7, "wrong": 0.3, "either": 0.0, "unknown": 0.0, "right_by_artist": 0.6}
    assert "unknown artist" not in shipped_in_words({"known": known, "unknown": {"refused": 0.0}})


def test_words_are_chosen_on_other_artists():
    rows = by_blocks([(n + 60, True) for n in range(20)], [0.0] * 10)
    rows.loc[rows["block"] == 0, "confidence"] -= 0.6  # by what the others ask for, all of these are unknown
    found = give_words(rows)
    words = found.groupby(["block", "known"])["word"].unique().map(set)
    assert words[0, True] == {UNKNOWN}
    assert words[1, True] >= {SURE}
    assert words[1, False] == {UNKNOWN}
