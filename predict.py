"""Say who songs are by, how surely, and when.

python predict.py "New song.mp3"                 # by the model of your library
python predict.py ~/Unsorted --csv guesses.csv   # a folder: a line a song, and a table; files stay as they are
python predict.py ~/Unsorted --sort-into ~/Music # and a script, to look at, that would move them to their artists
python predict.py *.mp3 --plot pictures          # and a picture of each
python predict.py photograph                     # a song of the library, by a part of its title or path
python predict.py --audit                        # songs of the library that may be filed under the wrong artist
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from soundalike import terminal

if TYPE_CHECKING:
    from soundalike.similarity import Index


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__, asks=True)
    parser.add_argument(
        "songs",
        type=lambda text: Path(terminal.name(text)),
        nargs="*",
        metavar="SONG_OR_FOLDER",
        help="audio file, folder of them, or part of the title of a song you have",
    )
    parser.add_argument("--audit", action="store_true", help="name songs of the library that may be misfiled")
    parser.add_argument("--full", action="store_true", help="all of each answer, not a line a song")
    parser.add_argument("--plot", type=terminal.output_folder, metavar="DIR", help="draw a picture of each song there")
    parser.add_argument(
        "--page",
        type=terminal.output(".html"),
        metavar="FILE",
        help="write a map to click through, with the songs among those of the library, to a file that ends in .html",
    )
    parser.add_argument(
        "--sort-into",
        type=terminal.output_folder,
        metavar="DIR",
        help="write a script, sort-songs.sh in this folder, that would move songs to their artists' folders there",
    )
    parser.add_argument("--strict", action="store_true", help="say unknown artist? more often, also of your artists")
    parser.add_argument("--verbose", action="store_true", help="print the numbers behind the words, too")
    for kind in ("csv", "json"):
        parser.add_argument(
            f"--{kind}",
            type=terminal.output(f".{kind}", or_stdout=True),
            metavar="FILE",
            help=f"write the answers to a file that ends in .{kind}; - prints them instead of words",
        )
    terminal.add_worker_arguments(parser)
    terminal.add_filter_arguments(parser.add_argument_group("answer only for songs that pass all of these"))
    args = parser.parse_args(argv)
    if args.csv == args.json == terminal.STDOUT:
        parser.error("--csv and --json cannot both be printed; name a file for one of them")
    if bool(args.songs) == args.audit:
        parser.error("name a song or a folder, or ask for --audit alone")
    if args.audit and (args.csv or args.plot or args.page or args.sort_into or args.filters):
        parser.error("--audit goes with --json alone")
    return args


def audit(root: Path, index: "Index", json: Path | None, say: Callable[[list[str]], None]) -> int:
    """Name songs of the library that may be filed under the wrong artist; returns the exit status."""
    from soundalike import answer, tidy, wording

    answers = answer.read_predictions(root)
    suspects = tidy.find_suspects(answers, index)
    say(wording.suspect_lines(suspects, len(answers)))
    terminal.write_json({"songs": suspects.drop(columns="either").to_dict("records")}, json)
    return terminal.ALL_GOOD


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Answer for each song, in words, tables and pictures; returns the exit status."""
    args = parse_args(argv)
    root = terminal.find_library(args)
    from soundalike import answer, library, similarity, tidy, wording  # after --help, which needs none of it
    from soundalike.messages import Problem, SongError, UserError, printable
    from soundalike.networks import MUSICNN, VOCALS
    from soundalike.pool import Workers
    from soundalike.recogniser import UNKNOWN
    from soundalike.seeds import of_song
    from soundalike.traits import check_filters, left_none, pass_one

    terminal.check_quotes(list(map(str, args.songs)))
    with library.unless_running(root):
        model, index = answer.find_model(root), similarity.load_index(root)
    tables = {kind: path for kind, path in (("csv", args.csv), ("json", args.json)) if path}
    script = args.sort_into / "sort-songs.sh" if args.sort_into else None
    terminal.check_writable(*tables.values(), *filter(None, (args.page, script)))
    if script and script.exists():
        raise UserError(Problem.SCRIPT_THERE, path=script)
    quiet = terminal.STDOUT in tables.values()
    say = terminal.say if not quiet else lambda lines: None
    say(terminal.note_lines(root))
    if args.audit:
        return audit(root, index, args.json, say)
    files, problems = answer.find_files(args.songs, root, index)
    filed, in_full = answer.filed_songs(root), args.full or len(files) == 1
    rows: dict[Path, dict] = {path: {"problem": str(reason)} for path, reason in problems.items()}
    unknown: dict[Path, tidy.Unknown] = {}
    counts: dict[str, int] = {}
    queries = []
    spacings = answer.spacings_of(model)
    check_filters(args.filters, VOCALS in spacings, MUSICNN in spacings)
    decoded = answer.decode_all(list(files), spacings, Workers(args.jobs, args.scheduler), keep_sound=bool(args.plot))
    try:
        for path, song in decoded:
            if isinstance(song, SongError):
                rows[path] = {"problem": str(song)}
                continue
            seed = of_song(song, path, index, root)
            verdict = answer.answer(song, model, index, seed, strict=args.strict)
            if not pass_one(args.filters, str(path), verdict.traits, counts):
                continue
            rows[path] = verdict.as_dict(full=bool(args.json))
            headline, in_library = wording.headline(verdict), answer.look_up(verdict, filed)
            if in_full:
                lines = wording.answer_lines(verdict, in_library, numbers=args.verbose)
                say([printable(path), *lines])
            else:
                say([wording.answer_row(files[path], verdict)])
            if rows[path]["answer"] == UNKNOWN:
                unknown[path] = tidy.Unknown(seed.described, verdict.tag)
            if args.plot:
                from soundalike import plots  # matplotlib takes a second, and few ask for pictures

                plots.save_verdict(args.plot, files[path], headline, verdict, song.sound, index.songs["artist"])
            if args.page:
                from soundalike import map_page  # which draws, and takes a second

                queries.append(map_page.QuerySong(seed, verdict.probabilities.index[0], headline))
    except (KeyboardInterrupt, Exception) as error:  # what was answered is kept, whatever ends the run
        written = terminal.write_partial({kind: answer.as_text(kind, rows, model) for kind in tables}, tables)
        if not isinstance(error, KeyboardInterrupt):
            raise
        terminal.say_stopped(len(rows), len(files) + len(problems), written)
        return terminal.STOPPED
    failed = {path: row["problem"] for path, row in rows.items() if row["problem"]}
    if counts and not rows:
        raise left_none(counts, len(files))
    families = tidy.find_families(unknown, index)
    say([*wording.filter_lines(counts, len(rows) - len(failed)), *wording.family_lines(families)])
    for kind, path in tables.items():
        terminal.write_text(answer.as_text(kind, rows, model, families), path)
    if queries:
        map_page.write_map(index, root, args.page, queries)
    if script:
        tidy.write_moves(rows, args.sort_into, script)
    written = [*tables.values(), *filter(None, (args.plot, args.page, script))]
    say(wording.outcome_lines(failed, len(rows), written, model.info, strict=args.strict))
    return terminal.exit_status(len(rows), len(failed))


if __name__ == "__main__":
    sys.exit(main())
