"""Say who a song is by, and how surely.

python predict.py "New song.mp3"           # by the model that modeling.ipynb saved
python predict.py *.mp3 --data ~/library   # several songs, another library's model
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import terminal
from feature_extraction import describe_file
from library import DEMUXERS, SongError, printable, unsupported
from model_files import Saved, load
from mp3_split import Listening


class Verdict(NamedTuple):
    """What the model says of one song."""

    song: pd.Series  # probability of each artist, the highest first
    clips: pd.DataFrame  # the same for each clip that is not silent; none if the model judges whole songs only
    known: bool  # whether the model learned from this very recording
    none_below: float | None  # less sure than this, the song is by none of them

    @property
    def agreeing(self) -> int:
        """How many clips are, alone, given to the artist that the song is given to."""
        return int((self.clips.idxmax(axis=1) == self.song.index[0]).sum())

    @property
    def none(self) -> bool:
        """Whether the song is by none of the artists that the model knows, as far as it can tell."""
        return self.none_below is not None and self.song.iloc[0] < self.none_below

    def __str__(self) -> str:
        first, *others = [f"{printable(artist)} {p:.2f}" for artist, p in self.song.items()]
        first = f"none of these; nearest {first}" if self.none else first
        agree = [f"{self.agreeing} of {terminal.counted(len(self.clips), 'clip')} agree"] if len(self.clips) else []
        told = "; ".join([*agree, *([f"next {', '.join(others[:2])}"] if others else [])])
        known = ". The model learned from this very song, so it should know" if self.known else ""
        return f"{first}  ({told}){known}"


def judge(path: Path, saved: Saved) -> Verdict:
    """Who a song is by.

    Parameters
    ----------
    path : Path
        An audio file.
    saved : Saved
        The model, from `model_files.load`.

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
    loud = (~table["silent"]).to_numpy()
    sounds = (
        np.stack([clip for clip, kept in zip(Listening(path), loud, strict=True) if kept]) if saved.listens else None
    )
    clips, songs = saved.answer(table[loud].assign(song="song"), sounds)
    song = np.exp(songs.iloc[0]).sort_values(ascending=False)
    known = record["hash"] in saved.info["songs"].values()
    return Verdict(song, np.exp(clips), known, saved.info["none_below"])


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
