"""Lists of songs and artists that sound alike: the songs that are meant, those like them, the way from one to another.

Playlists are written here, too.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import networks
from soundalike.frame import current_notes
from soundalike.library import GOOD, atomic_write, read_songs, songs_folder
from soundalike.messages import Notice, Problem, Reason, SongError, UserError, counted, note, printable
from soundalike.similarity import Index, describe_song, distances, find_copies, is_far, say_why
from soundalike.song import decode
from soundalike.splits import album_keys


class Seed(NamedTuple):
    """A song for which others are sought."""

    name: str  # artist and title, if it is one of the library's songs; else its path
    path: Path  # of its file
    label: str  # what a playlist calls it
    seconds: float
    described: np.ndarray  # [shape=(columns,)], see `similarity.describe_song`
    itself: np.ndarray  # which songs of the library are this recording [shape=(songs,), dtype=bool]
    copy_of: str = ""  # of a file: artist and title of the song of the library that is the same recording

    def __str__(self) -> str:
        return printable(self.name) + (f" (in this library {printable(self.copy_of)})" if self.copy_of else "")

    def is_same(self, other: "Seed") -> bool:
        """Whether both are one recording."""
        return self.path == other.path or bool((self.itself & other.itself).any())


def find_seed(asked: str, index: Index, root: Path) -> Seed:
    """Find the song that is meant: a file, or one of the library by its path, its title or a part of these.

    Raises
    ------
    UserError
        If it is neither a file nor one song of the library, or the file is no usable song.
    """
    if os.path.isfile(asked):  # which, unlike Path's, raises nothing
        return _seed_from_file(Path(asked), index, root)
    songs = index.songs
    ways = (
        songs["song"] == asked,
        songs["title"].map(_as_said) == _as_said(asked),
        _holding(songs["title"], asked),
        _holding(songs["song"], asked),
    )
    matches = next((way.to_numpy() for way in ways if way.any()), None)
    if matches is None:
        raise _not_found(asked, index, root)
    if matches.sum() > 1:
        listed = "; ".join(songs["song"][matches][:5]) + (" …" if matches.sum() > 5 else "")
        raise UserError(Problem.SEVERAL_SONGS, asked=asked, count=matches.sum(), songs=listed)
    (place,) = np.flatnonzero(matches)
    song = songs.iloc[place]
    itself = (songs["sound"] == song["sound"]).to_numpy()
    path, described = songs_folder(root) / song["song"], np.asarray(index.described[place])
    label = f"{song['artist']} - {song['title']}"
    return Seed(label, path, label, song["seconds"], described, itself)


def _as_said(name: str) -> str:
    """Return a name regardless of case and of underscores for spaces."""
    return name.casefold().replace("_", " ")


def _holding(names: pd.Series, part: str) -> pd.Series:
    """Find the names that contain another, as it is said."""
    return names.map(_as_said).str.contains(_as_said(part), regex=False)


def _not_found(asked: str, index: Index, root: Path) -> UserError:
    """Say why nothing is called so: it is a folder, it was left out, or it is not there."""
    if os.path.isdir(asked):
        return UserError(Problem.IS_FOLDER, asked=asked)
    songs = read_songs(root)
    out = songs[~songs["song"].isin(index.songs["song"]) & _holding(songs["song"], asked)]
    if len(out):
        song, status, reason = out.iloc[0][["song", "status", "reason"]]
        if status in GOOD:
            return UserError(Problem.NOT_IN_FRAME, song=song)
        return UserError(Problem.LEFT_OUT, song=song, reason=f"{status}: {reason}".removesuffix(": "))
    said = index.songs["title"].map(_as_said)
    titles = index.songs.loc[said.isin(get_close_matches(_as_said(asked), said.unique(), 1)), "title"].tolist()
    among = {"asked": asked, "songs": counted(len(index.songs), "song")}
    return UserError(Problem.DID_YOU_MEAN, title=titles[0], **among) if titles else UserError(Problem.NO_SONG, **among)


def _seed_from_file(path: Path, index: Index, root: Path) -> Seed:
    """Return the seed that a file is."""
    spacings = current_notes(root)["networks"]
    here = networks.choose(None) if spacings else []
    try:
        song = decode(path, {name: every for name, every in spacings.items() if name in here})
    except SongError as error:
        raise UserError(Problem.FILE, path=path, error=error) from None
    described = describe_song(song, index.embedding)
    itself = find_copies(song, path, index, root)
    copies = index.songs[itself]
    copy_of = f"{copies['artist'].iloc[0]} - {copies['title'].iloc[0]}" if len(copies) else ""
    return Seed(str(path), path.absolute(), path.stem, song.record["seconds"], described, itself, copy_of)


def find_seeds(asked: Iterable[str], index: Index, root: Path) -> list[Seed]:
    """Find the songs that are meant, each once, see `find_seed`."""
    seeds: list[Seed] = []
    for seed in (find_seed(each, index, root) for each in asked):
        if any(seed.is_same(other) for other in seeds):
            note(Notice.NAMED_TWICE, song=str(seed))
        else:
            seeds.append(seed)
    return seeds


def bar_songs(
    seeds: Sequence[Seed], without: Sequence[Seed], index: Index, *, other_albums: bool = False, only: str | None = None
) -> np.ndarray:
    """Mark the songs not to be named [shape=(songs,), dtype=bool]: those that are asked about, and what is left out.

    Parameters
    ----------
    seeds, without : sequence of Seed
        The songs that are asked about, and others to leave out.
    index : Index
        The library.
    other_albums : bool
        Whether the albums that the seeds are on are left out, too.
    only : {"sung", "instrumental"}, optional
        What is to be named alone.

    Raises
    ------
    UserError
        If no song is left, or one is asked about and left out.
    """
    for other in without:
        if any(seed.is_same(other) for seed in seeds):
            raise UserError(Problem.ASKED_AND_LEFT_OUT, song=str(other))
        if not other.itself.any():
            note(Notice.NOT_HERE, song=str(other))
    barred = np.any([np.zeros(len(index.songs), bool), *(seed.itself for seed in (*seeds, *without))], axis=0)
    if barred.all():
        raise UserError(Problem.NO_OTHER_SONG)
    if other_albums:
        albums, named = album_keys(index.songs), (index.songs["album"] != "").to_numpy()
        for seed in seeds:
            if not (seed.itself & named).any():
                note(Notice.NO_ALBUM, song=str(seed))
            barred = barred | albums.isin(albums[seed.itself & named]).to_numpy()
    if barred.all():
        raise UserError(Problem.NO_OTHER_ALBUM)
    if only:
        if index.songs["kind"].isna().all():
            raise UserError(Problem.NOT_SEARCHED)
        barred = barred | (index.songs["kind"] != only).to_numpy()
    if barred.all():
        raise UserError(Problem.NONE_OF_KIND, kind=only)
    return barred


# --- lists -----------------------------------------------------------------------------------

ON_THE_WAY = 300  # songs, at most, that a path may go through: those with the shortest way over them


class End(Enum):
    """Why a list ends."""

    FULL = auto()  # so many songs were asked for
    FAR = auto()  # the next songs are far
    ARTISTS = auto()  # of all artists enough songs are named
    ALL = auto()  # all songs are named


class Rules(NamedTuple):
    """Rules for the songs of a list."""

    most: int  # so many songs
    per_artist: int  # so many by each artist
    far: bool = False  # whether it goes on where songs are no more alike than those of different artists


def fill(index: Index, seeds: Sequence[Seed], barred: np.ndarray, rules: Rules) -> tuple[pd.DataFrame, End]:
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
        See `similarity.say_why`; the nearest song first.
    why : End
        Why it ends.
    """
    described = np.stack([seed.described for seed in seeds])
    distance = np.where(barred, np.inf, distances(index, described))
    chosen: list[int] = []
    recordings: set[str] = set()
    artists: Counter[str] = Counter()
    names, why = index.songs[["sound", "artist"]].to_numpy(), End.ALL
    order = np.argsort(distance, kind="stable")[: int((~barred).sum())]
    for rank, place in enumerate(order):
        recording, artist = names[place]
        if len(chosen) == rules.most:
            why = End.FULL
            break
        if not rules.far and is_far(distance[place], index.likeness):
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
        In order: `similarity.SONG_LABELS`.
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
    for row, point in enumerate(points, start=1):
        steps[row, 1:-1] = index.embedding.distances(points, point)
    steps[0, 1:-1], steps[1:-1, -1], steps[0, -1] = to_first[between], to_last[between], distance
    artist = np.array(["", *index.songs["artist"].iloc[between], ""])
    usable = np.ones(len(steps), bool)
    most = min(rules.most, sum(min(count, rules.per_artist) for count in Counter(artist[1:-1].tolist()).values()))
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
    return index.songs.iloc[between[way[1:-1] - 1]], steps[way[:-1], way[1:]]


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


def write_playlist(songs: Iterable[tuple[Path, str, float]], path: Path) -> tuple[int, dict[str, SongError]]:
    """Write an extended M3U playlist, which names the files by their whole paths.

    Returns
    -------
    int
        How many songs it has.
    dict of str to SongError
        Files that it does not have, and why.
    """
    lines, left_out = ["#EXTM3U"], {}
    for file, label, seconds in songs:
        if set("\r\n") & set(str(file)):
            left_out[str(file)] = SongError(Reason.LINE_BREAK)
        elif not file.is_file():
            left_out[str(file)] = SongError(Reason.MOVED)
        else:
            lines += [f"#EXTINF:{round(seconds)},{printable(label)}", str(file)]
    with atomic_write(path) as target:
        target.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    return len(lines) // 2, left_out


# --- artists ---------------------------------------------------------------------------------


class Pair(NamedTuple):
    """Two artists, seen from the first."""

    other: str
    distance: float  # 1 minus the cosine between the centroids of their songs
    songs: tuple[int, int]  # places of the two that are most alike, one by each


class Portrait(NamedTuple):
    """An artist among the others."""

    artist: str
    songs: int
    typical: int  # the place of the song that is nearest to the centroid of all of them
    oddest: int | None  # and of the one farthest from it; none of fewer than three songs
    alike: list[Pair]  # the most alike first


def find_artists(names: list[str], index: Index) -> list[str]:
    """Find the artists that are meant: by name, or the one that holds a part of it; without names, all.

    Raises
    ------
    UserError
        If there is none, or several; or the library has one artist.
    """
    if index.songs["artist"].nunique() < 2:
        raise UserError(Problem.ONE_ARTIST)
    every = sorted(index.songs["artist"].unique())
    artists = []
    for name in names:
        text = name.casefold()
        matches = [artist for artist in every if artist.casefold() == text]
        matches = matches or [artist for artist in every if text in artist.casefold()]
        if len(matches) != 1:
            if matches:
                raise UserError(Problem.SEVERAL_ARTISTS, count=len(matches), artists="; ".join(matches[:5]))
            nearest = get_close_matches(name, every, 3, cutoff=0)
            raise UserError(Problem.NO_ARTIST, asked=name, nearest="; ".join(nearest))
        artists += matches
    return list(dict.fromkeys(artists)) or every


def compare_artists(index: Index, artists: list[str], count: int) -> list[Portrait]:
    """Find the artists who sound most like some artists: those whose songs do on average.

    Half of an artist's songs find the other half by this more often than by distances between single songs
    (benchmarks/README.md).

    Parameters
    ----------
    index : Index
        The library.
    artists : list of str
        The artists in question.
    count : int
        How many to name for each, at most.
    """
    songs_of = pd.Series(np.arange(len(index.songs))).groupby(index.songs["artist"].to_numpy()).indices
    names, points, embedding = list(songs_of), np.asarray(index.points), index.embedding
    centroids = np.stack([embedding.centroid(points[songs]) for songs in songs_of.values()])
    # One song says little of its artist, and lies near to all when it is plain.
    known = {name for name in names if len(songs_of[name]) > 1} or {*names}
    portraits = []
    for artist in artists:
        songs, centroid = songs_of[artist], centroids[names.index(artist)]
        apart = pd.Series(embedding.distances(centroids, centroid), names).sort_values(kind="stable")
        nearest = apart[[name for name in apart.index if name != artist and name in known]][:count]
        by_typicality = songs[np.argsort(embedding.distances(points[songs], centroid), kind="stable")]
        pairs = [Pair(name, far, _most_alike(index, songs, songs_of[name])) for name, far in nearest.items()]
        oddest = by_typicality[-1] if len(songs) > 2 else None
        portraits.append(Portrait(artist, len(songs), by_typicality[0], oddest, pairs))
    return portraits


def _most_alike(index: Index, songs: np.ndarray, others: np.ndarray) -> tuple[int, int]:
    """Return the songs of two artists that are most alike and no copies of each other."""
    points, sound = np.asarray(index.points[others]), index.songs["sound"].to_numpy()
    apart = np.stack([index.embedding.distances(points, np.asarray(index.points[song])) for song in songs])
    apart[sound[songs][:, None] == sound[others]] = 2
    one, other = np.unravel_index(apart.argmin(), apart.shape)
    return songs[one], others[other]
