"""Name the songs of your library that sound most like a song, and say why.

python recommend.py "New song.mp3"                     # a file
python recommend.py photograph --playlist alike.m3u8   # a song of the library, by a part of its title or path
"""

import argparse
import sys

from soundalike import cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, asks=True)
    parser.add_argument("song", metavar="SONG", help="audio file, or part of the title or path of a song you have")
    parser.add_argument("--count", type=cli.positive, default=10, metavar="N", help="how many to name")
    parser.add_argument("--other-albums", action="store_true", help="name no songs of the same album")
    parser.add_argument(
        "--playlist", type=cli.output(".m3u8"), metavar="FILE", help="write them as a playlist, ending in .m3u8"
    )
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Print the songs that sound most alike, and write a playlist if asked to; returns the exit status."""
    args = parse_args(argv)
    cli.find_library(args)
    from soundalike.similarity import index, playlists  # after --help, which needs none of it

    cli.print_note(args.data)
    library = index.load_index(args.data)
    seed = playlists.find_seed(args.song, library, args.data)
    excluded = playlists.same_album(seed, library) if args.other_albums else seed.itself
    alike = index.nearest_songs(library, seed.described, excluded, args.count)
    playlists.print_alike(seed, alike, library)
    return playlists.write_playlist(alike, args.data, args.playlist) if args.playlist else cli.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
