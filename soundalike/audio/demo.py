"""Make a small library of demo songs, for a first look before there is music of your own.

    python -m soundalike.audio.demo            # to data/demo/songs/

They are the 28 generated tracks of the PyPI package immich-memories-music, as MP3s in two folders,
Acoustic and Electronic, with the mood as album. These are two styles, not artists.
"""

import argparse
import subprocess
import sys
from importlib import resources
from pathlib import Path

import imageio_ffmpeg
from tqdm import tqdm

from soundalike import cli
from soundalike.library.errors import printable
from soundalike.library.storage import atomic_write, check_ownership, locked

PACKAGE = "immich_memories_music"
NOTE = "Demo songs: generated music in two styles, Acoustic and Electronic, not artists."


def encode(track: Path, song: Path) -> None:
    """Encode one track as an MP3 of about 190 kbit/s, with its names as tags."""
    tags = {"artist": song.parts[-3], "album": song.parts[-2], "title": song.stem}
    with atomic_write(song) as path:
        subprocess.run(
            [
                # The ffmpeg of imageio-ffmpeg: one from elsewhere may have no MP3 encoder.
                *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-f", "ogg", "-i", f"file:{track}"),
                *(part for name, value in tags.items() for part in ("-metadata", f"{name}={value}")),
                *("-c:a", "libmp3lame", "-q:a", "2", f"file:{path}"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )


def make(root: Path) -> int:
    """Make the demo songs that this root has not yet; returns how many there are in all."""
    check_ownership(root)
    with locked(root):
        with atomic_write(root / "NOTE.txt") as path:
            path.write_text(NOTE + "\n", encoding="utf-8")
        return _encode_all(root)


def _encode_all(root: Path) -> int:
    """Render every track of the demo and write it as MP3."""
    with resources.as_file(resources.files(PACKAGE) / "tracks") as tracks:
        found = sorted(tracks.glob("*/*.opus"))
        for track in tqdm(found, desc="Making demo songs", unit=" songs", file=sys.stderr, dynamic_ncols=True):
            style = "Acoustic" if "_acoustic_" in track.name else "Electronic"
            song = root / "songs" / style / track.parent.name / f"{track.stem}.mp3"
            if not song.exists():
                encode(track, song)
    return len(found)


def work(args: argparse.Namespace) -> int:
    """Make the demo songs."""
    root = args.data / "demo"
    print(f"{cli.counted(make(root), 'song')} in {printable(root / 'songs')}. {NOTE}")
    return cli.ALL_GOOD


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return work(cli.parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
