"""The table of songs, and how songs are split into folds so that no score is flattered.

A *recording* never stands on both sides of a split: a song with all its copies and versions, and songs over one backing
(see `duplicates`); its name is in the column ``recording``.
"""

import hashlib

import numpy as np
import pandas as pd

from soundalike.library import folder_labels
from soundalike.messages import Problem, Reason, UserError, counted, sentence

MIN_SONGS = 2  # recordings that an artist needs for a model to train on them
MIN_SCORED = 4  # and for the artist to count in a score
MIN_ALBUMS = 5  # of each artist, for an interval over albums: of two, a bootstrap covers 67% instead of 95%
FOLDS = 5
ALBUM_FOLDS = 3  # at most
SEED = 0

COPY, CONFLICT, TOO_FEW = "copy", "conflict", "too few"  # why no model trains on a song

Fold = tuple[np.ndarray, np.ndarray]  # positions in the table of songs: to train on, to test on


def song_table(labels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tabulate the songs that a model can train on, and why it cannot on the others.

    Parameters
    ----------
    labels : pd.DataFrame
        Songs: ``artist``, ``album``, ``song``; ``recording``, ``copy_of``, ``conflict``, see `frame.read_library`.

    Returns
    -------
    songs : pd.DataFrame
        One row for each song that is no copy and under one artist, by an artist with `MIN_SONGS` recordings.
        Index ``song``; columns ``artist``, ``album``, ``recording``, ``scored`` (whether the artist has `MIN_SCORED`).
    left_out : pd.DataFrame
        The others [index: song]: ``artist``, ``status`` (`COPY`, `CONFLICT` or `TOO_FEW`) and ``reason``.

    Raises
    ------
    UserError
        If fewer than two artists have enough of them.
    """
    table = labels.sort_values("song").drop_duplicates("song").set_index("song")
    status = np.select([table["copy_of"] != "", table["conflict"] != ""], [COPY, CONFLICT], "")
    songs = table.loc[status == "", ["artist", "album", "recording"]]
    counts = songs.groupby("artist")["recording"].nunique().reindex(sorted(set(table["artist"])), fill_value=0)
    check_enough(counts, len(table))
    known = songs["artist"].map(counts)
    songs = songs.assign(scored=known >= MIN_SCORED)[known >= MIN_SONGS]
    out = table.assign(status=status).drop(songs.index)
    why = {COPY: Reason.SAME_RECORDING, CONFLICT: Reason.WRONG_FOLDER, "": Reason.TOO_FEW}
    reasons = []
    for song in out.itertuples():
        of_artist = {"artist": song.artist, "songs": counted(counts[song.artist], "song")}
        reasons.append(sentence(why[song.status], other=song.copy_of or song.conflict, **of_artist))
    return songs, out[["artist"]].assign(status=out["status"].replace("", TOO_FEW), reason=reasons)


def check_enough(counts: pd.Series, songs: int = 0) -> None:
    """Refuse a library in which no artist can be compared with another.

    Parameters
    ----------
    counts : pd.Series
        The number of recordings of each artist.
    songs : int
        How many songs these are, with copies and versions.

    Raises
    ------
    UserError
        If fewer than two artists have `MIN_SONGS`.
    """
    if (counts >= MIN_SONGS).sum() >= 2:
        return
    copies = max(songs - int(counts.sum()), 0)
    most = counts.sort_values(ascending=False, kind="stable").head(10)
    listed = ", ".join(f"{artist} {n}" for artist, n in most.items()) + (" …" if len(counts) > 10 else "")
    listed += f" (without {copies} that are copies or versions of others)" if copies else ""
    raise UserError(Problem.TOO_FEW, least=MIN_SONGS, counts=listed)


def check_folders(songs: list[str]) -> None:
    """Refuse music that is too little, or lies otherwise, before any of it is cut: as far as folders show."""
    artists = pd.Series([folder_labels(song)[0] for song in songs], dtype=str)
    if len(artists) and (artists != "").all():  # of a song in no folder, its tag names the artist
        check_enough(artists.value_counts())


def hold_out(songs: pd.DataFrame) -> str:
    """Name one song to keep out of all training, of an artist who can spare it; empty if no artist can.

    It is the first in an order that does not change when other songs are added.
    """
    alone = songs[~songs["recording"].duplicated(keep=False)]  # no version of it may be trained on
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
    bare = songs["album"].str.normalize("NFKD").str.casefold().str.replace(r"[\W_]+", "", regex=True)
    return bare.where(bare != "", songs["album"])


def album_keys(songs: pd.DataFrame) -> pd.Series:
    """Name albums by their artists, too: two may have one of the same name; see `album_names`."""
    return songs["artist"] + "\n" + album_names(songs)


def album_counts(songs: pd.DataFrame) -> pd.Series:
    """Count the albums of each artist; songs in no album count as one."""
    return album_names(songs).groupby(songs["artist"]).nunique()


def folds(songs: pd.DataFrame, n_folds: int = FOLDS, *, by: str = "song", seed: int = SEED) -> list[Fold]:
    """Split songs into folds.

    Each artist's recordings (or albums) are split in the order of a hash of their names, so that adding an
    artist leaves the folds of the others as they were. Recordings of several artists are split before, all alike.

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
    if by == "song":
        shared = songs.groupby("recording")["artist"].nunique()
        ordered = sorted(shared.index[shared > 1], key=lambda name: _order(name, seed))
        together = songs["recording"].map({name: n % n_folds for n, name in enumerate(ordered)})
        number_of = together.fillna(number_of).astype(int)
    recording, pairs = pd.factorize(songs["recording"])[0], []
    for number in range(n_folds):
        tested = (number_of == number).to_numpy()
        elsewhere = np.isin(recording, recording[tested])
        train = ~tested & ~elsewhere
        # A best-of album may hold nothing but what is on the others: then its artist cannot be tested on it.
        tested = tested & songs["artist"].isin(songs["artist"][train]).to_numpy()
        if tested.any():
            pairs.append((np.flatnonzero(train), np.flatnonzero(tested)))
    return pairs


def _fold_numbers(artist: pd.Series, group: pd.Series, parts: pd.Series, seed: int) -> pd.Series:
    """Return the fold of each song: an artist's groups go round so many folds, from an own one on; -1 for none."""
    numbers = pd.Series(-1, artist.index)
    for name, groups in group.groupby(artist):
        names, of_artist = sorted(groups.unique(), key=lambda key: _order(key, seed)), int(parts[name])
        if len(names) > 1 and of_artist > 1:
            first = _order(str(name), seed)
            numbers[groups.index] = groups.map({key: (first + n) % of_artist for n, key in enumerate(names)})
    return numbers
