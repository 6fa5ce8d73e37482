"""Answers for songs that the recogniser was not trained on, and how good they are.

Songs and albums are held out, and artists left out. In each, the space is fitted without these songs, too; temperatures
are those that other folds ask for.

In accuracies every artist counts the same, and of an artist every song, however long; log-loss and the area under the
curve are those of all songs. Only artists with `splits.MIN_SCORED` songs count. Intervals hold 95% of the bootstrap
resamples of whole recordings (by album: of whole albums), drawn artist by artist: they say how much depends on these
songs.
"""

import warnings
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from scipy.special import log_softmax, logsumexp
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from soundalike import recogniser
from soundalike.embedding import Rows, Segments
from soundalike.messages import progress
from soundalike.pool import ctrl_c_remembered
from soundalike.recogniser import OTHERS, answer_table
from soundalike.splits import MIN_ALBUMS, SEED, Fold, album_names, folds


def fit_temperature(logits: pd.DataFrame, truth: pd.Series) -> float:
    """Fit the temperature at which logits are as confident as they are right.

    Guo et al., "On calibration of modern neural networks", 2017. One more item, by any artist, is counted in, as
    Platt did ("Probabilistic outputs for support vector machines", 1999): a few items, all of them right, are no
    reason to be certain.

    Parameters
    ----------
    logits : pd.DataFrame
        One row for each item, one column for each artist.
    truth : pd.Series
        The artist of each item, in the same order.

    Returns
    -------
    float
        Between 0.05 and 50.
    """
    from scipy.optimize import minimize_scalar  # which takes long, and to predict needs none of it

    values, places = logits.to_numpy(), logits.columns.get_indexer(truth)
    anybody = 1 / (len(values) + 1)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(values / np.exp(log_temperature), axis=1)
        may_be_named = np.isfinite(logs)
        mean = np.where(may_be_named, logs, 0).sum(axis=1) / may_be_named.sum(axis=1)
        return -((1 - anybody) * logs[np.arange(len(logs)), places] + anybody * mean).mean()

    return float(np.exp(minimize_scalar(loss, bounds=np.log([0.05, 50]), method="bounded").x))


# --- scores ----------------------------------------------------------------------------------

RESAMPLES = 1000  # of the bootstrap
METRICS = ("balanced_accuracy", "low", "high", "log_loss", "auc")


def score(answers: pd.DataFrame, *, by: str = "recording") -> dict[str, float | None] | None:
    """Score the answers for songs that a model was not trained on.

    Parameters
    ----------
    answers : pd.DataFrame
        Rows with ``artist``, ``recording``, ``album``, ``scored``, ``right``, ``loss`` and ``confidence``, see
        `evaluation.answer_folds`.
    by : {"recording", "album"}
        The unit: an artist's units count the same, and are drawn as a whole.

    Returns
    -------
    dict or None
        `METRICS`. ``low`` and ``high`` are None by album, unless each artist has `splits.MIN_ALBUMS`; ``auc`` is the
        probability that a right answer is more confident than a wrong one, None where all are right, or wrong. None if
        fewer than two artists count.
    """
    answers = answers[answers["scored"]]
    if answers["artist"].nunique() < 2:
        return None
    right = mean_by(answers, "right", by)
    value, low, high = interval(right)
    several = answers["right"].nunique() == 2
    auc = float(roc_auc_score(answers["right"], answers["confidence"])) if several else None
    scores = dict(zip(METRICS, (value, low, high, float(answers["loss"].mean()), auc), strict=True))
    too_few = by == "album" and right.groupby("artist").size().min() < MIN_ALBUMS
    return scores | {"low": None, "high": None} if too_few else scores


def difference(one: pd.DataFrame, other: pd.DataFrame, column: str = "right") -> tuple[float, float, float]:
    """Return how much larger a column is in one table than in another of the same songs, with a paired interval.

    Every artist counts the same; see `score`.
    """
    gain = (mean_by(one[one["scored"]], column) - mean_by(other[other["scored"]], column)).dropna()
    return interval(gain, share=False)


def mean_by(answers: pd.DataFrame, column: str, by: str = "recording") -> pd.Series:
    """Average a column over the rows of each recording, or album, of an artist [index: artist, and it]."""
    unit = album_names(answers) if by == "album" else answers[by]
    return answers[column].astype(float).groupby([answers["artist"], unit.rename("unit")]).mean()


def interval(values: pd.Series, *, share: bool = True) -> tuple[float, float, float]:
    """Average values of recordings by artist, then over artists, with the ends of its interval.

    Where a share is 0 or 1, no resample differs: then the ends are Wilson's for so many recordings.

    Parameters
    ----------
    values : pd.Series
        The first level of its index is the artist.
    share : bool
        Whether they are shares.
    """
    of_artist = values.groupby(level=0)
    weight = (1 / of_artist.transform("size") / of_artist.ngroups).to_numpy()
    mean = float((weight * values).sum().round(12))  # so that all right is 1
    draw = np.random.default_rng(SEED)
    sums = np.zeros(RESAMPLES)
    for places in of_artist.indices.values():
        times = draw.multinomial(len(places), np.full(len(places), 1 / len(places)), RESAMPLES)
        sums += times @ (weight[places] * values.to_numpy()[places])
    low, high = np.quantile(sums.round(12), [0.025, 0.975])
    if share and low == high and mean in (0, 1):
        low, high = binomtest(int(mean) * len(values), len(values)).proportion_ci(method="wilson")
    return mean, float(low), float(high)


REPEATS = 3  # of the split by song
MANY = 500  # songs; of so many, one repeat says enough
MOST_ALONE = 12  # artists who are left out one by one; more are left out in groups
FEW_ARTISTS, GROUPS, MORE_GROUPS = 50, 6, 10  # up to so many artists in so many groups, more in more
FEW_BLOCKS = 4  # artists, or groups of them, that make blocks
ROWS_AT_ONCE = 30_000  # segments to train on in all, from which on other processes help


class Study(NamedTuple):
    """Songs to learn from: those of `splits.song_table`, their segments, and maybe a cohort's."""

    songs: pd.DataFrame
    segments: Segments
    cohort: Rows | None = None


class Asked(NamedTuple):
    """The answers of a model that was not trained on some songs: a row for each of these."""

    scores: pd.DataFrame  # of each class, before the temperature [index: song]; -inf for those not trained on
    nearness: pd.Series  # see `Recogniser.nearness`


NOBODY = Asked(pd.DataFrame(columns=["A"], dtype=float), pd.Series(dtype=float))


def train_on(study: Study, songs: pd.DataFrame) -> recogniser.Recogniser:
    """Train on some of the songs."""
    rows, song = study.segments.of(songs.index)
    return recogniser.fit(rows, song, songs["artist"].loc[song].to_numpy(dtype=object), study.cohort)


def ask(study: Study, fold: Fold) -> Asked:
    """Train on some songs, and answer for others.

    Parameters
    ----------
    study : Study
        All of them.
    fold : (np.ndarray, np.ndarray)
        Positions of songs to train on, and to answer for.
    """
    songs = study.songs
    held_out = songs.index[fold[1]]
    with threadpool_limits(1):  # other processes use the other cores
        model = train_on(study, songs.iloc[fold[0]])
        rows, song = study.segments.of(held_out)
        means = model.embedding.song_means(model.embedding.segment_points(rows), song).loc[held_out].to_numpy()
        scores = model.scores(means).set_axis(held_out)
        nearness = model.nearness(means, scores[model.artists].idxmax(axis=1))
    every = sorted({*songs["artist"], *model.classes})
    return Asked(scores.reindex(columns=every, fill_value=-np.inf), pd.Series(nearness, held_out))


def ask_all(study: Study, splits: list[list[Fold]], label: str) -> list[list[Asked]]:
    """Answer for the songs of each fold of each split, with a bar; see `ask`.

    A fold that leaves too few artists to train on is passed over: fewer than two, or none where there is a cohort.
    """
    least, artist = 2 if study.cohort is None else 1, study.songs["artist"]
    splits = [[fold for fold in split if artist.iloc[fold[0]].nunique() >= least] for split in splits]
    flat = [fold for split in splits for fold in split]
    if not flat:
        return [[] for _ in splits]
    alone = len(flat) * len(study.segments.song) < ROWS_AT_ONCE  # other processes take seconds to start
    work = joblib.Parallel(n_jobs=1 if alone else -1, return_as="generator")
    results = []
    with warnings.catch_warnings(), ctrl_c_remembered() as pressed, progress(len(flat), label, "models") as bar:
        warnings.filterwarnings("ignore", message="A worker stopped")  # and was replaced
        for result in work(joblib.delayed(ask)(study, fold) for fold in flat):
            if pressed:
                raise KeyboardInterrupt
            results.append(result)
            bar.update()
    ordered = iter(results)
    return [[next(ordered) for _ in split] for split in splits]


def answer_folds(parts: list[Asked], songs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the answers for the folds of one split, each by the temperature that the other folds ask for.

    Returns
    -------
    pd.DataFrame
        One row for each song: the columns of `recogniser.answer_table`; ``song``, ``artist``, ``recording``, ``album``,
        ``scored``; ``right``, ``among`` (whether the artist is one of ``either``) and ``loss`` (nats, among the
        artists).
    """
    tables = []
    for part in parts or [NOBODY]:  # where there is no fold, the table is empty
        rest = [other.scores for other in parts if other is not part]
        tables.append(tabulate_answers(part, temperature_of(rest, songs), songs))
    return pd.concat(tables, ignore_index=True)


def temperature_of(scores: list[pd.DataFrame], songs: pd.DataFrame) -> float:
    """Return the temperature that the answers for some songs ask for; 1 where there are none."""
    rest = pd.concat(scores).drop(columns=OTHERS, errors="ignore") if scores else pd.DataFrame()
    return fit_temperature(rest, songs["artist"].loc[rest.index]) if len(rest) else 1.0


def tabulate_answers(asked: Asked, temperature: float, songs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the answers for some songs at this temperature, see `answer_folds`."""
    logits = asked.scores / temperature
    logs = logits.sub(logsumexp(logits, axis=1), axis=0)
    about = songs.loc[logs.index, ["artist", "recording", "album", "scored"]]
    table = about.join(answer_table(logs, asked.nearness.to_numpy())).rename_axis("song").reset_index()
    among = [artist in either for artist, either in zip(table["artist"], table["either"], strict=True)]
    right = table["artist"] == table["closest"]
    logits = logits.drop(columns=OTHERS, errors="ignore")
    of_artist = logits.to_numpy()[np.arange(len(table)), logits.columns.get_indexer(table["artist"])]
    loss = logsumexp(logits, axis=1) - of_artist  # nats, among the artists
    return table.assign(right=right, among=among, loss=loss)


def answers(study: Study, repeats: int | None = None) -> tuple[pd.DataFrame, float]:
    """Answer for each song, once with other songs by its artist in training, and once with none.

    Both times the model is trained on the same share of the songs by others. Where an artist is left out there is one
    artist less to name, so that answers are a little more confident than those for artists who never were there; of two
    artists the one that remains has all the probability.

    Parameters
    ----------
    study : Study
        The songs.
    repeats : int, optional
        Of the split by song; by default `REPEATS`, and one of `MANY` songs.

    Returns
    -------
    answers : pd.DataFrame
        One or two rows for each song and repeat: the columns of `answer_folds`, ``repeat``, ``known`` (whether there
        were other songs by the artist) and ``block``: thresholds for its answers are chosen on those of other blocks.
        Blocks are the artists, or groups of them; of fewer than `FEW_BLOCKS` artists, some of their songs.
    temperature : float
        That all songs together ask for.
    """
    songs = study.songs
    repeats = repeats or (REPEATS if len(songs) < MANY else 1)
    pairs = [folds(songs, seed=SEED + n) for n in range(repeats)]
    return answer_splits(study, pairs, artist_groups(songs))


def answer_splits(study: Study, splits: list[list[Fold]], group: pd.Series) -> tuple[pd.DataFrame, float]:
    """Answer by these splits and groups of artists, see `answers`."""
    songs = study.songs
    left_out = [leave_out(songs, group, pairs) for pairs in splits]
    known = ask_all(study, splits, "Holding songs out")
    others = ask_all(study, left_out, "Leaving artists out")
    tables = []
    for repeat, (parts, unknown) in enumerate(zip(known, others, strict=True)):
        tables.append(answer_folds(parts, songs).assign(known=True, repeat=repeat))
        scores = pd.concat([part.scores for part in parts]) if parts else NOBODY.scores
        for part in unknown:
            rest = scores[~scores.index.isin(part.scores.index)]
            rows = tabulate_answers(part, temperature_of([rest], songs), songs)
            tables.append(rows.assign(known=False, right=False, among=False, loss=np.nan, repeat=repeat))
    table = pd.concat(tables, ignore_index=True).astype({"known": bool})
    temperature = temperature_of([part.scores for parts in known for part in parts], songs)
    block = group
    if group.nunique() < FEW_BLOCKS:
        block = pd.Series(len(splits[0]), songs.index)  # of songs that no fold holds out
        for n, (_, held_out) in enumerate(splits[0]):
            block.iloc[held_out] = n
    return table.assign(block=table["song"].map(block)), temperature


def artist_groups(songs: pd.DataFrame) -> pd.Series:
    """Return for each song the number of the group of artists who are left out together with its own."""
    names = sorted(songs["artist"].unique())
    number = GROUPS if len(names) <= FEW_ARTISTS else MORE_GROUPS
    number = len(names) if len(names) <= MOST_ALONE else number
    return songs["artist"].map({name: n % number for n, name in enumerate(names)})


def leave_out(songs: pd.DataFrame, group: pd.Series, pairs: list[Fold]) -> list[Fold]:
    """Leave out each group of artists in turn, and of the others what one of some folds by song holds out.

    Songs that share a recording with theirs are not trained on either.
    """
    folds_found = []
    for n in sorted(group.unique()) if pairs else ():
        learn, tested = pairs[n % len(pairs)][0], np.flatnonzero(group == n)
        usable = (group.iloc[learn] != n) & ~songs["recording"].iloc[learn].isin(songs["recording"].iloc[tested])
        folds_found.append((learn[usable.to_numpy()], tested))
    return folds_found


def answer_albums(study: Study, by: str = "album") -> pd.DataFrame:
    """Answer for songs of albums held out; or, to compare, for as many with others of their albums in training.

    Parameters
    ----------
    study : Study
        The songs.
    by : {"album", "known album"}
        See `splits.folds`.

    Returns
    -------
    pd.DataFrame
        The columns of `answer_folds`; empty where no artist has two albums.
    """
    (parts,) = ask_all(study, [folds(study.songs, by=by)], "Holding albums out")
    return answer_folds(parts, study.songs)


def learning_curve(study: Study, sizes: list[int]) -> dict[int, pd.DataFrame]:
    """Answer for held-out songs with at most so many songs of each artist in training, drawn at random.

    Returns
    -------
    dict of int to pd.DataFrame
        For each size the columns of `answer_folds`.
    """
    songs = study.songs
    order = np.random.default_rng(SEED).permutation(len(songs))
    splits: list[list[Fold]] = [[] for _ in sizes]
    for learn, test in folds(songs):
        drawn = order[np.isin(order, learn)]
        place = songs["artist"].iloc[drawn].groupby(songs["artist"]).cumcount().to_numpy()
        for size, split in zip(sizes, splits, strict=True):
            split.append((np.sort(drawn[place < size]), test))
    parts = ask_all(study, splits, "Training on fewer songs")
    return {size: answer_folds(fold_parts, songs) for size, fold_parts in zip(sizes, parts, strict=True)}
