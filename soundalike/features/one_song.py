"""One song that is in no library: decoded once, and described by the features and by networks."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.audio.decoding import FULL_SCALE
from soundalike.features.extraction import describe_file
from soundalike.features.networks import Collectors
from soundalike.library.errors import SongError


class DecodedSong(NamedTuple):
    """A song as models and recommendations need it."""

    table: pd.DataFrame  # see `extraction.song_table`
    record: dict  # see `decoding.Decoder`
    windows: dict[str, pd.DataFrame]  # see `networks.describe_windows`
    sounds: np.ndarray | None = None  # its clips [shape=(clips, CLIP_SAMPLES), dtype=int16], if they were asked for

    @property
    def loud(self) -> pd.DataFrame:
        """Rows of its table that are not silent."""
        return self.table[~self.table["silent"]]


def decode(path: str | Path, spacings: dict[str, int], *, keep_sound: bool = False) -> DecodedSong:
    """Decode and describe a file.

    Parameters
    ----------
    path : str or Path
        The song.
    spacings : dict of str to int
        The networks that are to describe it, too, see `networks.describe_windows`.
    keep_sound : bool
        Whether its clips are kept, for a picture.

    Raises
    ------
    SongError
        If it is no usable song.
    """
    path = Path(path)
    if not os.path.exists(path):  # which, unlike Path's, raises nothing
        raise SongError("there is no such file")
    collectors, sounds = Collectors(spacings), []

    def through(clips: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for clip in collectors.pass_on(clips):
            if keep_sound:
                sounds.append((FULL_SCALE * clip).astype(np.int16))
            yield clip

    table, record = describe_file(path, through=through)
    if table is None:
        raise SongError(f"{record['status']}: {record['reason']}")
    windows = {name: found.to_pandas() for name, found in collectors.tables().items()}
    return DecodedSong(table.to_pandas(), record, windows, np.stack(sounds) if keep_sound else None)
