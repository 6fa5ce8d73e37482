"""Artists, and albums, that sound alike: those whose songs do on average, by their centroids.

Half of an artist's songs find the other half by centroids more often than by distances between single songs
(benchmarks/README.md).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.messages import Problem, UserError
from soundalike.similarity import Index, as_similarity
from soundalike.splits import album_keys

LEAST = 2  # songs of a group that is named: one says little of its artist, and lies near to all when it is plain


class Pair(NamedTuple):
    """Two groups, seen from the first."""

    other: str
    distance: float  # 1 minus the cosine between their centroids
    songs: tuple[int, int]  # places of the two that are most alike, one of each


class Portrait(NamedTuple):
    """An artist, or an album, among the others."""

    name: str
    songs: int
    typical: int  # the place of the song that is nearest to the centroid of all of them
    oddest: int | None  # and of the one farthest from it; none of fewer than three songs
    alike: list[Pair]  # the most alike first


def group_names(index: Index, *, albums: bool) -> pd.Series:
    """Name the artist, or the artist and album, of each song [index: its place]; songs of no album are left out."""
    songs = index.songs.reset_index(drop=True)
    if not albums:
        return songs["artist"]
    named = songs[songs["album"] != ""]
    album = named["album"].groupby(album_keys(named)).transform("first")  # of two spellings the first
    return named["artist"] + " - " + album


def compare_groups(index: Index, names: pd.Series, places: Iterable[int], count: int) -> list[Portrait]:
    """Find the groups that sound most like some of them.

    Parameters
    ----------
    index : Index
        The library.
    names : pd.Series
        From `group_names`.
    places : iterable of int
        Songs of the groups in question; of none all are meant.
    count : int
        How many to name for each, at most; of `LEAST` songs, unless none has as many.

    Raises
    ------
    UserError
        If there are no two groups.
    """
    asked = dict.fromkeys(names[place] for place in places if place in names.index) or sorted(names.unique())
    if names.nunique() < 2:
        raise UserError(Problem.ONE_GROUP)
    songs_of = {name: own.index.to_numpy() for name, own in names.groupby(names)}
    points, embedding, every = np.asarray(index.points), index.embedding, list(songs_of)
    centroids = embedding.unit(np.stack([points[songs].mean(axis=0) for songs in songs_of.values()]))
    known = np.array([len(songs) >= LEAST for songs in songs_of.values()])
    known |= not known.any()
    portraits = []
    for group in asked:
        place = every.index(group)
        songs, centroid = songs_of[group], centroids[place]
        apart = np.where(known & (np.arange(len(every)) != place), embedding.distances(centroids, centroid), np.inf)
        nearest = [n for n in np.argsort(apart, kind="stable")[:count] if np.isfinite(apart[n])]
        by_typicality = songs[np.argsort(embedding.distances(points[songs], centroid), kind="stable")]
        pairs = [Pair(every[n], float(apart[n]), _most_alike(index, songs, songs_of[every[n]])) for n in nearest]
        oddest = by_typicality[-1] if len(songs) > 2 else None
        portraits.append(Portrait(group, len(songs), by_typicality[0], oddest, pairs))
    return portraits


def records(portraits: list[Portrait], index: Index) -> list[dict]:
    """Make of portraits what programs get, see docs/usage.md: songs by their paths."""
    song = dict(enumerate(index.songs["song"]))
    made = []
    for name, songs, typical, oddest, alike in portraits:
        pairs = [
            {"name": other, "similarity": as_similarity(far), "start_with": song[two], "most_like": song[one]}
            for other, far, (one, two) in alike
        ]
        about = {"name": name, "songs": songs, "typical": song[typical]}
        made.append(about | {"oddest": None if oddest is None else song[oddest], "alike": pairs})
    return made


def _most_alike(index: Index, songs: np.ndarray, others: np.ndarray) -> tuple[int, int]:
    """Return the songs of two groups that are most alike and no copies of each other."""
    sound = index.songs["sound"].to_numpy()
    apart = index.embedding.distances(np.asarray(index.points[songs]), np.asarray(index.points[others]))
    apart[sound[songs][:, None] == sound[others]] = 2
    one, other = np.unravel_index(apart.argmin(), apart.shape)
    return songs[one], others[other]
