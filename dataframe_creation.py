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

from soundalike import terminal

PICKLE_LIMIT = 1.0  # GB; the notebooks hold several copies of what is in it


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--status", action="store_true", help="say how far the three steps are, and stop")
    parser.add_argument(
        "--pickle-limit",
        type=terminal.number("a size in gigabytes", most=1e6, zero=True),
        default=PICKLE_LIMIT,
        metavar="GB",
        help="write no larger pickle",
    )
    terminal.add_network_arguments(parser)
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Make the frame if it is out of date, and say what is in it; returns the exit status."""
    args = parse_args(argv)
    from soundalike import frame, library, model, networks, wording  # after --help, which needs none of it

    root = args.library
    if args.status:
        terminal.say(wording.status_lines(frame.status(root)))
        if (root / "songs.csv").exists():
            files = library.read_songs(root)
            terminal.say(wording.table_lines(files[~files["status"].isin(library.GOOD)], root / "songs.csv"))
            terminal.say(wording.not_learned_lines(model.read_left_out(root), files, root))
        return terminal.ALL_GOOD
    good = library.good_songs(root)
    terminal.say(terminal.note_lines(root))
    with library.locked(root):
        written = frame.write_frame(good, root, networks.choose(args.networks), args.pickle_limit)
    terminal.say(wording.frame_lines(written, root))
    return terminal.LEFT_OUT if written.left_out else terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
