"""Name the songs of your library that sound most like a song, and say why.

python recommend.py "New song.mp3"                     # a file
python recommend.py photograph --playlist alike.m3u8   # a song of the library, by a part of its title or path
"""

import argparse
import sys

from soundalike import cli
from soundalike.similarity import playlists


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("song", metavar="SONG", help="audio file, or part of the title or path of a song you have")
    parser.add_argument("--count", type=cli.positive, default=10, metavar="N", help="how many to name")
    parser.add_argument("--other-albums", action="store_true", help="name no songs of the same album")
    parser.add_argument(
        "--playlist", type=cli.output(".m3u8"), metavar="FILE", help="write them as a playlist, ending in .m3u8"
    )
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    args = parse_args(argv)
    pass  # after --help, which needs none of it

    return playlists.work(args)


if __name__ == "__main__":
    sys.exit(main())
