"""The cost of thousands of songs: time for each, memory, and bytes, with one worker and with two.

    python benchmarks/scale.py                 # 100, 1,000 and 10,000 songs of four seconds, made for it (an hour)
    python benchmarks/scale.py --train 10000   # a model of so many songs, made up, by 500 artists, and an answer

From songs to frame, by ``feature_extraction.py --from-songs`` and ``dataframe_creation.py``, no pickle.
Time per song is that from the first table to the last: start-up and end are left out. The plot goes
to benchmarks/scale.png.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page

from soundalike import terminal
from soundalike.audio import SAMPLE_RATE
from soundalike.features import COLUMNS
from soundalike.frame import write_frame
from soundalike.library import good_songs, keep_songs_folder, made_from, write_songs
from soundalike.messages import counted
from soundalike.networks import NETWORKS
from soundalike.song import FEATURES, columns_made_by, list_column, write_table

HERE = Path(__file__).resolve().parent
SECONDS = 4.4  # of each song: two clips
ARTISTS = 50
CLIPS, TRAINED_ARTISTS = 12, 500  # of each song that a model is trained on, and of all


class Ran(NamedTuple):
    """How a script ran."""

    seconds: float
    driver: list[float]  # MB, sampled
    workers: float  # MB, of the largest at most
    together: float  # MB, of all processes at most


def song_path(songs: Path, number: int) -> Path:
    """Where the song of a number lies."""
    return songs / f"Artist {number % ARTISTS:02d}" / f"{number:05d}.mp3"


def make_song(songs: Path, number: int) -> None:
    """Write a song of noise, the same for the same number."""
    path = song_path(songs, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.random.default_rng(number).uniform(-0.2, 0.2, round(SECONDS * SAMPLE_RATE))
    soundfile.write(path, y, SAMPLE_RATE, format="MP3")


def run(script: str, root: Path, *arguments: str) -> Ran:
    """Run a script to its end, and watch it."""
    started, driver, largest, together = time.monotonic(), [], 0.0, 0.0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, *script.split(), "--library", root, *arguments], cwd=HERE.parent, stdout=said, stderr=said
        )
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                children = watched.children(recursive=True)
                driver.append(watched.memory_info().rss / 1e6)
                largest = max([largest, *(child.memory_info().rss / 1e6 for child in children)])
                # Memory that processes share counts once: the proportional set size of Linux.
                together = max(together, sum(one.memory_full_info().pss / 1e6 for one in (watched, *children)))
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.25)  # to add up what is shared takes a large process 20 ms
        if process.returncode:
            said.seek(0)
            sys.exit(said.read().decode())
    return Ran(time.monotonic() - started, driver, largest, together)


def measure(songs: Path, root: Path, count: int, jobs: int) -> dict:
    """Take so many songs from their files to a frame."""
    own = root / "songs"
    for number in range(count):
        path = song_path(own, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(song_path(songs, number), path)
    jobs_asked, started = ["--jobs", str(jobs)], time.time()
    described = run("feature_extraction.py", root, "--from-songs", *jobs_asked)
    gathered = run("dataframe_creation.py", root, "--pickle-limit", "0")
    tables = [path.stat() for path in (root / "features").rglob("*.parquet")]
    written, done = sum(table.st_size for table in tables), sorted(table.st_mtime for table in tables)
    frame = sum(path.stat().st_size for path in (root / "df_music.parquet").iterdir())
    return {
        "songs": count,
        "workers": jobs,
        "start-up (s)": done[0] - started,
        "ms per song": 1000 * (done[-1] - done[0]) / (count - 1),
        "gathering (s)": gathered.seconds,
        "driver (MB)": max(described.driver),
        "driver, gathering (MB)": max(gathered.driver),
        "largest worker (MB)": max(described.workers, gathered.workers),
        "tables (kB per song)": written / count / 1e3,
        "frame (kB per song)": frame / count / 1e3,
    }


def draw(table: pd.DataFrame, path: Path) -> None:
    """Time and memory by the number of songs."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for marker, (jobs, rows) in zip("os", table.groupby("workers"), strict=False):
        label = counted(jobs, "worker")
        axes[0].plot(rows["songs"], rows["ms per song"], f"{marker}-", label=label)
        axes[1].plot(rows["songs"], rows["driver (MB)"], f"{marker}-", label=label)
    axes[0].set(xlabel="songs", ylabel="time per song (ms)", xscale="log", ylim=(0, None))
    axes[1].set(xlabel="songs", ylabel="memory of the script (MB)", xscale="log", ylim=(0, None))
    axes[0].legend(frameon=False)
    fig.savefig(path, dpi=100)


def write_library(root: Path, count: int) -> None:
    """Write the tables of songs, made up, in which artists shift features and embeddings, and songs more."""
    draw = np.random.default_rng(0)
    widths = {FEATURES: len(COLUMNS)} | {name: network.dims for name, network in NETWORKS.items()}
    shifts = {ear: 0.3 * draw.standard_normal((TRAINED_ARTISTS, width)) for ear, width in widths.items()}
    names = [f"Artist {n % TRAINED_ARTISTS:03d}/{n:05d}.mp3" for n in range(count)]
    about = {"album": "", "status": "ok", "clips": CLIPS}
    write_songs(root, [{"song": name, "artist": name[:10], "title": name, "hash": name} | about for name in names])
    clip, spacings = np.arange(CLIPS), {name: network.every for name, network in NETWORKS.items()}
    keys = columns_made_by(spacings)
    for n, name in enumerate(names):
        columns: dict = {"clip": clip, "start": 2.0 * clip, "silent": np.zeros(CLIPS, bool)}
        for ear, width in widths.items():
            places = clip[:: spacings.get(ear, 1)]
            centre = shifts[ear][n % TRAINED_ARTISTS] + 0.5 * draw.standard_normal(width)
            values = (draw.standard_normal((len(places), width), np.float32) + centre).astype(np.float32)
            columns[ear] = list_column(values, places, CLIPS)
        made = {part: made_from(name, by) for part, by in keys.items()}
        write_table(name, pa.table(columns), {"made_from": made, "spacings": spacings, "record": {"hash": name}}, root)
    write_frame(good_songs(root), root, list(NETWORKS), 0)
    keep_songs_folder(root, root)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--songs", type=terminal.positive, nargs="+", default=[100, 1000, 10_000], metavar="N", help="how many"
    )
    parser.add_argument("--workers", type=terminal.positive, nargs="+", default=[1, 2], metavar="N", help="processes")
    parser.add_argument("--keep", action="store_true", help="write results/ and README.md here")
    parser.add_argument("--train", type=terminal.positive, metavar="N", help="train a model of so many songs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.train:
            figures = measure_training(Path(folder), args.train)
            page.show("scale-training", figures, training_page(figures), kept=args.keep)
            return
        songs, rows = Path(folder) / "songs", []
        with ProcessPoolExecutor() as pool:
            list(pool.map(make_song, [songs] * max(args.songs), range(max(args.songs)), chunksize=100))
        for count in args.songs:
            for jobs in args.workers:
                rows.append(measure(songs, Path(folder) / f"{count} {jobs}", count, jobs))
                print(pd.Series(rows[-1]).to_string(), flush=True)
    table = pd.DataFrame(rows)
    page.show("scale", {"rows": rows}, songs_page(table), kept=args.keep)
    if args.keep:
        draw(table, HERE / "scale.png")


def songs_page(table: pd.DataFrame) -> str:
    """Write the page: what songs cost, and how that grows."""
    at, said = table.set_index(["workers", "songs"]), []
    for jobs, own in at.groupby(level="workers"):
        few, many = own.iloc[0], own.iloc[-1]
        songs = own.index.get_level_values("songs")
        growth = 1000 * (many["driver (MB)"] - few["driver (MB)"]) / max(songs[-1] - songs[0], 1)
        slower = many["ms per song"] / few["ms per song"] - 1
        said.append(
            f"{counted(int(jobs), 'worker')}: time per song {slower:+.1%} from {songs[0]:,} to {songs[-1]:,} "
            f"songs; the driver grows by {growth:.1f} kB a song."
        )
    if set(table["workers"]) >= {1, 2}:
        ratios = at.loc[1]["ms per song"] / at.loc[2]["ms per song"]
        said.append(f"Two workers are {', '.join(f'{ratio:.2f}' for ratio in ratios)} times as fast as one.")
    figures = table.map(lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.3g}")
    return page.markdown(figures.to_dict("records")) + "\n\n" + " ".join(said) + "\n"


def measure_training(root: Path, count: int) -> dict:
    """Ask about a song twice: the first time the model is trained."""
    write_library(root, count)
    song = root / "new.wav"
    soundfile.write(song, np.random.default_rng(0).uniform(-0.2, 0.2, 10 * SAMPLE_RATE), SAMPLE_RATE)
    first, again = (run("predict.py", root, str(song)) for _ in range(2))
    info = json.loads((root / "model" / "model.json").read_text())
    return {
        "songs": count,
        "artists": TRAINED_ARTISTS,
        "training (s)": info["seconds"],
        "memory (MB)": first.together,
        "answer alone (s)": again.seconds,
        "model (MB)": (root / "model" / "model.npz").stat().st_size / 1e6,
        "balanced accuracy": info["scores"]["unseen_songs"]["balanced_accuracy"],
    }


def training_page(figures: dict) -> str:
    """Write the page."""
    shown = [f"{name} {value:,.0f}" if value >= 100 else f"{name} {value:.3g}" for name, value in figures.items()]
    return f"A library made up: {', '.join(shown)}.\n"


if __name__ == "__main__":
    main()
