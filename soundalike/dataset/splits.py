"""The table of songs, and how songs are split into folds so that no score is flattered.

A *recording* never stands on both sides of a split: a song with all its duplicates (see
`duplicates`). A frame may name it in a column ``recording``; without one, each song is its own.
"""

import hashlib
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from soundalike.library.errors import UserError, printable, typed
from soundalike.library.paths import find_songs, folder_labels

MIN_SONGS = 2  # recordings that an artist needs for a model to train on them
MIN_SCORED = 4  # and for the artist to count in a score
MIN_ALBUMS = 5  # of each artist, for an interval over albums: of two, a bootstrap covers 67% instead of 95%
FOLDS = 5
ALBUM_FOLDS = 3  # at most
SEED = 0

Fold = tuple[np.ndarray, np.ndarray]  # positions in the table of songs: to train on, to test on


def song_table(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Tabulate the songs that a model can train on.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips or songs, with columns ``artist``, ``album``, ``song``, ``silent``; see
        `duplicates.resolve_duplicates`.

    Returns
    -------
    songs : pd.DataFrame
        One row for each song that is not silent, by an artist with `MIN_SONGS` recordings. Index ``song``;
        columns ``artist``, ``album``, ``recording``, ``scored`` (whether the artist has `MIN_SCORED`) and
        ``place``, a number for each that stays its own when others are left out.
    too_few : list of str
        The artists left out.

    Raises
    ------
    UserError
        If fewer than two artists have enough of them.
    """
    recording = "recording" if "recording" in frame else "song"
    loud = frame[~frame["silent"]].drop_duplicates("song").sort_values("song")
    songs = loud[["artist", "album"]].assign(recording=loud[recording]).set_index(pd.Index(loud["song"], name="song"))
    counts = songs.groupby("artist")["recording"].nunique()
    check_enough(counts)
    known = songs["artist"].map(counts)
    songs = songs.assign(scored=known >= MIN_SCORED, place=np.arange(len(songs)))
    return songs[known >= MIN_SONGS], list(counts.index[counts < MIN_SONGS])


def check_enough(counts: pd.Series) -> None:
    """Refuse a library in which no artist can be compared with another.

    Parameters
    ----------
    counts : pd.Series
        The number of songs of each artist.

    Raises
    ------
    UserError
        If fewer than two artists have `MIN_SONGS`.
    """
    if (counts >= MIN_SONGS).sum() < 2:
        raise UserError(
            f"Comparing takes two artists with {MIN_SONGS} songs each. Songs per artist here: {_in_words(counts)}. Is "
            "there a folder for each artist, and in it that artist's songs? Add some, or name the right folder "
            f"({typed('songs')}), and run this again."
        )


def check_folders(music: Path) -> None:
    """Refuse music that is too little, or lies otherwise, before any of it is cut: as far as folders show."""
    artists = pd.Series([folder_labels(song)[0] for song in find_songs(music)[0]], dtype=str)
    if len(artists) and (artists != "").all():  # of a song in no folder, its tag names the artist
        check_enough(artists.value_counts())


def _in_words(counts: pd.Series) -> str:
    """How many songs each artist has, in words; those with most, if there are many."""
    most = counts.sort_values(ascending=False, kind="stable").head(10)
    return ", ".join(f"{printable(artist)} {n}" for artist, n in most.items()) + (" …" if len(counts) > 10 else "")


def hold_out(songs: pd.DataFrame) -> str:
    """Name one song to keep out of all training, of an artist who can spare it; empty if no artist can.

    It is the first in an order that does not change when other songs are added.
    """
    alone = songs[~songs["recording"].duplicated(keep=False)]  # no copy of it may be trained on
    count = alone["artist"].map(songs.groupby("artist")["recording"].nunique())
    for least in (MIN_SCORED, MIN_SONGS):
        spare = sorted(alone.index[count > least], key=_order)
        if spare:
            return spare[0]
    return ""


def _order(name: str, seed: int = SEED) -> int:
    """Return a number for a name: an order by it is random, and the same everywhere."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest())


def album_names(songs: pd.DataFrame) -> pd.Series:
    """Name albums alike that are spelt alike: ``UFO:AI`` in a tag is ``UFO_AI`` as a folder."""

    def bare(album: str) -> str:
        plain = unicodedata.normalize("NFKD", album).casefold()
        return re.sub(r"[\W_]+", "", plain) or album

    return songs["album"].map(bare)


def album_keys(songs: pd.DataFrame) -> pd.Series:
    """Name albums by their artists, too: two may have one of the same name; see `album_names`."""
    return songs["artist"] + "\n" + album_names(songs)


def album_counts(songs: pd.DataFrame) -> pd.Series:
    """Count the albums of each artist; songs in no album count as one."""
    return album_names(songs).groupby(songs["artist"]).nunique()


def several_albums(songs: pd.DataFrame) -> list[str]:
    """List the artists with two albums or more, see `album_counts`."""
    albums = album_counts(songs)
    return list(albums.index[albums >= 2])


def folds(songs: pd.DataFrame, n_folds: int = FOLDS, *, by: str = "song", seed: int = SEED) -> list[Fold]:
    """Split songs into folds.

    Each artist's recordings (or albums) are split in the order of a hash of their names, so that adding an
    artist leaves the folds of the others as they were.

    Parameters
    ----------
    songs : pd.DataFrame
        From `song_table`.
    n_folds : int
        The number of folds; by album, `ALBUM_FOLDS` at most.
    by : {"song", "album", "known album"}
        The unit that is held out: songs; albums, of artists with several; or, to compare with that, as many songs
        of these artists, with other songs of their albums to train on.
    seed : int
        Another order for each repeat.

    Returns
    -------
    list of (np.ndarray, np.ndarray)
        Positions of songs to train on and to test on. No recording (by album: no album) stands on both
        sides, and every tested artist is trained on. Artists of one recording (album) are never tested.
    """
    group = album_keys(songs) if by == "album" else songs["artist"] + "\n" + songs["recording"]
    parts = pd.Series(n_folds, songs["artist"].unique())
    if by != "song":
        albums = album_counts(songs)
        n_folds = min(n_folds, ALBUM_FOLDS, int(albums.max()))
        parts = albums.where(albums > 1, 0).clip(upper=n_folds)
    number_of = _fold_numbers(songs["artist"], group, parts, seed)
    recording, found = pd.factorize(songs["recording"])[0], []
    for number in range(n_folds):
        tested = (number_of == number).to_numpy()
        elsewhere = np.isin(recording, recording[tested])
        train = ~tested & ~elsewhere
        # A best-of album may hold nothing but what is on the others: then its artist cannot be tested on it.
        tested = tested & songs["artist"].isin(songs["artist"][train]).to_numpy()
        if tested.any():
            found.append((np.flatnonzero(train), np.flatnonzero(tested)))
    return found


def _fold_numbers(artist: pd.Series, group: pd.Series, parts: pd.Series, seed: int) -> pd.Series:
    """Return the fold of each song: an artist's groups go round so many folds, from an own one on; -1 for none."""
    found = pd.Series(-1, artist.index)
    for name, own in group.groupby(artist):
        names, of_artist = sorted(own.unique(), key=lambda each: _order(each, seed)), int(parts[name])
        if len(names) > 1 and of_artist > 1:
            first = _order(str(name), seed)
            found[own.index] = own.map({each: (first + n) % of_artist for n, each in enumerate(names)})
    return found
