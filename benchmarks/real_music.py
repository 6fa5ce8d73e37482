"""Make a library of 126 real songs by 12 artists, free music from Debian's games, to repeat our figures on.

    python benchmarks/real_music.py ~/real_music      # needs Debian or Ubuntu, and its package lists

Writes DIR/<artist>/<album>/<title>.mp3, two minutes of each at most. real_music.csv beside this file
says for each song where it is from and what its licence is. Songs that are there are left alone.
"""

import argparse
import functools
import re
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import terminal
from soundalike.audio import ffmpeg
from soundalike.library import atomic_write
from soundalike.messages import counted

SECONDS = 120  # of each song
SONGS = Path(__file__).with_suffix(".csv")


def place(row: pd.Series) -> Path:
    """Where a song goes: names without what some file systems refuse."""
    parts = [re.sub(r"[^\w .,'()&-]+", "_", row[key]).strip(" .") for key in ("artist", "album", "title")]
    return Path(*parts[:2], f"{parts[2]}.mp3")


def fetch(package: str, folder: Path) -> None:
    """Download a Debian package and unpack it, with the archives in which games keep music."""
    asked = functools.partial(subprocess.run, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    asked(["apt-get", "download", "-q", package])
    asked(["dpkg-deb", "--extract", *(path.name for path in folder.glob("*.deb")), "."])
    for archive in folder.rglob("*.pk3"):
        with zipfile.ZipFile(archive) as inside:
            inside.extractall(archive.with_name(f"_unz_{archive.stem}_pk3"))


def encode(row: pd.Series, source: Path, song: Path) -> None:
    """Write a song as the MP3 that people have: 44.1 kHz, stereo, about 190 kbit/s, tagged."""
    tags = [part for key in ("artist", "album", "title") for part in ("-metadata", f"{key}={row[key]}")]
    sound = ["-map", "0:a:0", "-map_metadata", "-1", "-t", str(SECONDS), "-ac", "2", "-ar", "44100"]
    sound += ["-c:a", "libmp3lame", "-q:a", "2"]
    with atomic_write(song) as path:
        asked = [ffmpeg(), "-v", "error", "-nostdin", "-i", str(source), *sound, *tags, str(path)]
        subprocess.run(asked, check=True)


def work(args: argparse.Namespace) -> int:
    """Fetch and encode what is missing."""
    songs = pd.read_csv(SONGS)
    missing = songs[[not (args.folder / place(row)).exists() for _, row in songs.iterrows()]]
    for package, rows in tqdm(missing.groupby("package"), unit=" packages"):
        with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor() as pool:
            try:
                fetch(package, Path(temporary))
            except (OSError, subprocess.CalledProcessError) as error:
                raise SystemExit(
                    f"Debian's package {package} cannot be had: {error}. Is apt-get update done?"
                ) from None
            jobs = [
                pool.submit(encode, row, Path(temporary) / row["file"], args.folder / place(row))
                for _, row in rows.iterrows()
            ]
            for job in jobs:
                job.result()
    print(f"{counted(len(songs), 'song')} in {args.folder}")
    return terminal.ALL_GOOD


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=terminal.folder, metavar="DIR", help="where the songs go")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(terminal.script(lambda argv: work(parse_args(argv)))())
