"""The songs of a library that sound most like a song, and why."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.features.extraction import describe_file
from soundalike.library.catalogue import read_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.storage import atomic_write
from soundalike.similarity import index as similarity
from soundalike.similarity.index import quality_in_words, why_alike

FEW_SONGS = 30  # songs: with fewer, what songs have in common cannot be told from chance
FAR_DISTANCE = 0.9  # distance


def find_seed(asked: str, index: similarity.Index, root: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """The song that is meant: what to call it, its description, and which songs of the library it is.

    Raises
    ------
    UserError
        If it is neither a file nor one song of the library, or the file is no usable song.
    """
    if Path(asked).is_file():
        return seed_from_file(Path(asked), index)
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
    return songs["song"][place], np.asarray(index.described[place]), meant


def _holding(texts: pd.Series, sought: str) -> pd.Series:
    """Which texts hold another, in whatever capitals."""
    return texts.str.casefold().str.contains(sought, regex=False)


def _not_found(asked: str, index: similarity.Index, root: Path) -> str:
    """Why nothing is called so: it is a folder, it was left out, or it is not there."""
    if Path(asked).is_dir():
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


def seed_from_file(path: Path, index: similarity.Index) -> tuple[str, np.ndarray, np.ndarray]:
    """As `find_seed`, for a file. Where the library holds this very recording, that is it."""
    try:
        table, record = describe_file(path)
        if table is None:
            raise SongError(f"{record['status']}: {record['reason']}")
    except SongError as error:
        raise UserError(f"{printable(path)}: {error}") from None
    described = similarity.song_descriptions(table[~table["silent"]].assign(song=""))
    itself = (index.songs["hash"] == record["hash"]).to_numpy()
    name = f"{path}, which is {index.songs['song'][itself].iloc[0]} of this library," if itself.any() else str(path)
    return name, described.to_numpy()[0], itself


def work(args: argparse.Namespace) -> int:
    """Print the songs that sound most alike, and write the playlist if one is asked for."""
    cli.print_note(args.data)
    index = similarity.load_index(args.data)
    name, described, itself = find_seed(args.song, index, args.data)
    barred = itself
    if args.other_albums and not itself.any():
        print("That file is of no album in this library, so --other-albums leaves nothing out.")
    elif args.other_albums:
        albums = index.songs["artist"] + "\n" + index.songs["album"]
        barred = itself | albums.isin(albums[itself]).to_numpy()
    alike = similarity.nearest_songs(index, described, barred, args.count)
    if alike.empty:
        raise UserError("There is no other song in this library" + (" on another album." if args.other_albums else "."))
    print(f"{printable(name)} sounds most like")
    for number, (_, song) in enumerate(alike.iterrows(), start=1):
        who, album = printable(song["artist"], 60), f" ({printable(song['album'], 60)})" if song["album"] else ""
        print(f"{number:3}. {song['distance']:.2f}  {who} - {printable(song['title'], 80)}{album}")
        print(f"           {why_alike(song)}")
    print("The numbers are distances: 0 the same, about 1 nothing in common, 2 the opposite.")
    if alike["distance"].iloc[0] > FAR_DISTANCE:
        print("Nothing here sounds much like it.")
    print(quality_in_words(index.quality))
    if len(index.songs) < FEW_SONGS:
        print(f"With {cli.counted(len(index.songs), 'song')} to compare, none of this says much.")
    return write_playlist(alike, songs_folder(args.data), args.playlist) if args.playlist else cli.ALL_GOOD


def write_playlist(songs: pd.DataFrame, folder: Path, path: Path) -> int:
    """Write an extended M3U playlist, which names the files by their whole paths; returns the exit status."""
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
