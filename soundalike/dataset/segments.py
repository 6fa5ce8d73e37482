"""Segments: neighbouring clips together, which say more of an artist than a clip and are more than songs.

A segment is `CLIPS` neighbouring clips that are not silent; of each feature it holds the mean and the
standard deviation over them. A song's segments start at every `EVERY`-th clip; a shorter song is one.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.audio.decoding import CLIP_SECONDS
from soundalike.dataset.frame import current_notes
from soundalike.features.networks import NETWORKS
from soundalike.features.table import ASPECTS, CLIP_COLUMNS, columns
from soundalike.song import FEATURES, Song, read_tables

CLIPS = 4  # 8 s
EVERY = 2  # clips, so that segments overlap by half
RULE = {"clips": CLIPS, "every": EVERY}  # as a saved model names it

PER_SONG = 24  # clips of a song that are trained on, evenly spaced; and half as many segments
IN_MEMORY = 48_000  # clips of all songs, at most: with 551 features 0.3 GB
JOINED = 100  # songs whose arrays are joined at a time
NEAR = 8  # s: windows of a network that lie no further from the middle of a clip describe what is around it


# The columns of segments that belong to each aspect: of means, then of deviations.
OF_ASPECT = {
    aspect: np.flatnonzero(np.isin(2 * CLIP_COLUMNS, [column for name in names for column in columns(name)]))
    for aspect, names in ASPECTS.items()
}


def by_aspect(ear: str, added: np.ndarray) -> dict[str, np.ndarray]:
    """Sum what the columns of an ear add to rows [shape=(rows, columns)] by aspect; a network has one."""
    if ear != FEATURES:
        return {NETWORKS[ear].aspect: added.sum(axis=1)}
    return {aspect: added[:, places].sum(axis=1) for aspect, places in OF_ASPECT.items()}


class LoudClips(NamedTuple):
    """The clips of a song that are not silent."""

    features: np.ndarray  # [shape=(clips, columns), dtype=float32]
    start: np.ndarray  # s [shape=(clips,)]
    embeddings: dict[str, tuple[np.ndarray, np.ndarray]]  # by each network, see `Song.embeddings`


def loud_clips(song: Song, networks: Iterable[str]) -> LoudClips:
    """Take from a song what models are trained on, and predict from."""
    embeddings = {name: song.embeddings(name) for name in networks}
    return LoudClips(song.clip_features[song.loud], song.start[song.loud], embeddings)


class Examples(NamedTuple):
    """Clips and the segment around each, ready for models: one row for each clip in all arrays."""

    song: np.ndarray  # its place in the table of songs [shape=(rows,)]
    clips: np.ndarray  # features [shape=(rows, columns), dtype=float32]
    segments: np.ndarray  # means, then standard deviations [shape=(rows, 2 * columns), dtype=float32]
    whole: np.ndarray  # whether the segment is one of the song's [shape=(rows,), dtype=bool]
    columns: list[str]
    # Of each network the mean embedding of the windows around each clip; NaN where there is none
    # [shape=(rows, its columns), dtype=float32].
    networks: dict[str, np.ndarray]

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


def around(start: np.ndarray, middles: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Average the windows of a network around each of some clips of a song.

    Parameters
    ----------
    start : np.ndarray [shape=(clips,)]
        Of the clips, in s.
    middles, embeddings : np.ndarray
        See `Song.embeddings`.

    Returns
    -------
    np.ndarray [shape=(clips, columns), dtype=float32]
        NaN where no window is near.
    """
    near = abs(start[:, None] + CLIP_SECONDS / 2 - middles) <= NEAR
    counts = near.sum(axis=1, keepdims=True)
    sums = near.astype(np.float32) @ embeddings
    return np.where(counts, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def per_song(songs: int) -> int:
    """How many clips of each song are gathered at most, of so many songs."""
    return max(1, min(PER_SONG, IN_MEMORY // songs))


def read_examples(root: Path, songs: pd.DataFrame) -> Examples:
    """Gather what models are trained on from the tables of a library, see `gather`.

    Parameters
    ----------
    root : Path
        Of the library.
    songs : pd.DataFrame
        From `splits.song_table`.
    """
    networks = list(current_notes(root)["networks"])
    with cli.bar(len(songs), "Reading", "songs") as bar:

        def read() -> Iterator[tuple[str, LoudClips]]:
            for name, song in read_tables(root, songs.index, [FEATURES, *networks]):
                yield name, loud_clips(song, networks)
                bar.update()

        return gather(read(), songs)


def gather(
    clips: Iterable[tuple[str, LoudClips]],
    songs: pd.DataFrame,
    columns: list[str] = CLIP_COLUMNS,
    *,
    length: int = CLIPS,
    every: int = EVERY,
    most: int | None = None,
) -> Examples:
    """Gather what models train on: of each song `PER_SONG` clips at most, evenly spaced; fewer beyond `IN_MEMORY`.

    Parameters
    ----------
    clips : iterable of (str, LoudClips)
        Songs and their clips, all with embeddings by the same networks.
    songs : pd.DataFrame
        From `splits.song_table`; clips of other songs are passed over. A network counts if it describes two songs of
        every artist.
    columns : list of str
        The names of the features.
    length, every : int
        See `describe`.
    most : int, optional
        Clips of each song; by default as many as `per_song` says.
    """
    most = most or per_song(len(songs))
    places, blocks, rows, names = songs["place"].to_dict(), [], [], []  # type: dict, list, list, list
    for name, own in clips:
        if name not in places or not len(own.start):
            continue
        kept, segments, whole = _some(own.features, length, every, most)
        names = list(own.embeddings)
        embeddings = [around(own.start[kept], *own.embeddings[network]) for network in names]
        rows.append([np.full(len(kept), places[name]), own.features[kept], segments, whole, *embeddings])
        if len(rows) == JOINED:  # joined at once: what thousands of small arrays took is hardly ever given back
            blocks.append(_join(rows))
            rows = []
    song, features, segments, whole, *of_networks = _join([*blocks, *rows])
    artist = songs.set_index("place")["artist"]
    networks = {
        network: values
        for network, values in zip(names, of_networks, strict=True)
        if (artist.loc[np.unique(song[np.isfinite(values[:, 0])])].value_counts().reindex(artist.unique()) > 1).all()
    }
    return Examples(song, features, segments, whole, columns, networks)


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


def one_song(clips: LoudClips) -> Examples:
    """Make examples of all clips of one song; its place is 0."""
    networks = {name: around(clips.start, *found) for name, found in clips.embeddings.items()}
    place = np.zeros(len(clips.start), int)
    return Examples(place, clips.features, *describe(clips.features), CLIP_COLUMNS, networks)


def segment_rows(song: Song, ears: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the segments of a song by each ear [shape=(segments, columns)]: NaN where one does not describe them.

    Parameters
    ----------
    song : Song
        With embeddings by these networks.
    ears : iterable of str
        `FEATURES`, and networks.
    """
    examples = one_song(loud_clips(song, [ear for ear in ears if ear != FEATURES]))
    return {FEATURES: examples.segments[examples.whole]} | {
        network: values[examples.whole] for network, values in examples.networks.items()
    }
