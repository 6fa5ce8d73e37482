"""The artist that a song sounds like: one multinomial logistic regression on the points of segments.

Scores are linear in points, and points in what each column says of each segment (see `embedding.Space.directions`). So
a song's scores are those of the mean of its segments' points, and what ears, aspects and segments add is exact.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax
from threadpoolctl import threadpool_limits

from soundalike.embedding import Embedding, Rows, by_aspect, fit_embedding

# Inverse strength of the penalty on weights, as scikit-learn counts it. On 126 instrumental songs and 59 sung ones a
# tenth and ten times as much do about as well: the temperature makes up for it.
C = 3.0

OTHERS = ""  # the class of the cohort: music by none of the artists
PRIOR = "prior"
NEAREST = 2  # songs by an artist, to which a song is near or not


class Recogniser(NamedTuple):
    """A trained model."""

    embedding: Embedding
    classes: list[str]  # the artists, and `OTHERS` where there was a cohort
    weights: np.ndarray  # [shape=(dimensions, classes)]
    intercepts: np.ndarray  # [shape=(classes,)]
    points: np.ndarray  # of the songs that it was trained on, see `Embedding.unit` [shape=(songs, dimensions)]
    owner: np.ndarray  # the place of their artists among the classes [shape=(songs,)]
    temperature: float = 1.0  # by which scores are divided, see `evaluation.fit_temperature`

    @property
    def artists(self) -> list[str]:
        """The classes that are artists."""
        return [name for name in self.classes if name != OTHERS]

    def scores(self, points: np.ndarray) -> pd.DataFrame:
        """Score segments by their points, or songs by the means of these: a row for each, a column for each class.

        The temperature is not applied.
        """
        return pd.DataFrame(points @ self.weights + self.intercepts, columns=self.classes)

    def predict(self, points: np.ndarray) -> pd.DataFrame:
        """Predict log-probabilities, see `scores`."""
        return pd.DataFrame(log_softmax(self.scores(points) / self.temperature, axis=1), columns=self.classes)

    def closest_by_ear(self, mean: np.ndarray) -> dict[str, str]:
        """Return the artist whom each ear alone finds closest to a song [shape=(dimensions,)], if it describes it."""
        closest = {}
        for ear, dimensions in zip(self.embedding.ears, self.embedding.dimensions(), strict=True):
            if mean[dimensions].any():
                scores = pd.Series(mean[dimensions] @ self.weights[dimensions], self.classes)
                closest[ear] = str(scores[self.artists].idxmax())
        return closest

    def nearness(self, means: np.ndarray, artists: Iterable[str]) -> np.ndarray:
        """Compute how near each song is to one artist: the mean cosine to the `NEAREST` songs [shape=(songs,)]."""
        cosines = []
        for point, artist in zip(self.embedding.unit(means), artists, strict=True):
            points = self.points[self.owner == self.classes.index(artist)]
            cosines.append(nearest_mean(1 - self.embedding.distances(points, point)))
        return np.array(cosines)

    def explain(self, rows: Mapping[str, np.ndarray], artist: str, other: str) -> pd.DataFrame:
        """Split the log-odds of one artist against another by segments and aspects.

        Parameters
        ----------
        rows : mapping of str to np.ndarray [shape=(segments, columns)]
            The segments of a song by each ear, see `embedding.segment_rows`.
        artist, other : str
            Two of the classes.

        Returns
        -------
        pd.DataFrame
            One row for each segment; a column for each of `features.ASPECTS`, for each network's aspect, and `PRIOR`
            for what the model says of any song. The sum of all is the song's log-odds.
        """
        one, two = (self.classes.index(name) for name in (artist, other))
        odds = (self.weights[:, one] - self.weights[:, two]) / self.temperature / np.sqrt(len(self.embedding.ears))
        shares: dict[str, np.ndarray] = {}
        for dimensions, (ear, space) in zip(self.embedding.dimensions(), self.embedding.ears.items(), strict=True):
            directions = space.directions(rows[ear])
            described = np.isfinite(directions[:, :1])
            added = np.where(described, directions * (space.basis @ odds[dimensions]), 0) / max(described.sum(), 1)
            shares |= by_aspect(ear, added)
        prior = (self.intercepts[one] - self.intercepts[two]) / self.temperature
        return pd.DataFrame(shares).assign(**{PRIOR: lambda table: prior / len(table)})


def nearest_mean(cosines: np.ndarray) -> float:
    """Average the `NEAREST` largest cosines that are finite; -1 where there is none."""
    largest = np.sort(cosines[np.isfinite(cosines)])[-NEAREST:]
    return float(largest.mean()) if len(largest) else -1.0


def fit(rows: Rows, song: np.ndarray, artist: np.ndarray, cohort: Rows | None = None) -> Recogniser:
    """Train a model, every artist and every song of an artist weighing the same; its temperature is 1.

    Parameters
    ----------
    rows : dict of str to np.ndarray [shape=(segments, columns)]
        The segments of all songs by each ear; NaN where one does not describe a segment.
    song : np.ndarray [shape=(segments,)]
        The song of each.
    artist : np.ndarray [shape=(segments,)]
        The artist of that song; two at least, or one where there is a cohort.
    cohort : dict of str to np.ndarray, optional
        Segments by others, which are one more class, see `cohort.draw`. They do not change the space.
    """
    from sklearn.linear_model import LogisticRegression  # which takes long, and to predict needs none of it

    with threadpool_limits(1):  # how sums are shared out among threads changes their last digits
        embedding = fit_embedding(rows)
        segments, labels = embedding.segment_points(rows), np.asarray(artist, dtype=object)
        means, number = embedding.song_means(segments, song), pd.factorize(song)[0]
        if cohort is not None:
            others = embedding.segment_points(cohort)
            segments = np.concatenate([segments, others])
            labels = np.append(labels, np.full(len(others), OTHERS, dtype=object))
            number = np.append(number, len(number) + np.arange(len(others)))  # each as a song of its own
        classes = np.unique(labels)
        # Of two classes scikit-learn has one row of weights, whose penalty counts twice. The search ends at small
        # gradients, which shrink with the number of classes.
        model = LogisticRegression(C=C * (2 if len(classes) == 2 else 1), max_iter=1000, tol=1e-3 / len(classes))
        model.fit(np.nan_to_num(segments), labels, sample_weight=balanced_weights(number, labels))
    weights, intercepts = model.coef_.T, model.intercept_
    if len(classes) == 2:
        weights, intercepts = np.hstack([-weights / 2, weights / 2]), np.hstack([-intercepts / 2, intercepts / 2])
    for dimensions, ear in zip(embedding.dimensions(), rows, strict=True):
        described = np.isin(classes, [OTHERS, *artist[np.isfinite(rows[ear][:, 0])]])
        if described.any():  # an artist whom an ear never described is to it what the others are on average
            weights[dimensions][:, ~described] = weights[dimensions][:, described].mean(axis=1, keepdims=True)
    owner = np.searchsorted(classes, pd.Series(artist, song).groupby(level=0).first().loc[means.index])
    return Recogniser(embedding, classes.tolist(), weights, intercepts, embedding.unit(means.to_numpy()), owner)


def balanced_weights(song: Iterable, artist: Iterable) -> np.ndarray:
    """Weigh rows so that every artist, and every song of an artist, counts the same; 1 on average [shape=(rows,)]."""
    table = pd.DataFrame({"song": song, "artist": artist})
    rows_of_song = table.groupby("song")["song"].transform("size")
    songs_of_artist = table.groupby("artist")["song"].transform("nunique")
    return (len(table) / table["artist"].nunique() / (rows_of_song * songs_of_artist)).to_numpy()


# --- open-set recognition: the word of an answer ---------------------------------------------

# In this order: a song that is near to none of the artists is by an *unknown artist*; *sure* keeps two promises: nearly
# all such answers are right for songs by your artists, and few songs by others get it; *probably* is right three times
# in four; else the artist is *one of* two or three. All are thresholds, chosen on songs held out of training and on
# songs whose artists are left out in turn, see `evaluation.answers`. Where songs by artists who are left out get no
# other answers, neither *unknown artist* nor *sure* is said; where all are too few, the answer is the *closest* artist.
#
# Two witnesses say how near a song is to an artist: the probability of the artist, where music by others is one of the
# classes, and the cosine to the most similar songs of the artist. Their weighted sum, the *confidence*, shows unknown
# artists better than either; benchmarks/README.md has the figures, and those of witnesses that add nothing.

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

    def word_of(self, answers: pd.DataFrame, *, strict: bool = False) -> pd.Series:
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
        words[inside] = chosen.word_of(answers[inside])
    return answers.assign(word=words)


def choose(answers: pd.DataFrame) -> tuple[OpenSet, dict[int, OpenSet]]:
    """Choose the thresholds, and without each block of answers those for that block.

    Parameters
    ----------
    answers : pd.DataFrame
        For songs held out of training, from `evaluation.answers`.

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
    measured = any(thresholds.sure_from is not None for thresholds in others.values())
    if not measured or _called_sure(answers, others) > UNKNOWN_SURE:
        unused["sure_from"] = None
    known = answers[answers["scored"] & answers["known"]]
    called_probably = known[give_words(known, others)["word"] == PROBABLY]
    if not len(called_probably) or called_probably["right"].mean() < LIKELY:
        unused["probably_from"] = None
    return chosen._replace(**unused), {block: thresholds._replace(**unused) for block, thresholds in others.items()}


def _thresholds(answers: pd.DataFrame, others: dict[int, OpenSet], field: str) -> pd.Series:
    values = {block: getattr(thresholds, field) for block, thresholds in others.items()}
    return answers["block"].map(values).astype(float)


def _called_sure(answers: pd.DataFrame, others: dict[int, OpenSet]) -> float:
    """Return the share of songs by unknown artists called sure by the thresholds of each block, in the worst repeat."""
    unknown = answers[answers["scored"] & ~answers["known"]]
    sure = unknown["confidence"] >= _thresholds(unknown, others, "sure_from")
    return sure.groupby(unknown["repeat"]).mean().max() if len(unknown) else 0.0


def _finds_unknown(answers: pd.DataFrame, others: dict[int, OpenSet]) -> bool:
    """Whether songs by unknown artists are called so clearly more often than others by the thresholds of each block."""
    answers = answers[answers["scored"]]
    refused = answers["confidence"] < _thresholds(answers, others, "unknown_below")
    known, unknown = (refused[rows].groupby(answers["artist"]).mean() for rows in (answers["known"], ~answers["known"]))
    if min(len(known), len(unknown)) < 2:
        return False
    error = math.sqrt(known.var() / len(known) + unknown.var() / len(unknown))
    return unknown.mean() - known.mean() > CLEARLY * error


def choose_on(answers: pd.DataFrame, let_through: float = UNKNOWN_SURE) -> OpenSet:
    """Choose the thresholds by the answers for songs of scored artists; of all repeats, each counting its share.

    *Sure* is said of at most a given share of songs by unknown artists. Without answers for such songs, only *probably*
    has a threshold.
    """
    answers = answers[answers["scored"]]
    share = 1 / max(answers["repeat"].nunique(), 1)
    known = answers[answers["known"]].sort_values("confidence", ascending=False)
    unknown = answers[~answers["known"]].sort_values("confidence", ascending=False)
    right = known["confidence"][known["right"]].to_numpy()[::-1]
    if share * len(right) < FEW:
        return OpenSet()
    below = strict = sure = None
    if len(unknown):
        below, strict = (float(right[int(cost * len(right))]) for cost in (COST, STRICT_COST))
    if unknown["song"].nunique() >= ENOUGH and unknown["artist"].nunique() >= LEAST_ARTISTS:
        most = float(unknown["confidence"].iloc[int(let_through * len(unknown))])  # which one too many would reach
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
    known, unknown = answers[answers["known"]], answers[~answers["known"]]
    outcome = known["word"].where(known["word"].isin([EITHER, UNKNOWN]), np.where(known["right"], "right", "wrong"))
    of_known = {name: float((outcome == name).mean()) for name in ("right", "wrong", EITHER, UNKNOWN)}
    by_artist = float((outcome == "right").groupby(known["artist"]).mean().mean())
    shares: dict = {"known": {"songs": len(known), **of_known, "right_by_artist": by_artist}, "unknown": None}
    if len(unknown):
        shares["unknown"] = {
            "songs": len(unknown),
            "refused": float((unknown["word"] == UNKNOWN).mean()),
            "called_sure": float((unknown["word"] == SURE).mean()),
        }
    for word in (SURE, PROBABLY, EITHER, CLOSEST):
        rows = known[known["word"] == word]
        hit = rows["among"] if word == EITHER else rows["right"]
        shares[word] = {"songs": len(rows), "right": int(hit.sum())}
    return shares
