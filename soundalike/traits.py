"""Traits of songs that people filter by: tempo, loudness, brightness, singing, tags, folder; and these filters."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

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


class Filters(NamedTuple):
    """What songs must be like to be named; all of it."""

    tempo: tuple[float, float] | None = None  # BPM, from and to
    kind: str | None = None  # `vocals.SUNG` or `vocals.INSTRUMENTAL`
    tags: tuple[str, ...] = ()
    folder: str | None = None  # a part of the folders in which songs lie
    against: tuple[tuple[str, str, int], ...] = ()  # what it is called, a trait, and 1 for more than the seeds or -1

    def check(self, searched: bool, tagged: bool) -> None:
        """Refuse filters by what was not searched for.

        Raises
        ------
        UserError
            If singing is asked for where nobody searched for it, tags where there are none, or a tag that is none.
        """
        if self.kind and not searched:
            raise UserError(Problem.NOT_SEARCHED)
        for tag in self.tags:
            if tag not in EVERY_TAG:
                nearest = " or ".join(get_close_matches(tag, EVERY_TAG, 2, cutoff=0))
                raise UserError(Problem.NO_SUCH_TAG, tag=tag, nearest=nearest)
        if self.tags and not tagged:
            raise UserError(Problem.NO_TAGS)

    def masks(self, songs: pd.DataFrame, seeds: pd.DataFrame | None = None) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each filter, as a user types it, and which songs pass it [shape=(songs,), dtype=bool].

        Parameters
        ----------
        songs : pd.DataFrame
            With ``song`` and `TRAITS`.
        seeds : pd.DataFrame, optional
            The `TRAITS` of the songs that others are compared with.
        """
        if self.tempo:
            low, high = self.tempo
            yield f"--tempo {low:g}-{high:g}", songs["tempo"].between(low, high).to_numpy()
        if self.kind:
            yield f"--{self.kind}", (songs["kind"] == self.kind).to_numpy()
        for tag in self.tags:
            yield f"--tag {tag}", np.array([tags is not None and tag in tags for tags in songs["tags"]])
        if self.folder is not None:
            folders = songs["song"].str.casefold().str.rpartition("/")[0]
            yield (
                f"--folder {self.folder}",
                folders.str.contains(self.folder.casefold().strip("/"), regex=False).to_numpy(),
            )
        for name, trait, sign in self.against:
            assert seeds is not None  # the options that compare are asked for with songs alone
            further = sign * (songs[trait] - seeds[trait].mean())
            yield f"--{name}", (further > SPREAD * songs[trait].std(ddof=0)).to_numpy()

    def pass_one(self, song: str, traits: dict, counts: dict[str, int]) -> bool:
        """Whether one song passes all filters; what it passes is counted."""
        table = pd.DataFrame([traits | {"song": in_unicode(song)}])
        passes = {name: bool(mask[0]) for name, mask in self.masks(table)}
        for name, passed in passes.items():
            counts[name] = counts.get(name, 0) + passed
        return all(passes.values())

    def apply(
        self, songs: pd.DataFrame, usable: np.ndarray, seeds: pd.DataFrame | None = None
    ) -> tuple[np.ndarray, dict[str, int]]:
        """Return which songs pass all filters [shape=(songs,), dtype=bool], and how many usable ones pass each.

        Raises
        ------
        UserError
            See `check`; or if no usable song passes all.
        """
        self.check(songs["kind"].notna().any(), songs["tags"].notna().any())
        passing, counts = usable, {}
        for name, mask in self.masks(songs, seeds):
            counts[name] = int((usable & mask).sum())
            passing = passing & mask
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
