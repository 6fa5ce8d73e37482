"""Who songs are by, how surely, and when."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.audio.decoding import CLIP_SECONDS, Decoder
from soundalike.features import musicnn
from soundalike.features.extraction import describe_file
from soundalike.library.errors import SongError, printable
from soundalike.models.model import some_of
from soundalike.models.saving import Saved

BAR = 60  # cells of a song's timeline, at most
MARKS = "█▒·", "#=."  # in it: the artist the song is given to, the next, the others; and where that cannot be shown


class DecodedSong(NamedTuple):
    """A song that is in no library, as a model needs it."""

    table: pd.DataFrame  # see `extraction.song_table`
    record: dict  # see `decoding.Decoder`
    sounds: np.ndarray | None  # its clips [shape=(clips, CLIP_SAMPLES), dtype=int16], if they were asked for


class Verdict(NamedTuple):
    """What the model says of one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same for each clip, by its start in seconds; silent ones are missing numbers
    known: bool  # whether the model learned from this very recording
    none_below: float | None  # less sure than this, the song is by none of them
    alone: bool = True  # whether a clip was judged by itself; else also by the song around it
    tags: list[str] | tuple = ()  # what musicnn would call it, if it was asked

    @property
    def agreeing(self) -> int:
        """How many clips are given to the artist that the song is given to."""
        return int((self.clips.dropna().idxmax(axis=1) == self.song.index[0]).sum())

    @property
    def loud(self) -> int:
        """How many clips are not silent."""
        return len(self.clips.dropna())

    @property
    def none(self) -> bool:
        """Whether the song is by none of the artists that the model knows, as far as it can tell."""
        return self.none_below is not None and self.song.iloc[0] < self.none_below

    def __str__(self) -> str:
        first, *others = [f"{printable(artist)} {p:.2f}" for artist, p in self.song.items()]
        first = f"none of these; nearest {first}" if self.none else first
        agree = f"{self.agreeing} of {cli.counted(self.loud, 'clip')} agree" + (
            "" if self.alone else ", knowing the song"
        )
        known = ". The model learned from this very song, so this proves nothing" if self.known else ""
        return f"{first}  ({agree}; next {', '.join(others[:2])}){known}"

    def timeline(self, marks: str) -> str:
        """The song in a line: who each stretch of it is given to, blank where it is silent."""
        rank = {artist: min(place, len(marks) - 1) for place, artist in enumerate(self.song.index)}
        cells = np.arange(len(self.clips)) * min(BAR, len(self.clips)) // len(self.clips)
        stretches = self.clips.groupby(cells).mean()
        line = "".join(" " if row.isna().any() else marks[rank[row.idxmax()]] for _, row in stretches.iterrows())
        names = [*map(printable, self.song.index[: len(marks) - 1]), "others"]
        legend = "  ".join(f"{mark} {name}" for mark, name in zip(marks, names, strict=False) if mark in line)
        return f"0:00 {line} {cli.clock(CLIP_SECONDS * len(self.clips))}   {legend}"

    def in_words(self) -> str:
        """All of it, as it is printed below the song's name."""
        tags = f"\n  musicnn calls it: {', '.join(self.tags)}" if self.tags else ""
        return f"  {self}\n  {self.timeline(cli.drawable(*MARKS))}{tags}"

    def as_dict(self) -> dict:
        """For programs: ``artist`` is None if it is by none of these; ``probability`` is that of ``nearest``."""
        nearest, following = self.song.index[:2]
        return {
            "artist": None if self.none else nearest,
            "nearest": nearest,
            "probability": _rounded(self.song.iloc[0]),
            "next": following,
            "clips": self.loud,
            "agreeing_clips": self.agreeing,
            "silent_clips": len(self.clips) - self.loud,
            "learned_from": self.known,
        }

    def in_full(self) -> dict:
        """The probability of each artist, and what is said of each clip: nothing where it is silent."""
        artists, best = self.clips.dropna().idxmax(axis=1), self.clips.max(axis=1)
        return {
            "probabilities": {artist: _rounded(p) for artist, p in self.song.items()},
            "tags": list(self.tags),
            "timeline": [
                {"start": start, "artist": None if np.isnan(p) else artists[start], "probability": _rounded(p)}
                for start, p in best.items()
            ],
        }


def _rounded(p: float) -> float | None:
    return None if np.isnan(p) else round(float(p), 4)


# --- one song --------------------------------------------------------------------------------


def decode(path: str | Path, *, keep_sound: bool = False, embed: bool = False) -> DecodedSong:
    """Decode and describe a file.

    Parameters
    ----------
    path : str or Path
        The song.
    keep_sound : bool
        Whether its clips are kept: for a model of samples, or for a picture.
    embed : bool
        Whether network features are added, for a model that uses them.

    Raises
    ------
    SongError
        If it is no usable song.
    """
    path = Path(path)
    if not path.exists():
        raise SongError("there is no such file")
    table, record = describe_file(path, embed=embed)
    if table is None:
        by_none = ", so by none of these" if record["status"] == "silent" else ""
        raise SongError(f"{record['status']}{by_none}: {record['reason']}")
    return DecodedSong(table.to_pandas(), record, np.stack(list(Decoder(path))) if keep_sound else None)


def answer(song: DecodedSong, saved: Saved) -> Verdict:
    """Who a song is by.

    Parameters
    ----------
    song : DecodedSong
        With sounds if the model needs samples.
    saved : Saved
        The model, from `saving.load`.
    """
    loud = song.table[~song.table["silent"]]
    sounds = some_of(song.sounds, loud.index) if saved.listens else None
    clips, songs = saved.answer(loud.assign(song="song"), sounds)
    probabilities = np.exp(songs.iloc[0]).sort_values(ascending=False)
    known = song.record["hash"] in saved.info["songs"].values()
    by_start = np.exp(clips).reindex(song.table.index).set_axis(song.table["start"])
    tags = musicnn.top_tags(loud) if saved.embeds else []
    return Verdict(probabilities, by_start, known, saved.info["none_below"], not saved.whole_songs, tags)
