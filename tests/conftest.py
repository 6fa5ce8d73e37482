"""Test audio, made here: tones, clicks, noise, and two "artists" whose songs sound unlike each other."""

import contextlib
import enum
import functools
import io
import os
import re
import time
import unittest.mock
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile

import dataframe_creation
import feature_extraction
import mp3_split
from soundalike import audio, evaluation, pool, similarity, splits, terminal, training
from soundalike import embedding as embedding_module
from soundalike.answer import Verdict, answer
from soundalike.embedding import Embedding, Space
from soundalike.features import CLIP_COLUMNS, COLUMNS
from soundalike.frame import read_library, write_frame
from soundalike.library import good_songs, made_from, write_songs
from soundalike.messages import SongError, UserError
from soundalike.model import load_model
from soundalike.networks import NETWORKS, VOICE
from soundalike.recogniser import PROBABLY
from soundalike.seeds import of_song
from soundalike.similarity import SEGMENTS, Index, load_index
from soundalike.song import FEATURES, KEYS, Song, columns_made_by, decode, list_column, write_table
from soundalike.traits import TRAITS

RATE = 44_100  # Hz, of the songs; clips have their own
T = TypeVar("T")
NO_NETWORKS = ["--networks", "none"]  # for all tests but theirs: TensorFlow takes seconds to start


# What artists, albums and songs may be called.
NAMES = [
    "caf\u00e9",  # composed
    "cafe\u0301 ",  # decomposed, and a blank at the end
    "x" * 251,
    "x" * 247 + "yyyy",
    "日" * 83,
    "two\nlines\r\ttab",
    "-rf",
    "--library",
    "100% %d %s %(name)s {0} {name}",
    'it\'s "quoted" `ls` $(ls) $HOME ${HOME}',
    "semi;colon & | < > !",
    "*?[a-z]",
    "back\\slash",
    "🎵👩‍🚀",
    "CON",
    "nul",
    "aux.txt",
    "COM1",
    "ends with dots...",
    ".starts with one",
    "~",
    "~root",
    "#hash",
    "http:x",
    "concat:a.wav|b.wav",
    "data:x,y",
    "\u202egnorw",
    "\x1b[31mred",
    "=1+1",
]

os.environ.pop("MAKELEVEL", None)  # messages name options as they were typed: here not for make


@contextlib.contextmanager
def raises(why: enum.Enum) -> Iterator[pytest.ExceptionInfo]:
    """What is wrong is this, whatever sentence says so."""
    with pytest.raises((UserError, SongError)) as found:
        yield found
    assert found.value.why is why


def processed(out: str) -> int:
    """How many songs a step says that it has processed now."""
    return int(re.findall(r"now: ([\d,]+)", out)[-1].replace(",", ""))


def many(small: T, large: T) -> T:
    """How often something is tried: by `make test`, and by `make stress`."""
    return large if os.environ.get("STRESS") else small


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for what another process does, but not for ever."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.005)


@pytest.fixture(autouse=True, scope="session")
def _no_last_library(tmp_path_factory):
    """Tests leave the note of the last library as it was."""
    with unittest.mock.patch.object(terminal, "LAST", tmp_path_factory.mktemp("last") / "last"):
        yield


@pytest.fixture
def figure(record_property):
    """Call it with what a test measured; all figures are printed at the end."""
    return lambda text: record_property("figure", text)


def pytest_collection_modifyitems(items):
    # The longest begin first, so that with two workers neither waits for the other at the end.
    items.sort(key=lambda item: item.path.name not in ("test_main.py", "test_stress_runs.py"))


def pytest_terminal_summary(terminalreporter):
    reports = [report for each in terminalreporter.stats.values() for report in each]
    called = [report for report in reports if getattr(report, "when", "") == "call"]
    figures = [text for report in called for name, text in report.user_properties if name == "figure"]
    for line in ["measured:", *figures] if figures else []:
        terminalreporter.write_line(line)


def sine(frequency: float = 440, seconds: float = 4, rate: int = RATE, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def noise(seconds: float = 4, rate: int = RATE, amplitude: float = 0.2, seed: int = 0) -> np.ndarray:
    return amplitude * np.random.default_rng(seed).uniform(-1, 1, round(seconds * rate))


def decode_file(path: Path, **options) -> tuple[np.ndarray, dict]:
    """All whole clips of a file on end, between -1 and 1, and its record."""
    decoder = audio.Decoder(path, **options)
    decoded = [clip / 32768 for clip in decoder]
    return np.concatenate(decoded) if decoded else np.zeros(0), decoder.record


def peak_frequency(y: np.ndarray) -> float:
    """In Hz."""
    return float(np.argmax(np.abs(np.fft.rfft(y))) * audio.SAMPLE_RATE / len(y))


def clicks(bpm: float, seconds: float = 2, rate: int = audio.SAMPLE_RATE) -> np.ndarray:
    """Short bursts of a tone, one each beat."""
    y = np.zeros(round(seconds * rate))
    burst = sine(1000, 0.02, rate) * np.hanning(round(0.02 * rate))
    for beat in np.arange(0, seconds - 0.02, 60 / bpm):
        start = round(beat * rate)
        y[start : start + len(burst)] += burst
    return y


@functools.cache
def tune(artist: int, song: int, seconds: float = 8, rate: int = RATE) -> np.ndarray:
    """A song in the manner of an artist: 0 plays dull chords, 1 bright ones over noise, and so on. Only to be read."""
    draw = np.random.default_rng([artist, song])
    partials, hiss = 2 + 6 * (artist % 3), 0.02 + 0.1 * (artist % 2)
    beat = 60 / (90 + 15 * artist + draw.integers(10))
    y = noise(seconds, rate, hiss, seed=1000 * artist + song)
    for start in np.arange(0, seconds, beat):
        fade = np.exp(-4 * np.arange(round(min(beat, seconds - start) * rate)) / rate)
        for note in draw.choice([220, 262, 330, 392, 440], 2):
            for partial in range(1, partials + 1):
                begin = round(start * rate)
                tone = sine(note * partial, len(fade) / rate, rate, 0.25 / partial)[: len(fade)] * fade
                y[begin : begin + len(tone)] += tone[: len(y) - begin]
    y = np.clip(y, -1, 1)
    y.flags.writeable = False
    return y


def sing(seconds: float = 8, pitch: float = 220, rate: int = audio.SAMPLE_RATE) -> np.ndarray:
    """A voice that sings vowels to a scale, with vibrato: harmonics shaped by three formants, notes of 0.6 s."""
    t = np.arange(round(seconds * rate)) / rate
    note = (t / 0.6).astype(int)
    steps = np.array([0, 2, 4, 5, 7, 5, 4, 2])[note % 8]
    frequency = pitch * 2 ** (steps / 12) * (1 + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    formants = np.array([[700, 1220, 2600], [300, 2200, 3000], [450, 800, 2830], [530, 1840, 2480]])[note % 4]
    phase, y = 2 * np.pi * np.cumsum(frequency) / rate, noise(seconds, rate, 0.003)
    for n in range(1, 40):
        away = (n * frequency[:, None] - formants) / [90, 150, 210]
        gain = np.exp(-(away**2)) @ [1, 0.6, 0.3] + 0.01
        y += gain * np.sin(n * phase) * (n * frequency < rate / 2.2) / np.sqrt(n)
    y *= np.minimum(1, np.minimum(t % 0.6, 0.6 - t % 0.6) / 0.08)
    return 0.3 * y / np.abs(y).max()


def write_song(path: Path, y: np.ndarray, rate: int = RATE) -> Path:
    """Write a song in the format its suffix names; stereo as (samples, 2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # libsndfile minds what a name looks like; a handle and an explicit format do not
    buffer = io.BytesIO()
    format_ = {".opus": "OGG", ".oga": "OGG"}.get(path.suffix.lower(), path.suffix[1:].upper())
    soundfile.write(buffer, y, rate, format=format_, subtype="OPUS" if path.suffix == ".opus" else None)
    path.write_bytes(buffer.getvalue())
    return path


def write_artists(songs: Path, artists: int = 2, each: int = 4, seconds: float = 8, albums: int = 2) -> None:
    """Write songs/<Artist A>/Album <1 or 2>/Song <n>.mp3 and so on."""
    for artist in range(artists):
        for song in range(each):
            name = f"Artist {'ABCDEFGH'[artist]}/Album {1 + song % albums}/Song {song + 1}.mp3"
            write_song(songs / name, tune(artist, song, seconds))


def run_scripts(root: Path, *split_arguments: str) -> list[int]:
    """Run the three scripts in order; their exit statuses."""
    return [
        mp3_split.main(["--library", str(root), "--jobs", "2", *split_arguments]),
        feature_extraction.main(["--library", str(root), "--jobs", "2", *NO_NETWORKS]),
        dataframe_creation.main(["--library", str(root)]),
    ]


@pytest.fixture
def in_this_process(monkeypatch):
    """Work on songs here: workers would not see what a test puts in the place of something else."""

    def run(function, songs, **_):
        for each in songs:
            try:
                yield each, function(each)
            except SongError as error:
                yield each, error

    monkeypatch.setattr(pool, "run", run)


def made_up(
    artists: int = 3,
    songs: int = 8,
    clips: int = 6,
    artist_cue: float = 0.0,
    song_cue: float = 0.0,
    album_cue: float = 0.0,
    albums: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """A frame of noise, in which artists, albums and songs shift the features by as much as is asked for."""
    draw = np.random.default_rng(seed)
    parts = []
    for artist in range(artists):
        of_artist = draw.normal(0, artist_cue, len(COLUMNS))
        of_albums = draw.normal(0, album_cue, (albums, len(COLUMNS)))
        for song in range(songs):
            centre = of_artist + of_albums[song % albums] + draw.normal(0, song_cue, len(COLUMNS))
            values = draw.normal(centre, 1, (clips, len(COLUMNS)))
            part = pd.DataFrame(values.astype(np.float32), columns=COLUMNS)
            album = f"Album {song % albums}" if albums > 1 else ""
            name = f"A{artist}/{song}.mp3"
            labels = {"artist": f"A{artist}", "album": album, "song": name, "silent": False}
            labels |= {"recording": name, "copy_of": "", "conflict": ""}
            parts.append(part.assign(**labels, clip=np.arange(clips), start=2.0 * np.arange(clips)))
    return pd.concat(parts, ignore_index=True)


Embeddings = dict[str, dict[str, dict[int, np.ndarray]]]  # of each song, by each network: of windows, by first clip


def study_of(frame: pd.DataFrame, embeddings: Embeddings | None = None) -> evaluation.Study:
    """The table of songs of a frame, and their segments."""
    songs, _ = splits.song_table(frame)
    ears = [embedding_module.FEATURES, *dict.fromkeys(name for found in (embeddings or {}).values() for name in found)]
    parts = []
    for name in songs.index:
        song = song_of(frame[frame["song"] == name], (embeddings or {}).get(name))
        parts.append((name, embedding_module.segment_rows(song, ears)))
    rows = {ear: np.concatenate([of[ear] for _, of in parts]) for ear in ears}
    names = [np.full(len(of[embedding_module.FEATURES]), name, dtype=object) for name, of in parts]
    return evaluation.Study(songs, embedding_module.Segments(rows, np.concatenate(names)))


def train_without(root: Path, without: str = "nothing") -> None:
    """Train the model of a library; songs whose paths end so are not trained on."""
    library = read_library(root)
    library = library[~library["song"].str.endswith(without)]
    with (
        unittest.mock.patch.object(training, "read_library", lambda root: library),
        unittest.mock.patch.object(training, "hold_out", lambda songs: ""),
    ):
        training.train(root)


def song_of(rows: pd.DataFrame, embeddings: dict[str, dict[int, np.ndarray]] | None = None) -> Song:
    """A song of these clips, with the embeddings of windows that start with some of them."""
    columns = {name: rows[name].to_numpy() for name in KEYS}
    columns[FEATURES] = list_column(rows[COLUMNS].to_numpy(np.float32), range(len(rows)), len(rows))
    for name, found in (embeddings or {}).items():
        columns[name] = list_column(np.float32(list(found.values())), found, len(rows))
    return Song({"hash": rows["song"].iloc[0], "seconds": 2.0 * len(rows)}, pa.table(columns))


def songs_of(frame: pd.DataFrame) -> list[tuple[str, Song]]:
    """The songs of a frame, see `song.read_tables`."""
    return [(str(name), song_of(rows)) for name, rows in frame.groupby("song")]


def write_song_table(root: Path, made: Song) -> None:
    """Write a song's table as step 2 does; it is called by its hash."""
    name = made.record["hash"]
    spacings = {network: NETWORKS[network].every for network in made.table.column_names if network in NETWORKS}
    keys = {part: made_from(name, by) for part, by in columns_made_by(spacings).items()}
    notes = {"made_from": keys, "spacings": spacings, "record": made.record}
    write_table(name, made.table, notes, root)


def write_library(root: Path, frame: pd.DataFrame, embeddings: dict[str, dict] | None = None) -> None:
    """A library with only songs.csv, the tables of songs, and the frame."""
    songs = frame.drop_duplicates("song")[["song", "artist", "album"]]
    clips = frame.groupby("song")["silent"].agg(clips="size", silent_clips="sum")
    rows = songs.join(clips, on="song").assign(status="ok", seconds=12.0, title=songs["song"], hash=songs["song"])
    write_songs(root, rows)
    for name, own in frame.groupby("song"):
        write_song_table(root, song_of(own, (embeddings or {}).get(name)))
    write_frame(good_songs(root), root, list(NETWORKS), 1.0)


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """The root of a small library through which the three scripts went. Only to be read."""
    root = tmp_path_factory.mktemp("small")
    write_artists(root / "songs")
    with contextlib.redirect_stdout(io.StringIO()):
        assert run_scripts(root) == [0, 0, 0]
    return root


def likeness(album=None, artist=None, different=()):
    """Say what distances mean: up to which songs are of one album, of one artist, and percentiles for others."""
    return {similarity.ALBUM: album, similarity.ARTIST: artist, similarity.DIFFERENT: list(different)}


def verdict_of(song: pd.Series, clips: pd.DataFrame, **more) -> Verdict:
    """A verdict on a song in which singing was not searched for."""
    nothing = {"singing": np.full(len(clips), np.nan), "known": False, "copy_of": "", "word": PROBABLY, "either": ()}
    nothing |= {"nearness": 0.5, "ears": {}, "aspects": {"prior": 0.0}, "moment": 0.0, "alike": {}}
    nothing |= {"traits": dict.fromkeys(TRAITS)}
    return Verdict(song, clips, **(nothing | more))


def ask(root: Path, path: Path, song: Song | None = None) -> Verdict:
    """Ask a library without networks about a file, or about what is known of it."""
    song, index = song or decode(path, {}), load_index(root)
    return answer(song, load_model(root), index, of_song(song, path, index, root))


def unit(points: np.ndarray) -> np.ndarray:
    """Scale rows to unit length."""
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def made_index(points: np.ndarray, means: dict, **labels) -> Index:
    """Make a library of songs at these points [shape=(songs, dimensions)], which are called by their places."""
    names, width = [f"{n}" for n in range(len(points))], 2 * len(CLIP_COLUMNS)
    songs = pd.DataFrame({"song": names, "artist": names, "album": "", "title": names, "seconds": 1.0, "hash": names})
    songs = songs.assign(tempo=100.0, loudness_db=-20.0, brightness_hz=2000.0, kind=None, tags=None)
    described = np.zeros((len(points), width), np.float32)
    described[:, : points.shape[1]] = points
    embedding = Embedding({FEATURES: Space(np.zeros(width), np.ones(width), np.eye(width)[:, : points.shape[1]])})
    songs = songs.assign(**({"sound": names, "recording": labels.get("sound", names)} | labels))
    points = embedding.points(described)
    starts = np.tile(2 * np.arange(SEGMENTS, dtype=np.float32), (len(songs), 1))
    segments = np.repeat(points[:, None], SEGMENTS, axis=1).astype(np.float16)
    return Index(songs, described, points, embedding, {}, means, starts, segments)


def on_a_circle(angles, artist=None, sound=None, means=None) -> Index:
    """Make a library of songs at these angles (degrees), which are called by their places."""
    points = np.column_stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))])
    names = [f"{n}" for n in range(len(angles))]
    return made_index(points, means or likeness(), artist=artist or names, sound=sound or names)


def segments_of(
    songs: int = 24, each: int = 6, artists: int = 3, cue: float = 1.0
) -> tuple[dict, np.ndarray, np.ndarray]:
    """Segments of songs in turn by some artists, who differ in both ears; and of each its song and artist."""
    draw = np.random.default_rng(0)
    song = np.arange(songs).repeat(each)
    artist = np.array([f"A{n % artists}" for n in song])
    rows = {}
    for ear, width in ((FEATURES, 2 * len(CLIP_COLUMNS)), (VOICE, 20)):
        of_artists, of_songs = draw.standard_normal((artists, width)), draw.standard_normal((songs, width))
        noise = draw.standard_normal((len(song), width))
        rows[ear] = (cue * of_artists[song % artists] + 0.5 * of_songs[song] + noise).astype(np.float32)
    return rows, song, artist
