"""Which artists of a library sound alike, and which songs bring them together."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.dataset.whitening import unit
from soundalike.library.errors import UserError, printable
from soundalike.similarity.index import Index
from soundalike.similarity.nearest import distances


class Pair(NamedTuple):
    """Two artists, seen from the first."""

    other: str
    distance: float  # 1 minus the cosine between the means of their songs
    songs: tuple[int, int]  # places of the two that are most alike, one by each
    apart: float  # how far these are, see `nearest.distances`


class Portrait(NamedTuple):
    """An artist among the others."""

    artist: str
    songs: int
    typical: int  # the place of the song that is nearest to the mean of all of them
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
        Who is asked about.
    count : int
        How many to name for each, at most.
    """
    places = pd.Series(np.arange(len(index.songs))).groupby(index.songs["artist"].to_numpy()).indices
    every = list(places)
    means = unit(np.stack([np.asarray(index.points[own]).mean(axis=0) for own in places.values()]))
    portraits = []
    for artist in artists:
        own, number = places[artist], every.index(artist)
        cosine = means @ means[number]
        near = [n for n in np.argsort(-cosine, kind="stable") if n != number][:count]
        order = own[np.argsort(-(np.asarray(index.points[own]) @ means[number]), kind="stable")]
        pairs = [_pair(index, own, places[every[n]], every[n], 1 - float(cosine[n])) for n in near]
        portraits.append(Portrait(artist, len(own), order[0], order[-1] if len(own) > 2 else None, pairs))
    return portraits


def _pair(index: Index, own: np.ndarray, others: np.ndarray, other: str, distance: float) -> Pair:
    """The two songs that bring two artists together."""
    there = index._replace(points=np.asarray(index.points[others]))
    apart = np.stack([distances(there, index.described[place]) for place in own])
    one, two = np.unravel_index(apart.argmin(), apart.shape)
    return Pair(other, distance, (own[one], others[two]), float(apart[one, two]))
