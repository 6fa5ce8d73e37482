"""Who songs are by, how surely, and when."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.audio.decoding import CLIP_SECONDS
from soundalike.features import musicnn
from soundalike.features.networks import MUSICNN, numbers_of
from soundalike.features.one_song import DecodedSong
from soundalike.library.errors import printable
from soundalike.models.saving import Saved

BAR = 60  # cells of a song's timeline, at most
MARKS = "█▒·", "#=."  # in it: the artist the song is given to, the next, the others; and where that cannot be shown


class Verdict(NamedTuple):
    """What the model predicts for one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same around each clip, by its start in seconds; silent ones are missing numbers
    known: bool  # whether the model was trained on this very recording
    unknown_below: float | None  # with a lower probability, the artist is unknown
    tags: list[str] | tuple = ()  # of musicnn, if the model uses it

    @property
    def agreeing(self) -> int:
        """How many clips have the same artist as the song."""
        return int((self.clips.dropna().idxmax(axis=1) == self.song.index[0]).sum())

    @property
    def loud(self) -> int:
        """How many clips are not silent."""
        return len(self.clips.dropna())

    @property
    def unknown(self) -> bool:
        """Whether the artist is likely none that the model was trained on."""
        return self.unknown_below is not None and self.song.iloc[0] < self.unknown_below

    def __str__(self) -> str:
        first, *others = [f"{printable(artist)} {p:.2f}" for artist, p in self.song.items()]
        first = f"unknown artist? closest {first}" if self.unknown else first
        agree = f"{self.agreeing} of {cli.counted(self.loud, 'clip')} agree"
        known = ". The model was trained on this very song, so this proves nothing" if self.known else ""
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
        """For programs: ``artist`` is None if it is unknown; ``probability`` is that of ``closest``."""
        closest, following = self.song.index[:2]
        return {
            "artist": None if self.unknown else closest,
            "closest": closest,
            "probability": _rounded(self.song.iloc[0]),
            "next": following,
            "clips": self.loud,
            "agreeing_clips": self.agreeing,
            "silent_clips": len(self.clips) - self.loud,
            "trained_on": self.known,
        }

    def in_full(self) -> dict:
        """The probability of each artist, and the artist around each clip: none where it is silent."""
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


def answer(song: DecodedSong, saved: Saved) -> Verdict:
    """Predict the artist of a song with a model from `saving.load`."""
    by_clip, by_song = saved.predict(song.loud, song.windows)
    known = song.record["hash"] in saved.info["songs"].values()
    by_start = by_clip.reindex(song.table.index).set_axis(song.table["start"])
    tagged = song.windows.get(MUSICNN, [])
    tags = musicnn.top_tags(musicnn.tag_table(numbers_of(tagged))) if len(tagged) else []
    return Verdict(by_song, by_start, known, saved.info["unknown_below"], tags)
