"""Step 1: cut every song into whole two-second clips.

    python mp3_split.py                        # songs in data/songs/<artist>/[<album>/]
    python mp3_split.py --songs ~/Music        # songs that lie elsewhere; nothing is written there

Writes clips (WAV, mono, 22,050 Hz, 16 bit) under data/clips/ and one row for each song to
data/songs.csv. Running it again does only what is missing or out of date.
"""

import argparse
import sys

from soundalike import cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    cli.add_song_arguments(parser)
    cli.add_worker_arguments(parser)
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Cut all songs, and list what became of each; returns the exit status."""
    args = parse_args(argv)
    from soundalike import survey  # after --help, which needs none of it

    songs, processed = survey.split_songs(args)
    return survey.print_songs(songs, processed, args.library / "clips")


if __name__ == "__main__":
    sys.exit(main())
