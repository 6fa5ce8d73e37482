"""The frame: the clips of all good songs in one labelled table, for people, as a pickle and as Parquet files.

The folder ``df_music.parquet`` holds, beside the files of the frame, ``_songs.feather``: a row for each song, with all
that songs.csv says of it and, from `duplicates.mark_duplicates`, which songs are one recording. Models and the index
read that, and the songs' own tables.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from soundalike import library
from soundalike.features import COLUMNS, MADE_BY
from soundalike.messages import Problem, Reason, SongError, UserError, progress
from soundalike.networks import NETWORKS, column_made_by
from soundalike.networks.vocals import COLUMNS as VOCAL_COLUMNS
from soundalike.networks.vocals import VOCALS
from soundalike.song import FEATURES, KEYS, Song, read_tables, spacing_of

VERSION = 3  # raise it when a frame of the same songs would hold something else
FILE_BYTES = 128e6  # in a file of the frame, about
ROW_GROUP = 8_192  # clips that are written, and read, at once, about
SONGS = "_songs.feather"  # by a name that no reader of Parquet takes for a part of the frame

NOTED = {"made_from", "songs", "clips", "pickle", "networks"}  # see `current_notes`

LABELS = ["artist", "album", "song", "recording"]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in LABELS]
    + list(zip(KEYS, (pa.int64(), pa.float64(), pa.bool_()), strict=True))
    + [(name, pa.float32()) for name in (*VOCAL_COLUMNS, *COLUMNS)]
)


# --- writing it ------------------------------------------------------------------------------


class Written(NamedTuple):
    """The outcome of `write_frame`."""

    songs: pd.DataFrame  # that are in the frame: rows of songs.csv
    clips: int
    networks: dict[str, int]  # how many of the songs each describes
    searched: int  # in how many of the songs singing was searched for
    left_out: dict[str, SongError]  # good songs that are not in it, and why
    gigabytes: float  # size of the features in memory
    pickled: bool
    now: bool  # whether it was made by this run


def write_frame(good: pd.DataFrame, root: Path, networks: list[str], pickle_limit: float) -> Written:
    """Make the frame if it is out of date: a folder of Parquet files, and a pickle; each appears when it is whole.

    Parameters
    ----------
    good : pd.DataFrame
        Rows of songs.csv.
    root : Path
        Of the library.
    networks : list of str
        That models are to use.
    pickle_limit : float
        No larger pickle is written, in GB of features.

    Raises
    ------
    UserError
        If no song has a usable table.
    """
    good = good.sort_values("song", ignore_index=True)
    ready, spacings = [], {name: [] for name in (*networks, VOCALS)}  # type: list[bool], dict[str, list[int]]
    for song, digest in good[["song", "hash"]].to_numpy():
        notes = library.read_notes(library.table_path(root, song))
        ready.append(library.fresh(notes, digest, MADE_BY, part=FEATURES))
        for name in spacings if ready[-1] else ():
            spacings[name].append(spacing_of(notes, name))
    songs = good[ready].reset_index(drop=True).assign(searched=spacings.pop(VOCALS))
    if songs.empty:
        raise UserError(Problem.NO_TABLES)
    left_out = {song: SongError(Reason.NO_TABLE) for song in sorted(set(good["song"]) - set(songs["song"]))}
    gigabytes = 4e-9 * len(COLUMNS) * int(songs["clips"].sum())
    folder, pickled = root / "df_music.parquet", gigabytes <= pickle_limit
    notes_before = library.read_notes(folder)
    of_networks = {name: [NETWORKS[name].made_by(every) for every in everies] for name, everies in spacings.items()}
    used = {name: max(every) for name, every in spacings.items() if any(every)}
    pickle_before = notes_before.get("pickle")
    outdated = not notes_before.keys() >= NOTED or not library.fresh(notes_before, *_inputs(songs))
    outdated = outdated or pickle_before != _state(root) or pickled != bool(pickle_before)
    if outdated:
        with library.atomic_write(folder) as unfinished:
            notes_before = _write(songs, root, unfinished, left_out, pickled=pickled) | {"networks": used}
            notes_before["made_from"]["networks"] = library.made_from(of_networks)
            (unfinished / library.NOTES).write_text(json.dumps(notes_before), encoding="utf-8")
    elif not library.fresh(notes_before, of_networks, part="networks"):
        notes_before["made_from"]["networks"] = library.made_from(of_networks)
        notes_before["networks"] = used
        with library.atomic_write(folder / library.NOTES, room=root) as path:
            path.write_text(json.dumps(notes_before), encoding="utf-8")
    songs = songs[~songs["song"].isin(list(left_out))]
    described = {name: sum(every[n] > 0 for n in songs.index) for name, every in spacings.items()}
    searched = int((songs["searched"] > 0).sum())
    return Written(songs, notes_before["clips"], described, searched, left_out, gigabytes, pickled, outdated)


def _inputs(songs: pd.DataFrame) -> list:
    """List what a frame of these songs is made from."""
    of_songs = songs[["song", "artist", "album", "title", "hash", "searched"]].to_numpy().tolist()
    return [of_songs, MADE_BY, column_made_by(VOCALS, 1), VERSION]


def _state(root: Path) -> list[int]:
    """Size and time stamp of the pickle; nothing if there is none."""
    pickle = root / "df_music.pkl"
    return [pickle.stat().st_size, pickle.stat().st_mtime_ns] if pickle.exists() else []


def _write(songs: pd.DataFrame, root: Path, folder: Path, left_out: dict[str, SongError], *, pickled: bool) -> dict:
    """Write the files of the frame and the pickle; adds to what is left out, and returns the notes."""
    from soundalike.duplicates import mark_duplicates  # scikit-learn takes long, and readers do without

    songs = mark_duplicates(songs, root, left_out)
    folder.mkdir()
    clips = _write_files(songs, root, folder)
    songs.to_feather(folder / SONGS)
    if pickled:
        with library.atomic_write(root / "df_music.pkl") as path:  # it takes its place before the folder does
            frame = pd.read_parquet(folder)
            # As Python's own strings: so pandas 2.2 reads it too, and no pandas needs pyarrow for it.
            texts = {name: frame[name].astype(object) for name in frame.select_dtypes("string")}
            frame.assign(**texts).set_axis(frame.columns.astype(object), axis=1).to_pickle(path)
    else:
        (root / "df_music.pkl").unlink(missing_ok=True)
    # Without the songs that are left out.
    keys = {"all": library.made_from(*_inputs(songs)), "version": library.made_from(MADE_BY, VERSION)}
    return {"made_from": keys, "songs": len(songs), "clips": clips, "pickle": _state(root)}


def _write_files(songs: pd.DataFrame, root: Path, folder: Path) -> int:
    """Write the files of the frame, in order of song; returns the number of rows."""
    labels = songs.set_index(songs["song"].rename(None))[LABELS]
    group: dict[str, Song] = {}  # that are not written yet
    writer, clips, files, waiting = None, 0, 0, 0
    with progress(len(songs), "Gathering", "songs") as bar:
        for name, song in read_tables(root, labels.index, [FEATURES, VOCALS]):
            group[name] = song
            waiting += len(song.table)
            bar.update()
            is_last = name == labels.index[-1]
            if is_last or waiting >= ROW_GROUP:
                path = folder / f"part-{files:05d}.parquet"
                writer = writer or pq.ParquetWriter(path, SCHEMA, use_dictionary=LABELS)
                writer.write_table(_rows(group, labels))
                clips, group, waiting = clips + waiting, {}, 0
                if is_last or clips >= (files + 1) * FILE_BYTES / (4 * len(COLUMNS)):
                    writer.close()
                    writer, files = None, files + 1
    return clips


def _rows(group: dict[str, Song], labels: pd.DataFrame) -> pa.Table:
    """Return the rows of some songs: a column of the frame costs the same for one clip as for thousands."""
    songs = list(group.values())
    front = labels.loc[np.repeat(list(group), [len(song.table) for song in songs])]
    keys = pa.concat_tables([song.table.select(KEYS) for song in songs])
    numbers = np.concatenate([np.hstack([song.vocals, song.features]) for song in songs]).T.copy()
    return pa.table([*(front[name] for name in LABELS), *keys.columns, *numbers], schema=SCHEMA)


# --- reading it ------------------------------------------------------------------------------


def current_notes(root: Path) -> dict:
    """Read the notes of a frame that has today's features.

    Returns
    -------
    dict
        ``made_from`` (see `library.fresh`), ``songs`` and ``clips`` (how many), ``pickle`` (its size and time stamp),
        and ``networks``: of each that models use, clips from the start of one window to the next.

    Raises
    ------
    UserError
        If there is none, or another version of this program made it.
    """
    notes = library.read_notes(root / "df_music.parquet")
    if not notes and not (root / "df_music.parquet").is_dir():
        raise UserError(Problem.NO_FRAME, root=root)
    if not notes.keys() >= NOTED or not library.fresh(notes, MADE_BY, VERSION, part="version"):
        raise UserError(Problem.OTHER_FRAME, root=root)
    return notes


def read_library(root: Path) -> pd.DataFrame:
    """Read the songs of the frame.

    Returns
    -------
    pd.DataFrame
        Rows of songs.csv in order of song, with the columns of `duplicates.mark_duplicates`.

    Raises
    ------
    UserError
        See `current_notes`; or if the frame is older than songs.csv.
    """
    current_notes(root)
    folder = root / "df_music.parquet"
    try:
        songs = pd.read_feather(folder / SONGS)
    except (OSError, pa.ArrowException):
        raise UserError(Problem.FRAME_DAMAGED, path=folder) from None
    hashes = library.good_songs(root).set_index("song")["hash"]
    if not (songs["song"].map(hashes) == songs["hash"]).all():
        raise UserError(Problem.FRAME_OLD, root=root)
    return songs


def read_frame(root: Path, most: int | None = None) -> pd.DataFrame:
    """Read the frame of a library.

    Parameters
    ----------
    root : Path
        Of the library.
    most : int, optional
        Of more clips than that, read only some songs: evenly spaced ones of each artist, and two at least, so that
        they come to about this number.

    Raises
    ------
    UserError
        See `current_notes`.
    """
    notes, songs = current_notes(root), read_library(root)
    if most is None or notes["clips"] <= most:
        return pd.read_parquet(root / "df_music.parquet")
    of_artist = songs.groupby("artist")["song"]
    place, share = of_artist.cumcount(), np.maximum(most / notes["clips"], 2 / of_artist.transform("size"))
    kept = songs["song"][np.floor((place + 1) * share) > np.floor(place * share)]
    return pd.read_parquet(root / "df_music.parquet", filters=[("song", "in", list(kept))])


class Status(NamedTuple):
    """How far the three steps are: files are counted, not checked."""

    music: Path  # the folder of songs
    songs: int | None  # None where there is no such folder
    refused: int  # files that cannot become songs
    cut: int
    described: int
    good: int | None  # of those in songs.csv, when it was last written; None without it
    left_out: int
    in_frame: int | None  # songs; None without a frame
    clips: int
    busy: bool  # whether a run is at work


def status(root: Path) -> Status:
    """Count what the three steps have done."""
    music = library.songs_folder(root)
    songs_found, refused = library.find_songs(music) if music.is_dir() else (None, {})
    cut = sum(library.NOTES in files for _, _, files in os.walk(root / "clips"))
    tables = sum(name.endswith(".parquet") for _, _, files in os.walk(root / "features") for name in files)
    good, left_out = None, 0
    if (root / "songs.csv").exists():
        usable = library.read_songs(root)["status"].isin(library.GOOD)
        good, left_out = int(usable.sum()), int((~usable).sum())
    notes = library.read_notes(root / "df_music.parquet")
    framed, clips = (notes["songs"], notes["clips"]) if notes.keys() >= NOTED else (None, 0)
    songs = None if songs_found is None else len(songs_found)
    return Status(music, songs, len(refused), cut, tables, good, left_out, framed, clips, library.is_locked(root))
