"""The songs of a library that sound most like a song, and why."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.dataset.windows import Windows
from soundalike.features import networks
from soundalike.features.one_song import decode
from soundalike.library.catalogue import read_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.storage import atomic_write
from soundalike.similarity import index as similarity

FEW_SONGS = 30  # songs: with fewer, what songs have in common cannot be told from chance
FAR_DISTANCE = 0.9  # distance


class Seed(NamedTuple):
    """A song for which others are sought."""

    name: str
    described: np.ndarray  # [shape=(columns,)], see `index.song_descriptions`
    itself: np.ndarray  # which songs of the library are this recording [shape=(songs,), dtype=bool]


def find_seed(asked: str, index: similarity.Index, root: Path) -> Seed:
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
    return Seed(songs["song"][place], np.asarray(index.described[place]), meant)


def _holding(texts: pd.Series, sought: str) -> pd.Series:
    """Which texts hold another, in whatever capitals."""
    return texts.str.casefold().str.contains(sought, regex=False)


def _not_found(asked: str, index: similarity.Index, root: Path) -> str:
    """Why nothing is called so: it is a folder, it was left out, or it is not there."""
    if os.path.isdir(asked):
        return f"{printable(asked)} is a folder. Name one song: a file, or a part of a title of this library."
    songs = read_songs(root)
    out = songs[~songs["song"].isin(index.songs["song"]) & _holding(songs["song"], asked.casefold())]
    if len(out):
        song, status, reason = out.iloc[0][["song", "status", "reason"]]
        return f"{printable(song)} was left out of this library: {status}{': ' if reason else ''}{printable(reason)}"
    return (
        f"{printable(asked)} is neither a file nor a part of the title or path of a song among the "
        f"{cli.counted(len(index.songs), 'song')} of this library."
    )


def _seed_from_file(path: Path, index: similarity.Index, root: Path) -> Seed:
    """The seed that a file is. Where the library holds this recording, that is excluded."""
    spacings = Windows(root).spacings
    here = networks.choose(None) if spacings else []
    try:
        song = decode(path, {name: every for name, every in spacings.items() if name in here})
    except SongError as error:
        raise UserError(f"{printable(path)}: {error}") from None
    described = similarity.describe_decoded(song, index)
    itself = (index.songs["hash"] == song.record["hash"]).to_numpy()
    name = f"{path}, which is {index.songs['song'][itself].iloc[0]} of this library," if itself.any() else str(path)
    return Seed(name, described, itself)


def same_album(seed: Seed, index: similarity.Index) -> np.ndarray:
    """Return which songs are of the seed's album, itself included [shape=(songs,), dtype=bool]."""
    if not seed.itself.any():
        print("That file is of no album in this library, so --other-albums leaves nothing out.")
        return seed.itself
    albums = index.songs["artist"] + "\n" + index.songs["album"]
    excluded = seed.itself | albums.isin(albums[seed.itself]).to_numpy()
    if excluded.all():
        raise UserError("There is no other song in this library on another album.")
    return excluded


def print_alike(seed: Seed, alike: pd.DataFrame, index: similarity.Index) -> None:
    """Print the songs that sound most like a seed, and how far to believe it.

    Parameters
    ----------
    seed : Seed
        The song.
    alike : pd.DataFrame
        From `index.nearest_songs`.
    index : Index
        The library.

    Raises
    ------
    UserError
        If there is no song to name.
    """
    if alike.empty:
        raise UserError("There is no other song in this library.")
    print(f"{printable(seed.name)} sounds most like")
    for number, (_, song) in enumerate(alike.iterrows(), start=1):
        who, album = printable(song["artist"], 60), f" ({printable(song['album'], 60)})" if song["album"] else ""
        print(f"{number:3}. {song['distance']:.2f}  {who} - {printable(song['title'], 80)}{album}")
        print(f"           {similarity.why_alike(song)}")
    print("The numbers are distances: 0 the same, about 1 nothing in common, 2 the opposite.")
    if alike["distance"].iloc[0] > FAR_DISTANCE:
        print("Nothing here sounds much like it.")
    print(similarity.quality_in_words(index.quality))
    if len(index.songs) < FEW_SONGS:
        print(f"With {cli.counted(len(index.songs), 'song')} to compare, none of this says much.")


def write_playlist(songs: pd.DataFrame, root: Path, path: Path) -> int:
    """Write an extended M3U playlist, which names the files by their whole paths; returns the exit status."""
    folder = songs_folder(root)
    lines, left_out = ["#EXTM3U"], {}
    for _, song in songs.iterrows():
        place = folder / song["song"]
        if set("\r\n") & set(str(place)):
            left_out[song["song"]] = "a playlist has no place for line breaks in names"
        elif not place.is_file():
            left_out[song["song"]] = f"no longer in {folder}; mp3_split.py --songs names where songs lie now"
        else:
            artist, title = printable(song["artist"]), printable(song["title"])
            lines += [f"#EXTINF:{round(song['seconds'])},{artist} - {title}", str(place)]
    with atomic_write(path) as target:
        target.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    print(f"{cli.counted(len(lines) // 2, 'song')} in {printable(path)}.")
    cli.print_left_out(left_out, title="Not in the playlist")
    return cli.LEFT_OUT if left_out else cli.ALL_GOOD
