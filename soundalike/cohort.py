"""The cohort: music of others, against which a recogniser is trained, so that a strange song need not be one of yours.

It comes with the package as a distribution: of each source the mean and the `COMPONENTS` strongest principal components
of the segments of all its songs together, from which segments are drawn. None of them is of one song or one person.
docs/licences.md lists the songs. `benchmarks/cohort.py` makes the file, and benchmarks/README.md says what it helps.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from soundalike.embedding import SEGMENT_RULE, Rows
from soundalike.features import MADE_BY
from soundalike.library import made_from
from soundalike.networks import NETWORKS
from soundalike.song import FEATURES

FILE = Path(__file__).parent / "cohort.npz"
COMPONENTS = 64
DRAWN = 600  # segments, of all sources together


class Source(NamedTuple):
    """The distribution of the segments of one collection of music."""

    artists: list[str]
    hashes: list[str]  # of the sound of its songs
    mean: dict[str, np.ndarray]  # by each ear [shape=(columns,)]
    components: dict[str, np.ndarray]  # times their standard deviation [shape=(COMPONENTS, columns)]

    def draw(self, count: int, ears: Iterable[str], seed: int = 0) -> Rows:
        """Draw segments from the normal distribution of this mean and covariance."""
        normal = np.random.default_rng(seed).standard_normal((count, COMPONENTS)).astype(np.float32)
        return {ear: self.mean[ear] + normal @ self.components[ear] for ear in ears}


def draw(sources: Iterable[Source], ears: Iterable[str]) -> Rows | None:
    """Draw `DRAWN` segments, as many from each source; none where there is no source."""
    sources, ears = list(sources), list(ears)
    if not sources:
        return None
    drawn = [source.draw(DRAWN // len(sources), ears, seed) for seed, source in enumerate(sources)]
    return {ear: np.concatenate([rows[ear] for rows in drawn]) for ear in ears}


def made_by() -> str:
    """Return by what the numbers of a cohort are made; one made otherwise cannot be compared with."""
    return made_from(MADE_BY, {name: network.made_by(0) for name, network in NETWORKS.items()}, SEGMENT_RULE)


def read(path: Path = FILE) -> dict[str, Source]:
    """Read the cohort's sources; none where it was made by other features or networks than those of today."""
    with np.load(path, allow_pickle=False) as arrays:
        if arrays["made_by"].item() != made_by():
            return {}
        ears = [FEATURES, *NETWORKS]
        return {
            name: Source(
                arrays[f"{name}/artists"].tolist(),
                arrays[f"{name}/hashes"].tolist(),
                {ear: arrays[f"{name}/{ear}/mean"] for ear in ears},
                {
                    ear: arrays[f"{name}/{ear}/components"].astype(np.float32) * arrays[f"{name}/{ear}/spread"]
                    for ear in ears
                },
            )
            for name in dict.fromkeys(key.partition("/")[0] for key in arrays if "/" in key)
        }


def usable(sources: dict[str, Source], artists: Iterable[str], hashes: Iterable[str]) -> dict[str, Source]:
    """Return the sources in which no song, and no artist of that name, is of a library."""
    known, sounds = {artist.casefold() for artist in artists}, set(hashes)
    return {
        name: source
        for name, source in sources.items()
        if known.isdisjoint(artist.casefold() for artist in source.artists) and sounds.isdisjoint(source.hashes)
    }
