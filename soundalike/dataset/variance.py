"""How features spread: between artists, between albums and songs of one artist, and within a song."""

import librosa
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from soundalike.features.table import columns


def effect_size(frame: pd.DataFrame, names: list[str]) -> pd.Series:
    """How far features separate the artists: epsilon squared, of song means.

    The part of the variance between songs that lies between artists, less what chance would put
    there: Kelley, "An unbiased correlation ratio measure", 1935. Songs are what is counted: clips
    of one song are no independent witnesses.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips.
    names : list of str
        Its columns to look at.

    Returns
    -------
    pd.Series
        For each column, the greatest first: 1 if artists are all there is, about 0 (or below) if they
        say nothing. Empty unless there are two artists, and more songs than artists.
    """
    songs = _song_means(frame, names)
    return _effects(songs, songs.index.get_level_values("artist"))


def chance_effect(frame: pd.DataFrame, names: list[str], times: int = 20) -> float:
    """Find how far the best of some features would separate artists that do not differ.

    Parameters
    ----------
    frame, names
        See `effect_size`.
    times : int
        How often the songs' artists are shuffled.

    Returns
    -------
    float
        The mean over the shuffles of the greatest effect size; not a number where there is none.
    """
    songs = _song_means(frame, names)
    draw, artists = np.random.default_rng(0), songs.index.get_level_values("artist").to_numpy()
    return float(np.mean([_effects(songs, pd.Index(draw.permutation(artists))).max() for _ in range(times)]))


def _song_means(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Average features over the clips of each song [index: artist, song]."""
    return frame.groupby(["artist", "song"])[names].mean().astype(np.float64)


def _effects(songs: pd.DataFrame, artists: pd.Index) -> pd.Series:
    """Return the effect sizes of song means."""
    groups, count = artists.nunique(), len(songs)
    if groups < 2 or count <= groups:
        return pd.Series(dtype=float)
    within = ((songs - songs.groupby(artists).transform("mean")) ** 2).sum() / (count - groups)
    total = ((songs - songs.mean()) ** 2).sum() / (count - 1)
    return (1 - within / total.where(total > 0)).dropna().sort_values(ascending=False)


def variance_components(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Where the variance of features lies: the sum of squares over all clips, taken apart.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips.
    names : list of str
        Its columns to look at.

    Returns
    -------
    pd.DataFrame
        One row for each column; the parts that are ``between artists``, ``between albums`` of an
        artist, ``between songs`` of an album and ``within songs`` add up to 1. With few songs, part
        of what each level shows is chance.
    """
    values = frame[names].astype(np.float64)
    keys = [frame["artist"], frame["album"], frame["song"]]
    means = [values.mean(), *(values.groupby(keys[: n + 1]).transform("mean") for n in range(3)), values]
    levels = ["between artists", "between albums", "between songs", "within songs"]
    squares = {
        level: ((finer - coarser) ** 2).sum()
        for level, coarser, finer in zip(levels, means[:-1], means[1:], strict=True)
    }
    table = pd.DataFrame(squares)
    total = table.sum(axis=1)
    return table.div(total.where(total > 0), axis=0).dropna()


def sections(clips: pd.DataFrame, seconds: float = 20) -> np.ndarray:
    """Where a song changes: the starts of its sections, found by clustering clips that follow each other.

    McFee and Ellis, "Learning to segment songs with ordinal linear discriminant analysis", 2014, by
    librosa.segment.agglomerative, on timbre and harmony. How many there are is not found but set.

    Parameters
    ----------
    clips : pd.DataFrame
        The clips of one song, in order.
    seconds : float
        How long a section is on average.

    Returns
    -------
    np.ndarray
        Seconds; the first is the start of the first clip.
    """
    names = [name for name in columns("mfcc") + columns("chroma") if name.endswith("_mean")]
    length = clips["start"].iloc[-1] - clips["start"].iloc[0]
    values = StandardScaler().fit_transform(clips[names])
    if len(values) < 3:
        return clips["start"].to_numpy()[:1]
    count = int(np.clip(round(length / seconds), 1, len(values) - 1))
    return clips["start"].to_numpy()[librosa.segment.agglomerative(values.T, count)]
