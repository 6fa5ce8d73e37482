"""The word of an answer: sure, probably, or unknown artist.

*Sure* is a promise, and *unknown artist* has a price. Both are thresholds of the probability of the closest artist,
chosen on songs held out of training, some of them with all songs by their artist, see `evaluation.unknown`. How near a
song is to the artist's songs, how far ears and clips agree, and margins of single models show artists that are not in
the library no better than that probability does (benchmarks/README.md).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli

SURE, PROBABLY, UNKNOWN = "sure", "probably", "unknown"  # the words
COST, STRICT_COST = 0.1, 0.3  # of the right answers are lost to "unknown artist", at most: as a rule, and if asked to
PROMISE = 0.95  # of the answers called sure are right, at least: (right + 1) / (answers + 2)
ENOUGH = 20  # answers, at least, are called sure; and half as many are right, for artists to be called unknown
CERTAIN = 0.9  # an artist of this probability is not called unknown: the answer would contradict itself


class OpenSet(NamedTuple):
    """The probabilities at which an answer gets another word; None where a word is not used."""

    unknown_below: float | None = None
    strict_below: float | None = None  # the same where it is asked to be strict
    sure_from: float | None = None

    def words(self, probability: pd.Series, *, strict: bool = False) -> pd.Series:
        """Return the word for each answer, by the probability of the closest artist."""
        words, below = pd.Series(PROBABLY, probability.index), self.strict_below if strict else self.unknown_below
        if self.sure_from is not None:
            words[probability >= self.sure_from] = SURE
        if below is not None:
            words[probability < below] = UNKNOWN
        return words


def in_words(word: str, closest: str, following: str = "") -> str:
    """Say an answer: its word, the closest artist, and maybe the next."""
    return {
        SURE: f"sure: {closest}",
        PROBABLY: f"probably {closest}" + (f" (or {following})" if following else ""),
        UNKNOWN: f"unknown artist? closest {closest}",
    }[word]


def shipped_in_words(found: dict) -> str:
    """Say in a sentence what users get, see `evaluation.unknown.as_shipped`."""
    known, others = found["known"], found["unknown"]
    said = (
        f"Of {cli.counted(known['songs'], 'song')} held out of training {known['right']:.0%} were named rightly and "
        f"{known['wrong']:.0%} wrongly"
    )
    if others and (known["unknown"] or others["refused"]):
        said += (
            f'; {known["unknown"]:.0%} were called "unknown artist?", and so were {others["refused"]:.0%} of songs by '
            "artists not in the library"
        )
    return f"{said}."


def choose(answers: pd.DataFrame) -> tuple[OpenSet, dict[int, OpenSet]]:
    """Choose the thresholds, and without each group of artists those for that group.

    Parameters
    ----------
    answers : pd.DataFrame
        For songs held out of training, from `evaluation.unknown.answer_all`.

    Returns
    -------
    chosen : OpenSet
        A word is used only if it could be measured: if there is a threshold without any of the groups, too.
    others : dict of int to OpenSet
        For each group, what the other artists ask for.
    """
    groups = {group: _choose(answers[answers["group"] != group]) for group in answers["group"].unique()}
    used = [None not in values for values in zip(*groups.values(), strict=True)] or [False] * len(OpenSet._fields)

    def keep(thresholds: OpenSet) -> OpenSet:
        return OpenSet(*(value if kept else None for value, kept in zip(thresholds, used, strict=True)))

    return keep(_choose(answers)), {group: keep(found) for group, found in groups.items()}


def _choose(answers: pd.DataFrame) -> OpenSet:
    """Choose the thresholds by the answers for songs of scored artists."""
    answers = answers[answers["scored"]]
    known = answers[answers["known"]].sort_values("probability", ascending=False)
    right = known["probability"][known["right"]].to_numpy()[::-1]
    below = strict = None
    if not answers["known"].all() and len(right) >= ENOUGH / 2:
        below, strict = (min(float(right[int(cost * len(right))]), CERTAIN) for cost in (COST, STRICT_COST))
    count = np.arange(1, len(known) + 1)
    kept = (count >= ENOUGH) & ((known["right"].to_numpy(float).cumsum() + 1) / (count + 2) >= PROMISE)
    sure = float(known["probability"].iloc[np.flatnonzero(kept)[-1]]) if kept.any() else None
    return OpenSet(below, strict, sure if sure is None or below is None else max(sure, below))
