"""The word of an answer: sure, probably, unknown artist, or closest.

*Sure* is two promises: nearly all such answers are right for songs by artists of the library, and few songs by other
artists get it. *Unknown artist* has a price in right answers. Both are thresholds of the probability of the closest
artist, chosen on songs held out of training, and on songs whose artist is held out, see `evaluation.unknown`. How near
a song is to the artist's songs, how far ears and clips agree, and margins of single models show artists that are not in
the library no better than that probability does (benchmarks/README.md). Where *unknown artist* cannot be said, nobody
can say *probably* either: then the answer is the closest of the artists that there are.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli

SURE, PROBABLY, UNKNOWN, CLOSEST = "sure", "probably", "unknown", "closest"  # the words
COST, STRICT_COST = 0.1, 0.3  # of the right answers are lost to "unknown artist", at most: as a rule, and if asked to
PROMISE = 0.95  # of the answers called sure are right, at least: (right + 1) / (answers + 2)
UNKNOWN_SURE = 0.1  # of the songs by artists who are not in the library are called sure, at most
SHARES = [n / 100 for n in range(10, 0, -1)]  # of these songs that a threshold lets through: the first that keeps to it
ENOUGH = 20  # songs are called sure, at least, and as many by unknown artists were asked about; half as many are right
LEAST_ARTISTS = 3  # whom these songs are by
CLEARLY = 1.645  # standard errors: of two shares one is larger, one-sided 95%
CERTAIN = 0.9  # an artist of this probability is not called unknown: the answer would contradict itself


class OpenSet(NamedTuple):
    """The probabilities at which an answer gets another word; None where a word is not used."""

    unknown_below: float | None = None
    strict_below: float | None = None  # the same where it is asked to be strict
    sure_from: float | None = None

    def words(self, probability: pd.Series, *, strict: bool = False) -> pd.Series:
        """Return the word for each answer, by the probability of the closest artist."""
        below = self.strict_below if strict else self.unknown_below
        words = pd.Series(CLOSEST if below is None else PROBABLY, probability.index)
        if self.sure_from is not None:
            words[probability >= self.sure_from] = SURE
        if below is not None:
            words[probability < below] = UNKNOWN
        return words

    @property
    def named(self) -> list[str]:
        """The words that name an artist; *probably* is none where both thresholds meet."""
        between = CLOSEST if self.unknown_below is None else PROBABLY
        if self.sure_from is None:
            return [between]
        return [SURE] + [between] * (self.sure_from != self.unknown_below)


def in_words(word: str, closest: str, following: str = "", artists: int = 0) -> str:
    """Say an answer: its word, the closest artist, and maybe the next, and of how many artists it is the closest."""
    return {
        SURE: f"sure: {closest}",
        PROBABLY: f"probably {closest}" + (f" (or {following})" if following else ""),
        UNKNOWN: f"unknown artist? closest {closest}",
        CLOSEST: f"closest of your {artists} artists: {closest}" if artists else f"closest: {closest}",
    }[word]


def shipped_in_words(found: dict) -> str:
    """Say in a sentence what users get, see `evaluation.unknown.as_shipped`."""
    known, others = found["known"], found["unknown"]
    said = (
        f"Of {cli.counted(known['songs'], 'song')} held out of training {known['right']:.0%} were named rightly "
        f"({known['right_by_artist']:.0%} where every artist counts the same) and {known['wrong']:.0%} wrongly"
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
        A word is used only if it could be measured: if there is a threshold without any of the groups, too. *Sure* is
        used only if it keeps to `UNKNOWN_SURE` by the thresholds of the others; of `SHARES` the first that does is
        chosen, so this rate is measured where one of ten was chosen. *Unknown artist* is used only if it is said of
        songs by unknown artists clearly more often than of others, every artist counting the same.
    others : dict of int to OpenSet
        For each group, what the other artists ask for.
    """
    for share in SHARES:
        found = {group: _choose(answers[answers["group"] != group], share) for group in answers["group"].unique()}
        used = [None not in values for values in zip(*found.values(), strict=True)] or [False] * len(OpenSet._fields)
        if not used[2] or _called_sure(answers, found) <= UNKNOWN_SURE:
            break
    else:
        used[2] = False
    if used[0] and not _tells_unknown(answers, found):
        used[:2] = [False, False]

    def keep(thresholds: OpenSet) -> OpenSet:
        return OpenSet(*(value if kept else None for value, kept in zip(thresholds, used, strict=True)))

    return keep(_choose(answers, share)), {group: keep(chosen) for group, chosen in found.items()}


def _called_sure(answers: pd.DataFrame, chosen: dict[int, OpenSet]) -> float:
    """Return the share of songs by unknown artists called sure by the thresholds of each group, in the worst repeat."""
    others = answers[answers["scored"] & ~answers["known"]]
    sure = others["probability"] >= others["group"].map({group: of.sure_from for group, of in chosen.items()})
    return sure.groupby(others["repeat"]).mean().max()


def _tells_unknown(answers: pd.DataFrame, chosen: dict[int, OpenSet]) -> bool:
    """Whether songs by unknown artists are called so clearly more often than others by the thresholds of each group."""
    answers = answers[answers["scored"]]
    refused = answers["probability"] < answers["group"].map({group: of.unknown_below for group, of in chosen.items()})
    known, others = (refused[rows].groupby(answers["artist"]).mean() for rows in (answers["known"], ~answers["known"]))
    error = math.sqrt(known.var(ddof=0) / max(len(known), 1) + others.var(ddof=0) / max(len(others), 1))
    return others.mean() - known.mean() > CLEARLY * error


def _choose(answers: pd.DataFrame, let_through: float = UNKNOWN_SURE) -> OpenSet:
    """Choose the thresholds by the answers for songs of scored artists; of all repeats, each counting its share.

    *Sure* is said of at most a given share of songs by unknown artists.
    """
    answers = answers[answers["scored"]]
    share = 1 / max(answers["repeat"].nunique(), 1)
    known = answers[answers["known"]].sort_values("probability", ascending=False)
    others = answers[~answers["known"]].sort_values("probability", ascending=False)
    right = known["probability"][known["right"]].to_numpy()[::-1]
    below = strict = sure = None
    if len(others) and share * len(right) >= ENOUGH / 2:
        below, strict = (min(float(right[int(cost * len(right))]), CERTAIN) for cost in (COST, STRICT_COST))
    count = share * np.arange(1, len(known) + 1)
    kept = (count >= ENOUGH) & ((share * known["right"].to_numpy(float).cumsum() + 1) / (count + 2) >= PROMISE)
    enough = others["song"].nunique() >= ENOUGH and others["artist"].nunique() >= LEAST_ARTISTS
    if enough and known["song"].nunique() > ENOUGH:
        most = float(others["probability"].iloc[int(let_through * len(others))])  # which one too many would reach
        kept &= (known["probability"] > most).to_numpy() & (known["probability"] >= (below or 0)).to_numpy()
        sure = float(known["probability"].iloc[np.flatnonzero(kept)[-1]]) if kept.any() else None
    return OpenSet(below, strict, sure)
