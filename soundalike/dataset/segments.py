"""Segments: neighbouring clips together, which say more of an artist than a clip and are more than songs.

A segment is `CLIPS` neighbouring clips that are not silent; of each feature it holds the mean and the
standard deviation over them. A song's segments start at every `EVERY`-th clip; a shorter song is one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.audio.decoding import CLIP_SECONDS
from soundalike.dataset.invariance import find_shifts
from soundalike.dataset.windows import Windows
from soundalike.features.networks import NETWORKS, numbers_of

CLIPS = 4  # 8 s
EVERY = 2  # clips, so that segments overlap by half
RULE = {"clips": CLIPS, "every": EVERY}  # as a saved model names it

PER_SONG = 24  # clips of a song that are trained on, evenly spaced; and half as many segments
IN_MEMORY = 48_000  # clips of all songs, at most: with 551 features 0.3 GB
NEAR = 8  # s: windows of a network that lie no further from the middle of a clip describe what is around it


class Examples(NamedTuple):
    """Clips and the segment around each, ready for models: one row for each clip in all arrays."""

    song: np.ndarray  # its place in the table of songs [shape=(rows,)]
    clips: np.ndarray  # features [shape=(rows, columns), dtype=float32]
    segments: np.ndarray  # means, then standard deviations [shape=(rows, 2 * columns), dtype=float32]
    whole: np.ndarray  # whether the segment is one of the song's [shape=(rows,), dtype=bool]
    columns: list[str]
    moved: np.ndarray  # of songs that were altered too, their places, once for each alteration [shape=(shifts,)]
    shifts: np.ndarray  # how far it moves their segments [shape=(shifts, 2 * columns), dtype=float32]
    networks: dict[str, np.ndarray] = {}  # noqa: RUF012 - of each network the mean of the windows around each clip;
    # not a number where there is none [shape=(rows, its columns), dtype=float32]

    def take(self, rows: np.ndarray) -> "Examples":
        """Return some rows, by a mask or by their places."""
        return self._replace(
            song=self.song[rows],
            clips=self.clips[rows],
            segments=self.segments[rows],
            whole=self.whole[rows],
            networks={name: values[rows] for name, values in self.networks.items()},
        )

    def find(self, places: pd.Series, *, segments: bool = False) -> np.ndarray:
        """Where the rows of songs in these places are: all clips, or those that stand for the segments of a song."""
        chosen = np.isin(self.song, places)
        return np.flatnonzero(chosen & self.whole if segments else chosen)

    def rows(self, places: pd.Series, *, segments: bool = False) -> "Examples":
        """Return the rows of songs in these places, see `find`."""
        return self.take(self.find(places, segments=segments))

    def mapped(self, folder: Path) -> "Examples":
        """Return the same, read from files in a folder when they are needed."""

        def mapped(name: str, values: np.ndarray) -> np.ndarray:
            np.save(folder / f"{name}.npy", values)
            return np.load(folder / f"{name}.npy", mmap_mode="r")

        arrays: dict = {key: one for key, one in self._asdict().items() if isinstance(one, np.ndarray) and one.size}
        made: dict = {name: mapped(name, values) for name, values in arrays.items()}
        made["networks"] = {name: mapped(f"network-{name}", values) for name, values in self.networks.items()}
        return self._replace(**made)

    def artists(self, songs: pd.DataFrame, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the artist of each row, or of some rows, from the table of songs."""
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
        Whether the clip's segment is one of the song's; the others lie in between.
    """
    count, before = len(clips), length // 2
    windows = np.lib.stride_tricks.sliding_window_view(clips, min(length, count), axis=0)
    whole = np.zeros(count, bool)
    whole[np.minimum(np.arange(0, len(windows), every) + before, count - 1)] = True
    starts = np.clip((np.arange(count) if rows is None else rows) - before, 0, len(windows) - 1)
    around = windows[starts].astype(np.float64)
    return np.concatenate([around.mean(axis=-1), around.std(axis=-1)], axis=1).astype(np.float32), whole


def around(starts: np.ndarray, windows: pd.DataFrame, name: str) -> np.ndarray:
    """Average the windows around each of some clips of a song.

    Parameters
    ----------
    starts : np.ndarray [shape=(clips,)]
        Of the clips, in s.
    windows : pd.DataFrame
        The network's windows of the song, see `networks.describe_windows`.
    name : str
        Of the network.

    Returns
    -------
    np.ndarray [shape=(clips, columns), dtype=float32]
        Not a number where no window is near.
    """
    network = NETWORKS[name]
    if not len(windows):
        return np.full((len(starts), len(network.columns)), np.nan, np.float32)
    middles = windows["start"].to_numpy() + network.clips * CLIP_SECONDS / 2
    near = abs(starts[:, None] + CLIP_SECONDS / 2 - middles) <= NEAR
    counts = near.sum(axis=1, keepdims=True)
    sums = near.astype(np.float32) @ numbers_of(windows)
    return np.where(counts, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def per_song(songs: int) -> int:
    """How many clips of each song are gathered at most, of so many songs."""
    return max(1, min(PER_SONG, IN_MEMORY // songs))


def gather(
    parts: Iterable[pd.DataFrame],
    songs: pd.DataFrame,
    columns: list[str],
    *,
    altered: pd.DataFrame | None = None,
    windows: Windows | None = None,
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
    windows : Windows, optional
        The networks' windows of these songs; a network counts if it describes two songs of every artist. Parts then
        have the column ``start``.
    length, every : int
        See `describe`.
    most : int, optional
        Clips of each song; by default as many as `per_song` says.
    """
    most = most or per_song(len(songs))
    places, blocks = songs["place"].to_dict(), []
    windows = windows or Windows()
    for part in parts:
        found = []
        read = {name: windows.read(name, list(part["song"].unique())) for name in windows.names}
        values, loud = part[columns].to_numpy(np.float32), ~part["silent"].to_numpy()
        for song, rows in part.groupby("song").indices.items():
            rows = rows[loud[rows]]
            if song not in places or not len(rows):
                continue
            kept, segments, whole = _some(values[rows], length, every, most)
            row = [np.full(len(kept), places[song]), values[rows[kept]], segments, whole]
            for name in windows.names:
                row.append(around(part["start"].to_numpy()[rows[kept]], read[name].get(song, pd.DataFrame()), name))
            found.append(row)
        if found:  # joined at once: what thousands of small arrays took is hardly ever given back
            blocks.append(_join(found))
    song, clips, segments, whole, *of_networks = _join(blocks)
    artist = songs.set_index("place")["artist"]
    networks = {
        name: values
        for name, values in zip(windows.names, of_networks, strict=True)
        if (artist.loc[np.unique(song[np.isfinite(values[:, 0])])].value_counts().reindex(artist.unique()) > 1).all()
    }
    return Examples(song, clips, segments, whole, columns, *_shifts(altered, places, columns, length), networks)


def _some(clips: np.ndarray, length: int, every: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the clips of a song that are trained on, the segment around each, and which segments are the song's."""
    kept = np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int)
    segments, whole = describe(clips, length, every, rows=kept)
    if len(clips) > most:
        whole[:] = False
        whole[kept[most > 1 :: 2]] = True
    return kept, segments, whole[kept]


def _join(found: Iterable[Iterable[np.ndarray]]) -> list[np.ndarray]:
    return list(map(np.concatenate, zip(*found, strict=True)))


def find_segment_shifts(altered: pd.DataFrame, columns: list[str], length: int = CLIPS) -> pd.DataFrame:
    """Find how far alterations move the segments of songs, on average; see `invariance.find_shifts`."""
    return find_shifts(altered, columns, lambda clips: describe(clips, length)[0].mean(axis=0))


def _shifts(
    altered: pd.DataFrame | None, places: dict[str, int], columns: list[str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of altered songs, and how far these move."""
    if altered is None:
        return np.empty(0, int), np.empty((0, 2 * len(columns)), np.float32)
    shifts = find_segment_shifts(altered[altered["song"].isin(list(places))], columns, length)
    songs = shifts.index.get_level_values("song")
    return np.array([places[song] for song in songs], int), shifts.to_numpy()


def one_song(clips: pd.DataFrame, columns: list[str], windows: dict[str, pd.DataFrame]) -> Examples:
    """Make examples of all clips of one song; its place is 0.

    Parameters
    ----------
    clips : pd.DataFrame
        Its rows of a frame, without the silent ones.
    columns : list of str
        The features.
    windows : dict of str to pd.DataFrame
        The networks' windows of it, see `around`.
    """
    values = clips[columns].to_numpy(np.float32)
    starts = clips["start"].to_numpy()
    networks = {name: around(starts, found, name) for name, found in windows.items()}
    place = np.zeros(len(clips), int)
    return Examples(place, values, *describe(values), columns, *_shifts(None, {}, columns, CLIPS), networks)
