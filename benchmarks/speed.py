"""How fast clips are described, and songs cut, against the script of 2018 and what others use.

    python benchmarks/speed.py --library DIR      # a library through which the three scripts went

One process on one thread; the same clips for all, in turn, several times over; CPU time, that of
ffmpeg included. Imports and compilation are done before, by a run on one song, and stated apart. Ours
takes sixteen clips of a song at once, as it always does; the others have no way to do that. Its time
clip by clip is shown beside it.
Of openSMILE, Essentia and pyAudioAnalysis those take part that are installed, see requirements.txt here.
"""

import argparse
import functools
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
import pydub
import soundfile
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page

from soundalike import audio, terminal
from soundalike import song as song_module
from soundalike.audio import CLIP_SECONDS, FULL_SCALE, SAMPLE_RATE, ffmpeg, split_song
from soundalike.features import COLUMNS, clip_features
from soundalike.frame import write_frame
from soundalike.library import clip_folder, good_songs, write_songs
from soundalike.messages import printable
from soundalike.networks import musicnn
from soundalike.survey import catalogue_row

HERE = Path(__file__).resolve().parent
CLIPS = 48  # of each song, from its beginning: three stacks


# --- what clips are described by -------------------------------------------------------------


class Some(audio.Clips):
    """Some clips of a song."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths, self.record = paths, {}


def read_clip(path: Path) -> np.ndarray:
    """Read a clip: samples between -1 and 1 [shape=(CLIP_SAMPLES,), dtype=float32]."""
    return audio.read_clip(path) / np.float32(FULL_SCALE)


def ours(paths: list[Path]) -> int:
    """All features of this project, of the clips of one song."""
    song_module.analyse(Some(paths), {})
    return len(COLUMNS)


def network(paths: list[Path]) -> int:
    """Describe the clips of one song by musicnn, in our own model of it."""
    stacks = [np.stack(list(map(read_clip, paths[n : n + 16]))) for n in range(0, len(paths), 16)]
    return np.concatenate([musicnn.embed(stack) for stack in stacks]).shape[1]


def ours_apart(path: Path) -> int:
    """Return the features of one clip, and nothing of its song."""
    return clip_features(read_clip(path)[None]).shape[1]


def each(function: Callable[[Path], int], paths: list[Path]) -> int:
    """Describe one clip after the other."""
    return [function(path) for path in paths][-1]


def features_2018(path: Path) -> int:
    """Return the nine features of 2018: HPSS, tempo of the percussive part, means and deviations of four more."""
    y, sr = librosa.load(path)
    _, percussive = librosa.effects.hpss(y)
    percussive = np.nan_to_num(percussive)  # of clips that are nearly silent it has values that are no numbers
    tempo, _ = librosa.beat.beat_track(y=percussive, sr=sr)
    values = [
        librosa.feature.rms(y=y),
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.spectral_centroid(y=y, sr=sr),
        librosa.feature.spectral_rolloff(y=y, sr=sr),
    ]
    return len([float(np.squeeze(tempo)), *(f(value) for value in values for f in (np.mean, np.std))])


def tutorial(path: Path) -> int:
    """Return what tutorials take: means and deviations of the usual features, each by librosa's call on the clip."""
    y, sr = librosa.load(path, sr=None)
    values = [
        librosa.feature.mfcc(y=y, sr=sr, n_mfcc=20),
        librosa.feature.chroma_stft(y=y, sr=sr),
        librosa.feature.spectral_contrast(y=y, sr=sr),
        librosa.feature.tonnetz(y=y, sr=sr),
        librosa.feature.spectral_centroid(y=y, sr=sr),
        librosa.feature.spectral_bandwidth(y=y, sr=sr),
        librosa.feature.spectral_rolloff(y=y, sr=sr),
        librosa.feature.zero_crossing_rate(y),
        librosa.feature.rms(y=y),
    ]
    tempo, _ = librosa.beat.beat_track(y=y, sr=sr)
    return sum(len(value) for value in values for _ in (np.mean(value, axis=1), np.std(value, axis=1))) + np.size(tempo)


def open_smile() -> Callable[[Path], int]:
    """ComParE 2016, openSMILE's large set."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel.Functionals, num_workers=1)
    return lambda path: smile.process_signal(read_clip(path), SAMPLE_RATE).shape[1]


def essentia() -> Callable[[Path], int]:
    """Essentia's extractor of music, on the clip; it takes no lower sample rate than 32 kHz."""
    import essentia
    import essentia.standard

    essentia.log.infoActive = essentia.log.warningActive = False
    extractor = essentia.standard.MusicExtractor()

    def describe_clip(path: Path) -> int:
        pool, _ = extractor(str(path))
        values = [pool[name] for name in pool.descriptorNames() if not name.startswith("metadata")]
        return sum(np.size(value) for value in values if np.issubdtype(np.asarray(value).dtype, np.number))

    return describe_clip


def py_audio_analysis() -> Callable[[Path], int]:
    """PyAudioAnalysis's short-term features, means and deviations over the clip."""
    from pyAudioAnalysis.ShortTermFeatures import feature_extraction as extract

    def describe_clip(path: Path) -> int:
        values, _ = extract(read_clip(path), SAMPLE_RATE, 2048, 512)
        return len(np.concatenate([values.mean(axis=1), values.std(axis=1)]))

    return describe_clip


OTHERS = {
    "openSMILE (ComParE 2016)": ("opensmile", open_smile),
    "Essentia (MusicExtractor, at 44.1 kHz)": ("essentia", essentia),
    "pyAudioAnalysis": ("pyAudioAnalysis", py_audio_analysis),
}


# --- how songs are cut, and the whole path ---------------------------------------------------


def split_2018(song: str, source: Path, root: Path) -> list[Path]:
    """Cut one song by pydub as in 2018: all of it at once, and a file for each slice."""
    pydub.AudioSegment.converter = ffmpeg()
    whole = pydub.AudioSegment.from_file(source / song, codec="mp3")
    folder = root / Path(song).parent
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, part in enumerate(whole[:: CLIP_SECONDS * 1000]):
        paths.append(folder / f"{Path(song).stem}{number}.wav")
        part.export(paths[-1], format="wav").close()
    return paths


def whole_clips(paths: list[Path]) -> list[Path]:
    """Return the clips that are not shorter than the others, as the last of a song is."""
    return [path for path in paths if soundfile.info(path).duration == CLIP_SECONDS]


def path_ours(songs: list[str], source: Path, root: Path) -> None:
    """From songs to the frame as the three scripts go, without their worker processes."""
    write_songs(
        root,
        [
            catalogue_row(song, split_song(song, songs=source, root=root, max_hours=terminal.MAX_HOURS), "folder")
            for song in songs
        ],
    )
    for song in songs:
        song_module.describe_clips(song, root=root, spacings={})
    write_frame(good_songs(root), root, [], pickle_limit=1.0)


def path_2018(songs: list[str], source: Path, root: Path) -> None:
    """From songs to the frame as in 2018."""
    clips = [clip for song in songs for clip in split_2018(song, source, root)]
    rows = [features_2018(clip) for clip in whole_clips(clips)]
    pd.DataFrame({"clip": rows}).to_pickle(root / "df_music.pkl")


# --- timing ----------------------------------------------------------------------------------


def cpu() -> float:
    """CPU seconds that this process and its children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def in_turn(contenders: dict[str, Callable], arguments: list, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each contender for all arguments, round by round."""
    seconds = {name: [0.0] * rounds for name in contenders}
    for turn in range(rounds):
        for argument in arguments:
            for name, function in contenders.items():
                started = cpu()
                function(argument)
                seconds[name][turn] += cpu() - started
    return seconds


def rows(seconds: dict[str, list[float]], sound: float, notes: dict[str, str]) -> list[dict]:
    """Seconds of sound for a second of CPU, and how many times as fast ours is: the median, least and most."""
    found = []
    for name, theirs in seconds.items():
        ratios = sorted(b / a for a, b in zip(seconds["ours"], theirs, strict=True))
        rate = round(sound / statistics.median(theirs), 1)
        faster = [round(value, 2) for value in (statistics.median(ratios), ratios[0], ratios[-1])]
        found.append({"name": name, "numbers": notes.get(name, ""), "rate": rate, "ours faster by": faster})
    return found


def start_up(clip: Path) -> float:
    """Seconds of wall time until a fresh process has described its first clip."""
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); from soundalike.audio import read_clip; "
        "from soundalike.song import analyse; Some = type('Some', (list,), {'record': {}}); "
        "analyse(Some([read_clip(pathlib.Path(sys.argv[2]))]), {})"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code, str(HERE.parent), str(clip)], check=True)
    return time.monotonic() - started


def describers() -> dict[str, Callable]:
    """Return what describes the clips of a song, by name; of what need not be installed, what is."""
    contenders: dict[str, Callable] = {
        "ours": ours,
        "ours, clip by clip": functools.partial(each, ours_apart),
        "2018": functools.partial(each, features_2018),
        "tutorial set": functools.partial(each, tutorial),
    }
    if importlib.util.find_spec("musicnn"):
        contenders["musicnn, every clip"] = network
    for name, (module, make) in OTHERS.items():
        if importlib.util.find_spec(module):
            contenders[name] = functools.partial(each, make())
    return contenders


def from_mp3(songs: list[str], sound: float, source: Path, rounds: int) -> dict[str, list[dict]]:
    """Time how songs of so many seconds in all are cut, and the whole path to the frame."""
    with tempfile.TemporaryDirectory() as folder:
        where: dict[str, Any] = {"root": Path(folder), "source": source}

        def fresh() -> Path:  # what was cut before is not cut again
            return Path(tempfile.mkdtemp(dir=folder))

        cut: dict[str, Callable] = {
            "ours": lambda song: split_song(song, songs=source, root=fresh(), max_hours=terminal.MAX_HOURS),
            "2018": functools.partial(split_2018, **where),
        }
        whole: dict[str, Callable] = {
            "ours": lambda songs: path_ours(songs, source, fresh()),
            "2018": functools.partial(path_2018, **where),
        }
        in_turn(cut, songs[:1], 1)
        return {
            "cutting": rows(in_turn(cut, songs, rounds), sound, {}),
            "MP3 to frame": rows(in_turn(whole, [songs], 1), sound, {}),
        }


def work(args: argparse.Namespace) -> int:
    """Time everything, keep the results and print the page."""
    good = good_songs(args.library)
    long = good[good["clips"] >= CLIPS].sample(frac=1, random_state=0)["song"].head(args.songs)
    if long.empty:
        raise SystemExit(f"No song in {printable(args.library)} has {CLIPS} clips.")
    clips = [[clip_folder(args.library, song) / f"{k:04d}.wav" for k in range(CLIPS)] for song in long]
    contenders = describers()
    figures: dict = {"clips": len(clips) * CLIPS, "start-up (s)": round(start_up(clips[0][0]), 2)}
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
        notes = {name: f"{function(clips[0]):,}" for name, function in contenders.items()}
        seconds = in_turn(contenders, clips, args.rounds)
        figures["features"] = rows(seconds, figures["clips"] * CLIP_SECONDS, notes)
        if args.source:
            songs = [song for song in long if song.lower().endswith(".mp3")]
            if not songs:
                raise SystemExit("None of these songs is an MP3; take more with --songs.")
            sound = float(good.set_index("song").loc[songs, "seconds"].sum())
            figures |= from_mp3(songs, sound, args.source, args.rounds)
    return page.show("speed", figures, tables(figures), kept=args.keep)


def tables(figures: dict) -> str:
    """Write the page."""
    titles = {"features": "describe clips", "cutting": "cut MP3s into clips", "MP3 to frame": "from MP3s to frame"}
    rows = []
    for key, title in titles.items():
        for row in figures.get(key, []):
            middle, low, high = row["ours faster by"]
            rows.append({
                "work": title,
                "by": row["name"],
                "numbers for a clip": row["numbers"] if key == "features" else "",
                "seconds of sound per CPU second": f"{row['rate']:,.0f}",
                "ours is faster by": "" if row["name"] == "ours" else f"{middle:.1f} ({low:.1f} to {high:.1f})",
            })  # fmt: skip
    return (
        f"{figures['clips']} clips, one thread. Until the first clip is described, a new process takes "
        f"{figures['start-up (s)']:.1f} s (imports, and loops compiled before); that is left out on all sides.\n\n"
        f"{page.markdown(rows)}\n"
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--songs", type=int, default=8, metavar="N", help="how many songs take part")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is timed")
    parser.add_argument("--keep", action="store_true", help="write results/ and README.md here")
    parser.add_argument("--source", type=terminal.folder, metavar="DIR", help="where its songs lie, to time cutting")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(terminal.script(lambda argv: work(parse_args(argv)))())
