"""Segments: neighbouring clips together, which say more of an artist than a clip and are more than songs.

A segment is `CLIPS` neighbouring clips that are not silent. The feature table describes it by the mean and the standard
deviation of each feature over its clips, a network by the mean embedding of the windows around its middle. A song's
segments start at every `EVERY`-th clip; a shorter song is one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from soundalike import cli
from soundalike.audio.decoding import CLIP_SECONDS
from soundalike.features.networks import NETWORKS
from soundalike.features.table import ASPECTS, CLIP_COLUMNS, columns
from soundalike.song import FEATURES, Song, read_tables

CLIPS = 4  # 8 s
EVERY = 2  # clips, so that segments overlap by half
RULE = {"clips": CLIPS, "every": EVERY}  # as a saved model names it
NEAR = 8  # s: windows of a network that lie no further from the middle of a segment describe it

PER_SONG, IN_MEMORY = 12, 24_000  # segments that are read: of a song, and of all, at most; but one of each song

# The columns of segments that belong to each aspect: of means, then of deviations.
OF_ASPECT = {
    aspect: np.flatnonzero(np.isin(2 * CLIP_COLUMNS, [column for name in names for column in columns(name)]))
    for aspect, names in ASPECTS.items()
}

Rows = dict[str, np.ndarray]  # segments by each ear [shape=(segments, columns)]; NaN where one does not describe them


def by_aspect(ear: str, added: np.ndarray) -> dict[str, np.ndarray]:
    """Sum what the columns of an ear add to rows [shape=(rows, columns)] by aspect; a network has one."""
    if ear != FEATURES:
        return {NETWORKS[ear].aspect: added.sum(axis=1)}
    return {aspect: added[:, places].sum(axis=1) for aspect, places in OF_ASPECT.items()}


def first_clips(count: int) -> np.ndarray:
    """Return the first clip of each segment of so many clips [shape=(segments,)]."""
    return np.arange(0, max(count - CLIPS, 0) + 1, EVERY)


def nearest_segment(count: int) -> np.ndarray:
    """Return the place of the segment whose middle is nearest to each of so many clips [shape=(clips,)]."""
    middles = first_clips(count) + (min(CLIPS, count) - 1) / 2
    return abs(np.arange(count)[:, None] - middles).argmin(axis=1)


def describe(clips: np.ndarray) -> np.ndarray:
    """Describe the segments of a song by the feature table.

    Parameters
    ----------
    clips : np.ndarray [shape=(clips, columns)]
        Features of its clips, in order, without the silent ones.

    Returns
    -------
    np.ndarray [shape=(segments, 2 * columns), dtype=float32]
        The mean of each feature over the segment, then its standard deviation.
    """
    windows = np.lib.stride_tricks.sliding_window_view(clips, min(CLIPS, len(clips)), axis=0)
    of = windows[first_clips(len(clips))].astype(np.float64)
    return np.concatenate([of.mean(axis=-1), of.std(axis=-1)], axis=1).astype(np.float32)


def describe_by_network(seconds: np.ndarray, middles: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Average the windows of a network around some places of a song.

    Parameters
    ----------
    seconds : np.ndarray [shape=(segments,)]
        Those places.
    middles, embeddings : np.ndarray
        See `Song.embeddings`.

    Returns
    -------
    np.ndarray [shape=(segments, columns), dtype=float32]
        NaN where no window is near.
    """
    near = abs(seconds[:, None] - middles) <= NEAR
    counts = near.sum(axis=1, keepdims=True)
    sums = near.astype(np.float32) @ embeddings
    return np.where(counts, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def segment_rows(song: Song, ears: Iterable[str]) -> Rows:
    """Describe the segments of a song by each ear.

    Parameters
    ----------
    song : Song
        With embeddings by these networks.
    ears : iterable of str
        `FEATURES`, and networks.
    """
    start = song.start[song.loud]
    first = first_clips(len(start))
    seconds = start[np.minimum(first + CLIPS // 2, len(start) - 1)] + CLIP_SECONDS / 2
    rows = {FEATURES: describe(song.clip_features[song.loud])}
    return rows | {ear: describe_by_network(seconds, *song.embeddings(ear)) for ear in ears if ear != FEATURES}


class Segments(NamedTuple):
    """Segments of many songs."""

    rows: Rows
    song: np.ndarray  # of each [shape=(segments,)]


def read_segments(root: Path, songs: Iterable[str], ears: Iterable[str]) -> Segments:
    """Read segments of songs of a library, evenly spaced: `PER_SONG` of each, or fewer of very many songs."""
    songs, ears = list(songs), list(ears)
    most = max(1, min(PER_SONG, IN_MEMORY // max(len(songs), 1)))
    parts: dict[str, list[np.ndarray]] = {ear: [] for ear in ears}
    song: list[np.ndarray] = []
    with cli.bar(len(songs), "Reading", "songs") as bar:
        for name, table in read_tables(root, songs, ears):
            rows = segment_rows(table, ears)
            count = len(rows[FEATURES])
            chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int)
            for ear, of_ear in rows.items():
                parts[ear].append(of_ear[chosen])
            song.append(np.full(len(chosen), name, dtype=object))
            bar.update()
    return Segments({ear: np.concatenate(blocks) for ear, blocks in parts.items()}, np.concatenate(song))
