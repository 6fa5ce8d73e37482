"""The published networks: what each embeds, and where its weights come from."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from soundalike.messages import Notice, UserError, note
from soundalike.networks import musicnn, vocals, voice
from soundalike.networks.vocals import VOCALS
from soundalike.networks.weights import Package


class Network(NamedTuple):
    """A published network."""

    package: Package  # that its weights come in
    dims: int  # of its embedding
    clips: int  # in a window
    every: int  # clips from the start of one window to the next, unless another share of a song is asked for
    embed: Callable[[np.ndarray], np.ndarray]  # windows [shape=(windows, samples)] -> [shape=(windows, dims)]
    aspect: str  # what songs that are alike by it have in common
    version: int  # raise it when an embedding would come out otherwise

    def spacing(self, share: float | None) -> int:
        """From the start of one window to the next, in clips, for windows to be this share of a song."""
        return self.every if share is None else max(self.clips, round(self.clips / share))

    def made_by(self, every: int) -> list:
        """Return by what its embeddings are made, of windows that start at every so many clips."""
        return [f"{self.package.name} {self.package.version}", self.version, every]


MUSICNN, VOICE = "musicnn", "voice"
NETWORKS = {
    MUSICNN: Network(musicnn.PACKAGE, musicnn.DIMS, 1, 4, musicnn.embed, "style", 1),
    VOICE: Network(voice.PACKAGE, voice.NUMBERS, 3, 8, voice.embed, "lead sound", 2),
}


def choose(asked: str | None) -> list[str]:
    """Choose the networks to use.

    Parameters
    ----------
    asked : {"none", "both"} or str, optional
        Or the name of one; by default those whose weights are here, and it is noted which are not.

    Raises
    ------
    UserError
        If one that was asked for has no weights here.
    """
    chosen: list[str] = []
    for name in {"none": [], "both": list(NETWORKS)}.get(asked or "both", [str(asked)]):
        try:
            NETWORKS[name].package.find()
            chosen.append(name)
        except UserError as error:
            if asked is not None:
                raise
            note(Notice.WITHOUT_NETWORK, network=name, error=error)
    return chosen


def spacings(asked: str | None, share: float | None = None) -> dict[str, int]:
    """Return what is to be found out of songs beside features, see `song.analyse`; it is noted what cannot be.

    Parameters
    ----------
    asked
        See `choose`.
    share : float, optional
        See `Network.spacing`.
    """
    chosen = {name: NETWORKS[name].spacing(share) for name in choose(asked)}
    return chosen if asked == "none" else chosen | detector()


def detector() -> dict[str, int]:
    """Return the part of `spacings` for the detector of singing, which looks at every clip."""
    try:
        vocals.PACKAGE.find()
    except UserError as error:
        note(Notice.WITHOUT_SINGING, error=error)
        return {}
    return {VOCALS: 1}


def column_made_by(name: str, every: int) -> list:
    """Return by what a column of a song's table is made, see `Network.made_by`."""
    return vocals.MADE_BY if name == VOCALS else NETWORKS[name].made_by(every)


def column_lines() -> list[str]:
    """Return a line for every kind of column: name and meaning."""
    return [
        "In the tables of songs, not in the frame, embeddings of windows by the published networks, as lists:",
        f"{MUSICNN:20}  means of layers and probabilities of tags, by networks of MagnaTagATune and Million Song",
        f"{VOICE:20}  by these CAM++ distinguishes speakers",
        "In both, how probable it is that somebody speaks, and sings, in a clip (0 to 1; FireRedVAD):",
        *vocals.COLUMNS,
    ]
