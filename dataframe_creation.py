"""Step 3: gather the tables of all good songs into one labelled, checked frame.

    python dataframe_creation.py               # the tables that feature_extraction.py made
    python dataframe_creation.py --networks none   # models are to do without the published networks
    python dataframe_creation.py --status      # how far the three steps are; it changes nothing

Writes the folder data/df_music.parquet, one frame in files of about 128 MB that pandas, Dask, DuckDB
and Spark read as it is, and up to a size the same as data/df_music.pkl. Songs that songs.csv does not call
good today are not in it.
"""

import argparse
import sys

from soundalike import cli

PICKLE_LIMIT = 1.0  # GB; the notebooks hold several copies of what is in it


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--status", action="store_true", help="say how far the three steps are, and stop")
    parser.add_argument(
        "--pickle-limit",
        type=cli.number("a size in gigabytes", most=1e6, zero=True),
        default=PICKLE_LIMIT,
        metavar="GB",
        help="write no larger pickle",
    )
    cli.add_network_arguments(parser)
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Make the frame if it is out of date, and say what is in it; returns the exit status."""
    args = parse_args(argv)
    from soundalike.dataset import frame  # after --help, which needs none of it
    from soundalike.features import networks
    from soundalike.library.catalogue import good_songs
    from soundalike.library.storage import locked

    if args.status:
        from soundalike.report.summary import print_left_out

        print(*frame.status(args.library), sep="\n")
        print_left_out(args.library)
        return cli.ALL_GOOD
    good = good_songs(args.library)
    cli.print_note(args.library)
    with locked(args.library):
        written = frame.write_frame(good, args.library, networks.choose(args.networks), args.pickle_limit)
    frame.print_written(written, args.library)
    cli.print_left_out(written.left_out)
    if written.left_out:
        print(f"To make missing tables: {cli.command('feature_extraction.py', args.library)}, then this again.")
    return cli.LEFT_OUT if written.left_out else cli.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
