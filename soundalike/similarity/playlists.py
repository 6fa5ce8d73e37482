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
from soundalike.similarity.quality import is_far
from soundalike.similarity.seeds import Seed

ON_THE_WAY = 300  # songs, at most, that a path may go through: those with the shortest way over them


class Rules(NamedTuple):
    """Rules for the songs of a list."""

    most: int  # so many songs
    per_artist: int  # so many by each artist
    far: bool = False  # whether it goes on where songs are no more alike than those of different artists


FULL, FAR, ARTISTS, ALL = "full", "far", "artists", "all"  # why a list ends


def fill(index: Index, seeds: Sequence[Seed], barred: np.ndarray, rules: Rules) -> tuple[pd.DataFrame, str]:
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
        The other rules.

    Returns
    -------
    songs : pd.DataFrame
        See `nearest.say_why`; the nearest song first.
    why : str
        Why it ends: it is `FULL`; the next songs are `FAR`; of all `ARTISTS` enough are named, or `ALL` songs.
    """
    described = np.stack([seed.described for seed in seeds])
    distance = np.where(barred, np.inf, distances(index, described))
    chosen: list[int] = []
    recordings: set[str] = set()
    artists: Counter[str] = Counter()
    names, why = index.songs[["sound", "artist"]].to_numpy(), ALL
    order = np.argsort(distance, kind="stable")[: int((~barred).sum())]
    for rank, place in enumerate(order):
        recording, artist = names[place]
        if len(chosen) == rules.most:
            why = FULL
            break
        if not rules.far and is_far(distance[place], index.likeness):
            left = (artist for recording, artist in names[order[rank:]] if recording not in recordings)
            why = ARTISTS if all(artists[artist] >= rules.per_artist for artist in left) else FAR
            break
        if recording in recordings:
            continue
        if artists[artist] == rules.per_artist:
            why = ARTISTS
            continue
        chosen.append(place)
        recordings.add(recording)
        artists[artist] += 1
    places = np.array(chosen, int)
    return say_why(index, described, places, distance[places]), why


def find_path(
    index: Index, first: Seed, last: Seed, barred: np.ndarray, rules: Rules
) -> tuple[pd.DataFrame, np.ndarray]:
    """Find a way from one song to another, by songs that lie between: nearer to both than these are to each other.

    Of all ways that go on to songs nearer to the last, as against the first, that of the least sum of squared steps is
    taken. Where it has too many songs of an artist, those are left out, one after another, that lengthen it least.

    Parameters
    ----------
    index : Index
        The library.
    first, last : Seed
        The ends.
    barred : np.ndarray of bool [shape=(songs,)]
        Songs that it must not go through, such as the ends.
    rules : Rules
        How many songs lie between the ends, if there are as many, and how many of each artist.

    Returns
    -------
    songs : pd.DataFrame
        In order: `SONG_LABELS`.
    steps : np.ndarray [shape=(songs + 1,)]
        The distance of each song from the one before, and of the end from the last.
    """
    ends = index.embedding.points(np.stack([first.described, last.described]))
    apart = index.embedding.distances(ends, ends[0])[1]
    to_first, to_last = (distances(index, seed.described) for seed in (first, last))
    near = np.flatnonzero(~barred & (np.maximum(to_first, to_last) < apart))
    near = near[~index.songs["sound"].iloc[near].duplicated().to_numpy()]
    near = near[np.argsort((to_first + to_last)[near], kind="stable")[:ON_THE_WAY]]
    near = near[np.argsort((to_first - to_last)[near], kind="stable")]
    steps = np.zeros((len(near) + 2, len(near) + 2))
    there = np.asarray(index.points[near])
    for row, point in enumerate(there, start=1):
        steps[row, 1:-1] = index.embedding.distances(there, point)
    steps[0, 1:-1], steps[1:-1, -1], steps[0, -1] = to_first[near], to_last[near], apart
    artist = np.array(["", *index.songs["artist"].iloc[near], ""])
    usable = np.ones(len(steps), bool)
    most = min(rules.most, sum(min(own, rules.per_artist) for own in Counter(artist[1:-1].tolist()).values()))
    way = shortest(steps, usable, most)
    while (many := _too_many(artist[way[1:-1]], rules.per_artist)) is not None:
        options = []
        for place in (place for place in way[1:-1] if artist[place] == many):
            usable[place] = False
            other = shortest(steps, usable, most)
            usable[place] = True
            options.append((np.square(steps[other[:-1], other[1:]]).sum(), place, other))
        _, place, way = min(options, key=lambda option: option[0])
        usable[place] = False
    return index.songs.iloc[near[way[1:-1] - 1]], steps[way[:-1], way[1:]]


def _too_many(artists: np.ndarray, most: int) -> str | None:
    """Return an artist who is named more often than that."""
    (artist, count), *_ = Counter(artists.tolist()).most_common(1) or [("", 0)]
    return artist if count > most else None


def shortest(steps: np.ndarray, usable: np.ndarray, between: int) -> np.ndarray:
    """Find the way from the first place to the last, over so many others, of the least sum of squared steps.

    Parameters
    ----------
    steps : np.ndarray [shape=(places, places)]
        How long a step is from each to each later one; places are only passed in their order.
    usable : np.ndarray of bool [shape=(places,)]
        The songs that may be passed.
    between : int
        How many to pass; of fewer, all.

    Returns
    -------
    np.ndarray of int [shape=(passed + 2,)]
        The places, the ends among them.
    """
    there = np.flatnonzero(usable)
    count = len(there)
    costs = np.square(steps[np.ix_(there, there)])
    costs[np.tril_indices(count)] = np.inf
    least, before = costs[0], []
    for _ in range(min(between, count - 2)):
        sums = least[:, None] + costs
        before.append(sums.argmin(axis=0))
        least = sums.min(axis=0)
    way = [count - 1]
    for back in reversed(before):
        way.append(int(back[way[-1]]))
    return there[[0, *reversed(way)]]


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
