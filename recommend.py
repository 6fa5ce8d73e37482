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

from soundalike import terminal

SONGS_NAMED, ARTISTS_NAMED = 10, 3  # unless more are asked for
PER_ARTIST = 2  # of these songs, at most


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__, asks=True)
    parser.add_argument(
        "songs",
        nargs="*",
        type=terminal.name,
        metavar="SONG",
        help="audio file, or part of the title or path of a song you have",
    )
    parser.add_argument(
        "-n", "--count", type=terminal.positive, metavar="N", help="how many to name (default: 10; of artists 3)"
    )
    parser.add_argument(
        "--per-artist", type=terminal.positive, metavar="N", help="how many songs by one artist (default: 2)"
    )
    parser.add_argument("--other-albums", action="store_true", help="name no songs of the artist's same album")
    parser.add_argument(
        "--only", choices=("sung", "instrumental"), help="name only songs in which somebody sings, or nobody does"
    )
    parser.add_argument(
        "--without", type=terminal.name, action="append", metavar="SONG", help="leave this song out; repeatable"
    )
    parser.add_argument("--far", action="store_true", help="go on where songs are hardly alike")
    parser.add_argument("--path-to", type=terminal.name, metavar="SONG", help="name a way to this song, in small steps")
    parser.add_argument("--artists", action="store_true", help="name artists that sound alike; each SONG is an artist")
    parser.add_argument(
        "--playlist",
        type=terminal.output(".m3u8"),
        metavar="FILE",
        help="write the songs as a playlist that ends in .m3u8",
    )
    parser.add_argument(
        "--page", action="store_true", help="make the map of all songs again: report/map.html in the library"
    )
    parser.add_argument("--verbose", action="store_true", help="print the numbers behind the words, too")
    args = parser.parse_args(argv)
    if not args.songs and not args.artists and not args.page:
        parser.error("name a song, or ask for --artists or --page")
    of_songs = args.path_to or args.playlist or args.without or args.far or args.other_albums or args.only
    if args.artists and (of_songs or args.per_artist):
        parser.error("--artists goes with --count, --page and --verbose alone")
    if not args.songs and of_songs:
        parser.error("name the song that these options are about")
    if args.path_to and (len(args.songs) > 1 or args.far):
        parser.error("--path-to takes one song (a title of several words in quotes), and no --far")
    return args


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Print songs or artists that are alike, and write a playlist if asked to; returns the exit status."""
    args = parse_args(argv)
    root = terminal.find_library(args)
    from soundalike import library, playlists, similarity, wording  # after --help, which needs none of it
    from soundalike.messages import Problem, UserError, printable

    terminal.check_quotes(args.songs)
    terminal.print_note(root)
    with library.unless_running(root):
        index = similarity.load_index(root)
    if args.page:
        from soundalike import map_page  # which draws, and takes a second

        map_page.write_map(index, root, root / library.MAP)
        print(f"Open it in a browser: {printable(root / library.MAP)}")
    if args.artists:
        portraits = playlists.compare_artists(
            index, playlists.find_artists(args.songs, index), args.count or ARTISTS_NAMED
        )
        terminal.say(wording.artist_lines(portraits, index, numbers=args.verbose))
    if args.artists or not args.songs:
        return terminal.ALL_GOOD
    several = index.songs["artist"].nunique() > 1  # where all songs are by one artist, any number of them is named
    per_artist = args.per_artist or PER_ARTIST if several else len(index.songs)
    rules = playlists.Rules(args.count or SONGS_NAMED, per_artist, args.far)
    seeds = playlists.find_seeds(args.songs, index, root)
    ends = playlists.find_seeds([args.path_to], index, root) if args.path_to else []
    if ends and seeds[0].is_same(ends[0]):
        raise UserError(Problem.ENDS_MEET, song=str(seeds[0]))
    without = [playlists.find_seed(asked, index, root) for asked in args.without or ()]
    barred = playlists.bar_songs([*seeds, *ends], without, index, other_albums=args.other_albums, only=args.only)
    if ends:
        songs, steps = playlists.find_path(index, seeds[0], ends[0], barred, rules)
        lines = wording.path_lines(str(seeds[0]), str(ends[0]), songs, steps, index, numbers=args.verbose)
    else:
        songs, why = playlists.fill(index, seeds, barred, rules)
        lines = wording.alike_lines(list(map(str, seeds)), songs, why, rules, index, numbers=args.verbose)
    terminal.say(lines)
    if not args.playlist:
        return terminal.ALL_GOOD
    entries = [*map(playlists.entry, seeds), *playlists.entries(songs, root), *map(playlists.entry, ends)]
    count, left_out = playlists.write_playlist(entries, args.playlist)
    terminal.say(wording.playlist_lines(count, left_out, args.playlist))
    return terminal.exit_status(len(entries), len(left_out))


if __name__ == "__main__":
    sys.exit(main())
