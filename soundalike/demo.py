"""A small library of demo songs, for a first look before there is music of your own.

They are the 28 generated tracks of the PyPI package immich-memories-music, as MP3s of three made-up bands that sound
unlike each other: slow acoustic, lively acoustic and electronic music, with the mood as album. When each song is held
out in turn, 26 of the 28 are named rightly. It was 27 when other ways were compared with it: of four bands, with
electronic music slow or lively as well, it was 22, and 21 where the three quieter moods were one band of each style and
the others another.
"""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

from soundalike.audio import QUIET
from soundalike.library import atomic_write, check_ownership, locked
from soundalike.messages import progress

PACKAGE = "immich_memories_music"
SLOW = ("calm", "nostalgic")  # moods of acoustic tracks of 68 to 78 beats a minute; the others have 90 to 133
NOTE = "Demo songs: generated music by three made-up bands."


def encode(track: Path, song: Path) -> None:
    """Encode one track as an MP3 of about 190 kbit/s, with its names as tags, unless it is there."""
    import imageio_ffmpeg

    if song.exists():
        return
    tags = {"artist": song.parts[-3], "album": song.parts[-2], "title": song.stem}
    with atomic_write(song) as path:
        subprocess.run(
            [
                # The ffmpeg of imageio-ffmpeg: one from elsewhere may have no MP3 encoder.
                *(imageio_ffmpeg.get_ffmpeg_exe(), *QUIET, "-f", "ogg", "-i", f"file:{track}"),
                *(part for name, value in tags.items() for part in ("-metadata", f"{name}={value}")),
                *("-c:a", "libmp3lame", "-q:a", "2", f"file:{path}"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )


def make(root: Path) -> None:
    """Make the demo songs that this root has not yet."""
    check_ownership(root)
    with locked(root):
        with atomic_write(root / "NOTE.txt") as path:
            path.write_text(NOTE + "\n", encoding="utf-8")
        with resources.as_file(resources.files(PACKAGE) / "tracks") as tracks:
            files = sorted(tracks.glob("*/*.opus"))
            with (
                progress(len(files), "Making demo songs", "songs") as bar,
                ThreadPoolExecutor(os.cpu_count()) as threads,
            ):
                songs = [root / "songs" / band(track) / track.parent.name / f"{track.stem}.mp3" for track in files]
                for _ in threads.map(encode, files, songs):
                    bar.update()


def band(track: Path) -> str:
    """Return the band that a track is filed under."""
    if "_electronic_" in track.name:
        return "Electronic"
    return "Slow Acoustic" if track.parent.name in SLOW else "Lively Acoustic"
