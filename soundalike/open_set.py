"""The word of an answer: unknown artist, sure, probably, or one of two or three.

In this order: a song that is near to none of the artists is by an *unknown artist*; *sure* keeps two promises: nearly
all such answers are right for songs by your artists, and few songs by others get it; *probably* is right three times in
four; else the artist is *one of* two or three. All are thresholds, chosen on songs held out of training and on songs
whose artists are left out in turn, see `evaluation.held_out`. Where songs by artists who are left out get no other
answers, neither *unknown artist* nor *sure* is said; where all are too few, the answer is the *closest* artist.

Two witnesses say how near a song is to an artist: the probability of the artist, where music by others is one of
the classes, and the cosine to the most similar songs of the artist. Their weighted sum, the *confidence*, shows
unknown artists better than either; benchmarks/README.md has the figures, and those of witnesses that add nothing.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax

from soundalike.recogniser import OTHERS

SURE, PROBABLY, EITHER, UNKNOWN, CLOSEST = "sure", "probably", "either", "unknown", "closest"  # the words
WORDS = [SURE, PROBABLY, EITHER, UNKNOWN, CLOSEST]
NEARNESS = 3.0  # weight of the cosine against the probability; 1 to 4 do about as well
COST, STRICT_COST = 0.1, 0.3  # of the right answers are lost to "unknown artist", at most: as a rule, and if asked to
PROMISE = 0.95  # of the answers called sure are right, at least: (right + 1) / (answers + 2)
LIKELY = 0.75  # of the answers called probably are right, at least; likewise
UNKNOWN_SURE = 0.1  # of the songs by artists who are not in the library are called sure, at most
SHARES = [n / 100 for n in range(10, 0, -1)]  # of these songs that a threshold lets through: the first that keeps to it
ENOUGH = 20  # songs are called sure, at least, and as many by unknown artists were asked about
FEW = 5  # right answers, at least, to choose a threshold of *unknown*; answers called *probably*, at least
LEAST_ARTISTS = 2  # whom these songs are by
CLEARLY = 1.645  # standard errors, by which one share is larger than another
TOGETHER, MOST = 0.9, 3  # probability that the artists of `EITHER` have together, and how many they are at most


def among_artists(logs: pd.DataFrame) -> pd.DataFrame:
    """Return the probabilities of the artists alone, which sum to 1, of the log-probabilities of all classes."""
    logs = logs.drop(columns=OTHERS, errors="ignore")
    return pd.DataFrame(softmax(logs.to_numpy(), axis=1), logs.index, logs.columns)


def answer_table(logs: pd.DataFrame, nearness: np.ndarray) -> pd.DataFrame:
    """Tabulate what the words of answers depend on.

    Parameters
    ----------
    logs : pd.DataFrame
        Log-probabilities of all classes, see `Recogniser.predict`; -inf for artists who were left out.
    nearness : np.ndarray [shape=(songs,)]
        See `Recogniser.nearness`; to the most probable artist.

    Returns
    -------
    pd.DataFrame
        A row for each: ``closest``, the artist, and its ``probability`` among the artists; ``others``, the probability
        that it is music by none of them (0 without a cohort); ``nearness``; ``confidence``, see the module; and
        ``either``, a tuple of the two or three artists who are most probable.
    """
    shares = among_artists(logs)
    order = np.argsort(-shares.to_numpy(), axis=1, kind="stable")[:, :MOST]
    ordered = np.take_along_axis(shares.to_numpy(), order, axis=1)
    names = shares.columns.to_numpy(dtype=object)[order]
    enough = ordered[:, :2].sum(axis=1) >= TOGETHER
    table = pd.DataFrame(index=logs.index)
    table["closest"], table["probability"] = names[:, 0], ordered[:, 0]
    table["others"] = np.exp(logs[OTHERS]) if OTHERS in logs else 0.0
    table["nearness"] = nearness
    table["confidence"] = table["probability"] * (1 - table["others"]) + NEARNESS * table["nearness"]
    counts = np.minimum(np.where(enough, 2, MOST), (ordered > 0).sum(axis=1))  # an artist who was left out is not named
    table["either"] = [tuple(row[:count]) for row, count in zip(names, counts, strict=True)]
    return table


class OpenSet(NamedTuple):
    """The thresholds from which on an answer gets another word; None where a word is not used."""

    unknown_below: float | None = None  # confidence
    strict_below: float | None = None  # the same where it is asked to be strict
    sure_from: float | None = None  # confidence
    probably_from: float | None = None  # probability

    def words(self, answers: pd.DataFrame, *, strict: bool = False) -> pd.Series:
        """Return the word of each answer, see `answer_table`."""
        below = self.strict_below if strict else self.unknown_below
        if below is None and self.probably_from is None:
            return pd.Series(CLOSEST, answers.index)
        words = pd.Series(EITHER, answers.index)
        if self.probably_from is not None:
            words[answers["probability"] >= self.probably_from] = PROBABLY
        if below is not None:
            if self.sure_from is not None:
                words[answers["confidence"] >= self.sure_from] = SURE
            words[answers["confidence"] < below] = UNKNOWN
        return words


def give_words(answers: pd.DataFrame, others: dict[int, OpenSet]) -> pd.DataFrame:
    """Give each answer its ``word``, by the thresholds that were chosen on the other blocks, see `choose`."""
    words = pd.Series("", answers.index, dtype=object)
    for block, chosen in others.items():
        inside = answers["block"] == block
        words[inside] = chosen.words(answers[inside])
    return answers.assign(word=words)


def choose(answers: pd.DataFrame) -> tuple[OpenSet, dict[int, OpenSet]]:
    """Choose the thresholds, and without each block of answers those for that block.

    Parameters
    ----------
    answers : pd.DataFrame
        For songs held out of training, from `held_out.answers`.

    Returns
    -------
    chosen : OpenSet
        *Sure* is used only if it keeps to `UNKNOWN_SURE` by the thresholds of the other blocks; of `SHARES` the first
        that does is chosen, so that the rate that is measured is a little flattered by this choice. *Unknown artist* is
        used only if it is said of songs by unknown artists clearly more often than of others, every artist counting
        the same; *probably* only if it is right often enough by the thresholds of the other blocks, too.
    others : dict of int to OpenSet
        For each block, what the other blocks ask for.
    """
    blocks = answers["block"].unique()
    for share in SHARES:
        others = {block: choose_on(answers[answers["block"] != block], share) for block in blocks}
        if _called_sure(answers, others) <= UNKNOWN_SURE:
            break
    if not _finds_unknown(answers, others):
        answers = answers[answers["known"]]
        others = {block: choose_on(answers[answers["block"] != block]) for block in blocks}
    chosen = choose_on(answers, share)
    unused: dict[str, None] = {}
    if all(of.sure_from is None for of in others.values()) or _called_sure(answers, others) > UNKNOWN_SURE:
        unused["sure_from"] = None
    known = answers[answers["scored"] & answers["known"]]
    said = known[give_words(known, others)["word"] == PROBABLY]
    if not len(said) or said["right"].mean() < LIKELY:
        unused["probably_from"] = None
    return chosen._replace(**unused), {block: of._replace(**unused) for block, of in others.items()}


def _thresholds(answers: pd.DataFrame, others: dict[int, OpenSet], field: str) -> pd.Series:
    values = {block: getattr(of, field) for block, of in others.items()}
    return answers["block"].map(values).astype(float)


def _called_sure(answers: pd.DataFrame, others: dict[int, OpenSet]) -> float:
    """Return the share of songs by unknown artists called sure by the thresholds of each block, in the worst repeat."""
    strange = answers[answers["scored"] & ~answers["known"]]
    sure = strange["confidence"] >= _thresholds(strange, others, "sure_from")
    return sure.groupby(strange["repeat"]).mean().max() if len(strange) else 0.0


def _finds_unknown(answers: pd.DataFrame, others: dict[int, OpenSet]) -> bool:
    """Whether songs by unknown artists are called so clearly more often than others by the thresholds of each block."""
    answers = answers[answers["scored"]]
    refused = answers["confidence"] < _thresholds(answers, others, "unknown_below")
    known, strange = (refused[rows].groupby(answers["artist"]).mean() for rows in (answers["known"], ~answers["known"]))
    if min(len(known), len(strange)) < 2:
        return False
    error = math.sqrt(known.var() / len(known) + strange.var() / len(strange))
    return strange.mean() - known.mean() > CLEARLY * error


def choose_on(answers: pd.DataFrame, let_through: float = UNKNOWN_SURE) -> OpenSet:
    """Choose the thresholds by the answers for songs of scored artists; of all repeats, each counting its share.

    *Sure* is said of at most a given share of songs by unknown artists. Without answers for such songs, only *probably*
    has a threshold.
    """
    answers = answers[answers["scored"]]
    share = 1 / max(answers["repeat"].nunique(), 1)
    known = answers[answers["known"]].sort_values("confidence", ascending=False)
    strange = answers[~answers["known"]].sort_values("confidence", ascending=False)
    right = known["confidence"][known["right"]].to_numpy()[::-1]
    if share * len(right) < FEW:
        return OpenSet()
    below = strict = sure = None
    if len(strange):
        below, strict = (float(right[int(cost * len(right))]) for cost in (COST, STRICT_COST))
    enough = strange["song"].nunique() >= ENOUGH and strange["artist"].nunique() >= LEAST_ARTISTS
    if enough:
        most = float(strange["confidence"].iloc[int(let_through * len(strange))])  # which one too many would reach
        kept = _right_enough(known, PROMISE, share, ENOUGH) & (known["confidence"] > most).to_numpy()
        kept &= (known["confidence"] >= below).to_numpy()
        sure = float(known["confidence"].iloc[np.flatnonzero(kept)[-1]]) if kept.any() else None
    low, high = -np.inf if below is None else below, np.inf if sure is None else sure
    rest = known[known["confidence"].ge(low) & known["confidence"].lt(high)]
    rest = rest.sort_values("probability", ascending=False)
    likely = _right_enough(rest, LIKELY, share, FEW)
    probably = float(rest["probability"].iloc[np.flatnonzero(likely)[-1]]) if likely.any() else None
    return OpenSet(below, strict, sure, probably)


def _right_enough(answers: pd.DataFrame, promise: float, share: float, least: int) -> np.ndarray:
    """Whether so many of each answer and those before it are right, and they are enough [shape=(answers,)]."""
    count, right = share * np.arange(1, len(answers) + 1), share * answers["right"].to_numpy(float).cumsum()
    return (count >= least) & ((right + 1) / (count + 2) >= promise)


def as_shipped(answers: pd.DataFrame) -> dict | None:
    """Measure what users get, by thresholds that were chosen on other blocks of answers, see `choose`.

    Parameters
    ----------
    answers : pd.DataFrame
        From `give_words`; of one repeat, so that each song counts once.

    Returns
    -------
    dict or None
        ``known``: of the songs by known artists their number, ``songs``, the shares whose answer names one artist and
        is ``right`` or ``wrong``, names several (``either``), and is ``unknown``, and ``right_by_artist``, the mean
        over artists of the first; ``unknown``: of songs by unknown artists their number, ``songs``, and the shares that
        are ``refused`` (called so) and ``called_sure``, None where there are none; for each word that names artists, of
        songs by known artists, how many were called so and how many were right (of `EITHER`: had the right one
        among those named). None where no song could be held out.
    """
    answers = answers[answers["scored"]]
    if answers["artist"].nunique() < 2:
        return None
    known, strange = answers[answers["known"]], answers[~answers["known"]]
    named = ~known["word"].isin([UNKNOWN, EITHER])
    found: dict = {
        "known": {
            "songs": len(known),
            "right": float((named & known["right"]).mean()),
            "wrong": float((named & ~known["right"]).mean()),
            "either": float((known["word"] == EITHER).mean()),
            "unknown": float((known["word"] == UNKNOWN).mean()),
            "right_by_artist": float((named & known["right"]).groupby(known["artist"]).mean().mean()),
        },
        "unknown": None,
    }
    if len(strange):
        found["unknown"] = {
            "songs": len(strange),
            "refused": float((strange["word"] == UNKNOWN).mean()),
            "called_sure": float((strange["word"] == SURE).mean()),
        }
    for word in (SURE, PROBABLY, EITHER, CLOSEST):
        said = known[known["word"] == word]
        hit = said["among"] if word == EITHER else said["right"]
        found[word] = {"songs": len(said), "right": int(hit.sum())}
    return found
