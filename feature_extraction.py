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

from soundalike import cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--list", action="store_true", help="print every column and its meaning, and stop")
    cli.add_network_arguments(parser)
    parser.add_argument(
        "--network-share",
        type=cli.number("a share above 0, up to 1", most=1),
        metavar="S",
        help="of each song that networks describe (default: a quarter for music, three eighths for voices)",
    )
    cli.add_worker_arguments(parser)
    parser.add_argument("--from-songs", action="store_true", help="describe the songs themselves, without their clips")
    cli.add_song_arguments(parser.add_argument_group("with --from-songs, as in mp3_split.py"))
    args = parser.parse_args(argv)
    for name in ("songs", "label_by", "max_hours"):
        if getattr(args, name) != parser.get_default(name) and not args.from_songs:
            parser.error(f"--{name.replace('_', '-')} goes with --from-songs")
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Describe all good songs; returns the exit status."""
    args = parse_args(argv)
    from soundalike import survey  # after --help, which needs none of it
    from soundalike.features import networks, table

    if args.list:
        print(*table.column_lines(), *networks.column_lines(), sep="\n")
        return cli.ALL_GOOD
    spacings = networks.spacings(args.networks, args.network_share)
    if args.from_songs:
        songs, processed = survey.describe_songs(args, spacings)
        return survey.print_songs(songs, processed, args.library / "features")
    return survey.print_described(survey.describe_good_songs(args, spacings), spacings, args.library)


if __name__ == "__main__":
    sys.exit(main())
