"""Traits of songs that people filter by: tempo, loudness, brightness, singing, tags, folder; and these filters."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from soundalike.features import COLUMNS
from soundalike.messages import Problem, UserError, in_unicode
from soundalike.networks import MUSICNN, musicnn
from soundalike.networks.vocals import VOCALS, kind_of
from soundalike.song import Song

TRAITS = ["tempo", "loudness_db", "brightness_hz", "kind", "tags"]  # see `traits_of`
TAGS = 5  # that a song has: those which musicnn finds most probable
EVERY_TAG = sorted({tag.lower() for tags in musicnn.TAGS.values() for tag in tags})
OF_FEATURES = ("song_tempo", "rms_mean", "centroid_mean")  # of which the first three of `TRAITS` are made
SPREAD = 0.2  # of the library's standard deviation, by which a song is louder than another, say


def traits_of(song: Song) -> dict:
    """Measure the traits of a song, from its table.

    Returns
    -------
    dict
        ``tempo`` (BPM), ``loudness_db`` (of full scale) and ``brightness_hz``: the features song_tempo, rms_mean and
        centroid_mean, of clips that are not silent; ``kind``, see `vocals.kind_of`, and ``tags``, None where nobody
        searched for them.
    """
    tempo, rms, centroid = song.features[song.loud][:, [COLUMNS.index(name) for name in OF_FEATURES]].mean(axis=0)
    _, tagged = song.embeddings(MUSICNN)
    return {
        "tempo": float(tempo),
        "loudness_db": float(20 * np.log10(max(rms, 1e-6))),
        "brightness_hz": float(centroid),
        "kind": kind_of(song.vocals[song.loud]) if VOCALS in song.table.column_names else None,
        "tags": [*musicnn.tags_of(tagged)][:TAGS] if len(tagged) else None,
    }


# What songs must be like to be named: an option of `terminal.add_filter_arguments`, and its value.
Filter = tuple[str, Any]


def check_filters(filters: Iterable[Filter], searched: bool, tagged: bool) -> None:
    """Refuse filters by what was not searched for.

    Raises
    ------
    UserError
        If singing is asked for where nobody searched for it, tags where there are none, or a tag that is none.
    """
    for option, value in filters:
        if option == "kind" and not searched:
            raise UserError(Problem.NOT_SEARCHED)
        if option == "tag" and value not in EVERY_TAG:
            nearest = " or ".join(get_close_matches(value, EVERY_TAG, 2, cutoff=0))
            raise UserError(Problem.NO_SUCH_TAG, tag=value, nearest=nearest)
        if option == "tag" and not tagged:
            raise UserError(Problem.NO_TAGS)


def passes(filters: Iterable[Filter], songs: pd.DataFrame, seeds: pd.DataFrame | None = None) -> pd.DataFrame:
    """Tell which songs pass each filter: a column of truth values for each, called as a user types it.

    Parameters
    ----------
    songs : pd.DataFrame
        With ``song`` and `TRAITS`.
    seeds : pd.DataFrame, optional
        The `TRAITS` of the songs that others are compared with.
    """
    table = pd.DataFrame(index=songs.index)
    for option, value in filters:
        if option == "tempo":
            table["--tempo {:g}-{:g}".format(*value)] = songs["tempo"].between(*value)
        elif option == "kind":
            table[f"--{value}"] = songs["kind"] == value
        elif option == "tag":
            table[f"--tag {value}"] = [tags is not None and value in tags for tags in songs["tags"]]
        elif option == "folder":
            folders = songs["song"].str.casefold().str.rpartition("/")[0]
            table[f"--folder {value}"] = folders.str.contains(value.casefold().strip("/"), regex=False)
        else:
            assert seeds is not None  # the options that compare are asked for with songs alone
            trait, sign = value
            further = sign * (songs[trait] - seeds[trait].mean())
            table[f"--{option}"] = further > SPREAD * songs[trait].std(ddof=0)
    return table


def pass_one(filters: Iterable[Filter], song: str, traits: dict, counts: dict[str, int]) -> bool:
    """Whether one song passes all filters; what it passes is counted."""
    passed = passes(filters, pd.DataFrame([traits | {"song": in_unicode(song)}])).iloc[0]
    for name, value in passed.items():
        counts[name] = counts.get(name, 0) + int(value)
    return passed.all()


def apply_filters(
    filters: Sequence[Filter], songs: pd.DataFrame, usable: np.ndarray, seeds: pd.DataFrame
) -> tuple[np.ndarray, dict[str, int]]:
    """Return which songs pass all filters [shape=(songs,), dtype=bool], and how many usable ones pass each.

    Raises
    ------
    UserError
        See `check_filters`; or if no usable song passes all.
    """
    check_filters(filters, songs["kind"].notna().any(), songs["tags"].notna().any())
    table = passes(filters, songs, seeds)
    passing, counts = usable & table.all(axis=1).to_numpy(), table[usable].sum().to_dict()
    if not passing.any():
        raise left_none(counts, int(usable.sum()))
    return passing, counts


def left_none(counts: dict[str, int], songs: int) -> UserError:
    """Return the error of filters that leave none of so many songs, of which so many pass each."""
    alone = "; ".join(f"{name} alone leaves {count:,}" for name, count in counts.items())
    return UserError(Problem.FILTERED_OUT, songs=f"{songs:,}", alone=alone)


def tag_counts(songs: pd.DataFrame) -> pd.Series:
    """Count the songs of each tag that musicnn knows [index: tag], the most frequent first.

    Raises
    ------
    UserError
        If no song has tags.
    """
    if songs["tags"].isna().all():
        raise UserError(Problem.NO_TAGS)
    counts = songs["tags"].dropna().explode().value_counts()
    return counts.reindex(EVERY_TAG, fill_value=0).sort_values(ascending=False, kind="stable")
