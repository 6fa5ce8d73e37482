"""Name the songs of your library that sound most like a song, or several, and say why.

python recommend.py "New song.mp3"                     # a file
python recommend.py photograph --playlist alike.m3u8   # a song of the library, by a part of its title or path
python recommend.py photograph fireball                # like both
python recommend.py photograph --path-to fireball      # from one to the other, in small steps
python recommend.py --artists                          # who sounds like whom
python recommend.py --page                             # all songs on a map to click through
"""

import argparse
import sys

from soundalike import cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, asks=True)
    parser.add_argument(
        "songs",
        nargs="*",
        type=cli.words,
        metavar="SONG",
        help="audio file, or part of the title or path of a song you have",
    )
    parser.add_argument(
        "-n", "--count", type=cli.positive, metavar="N", help="how many to name (default: 10; of artists 3)"
    )
    parser.add_argument(
        "--per-artist", type=cli.positive, metavar="N", help="how many songs by one artist (default: 2)"
    )
    parser.add_argument("--other-albums", action="store_true", help="name no songs of the artist's same album")
    parser.add_argument(
        "--only", choices=("sung", "instrumental"), help="name only songs in which somebody sings, or nobody does"
    )
    parser.add_argument(
        "--without", type=cli.words, action="append", metavar="SONG", help="leave this song out; repeatable"
    )
    parser.add_argument("--far", action="store_true", help="go on where songs are hardly alike")
    parser.add_argument("--path-to", type=cli.words, metavar="SONG", help="name a way to this song, in small steps")
    parser.add_argument("--artists", action="store_true", help="name artists that sound alike; each SONG is an artist")
    parser.add_argument(
        "--playlist", type=cli.output(".m3u8"), metavar="FILE", help="write the songs as a playlist that ends in .m3u8"
    )
    parser.add_argument(
        "--page", action="store_true", help="make the map of all songs again: report/map.html in the library"
    )
    parser.add_argument("--verbose", action="store_true", help="print the numbers behind the words, too")
    args = parser.parse_args(argv)
    if not args.songs and not args.artists and not args.page:
        parser.error("name a song, or ask for --artists or --page")
    of_songs = args.path_to or args.playlist or args.without or args.far or args.other_albums or args.only
    if not args.songs and of_songs:
        parser.error("name the song that these options are about")
    if args.artists and (of_songs or args.per_artist):
        parser.error("--artists goes with --count and --verbose alone")
    if args.path_to and (len(args.songs) > 1 or args.far):
        parser.error("--path-to takes one song (a title of several words in quotes), and no --far")
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Print songs or artists that are alike, and write a playlist if asked to; returns the exit status."""
    args = parse_args(argv)
    cli.find_library(args)
    from soundalike.library import storage  # after --help, which needs none of it
    from soundalike.library.errors import printable
    from soundalike.library.paths import MAP
    from soundalike.report import alike
    from soundalike.similarity import index

    cli.check_quotes(args.songs)
    cli.print_note(args.library)
    with storage.unless_running(args.library):
        library = index.load_index(args.library)
    if args.page:
        from soundalike.report import map_page  # which draws, and takes a second

        map_page.write_map(library, args.library, args.library / MAP)
        print(f"Open it in a browser: {printable(args.library / MAP)}")
        if not args.songs and not args.artists:
            return cli.ALL_GOOD
    if args.artists:
        return alike.print_artists(args, library)
    return alike.print_path(args, library) if args.path_to else alike.print_songs(args, library)


if __name__ == "__main__":
    sys.exit(main())
