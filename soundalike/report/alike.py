"""The output of recommend.py: songs that sound alike, the way from one to another, artists that sound alike."""

import argparse

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.library.errors import UserError, printable
from soundalike.similarity import artists, playlists
from soundalike.similarity.index import Index
from soundalike.similarity.nearest import in_common
from soundalike.similarity.playlists import ALL, ARTISTS, FAR, Rules
from soundalike.similarity.quality import DIFFERENT, how_alike, is_far, quality_in_words
from soundalike.similarity.seeds import Seed, all_of, find_seed, same_albums

FEW_SONGS = 30  # songs: with fewer, what songs have in common may be chance
SONGS, PEOPLE = 10, 3  # songs, and artists, that are named unless more are asked for
PER_ARTIST = 2  # of these songs, at most


def print_songs(args: argparse.Namespace, index: Index) -> int:
    """Print the songs that sound most like some songs, and write a playlist if asked to; returns the exit status."""
    seeds: list[Seed] = []
    for seed in (find_seed(asked, index, args.library) for asked in args.songs):
        if any(seed.is_same(other) for other in seeds):
            print(f"{seed} was named before; it counts once.")
        else:
            seeds.append(seed)
    rules = _rules(args, index)
    songs, why = playlists.fill(index, seeds, _barred(seeds, args, index), rules)
    names = " and ".join(map(str, seeds))
    if len(songs):
        print(f"{names} {'sounds' if len(seeds) == 1 else 'together sound'} most like")
        _print_list(songs, index, verbose=args.verbose)
    if len(songs) < rules.most:
        rest = "The next are" if len(songs) else f"Nothing here sounds much like {names}: all are"
        print({
            FAR: f"{rest} no more alike than songs of different artists usually are; --far names them, too.",
            ARTISTS: f"All others are by these artists; --per-artist {rules.per_artist + 1} names more of each.",
            ALL: "There are no other songs.",
        }[why])  # fmt: skip
    _print_worth(index, verbose=args.verbose)
    if not args.playlist:
        return cli.ALL_GOOD
    listed = [*map(playlists.entry, seeds), *playlists.entries(songs, args.library)]
    return playlists.write_playlist(listed, args.playlist)


def print_path(args: argparse.Namespace, index: Index) -> int:
    """Print a way from one song to another, and write a playlist if asked to; returns the exit status."""
    first, last = (find_seed(asked, index, args.library) for asked in (args.songs[0], args.path_to))
    if first.is_same(last):
        raise UserError(f"{first} is where the way begins and where it ends. Name another song.")
    barred = _barred([first, last], args, index)
    songs, steps = playlists.find_path(index, first, last, barred, _rules(args, index))
    lines = [_title(song) for _, song in songs.iterrows()]
    print(f"From {first}")
    for number, (line, step) in enumerate(zip([*lines, str(last)], steps, strict=True), start=1):
        start = f"{number:3}." if number <= len(lines) else "  to"
        print(f"{start} {line}{_number(step, shown=args.verbose)}")
    if not lines:
        print("No song lies between them.")
    elif is_far(steps.max(), index.likeness):
        print("Its longest step is no smaller than usual between songs of different artists.")
    _print_numbers(index, shown=args.verbose)
    if not args.playlist:
        return cli.ALL_GOOD
    listed = [playlists.entry(first), *playlists.entries(songs, args.library), playlists.entry(last)]
    return playlists.write_playlist(listed, args.playlist)


def print_artists(args: argparse.Namespace, index: Index) -> int:
    """Print which artists sound alike; returns the exit status."""
    if index.songs["artist"].nunique() < 2:
        raise UserError("There is one artist in this library, so there is none to compare with. Add songs by others.")
    asked = artists.find_artists(args.songs, index)
    titles = index.songs["title"].map(lambda title: printable(title, 60)).to_numpy()
    for portrait in artists.compare(index, asked, args.count or PEOPLE):
        about = [cli.counted(portrait.songs, "song")]
        if portrait.oddest is not None:
            about += [f"most typical: {titles[portrait.typical]}", f"oddest: {titles[portrait.oddest]}"]
        print(f"{printable(portrait.artist)} ({'; '.join(about)}) sounds most like")
        for number, pair in enumerate(portrait.alike, start=1):
            one, two = (titles[place] for place in pair.songs)
            print(f"{number:3}. {printable(pair.other)}{_number(pair.distance, shown=args.verbose)}")
            print(f"     most alike: {one}, and of {printable(pair.other)} {two}")
    return cli.ALL_GOOD


def _rules(args: argparse.Namespace, index: Index) -> Rules:
    """Make the rules of lists; where all songs are by one artist, there may be any number of these."""
    per_artist = args.per_artist or PER_ARTIST if index.songs["artist"].nunique() > 1 else len(index.songs)
    return Rules(args.count or SONGS, per_artist, args.far)


def _barred(seeds: list[Seed], args: argparse.Namespace, index: Index) -> np.ndarray:
    """Mark the songs not to be named: those that are asked about or left out, and maybe all of their albums."""
    without = [find_seed(asked, index, args.library) for asked in args.without or ()]
    for other in without:
        if any(seed.is_same(other) for seed in seeds):
            raise UserError(f"{other} is asked for and left out by --without. Decide on one.")
        if not other.itself.any():
            print(f"{other} is not in this library, so --without leaves nothing out for it.")
    barred = all_of([*seeds, *without], index)
    albums = same_albums(seeds, index) if args.other_albums else barred
    if (barred | albums).all():
        raise UserError(f"There is no other song in this library{' on another album' * (not barred.all())}.")
    unlike = (index.songs["kind"] != args.only).to_numpy() if args.only else barred
    if index.songs["kind"].isna().all() and args.only:
        raise UserError("Singing was not searched for in this library yet. Run make run, with networks.")
    if (barred | albums | unlike).all():
        raise UserError(f"No other song in this library counts as {args.only}.")
    return barred | albums | unlike


def _print_list(songs: pd.DataFrame, index: Index, *, verbose: bool) -> None:
    """Print songs, each with how alike it is, and in what."""
    for number, (_, song) in enumerate(songs.iterrows(), start=1):
        print(f"{number:3}. {_title(song)}{_number(song['distance'], shown=verbose)}")
        common, level = ", ".join(in_common(song)), how_alike(song["distance"], index.likeness)
        if common or level:
            print(f"     {level or 'alike'}{common and f', in {common}'}")


def _title(song: pd.Series) -> str:
    """Artist, title and album of a song."""
    album = f" ({printable(song['album'], 60)})" if song["album"] else ""
    return f"{printable(song['artist'], 60)} - {printable(song['title'], 80)}{album}"


def _number(distance: float, *, shown: bool) -> str:
    """Return a distance, if it is asked for."""
    return f"  {distance:.2f}" if shown else ""


def _print_numbers(index: Index, *, shown: bool) -> None:
    """Print what distances mean, where they are shown."""
    if shown:
        apart = index.likeness[DIFFERENT]
        usual = f"; between songs of different artists usually {apart[50]:.2f}" if apart else ""
        print(f"The numbers are distances: 0 the same, about 1 nothing in common, 2 the opposite{usual}.")


def _print_worth(index: Index, *, verbose: bool) -> None:
    """Print how good such answers are."""
    print(quality_in_words(index.quality))
    _print_numbers(index, shown=verbose)
    if len(index.songs) < FEW_SONGS:
        print(f"With {cli.counted(len(index.songs), 'song')} to compare, none of this says much.")
