"""The songs that are meant: files, and songs of the library by a part of their title or path."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.dataset.frame import current_notes
from soundalike.dataset.splits import album_keys
from soundalike.features import networks
from soundalike.library.catalogue import GOOD, read_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.similarity.index import Index, describe
from soundalike.similarity.nearest import nearest_songs
from soundalike.song import FEATURES, Song, decode, read_tables

RIVALS = 3  # songs most like a file, which may be copies of it


class Seed(NamedTuple):
    """A song for which others are sought."""

    name: str  # artist and title, if it is one of the library's songs; else its path
    path: Path  # of its file
    label: str  # what a playlist calls it
    seconds: float
    described: np.ndarray  # [shape=(columns,)], see `index.describe`
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
    songs, sought = index.songs, asked.casefold()
    ways = (
        songs["song"] == asked,
        songs["title"].str.casefold() == sought,
        _holding(songs["title"], sought),
        _holding(songs["song"], sought),
    )
    meant = next((way.to_numpy() for way in ways if way.any()), None)
    if meant is None:
        raise UserError(_not_found(asked, index, root))
    if meant.sum() > 1:
        several = "; ".join(songs["song"][meant][:5]) + (" …" if meant.sum() > 5 else "")
        raise UserError(f"{meant.sum()} songs are called so. Say more of the path of the one you mean: {several}")
    (place,) = np.flatnonzero(meant)
    song = songs.iloc[place]
    itself = (songs["sound"] == song["sound"]).to_numpy()
    path, described = songs_folder(root) / song["song"], np.asarray(index.described[place])
    label = f"{song['artist']} - {song['title']}"
    return Seed(label, path, label, song["seconds"], described, itself)


def _holding(texts: pd.Series, sought: str) -> pd.Series:
    """Find the texts that contain another, regardless of case."""
    return texts.str.casefold().str.contains(sought, regex=False)


def _not_found(asked: str, index: Index, root: Path) -> str:
    """Why nothing is called so: it is a folder, it was left out, or it is not there."""
    if os.path.isdir(asked):
        return f"{printable(asked)} is a folder. Name one song: a file, or a part of a title of this library."
    songs = read_songs(root)
    out = songs[~songs["song"].isin(index.songs["song"]) & _holding(songs["song"], asked.casefold())]
    if len(out):
        song, status, reason = out.iloc[0][["song", "status", "reason"]]
        if status in GOOD:
            return f"{printable(song)} is not in the frame yet: run make run, or the steps that are missing."
        return f"{printable(song)} was left out of this library: {status}{': ' if reason else ''}{printable(reason)}"
    near = get_close_matches(asked.casefold(), index.songs["title"].str.casefold().unique(), 1)
    meant = index.songs.loc[index.songs["title"].str.casefold().isin(near), "title"].tolist()
    return (
        f"{printable(asked)} is neither a file nor a part of the title or path of a song among the "
        f"{cli.counted(len(index.songs), 'song')} of this library."
        + (f" Did you mean {printable(meant[0])}?" if meant else "")
    )


def _seed_from_file(path: Path, index: Index, root: Path) -> Seed:
    """Return the seed that a file is."""
    spacings = current_notes(root)["networks"]
    here = networks.choose(None) if spacings else []
    try:
        song = decode(path, {name: every for name, every in spacings.items() if name in here})
    except SongError as error:
        raise UserError(f"{printable(path)}: {error}") from None
    described = describe(song, index.embedding)
    itself = find_copies(song, path, index, root)
    copies = index.songs[itself]
    copy_of = f"{copies['artist'].iloc[0]} - {copies['title'].iloc[0]}" if len(copies) else ""
    return Seed(str(path), path.absolute(), path.stem, song.record["seconds"], described, itself, copy_of)


def find_copies(song: Song, path: Path, index: Index, root: Path) -> np.ndarray:
    """Find the songs of the library that are the same recording as a file, encoded otherwise perhaps.

    Parameters
    ----------
    song, path : Song, Path
        The file, decoded, and where it lies.
    index, root
        The library.

    Returns
    -------
    np.ndarray [shape=(songs,), dtype=bool]
    """
    songs = index.songs
    same = (songs["hash"] == song.record["hash"]).to_numpy()
    if not same.any():
        from soundalike.dataset.duplicates import VERSION, agreement, is_copy, read_contours  # which takes long

        near = nearest_songs(index, describe(song, index.embedding), same, RIVALS)["song"].tolist()
        _, contours = read_contours([*read_tables(root, near, [FEATURES]), ("", song)])
        close = [name for name in near if agreement(contours[""], contours[name]) >= VERSION]
        same = songs["song"].isin([name for name in close if is_copy(root, path.absolute(), name)]).to_numpy()
    return songs["sound"].isin(songs["sound"][same]).to_numpy()


def all_of(seeds: Iterable[Seed], index: Index) -> np.ndarray:
    """Mark the songs of the library that are any of these [shape=(songs,), dtype=bool]."""
    return np.any([np.zeros(len(index.songs), bool), *(seed.itself for seed in seeds)], axis=0)


def same_albums(seeds: Iterable[Seed], index: Index) -> np.ndarray:
    """Mark the songs of the albums that these are on [shape=(songs,), dtype=bool]."""
    albums, named, found = (
        album_keys(index.songs),
        (index.songs["album"] != "").to_numpy(),
        [np.zeros(len(index.songs), bool)],
    )
    for seed in seeds:
        own = albums[seed.itself & named]
        if own.empty:
            print(f"{seed} is of no album in this library, so --other-albums leaves none out for it.")
        found.append(albums.isin(own).to_numpy())
    return np.any(found, axis=0)
