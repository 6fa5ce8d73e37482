"""What recommend.py prints: songs that sound alike, the way from one to another, artists that sound alike."""

import argparse

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.library.errors import UserError, printable
from soundalike.similarity import artists, playlists
from soundalike.similarity.index import Index
from soundalike.similarity.nearest import in_common
from soundalike.similarity.playlists import Rules
from soundalike.similarity.quality import DIFFERENT, how_alike, quality_in_words
from soundalike.similarity.seeds import Seed, all_of, find_seed, same_albums

FEW_SONGS = 30  # songs: with fewer, what songs have in common cannot be told from chance


def print_songs(args: argparse.Namespace, index: Index) -> int:
    """Print the songs that sound most like some songs, and write a playlist if asked to; returns the exit status."""
    seeds = [find_seed(asked, index, args.data) for asked in args.songs]
    barred = _barred(seeds, args, index)
    rules = Rules(args.count or Rules().most, args.per_artist, args.far)
    songs = playlists.fill(index, seeds, barred, rules)
    names = " and ".join(printable(seed.name) for seed in seeds)
    sound = "sounds" if len(seeds) == 1 else "together sound"
    if len(songs):
        print(f"{names} {sound} most like")
        _print_list(songs, index, verbose=args.verbose)
    if len(songs) < rules.most and len(playlists.fill(index, seeds, barred, rules._replace(far=True))) > len(songs):
        rest = "The next are" if len(songs) else f"Nothing here sounds much like {names}: all are"
        print(f"{rest} no more alike than songs of different artists usually are; --far names them, too.")
    elif len(songs) < rules.most:
        print(f"There are no more: it names {cli.counted(rules.per_artist, 'song')} of each artist (--per-artist).")
    _print_worth(index, verbose=args.verbose)
    if not args.playlist:
        return cli.ALL_GOOD
    listed = [*map(playlists.entry, seeds), *playlists.entries(songs, args.data)]
    return playlists.write_playlist(listed, args.playlist)


def print_path(args: argparse.Namespace, index: Index) -> int:
    """Print a way from one song to another, and write a playlist if asked to; returns the exit status."""
    first, last = (find_seed(asked, index, args.data) for asked in (args.songs[0], args.path_to))
    if first.path == last.path or (first.itself & last.itself).any():
        raise UserError(f"{printable(first.name)} is where the way begins and where it ends. Name another song.")
    rules = Rules(args.count or Rules().most, args.per_artist)
    songs, steps = playlists.find_path(index, first, last, _barred([first, last], args, index), rules)
    lines = [_title(song) for _, song in songs.iterrows()]
    print(f"From {printable(first.name)}")
    for number, (line, step) in enumerate(zip([*lines, printable(last.name)], steps, strict=True), start=1):
        start = f"{number:3}." if number <= len(lines) else "  to"
        print(f"{start} {line}{_number(step, shown=args.verbose)}")
    if not lines:
        print("No song lies between them.")
    elif (longest := float(steps.max())) and how_alike(longest, index.quality["typical"]) == DIFFERENT:
        print("Its longest step is no smaller than between songs of different artists.")
    if not args.playlist:
        return cli.ALL_GOOD
    ends = playlists.entry(first), playlists.entry(last)
    return playlists.write_playlist([ends[0], *playlists.entries(songs, args.data), ends[1]], args.playlist)


def print_artists(args: argparse.Namespace, index: Index) -> int:
    """Print which artists sound alike; returns the exit status."""
    if index.songs["artist"].nunique() < 2:
        raise UserError("There is one artist in this library, so there is none to compare with.")
    asked = artists.find_artists(args.songs, index)
    titles = index.songs["title"].map(lambda title: printable(title, 60)).to_numpy()
    for portrait in artists.compare(index, asked, args.count or 3):
        oddest = "" if portrait.oddest is None else f"; oddest: {titles[portrait.oddest]}"
        print(
            f"{printable(portrait.artist)} ({cli.counted(portrait.songs, 'song')}; most typical: "
            f"{titles[portrait.typical]}{oddest}) sounds most like"
        )
        for number, pair in enumerate(portrait.alike, start=1):
            one, two = pair.songs
            print(f"{number:3}. {printable(pair.other)}{_number(pair.distance, shown=args.verbose)}")
            print(f"     {titles[one]} and {titles[two]}: {_level(pair.apart, index) or 'alike'}")
    return cli.ALL_GOOD


def _barred(seeds: list[Seed], args: argparse.Namespace, index: Index) -> np.ndarray:
    """Which songs are not to be named: those that are asked about or left out, and maybe all of their albums."""
    without = [find_seed(asked, index, args.data) for asked in args.without or ()]
    for seed in seeds:
        if any(seed.path == other.path or (seed.itself & other.itself).any() for other in without):
            raise UserError(f"{printable(seed.name)} is asked for and left out by --without. Decide on one.")
    barred = all_of([*seeds, *without], index)
    albums = same_albums(seeds, index) if args.other_albums else barred
    if (barred | albums).all():
        raise UserError(f"There is no other song in this library{' on another album' * (not barred.all())}.")
    return barred | albums


def _print_list(songs: pd.DataFrame, index: Index, *, verbose: bool) -> None:
    """Print songs, each with how alike it is, and in what."""
    for number, (_, song) in enumerate(songs.iterrows(), start=1):
        common, level = ", ".join(in_common(song)), _level(song["distance"], index)
        print(f"{number:3}. {_title(song)}{_number(song['distance'], shown=verbose)}")
        print(f"     {level or 'alike in'}{': ' * bool(level and common)}{common}")


def _title(song: pd.Series) -> str:
    """Artist, title and album of a song."""
    album = f" ({printable(song['album'], 60)})" if song["album"] else ""
    return f"{printable(song['artist'], 60)} - {printable(song['title'], 80)}{album}"


def _number(distance: float, *, shown: bool) -> str:
    """A distance, if it is asked for."""
    return f"  {distance:.2f}" if shown else ""


def _level(distance: float, index: Index) -> str:
    """Say how alike two songs are, by what is usual in this library; nothing if that is not known."""
    level = how_alike(distance, index.quality["typical"])
    if not level:
        return ""
    return f"{'no more alike than' if level == DIFFERENT else 'as alike as'} songs of {level}"


def _print_worth(index: Index, *, verbose: bool) -> None:
    """Print how far such answers are to be believed."""
    print(quality_in_words(index.quality))
    if verbose:
        typical = ", ".join(
            f"{distance:.2f} for songs of {name}" for name, distance in index.quality["typical"].items()
        )
        print(
            f"The numbers are distances: 0 the same, about 1 nothing in common, 2 the opposite; usually here {typical}."
        )
    if len(index.songs) < FEW_SONGS:
        print(f"With {cli.counted(len(index.songs), 'song')} to compare, none of this says much.")
