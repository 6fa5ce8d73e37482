"""How well artists are told apart by our features, and by sets that others use, on songs never heard.

    python benchmarks/accuracy.py --data DIR      # a library through which the three scripts went

The same clips, folds and classifiers for each set. The sets are computed with plain librosa, at their
authors' settings, and kept in DIR/benchmarks/: the first time that takes about 0.15 s for each clip. What
musicnn hears is compared too, if the library has it (feature_extraction.py --embeddings musicnn).
"""

import argparse
import sys
import warnings
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import kurtosis, skew
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import cli
from soundalike.audio.decoding import SAMPLE_RATE
from soundalike.dataset import duplicates, splits
from soundalike.evaluation import crossval, metrics
from soundalike.features import musicnn
from soundalike.features.extraction import read_clip
from soundalike.features.filters import HOP_LENGTH, N_FFT
from soundalike.features.table import CLIP_COLUMNS, ORIGINAL_NINE
from soundalike.library.catalogue import good_songs
from soundalike.library.paths import clip_folder
from soundalike.library.storage import atomic_write
from soundalike.models import specs

LINEAR = ["linear discriminant", "songs: all features"]
CLASSIFIERS = ["logistic regression", "RBF-SVM", "random forest", *LINEAR]  # with musicnn's columns, hours
ENDS = {crossval.AVERAGE: "average", "songs: all features": "whole songs"}  # what sets are held against each other by


def describe(clip: np.ndarray) -> dict[str, np.ndarray]:
    """What both other sets are made of: values [shape=(dims, frames)] of each feature.

    The features of FMA (Defferrard et al., "FMA: a dataset for music analysis", 2017), by its own calls.
    """
    stft = np.abs(librosa.stft(clip, n_fft=N_FFT, hop_length=HOP_LENGTH))
    cqt = np.abs(librosa.cqt(clip, sr=SAMPLE_RATE, hop_length=HOP_LENGTH, bins_per_octave=12, n_bins=84, tuning=None))
    mel = librosa.feature.melspectrogram(S=stft**2, sr=SAMPLE_RATE)
    cens = librosa.feature.chroma_cens(C=cqt, n_chroma=12, n_octaves=7)
    return {
        "chroma_stft": librosa.feature.chroma_stft(S=stft**2, sr=SAMPLE_RATE, n_fft=N_FFT, n_chroma=12),
        "chroma_cqt": librosa.feature.chroma_cqt(C=cqt, n_chroma=12, n_octaves=7),
        "chroma_cens": cens,
        "tonnetz": librosa.feature.tonnetz(chroma=cens),
        "mfcc": librosa.feature.mfcc(S=librosa.power_to_db(mel), sr=SAMPLE_RATE, n_mfcc=20),
        "rms": librosa.feature.rms(S=stft, frame_length=N_FFT),
        "zcr": librosa.feature.zero_crossing_rate(clip, frame_length=N_FFT, hop_length=HOP_LENGTH),
        "centroid": librosa.feature.spectral_centroid(S=stft, sr=SAMPLE_RATE),
        "bandwidth": librosa.feature.spectral_bandwidth(S=stft, sr=SAMPLE_RATE),
        "contrast": librosa.feature.spectral_contrast(S=stft, sr=SAMPLE_RATE, n_bands=6),
        "rolloff": librosa.feature.spectral_rolloff(S=stft, sr=SAMPLE_RATE),
    }


def fma(values: dict[str, np.ndarray]) -> np.ndarray:
    """The 518 numbers of FMA: seven statistics of each feature."""
    parts = []
    for value in values.values():
        value = value.astype(np.float64)
        moments = [value.mean(axis=1), value.std(axis=1), skew(value, axis=1), kurtosis(value, axis=1)]
        parts += [*moments, np.median(value, axis=1), value.min(axis=1), value.max(axis=1)]
    return np.nan_to_num(np.concatenate(parts))  # a silent band has no skewness


def tutorial(values: dict[str, np.ndarray], tempo: float) -> np.ndarray:
    """The 101 numbers of many tutorials: means and deviations of the usual features, and the tempo."""
    usual = ("chroma_stft", "tonnetz", "mfcc", "rms", "zcr", "centroid", "bandwidth", "contrast", "rolloff")
    parts = [statistic(values[name], axis=1) for name in usual for statistic in (np.mean, np.std)]
    return np.concatenate([*parts, [tempo]])


def describe_song(song: str, clips: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Both other sets for the clips of a song."""
    tables: dict[str, list[np.ndarray]] = {"tutorial": [], "fma": []}
    for number, tempo in zip(clips["clip"], clips["tempo"], strict=True):
        with warnings.catch_warnings(action="ignore"):  # of clips nearly silent: the sets are taken as they come
            values = describe(read_clip(clip_folder(root, song) / f"{number:04d}.wav"))
            tables["fma"].append(fma(values))
        tables["tutorial"].append(tutorial(values, tempo))
    made = [
        pd.DataFrame(np.array(rows, np.float32), clips.index).add_prefix(f"{name}_") for name, rows in tables.items()
    ]
    return pd.concat(made, axis=1)


def other_sets(frame: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Both other sets for a frame, from an earlier call if it was of the same clips."""
    kept = root / "benchmarks" / "other_sets.parquet"
    hashes = good_songs(root).set_index("song")["hash"]
    of = frame[["song", "clip"]].assign(hash=frame["song"].map(hashes))
    if kept.exists():
        there = pd.read_parquet(kept)
        if of.equals(there.reindex(columns=of.columns)):
            return there.drop(columns=of.columns)
    songs = tqdm(frame.groupby("song"), unit=" songs")
    made = pd.concat(
        Parallel(n_jobs=-1)(delayed(describe_song)(song, clips, root) for song, clips in songs)
    ).sort_index()
    with atomic_write(kept) as path:
        pd.concat([of, made], axis=1).to_parquet(path)
    return made


def difference(ours: pd.Series, theirs: pd.Series, artists: pd.Series) -> tuple[float, float, float]:
    """How much higher our balanced accuracy is, song by song, and the interval that holds 95 % of resamples."""
    weights = metrics.resampled(artists.to_numpy(dtype=object))
    belongs = pd.get_dummies(artists).to_numpy(float)
    found = np.mean((weights @ (belongs * (ours - theirs).to_numpy()[:, None])) / (weights @ belongs), axis=1)
    return found[0], *np.quantile(found[1:], [0.025, 0.975])


def work(args: argparse.Namespace) -> int:
    """Compare the sets and print the table."""
    whole, songs = pd.read_parquet(args.data / "df_music.parquet"), good_songs(args.data)
    settled, _, _ = duplicates.resolve_duplicates(whole, songs)
    frame, _ = splits.comparable(settled, leave_out=True)
    frame = pd.concat([frame, other_sets(frame, args.data)], axis=1)
    sets = {
        "2018 nine": ORIGINAL_NINE,
        "tutorial set": [name for name in frame if name.startswith("tutorial_")],
        "FMA's set": [name for name in frame if name.startswith("fma_")],
        "ours": CLIP_COLUMNS,
    }
    whole_songs = {"ours": specs.OF_SONGS}  # what only whole songs tell, for the model of whole songs
    if set(musicnn.NETWORK_COLUMNS) <= set(frame):
        sets |= {"musicnn alone": musicnn.NETWORK_COLUMNS, "ours + musicnn": CLIP_COLUMNS + musicnn.NETWORK_COLUMNS}
        whole_songs["ours + musicnn"] = specs.OF_SONGS + musicnn.NETWORK_COLUMNS
    models = specs.models()
    hits: dict[str, pd.DataFrame] = {}
    lines: dict[str, dict] = {}
    for name, columns in sets.items():
        recipes = {
            model: models[model]._replace(columns=columns) for model in (LINEAR if "musicnn" in name else CLASSIFIERS)
        }
        if name in whole_songs:
            recipes["songs: all features"] = recipes["songs: all features"]._replace(columns=whole_songs[name])
        results = crossval.compare(recipes, frame, repeats=args.repeats)
        scores = metrics.table(results, frame)
        hits[name] = metrics.right({"song": results["song"]}, frame)
        told: dict[str, object] = {"features": len(columns)}
        for model in results["song"]:
            told[model] = cli.with_interval(scores.loc[(model, "song", "song")])
        for model, title in ENDS.items():
            if "album" in results and model in results["album"]:
                told[f"{title}, albums never heard"] = cli.with_interval(scores.loc[(model, "album", "song")])
        if crossval.AVERAGE in results["clip"]:
            told["LEAKY: random clips"] = cli.with_interval(scores.loc[(crossval.AVERAGE, "clip", "clip")])
        lines[name] = told
        print(f"{name}: {told}", file=sys.stderr, flush=True)
    artists = frame.groupby("recording")["artist"].first()
    for name in sets:
        for model, title in ENDS.items():
            if name != "ours" and model in hits[name]:
                found = difference(hits["ours"][model], hits[name][model], artists)
                lines[name][f"{title}, ours better by"] = "{:+.2f} ({:+.2f} to {:+.2f})".format(*found)
    print(f"{frame['song'].nunique()} songs, {artists.nunique()} artists, {len(frame):,} clips.")
    print("Balanced accuracy by song on songs never heard, 95 % intervals.\n")
    table = pd.DataFrame(lines).fillna("")
    print(f"| | {' | '.join(table)} |\n|---|{'---|' * table.shape[1]}")
    for name, row in table.iterrows():
        print(f"| {name} | {' | '.join(map(str, row))} |")
    return cli.ALL_GOOD


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="how often songs are dealt anew")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.script(lambda argv: work(parse_args(argv)))())
