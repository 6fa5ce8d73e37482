"""How fast songs that sound alike are found, in an index of many made-up songs.

python benchmarks/many_songs.py                 # 100,000 songs of two clips; takes minutes and 3 GB of disk
python benchmarks/many_songs.py --songs 10000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page

from soundalike import similarity, terminal
from soundalike.features import COLUMNS, MADE_BY
from soundalike.frame import SONGS, VERSION
from soundalike.library import NOTES, PROJECT, made_from, write_songs
from soundalike.playlists import Rules, fill
from soundalike.seeds import of_library
from soundalike.song import FEATURES, list_column, write_table

CLIPS, ALBUM, ARTIST = 2, 10, 50  # clips of a song, songs of an album, songs of an artist


def write_library(root: Path, songs: int) -> None:
    """Write songs.csv and tables of noise in which artists have something in common."""
    draw = np.random.default_rng(0)
    names = [f"{n // ARTIST:06d}/{n // ALBUM:06d}/{n:07d}.mp3" for n in range(songs)]
    table = pd.DataFrame({"song": names, "status": "ok", "title": names, "seconds": 180.0, "hash": names})
    table["artist"], table["album"] = table["song"].str[:6], table["song"].str[7:13]
    write_songs(root, table.to_dict("records"))
    clip = np.arange(CLIPS)
    for n, song in enumerate(names):
        own = np.random.default_rng(n // ARTIST).standard_normal(len(COLUMNS))
        values = (draw.standard_normal((CLIPS, len(COLUMNS))) + 0.2 * own).astype(np.float32)
        columns = {"clip": clip, "start": 2.0 * clip, "silent": np.zeros(CLIPS, bool)}
        made = pa.table(columns | {FEATURES: list_column(values, clip, CLIPS)})
        write_table(song, made, {"made_from": {}, "spacings": {}, "record": {}}, root)
    folder = root / "df_music.parquet"
    folder.mkdir()
    table.assign(sound=names, recording=names).to_feather(folder / SONGS)
    keys = {"all": "noise", "networks": "none", "version": made_from(MADE_BY, VERSION)}
    (folder / NOTES).write_text(
        json.dumps({"made_from": keys, "networks": {}, "songs": songs, "clips": CLIPS * songs, "pickle": None})
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=terminal.positive, default=100_000, metavar="N", help="how many")
    parser.add_argument("--keep", action="store_true", help="write results/many_songs.json and README.md here")
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    args = parser.parse_args()
    if args.library is not None:
        print(json.dumps(measure(args.library, args.songs)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_library(Path(folder), args.songs)
        again = [sys.executable, __file__, "--library", folder, "--songs", str(args.songs)]
        figures = json.loads(subprocess.run(again, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        asked = [sys.executable, str(PROJECT / "recommend.py"), "--library", folder, "0000007.mp3"]
        started = time.perf_counter()
        subprocess.run(asked, check=True, stdout=subprocess.DEVNULL)
        figures["recommend.py (s)"] = time.perf_counter() - started
    page.show("many_songs", figures, written(figures), kept=args.keep)


def measure(root: Path, songs: int) -> dict:
    """Make the index, open it and ask it, in this process alone."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    similarity.build_index(root)
    took, most = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(path.stat().st_size for path in (root / "similar").iterdir())
    started = time.perf_counter()
    index = similarity.load_index(root)
    opened, times = time.perf_counter() - started, []
    for song in np.random.default_rng(1).integers(songs, size=20):
        started = time.perf_counter()
        fill(index, [of_library(int(song), index, root)], [], np.arange(songs) == song, Rules(10, 2))
        times.append(time.perf_counter() - started)
    return {
        "songs": songs,
        "to make the index (s)": took,
        "memory (GB)": most / 1e6,
        "memory before (GB)": before / 1e6,
        "on disk (MB)": size / 1e6,
        "to open it (s)": opened,
        "to answer (s)": float(np.median(times)),
        "to answer, at most (s)": max(times),
    }


def written(figures: dict) -> str:
    """Write the page."""
    shown = ", ".join(f"{name} {value:,.3g}" for name, value in figures.items() if name != "songs")
    return f"{figures['songs']:,} songs of noise, two clips each: {shown}.\n"


if __name__ == "__main__":
    main()
