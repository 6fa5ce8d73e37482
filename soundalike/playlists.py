"""Lists of songs: those that sound like some songs, the way from one to another, an order without jumps; their files.

Which songs are asked about stands in `seeds`.
"""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.library import songs_folder
from soundalike.messages import Notice, Problem, Reason, SongError, UserError, note
from soundalike.playlist_files import Entry, read_playlist, write_playlist
from soundalike.seeds import Seed, locate
from soundalike.similarity import Index, as_similarity, distances, in_common, is_far, moments_alike, say_why
from soundalike.splits import album_keys
from soundalike.traits import TRAITS, Filter, apply_filters

ON_THE_WAY = 300  # songs, at most, that a path may go through: those with the shortest way over them
LESS = 0.5  # of the distance to unwanted songs that counts against that to the seeds


class Rules(NamedTuple):
    """Rules for the songs of a list."""

    most: int  # so many songs
    per_artist: int  # so many by each artist
    far: bool = False  # whether it goes on where songs are no more alike than those of different artists
    other_albums: bool = False  # whether the seeds' own albums are left out
    filters: Sequence[Filter] = ()
    again: int = 0  # so many of the first songs are left out


def bar_songs(
    seeds: Sequence[Seed], without: Sequence[Seed], less: Sequence[Seed], index: Index, rules: Rules
) -> tuple[np.ndarray, dict[str, int]]:
    """Mark the songs not to be named: those that are asked about, and what is left out.

    Parameters
    ----------
    seeds, without, less : sequence of Seed
        The songs that are asked about, others to leave out, and those that are unwanted.
    index : Index
        The library.
    rules : Rules
        Of these the albums and the filters.

    Returns
    -------
    barred : np.ndarray [shape=(songs,), dtype=bool]
    counts : dict of str to int
        How many songs pass each filter.

    Raises
    ------
    UserError
        If no song is left, or one is asked about and left out.
    """
    for song in without:
        if not song.itself.any():
            note(Notice.NOT_HERE, song=str(song))
    unwanted = [*without, *less]
    for other in unwanted:
        if any(seed.is_same(other) and other.group in ("", seed.group) for seed in seeds):
            raise UserError(Problem.ASKED_AND_LEFT_OUT, song=str(other))
    barred = np.any([np.zeros(len(index.songs), bool), *(seed.itself for seed in (*seeds, *unwanted))], axis=0)
    if barred.all():
        raise UserError(Problem.NO_OTHER_SONG)
    if rules.other_albums:
        albums, named = album_keys(index.songs), (index.songs["album"] != "").to_numpy()
        for seed in seeds:
            if not (seed.itself & named).any():
                note(Notice.NO_ALBUM, song=str(seed))
            barred = barred | albums.isin(albums[seed.itself & named]).to_numpy()
    if barred.all():
        raise UserError(Problem.NO_OTHER_ALBUM)
    traits = pd.DataFrame([seed.traits for seed in seeds])[TRAITS]
    passing, counts = apply_filters(rules.filters, index.songs, ~barred, traits)
    return barred | ~passing, counts


# --- songs alike -----------------------------------------------------------------------------


class End(Enum):
    """Why a list ends."""

    FULL = auto()  # so many songs were asked for
    FAR = auto()  # the next songs are far
    ARTISTS = auto()  # of all artists enough songs are named
    ALL = auto()  # all songs are named


def fill(
    index: Index, seeds: Sequence[Seed], less: Sequence[Seed], barred: np.ndarray, rules: Rules
) -> tuple[pd.DataFrame, End]:
    """Choose the songs that sound most like some songs, and unlike others: of copies one, of each artist a few.

    Parameters
    ----------
    index : Index
        The library.
    seeds, less : sequence of Seed
        Songs that are wanted, and unwanted; to sound like several is to be near to them on average. Distances to the
        unwanted ones count against the others (Rocchio, "Relevance feedback in information retrieval", 1971).
    barred : np.ndarray of bool [shape=(songs,)]
        Songs not to be chosen.
    rules : Rules
        The other rules.

    Returns
    -------
    songs : pd.DataFrame
        See `similarity.say_why`; the nearest song first.
    why : End
        Why it ends.
    """
    described = np.stack([seed.described for seed in seeds])
    distance = distances(index, described)
    rank_by = distance - LESS * distances(index, np.stack([seed.described for seed in less])) if less else distance
    order = np.argsort(np.where(barred, np.inf, rank_by), kind="stable")[: int((~barred).sum())]
    songs = index.songs[["sound", "artist"]].iloc[order].drop_duplicates("sound")
    near = songs if rules.far else songs[~is_far(distance[songs.index], index.likeness)]
    few = near[near.groupby("artist").cumcount() < rules.per_artist]
    left = songs["artist"].drop(near.index).map(few["artist"].value_counts()).fillna(0)
    if len(few) >= rules.again + rules.most:
        why = End.FULL
    elif (left < rules.per_artist).any():
        why = End.FAR
    else:
        why = End.ALL if len(few) == len(songs) else End.ARTISTS
    places = few.index[rules.again :][: rules.most].to_numpy()
    if rules.again and not len(places):
        raise UserError(Problem.NO_MORE, again=rules.again)
    return say_why(index, described, places, distance[places]), why


def add_moments(songs: pd.DataFrame, seeds: Sequence[Seed], index: Index) -> pd.DataFrame:
    """Add ``moment``: where each song is most like the seed nearest to it, of twelve moments of each; starts in s."""
    points = index.embedding.points(np.stack([seed.described for seed in seeds]))
    nearest = index.embedding.distances(np.asarray(index.points[songs.index]), points).argmin(axis=1)
    moments = []
    for place, seed in zip(songs.index, (seeds[n] for n in nearest), strict=True):
        starts, points = seed.segments
        ((of_seed, of_song),) = moments_alike(index, starts, points, np.array([place])).tolist()
        title = seed.traits.get("title", seed.entry.label)
        moments.append({"seed": title, "of_seed": of_seed, "of_song": of_song})
    return songs.assign(moment=pd.Series(moments, songs.index, dtype=object))


def records(songs: pd.DataFrame, root: Path) -> list[dict]:
    """List songs as programs get them, see docs/usage.md."""
    folder, made = songs_folder(root), []
    for _, song in songs.iterrows():
        row = json.loads(song[["song", "artist", "album", "title", "seconds", *TRAITS]].to_json())
        row["path"] = str(folder / song["song"])
        if "distance" in song:
            alike = as_similarity(song["distance"])
            row |= {"similarity": alike, "in_common": in_common(song), "moment": song["moment"]}
        made.append(row)
    return made


# --- the way from one song to another --------------------------------------------------------


def find_ways(
    index: Index, stops: Sequence[Seed], barred: np.ndarray, rules: Rules
) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Find the way over some stops: the legs between them, see `find_path`.

    The legs share the songs that there are to be; none is passed twice, and of each artist a few in all.
    """
    legs: list[tuple[pd.DataFrame, np.ndarray]] = []
    passed: Counter[str] = Counter()
    for number, stop in enumerate(stops):
        if stop.group:
            raise UserError(Problem.NO_STOP, group=stop.group)
        if any(stop.is_same(other) for other in stops[:number]):
            raise UserError(Problem.ENDS_MEET, song=str(stop))
    for number, (first, last) in enumerate(pairwise(stops), start=1):
        most = rules.most * number // (len(stops) - 1) - passed.total()
        songs, steps = find_path(index, first, last, barred, rules._replace(most=most), passed)
        legs.append((songs, steps))
        passed.update(songs["artist"])
        barred = barred | index.songs["sound"].isin(songs["sound"]).to_numpy()
    return legs


def way_record(stop: Seed, leg: tuple[pd.DataFrame, np.ndarray], root: Path) -> dict:
    """Make of a leg what programs get: the stop, the songs before it, and how alike each is to the one before."""
    songs, steps = leg
    return {"to": stop.name, "songs": records(songs, root), "similarities": [as_similarity(step) for step in steps]}


def find_path(
    index: Index, first: Seed, last: Seed, barred: np.ndarray, rules: Rules, passed: Counter[str]
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
    passed : Counter of str
        Songs by artists on the way so far.

    Returns
    -------
    songs : pd.DataFrame
        In order, from the index.
    steps : np.ndarray [shape=(songs + 1,)]
        The distance of each song from the one before, and of the end from the last.
    """
    ends = index.embedding.points(np.stack([first.described, last.described]))
    distance = index.embedding.distances(ends, ends[0])[1]
    to_first, to_last = (distances(index, seed.described) for seed in (first, last))
    between = np.flatnonzero(~barred & (np.maximum(to_first, to_last) < distance))
    between = between[~index.songs["sound"].iloc[between].duplicated().to_numpy()]
    between = between[np.argsort((to_first + to_last)[between], kind="stable")[:ON_THE_WAY]]
    between = between[np.argsort((to_first - to_last)[between], kind="stable")]
    steps = np.zeros((len(between) + 2, len(between) + 2))
    points = np.asarray(index.points[between])
    steps[1:-1, 1:-1] = index.embedding.distances(points, points)
    steps[0, 1:-1], steps[1:-1, -1], steps[0, -1] = to_first[between], to_last[between], distance
    artist = np.array(["", *index.songs["artist"].iloc[between], ""])
    usable = np.ones(len(steps), bool)
    counts = Counter(artist[1:-1].tolist())
    most = min(rules.most, sum(min(count, rules.per_artist - passed[name]) for name, count in counts.items()))
    way = shortest(steps, usable, most)
    while True:
        (many, times), *_ = (passed + Counter(artist[way[1:-1]].tolist())).most_common(1) or [("", 0)]
        if times <= rules.per_artist:
            break
        options = []
        for place in (place for place in way[1:-1] if artist[place] == many):
            usable[place] = False
            other = shortest(steps, usable, most)
            usable[place] = True
            options.append((np.square(steps[other[:-1], other[1:]]).sum(), place, other))
        _, place, way = min(options, key=lambda option: option[0])
        usable[place] = False
    return index.songs.iloc[between[way[1:-1] - 1]], steps[way[:-1], way[1:]]


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
    places = np.flatnonzero(usable)
    count = len(places)
    costs = np.square(steps[np.ix_(places, places)])
    costs[np.tril_indices(count)] = np.inf
    least, before = costs[0], []
    for _ in range(min(between, count - 2)):
        sums = least[:, None] + costs
        before.append(sums.argmin(axis=0))
        least = sums.min(axis=0)
    way = [count - 1]
    for back in reversed(before):
        way.append(int(back[way[-1]]))
    return places[[0, *reversed(way)]]


# --- playlist files --------------------------------------------------------------------------


def entries(songs: pd.DataFrame, root: Path) -> list[Entry]:
    """Make entries of songs of the library."""
    folder = songs_folder(root)
    return [
        Entry(str(folder / song["song"]), f"{song['artist']} - {song['title']}", song["seconds"])
        for _, song in songs.iterrows()
    ]


def sort_out(songs: Iterable[Entry]) -> tuple[list[Entry], dict[str, SongError]]:
    """Return the songs that a playlist can have, and the files that it cannot, and why."""
    listed, left_out = [], {}
    for song in songs:
        if set("\r\n") & set(song.file):
            left_out[song.file] = SongError(Reason.LINE_BREAK)
        elif not os.path.isfile(song.file):
            left_out[song.file] = SongError(Reason.MOVED)
        else:
            listed.append(song)
    return listed, left_out


def without_jumps(index: Index, places: Sequence[int], in_a_row: int) -> list[int]:
    """Order songs so that neighbours are alike, the first staying first, and few in a row are by one artist.

    Each song is put where it adds least to the sum of squared steps: cheapest insertion (Rosenkrantz, Stearns and
    Lewis, "An analysis of several heuristics for the traveling salesman problem", 1977). Where each place would make
    too many in a row, the cheapest is taken.

    Parameters
    ----------
    index : Index
        The library.
    places : sequence of int
        Songs of it.
    in_a_row : int
        By one artist, at most.
    """
    points, artist = np.asarray(index.points[list(places)]), index.songs["artist"].iloc[list(places)].to_numpy()
    apart = index.embedding.distances(points, points) ** 2
    order, waiting, forced = [0], list(range(1, len(places))), False
    while waiting:
        late = []  # songs for which there is no gap until others are placed
        for song in waiting:
            steps = apart[song, order]
            added = np.append(steps[:-1] + steps[1:] - apart[order[:-1], order[1:]], steps[-1])
            same, gaps = artist[order] == artist[song], np.arange(len(order))
            other_before = np.maximum.accumulate(np.where(same, -1, gaps))
            other_after = np.minimum.accumulate(np.where(same, len(order), gaps)[::-1])[::-1]
            fits = np.append(other_after[1:], len(order)) - other_before <= in_a_row
            if fits.any() or forced:
                order.insert(int(np.where(fits | ~fits.any(), added, np.inf).argmin()) + 1, song)
            else:
                late.append(song)
        forced, waiting = len(late) == len(waiting), late
    return [places[n] for n in order]


def extend(
    path: Path, songs: pd.DataFrame, index: Index, root: Path, in_a_row: int
) -> tuple[int, dict[str, SongError]]:
    """Write a playlist back with more songs, in an order without jumps; a copy of the first one stays beside it.

    Its songs keep all that it says of them; those that the library does not have stand at the end. ``path`` is the file
    itself and no link to it, which would be replaced.

    Returns
    -------
    int
        How many songs it has now.
    dict of str to SongError
        Songs that it cannot have, and why.
    """
    before = read_playlist(path)
    places = locate(before.entries, path, index, root)
    mine: dict[int, Entry] = {}
    others: dict[str, Entry] = {}
    for entry, place in zip(before.entries, places, strict=True):
        if place is None:
            others.setdefault(entry.file, entry)
        else:
            mine.setdefault(place, entry)
    relative = not any(re.match(r"[/\\]|\w+:", entry.file) for entry in mine.values())  # nor C:, nor file:
    new = dict(zip(songs.index, entries(songs, root), strict=True))
    _, left_out = sort_out(new.values())
    for place, entry in new.items():
        if entry.file not in left_out:
            file = os.path.relpath(entry.file, path.parent) if relative else entry.file
            mine[place] = entry._replace(file=file)
    order = without_jumps(index, list(mine), in_a_row)
    backup = path.with_name(f"{path.name}.bak")
    if not backup.exists():
        shutil.copy2(path, backup)
    write_playlist(before._replace(entries=[*(mine[place] for place in order), *others.values()]), path)
    shutil.copymode(backup, path)
    return len(mine) + len(others), left_out
