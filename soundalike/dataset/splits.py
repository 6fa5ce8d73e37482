"""Who can be compared, and how songs are split into folds so that no score is flattered.

Rows of a frame are clips. What must never stand on both sides of a split is a *recording*: a song,
together with whatever the audit found to be the same song again. A frame may say so in a column
``recording``; without one, each song is its own.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from soundalike.library.errors import UserError, printable
from soundalike.library.paths import find_songs, folder_labels

MIN_SONGS = 4  # an artist needs one song to be put aside, one to be judged by, and two to learn from
FOLDS = 5
ALBUM_FOLDS = 3  # at most
SEED = 0


def recordings(frame: pd.DataFrame) -> pd.Series:
    """The recording that each clip belongs to."""
    return frame["recording" if "recording" in frame else "song"]


def comparable(frame: pd.DataFrame, *, leave_out: bool = False) -> tuple[pd.DataFrame, dict[str, int]]:
    """The clips that artists can be compared by.

    Parameters
    ----------
    frame : pd.DataFrame
        As written by ``dataframe_creation.py``.
    leave_out : bool
        Whether artists with fewer may be left out.

    Returns
    -------
    kept : pd.DataFrame
        The clips that are not silent, of artists with enough songs, under a fresh index.
    too_few : dict of str to int
        The artists left out and how many songs each has.

    Raises
    ------
    UserError
        If fewer than two artists have enough songs, or an artist has too few and may not be left out.
    """
    loud = frame[~frame["silent"]]
    songs = recordings(loud).groupby(loud["artist"]).nunique()
    check_enough(songs)
    too_few = songs[songs < MIN_SONGS].to_dict()
    if too_few and not leave_out:
        raise UserError(
            f"These artists have fewer than {MIN_SONGS} songs: {_told(songs[songs < MIN_SONGS])}. "
            "Add songs, or leave these artists out with leave_out=True."
        )
    return loud[~loud["artist"].isin(too_few)].reset_index(drop=True), too_few


def check_enough(songs: pd.Series) -> None:
    """Refuse a library in which nobody can be told from anybody else.

    Parameters
    ----------
    songs : pd.Series
        How many songs there are by each artist.

    Raises
    ------
    UserError
        If fewer than two artists have enough songs.
    """
    if (songs >= MIN_SONGS).sum() < 2:
        raise UserError(
            f"Comparing takes at least two artists with {MIN_SONGS} songs each. Songs per artist here: {_told(songs)}. "
            "Is there a folder for each artist, and in it that artist's songs? Add some, or name the right folder "
            "(--songs, or SONGS= of make), and run this again."
        )


def check_folders(music: Path) -> None:
    """Refuse music that is too little, or lies otherwise, before any of it is cut: as far as folders tell."""
    artists = pd.Series([folder_labels(song)[0] for song in find_songs(music)[0]], dtype=str)
    if len(artists) and (artists != "").all():  # of a song in no folder, its tag names the artist
        check_enough(artists.value_counts())


def _told(songs: pd.Series) -> str:
    """How many songs each artist has, in words; those with most, if there are many."""
    most = songs.sort_values(ascending=False, kind="stable").head(10)
    return ", ".join(f"{printable(artist)} {n}" for artist, n in most.items()) + (" …" if len(songs) > 10 else "")


def hold_out(frame: pd.DataFrame, seed: int = SEED) -> str:
    """Draw one song to keep out of all training: of an artist who can spare it, if there is one."""
    songs = frame.assign(recording=recordings(frame))[["artist", "song", "recording"]].drop_duplicates("song")
    alone = songs[~songs["recording"].duplicated(keep=False)]  # no other copy of it may be learned from
    per_artist = alone["artist"].map(songs.groupby("artist")["recording"].nunique())
    spare = alone[per_artist > MIN_SONGS]
    choice = next(part for part in (spare, alone, songs) if len(part))
    return str(choice["song"].sort_values().sample(random_state=seed).item())


def several_albums(frame: pd.DataFrame) -> list[str]:
    """The artists with two albums or more; songs in no album count as one."""
    albums = frame.groupby("artist")["album"].nunique()
    return list(albums.index[albums >= 2])


def folds(
    frame: pd.DataFrame, n_folds: int = FOLDS, *, by: str = "song", seed: int = SEED
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal clips into folds.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips, with ``artist``, ``album`` and ``song``.
    n_folds : int
        At most this many, and no more than an artist has recordings, if that is more than one.
    by : {"song", "album", "album heard", "clip"}
        Whether whole songs are split, or whole albums, or, to compare with that, whole songs of the
        artists with several albums into as many folds; or, as in 2018, clips one by one.
    seed : int
        Of the shuffling.

    Returns
    -------
    list of (np.ndarray, np.ndarray)
        Positions of training and of test clips. By song, artists with two recordings stand in every
        test fold (who has one is learned from, always) and no recording on both sides. By album, only
        artists with two albums are tested, and nobody is tested on a recording or an album that was
        learned from. Empty where that cannot be.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # which take a second

    if by == "clip":
        n_folds = min(n_folds, frame["artist"].value_counts().min())
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        return list(splitter.split(frame, frame["artist"])) if n_folds > 1 else []
    # One row for each song, not for each clip: then each artist's songs are spread evenly.
    songs = frame[["artist", "album", "song"]].assign(recording=recordings(frame)).drop_duplicates("song")
    if by == "song":
        known = songs.groupby("artist")["recording"].nunique()
        songs = songs[songs["artist"].isin(known.index[known >= 2])]
        n_folds = min(n_folds, known[known >= 2].min()) if len(songs) else 0
    else:
        songs = songs[songs["artist"].isin(several_albums(frame))]
        n_folds = min(ALBUM_FOLDS, songs.groupby("artist")["album"].nunique().max()) if len(songs) else 0
    groups = songs["artist"] + "/" + songs["album"] if by == "album" else songs["recording"]
    if n_folds < 2:
        return []
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    found = []
    with warnings.catch_warnings():  # by album, an artist may have fewer albums than there are folds
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = [songs.iloc[test] for _, test in splitter.split(songs, songs["artist"], groups=groups)]
    for part in parts:
        learn, _ = _sides(frame, part)
        # On a best-of album may stand nothing but what is on the others: then nobody can be tested on them.
        gone = set(frame["artist"].unique()) - set(frame["artist"].iloc[learn].unique())
        learn, test = _sides(frame, part[~part["artist"].isin(gone)])
        if len(test):
            found.append((learn, test))
    check_folds(frame, found, by=by)
    return found


def _sides(frame: pd.DataFrame, songs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The clips to learn from and to be tested on, when these songs are tested."""
    tested = frame["song"].isin(songs["song"]).to_numpy()
    known = recordings(frame).isin(songs["recording"]).to_numpy()  # tested, or the same again elsewhere
    return np.flatnonzero(~tested & ~known), np.flatnonzero(tested)


def check_folds(frame: pd.DataFrame, pairs: list[tuple[np.ndarray, np.ndarray]], *, by: str) -> None:
    """Check that folds are fair, wherever they come from.

    Raises
    ------
    UserError
        If a recording (by album: an album) stands on both sides, or an artist is missing where it
        must not be.
    """
    everyone, known = set(frame["artist"].unique()), recordings(frame).groupby(frame["artist"]).nunique()
    keep_apart = [frame["song"], recordings(frame)]
    if by == "album":
        keep_apart.append(frame["artist"] + "/" + frame["album"])
    for number, (train, test) in enumerate(pairs, start=1):
        for names in keep_apart:
            both = set(names.iloc[train].unique()) & set(names.iloc[test].unique())
            if both:
                raise UserError(f"Fold {number} would learn from what it is tested on: {printable(min(both))}.")
        missing = everyone - set(frame["artist"].iloc[train].unique())
        if by == "song":
            missing |= set(known.index[known > 1]) - set(frame["artist"].iloc[test].unique())
        if missing:
            raise UserError(
                f"{printable(min(missing))} has too few recordings of its own to stand on both sides of fold "
                f"{number} by {by}; the audit in modeling.ipynb names what is the same twice."
            )
