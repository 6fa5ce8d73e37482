"""Recordings that are in a library twice."""

import math
import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from soundalike import cli
from soundalike.features.table import COLUMNS
from soundalike.library.errors import UserError

# Two recordings are the same when their clips rise and fall together. Of 126 songs, copies encoded again
# at 64 kbit/s, or beginning up to 7 s later and half as loud, agreed by 0.64 to 1.00, different songs by
# 0.49 at most.
SAME_RECORDING = 0.6
LAGS = 5  # clips that one of two copies may begin later
LEAST_CLIPS = 8  # that must overlap; fewer agree by accident
RIVALS = 20  # songs most like a song on average, among which copies of it are sought

COURSE_COLUMNS = [name for name in COLUMNS if re.fullmatch(r"(mfcc_(?!01)\d\d|chroma_\d\d)_mean", name)]
USED = ["artist", "album", "song", "silent", *COURSE_COLUMNS]  # of the frame


def resolve_duplicates(
    parts: Iterable[pd.DataFrame], songs: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Say which songs are one recording, and leave out songs whose artist is ambiguous.

    Parameters
    ----------
    parts : iterable of pd.DataFrame
        The frame, some whole songs at a time: the columns `USED`.
    songs : pd.DataFrame
        The rows of songs.csv.

    Returns
    -------
    labels : pd.DataFrame
        The songs that are left, one row for each: ``artist``, ``album``, ``song``, ``silent`` (whether all of it is)
        and ``recording``, which `splits.folds` keeps on one side.
    pairs : pd.DataFrame
        See `find_duplicates`.
    left_out : list of str
        See `conflicting_artists`.

    Raises
    ------
    UserError
        If the frame holds songs that songs.csv does not.
    """
    labels, means, courses = read_courses(parts)
    if not set(labels["song"]) <= set(songs["song"]):
        raise UserError("The frame is older than songs.csv: run dataframe_creation.py.")
    pairs = find_duplicates(means, courses, songs)
    left_out = conflicting_artists(pairs, songs)
    labels["recording"] = same_recordings(labels["song"], pairs)
    return labels[~labels["song"].isin(left_out)].reset_index(drop=True), pairs, left_out


def read_courses(parts: Iterable[pd.DataFrame]) -> tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]]:
    """Read whose each song is, and how its timbre and harmony move.

    Parameters
    ----------
    parts : iterable of pd.DataFrame
        See `resolve_duplicates`.

    Returns
    -------
    labels : pd.DataFrame
        One row for each song: ``artist``, ``album``, ``song``, ``silent``.
    means : np.ndarray [shape=(songs, features)]
        Timbre and harmony of each song that is not silent, in units of the deviation over all clips.
    courses : dict of str to np.ndarray [shape=(clips, features), dtype=float32]
        Of each of these songs: how its clips differ from its mean, which encoding hardly changes; in the same units.
    """
    labels: list[pd.DataFrame] = []
    values: dict[str, np.ndarray] = {}
    for part in parts:
        labels.append(part[["artist", "album", "song", "silent"]].sort_values("silent").drop_duplicates("song"))
        loud = part[~part["silent"]]
        features = loud[COURSE_COLUMNS].to_numpy(np.float32)
        values |= {song: features[rows] for song, rows in loud.groupby("song").indices.items()}
    count = sum(len(own) for own in values.values())
    centre = sum(own.sum(axis=0, dtype=float) for own in values.values()) / count
    spread = np.sqrt(sum(((own - centre) ** 2).sum(axis=0) for own in values.values()) / count)
    means = np.stack([own.mean(axis=0, dtype=float) for own in values.values()])
    for own, mean in zip(values.values(), means, strict=True):
        own -= mean
        own /= np.maximum(spread, 1e-9)
    means = (means - centre) / np.maximum(spread, 1e-9)
    return pd.concat(labels).sort_values("song", ignore_index=True), means, values


def find_duplicates(means: np.ndarray, courses: dict[str, np.ndarray], songs: pd.DataFrame) -> pd.DataFrame:
    """Find songs that are the same recording again, or by their titles the same song.

    Parameters
    ----------
    means, courses
        From `read_courses`.
    songs : pd.DataFrame
        The rows of songs.csv.

    Returns
    -------
    pd.DataFrame
        One row for each pair: ``song``, ``other``, ``why`` and ``agreement`` (of timbre and harmony,
        -1 to 1; missing where one is too short for that).
    """
    near, pairs = _neighbours(means, list(courses)), {}
    with cli.bar(len(near), "Looking for duplicates", "pairs") as bar:
        for song, other in near:
            if (close := agreement(courses[song], courses[other])) >= SAME_RECORDING:
                pairs[song, other] = "sounds the same", close
            bar.update()
    used = songs[songs["song"].isin(courses)]
    titles = used["artist"] + "\n" + used["title"].map(bare_title)
    for _, same in used.groupby(titles):
        first, *others = sorted(same["song"])
        for other in others:
            _, close = pairs.get((first, other), ("", agreement(courses[first], courses[other])))
            pairs[first, other] = "same title" + (", sounds the same" if close >= SAME_RECORDING else ""), close
    rows = [(song, other, why, close) for (song, other), (why, close) in sorted(pairs.items())]
    return pd.DataFrame(rows, columns=["song", "other", "why", "agreement"])


def bare_title(title: str) -> str:
    """Return a title without track number, brackets, capitals and accents: ``03 - Intro (Live)`` is ``intro``.

    Numbers in brackets stay: ``Recording (2)`` is not ``Recording (1)``.
    """
    plain = unicodedata.normalize("NFKD", title.casefold())
    plain = re.sub(r"[(\[](?!(part|pt\.?|no\.?|vol\.?)?\s*(\d+|[ivx]+)[)\]]).*?[)\]]", " ", plain)
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))
    while len(words) > 1 and words[0].isdecimal():
        words = words[1:]
    return " ".join(words) or title


def _neighbours(means: np.ndarray, names: list[str]) -> list[tuple[str, str]]:
    """Pairs of songs that are alike on average: only these are looked at closely."""
    spread = means.std(axis=0)
    values = (means - means.mean(axis=0)) / np.where(spread > 0, spread, 1)
    search = NearestNeighbors(n_neighbors=min(RIVALS + 1, len(means))).fit(values)
    near = search.kneighbors(values, return_distance=False)
    return sorted({tuple(sorted((names[k], names[j]))) for k, row in enumerate(near) for j in row if j != k})


def agreement(course: np.ndarray, other: np.ndarray) -> float:
    """How far two songs rise and fall together: the highest correlation over some lags.

    Parameters
    ----------
    course, other : np.ndarray [shape=(clips, features)]
        Of each song, from its own mean.

    Returns
    -------
    float
        From -1 to 1; NaN where fewer than `LEAST_CLIPS`, or than half of the shorter song, overlap.
    """
    found = []
    for lag in range(-LAGS, LAGS + 1):
        one, two = course[max(lag, 0) :], other[max(-lag, 0) :]
        n = min(len(one), len(two))
        if n < max(LEAST_CLIPS, min(len(course), len(other)) / 2):
            continue
        one, two = one[:n], two[:n]
        size = float(np.vdot(one, one)) * float(np.vdot(two, two))
        if size > 0:
            found.append(float(np.vdot(one, two)) / math.sqrt(size))
    return max(found, default=math.nan)


def same_recordings(songs: pd.Series, pairs: pd.DataFrame) -> pd.Series:
    """Name the recording of each song: one name for all songs that are the same again.

    Parameters
    ----------
    songs : pd.Series
        Each song once.
    pairs : pd.DataFrame
        From `find_duplicates`.

    Returns
    -------
    pd.Series
        Under the index of ``songs``.
    """
    names = pd.Index(songs)
    one, two = names.get_indexer(pairs["song"]), names.get_indexer(pairs["other"])
    linked = coo_array((np.ones(len(pairs)), (one, two)), shape=(len(names), len(names)))
    _, part = connected_components(linked, directed=False)
    return songs.groupby(part).transform("first")


def conflicting_artists(pairs: pd.DataFrame, songs: pd.DataFrame) -> list[str]:
    """Songs that are one recording under two artists: one label is wrong, and it is unknown which."""
    artist = songs.set_index("song")["artist"]
    two = pairs["song"].map(artist) != pairs["other"].map(artist)
    return sorted({*pairs["song"][two], *pairs["other"][two]})
