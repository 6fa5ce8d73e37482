"""Make a set of 59 sung songs by five artists, from their public git repositories, to repeat our figures on.

    python benchmarks/sung_music.py ~/sung_music              # from GitHub
    python benchmarks/sung_music.py ~/sung_music --from DIR   # from songs that are in DIR, under the table's names

sung_music.csv beside this file says where each song is from, what its licence is, and where its excerpt starts. All
go through one chain, so that no encoder gives an artist away: 80 s in stereo at 44.1 kHz, cut off above 12 kHz, at
-18 LUFS, as MP3 of 112 kbit/s without tags. A file in DIR that has another id than the table's must be such an excerpt.
Songs that are there are left alone.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import terminal, wording
from soundalike.audio import Decoder, ffmpeg
from soundalike.library import atomic_write
from soundalike.messages import SongError, counted, printable

SONGS = Path(__file__).with_suffix(".csv")
HOST = "https://github.com"
ID, REPOSITORY = "[0-9a-f]{40}", r"\w[\w.-]*/\w[\w.-]*"  # what a table may hold
CHAIN = "lowpass=f=12000,lowpass=f=12000,loudnorm=I=-18:TP=-2:LRA=20,aresample=44100"
# Nothing of a person's settings for git, no hooks, no password prompt.
SETTINGS = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_ALLOW_PROTOCOL": "https:file",
}
# Version 2 of git's protocol gives out any file of a repository by its id.
GIT = ("git", "-c", f"core.hooksPath={os.devnull}", "-c", "credential.helper=", "-c", "protocol.version=2")
FFMPEG = (ffmpeg(), "-v", "error", "-nostdin", "-protocol_whitelist", "file")
PATIENCE = 600  # s: a server that sends nothing is given up


class Gone(Exception):
    """A song cannot be had: the message says why."""


def git(folder: Path, *arguments: str) -> bytes:
    """Run git in a folder; returns what it printed.

    Raises
    ------
    Gone
        If it fails, with its last line, or takes longer than `PATIENCE`.
    """
    settings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | SETTINGS
    command = [*GIT, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, env=settings, capture_output=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Gone(f"git got nothing for {PATIENCE} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Gone(lines[-1] if lines else f"git failed with {done.returncode}")
    return done.stdout


def fetch(row: pd.Series, host: str) -> bytes:
    """Fetch one file from a repository, and nothing else of it.

    Raises
    ------
    Gone
        If the repository or the file is gone.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        git(folder, "init", "--quiet", "--bare", "--template=")
        git(folder, "fetch", "--quiet", "--no-tags", "--end-of-options", f"{host}/{row['repository']}", row["blob"])
        return git(folder, "cat-file", "blob", row["blob"])


def check_table(songs: pd.DataFrame) -> None:
    """Refuse a table that names anything but songs, files in repositories and places below a folder.

    Raises
    ------
    SystemExit
        If it does, with the first row of it.
    """
    for _, row in songs.iterrows():
        song = PurePosixPath(row["song"])
        if (
            not re.fullmatch(ID, row["blob"])
            or not re.fullmatch(REPOSITORY, row["repository"])
            or song.is_absolute()
            or ".." in song.parts
            or song.suffix != ".mp3"
        ):
            raise SystemExit(f"The table of songs has a row that cannot be right: {printable(' '.join(map(str, row)))}")


def blob_id(content: bytes) -> str:
    """Compute the id that git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def read(row: pd.Series, folder: Path) -> bytes:
    """Read a song that is in a folder.

    Raises
    ------
    Gone
        If it is not there.
    """
    try:
        return (folder / row["song"]).read_bytes()
    except OSError as error:
        raise Gone(f"{error.strerror}: {folder / row['song']}") from None


def cut(content: bytes, row: pd.Series, song: Path) -> None:
    """Cut the excerpt from a whole song, and encode it.

    Raises
    ------
    Gone
        If it cannot be decoded.
    """
    with tempfile.TemporaryDirectory() as folder, atomic_write(song) as path:
        source = Path(folder) / "song"
        source.write_bytes(content)
        place = ["-ss", str(row["start"]), "-t", str(row["seconds"]), "-i", str(source), "-map", "0:a:0"]
        sound = ["-map_metadata", "-1", "-ac", "2", "-ar", "44100", "-af", CHAIN, "-c:a", "libmp3lame", "-b:a", "112k"]
        done = subprocess.run([*FFMPEG, *place, *sound, str(path)], capture_output=True, check=False)
        if done.returncode:
            raise Gone(done.stderr.decode(errors="replace").strip() or f"ffmpeg failed with {done.returncode}")


def copy(content: bytes, row: pd.Series, song: Path) -> None:
    """Take a finished excerpt.

    Raises
    ------
    Gone
        If it is none: it cannot be decoded, or is of another length.
    """
    with atomic_write(song) as path:
        path.write_bytes(content)
        decoder = Decoder(path)
        try:
            list(decoder)
        except SongError as error:
            raise Gone(str(error)) from None
        if abs(decoder.record["seconds"] - row["seconds"]) > 1:
            raise Gone(f"an excerpt has {row['seconds']} s, and this file {decoder.record['seconds']:.0f}")


def make_songs(songs: pd.DataFrame, folder: Path, source: Path | None, host: str) -> dict[str, str]:
    """Make the songs that are missing in a folder; returns those that cannot be had, and why.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of the table.
    folder : Path
        Where the songs go.
    source : Path, optional
        The folder that has them; without it they are fetched.
    host : str
        Where the repositories are.
    """
    gone: dict[str, str] = {}
    for _, row in tqdm(songs.iterrows(), total=len(songs), unit=" songs"):
        song = folder / row["song"]
        if song.exists():
            continue
        try:
            content = read(row, source) if source else fetch(row, host)
            (cut if blob_id(content) == row["blob"] else copy)(content, row, song)
        except Gone as error:
            gone[row["song"]] = f"{error} ({row['repository']}, {row['blob'][:12]})"
    return gone


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=terminal.folder, metavar="DIR", help="where the songs go")
    parser.add_argument(
        "--from", type=terminal.folder, dest="source", metavar="DIR", help="take songs from this folder"
    )
    parser.add_argument("--host", default=HOST, metavar="URL", help="where the repositories are (default: %(default)s)")
    parser.add_argument("--songs", type=Path, default=SONGS, metavar="FILE.csv", help="another table of songs")
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Make what is missing, and name what cannot be had."""
    args = parse_args(argv)
    songs = pd.read_csv(args.songs)
    check_table(songs)
    gone = make_songs(songs, args.folder, args.source, args.host)
    print(f"{len(songs) - len(gone)} of {counted(len(songs), 'song')} in {args.folder}")
    terminal.say(wording.left_out_lines(gone))
    return terminal.LEFT_OUT if gone else terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
