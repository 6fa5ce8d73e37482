"""The songs that are meant: files, playlists, and names of songs, artists, albums and folders of the library."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np

from soundalike import networks
from soundalike.frame import current_notes
from soundalike.library import GOOD, read_songs, songs_folder
from soundalike.messages import Notice, Problem, SongError, UserError, counted, first_of, note, printable
from soundalike.playlist_files import SUFFIXES, Entry, read_playlist
from soundalike.similarity import Index, describe_song, find_copies
from soundalike.song import Song, decode
from soundalike.traits import traits_of

NAMED = 20  # songs of a playlist that the library does not have, at most


class Seed(NamedTuple):
    """A song that is asked about."""

    name: str  # artist and title, if it is one of the library's songs; else its path
    entry: Entry  # of a playlist; its file by the whole path
    described: np.ndarray  # [shape=(columns,)], see `similarity.describe_song`
    itself: np.ndarray  # which songs of the library are this recording [shape=(songs,), dtype=bool]
    traits: dict  # see `traits.traits_of`; of a song of the library, its row in the index
    segments: Sequence[np.ndarray]  # starts and points of some, see `similarity.describe_song`
    copy_of: str = ""  # of a file: artist and title of the song of the library that is the same recording
    group: str = ""  # the artist, album, folder or playlist that was named, if one was

    def __str__(self) -> str:
        return printable(self.name) + (f" (in this library {printable(self.copy_of)})" if self.copy_of else "")

    def is_same(self, other: "Seed") -> bool:
        """Whether both are one recording."""
        return self.entry.file == other.entry.file or bool((self.itself & other.itself).any())


def find_seeds(asked: Iterable[str], index: Index, root: Path) -> list[Seed]:
    """Find the songs that are meant, each once.

    Parameters
    ----------
    asked : iterable of str
        Of each a file or a playlist, or what `find_places` finds.

    Raises
    ------
    UserError
        If one is neither; or a file is no usable song, or a playlist has no song of the library.
    """
    seeds: list[Seed] = []
    taken, files = np.zeros(len(index.songs), bool), set[str]()
    for each in asked:
        if os.path.isfile(each):  # which, unlike Path's, raises nothing
            path = Path(each)
            is_list = path.suffix.lower() in SUFFIXES
            found = _of_playlist(path, index, root) if is_list else [_of_file(path, index, root)]
        else:
            places = find_places(each, index, root)
            found = [of_library(place, index, root) for place in places]
            found = [seed._replace(group=each) for seed in found] if len(found) > 1 else found
        for seed in found:
            if seed.entry.file not in files and not (seed.itself & taken).any():
                seeds.append(seed)
                files.add(seed.entry.file)
                taken |= seed.itself
            elif len(found) == 1:
                note(Notice.NAMED_TWICE, song=str(seed))
    return seeds


def names_of(seeds: Iterable[Seed]) -> list[str]:
    """Return what seeds are called: each song, or once the artist, album, folder or playlist that was named."""
    counts = Counter(printable(seed.group) or str(seed) for seed in seeds)
    return [name if count == 1 else f"{name} ({counted(count, 'song')})" for name, count in counts.items()]


def of_library(place: int, index: Index, root: Path) -> Seed:
    """Return the seed that a song of the library is."""
    song = index.songs.iloc[place]
    label = f"{song['artist']} - {song['title']}"
    itself = (index.songs["sound"] == song["sound"]).to_numpy()
    entry = Entry(str(songs_folder(root) / song["song"]), label, song["seconds"])
    described, segments = np.asarray(index.described[place]), (index.starts[place], index.segments[place])
    return Seed(label, entry, described, itself, song.to_dict(), segments)


def _of_file(path: Path, index: Index, root: Path) -> Seed:
    """Return the seed that a file is."""
    spacings = current_notes(root)["networks"]
    here = networks.choose(None) if spacings else []
    try:
        song = decode(path, {name: every for name, every in spacings.items() if name in here})
    except SongError as error:
        raise UserError(Problem.FILE, path=path, error=error) from None
    return of_song(song, path, index, root)


def of_song(song: Song, path: Path, index: Index, root: Path) -> Seed:
    """Return the seed that a file is, which was decoded."""
    described, *segments = describe_song(song, index.embedding)
    itself = find_copies(song, described, path, index, root)
    copies, entry = index.songs[itself], Entry(str(path.absolute()), path.stem, song.record["seconds"])
    copy_of = f"{copies['artist'].iloc[0]} - {copies['title'].iloc[0]}" if len(copies) else ""
    return Seed(str(path), entry, described, itself, traits_of(song), segments, copy_of)


# --- by name ---------------------------------------------------------------------------------


def find_places(asked: str, index: Index, root: Path) -> list[int]:
    """Find the songs of the library that are called so: one by path or title, all by an artist, of an album or folder.

    All of a name goes before a part of a title, and that before a part of an artist's name or of a path.

    Raises
    ------
    UserError
        If there is none; or several, but no one artist, album or folder.
    """
    music, path = os.path.realpath(songs_folder(root)) + "/", os.path.realpath(os.path.expanduser(asked))
    asked = path.removeprefix(music) if os.path.isdir(path) and path.startswith(music) else asked
    songs, said = index.songs, _as_said(asked)
    titles, artists, albums, paths = (songs[name].map(_as_said) for name in ("title", "artist", "album", "song"))
    holding = artists.str.contains(said, regex=False)
    ways = [  # and whether all that are called so are meant, or one
        (songs["song"] == asked, False),
        (titles == said, False),
        (artists == said, True),
        (albums == said, songs["artist"][albums == said].nunique() == 1),
        (paths.str.startswith(said.rstrip("/") + "/"), True),
        (titles.str.contains(said, regex=False), False),
        (holding, artists[holding].nunique() == 1),
        (paths.str.contains(said, regex=False), False),
    ]
    found = [(np.flatnonzero(matches).tolist(), all_of_them) for matches, all_of_them in ways if matches.any()]
    for places, all_of_them in found:
        if all_of_them or len(places) == 1:
            return places
    raise _several(asked, found[0][0], index) if found else _not_found(asked, index, root)


def find_song(asked: str, index: Index, root: Path) -> int:
    """Find the one song of the library that is called so, see `find_places`."""
    place, *others = find_places(asked, index, root)
    if others:
        raise _several(asked, [place, *others], index)
    return place


def _several(asked: str, places: list[int], index: Index) -> UserError:
    songs = first_of(index.songs["song"].iloc[places].tolist(), 5)
    return UserError(Problem.SEVERAL_SONGS, asked=asked, count=len(places), songs=songs)


def _as_said(name: str) -> str:
    """Return a name regardless of case, Unicode form, and underscores for spaces."""
    return _normal(name).casefold().replace("_", " ")


def _not_found(asked: str, index: Index, root: Path) -> UserError:
    """Say why nothing is called so: it is a folder, it was left out, or it is not there."""
    if os.path.isdir(asked):
        return UserError(Problem.IS_FOLDER, asked=asked)
    songs, said = read_songs(root), _as_said(asked)
    holding = songs["song"].map(_as_said).str.contains(said, regex=False)
    out = songs[~songs["song"].isin(index.songs["song"]) & holding]
    if len(out):
        song, status, reason = out.iloc[0][["song", "status", "reason"]]
        if status in GOOD:
            return UserError(Problem.NOT_IN_FRAME, song=song)
        return UserError(Problem.LEFT_OUT, song=song, reason=f"{status}: {reason}".removesuffix(": "))
    names = {_as_said(name): name for column in ("artist", "album", "title") for name in index.songs[column]}
    among = {"asked": asked, "songs": counted(len(index.songs), "song")}
    for meant in get_close_matches(said, names, 1):
        return UserError(Problem.DID_YOU_MEAN, name=names[meant], **among)
    return UserError(Problem.NO_SONG, **among)


# --- playlists -------------------------------------------------------------------------------


def locate(entries: Iterable[Entry], playlist: Path, index: Index, root: Path) -> list[int | None]:
    """Find the songs of the library that a playlist names, None where it has none.

    A file is known by its whole path, from the playlist's folder, or, as on another machine, by the last two names of
    it, where one song alone ends so.

    Parameters
    ----------
    entries, playlist
        See `playlist_files.read_playlist`.
    index, root
        The library.
    """
    songs = {_normal(song): place for place, song in enumerate(index.songs["song"])}
    ends = Counter(map(_end, songs))
    unique = {_end(song): place for song, place in songs.items() if ends[_end(song)] == 1}
    music, folder = _normal(os.path.realpath(songs_folder(root))) + "/", playlist.absolute().parent
    places = []
    for entry in entries:
        local = re.sub(r"(?i)^file:(//[^/]*)?", "", entry.file)
        if not os.path.exists(folder / local):
            local = (unquote(local) if "%" in local else local).replace("\\", "/")
        path = _normal(os.path.realpath(folder / local))
        places.append(songs.get(path.removeprefix(music), unique.get(_end(path))))
    return places


def _normal(path: str | Path) -> str:
    return unicodedata.normalize("NFC", str(path))


def _end(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _of_playlist(path: Path, index: Index, root: Path) -> list[Seed]:
    """Return the seeds that the songs of a playlist are; those that the library does not have are noted."""
    entries = read_playlist(path).entries
    places = locate(entries, path, index, root)
    missing = [entry.file for entry, place in zip(entries, places, strict=True) if place is None]
    known = list(dict.fromkeys(place for place in places if place is not None))
    if not known:
        raise UserError(Problem.EMPTY_PLAYLIST, path=path, entries=counted(len(entries), "song"))
    if missing:
        count = counted(len(missing), "song")
        note(Notice.NOT_HAD, count=count, path=path.name, songs=first_of(missing, NAMED))
    group = path.name if len(known) > 1 else ""
    return [of_library(place, index, root)._replace(group=group) for place in known]
