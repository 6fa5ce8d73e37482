"""A library put in order: songs that may be misfiled, songs by one unknown artist, a script that sorts songs."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from soundalike.library import atomic_write
from soundalike.messages import printable
from soundalike.recogniser import NEARNESS, nearest_mean
from soundalike.similarity import ARTIST, Index

# --- songs that may be filed under the wrong artist ------------------------------------------


# Of doubt, from which on a song is named after a run. Chosen on 59 sung songs and 126 instrumental ones: with no label
# wrong it names none and two, of 5% that are swapped most and half.
CLEAR = 1.25


def find_suspects(answers: pd.DataFrame, index: Index) -> pd.DataFrame:
    """Rank songs by how much less they sound like the artist that they are filed under than like another.

    Parameters
    ----------
    answers : pd.DataFrame
        For songs held out of training [index: song]: ``artist``, ``answer``, ``predicted``, its ``probability`` and
        ``artist_probability``.
    index : Index
        The library.

    Returns
    -------
    pd.DataFrame
        Of the songs whose answer was another artist, the most suspicious first: these columns; ``doubt``, how much more
        confident (see `recogniser`) that artist is than their own; ``alike``, the song of that artist which is most
        like them; and ``clear``, whether that is `CLEAR`.
    """
    songs, points = index.songs, np.asarray(index.points)
    places = {song: place for place, song in enumerate(songs["song"])}
    artist, recording = songs["artist"].to_numpy(), songs["recording"].to_numpy()
    rows = []
    for song, row in answers[answers["predicted"] != answers["artist"]].iterrows():
        place = places[song]
        cosines = 1 - index.embedding.distances(points, points[place])
        cosines[recording == recording[place]] = -np.inf  # itself, and what is no other song
        own, other = (nearest_mean(cosines[artist == name]) for name in (row["artist"], row["predicted"]))
        doubt = row["probability"] - row["artist_probability"] + NEARNESS * (other - own)
        alike = songs["song"].iloc[int(np.where(artist == row["predicted"], cosines, -np.inf).argmax())]
        rows.append(row.to_dict() | {"song": song, "doubt": doubt, "alike": alike, "clear": doubt >= CLEAR})
    columns = [*answers.columns, "song", "doubt", "alike", "clear"]
    return pd.DataFrame(rows, columns=columns).sort_values("doubt", ascending=False, kind="stable", ignore_index=True)


# --- songs by artists who are not in the library ---------------------------------------------


class Unknown(NamedTuple):
    """A song that sounds like no artist of the library."""

    described: np.ndarray  # see `similarity.describe_song` [shape=(columns,)]
    tag: str = ""  # the artist that its file names


def find_families(songs: Mapping[Any, Unknown], index: Index) -> list[list[Any]]:
    """Group songs that sound like one artist: each two as alike as most pairs by one artist in the library.

    Parameters
    ----------
    songs : mapping to Unknown
        The songs. Those whose tags name several artists are no group.
    index : Index
        The library.

    Returns
    -------
    list of list
        The keys of songs, the largest groups first; songs that are alone are in none.
    """
    limit = index.likeness[ARTIST]
    if len(songs) < 2 or limit is None:
        return []
    from sklearn.cluster import AgglomerativeClustering  # which takes long, and few calls need it

    points = index.embedding.points(np.stack([song.described for song in songs.values()]))
    apart = index.embedding.distances(points, points)
    model = AgglomerativeClustering(None, metric="precomputed", linkage="complete", distance_threshold=limit)
    groups = pd.Series([*songs], dtype=object).groupby(model.fit_predict((apart + apart.T) / 2)).apply(list)
    of_one = [group for group in groups if len({songs[key].tag.casefold() for key in group} - {""}) < 2]
    return sorted((group for group in of_one if len(group) > 1), key=len, reverse=True)


# --- a script that sorts songs ---------------------------------------------------------------


def write_moves(answers: Mapping[Path, dict], folder: Path, script: Path) -> None:
    """Write a shell script that moves songs into the folders of their artists; nothing is moved here.

    Parameters
    ----------
    answers : mapping of Path to dict
        Of each song, see `answer.Verdict.as_dict`; or its ``problem``.
    folder, script : Path
        In which the artists' folders are; the script, which is not there yet.
    """
    lines = ["#!/bin/sh", "# Look at each line, take out what is wrong, then run this. Nothing is overwritten."]
    taken: set[Path] = set()
    for song, answer in answers.items():
        source, artist = song.absolute(), answer.get("artist")
        target = folder.absolute() / _folder_name(artist or "")
        stays = {
            answer["problem"]: answer["problem"],
            "you have it": answer.get("copy_of"),
            "no artist is named": not artist,
            "its name has control characters": not f"{source}{artist}".isprintable(),
            "it is there already": target in source.parents,
            "another song of this name goes there": target / song.name in taken,
        }
        if why := next((reason for reason, holds in stays.items() if holds), ""):
            lines.append(f"# stays: {printable(source)} ({printable(why)})")
            continue
        taken.add(target / song.name)
        quoted = shlex.quote(str(target))
        lines.append(f"mkdir -p -- {quoted} && mv -n -- {shlex.quote(str(source))} {quoted}/")
    with atomic_write(script) as path:
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
        path.chmod(0o755)


def _folder_name(artist: str) -> str:
    """Return a name that a folder can have: no slashes, and not ``.`` or ``..``."""
    name = artist.replace("/", "_")
    return f"_{name}" if name.strip(".") == "" else name
