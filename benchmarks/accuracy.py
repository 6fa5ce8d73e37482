"""How well models predict the artists of unseen songs from our features, and from sets that others use.

    python benchmarks/accuracy.py --library DIR      # a library through which the three scripts went

The same clips, segments, folds and models for each set. The sets are computed with plain librosa, at their
authors' settings, and kept in DIR/benchmarks/: the first time that takes about 0.15 s for each clip. The networks'
ears are compared too, alone, fused, and side by side with our features in one model. Then what a segment should be: one
model on clips, on segments of several lengths and on whole songs.
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

import page

from soundalike import cli
from soundalike.audio.decoding import FULL_SCALE, SAMPLE_RATE
from soundalike.audio.splitting import read_clip
from soundalike.dataset import segments, splits
from soundalike.dataset.frame import current_notes, read_frame, read_library
from soundalike.evaluation import crossval, metrics
from soundalike.evaluation.study import Study
from soundalike.features.filters import HOP_LENGTH, N_FFT
from soundalike.features.networks import NETWORKS
from soundalike.features.table import CLIP_COLUMNS, ORIGINAL_NINE
from soundalike.library.catalogue import good_songs
from soundalike.library.paths import clip_folder
from soundalike.library.storage import atomic_write
from soundalike.models import specs
from soundalike.song import read_tables


def describe(clip: np.ndarray) -> dict[str, np.ndarray]:
    """Return what both other sets are made of: values [shape=(dims, frames)] of each feature.

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
    """Return the 518 numbers of FMA: seven statistics of each feature."""
    parts = []
    for value in values.values():
        value = value.astype(np.float64)
        moments = [value.mean(axis=1), value.std(axis=1), skew(value, axis=1), kurtosis(value, axis=1)]
        parts += [*moments, np.median(value, axis=1), value.min(axis=1), value.max(axis=1)]
    return np.nan_to_num(np.concatenate(parts))  # a silent band has no skewness


def tutorial(values: dict[str, np.ndarray], tempo: float) -> np.ndarray:
    """Return the 101 numbers of many tutorials: means and deviations of the usual features, and the tempo."""
    usual = ("chroma_stft", "tonnetz", "mfcc", "rms", "zcr", "centroid", "bandwidth", "contrast", "rolloff")
    parts = [statistic(values[name], axis=1) for name in usual for statistic in (np.mean, np.std)]
    return np.concatenate([*parts, [tempo]])


def describe_song(song: str, clips: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Both other sets for the clips of a song."""
    tables: dict[str, list[np.ndarray]] = {"tutorial": [], "fma": []}
    for number, tempo in zip(clips["clip"], clips["tempo"], strict=True):
        with warnings.catch_warnings(action="ignore"):  # of clips nearly silent: the sets are taken as they come
            values = describe(read_clip(clip_folder(root, song) / f"{number:04d}.wav") / np.float32(FULL_SCALE))
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


SIDE_BY_SIDE = "ours and networks in one model"
Models = tuple[dict[str, specs.ModelSpec], dict[str, list[str]]]


def feature_sets(frame: pd.DataFrame, networks: list[str]) -> dict[str, Models]:
    """Return the models of each set of features, and how they are fused."""
    known, ears = specs.specs(networks), specs.ears(networks)
    own = {specs.FEATURES: ears[specs.FEATURES]}
    columns = {
        "2018 nine": ORIGINAL_NINE,
        "tutorial set": [name for name in frame if name.startswith("tutorial_")],
        "FMA's set": [name for name in frame if name.startswith("fma_")],
        "ours": CLIP_COLUMNS,
    }
    sets: dict[str, Models] = {
        name: ({n: known[n]._replace(columns=used) for n in own[specs.FEATURES]}, own) for name, used in columns.items()
    }
    sets |= {name: ({name: known[name]}, {name: [name]}) for name in networks}
    if networks:
        kept = {name: known[name] for names in ears.values() for name in names}
        sets |= {"all ears, fused": (kept, ears), SIDE_BY_SIDE: sets["ours"]}
    return sets


def side_by_side(examples: segments.Examples) -> segments.Examples:
    """Return what networks make of a song put beside the features of each segment, as if it were more of these."""
    there = [np.where(np.isnan(values), np.nanmean(values, axis=0), values) for values in examples.networks.values()]
    return examples._replace(segments=np.hstack([examples.segments, *there]), networks={})


Embeddings = dict[str, dict[str, tuple]]  # of each song, by each network, see `Song.embeddings`


def clips_of(frame: pd.DataFrame, columns: list[str], embeddings: Embeddings) -> list[tuple[str, segments.LoudClips]]:
    """Take some columns of a frame, see `segments.gather`."""
    return [
        (
            song,
            segments.LoudClips(rows[columns].to_numpy(np.float32), rows["start"].to_numpy(), embeddings.get(song, {})),
        )
        for song, rows in frame.groupby("song")
    ]


def compare_sets(frame: pd.DataFrame, songs: pd.DataFrame, root: Path, repeats: int) -> list[dict]:
    """Return a row for each set: the scores of one model with it, and how much better our features are."""
    rows: dict[str, dict] = {}
    results, networks = {}, list(current_notes(root)["networks"])
    embeddings = {
        song: {name: found.embeddings(name) for name in networks}
        for song, found in read_tables(root, songs.index, networks)
    }
    for name, (models, ears) in feature_sets(frame, networks).items():
        used = list(dict.fromkeys(column for spec in models.values() for column in spec.columns))
        columns = used or ORIGINAL_NINE
        examples = segments.gather(clips_of(frame, columns, embeddings), songs, columns)
        examples = side_by_side(examples) if name == SIDE_BY_SIDE else examples
        results[name] = crossval.compare(models, ears, Study(songs, examples), repeats=repeats)
        found = {
            by: metrics.score(made[specs.KEPT], songs, by=by)
            for by, made in results[name].items()
            if specs.KEPT in made
        }
        of_networks = [NETWORKS[ear].columns for ear in networks if ear in ears or name == SIDE_BY_SIDE]
        rows[name] = {"features": len(used) + sum(map(len, of_networks))} | found
        print(f"{name}: {cli.with_interval(found[crossval.UNSEEN_SONGS])}", file=sys.stderr, flush=True)
    kept = {name: found[crossval.UNSEEN_SONGS][specs.KEPT] for name, found in results.items()}
    for name, row in rows.items():
        row["ours better by"] = metrics.difference(kept["ours"], kept[name], songs) if name != "ours" else None
    return [{"set": name} | row for name, row in rows.items()]


OURS, ALL = "4 clips (8 s)", "4 clips, all of a song"
UNITS = {"clip (2 s)": 1, "2 clips": 2, OURS: 4, ALL: 4, "8 clips": 8, "16 clips": 16, "whole song": 10**6}


def compare_units(frame: pd.DataFrame, songs: pd.DataFrame, repeats: int) -> list[dict]:
    """Return a row for each unit and model: its score, and how much better our segments are, a dozen of each song."""
    found = {}
    for unit, clips in UNITS.items():
        most = len(frame) if unit == ALL else None
        parts = clips_of(frame, CLIP_COLUMNS, {})
        examples = segments.gather(parts, songs, length=clips, every=max(1, clips // 2), most=most)
        study, pairs = Study(songs, examples), [splits.folds(songs, seed=seed) for seed in range(repeats)]
        for name in (specs.LOGISTIC, specs.KERNEL):
            spec = {name: specs.specs()[name]._replace(segments=clips > 1)}
            found[unit, name] = crossval.predict_held_out(spec, {name: [name]}, study, pairs, unit)
    return [
        {
            "unit": unit,
            "model": name,
            crossval.UNSEEN_SONGS: metrics.score(made, songs),
            "segments better by": metrics.difference(found[OURS, name], made, songs) if unit != OURS else None,
        }
        for (unit, name), made in found.items()
    ]


def scored(row: dict, by: str) -> str:
    """Return a balanced accuracy without its interval, where there is one."""
    return f"{row[by]['balanced_accuracy']:.2f}" if by in row else ""


def better(difference: tuple[float, float, float] | None) -> str:
    """Return a difference and its interval; nothing for what the others are compared with."""
    return cli.signed(*difference) if difference else ""


def tables(figures: dict) -> str:
    """Return the page: what was compared, in two tables."""
    sets = [
        {
            "": row["set"],
            "features": row["features"],
            "unseen songs": cli.with_interval(row[crossval.UNSEEN_SONGS]),
            "log-loss": f"{row[crossval.UNSEEN_SONGS]['log_loss']:.2f}",
            "unseen albums": scored(row, crossval.UNSEEN_ALBUMS),
            "random clips": scored(row, crossval.RANDOM_CLIPS),
            "ours better by": better(row["ours better by"]),
        }
        for row in figures["sets"]
    ]
    units = [
        {
            "trained on": row["unit"],
            "model": row["model"].split(",")[0],
            "unseen songs": cli.with_interval(row[crossval.UNSEEN_SONGS]),
            "log-loss": f"{row[crossval.UNSEEN_SONGS]['log_loss']:.2f}",
            "4 clips better by": better(row["segments better by"]),
        }
        for row in figures["units"]
    ]
    return (
        f"{figures['songs']} songs, {figures['artists']} artists; chance level {figures['chance']:.2f}. Balanced "
        f"accuracy, {figures['repeats']} repeats:\n\n{page.markdown(sets)}\n\nUnits that a "
        f"model can be trained on ({figures['unit repeats']} repeats; a dozen segments or 24 clips of each song, "
        f"unless all are said to be used):\n\n{page.markdown(units)}\n"
    )


def work(args: argparse.Namespace) -> int:
    """Compare, keep the results and print the page."""
    whole = read_frame(args.library)
    songs, _ = splits.song_table(read_library(args.library))
    frame = whole[whole["song"].isin(songs.index) & ~whole["silent"]].reset_index(drop=True)
    frame = pd.concat([frame, other_sets(frame, args.library)], axis=1)
    figures = {
        "songs": len(songs),
        "artists": songs["artist"].nunique(),
        "chance": metrics.chance(songs),
        "repeats": args.repeats,
        "unit repeats": args.unit_repeats,
        "sets": compare_sets(frame, songs, args.library, args.repeats),
        "units": compare_units(frame, songs, args.unit_repeats),
    }
    return page.show("accuracy", figures, tables(figures), kept=args.keep)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--repeats", type=cli.positive, default=3, metavar="N", help="of the split, for feature sets")
    parser.add_argument("--unit-repeats", type=cli.positive, default=10, metavar="N", help="the same, for units")
    parser.add_argument("--keep", action="store_true", help="write results/accuracy.json and README.md here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.script(lambda argv: work(parse_args(argv)))())
