"""Lists of songs: those that sound most like some songs, the way from one song to another; and playlists of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.library.catalogue import songs_folder
from soundalike.library.errors import printable
from soundalike.library.storage import atomic_write
from soundalike.similarity.index import Index
from soundalike.similarity.nearest import distances, say_why
from soundalike.similarity.quality import DIFFERENT, how_alike
from soundalike.similarity.seeds import Seed

ON_THE_WAY = 300  # songs, at most, that a path may go through: those with the shortest way over them


class Rules(NamedTuple):
    """Which songs may stand in a list."""

    most: int = 10  # so many songs
    per_artist: int = 2  # so many by each artist
    far: bool = False  # whether it goes on where songs are no more alike than those of different artists


def fill(index: Index, seeds: Sequence[Seed], barred: np.ndarray, rules: Rules) -> pd.DataFrame:
    """Choose the songs that sound most like some songs: of copies one, of each artist a few.

    Parameters
    ----------
    index : Index
        The library.
    seeds : sequence of Seed
        Songs; to sound like several is to be near to them on average.
    barred : np.ndarray of bool [shape=(songs,)]
        Songs not to be chosen.
    rules : Rules
        What else holds.

    Returns
    -------
    pd.DataFrame
        See `nearest.say_why`; the nearest song first.
    """
    described = np.stack([seed.described for seed in seeds])
    distance = np.where(barred, np.inf, distances(index, described))
    chosen: list[int] = []
    recordings, artists = set(), Counter()  # type: set[str], Counter[str]
    names = index.songs[["recording", "artist"]].to_numpy()
    for place in np.argsort(distance, kind="stable"):
        recording, artist = names[place]
        if barred[place] or len(chosen) == rules.most:
            break
        if not rules.far and how_alike(distance[place], index.quality["typical"]) == DIFFERENT:
            break
        if recording not in recordings and artists[artist] < rules.per_artist:
            chosen.append(place)
            recordings.add(recording)
            artists[artist] += 1
    places = np.array(chosen, int)
    return say_why(index, described, places, distance[places])


def find_path(
    index: Index, first: Seed, last: Seed, barred: np.ndarray, rules: Rules
) -> tuple[pd.DataFrame, np.ndarray]:
    """Find a way from one song to another, by songs that lie between: nearer to both than these are to each other.

    Parameters
    ----------
    index : Index
        The library.
    first, last : Seed
        The ends.
    barred : np.ndarray of bool [shape=(songs,)]
        Songs that it must not go through, such as the ends.
    rules : Rules
        How many songs lie between the ends, at most, and how many of each artist.

    Returns
    -------
    songs : pd.DataFrame
        In order, each nearer to the last, as against the first, than the one before: `SONG_LABELS`.
    steps : np.ndarray [shape=(songs + 1,)]
        The distance of each song from the one before, and of the end from the last; the sum of their squares is least.
    """
    ends = index._replace(points=index.spaces.points(np.stack([first.described, last.described])))
    apart = distances(ends, first.described)[1]
    to_first, to_last = (distances(index, seed.described) for seed in (first, last))
    usable = ~barred & (np.maximum(to_first, to_last) < apart) & ~index.songs["recording"].duplicated().to_numpy()
    near = np.flatnonzero(usable)
    near = near[np.argsort((to_first + to_last)[near], kind="stable")[:ON_THE_WAY]]
    near = near[np.argsort((to_first - to_last)[near], kind="stable")]
    there = index._replace(points=np.asarray(index.points[near]))
    between = [distances(there, index.described[place]) for place in near]
    while True:
        steps = np.zeros((len(near) + 2, len(near) + 2))
        steps[1:-1, 1:-1] = np.reshape(between, (len(near), len(near)))
        steps[0, 1:-1], steps[1:-1, -1], steps[0, -1] = to_first[near], to_last[near], apart
        way = shortest(steps, rules.most)
        songs = index.songs.iloc[near[way[1:-1] - 1]]
        kept = np.ones(len(near), bool)
        kept[way[1:-1][songs.groupby("artist").cumcount() >= rules.per_artist] - 1] = False
        if kept.all():
            return songs, steps[way[:-1], way[1:]]
        near, between = near[kept], np.array(between)[np.ix_(kept, kept)]


def shortest(steps: np.ndarray, between: int) -> np.ndarray:
    """Find the way from the first place to the last over so many others, if there are, of the least sum of squares.

    Parameters
    ----------
    steps : np.ndarray [shape=(places, places)]
        How long a step is from each to each later one; places are only passed in their order.
    between : int
        How many to pass.

    Returns
    -------
    np.ndarray of int [shape=(passed + 2,)]
        The places, the ends among them.
    """
    count = len(steps)
    costs = np.where(np.triu(np.ones((count, count), bool), 1), np.square(steps), np.inf)
    least, before = costs[0], []
    for _ in range(min(between, count - 2)):
        sums = least[:, None] + costs
        before.append(sums.argmin(axis=0))
        least = sums.min(axis=0)
    way = [count - 1]
    for back in reversed(before):
        way.append(int(back[way[-1]]))
    return np.array([0, *reversed(way)])


# --- playlists -------------------------------------------------------------------------------


def entries(songs: pd.DataFrame, root: Path) -> list[tuple[Path, str, float]]:
    """Take from songs of the library what a playlist says of them: file, artist and title, seconds."""
    folder = songs_folder(root)
    return [
        (folder / song["song"], f"{song['artist']} - {song['title']}", song["seconds"]) for _, song in songs.iterrows()
    ]


def entry(seed: Seed) -> tuple[Path, str, float]:
    """Take from a seed what a playlist says of it, see `entries`."""
    return seed.path, seed.label, seed.seconds


def write_playlist(songs: Iterable[tuple[Path, str, float]], path: Path) -> int:
    """Write an extended M3U playlist, which names the files by their whole paths; returns the exit status."""
    lines, left_out = ["#EXTM3U"], {}
    for place, label, seconds in songs:
        if set("\r\n") & set(str(place)):
            left_out[str(place)] = "a playlist has no place for line breaks in names"
        elif not place.is_file():
            left_out[str(place)] = "no longer there; mp3_split.py --songs names where songs lie now"
        else:
            lines += [f"#EXTINF:{round(seconds)},{printable(label)}", str(place)]
    with atomic_write(path) as target:
        target.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    print(f"{cli.counted(len(lines) // 2, 'song')} in {printable(path)}.")
    cli.print_left_out(left_out, title="Not in the playlist")
    return cli.LEFT_OUT if left_out else cli.ALL_GOOD
