"""Is it singing that the detector finds, or a kind of music? By song, and by clip over backings that are the same.

    python benchmarks/singing.py --library DIR --sung DIR          # libraries of real_music.py and of sung_music.py
    python benchmarks/singing.py --library DIR --sung DIR --keep   # results go to results/ and into README.md here

Both sets go through one chain first, in data/singing/, so that no encoder gives a set away: the middle 80 s, mono at
22,050 Hz, cut off above 9 kHz, at -18 LUFS, as MP3 of 96 kbit/s. By clip: of each sung song the 20 s around the window
that musicnn's tags call most vocal are laid over seconds 30 to 50 of an instrumental song. As a check the same is done
with telephone speech (Debian or Ubuntu is needed for it), and with another instrumental song.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm
from voice import SPEAKERS, read_clips, read_speaker

from soundalike import terminal
from soundalike.audio import CLIP_SAMPLES, SAMPLE_RATE, ffmpeg
from soundalike.features import CLIP_COLUMNS, ORIGINAL_NINE, clip_features
from soundalike.library import PROJECT, atomic_write, good_songs, songs_folder
from soundalike.networks import musicnn, vocals
from soundalike.networks.weights import import_tensorflow

SECONDS = 80
CHAIN = (
    "aformat=channel_layouts=mono,aresample=22050,lowpass=f=9000,lowpass=f=9000,"
    "loudnorm=I=-18:TP=-2:LRA=20,aresample=22050"
)
LAID = slice(15, 25)  # clips of a backing that something is laid over
LEVELS = (0, -6, -12)  # dB over the backing
VOCAL = {"vocal", "vocals", "singing", "voice", "female vocal", "male vocal", "female voice", "male voice"}  # tags
STACK = 16  # clips that are looked at together, as in `song.analyse`
COLUMN = vocals.COLUMNS.index("singing")
RESAMPLES = 1000


def through_chain(root: Path) -> dict[str, list[np.ndarray]]:
    """Read all songs of a library after the chain, by artist: their clips [shape=(clips, CLIP_SAMPLES)]."""
    good, songs = good_songs(root).sort_values("song"), songs_folder(root)

    def one(song: str, digest: str, seconds: float) -> np.ndarray:
        made = PROJECT / "data" / "singing" / f"{digest}.mp3"
        if not made.exists():
            place = ["-ss", f"{max(0, (seconds - SECONDS) / 2):.2f}", "-t", str(SECONDS), "-i", str(songs / song)]
            sound = ["-map", "0:a:0", "-map_metadata", "-1", "-af", CHAIN, "-ar", str(SAMPLE_RATE), "-b:a", "96k"]
            options = ["-v", "error", "-nostdin", "-protocol_whitelist", "file"]
            with atomic_write(made) as path:
                subprocess.run([ffmpeg(), *options, *place, *sound, str(path)], check=True)
        return read_clips(made)

    with ThreadPoolExecutor() as pool:
        rows = (good[name] for name in ("song", "hash", "seconds"))
        clips = list(tqdm(pool.map(one, *rows), total=len(good), unit=" songs"))
    return {artist: [clips[n] for n in np.flatnonzero(good["artist"] == artist)] for artist in good["artist"].unique()}


def singing(clips: np.ndarray, every: int = vocals.EVERY) -> np.ndarray:
    """Return what the detector finds in each clip, as `song.analyse` does; from one of so many frames."""
    stacks = [clips[start : start + STACK] for start in range(0, len(clips), STACK)]
    return np.concatenate([vocals.vocal_probabilities(stack, every) for stack in stacks])[:, COLUMN]


def vocal_tags(clips: np.ndarray) -> np.ndarray:
    """Return the largest probability of musicnn's vocal tags in each clip."""
    numbers = np.concatenate([musicnn.embed(clips[n : n + 8]) for n in range(0, len(clips), 8)])
    vocal = [musicnn.POOLED + n for n, tag in enumerate(musicnn.TAGS["mtt"]) if tag in VOCAL]
    return numbers[:, vocal].max(axis=1)


def auc(sung: np.ndarray, score: np.ndarray) -> list[float]:
    """Return the area under ROC and its 95% interval over songs, drawn from each set."""
    draw, found = np.random.default_rng(0), []
    ones, zeros = np.flatnonzero(sung), np.flatnonzero(~sung)
    for _ in range(RESAMPLES):
        rows = np.concatenate([draw.choice(ones, len(ones)), draw.choice(zeros, len(zeros))])
        found.append(roc_auc_score(sung[rows], score[rows]))
    return [float(value) for value in (roc_auc_score(sung, score), *np.quantile(found, [0.025, 0.975]))]


def by_song(sets: dict[str, dict[str, list[np.ndarray]]]) -> dict:
    """Distinguish sung songs from instrumental ones, by the detector and by its rivals."""
    songs = [(name, artist, clips) for name, own in sets.items() for artist, of in own.items() for clips in of]
    sung = np.array([name == "sung" for name, _, _ in songs])
    features = [clip_features(clips)[:, [CLIP_COLUMNS.index(c) for c in ORIGINAL_NINE]] for *_, clips in tqdm(songs)]
    nine = np.array([own.mean(axis=0) for own in features])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    artists = np.array([artist for _, artist, _ in songs])
    guessed = cross_val_predict(model, nine, sung, groups=artists, cv=LeaveOneGroupOut(), method="decision_function")
    loudness = nine[:, ORIGINAL_NINE.index("rms_mean")]
    scores = {
        "detector": np.array([singing(clips).mean() for *_, clips in songs]),
        "detector, every frame": np.array([singing(clips, 1).mean() for *_, clips in songs]),
        "musicnn's vocal tags": np.array([vocal_tags(clips[::4]).mean() for *_, clips in tqdm(songs)]),
        "the nine features of 2018, artists left out": guessed,
        "loudness alone": loudness if roc_auc_score(sung, loudness) > 0.5 else -loudness,
    }
    kinds = {name: [] for name in sets}  # type: dict[str, list[str]]
    for name, _, clips in songs:
        kinds[name].append(vocals.kind_of(vocals.vocal_probabilities(clips)))
    words = {name: {kind: own.count(kind) for kind in WORDS} for name, own in kinds.items()}
    return {"songs": {name: auc(sung, score) for name, score in scores.items()}, "words": words}


WORDS = (vocals.SUNG, vocals.INSTRUMENTAL, "")


def lay(backing: np.ndarray, other: np.ndarray, level: float) -> np.ndarray:
    """Lay some clips over those of a backing, so many dB louder [shape=(clips, CLIP_SAMPLES)]."""
    mixed = backing.copy()
    gain = np.sqrt(np.mean(backing[LAID] ** 2) / np.mean(other**2)) * 10 ** (level / 20)
    mixed[LAID] += gain * other
    return mixed * min(1, 0.95 / np.abs(mixed).max())


def by_clip(sets: dict[str, dict[str, list[np.ndarray]]]) -> list[dict]:
    """Find the clips of instrumental songs over which something is laid."""
    length = LAID.stop - LAID.start
    backings = [clips for of in sets["instrumental"].values() for clips in of if len(clips) > LAID.stop + 5]
    sung = [clips for of in sets["sung"].values() for clips in of if len(clips) > 2 * length]
    backings = [backings[n] for n in np.random.default_rng(0).permutation(len(backings))]
    passages = []
    for clips in tqdm(sung, unit=" songs"):
        middle = 4 * int(vocal_tags(clips[::4]).argmax())
        passages.append(clips[np.clip(middle - length // 2, 0, len(clips) - length) :][:length])
    spoken = [read_speaker(package, 60) for package in SPEAKERS.values()]
    speech = [y[: 3 * length * CLIP_SAMPLES].reshape(3, length, CLIP_SAMPLES)[n] for y in spoken for n in range(3)]
    laid = {"singing": passages, "telephone speech": speech, "another instrumental song": backings[len(sung) :]}
    rows = []
    for name, others in laid.items():
        for level in LEVELS:
            scores, truth = [], []
            for n, backing in enumerate(backings[: len(sung)]):
                other = others[n % len(others)][:length]
                scores.append(singing(lay(backing, other, level)))
                truth.append(np.isin(np.arange(len(backing)), np.arange(LAID.start, LAID.stop)))
            of_songs = [roc_auc_score(*both) for both in zip(truth, scores, strict=True)]
            whole = roc_auc_score(np.concatenate(truth), np.concatenate(scores))
            rows.append({"laid over": name, "level": level, "auc": whole, "within songs": float(np.mean(of_songs))})
    return rows


def cost(clips: np.ndarray) -> float:
    """Return the CPU time of the detector (ms a clip)."""
    stack = clips[:STACK]
    vocals.vocal_probabilities(stack)
    start = time.process_time()
    for _ in range(20):
        vocals.vocal_probabilities(stack)
    return 1e3 * (time.process_time() - start) / 20 / len(stack)


def measure(library: Path, sung: Path) -> dict:
    """Measure all of it."""
    threading = import_tensorflow().config.threading
    threading.set_intra_op_parallelism_threads(1)
    threading.set_inter_op_parallelism_threads(1)
    sets = {"instrumental": through_chain(library), "sung": through_chain(sung)}
    count = {name: sum(map(len, of.values())) for name, of in sets.items()}
    first = next(iter(sets["sung"].values()))[0]
    return {"count": count, "ms": cost(first), **by_song(sets), "clips": by_clip(sets)}


def table(figures: dict) -> str:
    """Write the page."""
    songs = [
        {"score of a song": name, "area under ROC": f"{mid:.3f} (95% CI {low:.3f}–{high:.3f})"}
        for name, (mid, low, high) in figures["songs"].items()
        if name != "detector, every frame"  # the same
    ]
    by_clip: dict[str, list[str]] = {}
    for row in sorted(figures["clips"], key=lambda row: -row["level"]):
        by_clip.setdefault(row["laid over"], []).append(f"{row['auc']:.2f}")
    laid = "; ".join(f"{name} {', '.join(aucs)}" for name, aucs in by_clip.items())
    words = "; ".join(
        f"{name} ones are called " + ", ".join(f"{kind or 'neither'} {n}" for kind, n in of.items())
        for name, of in figures["words"].items()
    )
    return (
        f"{figures['count']['sung']} sung and {figures['count']['instrumental']} instrumental songs: "
        f"{words}. {figures['ms']:.1f} ms of CPU for a clip. "
        f"Laid over 20 of 80 s of instrumental songs at 0, -6 and -12 dB it is found, by clip, with an area of: {laid}."
        f"\n\n{page.markdown(songs)}\n"
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--sung", type=terminal.folder, required=True, metavar="DIR", help="library of the sung songs")
    parser.add_argument("--keep", action="store_true", help="write results/singing.json and README.md")
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    args = parse_args(argv)
    figures = measure(args.library, args.sung)
    return page.show("singing", figures, table(figures), kept=args.keep)


if __name__ == "__main__":
    sys.exit(main())
