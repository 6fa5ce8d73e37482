"""Step 2: describe every clip by numbers.

    python feature_extraction.py               # the clips that mp3_split.py cut
    python feature_extraction.py --from-songs  # the songs themselves, without step 1: no clip is kept on disk
    python feature_extraction.py --networks none   # by the features alone, without the published networks
    python feature_extraction.py --list        # the columns, with unit, meaning and source

Writes one table (Parquet) for each song under data/features/: a row for each clip, with its features and, for some
windows, the embeddings by two published networks, one of music and one of voices. A third network finds where somebody
sings. From songs, also songs.csv.
Running it again does only what is missing or out of date.
"""

import argparse
import sys

from soundalike import terminal


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--list", action="store_true", help="print every column and its meaning, and stop")
    terminal.add_network_arguments(parser)
    parser.add_argument(
        "--network-share",
        type=terminal.number("a share above 0, up to 1", most=1),
        metavar="S",
        help="the share of each song that networks describe (default: a quarter for music, three eighths for voices)",
    )
    terminal.add_worker_arguments(parser)
    parser.add_argument("--from-songs", action="store_true", help="describe the songs themselves, without their clips")
    terminal.add_song_arguments(parser.add_argument_group("with --from-songs, as in mp3_split.py"))
    args = parser.parse_args(argv)
    for name in ("songs", "label_by", "max_hours"):
        if getattr(args, name) != parser.get_default(name) and not args.from_songs:
            parser.error(f"--{name.replace('_', '-')} goes with --from-songs")
    return args


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Describe all good songs; returns the exit status."""
    args = parse_args(argv)
    from soundalike import features, library, networks, survey, wording  # after --help, which needs none of it
    from soundalike.pool import Workers

    if args.list:
        print(*features.column_lines(), *networks.column_lines(), sep="\n")
        return terminal.ALL_GOOD
    root, workers = args.library, Workers(args.jobs, args.scheduler)
    spacings = networks.spacings(args.networks, args.network_share)
    if args.from_songs:
        music = survey.Music(root, args.songs or root / "songs", args.label_by, args.max_hours)
        table, processed = survey.describe_songs(music, spacings, workers)
        lines = wording.songs_lines(table, processed, root / "features", music.songs)
        songs, left_out = len(table), int((~table["status"].isin(library.GOOD)).sum())
    else:
        described = survey.describe_good_songs(root, spacings, workers)
        lines = wording.described_lines(described, spacings, root)
        left_out = len(described.left_out)
        songs = described.songs + left_out
    terminal.say(terminal.note_lines(root))
    terminal.say(lines)
    return terminal.exit_status(songs, left_out)


if __name__ == "__main__":
    sys.exit(main())
