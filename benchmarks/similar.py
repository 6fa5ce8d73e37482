"""Is the song that sounds most alike by the same artist? Our answers beside those of bliss-audio and musly.

    python benchmarks/similar.py --library DIR          # a library of real_music.py, after the three scripts
    python benchmarks/similar.py --library DIR --keep sung   # results go to results/ and into README.md here

The others are measured if requirements.txt here is installed. All describe the same files; of a song of each artist it
is timed how much of a processor that takes.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from soundalike import splits, terminal
from soundalike.audio import ffmpeg
from soundalike.embedding import FEATURES, Embedding
from soundalike.library import songs_folder
from soundalike.networks import NETWORKS
from soundalike.similarity import Index, distances, load_index
from soundalike.song import decode

OURS, ALONE = "ours", "ours, features alone"
MUSLY = {"musly, timbre": "timbre", "musly, mandelellis": "mandelellis"}
BLISS = "bliss"
LIST = 10  # songs in the lists in which hubs are counted
RESAMPLES = 2000
FEW_ARTISTS = 5  # of so few, resampling songs says nothing of other artists


# --- what each makes of songs ----------------------------------------------------------------


def read_sound(path: Path) -> np.ndarray:
    """Decode a song as musly wants it: one channel at 22,050 Hz [shape=(samples,), dtype=float32]."""
    asked = [ffmpeg(), "-v", "error", "-i", str(path), "-ac", "1", "-ar", "22050", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(asked, capture_output=True, check=True).stdout, np.float32)


def apart_by_bliss(paths: list[Path]) -> np.ndarray:
    """Distances between songs [shape=(songs, songs)] by bliss's numbers, each in units of its deviation."""
    import bliss_audio

    numbers = np.array([bliss_audio.Song(str(path)).analysis for path in tqdm(paths, desc=BLISS)])
    numbers = (numbers - numbers.mean(axis=0)) / np.maximum(numbers.std(axis=0), 1e-9)
    return np.linalg.norm(numbers[:, None] - numbers, axis=2)


def apart_by_musly(paths: list[Path], method: str) -> np.ndarray:
    """Distances between songs [shape=(songs, songs)] by musly."""
    import pymusly

    jukebox = pymusly.MuslyJukebox(method=method)
    tracks = [jukebox.track_from_audiodata(read_sound(path)) for path in tqdm(paths, desc=f"musly, {method}")]
    jukebox.set_style(tracks)
    known = list(zip(jukebox.add_tracks(tracks), tracks, strict=True))
    return np.array([jukebox.compute_similarity(one, known) for one in known])


def describe_only(name: str, paths: list[Path]) -> float:
    """Describe songs in this process; returns the processor time that it took, of ffmpeg too, in seconds."""
    if name in MUSLY:
        import pymusly

        jukebox = pymusly.MuslyJukebox(method=MUSLY[name])
    elif name == BLISS:
        import bliss_audio
    ways = {
        OURS: lambda path: decode(path, {network: found.every for network, found in NETWORKS.items()}),
        ALONE: lambda path: decode(path, {}),
        BLISS: lambda path: bliss_audio.Song(str(path)).analysis,
    } | {musly: lambda path: jukebox.track_from_audiodata(read_sound(path)) for musly in MUSLY}
    ways[name](paths[0])  # what is loaded once does not count
    started = time.process_time(), _children()
    with threadpool_limits(1):
        for path in paths:
            ways[name](path)
    return time.process_time() - started[0] + _children() - started[1]


def _children() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- scores ----------------------------------------------------------------------------------


def only_features(index: Index) -> Index:
    """Return the same songs as if there were no networks."""
    embedding = Embedding({FEATURES: index.embedding.ears[FEATURES]})
    described = np.asarray(index.described[:, : len(embedding.ears[FEATURES].centre)])
    return index._replace(described=described, points=embedding.points(described), embedding=embedding)


def score_songs(apart: np.ndarray, songs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Score each song by those nearest to it [shape=(songs,)]; not a number where it cannot be right."""
    artist, album = songs["artist"].to_numpy(), splits.album_keys(songs).to_numpy()
    others = np.where(np.eye(len(songs), dtype=bool), np.inf, apart)
    order = np.argsort(others, axis=1, kind="stable")
    same = artist[order] == artist[:, None]
    elsewhere = np.where(album == album[:, None], np.inf, apart).argmin(axis=1)
    several = songs["artist"].map(splits.album_counts(songs)).to_numpy() > 1
    alone = songs["artist"].map(songs["artist"].value_counts()).to_numpy() < 2
    lists = np.bincount(order[:, :LIST].ravel(), minlength=len(songs))
    return {
        "nearest": np.where(alone, np.nan, same[:, 0]),
        "nearest on another album": np.where(several, artist[elsewhere] == artist, np.nan),
        "of the five nearest": np.where(alone, np.nan, same[:, :5].mean(axis=1)),
        "hub": lists / LIST,
    }


def with_interval(values: np.ndarray, artists: pd.Series) -> tuple[float, float, float]:
    """Return the mean over songs, and its 95% interval by resampling songs; none where these are of few artists."""
    known = values[np.isfinite(values)]
    if artists[np.isfinite(values)].nunique() < FEW_ARTISTS:
        return float(known.mean()), math.nan, math.nan
    drawn = np.random.default_rng(0).integers(len(known), size=(RESAMPLES, len(known)))
    low, high = np.percentile(known[drawn].mean(axis=1), [2.5, 97.5])
    return float(known.mean()), float(low), float(high)


def measure(root: Path) -> dict:
    """Let each find the songs that sound most alike."""
    index = load_index(root)
    songs, folder = index.songs, songs_folder(root)
    paths = [folder / song for song in songs["song"]]
    first = [str(folder / song) for song in songs.drop_duplicates("artist")["song"]]
    ways = {
        name: np.stack([distances(some, described) for described in some.described])
        for name, some in ((OURS, index), (ALONE, only_features(index)))
    }
    try:
        ways |= {name: apart_by_musly(paths, method) for name, method in MUSLY.items()}
        ways[BLISS] = apart_by_bliss(paths)
    except ImportError as error:
        print(f"Not measured: {error}. Install requirements.txt here.", file=sys.stderr)
    rows, ours = [], score_songs(ways[OURS], songs)
    for name, apart in ways.items():
        found = score_songs(apart, songs)
        asked = [sys.executable, __file__, "--describe", name, *first]
        took = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout.splitlines()[-1])
        row: dict = {"way": name, "songs per CPU second": len(first) / took, "largest hub": float(found["hub"].max())}
        for key in (key for key in found if key != "hub"):
            better = {} if name == OURS else {"ours better by": with_interval(ours[key] - found[key], songs["artist"])}
            row[key] = {"share": with_interval(found[key], songs["artist"])} | better
        rows.append(row)
    return {"songs": len(songs), "artists": int(songs["artist"].nunique()), "ways": rows}


def table(sets: dict[str, dict]) -> str:
    """Write the page: a row for each way."""

    def cells(name: str, row: dict) -> dict[str, str]:
        mean, low, high = row["of the five nearest"].get("ours better by", (0.0, math.nan, math.nan))
        better = "" if math.isnan(low) else f"; ours {mean:+.2f} ({low:+.2f} to {high:+.2f})"
        nearest, elsewhere, five = (
            f"{row[key]['share'][0]:.2f}" for key in ("nearest", "nearest on another album", "of the five nearest")
        )
        return {
            f"{name}: nearest / on another album": f"{nearest} / {elsewhere}",
            f"{name}: of the five nearest": f"{five}{better}",
            f"{name}: largest hub": f"{row['largest hub']:.1f}",
        }

    ways = {row["way"]: row["songs per CPU second"] for row in next(iter(sets.values()))["ways"]}
    rows = []
    for way, pace in ways.items():
        found = {name: next((row for row in of["ways"] if row["way"] == way), None) for name, of in sets.items()}
        of_sets = {key: cell for name, row in found.items() if row for key, cell in cells(name, row).items()}
        rows.append({"": way} | of_sets | {"songs per CPU second": f"{pace:.1f}"})
    return page.markdown(rows)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    parser = page.parser_of_set(__doc__)
    parser.add_argument("--describe", nargs="+", help=argparse.SUPPRESS)  # the process that is timed
    args = parser.parse_args(argv)
    if args.describe:
        print(json.dumps(describe_only(args.describe[0], [Path(path) for path in args.describe[1:]])))
        return terminal.ALL_GOOD
    figures = measure(args.library)
    return page.show_sets("similar", args.keep, figures, table)


if __name__ == "__main__":
    sys.exit(main())
