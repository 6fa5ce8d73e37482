"""Say who a song is by, and how surely.

python predict.py "New song.mp3"           # by the model that modeling.ipynb saved
python predict.py *.mp3 --data ~/library   # several songs, another library's model
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import terminal
from classifiers import Saved, join_clips, load
from feature_extraction import describe_file
from library import DEMUXERS, SongError, printable, unsupported


class Verdict(NamedTuple):
    """What the model says of one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # probability of each artist for each clip that is not silent
    known: bool  # whether the model learned from this very recording

    @property
    def agreeing(self) -> int:
        """How many clips are, alone, given to the artist that the song is given to."""
        return int((self.clips.idxmax(axis=1) == self.song.index[0]).sum())

    def __str__(self) -> str:
        first, *others = [f"{printable(artist)} {p:.2f}" for artist, p in self.song.items()]
        runners_up = f"; next {', '.join(others[:2])}" if others else ""
        known = ". The model learned from this very song, so it should know" if self.known else ""
        return f"{first}  ({self.agreeing} of {terminal.counted(len(self.clips), 'clip')} agree{runners_up}){known}"


def judge(path: Path, saved: Saved) -> Verdict:
    """Who a song is by.

    Parameters
    ----------
    path : Path
        An audio file.
    saved : Saved
        The model, from `classifiers.load`.

    Raises
    ------
    SongError
        If the file is no usable song.
    """
    if path.is_dir():
        raise SongError("a folder; name the songs in it")
    if not path.exists():
        raise SongError("there is no such file")
    if path.suffix.lower() not in DEMUXERS:
        raise SongError(unsupported(path.suffix))
    table, record = describe_file(path)
    if table is None:
        raise SongError(f"{record['status']}: {record['reason']}")
    table = table[~table["silent"]]
    clips = saved.probabilities(table)
    song = join_clips(clips, pd.Series("song", index=clips.index)).iloc[0]
    known = record["hash"] in saved.info["songs"].values()
    return Verdict(song.sort_values(ascending=False), clips, known)


def work(args: argparse.Namespace) -> int:
    """Print a verdict for each song."""
    saved = load(args.data)
    terminal.print_note(args.data)
    failed = {}
    for path in args.songs:
        try:
            verdict = judge(path.expanduser(), saved)
        except SongError as error:
            failed[str(path)] = str(error)
        else:
            print(f"{printable(path)}\n  {verdict}")
    terminal.print_left_out(failed, title="No verdict")
    if len(failed) == len(args.songs):
        return terminal.NOTHING_USABLE
    return terminal.LEFT_OUT if failed else terminal.ALL_GOOD


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG", help="audio file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
