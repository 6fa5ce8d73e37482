"""Make a set of 59 sung songs by five artists, from their public git repositories, to repeat our figures on.

    python benchmarks/sung_music.py ~/sung_music              # from GitHub
    python benchmarks/sung_music.py ~/sung_music --from DIR   # from songs that are in DIR, under the table's names

sung_music.csv beside this file says where each song is from, what its licence is, and where its excerpt starts. All
go through one chain, so that no encoder gives an artist away: 80 s in stereo at 44.1 kHz, cut off above 12 kHz, at
-18 LUFS, as MP3 of 112 kbit/s without tags. Files that have another id than the table's count as excerpts that went
through it before. Songs that are there are left alone.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import cli
from soundalike.audio.decoding import ffmpeg
from soundalike.library.errors import UserError
from soundalike.library.storage import atomic_write

SONGS = Path(__file__).with_suffix(".csv")
HOST = "https://github.com"
CHAIN = "lowpass=f=12000,lowpass=f=12000,loudnorm=I=-18:TP=-2:LRA=20,aresample=44100"
# Nothing of a person's settings for git, no hooks, no password prompt.
SETTINGS = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
GIT = ("git", "-c", f"core.hooksPath={os.devnull}", "-c", "credential.helper=")


def git(folder: Path, *arguments: str) -> bytes:
    """Run git in a folder; returns what it printed.

    Raises
    ------
    UserError
        If it fails, with its last line.
    """
    done = subprocess.run(
        [*GIT, "-C", str(folder), *arguments], env=os.environ | SETTINGS, capture_output=True, check=False
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(lines[-1] if lines else f"git failed with {done.returncode}")
    return done.stdout


def fetch(row: pd.Series, host: str) -> bytes:
    """Fetch one file from a repository, and nothing else of it.

    Raises
    ------
    UserError
        If the repository or the file is gone.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        git(folder, "init", "--quiet", "--bare", "--template=")
        git(folder, "fetch", "--quiet", "--no-tags", "--depth=1", f"{host}/{row['repository']}", row["blob"])
        return git(folder, "cat-file", "blob", row["blob"])


def blob_id(content: bytes) -> str:
    """Compute the id that git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def read(row: pd.Series, folder: Path) -> bytes:
    """Read a song that is in a folder.

    Raises
    ------
    UserError
        If it is not there.
    """
    try:
        return (folder / row["song"]).read_bytes()
    except OSError as error:
        raise UserError(f"{error.strerror}: {folder / row['song']}") from None


def cut(content: bytes, row: pd.Series, song: Path) -> None:
    """Cut the excerpt from a whole song, and encode it.

    Raises
    ------
    UserError
        If it cannot be decoded.
    """
    with tempfile.NamedTemporaryFile() as source, atomic_write(song) as path:
        source.write(content)
        source.flush()
        place = ["-ss", str(row["start"]), "-t", str(row["seconds"]), "-i", source.name, "-map", "0:a:0"]
        sound = ["-map_metadata", "-1", "-ac", "2", "-ar", "44100", "-af", CHAIN, "-c:a", "libmp3lame", "-b:a", "112k"]
        done = subprocess.run(
            [ffmpeg(), "-v", "error", "-nostdin", *place, *sound, str(path)], capture_output=True, check=False
        )
        if done.returncode:
            raise UserError(done.stderr.decode(errors="replace").strip() or f"ffmpeg failed with {done.returncode}")


def make_songs(songs: pd.DataFrame, folder: Path, get: Callable[[pd.Series], bytes], *, cut_before: bool) -> dict:
    """Make the songs that are missing in a folder; returns those that cannot be had, and why.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of the table.
    folder : Path
        Where the songs go.
    get : callable
        Takes a row, returns the song's file.
    cut_before : bool
        Whether a file of another id is an excerpt that is finished; else it is refused.
    """
    gone: dict[str, str] = {}
    for _, row in tqdm(songs.iterrows(), total=len(songs), unit=" songs"):
        song = folder / row["song"]
        if song.exists():
            continue
        try:
            content = get(row)
            if blob_id(content) == row["blob"]:
                cut(content, row, song)
            elif cut_before:
                with atomic_write(song) as path:
                    path.write_bytes(content)
            else:
                raise UserError(f"it has the id {blob_id(content)}, not {row['blob']}")
        except UserError as error:
            gone[row["song"]] = f"{error} ({row['repository']}, {row['blob'][:12]})"
    return gone


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=cli.folder, metavar="DIR", help="where the songs go")
    parser.add_argument("--from", type=cli.folder, dest="source", metavar="DIR", help="take songs from this folder")
    parser.add_argument("--host", default=HOST, metavar="URL", help="where the repositories are (default: %(default)s)")
    parser.add_argument("--songs", type=Path, default=SONGS, metavar="FILE.csv", help="another table of songs")
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Make what is missing, and name what cannot be had."""
    args = parse_args(argv)
    songs = pd.read_csv(args.songs)
    gone = make_songs(
        songs,
        args.folder,
        lambda row: read(row, args.source) if args.source else fetch(row, args.host),
        cut_before=bool(args.source),
    )
    print(f"{len(songs) - len(gone)} of {cli.counted(len(songs), 'song')} in {args.folder}")
    cli.print_left_out(gone)
    return cli.LEFT_OUT if gone else cli.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
