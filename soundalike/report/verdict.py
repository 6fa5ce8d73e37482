"""Verdicts: the artist of a song, how surely, when, and reasons that a person can check."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.audio.decoding import CLIP_SECONDS
from soundalike.dataset.segments import first_clips, nearest_segment, segment_rows
from soundalike.features import musicnn
from soundalike.features.networks import MUSICNN
from soundalike.features.vocals import INSTRUMENTAL, PRESENT, kind_of
from soundalike.library.errors import printable
from soundalike.model import Model
from soundalike.open_set import EITHER, PROBABLY, UNKNOWN, among_artists, answer_table
from soundalike.recogniser import PRIOR
from soundalike.report.wording import in_words
from soundalike.similarity.index import Index, describe
from soundalike.similarity.nearest import nearest_songs
from soundalike.song import Song

BAR = 60  # cells of a song's timeline, at most
MARKS = "█▒·", "#=."  # in it: the artist the song is given to, the next, the others; and where that cannot be shown
NOTE = "♪", "~"  # below it, where somebody sings
NAMED = 0.05  # from this probability on, the next artist is named beside the closest
ALIKE = 3  # songs that are named as a reason, at most
TRAINED_ON = "trained on"  # instead of a word, for programs
SPEAKS = 0.1  # of all that aspects add to the log-odds, from which on an aspect is named


class Verdict(NamedTuple):
    """The model's predictions for one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same around each clip, by its start in seconds; silent ones are missing numbers
    singing: np.ndarray  # how probable it is in each clip [shape=(clips,)], see `Song.vocals`
    known: bool = False  # whether the model was trained on this very recording
    copy_of: str = ""  # the song of the library that is the same recording, if one is
    word: str = PROBABLY  # see `open_set`
    either: tuple[str, ...] = ()  # the two or three most probable artists, see `open_set.answer_table`
    nearness: float = np.nan  # to the closest artist, see `Recogniser.nearness`
    ears: dict[str, str] = {}  # noqa: RUF012 - the artist that each ear alone finds closest
    # Of the log-odds of the closest artist against the next: the share of each aspect and of the prior, and the start
    # (s) of the segment that adds most.
    aspects: dict[str, float] = {}  # noqa: RUF012
    moment: float = np.nan
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
        names = self.song.index[: 1 if self.song.iloc[1] < NAMED else 2]
        if self.known:  # no word: none was measured on such songs
            have = f"you have this song, as {printable(self.copy_of)}; the model learned from it"
            return f"{printable(names[0])}, but {have}, so this proves nothing"
        return in_words(self.word, self.either if self.word == EITHER else names, len(self.song))

    def reasons(self) -> list[str]:
        """Return what a person can check: songs of the artist that sound alike, in what and when, and tags."""
        closest, following = map(printable, self.song.index[:2])
        lines = []
        if self.alike:
            titles = ", ".join(printable(title, 60) for title in self.alike.values())
            lines.append(f"most like these by {closest}: {titles}")
        sounds = {aspect: value for aspect, value in self.aspects.items() if aspect != PRIOR}
        least = SPEAKS * sum(map(abs, sounds.values()))
        ordered = sorted(sounds, key=lambda aspect: -abs(sounds[aspect]))
        one, other = (_listed([aspect for aspect in ordered if sign * sounds[aspect] >= least > 0]) for sign in (1, -1))
        said = [f"more like {closest} than {following} in {one}"] * bool(one)
        said += [f"more like {following} in {other}"] * bool(other)
        if not np.isnan(self.moment):
            said.append(f"most like {closest} at {cli.clock(self.moment)}")
        lines += ["; ".join(said)] * bool(said)
        if self.tags:
            lines.append(f"musicnn calls it: {', '.join(self.tags)}")
        return lines

    def numbers(self) -> str:
        """Return what stands behind the word."""
        shown = ", ".join(f"{printable(artist)} {p:.2f}" for artist, p in self.song.iloc[:3].items())
        added = ", ".join(f"{aspect} {value:+.2f}" for aspect, value in self.aspects.items())
        odds = f"\n  log-odds of the first against the second: {added}" * bool(added)
        near = f"; nearness {self.nearness:.2f}" * (not np.isnan(self.nearness))
        return f"{shown}; {self.agreeing} of {cli.counted(self.loud, 'clip')} agree{near}{odds}"

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
        """For programs: ``artist`` is None if none or several are named; ``probability`` is that of ``closest``."""
        closest, following = self.song.index[:2]
        word = TRAINED_ON if self.known else self.word
        return {
            "answer": word,
            "artist": None if word in (UNKNOWN, EITHER) else closest,
            "closest": closest,
            "probability": _rounded(self.song.iloc[0]),
            "nearness": _rounded(self.nearness),
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
            "either": list(self.either),
            "ears": self.ears,
            "aspects": {aspect: _rounded(value) for aspect, value in self.aspects.items()},
            "moment": None if np.isnan(self.moment) else self.moment,
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


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def answer(
    song: Song,
    model: Model,
    index: Index | None = None,
    copies: np.ndarray | None = None,
    *,
    strict: bool = False,
) -> Verdict:
    """Predict the artist of a song with a model from `model.load_model`.

    Parameters
    ----------
    song : Song
        With embeddings by the networks that the model uses.
    model : Model
        The model.
    index : Index, optional
        Of the library, to name songs of the artist that sound alike.
    copies : np.ndarray [shape=(songs,), dtype=bool], optional
        Songs of the index that are this recording, see `seeds.find_copies`; by default those of the same samples.
    strict : bool
        Whether more artists are called unknown, see `open_set.STRICT_COST`.
    """
    recogniser = model.recogniser
    rows = segment_rows(song, recogniser.embedding.ears)
    points = recogniser.embedding.segment_points(rows)
    mean = recogniser.embedding.song_means(points, np.zeros(len(points))).to_numpy()
    logs = recogniser.predict(mean)
    by_artist = among_artists(logs).iloc[0].sort_values(ascending=False, kind="stable")
    closest, following = by_artist.index[:2]
    table = answer_table(logs, recogniser.nearness(mean, [closest]))
    (word,) = model.words.words(table, strict=strict)
    added = recogniser.explain(rows, closest, following)
    loud = np.flatnonzero(song.loud)
    first = first_clips(len(loud))
    clips = among_artists(recogniser.predict(np.nan_to_num(points))).iloc[nearest_segment(len(loud))].set_axis(loud)
    trained_on = model.info["songs"]
    same = [name for name, digest in trained_on.items() if digest == song.record["hash"]]
    if index and copies is not None:
        same += index.songs["song"][copies].tolist()
    same.sort(key=lambda name: name not in trained_on)
    _, tagged = song.embeddings(MUSICNN)
    return Verdict(
        by_artist,
        clips.reindex(range(len(song.start))).set_axis(song.start),
        song.singing,
        known=bool(same) and same[0] in trained_on,
        copy_of=same[0] if same else "",
        word=word,
        either=table["either"].iloc[0],
        nearness=float(table["nearness"].iloc[0]),
        ears=recogniser.closest_by_ear(mean[0]),
        aspects=added.sum().to_dict(),
        moment=float(song.start[loud[first[added.sum(axis=1).idxmax()]]]),
        alike=_find_alike(song, closest, index, copies) if index else {},
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
