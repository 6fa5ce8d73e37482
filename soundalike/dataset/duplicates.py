"""Recordings that are in a library twice."""

import re
import unicodedata

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from soundalike.features.table import COLUMNS

# Two recordings are the same when their clips rise and fall together. Of 126 songs, copies encoded again
# at 64 kbit/s, or beginning up to 7 s later and half as loud, agreed by 0.64 to 1.00, different songs by
# 0.49 at most.
SAME_RECORDING = 0.6
LAGS = 5  # clips that one of two copies may begin later
LEAST_CLIPS = 8  # that must overlap; fewer agree by accident
RIVALS = 20  # songs most like a song on average, among which copies of it are sought

COURSE_COLUMNS = [name for name in COLUMNS if re.fullmatch(r"(mfcc_(?!01)\d\d|chroma_\d\d)_mean", name)]


def resolve_duplicates(frame: pd.DataFrame, songs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Say which songs are one recording, and leave out those that nobody can tell whose they are.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips, as written by ``dataframe_creation.py``.
    songs : pd.DataFrame
        The rows of songs.csv.

    Returns
    -------
    settled : pd.DataFrame
        The clips that are left, with a column ``recording``, which `folds` keeps on one side; under a
        fresh index.
    pairs : pd.DataFrame
        See `find_duplicates`.
    left_out : list of str
        See `conflicting_artists`.
    """
    pairs = find_duplicates(frame, songs)
    left_out = conflicting_artists(pairs, songs)
    settled = frame.assign(recording=same_recordings(frame, pairs))
    return settled[~settled["song"].isin(left_out)].reset_index(drop=True), pairs, left_out


def find_duplicates(frame: pd.DataFrame, songs: pd.DataFrame) -> pd.DataFrame:
    """Find songs that are the same recording again, or by their titles the same song.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips, as written by ``dataframe_creation.py``.
    songs : pd.DataFrame
        The rows of songs.csv.

    Returns
    -------
    pd.DataFrame
        One row for each pair: ``song``, ``other``, ``why`` and ``agreement`` (of timbre and harmony,
        -1 to 1; missing where one is too short for that).
    """
    loud = frame[~frame["silent"]]
    courses = _courses(loud)
    pairs = {
        (song, other): ("sounds the same", close)
        for song, other in _neighbours(loud)
        if (close := agreement(courses[song], courses[other])) >= SAME_RECORDING
    }
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
    """A title without track number, brackets, capitals and accents: ``03 - Intro (Live)`` is ``intro``.

    Numbers in brackets stay: ``Recording (2)`` is not ``Recording (1)``.
    """
    plain = unicodedata.normalize("NFKD", title.casefold())
    plain = re.sub(r"[(\[](?!(part|pt\.?|no\.?|vol\.?)?\s*(\d+|[ivx]+)[)\]]).*?[)\]]", " ", plain)
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))
    while len(words) > 1 and words[0].isdecimal():
        words = words[1:]
    return " ".join(words) or title


def _courses(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """How timbre and harmony move along each song, from its own mean: what encoding leaves as it is."""
    values = frame[COURSE_COLUMNS].to_numpy(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    parts = {song: values[places] for song, places in frame.groupby("song").indices.items()}
    return {song: part - part.mean(axis=0) for song, part in parts.items()}


def _neighbours(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of songs that are alike on average: only these are looked at closely."""
    means = frame.groupby("song")[COURSE_COLUMNS].mean()
    values = ((means - means.mean()) / means.std(ddof=0).replace(0, 1)).to_numpy()
    search = NearestNeighbors(n_neighbors=min(RIVALS + 1, len(means))).fit(values)
    near = search.kneighbors(values, return_distance=False)
    names = list(means.index)
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
    found = [np.nan]
    for lag in range(-LAGS, LAGS + 1):
        one, two = course[max(lag, 0) :], other[max(-lag, 0) :]
        n = min(len(one), len(two))
        if n < max(LEAST_CLIPS, min(len(course), len(other)) / 2):
            continue
        size = np.sqrt((one[:n] ** 2).sum() * (two[:n] ** 2).sum())
        found.append((one[:n] * two[:n]).sum() / size if size else np.nan)
    return float(np.nanmax(found)) if not np.isnan(found).all() else np.nan


def same_recordings(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """The recording of each clip: one name for all songs that are the same again.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips.
    pairs : pd.DataFrame
        From `find_duplicates`.

    Returns
    -------
    pd.Series
        Under the index of ``frame``; `folds` keeps a recording on one side.
    """
    names = pd.Index(frame["song"].unique())
    one, two = names.get_indexer(pairs["song"]), names.get_indexer(pairs["other"])
    linked = coo_array((np.ones(len(pairs)), (one, two)), shape=(len(names), len(names)))
    _, part = connected_components(linked, directed=False)
    first = pd.Series(names).groupby(part).first()
    return frame["song"].map(dict(zip(names, first[part], strict=True)))


def conflicting_artists(pairs: pd.DataFrame, songs: pd.DataFrame) -> list[str]:
    """Songs that are one recording under two artists: one label is wrong, and nobody can tell which."""
    artist = songs.set_index("song")["artist"]
    two = pairs["song"].map(artist) != pairs["other"].map(artist)
    return sorted({*pairs["song"][two], *pairs["other"][two]})
