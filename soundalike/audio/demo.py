"""A small library of demo songs, for a first look before there is music of your own.

They are the 28 generated tracks of the PyPI package immich-memories-music, as MP3s in a folder for each
mood, with the style (Acoustic or Electronic) as album. These are moods, not artists.
"""

import contextlib
import subprocess
from importlib import resources
from pathlib import Path

from soundalike import cli
from soundalike.audio.decoding import QUIET
from soundalike.library.catalogue import songs_folder
from soundalike.library.errors import printable
from soundalike.library.paths import find_songs
from soundalike.library.storage import atomic_write, check_ownership, locked

PACKAGE = "immich_memories_music"
NOTE = "Demo songs: generated music in five moods, not artists."


def encode(track: Path, song: Path) -> None:
    """Encode one track as an MP3 of about 190 kbit/s, with its names as tags."""
    import imageio_ffmpeg

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
        _encode_all(root)


def _encode_all(root: Path) -> None:
    """Write every track of the demo as MP3, and remove those that an earlier version filed by style."""
    with resources.as_file(resources.files(PACKAGE) / "tracks") as tracks:
        found = sorted(tracks.glob("*/*.opus"))
        with cli.bar(len(found), "Making demo songs", "songs") as bar:
            for track in found:
                _encode_one(track, root)
                bar.update()


def _encode_one(track: Path, root: Path) -> None:
    """Write a track below its mood, if it is not there, and remove what an earlier version filed by style."""
    style = "Acoustic" if "_acoustic_" in track.name else "Electronic"
    song = root / "songs" / track.parent.name / style / f"{track.stem}.mp3"
    if not song.exists():
        encode(track, song)
    earlier = root / "songs" / style / track.parent.name / song.name
    earlier.unlink(missing_ok=True)
    for folder in (earlier.parent, earlier.parent.parent):
        with contextlib.suppress(OSError):  # not there, or not empty
            folder.rmdir()


def find_music(songs: Path | None, root: Path) -> tuple[Path, Path]:
    """Find the music that is meant: what was named, what lies in the root, that of last time, or the demo.

    Parameters
    ----------
    songs : Path or None
        The folder that was named, if any.
    root : Path
        Of the library.

    Returns
    -------
    root, songs : Path
        The library to use, and the folder of its songs. The demo has a library of its own.
    """
    if songs:
        return root, songs
    own = root / "songs"
    if own.is_dir() and any(find_songs(own)):
        return root, own
    before = songs_folder(root)
    if before != own:
        print(f"Your music as last time: {printable(before)}")
        return root, before
    print(f"There is no music in {printable(own)} yet, so here is the demo.")
    make(root / "demo")
    cli.print_note(root / "demo")
    return root / "demo", root / "demo" / "songs"
