"""How good the answer to "what sounds like it?" is in a library, and what its distances mean there."""

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.dataset.splits import MIN_ALBUMS, album_counts, album_keys
from soundalike.embedding import Embedding

SEEDS = 1000  # songs, at most, by which the quality is measured
FEWER_SEEDS = 300  # the same for what distances mean
STEP = 0.01  # of distance, in which pairs of songs are counted
LEAST_PAIRS = 10  # nearer pairs of one album, say, from which on it can be said that most are
ALBUM, ARTIST, DIFFERENT = "one album", "one artist", "different artists"  # of the two songs


def measure_likeness(points: np.ndarray, songs: pd.DataFrame, embedding: Embedding) -> dict:
    """Measure at which distances most pairs of songs are of one album or artist, and how far those of others are apart.

    Parameters
    ----------
    points, songs, embedding
        See `measure_quality`.

    Returns
    -------
    dict
        For `ALBUM` and `ARTIST` the distance (see `nearest.distances`) up to which most pairs are: beyond it the share
        of such pairs, isotonic in distance, is below half; None if it always is, or if they are few. For `DIFFERENT`
        the 0th to 100th percentile of the distances between songs of different artists; none if there are few.
        Copies and versions are not counted.
    """
    from sklearn.isotonic import IsotonicRegression  # which takes long, and asking does without

    artist, album, recording = _numbered(songs)
    several, named = bool((album_counts(songs) > 1).any()), songs["album"].to_numpy() != ""
    edges = np.arange(0, 2 + STEP, STEP)
    counts = {name: np.zeros(len(edges) - 1) for name in (ALBUM, ARTIST, DIFFERENT)}
    for song in np.random.default_rng(0).permutation(len(songs))[:FEWER_SEEDS]:
        apart = embedding.distances(points, points[song])
        others, same = recording != recording[song], artist == artist[song]
        groups = {ALBUM: same & (album == album[song]) & named & several, ARTIST: same, DIFFERENT: ~same}
        for name, group in groups.items():
            counts[name] += np.histogram(apart[group & others].clip(0, 2), edges)[0]
    pairs = counts[ARTIST] + counts[DIFFERENT]
    found: dict = {}
    for name in (ALBUM, ARTIST):
        share = counts[name] / np.maximum(pairs, 1)
        falling = IsotonicRegression(increasing=False).fit(edges[1:], share, sample_weight=pairs + 1e-9)
        most = np.flatnonzero((falling.predict(edges[1:]) >= 0.5) & (pairs > 0))
        enough = len(most) and counts[name][: most[-1] + 1].sum() >= LEAST_PAIRS
        found[name] = float(edges[most[-1] + 1]) if enough else None
    shares = np.cumsum(counts[DIFFERENT]) / max(counts[DIFFERENT].sum(), 1)
    enough = counts[DIFFERENT].sum() >= LEAST_PAIRS
    percentiles = np.interp(np.linspace(0, 1, 101), shares, edges[1:]) if enough else np.empty(0)
    return found | {DIFFERENT: percentiles.round(3).tolist()}


def _numbered(songs: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Return the artist, the album and the recording of each song, as numbers."""
    return tuple(pd.factorize(key)[0] for key in (songs["artist"], album_keys(songs), songs["recording"]))


def is_far(distance: float, likeness: dict) -> bool:
    """Whether songs at this distance are no more alike than half of those by different artists."""
    apart = likeness[DIFFERENT]
    return bool(apart) and distance >= apart[50]


def how_alike(distance: float, likeness: dict) -> str:
    """Say how alike songs at this distance are, by what `measure_likeness` found; nothing if that is too little."""
    apart = likeness[DIFFERENT]
    if not apart:
        return ""
    for name in (ALBUM, ARTIST):
        if likeness[name] is not None and distance <= likeness[name]:
            return f"as alike as songs of {name}"
    if is_far(distance, likeness):
        return "no more alike than songs of different artists"
    return f"more alike than {100 - np.searchsorted(apart, distance):.0f}% of songs by different artists"


def measure_quality(points: np.ndarray, songs: pd.DataFrame, embedding: Embedding) -> dict:
    """Measure how often the song that sounds most alike, on another album and no version, is by the same artist.

    Parameters
    ----------
    points : np.ndarray [shape=(songs, dimensions)]
        The songs.
    songs : pd.DataFrame
        Their `SONG_LABELS`. An artist's songs without an album count as one album.
    embedding : Embedding
        Of the points.

    Returns
    -------
    dict
        ``right``, the share of songs for which it is, and the ends ``low`` and ``high`` of its 95%
        interval (Wilson, as if songs were independent), None unless each of these artists has
        `MIN_ALBUMS` albums; ``chance``, for a song drawn at random; ``songs``, how many were asked
        (drawn at random among those whose artist has another album). If no artist has another album,
        ``albums`` is False, all songs are asked, and their own albums count.
    """
    count = songs["artist"].map(album_counts(songs)).to_numpy()
    albums = count > 1
    artist, album, recording = _numbered(songs)
    own = album if albums.any() else recording
    asked = np.random.default_rng(0).permutation(np.flatnonzero(albums | ~albums.any()))[:SEEDS]
    right: list[bool] = []
    chance: list[float] = []
    for song in asked:
        others = (own[song] != own) & (recording[song] != recording)
        same = others & (artist[song] == artist)  # of a song that is alone, nothing is right
        nearest = np.where(others, embedding.distances(points, points[song]), np.inf).argmin()
        right.append(bool(same[nearest]))
        chance.append(same.sum() / max(others.sum(), 1))
    from scipy.stats import binomtest  # which takes long, and few calls need it

    interval = binomtest(int(sum(right)), len(asked)).proportion_ci(method="wilson")
    few = albums.any() and count[asked].min() < MIN_ALBUMS
    return {
        "right": float(np.mean(right)),
        "low": None if few else float(interval.low),
        "high": None if few else float(interval.high),
        "chance": float(np.mean(chance)),
        "songs": len(asked),
        "albums": bool(albums.any()),
    }


def quality_in_words(quality: dict) -> str:
    """Say how good such recommendations are, in a sentence."""
    which = "on another album is" if quality["albums"] else "(of any album, for no artist has two) is"
    sure = "too few albums for an interval"
    if quality["low"] is not None:
        sure = f"95% CI {100 * quality['low']:.0f}–{100 * quality['high']:.0f}%"
    return (
        f"In this library the most similar song {which} by the same artist for {100 * quality['right']:.0f}% of "
        f"{cli.counted(quality['songs'], 'song')} ({sure}; at random {100 * quality['chance']:.0f}%)."
    )
