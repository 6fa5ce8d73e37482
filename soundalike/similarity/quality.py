"""How good the answer to "what sounds like it?" is in a library, and what its distances mean there."""

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.dataset.splits import MIN_ALBUMS, album_counts, album_names
from soundalike.dataset.whitening import FEATURES, WIDTHS, Spaces, parts, unit

SEEDS, SEEDS_AT_ONCE = 1000, 50  # songs, at most, by which it is measured; how many at a time
OTHERS = 50  # songs by other artists that each of them is compared with
LEAST_PAIRS = 10  # of fewer songs of one album, say, nothing is typical
ALBUM, ARTIST, DIFFERENT = "one album", "one artist", "different artists"  # songs of which; the most alike first


def measure_typical(points: np.ndarray, songs: pd.DataFrame, spaces: Spaces) -> dict[str, float]:
    """Measure how far apart songs of one album, of one artist and of different artists usually are.

    Parameters
    ----------
    points, songs, spaces
        See `measure_quality`.

    Returns
    -------
    dict of str to float
        Median distances (see `nearest.distances`), in the order of `ALBUM`, `ARTIST` (on different albums, if an artist
        has two) and `DIFFERENT`. One that is no larger than the one before is left out, and so is one of too few songs.
    """
    draw = np.random.default_rng(0)
    artist, album = (pd.factorize(key)[0] for key in (songs["artist"], songs["artist"] + "\n" + album_names(songs)))
    of_artist = pd.Series(np.arange(len(songs))).groupby(artist).indices
    several = np.array([len(set(album[own])) > 1 for own in of_artist.values()]).any()
    named = songs["album"].to_numpy() != ""
    found: dict[str, list[np.ndarray]] = {ALBUM: [], ARTIST: [], DIFFERENT: []}
    for song in draw.permutation(len(songs))[:SEEDS]:
        own, others = of_artist[artist[song]], draw.integers(len(songs), size=OTHERS)
        same = album[own] == album[song]
        groups = {
            ALBUM: own[same & (own != song) & named[song] & several],
            ARTIST: own[(~same if several else True) & (own != song)],
            DIFFERENT: others[artist[others] != artist[song]],
        }
        for name, group in groups.items():
            some = np.asarray(points[group[:SEEDS]])
            found[name].append(1 - some @ points[song] / spaces.common(some, points[song]))
    typical: dict[str, float] = {}
    for name, values in found.items():
        apart = np.concatenate(values)
        if len(apart) >= LEAST_PAIRS and np.median(apart) > max(typical.values(), default=-np.inf):
            typical[name] = float(np.median(apart))
    return typical


def how_alike(distance: float, typical: dict[str, float]) -> str:
    """Say how alike songs at this distance are: as those of which the usual distance is nearest, if any is known."""
    return min(typical, key=lambda name: abs(typical[name] - distance)) if len(typical) > 1 else ""


def measure_quality(points: np.ndarray, described: np.ndarray, songs: pd.DataFrame, spaces: Spaces) -> dict:
    """How often the song that sounds most alike, on another album, is by the same artist.

    Parameters
    ----------
    points, described : np.ndarray
        The songs.
    songs : pd.DataFrame
        Their `SONG_LABELS`. An artist's songs without an album count as one album.
    spaces : Spaces
        Of the points.

    Returns
    -------
    dict
        ``right``, the share of songs for which it is, and the ends ``low`` and ``high`` of its 95%
        interval (Wilson, as if songs were independent), None unless each of these artists has
        `MIN_ALBUMS` albums; the same share by the cosine between features that are only ``scaled``,
        and that are ``plain``; ``chance``, for a song drawn at random; ``songs``, how many were asked
        (drawn at random among those whose artist has another album), and of how many ``artists``. If no
        artist has another album, ``albums`` is False, all songs are asked, and their own albums count.
    """
    count = songs["artist"].map(album_counts(songs)).to_numpy()
    albums = count > 1
    keys = songs["artist"], songs["artist"] + "\n" + album_names(songs)
    artist, album = (pd.factorize(key)[0] for key in keys)
    own = album if albums.any() else np.arange(len(songs))
    asked = np.random.default_rng(0).permutation(np.flatnonzero(albums | ~albums.any()))[:SEEDS]
    space = spaces.ears[FEATURES]
    described = described[:, : WIDTHS[FEATURES]]
    ways = {
        "right": (points, lambda rows: rows),
        "scaled": (described, lambda rows: unit((rows - space.centre) / space.scale)),
        "plain": (described, unit),
    }
    hits: dict[str, list] = {name: [] for name in (*ways, "chance")}
    for some in np.array_split(asked, -(-len(asked) // SEEDS_AT_ONCE)):
        same, others = artist[some, None] == artist, own[some, None] != own
        same &= others  # of a song that is alone, nothing is right
        for name, (rows, view) in ways.items():
            ours = view(rows[some])
            cosine = np.concatenate([ours @ view(part).T for part in parts(rows)], axis=1)
            first = np.where(others, cosine, -np.inf).argmax(axis=1)
            hits[name].extend(same[np.arange(len(some)), first])
        hits["chance"].extend(same.sum(axis=1) / np.maximum(others.sum(axis=1), 1))
    found: dict = {name: float(np.mean(values)) for name, values in hits.items()}
    from scipy.stats import binomtest  # which takes long, and few calls need it

    ends = binomtest(int(sum(hits["right"])), len(asked)).proportion_ci(method="wilson")
    few = albums.any() and count[asked].min() < MIN_ALBUMS
    low, high = (None, None) if few else (float(ends.low), float(ends.high))
    found |= {"low": low, "high": high, "songs": len(asked)}
    return found | {"artists": len(set(artist[asked])), "albums": bool(albums.any())}


def quality_in_words(quality: dict) -> str:
    """How good such recommendations are, in a sentence."""
    which = "on another album is" if quality["albums"] else "(of any album, for no artist has two) is"
    sure = "too few albums for an interval"
    if quality["low"] is not None:
        sure = f"95% CI {100 * quality['low']:.0f}–{100 * quality['high']:.0f}%"
    return (
        f"In this library the most similar song {which} by the same artist for {100 * quality['right']:.0f}% of "
        f"{cli.counted(quality['songs'], 'song')} ({sure}; at random {100 * quality['chance']:.0f}%)."
    )
