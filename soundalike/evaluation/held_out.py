"""Answers for songs that the recogniser was not trained on: songs and albums held out, and songs by left-out artists.

In each, the space is fitted without these songs, too. Temperatures are those that other folds ask for.
"""

import warnings
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from soundalike import cli, recogniser
from soundalike.dataset.segments import Rows, Segments
from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.calibration import apply_temperature, fit_temperature, losses
from soundalike.open_set import answer_table
from soundalike.recogniser import OTHERS

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


def train(study: Study, songs: pd.DataFrame) -> recogniser.Recogniser:
    """Train on some of the songs."""
    song = study.segments.song
    used = pd.Index(song).isin(songs.index)
    rows = {ear: of_ear[used] for ear, of_ear in study.segments.rows.items()}
    artist = songs["artist"].reindex(song[used]).to_numpy(dtype=object)
    return recogniser.fit(rows, song[used], artist, study.cohort)


def ask(study: Study, fold: Fold) -> Asked:
    """Train on some songs, and answer for others.

    Parameters
    ----------
    study : Study
        All of them.
    fold : (np.ndarray, np.ndarray)
        Positions of songs to train on, and to answer for.
    """
    songs, segments = study.songs, study.segments
    asked = songs.index[fold[1]]
    with threadpool_limits(1):  # other processes use the other cores
        model = train(study, songs.iloc[fold[0]])
        used = pd.Index(segments.song).isin(asked)
        points = model.embedding.segment_points({ear: of_ear[used] for ear, of_ear in segments.rows.items()})
        means = model.embedding.song_means(points, segments.song[used]).loc[asked].to_numpy()
        scores = model.scores(means).set_axis(asked)
        nearness = model.nearness(means, scores[model.artists].idxmax(axis=1))
    every = sorted({*songs["artist"], *model.classes})
    return Asked(scores.reindex(columns=every, fill_value=-np.inf), pd.Series(nearness, asked))


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
    found = []
    with warnings.catch_warnings(), cli.bar(len(flat), label, "models") as bar:
        warnings.filterwarnings("ignore", message="A worker stopped")  # and was replaced
        for asked in work(joblib.delayed(ask)(study, fold) for fold in flat):
            found.append(asked)
            bar.update()
    each = iter(found)
    return [[next(each) for _ in split] for split in splits]


def answer_folds(parts: list[Asked], songs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the answers for the folds of one split, each by the temperature that the other folds ask for.

    Returns
    -------
    pd.DataFrame
        One row for each song: the columns of `open_set.answer_table`; ``song``, ``artist``, ``recording``, ``album``,
        ``scored``; ``right``, ``among`` (whether the artist is one of ``either``) and ``loss`` (nats, among the
        artists).
    """
    found = [tabulate_answers(NOBODY, 1.0, songs)]  # where there is no fold, the table is empty
    for n, part in enumerate(parts):
        rest = [of.scores for m, of in enumerate(parts) if m != n]
        found.append(tabulate_answers(part, temperature_of(rest, songs), songs))
    return pd.concat([table for table in found if len(table)] or found, ignore_index=True)


def temperature_of(scores: list[pd.DataFrame], songs: pd.DataFrame) -> float:
    """Return the temperature that the answers for some songs ask for; 1 where there are none."""
    rest = pd.concat(scores).drop(columns=OTHERS, errors="ignore") if scores else pd.DataFrame()
    return fit_temperature(rest, songs["artist"].loc[rest.index]) if len(rest) else 1.0


def tabulate_answers(asked: Asked, temperature: float, songs: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the answers for some songs at this temperature, see `answer_folds`."""
    logs = apply_temperature(asked.scores, temperature)
    about = songs.loc[logs.index, ["artist", "recording", "album", "scored"]]
    table = about.join(answer_table(logs, asked.nearness.to_numpy())).rename_axis("song").reset_index()
    among = [artist in either for artist, either in zip(table["artist"], table["either"], strict=True)]
    right = table["artist"] == table["closest"]
    of_artists = apply_temperature(asked.scores.drop(columns=OTHERS, errors="ignore"), temperature)
    return table.assign(right=right, among=among, loss=losses(of_artists, about["artist"]).to_numpy())


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
    found = []
    for repeat, (parts, strange) in enumerate(zip(known, others, strict=True)):
        found.append(answer_folds(parts, songs).assign(known=True, repeat=repeat))
        whole = pd.concat([part.scores for part in parts]) if parts else NOBODY.scores
        for part in strange:
            rest = whole[~whole.index.isin(part.scores.index)]
            rows = tabulate_answers(part, temperature_of([rest], songs), songs)
            found.append(rows.assign(known=False, right=False, among=False, loss=np.nan, repeat=repeat))
    table = pd.concat(found, ignore_index=True).astype({"known": bool})
    temperature = temperature_of([part.scores for parts in known for part in parts], songs)
    block = group if group.nunique() >= FEW_BLOCKS else fold_numbers(songs, splits[0])
    return table.assign(block=table["song"].map(block)), temperature


def fold_numbers(songs: pd.DataFrame, pairs: list[Fold]) -> pd.Series:
    """Return the number of the fold that holds each song out; songs in none have one number more."""
    numbers = pd.Series(len(pairs), songs.index)
    for n, (_, asked) in enumerate(pairs):
        numbers.iloc[asked] = n
    return numbers


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
    found = []
    for n in sorted(group.unique()) if pairs else ():
        learn, asked = pairs[n % len(pairs)][0], np.flatnonzero(group == n)
        apart = (group.iloc[learn] != n) & ~songs["recording"].iloc[learn].isin(songs["recording"].iloc[asked])
        found.append((learn[apart.to_numpy()], asked))
    return found


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
    drawn = songs.sample(frac=1, random_state=SEED)
    splits = [[(_fewer(drawn, songs, learn, size), test) for learn, test in folds(songs)] for size in sizes]
    parts = ask_all(study, splits, "Training on fewer songs")
    return {size: answer_folds(of, songs) for size, of in zip(sizes, parts, strict=True)}


def _fewer(drawn: pd.DataFrame, songs: pd.DataFrame, learn: np.ndarray, size: int) -> np.ndarray:
    """Of the songs to train on, the first so many of each artist in the order in which they were drawn."""
    some = drawn[drawn.index.isin(songs.index[learn])]
    kept = some.index[some.groupby("artist").cumcount() < size]
    return learn[songs.index[learn].isin(kept)]
