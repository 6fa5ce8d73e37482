"""Lists of songs: those that sound like some songs, the way from one to another, an order without jumps; their files.

Which songs are asked about stands in `seeds`.
"""

import json
import os
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import Enum, auto
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.library import atomic_write, songs_folder
from soundalike.messages import Notice, Problem, Reason, SongError, UserError, note, printable
from soundalike.seeds import Seed, locate, read_playlist
from soundalike.similarity import Index, distances, in_common, is_far, moments_alike, say_why
from soundalike.song import read_tables
from soundalike.splits import album_keys
from soundalike.traits import TRAITS, Filters

ON_THE_WAY = 300  # songs, at most, that a path may go through: those with the shortest way over them
LESS = 0.5  # of the distance to unwanted songs that counts against that to the seeds


class Rules(NamedTuple):
    """Rules for the songs of a list."""

    most: int  # so many songs
    per_artist: int  # so many by each artist
    far: bool = False  # whether it goes on where songs are no more alike than those of different artists
    other_albums: bool = False  # whether the seeds' own albums are left out
    filters: Filters = Filters()
    again: int = 0  # so many of the first songs are left out


def bar_songs(
    seeds: Sequence[Seed], without: Sequence[Seed], index: Index, rules: Rules
) -> tuple[np.ndarray, dict[str, int]]:
    """Mark the songs not to be named: those that are asked about, and what is left out.

    Parameters
    ----------
    seeds, without : sequence of Seed
        The songs that are asked about, and others to leave out.
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
    for other in without:
        if not other.group and any(seed.is_same(other) for seed in seeds):
            raise UserError(Problem.ASKED_AND_LEFT_OUT, song=str(other))
        if not other.itself.any():
            note(Notice.NOT_HERE, song=str(other))
    barred = np.any([np.zeros(len(index.songs), bool), *(seed.itself for seed in (*seeds, *without))], axis=0)
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
    passing, counts = rules.filters.apply(index.songs, ~barred, pd.DataFrame([seed.traits for seed in seeds])[TRAITS])
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
    chosen: list[int] = []
    recordings: set[str] = set()
    artists: Counter[str] = Counter()
    names, why = index.songs[["sound", "artist"]].to_numpy(), End.ALL
    order = np.argsort(np.where(barred, np.inf, rank_by), kind="stable")[: int((~barred).sum())]
    for rank, place in enumerate(order):
        recording, artist = names[place]
        if len(chosen) == rules.again + rules.most:
            why = End.FULL
            break
        if not rules.far and is_far(distance[place], index.likeness):
            if less:  # songs that are nearer may follow
                why = End.FAR
                continue
            left = (artist for recording, artist in names[order[rank:]] if recording not in recordings)
            why = End.ARTISTS if all(artists[artist] >= rules.per_artist for artist in left) else End.FAR
            break
        if recording in recordings:
            continue
        if artists[artist] == rules.per_artist:
            why = End.ARTISTS
            continue
        chosen.append(place)
        recordings.add(recording)
        artists[artist] += 1
    if rules.again and len(chosen) <= rules.again:
        raise UserError(Problem.NO_MORE, again=rules.again)
    places = np.array(chosen[rules.again :], int)
    return say_why(index, described, places, distance[places]), why


class Moment(NamedTuple):
    """Eight seconds in which two songs are most alike."""

    seed: str  # what the one is called
    of_seed: float  # their start in it, s
    of_song: float  # and in the other


def find_moments(songs: pd.DataFrame, seeds: Sequence[Seed], index: Index, root: Path) -> dict[str, Moment]:
    """Find where each song is most like the seed that it is nearest to; none where its table cannot be read."""
    names = {*songs["song"], *(seed.traits["song"] for seed in seeds if not seed.song)}
    tables = dict(read_tables(root, names, left_out={}))
    points = index.embedding.points(np.stack([seed.described for seed in seeds]))
    moments = {}
    for place, song in songs["song"].items():
        seed = seeds[int(index.embedding.distances(points, np.asarray(index.points[place])).argmin())]
        one = seed.song or tables.get(seed.traits["song"])
        if one and song in tables:
            moments[song] = Moment(
                seed.traits.get("title", seed.label), *moments_alike(index.embedding, one, tables[song])
            )
    return moments


def records(songs: pd.DataFrame, root: Path, moments: Mapping[str, Moment] = MappingProxyType({})) -> list[dict]:
    """Make of songs what programs get, see docs/usage.md; with ``similarity`` where they have a ``distance``."""
    folder, made = songs_folder(root), []
    for _, song in songs.iterrows():
        row = json.loads(song[["song", "artist", "album", "title", "seconds", *TRAITS]].to_json())
        row["path"] = str(folder / song["song"])
        if "distance" in song:
            row |= {"similarity": round(float(np.clip(1 - song["distance"], 0, 1)), 4), "in_common": in_common(song)}
        made.append(row | ({"moment": moments[song["song"]]._asdict()} if song["song"] in moments else {}))
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
    for number, (first, last) in enumerate(pairwise(stops), start=1):
        if first.group or last.group:
            raise UserError(Problem.NO_STOP, group=first.group or last.group)
        if first.is_same(last):
            raise UserError(Problem.ENDS_MEET, song=str(first))
        most = rules.most * number // (len(stops) - 1) - passed.total()
        songs, steps = find_path(index, first, last, barred, rules._replace(most=most), passed)
        legs.append((songs, steps))
        passed.update(songs["artist"])
        barred = barred | index.songs["sound"].isin(songs["sound"]).to_numpy()
    return legs


def way_record(leg: tuple[pd.DataFrame, np.ndarray], root: Path) -> dict:
    """Make of a leg what programs get: the songs before a stop, and how alike each is to the one before it."""
    songs, steps = leg
    return {"songs": records(songs, root), "similarities": np.clip(1 - steps, 0, 1).round(4).tolist()}


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
    while many := _too_many(passed + Counter(artist[way[1:-1]].tolist()), rules.per_artist):
        options = []
        for place in (place for place in way[1:-1] if artist[place] == many):
            usable[place] = False
            other = shortest(steps, usable, most)
            usable[place] = True
            options.append((np.square(steps[other[:-1], other[1:]]).sum(), place, other))
        _, place, way = min(options, key=lambda option: option[0])
        usable[place] = False
    return index.songs.iloc[between[way[1:-1] - 1]], steps[way[:-1], way[1:]]


def _too_many(artists: Counter[str], most: int) -> str | None:
    """Return an artist who is named more often than that."""
    (artist, count), *_ = artists.most_common(1) or [("", 0)]
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


class Entry(NamedTuple):
    """What a playlist says of a song."""

    file: str  # as the playlist names it
    label: str  # artist and title
    seconds: float


def entries(songs: pd.DataFrame, root: Path) -> list[Entry]:
    """Make entries of songs of the library."""
    folder = songs_folder(root)
    return [
        Entry(str(folder / song["song"]), f"{song['artist']} - {song['title']}", song["seconds"])
        for _, song in songs.iterrows()
    ]


def entry(seed: Seed) -> Entry:
    """Make an entry of a seed."""
    return Entry(str(seed.path), seed.label, seed.seconds)


def write_playlist(songs: Iterable[Entry], path: Path, kept: Container[str] = ()) -> tuple[int, dict[str, SongError]]:
    """Write a playlist: extended M3U, or PLS where the file ends so.

    Parameters
    ----------
    songs : iterable of Entry
        The songs, in order.
    path : Path
        Of the playlist.
    kept : container of str
        Files that it has, even where they are not here: those that it had before.

    Returns
    -------
    int
        How many songs it has.
    dict of str to SongError
        Files that it does not have, and why.
    """
    listed: list[Entry] = []
    left_out: dict[str, SongError] = {}
    for entry in songs:
        if set("\r\n") & set(entry.file):
            left_out[entry.file] = SongError(Reason.LINE_BREAK)
        elif entry.file not in kept and not (path.parent / entry.file).is_file():
            left_out[entry.file] = SongError(Reason.MOVED)
        else:
            listed.append(entry)
    lines = ["#EXTM3U"]
    for file, label, seconds in listed:
        lines += [*([f"#EXTINF:{round(seconds)},{printable(label)}"] * bool(label)), file]
    if path.suffix.lower() == ".pls":
        lines = ["[playlist]", f"NumberOfEntries={len(listed)}", "Version=2"]
        for n, (file, label, seconds) in enumerate(listed, start=1):
            lines += [f"File{n}={file}", f"Title{n}={printable(label)}", f"Length{n}={round(seconds)}"]
    with atomic_write(path) as target:
        target.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    return len(listed), left_out


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
            gaps = np.argsort(added, kind="stable")
            fits = (gap for gap in gaps if _in_a_row(artist[order], gap, artist[song]) <= in_a_row)
            gap = next(fits, gaps[0] if forced else None)
            if gap is None:
                late.append(song)
            else:
                order.insert(int(gap) + 1, song)
        forced, waiting = len(late) == len(waiting), late
    return [places[n] for n in order]


def _in_a_row(artists: np.ndarray, gap: int, artist: str) -> int:
    """Count songs by an artist in a row, if one more came after this place."""
    before, after = artists[gap::-1] == artist, artists[gap + 1 :] == artist
    return 1 + int(np.logical_and.accumulate(before).sum() + np.logical_and.accumulate(after).sum())


def extend(
    path: Path, songs: pd.DataFrame, index: Index, root: Path, in_a_row: int
) -> tuple[int, dict[str, SongError]]:
    """Write a playlist back with more songs, in an order without jumps; see `write_playlist`.

    Its songs keep their names, and what the library does not have stays, at the end.
    """
    named = read_playlist(path)
    places = locate(named, path, index, root)
    mine = {place: name for name, place in zip(named, places, strict=True) if place is not None}
    relative = not any(os.path.isabs(name) for name in mine.values())
    order = without_jumps(index, [*mine, *songs.index], in_a_row)
    listed = [
        entry._replace(file=mine.get(place, os.path.relpath(entry.file, path.parent) if relative else entry.file))
        for place, entry in zip(order, entries(index.songs.iloc[order], root), strict=True)
    ]
    others = [Entry(name, "", -1) for name, place in zip(named, places, strict=True) if place is None]
    return write_playlist([*listed, *others], path, kept=set(named))
