"""Run all steps in order: songs, clips, features, frame, model, the answer for a held-out song, map, both notebooks.

    python -m soundalike                       # music in data/songs/; a demo if there is none
    python -m soundalike ~/Music               # music that lies elsewhere; nothing is written there
    python -m soundalike ~/Music --from-songs  # the same without clips on disk, for thousands of songs

The executed notebooks, also as web pages, go to report/ in the library.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from soundalike import library, packages, terminal
from soundalike.messages import UserError, counted, printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.prog = "python -m soundalike"
    parser.epilog = "exit status: 0 when all steps were done, even if songs were left out; else that of the step"
    parser.add_argument("music", type=terminal.folder, nargs="?", metavar="MUSIC", help="the same as --songs MUSIC")
    terminal.add_song_arguments(parser)
    terminal.add_worker_arguments(parser)
    terminal.add_network_arguments(parser)
    parser.add_argument("--from-songs", action="store_true", help="keep no clips on disk; notebooks then play nothing")
    parser.add_argument(
        "--install", choices=packages.GROUPS, help="only install a group of packages, see requirements.txt"
    )
    parser.add_argument("--report", action="store_true", help="only make web pages of the notebooks in report/ again")
    parser.add_argument("--verbose", action="store_true", help="end with all scores (VERBOSE=1 for make)")
    args = parser.parse_args(argv)
    if args.music and args.songs:
        parser.error("MUSIC and --songs are the same option: give one")
    args.songs = args.songs or args.music
    return args


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Run everything; returns the exit status."""
    args = parse_args(argv)
    if args.install:
        packages.need(args.install)
        return terminal.ALL_GOOD
    from soundalike import splits, survey  # after --help, which needs none of it

    if args.report:
        packages.need("notebooks")
        from soundalike import notebooks

        for name in notebooks.NOTEBOOKS:
            notebooks.write_page(name, args.library)
        report = args.library / "report"
        print(f"Look at {printable(report / 'visualizations.html')} and modeling.html beside it.")
        return terminal.ALL_GOOD
    started = time.monotonic()
    root, songs = find_music(args.songs, args.library)
    survey.check_root(root, songs)
    found, _ = library.find_songs(songs)
    if args.label_by == "folder":
        splits.check_folders(found)
    with library.running(root):
        make_frame(args, root, songs, found)
        answer_and_report(root, started, verbose=args.verbose)
    terminal.remember_root(root)
    return terminal.ALL_GOOD


def find_music(songs: Path | None, root: Path) -> tuple[Path, Path]:
    """Find the music that is meant: what was named, what lies in the root, that of last time, or the demo.

    Parameters
    ----------
    songs : Path or None
        The folder that was named, if any.
    root : Path
        Of the library.

    Returns
    -------
    root, songs : Path
        The library to use, and the folder of its songs. The demo has a library of its own.
    """
    from soundalike import demo
    from soundalike.library import find_songs, songs_folder

    in_root = root / "songs"
    if songs:
        return root, songs
    if in_root.is_dir() and any(find_songs(in_root)):
        return root, in_root
    if songs_folder(root) != in_root:
        print(f"Your music as last time: {printable(songs_folder(root))}")
        return root, songs_folder(root)
    print(f"There is no music in {printable(in_root)} yet, so here is the demo.")
    demo.make(root / "demo")
    terminal.say(terminal.note_lines(root / "demo"))
    return root / "demo", root / "demo" / "songs"


def make_frame(args: argparse.Namespace, root: Path, songs: Path, found: list[str]) -> None:
    """Run the three numbered steps on a folder, in which these songs were found."""
    from joblib import cpu_count

    from soundalike import wording
    from soundalike.library import atomic_write, good_songs, locked, read_songs
    from soundalike.pace import Pace
    from soundalike.splits import check_enough

    pace = Pace(root, songs, found, args.jobs or cpu_count(), args.networks != "none")
    if found and not args.scheduler:  # whose pace is not known
        print(wording.pace_line(len(found), len(pace.new), pace.of_all()))
    kept = {path: path.read_bytes() for path in (root / "songs.csv", root / "songs.txt") if path.exists()}
    workers, labels = ("jobs", "scheduler"), ("max_hours", "label_by")
    if args.from_songs:
        given: list[str | Path] = ["--from-songs", "--songs", songs, *forwarded(args, *workers, "networks", *labels)]
        run_script("feature_extraction.py", root, *given)
    else:
        started = time.monotonic()
        run_script("mp3_split.py", root, "--songs", songs, *forwarded(args, *workers, *labels))
        took = time.monotonic() - started
    try:
        good = good_songs(root)
        songs_in_all = len(good) + int((read_songs(root)["status"] == "duplicate").sum())
        check_enough(good["artist"].value_counts(), songs_in_all)  # before long work
    except UserError:
        with locked(root):
            for path, content in kept.items():  # the model and the pages are of these songs
                with atomic_write(path) as target:
                    target.write_bytes(content)
        raise
    if not args.from_songs:
        if pace.new and not args.scheduler:
            print(f"The rest takes {wording.duration(pace.after_splitting(took))}.")
        run_script("feature_extraction.py", root, *forwarded(args, *workers, "networks"))
    run_script("dataframe_creation.py", root, *forwarded(args, "networks"))


def answer_and_report(root: Path, started: float, *, verbose: bool) -> None:
    """Train, answer, draw the map, then write the reports; and say how it went."""
    from soundalike import answer, map_page, similarity, tidy, wording
    from soundalike.frame import current_notes
    from soundalike.library import read_songs
    from soundalike.model import read_left_out

    before = answer.read_predictions(root)
    with step("model"):
        model = answer.find_model(root)
        index = similarity.load_index(root)
    if model.info["held_out"]:
        verdict, filed = answer.answer_held_out(model, index, root)
        print(f"\n{printable(library.songs_folder(root) / model.info['held_out'])}")
        terminal.say(wording.answer_lines(verdict, filed))
        terminal.say(wording.explain_words(model.info))
        print("That song was held out: the model was not trained on it.")
        print(f"(the first answer after {time.monotonic() - started:.0f} s)")
    with step("map.html"):
        map_page.write_map(index, root, root / library.MAP)
    print(f"(the map after {time.monotonic() - started:.0f} s)")
    print(f"Songs can be asked about now; see {printable(root / library.MAP)}. Two reports follow.")
    packages.need("notebooks")
    from soundalike import notebooks

    for name in notebooks.NOTEBOOKS:
        with step(f"{name}.ipynb"):
            notebooks.run_notebook(name, root)
    terminal.say(terminal.note_lines(root))
    files, notes = read_songs(root), current_notes(root)
    seconds, left_out = time.monotonic() - started, read_left_out(root)
    lines = wording.summary_lines(root, model.info, notes, files, left_out, seconds)
    closing, used = wording.closing_lines(root, model.info), files[files["status"].isin(library.GOOD)]
    songs = f"{counted(notes['songs'], 'song')} by {counted(used['artist'].nunique(), 'artist')}"
    after = answer.read_predictions(root)
    answers = wording.answer_rows(after, files)
    map_page.write_front_page(root, songs, [closing[0], *lines[1:]], answers)
    others = left_out[left_out["status"] != "held out"]  # of that song it was said above
    terminal.say(lines if verbose else [*lines[:2], *wording.not_learned_lines(others, files, root)])
    terminal.say(wording.change_lines(before, after, files))
    terminal.say(wording.misfiled_line(tidy.find_suspects(after, index), root))
    terminal.say(closing)


def forwarded(args: argparse.Namespace, *names: str) -> list[str]:
    """Return the options of these names, where they are set, as a step's arguments."""
    values = {name: getattr(args, name) for name in names}
    options = {f"--{name.replace('_', '-')}": str(value) for name, value in values.items() if value is not None}
    return [text for option in options.items() for text in option]


def run_script(name: str, root: Path, *arguments: str | Path) -> None:
    """Run one of the scripts. That it left songs out is no reason to stop."""
    command = [sys.executable, library.PROJECT / name, "--library", root, *arguments]
    with step(name), subprocess.Popen(command) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the script gets it too: let it end in order
            if process.wait() == terminal.STOPPED:  # and it has said so
                raise SystemExit(terminal.STOPPED) from None
            raise
    if status not in (terminal.ALL_GOOD, terminal.LEFT_OUT):
        raise SystemExit(status)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    print(f"\n--- {name}", flush=True)
    started = time.monotonic()
    yield
    print(f"({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
