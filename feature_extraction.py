"""Step 2: describe every clip by one row of numbers.

    python feature_extraction.py               # the clips that mp3_split.py cut
    python feature_extraction.py --from-songs  # the songs themselves, without step 1: no clip is kept on disk
    python feature_extraction.py --embeddings musicnn   # also what a published network hears (needs its weights)
    python feature_extraction.py --list        # the columns, with unit, meaning and source

Writes one table (Parquet) for each song under data/features/; from songs, also songs.csv. Running it
again does only what is missing or out of date.
"""

import argparse
import sys

from soundalike import cli
from soundalike.features import extraction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--list", action="store_true", help="print every column and its meaning, and stop")
    parser.add_argument(
        "--embeddings", choices=("musicnn",), help="also have a published network listen; twice as slow or slower"
    )
    cli.add_worker_arguments(parser)
    parser.add_argument("--from-songs", action="store_true", help="listen to the songs instead of their clips")
    cli.add_song_arguments(parser.add_argument_group("with --from-songs, as in mp3_split.py"))
    args = parser.parse_args(argv)
    for name in ("songs", "label_by", "max_hours"):
        if getattr(args, name) != parser.get_default(name) and not args.from_songs:
            parser.error(f"--{name.replace('_', '-')} goes with --from-songs")
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    args = parse_args(argv)
    pass  # after --help, which needs none of it

    return extraction.work(args)


if __name__ == "__main__":
    sys.exit(main())
