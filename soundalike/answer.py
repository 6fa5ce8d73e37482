"""The answer for a song: the artist, how surely, when, and reasons that a person can check.

`wording` says it in sentences; here are its data, for songs that are asked about and for a song that was held out.
"""

import functools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import networks, pool
from soundalike.embedding import first_clips, nearest_segment, segment_rows
from soundalike.library import find_songs, good_songs, songs_folder
from soundalike.messages import Problem, Reason, SongError, UserError, in_unicode, progress
from soundalike.model import Model, is_current, load_model
from soundalike.networks.vocals import INSTRUMENTAL, PRESENT
from soundalike.pool import Workers
from soundalike.recogniser import EITHER, UNKNOWN, WORDS, OpenSet, among_artists, answer_table
from soundalike.seeds import Seed, find_song, of_library
from soundalike.similarity import Index, nearest_songs
from soundalike.song import Song, decode, read_tables
from soundalike.traits import traits_of

NAMED = 0.05  # from this probability on, the next artist is named beside the closest
ALIKE = 3  # songs that are named as a reason, at most
TRAINED_ON = "trained on"  # instead of a word, for programs
# Columns of predictions.csv, beside the song.
PREDICTION = ["artist", "answer", "predicted", "probability", "artist_probability", "either"]
CSV_COLUMNS = [
    *("song", "answer", "artist", "closest", "probability", "nearness", "next"),
    *("clips", "agreeing_clips", "silent_clips", "trained_on", "copy_of", "problem"),
]


class Verdict(NamedTuple):
    """The model's predictions for one song."""

    probabilities: pd.Series  # probability of each artist, the highest first
    by_clip: pd.DataFrame  # the same around each clip, by its start in seconds; silent ones are missing numbers
    singing: np.ndarray  # how probable it is in each clip [shape=(clips,)], see `Song.vocals`
    known: bool  # whether the model was trained on this very recording
    copy_of: str  # the song of the library that is the same recording, if one is
    word: str  # see `recogniser.WORDS`
    either: tuple[str, ...]  # the two or three most probable artists, see `recogniser.answer_table`
    nearness: float  # to the closest artist, see `Recogniser.nearness`
    ears: dict[str, str]  # the artist that each ear alone finds closest
    # Of the log-odds of the closest artist against the next: the share of each aspect and of the prior, and the start
    # (s) of the segment that adds most.
    aspects: dict[str, float]
    moment: float
    alike: dict[str, str]  # songs of the closest artist that sound most alike, and their titles
    traits: dict  # see `traits.traits_of`
    tag: str = ""  # the artist that the file names

    @property
    def agreeing(self) -> int:
        """How many clips have the same artist as the song."""
        return int((self.by_clip.dropna().idxmax(axis=1) == self.probabilities.index[0]).sum())

    @property
    def loud(self) -> int:
        """How many clips are not silent."""
        return len(self.by_clip.dropna())

    @property
    def sung(self) -> np.ndarray:
        """In which clips somebody sings [shape=(clips,)]; in none of an instrumental song, where that is noise."""
        return (self.singing >= PRESENT) & (self.traits["kind"] != INSTRUMENTAL)

    def as_dict(self, *, full: bool = False) -> dict:
        """For programs: ``artist`` is None if none or several are named; ``probability`` is that of ``closest``.

        ``full`` adds each artist's probability, the reasons, and of each clip singing and the artist, none if silent.
        """
        closest, following = self.probabilities.index[:2]
        word = TRAINED_ON if self.known else self.word
        row = {
            "answer": word,
            "artist": None if word in (UNKNOWN, EITHER) else closest,
            "closest": closest,
            "probability": _rounded(self.probabilities.iloc[0]),
            "nearness": _rounded(self.nearness),
            "next": following,
            "clips": self.loud,
            "agreeing_clips": self.agreeing,
            "silent_clips": len(self.by_clip) - self.loud,
            "trained_on": self.known,
            "copy_of": self.copy_of,
            "problem": "",
        }
        if not full:
            return row
        artists, best = self.by_clip.dropna().idxmax(axis=1), self.by_clip.max(axis=1)
        return row | {
            "probabilities": {artist: _rounded(p) for artist, p in self.probabilities.items()},
            "either": list(self.either),
            "ears": self.ears,
            "aspects": {aspect: _rounded(value) for aspect, value in self.aspects.items()},
            "moment": self.moment,
            "alike": list(self.alike),
            **self.traits,
            "timeline": [
                {"start": start, "artist": None if np.isnan(p) else artists[start], "probability": _rounded(p)}
                | {"singing": _rounded(sung)}
                for (start, p), sung in zip(best.items(), self.singing, strict=True)
            ],
        }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def answer(song: Song, model: Model, index: Index, seed: Seed, *, strict: bool = False) -> Verdict:
    """Predict the artist of a song with a model from `model.load_model`.

    Parameters
    ----------
    song : Song
        With embeddings by the networks that the model uses.
    model, index
        Of the library.
    seed : Seed
        The song among those of the library, see `seeds.of_song`.
    strict : bool
        Whether more artists are called unknown, see `recogniser.STRICT_COST`.
    """
    recogniser = model.recogniser
    rows = segment_rows(song, recogniser.embedding.ears)
    points = recogniser.embedding.segment_points(rows)
    mean = recogniser.embedding.song_means(points, np.zeros(len(points))).to_numpy()
    logs = recogniser.predict(mean)
    by_artist = among_artists(logs).iloc[0].sort_values(ascending=False, kind="stable")
    closest, following = by_artist.index[:2]
    table = answer_table(logs, recogniser.nearness(mean, [closest]))
    (word,) = OpenSet(**model.info["words"]).word_of(table, strict=strict)
    added = recogniser.explain(rows, closest, following)
    loud = np.flatnonzero(song.loud)
    first = first_clips(len(loud))
    clips = among_artists(recogniser.predict(np.nan_to_num(points))).iloc[nearest_segment(len(loud))].set_axis(loud)
    trained_on = model.info["songs"]
    same = sorted(index.songs["song"][seed.itself], key=lambda name: name not in trained_on)
    barred = (index.songs["artist"] != closest).to_numpy() | seed.itself
    alike = nearest_songs(index, seed.described, barred, ALIKE)
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
        alike=dict(zip(alike["song"], alike["title"], strict=True)),
        traits=traits_of(song),
        tag=song.record["artist"],
    )


# --- what the library has of a song ----------------------------------------------------------


def filed_songs(root: Path) -> pd.DataFrame:
    """Read the library's songs [index: song]: ``artist``, and the other columns `PREDICTION`."""
    return good_songs(root).set_index("song")[["artist"]].join(read_predictions(root).drop(columns="artist"))


def look_up(verdict: Verdict, songs: pd.DataFrame) -> pd.Series | None:
    """Find the row of `filed_songs` of a song; None if it is none of the library's."""
    return songs.loc[verdict.copy_of] if verdict.copy_of in songs.index else None


def read_predictions(root: Path) -> pd.DataFrame:
    """Read the answers for songs held out of training [index: song], as predictions.csv holds them; or none."""
    try:
        table = pd.read_csv(root / "model" / "predictions.csv", dtype=str, keep_default_na=False)
        table = table.drop_duplicates("song").set_index("song")
        table = table[table["answer"].isin(WORDS)]
        table = table.assign(either=table["either"].map(json.loads))[PREDICTION]
        return table.astype({"probability": float, "artist_probability": float})
    except (OSError, ValueError, KeyError):
        return pd.DataFrame(columns=PREDICTION)


# --- what is asked about ---------------------------------------------------------------------


def find_model(root: Path) -> Model:
    """Load the model of a library; it is trained first where there is none, it is damaged, or the frame has changed."""
    try:
        if is_current(root):
            return load_model(root)
    except UserError as error:
        if error.why is not Problem.MODEL_DAMAGED:
            raise
    from soundalike.training import train  # which takes scikit-learn

    train(root)
    return load_model(root)


def answer_held_out(model: Model, index: Index, root: Path) -> tuple[Verdict, pd.Series | None]:
    """Answer for the song that a model was not trained on, from its table; and look it up, see `look_up`."""
    name = model.info["held_out"]
    ((_, song),) = read_tables(root, [name])
    seed = of_library(index.songs["song"].tolist().index(name), index, root)
    verdict = answer(song, model, index, seed)
    return verdict, look_up(verdict, filed_songs(root))


def find_files(asked: Iterable[Path], root: Path, index: Index) -> tuple[dict[Path, str], dict[Path, SongError]]:
    """Find the files that are meant.

    Parameters
    ----------
    asked : iterable of Path
        Files and folders, and songs of the library by a part of their title or path.
    root, index
        The library.

    Returns
    -------
    songs : dict of Path to str
        A short name for each, its own.
    problems : dict of Path to SongError
        Files that cannot be answered for, and why.
    """
    songs: dict[Path, str] = {}
    problems: dict[Path, SongError] = {}
    for name in asked:
        path = name.absolute()
        if not os.path.exists(path):  # which, unlike Path's, raises nothing
            try:
                path = songs_folder(root) / index.songs["song"].iloc[find_song(str(name), index, root)]
            except UserError as error:
                problems[path] = SongError(Reason.NOT_FOUND, error=error)
                continue
        if not os.path.isdir(path):
            songs.setdefault(path, path.name)
            continue
        songs_below, refused = find_songs(path)
        songs |= {path / song: song for song in songs_below}
        problems |= {path / song: reason for song, reason in refused.items()}
        if not songs_below and not refused:
            problems[path] = SongError(Reason.FOLDER_WITHOUT_MUSIC)
    taken: Counter = Counter()
    for path, short in songs.items():
        taken[short] += 1
        songs[path] = short if taken[short] == 1 else f"{short} ({taken[short]})"
    return songs, problems


def spacings_of(model: Model) -> dict[str, int]:
    """Return what is to be found out of songs that are asked about, see `networks.spacings`.

    Without networks an answer takes a second; with the detector's TensorFlow it would take four.
    """
    used = model.info["networks"]
    return used | networks.detector() if used else {}


def decode_all(
    songs: list[Path], spacings: dict[str, int], workers: Workers, *, keep_sound: bool = False
) -> Iterator[tuple[Path, Song | SongError]]:
    """Decode songs, see `song.decode`, in this order: a single one in this process, several in worker processes."""
    work = functools.partial(decode, spacings=spacings, keep_sound=keep_sound)
    if len(songs) == 1 and not workers.scheduler:
        with progress(1, "Decoding", "songs", stays=False):
            song = pool.attempt(work, songs[0])
        yield songs[0], song
        return
    left, ready = list(songs), {}  # type: list[Path], dict[Path, Song | SongError]
    for name, outcome in pool.run(work, list(map(str, songs)), label="Decoding", workers=workers):
        ready[Path(name)] = outcome
        while left and left[0] in ready:
            path = left.pop(0)
            yield path, ready.pop(path)


# --- tables for programs ---------------------------------------------------------------------


def as_text(kind: str, rows: dict[Path, dict], model: Model, families: Iterable[Iterable[Path]] = ()) -> str:
    """Return a row for each song as ``csv`` or ``json``; that has `tidy.find_families`, too."""
    names = {song: in_unicode(song) for song in sorted(rows)}
    records = [{"song": name} | rows[song] for song, name in names.items()]
    if kind == "json":
        about = {key: model.info[key] for key in ("created", "classes", "words")}
        content = {
            "model": about,
            "songs": records,
            "families": [[names[song] for song in family] for family in families],
        }
        return json.dumps(content, indent=1) + "\n"
    table = pd.DataFrame(records, columns=CSV_COLUMNS)
    integers = [name for name in CSV_COLUMNS if name.endswith("clips")]
    table[integers] = table[integers].astype("Int64")  # missing where there is a problem
    return table.to_csv(index=False, lineterminator="\n")
