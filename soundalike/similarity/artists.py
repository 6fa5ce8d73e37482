"""Artists of a library that sound alike, and the songs that bring them together."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.library.errors import UserError, printable
from soundalike.similarity.index import Index


class Pair(NamedTuple):
    """Two artists, seen from the first."""

    other: str
    distance: float  # 1 minus the cosine between the middles of their songs
    songs: tuple[int, int]  # places of the two that are most alike, one by each


class Portrait(NamedTuple):
    """An artist among the others."""

    artist: str
    songs: int
    typical: int  # the place of the song that is nearest to the middle of all of them
    oddest: int | None  # and of the one farthest from it; none of fewer than three songs
    alike: list[Pair]  # the most alike first


def find_artists(names: list[str], index: Index) -> list[str]:
    """Find the artists that are meant: by name, or the one that holds a part of it; without names, all.

    Raises
    ------
    UserError
        If there is none, or several.
    """
    every = sorted(index.songs["artist"].unique())
    found = []
    for name in names:
        sought = name.casefold()
        meant = [artist for artist in every if artist.casefold() == sought]
        meant = meant or [artist for artist in every if sought in artist.casefold()]
        if len(meant) != 1:
            several = f"{len(meant)} artists are called so: {'; '.join(map(printable, meant[:5]))}"
            raise UserError(several if meant else f"{printable(name)} is no part of an artist's name in this library.")
        found += meant
    return list(dict.fromkeys(found)) or every


def compare(index: Index, artists: list[str], count: int) -> list[Portrait]:
    """Find the artists who sound most like some artists: those whose songs do on average.

    Half of an artist's songs find the other half by this more often than by distances between single songs
    (benchmarks/README.md).

    Parameters
    ----------
    index : Index
        The library.
    artists : list of str
        The artists in question.
    count : int
        How many to name for each, at most.
    """
    places = pd.Series(np.arange(len(index.songs))).groupby(index.songs["artist"].to_numpy()).indices
    every = list(places)
    middles = np.stack([index.embedding.centroid(np.asarray(index.points[own])) for own in places.values()])
    # One song says little of its artist, and lies near to all when it is plain.
    known = {n for n, of in enumerate(places.values()) if len(of) > 1} or {*range(len(every))}
    portraits = []
    for artist in artists:
        own, middle = places[artist], middles[every.index(artist)]
        apart = index.embedding.distances(middles, middle)
        near = [n for n in np.argsort(apart, kind="stable") if every[n] != artist and n in known][:count]
        order = own[np.argsort(index.embedding.distances(np.asarray(index.points[own]), middle), kind="stable")]
        pairs = [Pair(every[n], float(apart[n]), _bring_together(index, own, places[every[n]])) for n in near]
        portraits.append(Portrait(artist, len(own), order[0], order[-1] if len(own) > 2 else None, pairs))
    return portraits


def _bring_together(index: Index, own: np.ndarray, others: np.ndarray) -> tuple[int, int]:
    """Return the songs of two artists that are most alike and no copies of each other."""
    points, recording = np.asarray(index.points[others]), index.songs["sound"].to_numpy()
    apart = np.stack([index.embedding.distances(points, np.asarray(index.points[place])) for place in own])
    apart[recording[own][:, None] == recording[others]] = 2
    one, two = np.unravel_index(apart.argmin(), apart.shape)
    return own[one], others[two]
