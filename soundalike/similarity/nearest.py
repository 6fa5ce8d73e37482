"""The songs that sound most like one song, or like several, and what they have in common."""

import numpy as np
import pandas as pd

from soundalike.dataset.segments import by_aspect
from soundalike.embedding import Embedding
from soundalike.features.networks import NETWORKS
from soundalike.features.table import ASPECTS
from soundalike.similarity.index import Index

WORTH_NAMING = 0.03  # what an aspect adds to the cosine to be named


def distances(index: Index, described: np.ndarray) -> np.ndarray:
    """Compute how far the songs of a library are from one song, or on average from several.

    Parameters
    ----------
    index : Index
        The library.
    described : np.ndarray [shape=(columns,) or (songs, columns)]
        The song or songs. Ears without numbers for one do not count.

    Returns
    -------
    np.ndarray [shape=(songs,)]
        One minus the cosine: 0 the same, 1 what songs drawn at random have on average, 2 the opposite.
    """
    points = index.embedding.points(np.atleast_2d(described))
    return np.mean([index.embedding.distances(index.points, point) for point in points], axis=0)


def nearest_songs(index: Index, described: np.ndarray, barred: np.ndarray, count: int) -> pd.DataFrame:
    """Name the songs that sound most like one song, or several.

    Parameters
    ----------
    index, described
        See `distances`.
    barred : np.ndarray of bool [shape=(songs,)]
        Songs not to be named.
    count : int
        How many to name, at most.

    Returns
    -------
    pd.DataFrame
        See `say_why`; the nearest song first.
    """
    distance = np.where(barred, np.inf, distances(index, described))
    first = np.argsort(distance, kind="stable")[: min(count, int((~barred).sum()))]
    return say_why(index, described, first, distance[first])


def say_why(index: Index, described: np.ndarray, places: np.ndarray, distance: np.ndarray) -> pd.DataFrame:
    """Take songs from the index, and say what they have in common with one song, or several.

    Parameters
    ----------
    index, described
        See `distances`.
    places : np.ndarray of int [shape=(named,)]
        Of the songs in the index.
    distance : np.ndarray [shape=(named,)]
        Of each of them, see `distances`.

    Returns
    -------
    pd.DataFrame
        `SONG_LABELS`, ``distance``, and what each aspect adds to the cosine, see `aspects`.
    """
    others, points = np.asarray(index.described[places]), np.asarray(index.points[places])
    added = []
    for song in np.atleast_2d(described):
        common = index.embedding.common(points, index.embedding.points(song[None])[0])
        added.append({aspect: of / common for aspect, of in _shares(index.embedding, song, others).items()})
    means = {aspect: np.mean([of_one[aspect] for of_one in added], axis=0) for aspect in added[0]}
    return index.songs.iloc[places].assign(distance=distance, **means)


def _shares(embedding: Embedding, song: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """Split the cosine between a song and others by aspect: exact, for the cosine is a sum over columns."""
    shares: dict[str, np.ndarray] = {}
    for ear, space, rows in embedding.blocks(np.concatenate([song[None], others])):
        rows = rows / np.maximum(np.linalg.norm(rows @ space.basis, axis=1, keepdims=True), 1e-12)
        back = rows @ space.basis @ space.basis.T
        added = np.nan_to_num((rows[0] * back[1:] + rows[1:] * back[0]) / 2) / len(embedding.ears)
        shares |= by_aspect(ear, added)
    return shares


def aspects(songs: pd.DataFrame | pd.Series) -> list[str]:
    """List the aspects that a table of `say_why`, or a row of it, has: `ASPECTS`, and those of networks."""
    every = [*ASPECTS, *(network.aspect for network in NETWORKS.values())]
    return [aspect for aspect in every if aspect in songs]


def in_common(song: pd.Series) -> list[str]:
    """List the aspects that add most to the cosine between songs, from a row of `say_why`; the first adds most."""
    added = song[aspects(song)].astype(float).sort_values(ascending=False)
    return list(added.index[added >= WORTH_NAMING])
