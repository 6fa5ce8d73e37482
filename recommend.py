"""Name the songs of your library that sound most like a song, or several, and say why.

python recommend.py "New song.mp3"                     # a file
python recommend.py photograph --playlist alike.m3u8   # a song of the library, by a part of its title or path
python recommend.py photograph pitbull --less gasolina # like a song and an artist, and unlike another song
python recommend.py liked.m3u8 --extend                # a playlist, written back longer
python recommend.py photograph --path-to fireball      # from one to the other, in small steps
python recommend.py --artists                          # who sounds like whom
"""

import argparse
import sys
from pathlib import Path

from soundalike import terminal
from soundalike.playlist_files import SUFFIXES

SONGS_NAMED, GROUPS_NAMED = 10, 3  # unless more are asked for
PER_ARTIST = 2  # of these songs, at most


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__, asks=True)
    parser.usage = "%(prog)s [options] [SONG ...]"
    parser.add_argument(
        "songs",
        nargs="*",
        type=terminal.name,
        metavar="SONG",
        help="audio file, playlist, or in the library an artist, album, folder, or part of a title or path",
    )
    more = parser.add_argument_group("what else is asked")
    more.add_argument("--less", type=terminal.name, action="append", metavar="SONG", help="not like this; repeatable")
    more.add_argument(
        "--path-to", type=terminal.name, action="append", metavar="SONG", help="the way to it; repeatable"
    )
    instead = more.add_mutually_exclusive_group()
    instead.add_argument("--artists", action="store_true", help="artists that sound alike; each SONG is an artist")
    instead.add_argument("--albums", action="store_true", help="albums that sound alike; each SONG is an album")
    instead.add_argument("--tags", action="store_true", help="the tags that --tag knows, and how many songs have each")
    which = parser.add_argument_group("which are named")
    which.add_argument("-n", "--count", type=terminal.positive, metavar="N", help="how many (10; artists or albums: 3)")
    which.add_argument("--per-artist", type=terminal.positive, metavar="N", help="songs by one artist (default: 2)")
    which.add_argument("--again", type=terminal.positive, metavar="N", help="others: leave out the first N")
    which.add_argument("--without", type=terminal.name, action="append", metavar="SONG", help="not this; repeatable")
    which.add_argument("--other-albums", action="store_true", help="leave out the album of SONG")
    which.add_argument("--far", action="store_true", help="also songs that are hardly alike")
    terminal.add_filter_arguments(parser.add_argument_group("only songs that pass all of these"), seeds=True)
    written = parser.add_argument_group("what is written")
    written.add_argument("--playlist", type=terminal.output(".m3u8"), metavar="FILE", help="a playlist ending in .m3u8")
    written.add_argument("--extend", action="store_true", help="the playlist SONG itself, longer and in a good order")
    json_file = terminal.output(".json", or_stdout=True)
    written.add_argument("--json", type=json_file, metavar="FILE", help="for programs; - prints it instead of words")
    written.add_argument("--page", action="store_true", help="the map of all songs: report/map.html in the library")
    written.add_argument("--new-map", action="store_true", help="the same, with all songs laid out anew")
    written.add_argument("--verbose", action="store_true", help="the numbers behind the words, too")
    args = parser.parse_args(argv)
    args.page = args.page or args.new_map
    instead_of_songs = args.artists or args.albums or args.tags
    if not args.songs and not (instead_of_songs or (args.page and not args.json)):
        parser.error("name a song, or ask for --artists, --albums, --tags, or for --page without --json")
    of_list = args.path_to or args.less or args.extend or args.again or args.far or args.playlist or args.without
    of_list = of_list or args.other_albums or args.per_artist or args.filters
    if of_list and (instead_of_songs or not args.songs):
        parser.error("these options are about songs alike: name a SONG, without --artists, --albums and --tags")
    if args.tags and args.songs:
        parser.error("--tags counts the tags of all songs: name none")
    if args.path_to and (len(args.songs) > 1 or args.far or args.less or args.again or args.extend):
        parser.error("--path-to takes one song (in quotes), and no --far, --less, --again or --extend")
    if args.extend and (len(args.songs) > 1 or Path(args.songs[0]).suffix.lower() not in SUFFIXES):
        parser.error("--extend takes one playlist: .m3u, .m3u8 or .pls")
    if args.playlist in map(terminal.resolve, args.songs):
        parser.error("--playlist would replace the playlist that you ask about; --extend writes it back longer")
    return args


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Print songs or artists that are alike, and write a playlist if asked to; returns the exit status."""
    args = parse_args(argv)
    root = terminal.find_library(args)
    from soundalike import groups, library, playlists, similarity, traits, wording  # after --help, which needs none
    from soundalike.messages import printable
    from soundalike.playlist_files import Playlist, write_playlist
    from soundalike.seeds import find_places, find_seeds, names_of

    terminal.check_quotes(args.songs)
    say = terminal.say if args.json != terminal.STDOUT else lambda lines: None
    say(terminal.note_lines(root))
    with library.unless_running(root):
        index = similarity.load_index(root)
    if args.page:
        from soundalike import map_page  # which draws, and takes a second

        map_page.write_map(index, root, root / library.MAP, anew=args.new_map)
        say([f"Open it in a browser: {printable(root / library.MAP)}"])
    if args.tags:
        counts = traits.tag_counts(index.songs)
        say(wording.tag_lines(counts))
        terminal.write_json({"tags": counts.to_dict()}, args.json)
    if args.artists or args.albums:
        group_of = groups.group_names(index, albums=args.albums)
        places = [place for asked in args.songs for place in find_places(asked, index, root)]
        portraits = groups.compare_groups(index, group_of, places, args.count or GROUPS_NAMED)
        say(wording.group_lines(portraits, index, numbers=args.verbose))
        kind = "albums" if args.albums else "artists"
        terminal.write_json({kind: groups.records(portraits, index)}, args.json)
    if args.artists or args.albums or not args.songs:
        return terminal.ALL_GOOD
    several = index.songs["artist"].nunique() > 1  # where all songs are by one artist, any number of them is named
    per_artist = args.per_artist or PER_ARTIST if several else len(index.songs)
    limits = {"far": args.far, "other_albums": args.other_albums, "again": args.again or 0}
    rules = playlists.Rules(args.count or SONGS_NAMED, per_artist, filters=args.filters, **limits)
    seeds, less, without = (find_seeds(asked or (), index, root) for asked in (args.songs, args.less, args.without))
    stops = [seed for asked in args.path_to or () for seed in find_seeds([asked], index, root)]
    barred, counts = playlists.bar_songs([*seeds, *stops], without, less, index, rules)
    say(wording.filter_lines(counts, int((~barred).sum())))
    if stops:
        legs = playlists.find_ways(index, [*seeds, *stops], barred, rules)
        say(wording.way_lines([*seeds, *stops], legs, index, numbers=args.verbose))
        listed = [seeds[0].entry]
        for stop, (songs, _) in zip(stops, legs, strict=True):
            listed += [*playlists.entries(songs, root), stop.entry]
        answer: dict = {"stops": [playlists.way_record(*leg, root) for leg in zip(stops, legs, strict=True)]}
    else:
        songs, why = playlists.fill(index, seeds, less, barred, rules)
        songs, names = playlists.add_moments(songs, seeds, index), (names_of(seeds), names_of(less))
        say(wording.alike_lines(*names, songs, why, rules, index, numbers=args.verbose))
        listed = [*(seed.entry for seed in seeds), *playlists.entries(songs, root)]
        answer = {"songs": playlists.records(songs, root)}
    about = {"asked": names_of(seeds), "less": names_of(less), "without": names_of(without), "filters": counts}
    terminal.write_json(about | answer, args.json)
    left_out: dict = {}
    if args.playlist:
        usable, left_out = playlists.sort_out(listed)
        write_playlist(Playlist(usable), args.playlist)
        say(wording.playlist_lines(len(usable), left_out, args.playlist))
    if args.extend:
        path = Path(args.songs[0]).resolve()
        count, left_out = playlists.extend(path, songs, index, root, rules.per_artist)
        say(wording.playlist_lines(count, left_out, path, added=len(songs) - len(left_out)))
    return terminal.exit_status(len(listed), len(left_out))


if __name__ == "__main__":
    sys.exit(main())
