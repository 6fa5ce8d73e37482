"""Say who songs are by, how surely, and when.

python predict.py "New song.mp3"                 # by the model that modeling.ipynb saved
python predict.py ~/Unsorted --csv guesses.csv   # a folder: proposals in a table, files stay as they are
python predict.py *.mp3 --plot pictures          # and a picture of each
"""

import argparse
import sys
from pathlib import Path

from soundalike import cli
from soundalike.report import answers


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("songs", type=Path, nargs="+", metavar="SONG_OR_FOLDER", help="audio file, or folder of them")
    parser.add_argument("--plot", type=cli.folder, metavar="DIR", help="draw a picture of each song there")
    for kind in ("csv", "json"):
        parser.add_argument(
            f"--{kind}",
            type=cli.output(f".{kind}", or_stdout=True),
            metavar="FILE",
            help=f"write the verdicts to a file that ends in .{kind}; - prints them instead of words",
        )
    cli.add_worker_arguments(parser)
    args = parser.parse_args(argv)
    if args.csv == args.json == cli.STDOUT:
        parser.error("--csv and --json cannot both be printed; name a file for one of them")
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    args = parse_args(argv)
    pass  # after --help, which needs none of it

    return answers.work(args)


if __name__ == "__main__":
    sys.exit(main())
