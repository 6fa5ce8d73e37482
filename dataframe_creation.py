"""Step 3: gather the tables of all good songs into one labelled, checked frame.

    python dataframe_creation.py               # the tables that feature_extraction.py made
    python dataframe_creation.py --status      # how far the three steps are; it changes nothing

Writes the folder data/df_music.parquet, one frame in files of about 128 MB that pandas, Dask, DuckDB
and Spark read as it is, and up to a size the same as data/df_music.pkl, which the notebooks load. Songs
that songs.csv does not call good today are not in it.
"""

import argparse
import sys

from soundalike import cli
from soundalike.dataset.frame import work


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    cli.add_worker_arguments(parser)
    parser.add_argument("--status", action="store_true", help="say how far the three steps are, and stop")
    parser.add_argument(
        "--pickle-limit",
        type=cli.number("a size in gigabytes", below=1e6, zero=True),
        default=1.0,
        metavar="GB",
        help="write no larger pickle",
    )
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    args = parse_args(argv)
    pass  # after --help, which needs none of it

    return work(args)


if __name__ == "__main__":
    sys.exit(main())
