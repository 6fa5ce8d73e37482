"""Verdicts: the artist of a song, how surely, when, and reasons that a person can check."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.audio.decoding import CLIP_SECONDS
from soundalike.dataset.splits import MIN_SCORED
from soundalike.features import musicnn
from soundalike.features.networks import MUSICNN, VOICE
from soundalike.features.vocals import INSTRUMENTAL, PRESENT, kind_of
from soundalike.library.errors import printable
from soundalike.models.open_set import PROBABLY, UNKNOWN, OpenSet, in_words
from soundalike.models.saving import Saved
from soundalike.similarity.index import Index, describe
from soundalike.similarity.nearest import nearest_songs
from soundalike.song import FEATURES, Song

BAR = 60  # cells of a song's timeline, at most
MARKS = "█▒·", "#=."  # in it: the artist the song is given to, the next, the others; and where that cannot be shown
NOTE = "♪", "~"  # below it, where somebody sings
NAMED = 0.05  # from this probability on, the next artist is named beside the closest
ALIKE = 3  # songs that are named as a reason, at most
TRAINED_ON = "trained on"  # instead of a word, for programs
EARS = {FEATURES: "the features", MUSICNN: "the music network", VOICE: "the voice network"}


class Verdict(NamedTuple):
    """The model's predictions for one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same around each clip, by its start in seconds; silent ones are missing numbers
    singing: np.ndarray  # how probable it is in each clip [shape=(clips,)], see `Song.vocals`
    known: bool = False  # whether the model was trained on this very recording
    copy_of: str = ""  # the song of the library that is the same recording, if one is
    word: str = PROBABLY  # see `open_set`
    ears: dict[str, str] = {}  # noqa: RUF012 - the artist that each ear alone finds closest
    alike: dict[str, str] = {}  # noqa: RUF012 - songs of the closest artist that sound most alike, and their titles
    tags: list[str] | tuple = ()  # of musicnn, if the model uses it
    kind: str = ""  # see `vocals.kind_of`

    @property
    def agreeing(self) -> int:
        """How many clips have the same artist as the song."""
        return int((self.clips.dropna().idxmax(axis=1) == self.song.index[0]).sum())

    @property
    def loud(self) -> int:
        """How many clips are not silent."""
        return len(self.clips.dropna())

    def __str__(self) -> str:
        closest, following = map(printable, self.song.index[:2])
        if self.song.iloc[1] < NAMED:
            following = ""
        if self.known:  # no word: none was measured on such songs
            have = f"you have this song, as {printable(self.copy_of)}; the model learned from it"
            return f"{closest}, but {have}, so this proves nothing"
        return in_words(self.word, closest, following, len(self.song))

    def reasons(self) -> list[str]:
        """Return what a person can check: the songs of the artist that sound most alike, and which ears agree."""
        closest, lines = self.song.index[0], []
        if self.alike:
            titles = ", ".join(printable(title, 60) for title in self.alike.values())
            lines.append(f"most like these by {printable(closest)}: {titles}")
        agree = [EARS[ear] for ear, artist in self.ears.items() if artist == closest]
        others = [f"{printable(artist)} by {EARS[ear]}" for ear, artist in self.ears.items() if artist != closest]
        if len(self.ears) > 1:
            lines.append("; ".join(([f"named so by {_listed(agree)}"] if agree else []) + others))
        if self.tags:
            lines.append(f"musicnn calls it: {', '.join(self.tags)}")
        return lines

    def numbers(self) -> str:
        """Return what stands behind the word."""
        shown = ", ".join(f"{printable(artist)} {p:.2f}" for artist, p in self.song.iloc[:3].items())
        return f"{shown}; {self.agreeing} of {cli.counted(self.loud, 'clip')} agree"

    def timeline(self, marks: str) -> str:
        """Return the song in a line: who each stretch of it is given to, blank where it is silent."""
        rank = {artist: min(place, len(marks) - 1) for place, artist in enumerate(self.song.index)}
        stretches = self.clips.groupby(self._cells()).mean()
        line = "".join(" " if row.isna().any() else marks[rank[row.idxmax()]] for _, row in stretches.iterrows())
        names = [*map(printable, self.song.index[: len(marks) - 1]), "others"]
        legend = "  ".join(f"{mark} {name}" for mark, name in zip(marks, names, strict=False) if mark in line)
        return f"0:00 {line} {cli.clock(CLIP_SECONDS * len(self.clips))}   {legend}"

    @property
    def sung(self) -> np.ndarray:
        """In which clips somebody sings [shape=(clips,)]; in none of an instrumental song, where that is noise."""
        return (self.singing >= PRESENT) & (self.kind != INSTRUMENTAL)

    def sung_line(self, mark: str) -> list[str]:
        """Return the line below the timeline that shows where somebody sings; none where nobody does."""
        line = "".join(mark if part >= 0.5 else " " for part in pd.Series(self.sung).groupby(self._cells()).mean())
        end = " " * len(cli.clock(CLIP_SECONDS * len(self.clips)))
        return [f"     {line} {end}   {mark} somebody sings"] if line.strip() else []

    def _cells(self) -> np.ndarray:
        """In which cell of the timeline each clip is."""
        return np.arange(len(self.clips)) * min(BAR, len(self.clips)) // len(self.clips)

    def in_words(self, *, numbers: bool = False) -> str:
        """All of it, as it is printed below the song's name."""
        lines = [str(self), self.timeline(cli.drawable(*MARKS)), *self.sung_line(cli.drawable(*NOTE)), *self.reasons()]
        return "\n".join(f"  {line}" for line in lines + ([self.numbers()] if numbers else []))

    def as_dict(self) -> dict:
        """For programs: ``artist`` is None if it is unknown; ``probability`` is that of ``closest``."""
        closest, following = self.song.index[:2]
        word = TRAINED_ON if self.known else self.word
        return {
            "answer": word,
            "artist": None if word == UNKNOWN else closest,
            "closest": closest,
            "probability": _rounded(self.song.iloc[0]),
            "next": following,
            "clips": self.loud,
            "agreeing_clips": self.agreeing,
            "silent_clips": len(self.clips) - self.loud,
            "trained_on": self.known,
            "copy_of": self.copy_of,
        }

    def in_full(self) -> dict:
        """Return each artist's probability, the reasons, and of each clip singing and the artist, none if silent."""
        artists, best = self.clips.dropna().idxmax(axis=1), self.clips.max(axis=1)
        return {
            "probabilities": {artist: _rounded(p) for artist, p in self.song.items()},
            "ears": self.ears,
            "alike": list(self.alike),
            "tags": list(self.tags),
            "kind": self.kind,
            "timeline": [
                {"start": start, "artist": None if np.isnan(p) else artists[start], "probability": _rounded(p)}
                | {"singing": _rounded(sung)}
                for (start, p), sung in zip(best.items(), self.singing, strict=True)
            ],
        }


def _listed(names: list[str]) -> str:
    """Join names: a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _rounded(p: float) -> float | None:
    return None if np.isnan(p) else round(float(p), 4)


def answer(
    song: Song,
    saved: Saved,
    index: Index | None = None,
    copies: np.ndarray | None = None,
    *,
    strict: bool = False,
) -> Verdict:
    """Predict the artist of a song with a model from `saving.load`.

    Parameters
    ----------
    song : Song
        With embeddings by the networks that the model uses.
    saved : Saved
        The model.
    index : Index, optional
        Of the library, to name songs of the artist that sound alike.
    copies : np.ndarray [shape=(songs,), dtype=bool], optional
        Songs of the index that are this recording, see `seeds.find_copies`; by default those of the same samples.
    strict : bool
        Whether more artists are called unknown, see `open_set.STRICT_COST`.
    """
    found = saved.predict(song)
    by_start = found.clips.reindex(range(len(song.start))).set_axis(song.start)
    _, tagged = song.embeddings(MUSICNN)
    (word,) = saved.words.words(found.song.iloc[:1], strict=strict)
    trained_on = saved.info["songs"]
    same = [name for name, digest in trained_on.items() if digest == song.record["hash"]]
    if index and copies is not None:
        same += index.songs["song"][copies].tolist()
    same.sort(key=lambda name: name not in trained_on)
    return Verdict(
        found.song,
        by_start,
        song.singing,
        known=bool(same) and same[0] in trained_on,
        copy_of=same[0] if same else "",
        word=word,
        ears=found.ears,
        alike=_find_alike(song, found.song.index[0], index, copies) if index else {},
        tags=musicnn.top_tags(musicnn.tag_table(tagged)) if len(tagged) else (),
        kind=kind_of(song.vocals[song.loud]),
    )


def _find_alike(song: Song, artist: str, index: Index, copies: np.ndarray | None) -> dict[str, str]:
    """Return songs by an artist that sound most like a song and are no copies, and their titles."""
    barred = ((index.songs["artist"] != artist) | (index.songs["hash"] == song.record["hash"])).to_numpy()
    if copies is not None:
        barred = barred | copies
    alike = nearest_songs(index, describe(song, index.embedding), barred, ALIKE)
    return dict(zip(alike["song"], alike["title"], strict=True))


def explain_words(info: dict, *, strict: bool = False) -> list[str]:
    """Say in lines what the words of answers are worth, or why a word is not used.

    Parameters
    ----------
    info : dict
        The content of ``model.json``.
    strict : bool
        Whether more artists were called unknown than these figures say.
    """
    found, words = info["scores"]["as_shipped"], OpenSet(**info["words"])
    others = found and found["unknown"]
    lines = []
    if others and words.sure_from is not None:
        sure, asked = round(others["called_sure"] * others["songs"]), cli.counted(others["songs"], "song")
        lines.append(f"{sure:,} of {asked} by artists you do not have were called sure.")
    if found:
        lines.append(f"How often answers were right for songs held out of training{', without --strict' * strict}:")
        counts = {word: found[word] for word in words.named if found[word]["songs"]}
        lines += [f"  {word}: {of['right']} of {cli.counted(of['songs'], 'song')}" for word, of in counts.items()]
    else:
        lines.append(
            f"How often answers are right is not measured: that takes two artists with {MIN_SCORED} songs each."
        )
    if others and words.unknown_below is not None:
        lines.append(
            f"  unknown artist?: said of {found['known']['unknown']:.0%} of these songs, and of "
            f"{others['refused']:.0%} of songs by artists you do not have"
        )
    if words.sure_from is None:
        lines.append(
            "No answer is called sure: that takes four artists, and twenty songs that stand out from those of others."
        )
    if words.unknown_below is None:
        artists = len(info["classes"])
        why = "too few songs were held out, or songs by unknown artists get no other answers"
        if artists < 3:
            why = "to measure it an artist must be left out"
        lines.append(f"One of the {artists} artists is always named, also for songs by others: {why}.")
    return lines
