"""Say who songs are by, how surely, and when.

python predict.py "New song.mp3"                 # by the model of your library
python predict.py ~/Unsorted --csv guesses.csv   # a folder: proposals in a table, files stay as they are
python predict.py *.mp3 --plot pictures          # and a picture of each
python predict.py photograph                     # a song of the library, by a part of its title or path
"""

import argparse
import sys
from pathlib import Path

from soundalike import cli


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__, asks=True)
    parser.add_argument(
        "songs",
        type=lambda text: Path(cli.words(text)),
        nargs="+",
        metavar="SONG_OR_FOLDER",
        help="audio file, folder of them, or part of the title of a song you have",
    )
    parser.add_argument("--plot", type=cli.folder, metavar="DIR", help="draw a picture of each song there")
    parser.add_argument(
        "--page",
        type=cli.output(".html"),
        metavar="FILE",
        help="write a map to click through, with the songs among those of the library, to a file that ends in .html",
    )
    parser.add_argument("--strict", action="store_true", help="call more artists unknown, right answers among them")
    parser.add_argument("--verbose", action="store_true", help="print the numbers behind the words, too")
    for kind in ("csv", "json"):
        parser.add_argument(
            f"--{kind}",
            type=cli.output(f".{kind}", or_stdout=True),
            metavar="FILE",
            help=f"write the answers to a file that ends in .{kind}; - prints them instead of words",
        )
    cli.add_worker_arguments(parser)
    args = parser.parse_args(argv)
    if args.csv == args.json == cli.STDOUT:
        parser.error("--csv and --json cannot both be printed; name a file for one of them")
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Answer for each song, in words, tables and pictures; returns the exit status."""
    args = parse_args(argv)
    cli.find_library(args)
    from soundalike.dataset import frame  # after --help, which needs none of it
    from soundalike.features import networks
    from soundalike.library import storage
    from soundalike.library.errors import SongError, UserError
    from soundalike.report import answers, verdict
    from soundalike.similarity import seeds

    cli.check_quotes(list(map(str, args.songs)))
    with storage.unless_running(args.library):
        model = answers.find_model(args.library)
    tables = {kind: path for kind, path in (("csv", args.csv), ("json", args.json)) if path}
    cli.check_writable(*tables.values(), *filter(None, [args.page]))
    index, why = answers.find_index(args.library)
    if args.page and index is None:
        raise UserError(f"A map takes the songs of the library: {why}")
    songs, problems = answers.find_files(args.songs, args.library, index, why)
    rows = {path: {"problem": reason} for path, reason in problems.items()}
    show, guests = answers.viewer(args, model, songs), []
    try:
        spacings = model.spacings
        if spacings:  # without networks an answer takes a second; with the detector's TensorFlow it would take four
            spacings = spacings | networks.detector(warn=cli.STDOUT not in tables.values())
        if args.page:  # songs are compared by all networks of the library, too
            spacings = frame.current_notes(args.library)["networks"] | spacings
        for path, song in answers.decode_all(list(songs), args, spacings):
            if isinstance(song, SongError):
                rows[path] = {"problem": str(song)}
                show(path, None, None)
                continue
            copies = seeds.find_copies(song, path, index, args.library) if index else None
            said = verdict.answer(song, model, index, copies, strict=args.strict)
            rows[path] = said.as_dict() | (said.in_full() if args.json else {}) | {"problem": ""}
            show(path, song, said)
            if args.page and index:
                from soundalike.report import map_page  # which draws, and takes a second

                guests.append(map_page.as_guest(path, song, said, index))
    except KeyboardInterrupt:
        return answers.keep_partial(tables, rows, len(songs) + len(problems), model)
    for kind, path in tables.items():
        answers.write_answers(kind, rows, model, path)
    if guests and index:
        map_page.write_map(index, args.library, args.page, guests)
    return answers.print_problems(rows, tables, args, model)


if __name__ == "__main__":
    sys.exit(main())
