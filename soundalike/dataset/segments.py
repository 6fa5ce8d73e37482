"""Segments: neighbouring clips together, which say more of an artist than a clip and are more than songs.

A segment is `CLIPS` neighbouring clips that are not silent; of each feature it holds the mean and the
standard deviation over them. A song's segments start at every `EVERY`-th clip; a shorter song is one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.dataset.invariance import find_shifts

CLIPS = 4  # 8 s
EVERY = 2  # clips, so that segments overlap by half
RULE = {"clips": CLIPS, "every": EVERY}  # as a saved model names it

PER_SONG = 24  # clips of a song that are trained on, evenly spaced; and half as many segments
IN_MEMORY = 48_000  # clips of all songs, at most: with 551 features 0.3 GB


class Examples(NamedTuple):
    """Clips and the segment around each, ready for models: one row for each clip in all arrays."""

    song: np.ndarray  # its place in the table of songs [shape=(rows,)]
    clips: np.ndarray  # features [shape=(rows, columns), dtype=float32]
    segments: np.ndarray  # means, then standard deviations [shape=(rows, 2 * columns), dtype=float32]
    whole: np.ndarray  # whether the segment is one of the song's [shape=(rows,), dtype=bool]
    columns: list[str]
    moved: np.ndarray  # of songs that were altered too, their places, once for each alteration [shape=(shifts,)]
    shifts: np.ndarray  # how far it moves their segments [shape=(shifts, 2 * columns), dtype=float32]

    def take(self, rows: np.ndarray) -> "Examples":
        """Some rows, by a mask or by their places."""
        return self._replace(
            song=self.song[rows], clips=self.clips[rows], segments=self.segments[rows], whole=self.whole[rows]
        )

    def find(self, places: pd.Series, *, segments: bool = False) -> np.ndarray:
        """Where the rows of songs in these places are: all clips, or those that stand for the segments of a song."""
        chosen = np.isin(self.song, places)
        return np.flatnonzero(chosen & self.whole if segments else chosen)

    def rows(self, places: pd.Series, *, segments: bool = False) -> "Examples":
        """The rows of songs in these places, see `find`."""
        return self.take(self.find(places, segments=segments))

    def mapped(self, folder: Path) -> "Examples":
        """The same, read from files in a folder when they are needed."""
        for name, values in self._asdict().items():
            if isinstance(values, np.ndarray) and values.size:
                np.save(folder / name, values)
        return self._replace(**{path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")})

    def artists(self, songs: pd.DataFrame, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The artist of each row, or of some rows, from the table of songs."""
        return songs.set_index("place")["artist"].loc[self.song[rows]].to_numpy(dtype=object)


def describe(
    clips: np.ndarray, length: int = CLIPS, every: int = EVERY, *, rows: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Describe the segment around each clip of a song, or around some of them.

    Parameters
    ----------
    clips : np.ndarray [shape=(clips, columns)]
        Features of a song's clips, in order, without the silent ones.
    length, every : int
        Clips in a segment, and at every how many one starts.
    rows : np.ndarray, optional
        The clips around which segments are wanted; by default all.

    Returns
    -------
    segments : np.ndarray [shape=(rows, 2 * columns), dtype=float32]
        The mean of each feature over the segment, then its standard deviation. The segment of clip i starts
        ``length`` // 2 clips before it, or as near to that as the ends of the song allow.
    whole : np.ndarray [shape=(clips,), dtype=bool]
        Which clips' segments are those of the song; the others lie in between.
    """
    count, before = len(clips), length // 2
    windows = np.lib.stride_tricks.sliding_window_view(clips, min(length, count), axis=0)
    whole = np.zeros(count, bool)
    whole[np.minimum(np.arange(0, len(windows), every) + before, count - 1)] = True
    starts = np.clip((np.arange(count) if rows is None else rows) - before, 0, len(windows) - 1)
    around = windows[starts].astype(np.float64)
    return np.concatenate([around.mean(axis=-1), around.std(axis=-1)], axis=1).astype(np.float32), whole


def per_song(songs: int) -> int:
    """How many clips of each song are gathered at most, of so many songs."""
    return max(1, min(PER_SONG, IN_MEMORY // songs))


def gather(
    parts: Iterable[pd.DataFrame],
    songs: pd.DataFrame,
    columns: list[str],
    *,
    altered: pd.DataFrame | None = None,
    length: int = CLIPS,
    every: int = EVERY,
    most: int | None = None,
) -> Examples:
    """Gather what models train on: of each song `PER_SONG` clips at most, evenly spaced; fewer beyond `IN_MEMORY`.

    Parameters
    ----------
    parts : iterable of pd.DataFrame
        Rows of a frame, whole songs in each: the frame itself, or some songs at a time.
    songs : pd.DataFrame
        From `splits.song_table`; clips of other songs are passed over.
    columns : list of str
        The features.
    altered : pd.DataFrame, optional
        From `nuisance.read_altered`; songs that are not in the table of songs are passed over.
    length, every : int
        See `describe`.
    most : int, optional
        Clips of each song; by default as many as `per_song` says.
    """
    most = most or per_song(len(songs))
    places, blocks = songs["place"].to_dict(), []
    for part in parts:
        found = []
        values, loud = part[columns].to_numpy(np.float32), ~part["silent"].to_numpy()
        for song, rows in part.groupby("song").indices.items():
            rows = rows[loud[rows]]
            if song not in places or not len(rows):
                continue
            kept = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
            segments, whole = describe(values[rows], length, every, rows=kept)
            if len(rows) > most:
                whole[:] = False
                whole[kept[most > 1 :: 2]] = True
            found.append((np.full(len(kept), places[song]), values[rows[kept]], segments, whole[kept]))
        if found:  # joined at once: what thousands of small arrays took is hardly ever given back
            blocks.append(_join(found))
    song, clips, segments, whole = _join(blocks)
    return Examples(song, clips, segments, whole, columns, *_shifts(altered, places, columns, length))


def _join(found: Iterable[Iterable[np.ndarray]]) -> list[np.ndarray]:
    return list(map(np.concatenate, zip(*found, strict=True)))


def find_segment_shifts(altered: pd.DataFrame, columns: list[str], length: int = CLIPS) -> pd.DataFrame:
    """Find how far alterations move the segments of songs, on average; see `invariance.find_shifts`."""
    return find_shifts(altered, columns, lambda clips: describe(clips, length)[0].mean(axis=0))


def _shifts(
    altered: pd.DataFrame | None, places: dict[str, int], columns: list[str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """The places of altered songs, and how far these move."""
    if altered is None:
        return np.empty(0, int), np.empty((0, 2 * len(columns)), np.float32)
    shifts = find_segment_shifts(altered[altered["song"].isin(list(places))], columns, length)
    songs = shifts.index.get_level_values("song")
    return np.array([places[song] for song in songs], int), shifts.to_numpy()


def one_song(clips: np.ndarray, columns: list[str]) -> Examples:
    """Make examples of all clips of one song, see `describe`; its place is 0."""
    return Examples(np.zeros(len(clips), int), clips, *describe(clips), columns, *_shifts(None, {}, columns, CLIPS))
