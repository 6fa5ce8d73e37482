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

from soundalike import cli
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import MAP, PROJECT, remember_root


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.prog = "python -m soundalike"
    parser.epilog = "exit status: 0 when all steps were done, even if songs were left out; else that of the step"
    parser.add_argument("music", type=cli.folder, nargs="?", metavar="MUSIC", help="the same as --songs MUSIC")
    cli.add_song_arguments(parser)
    cli.add_worker_arguments(parser)
    cli.add_network_arguments(parser)
    parser.add_argument("--from-songs", action="store_true", help="keep no clips on disk; notebooks then play nothing")
    parser.add_argument("--report", action="store_true", help="only make web pages of the notebooks in report/ again")
    args = parser.parse_args(argv)
    if args.music and args.songs:
        parser.error("MUSIC and --songs name the same folder twice")
    args.songs = args.songs or args.music
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run everything; returns the exit status."""
    args = parse_args(argv)
    from soundalike import survey  # after --help, which needs none of it
    from soundalike.audio import demo
    from soundalike.dataset import splits
    from soundalike.library import storage
    from soundalike.report import notebooks

    if args.report:
        notebooks.write_pages(args.library)
        return cli.ALL_GOOD
    started = time.monotonic()
    root, songs = demo.find_music(args.songs, args.library)
    survey.check_root(root, songs)
    if args.label_by == "folder":
        splits.check_folders(songs)
    with storage.running(root):
        run_all(args, root, songs, started)
    return cli.ALL_GOOD


def run_all(args: argparse.Namespace, root: Path, songs: Path, started: float) -> None:
    """Run all steps on a folder of songs: first what gives answers, then the reports; and say how it went."""
    from soundalike.library.catalogue import read_songs
    from soundalike.model import is_current, load_model
    from soundalike.report import answers, map_page, notebooks, summary
    from soundalike.similarity.index import load_index
    from soundalike.training import train

    make_frame(args, root, songs)
    before = summary.read_predictions(root)
    with step("model"):
        try:
            ready = is_current(root) and bool(load_model(root))
        except UserError:  # it is damaged
            ready = False
        if ready:
            print("The model is up to date.")
        else:
            train(root)
        index = load_index(root)
    model = load_model(root)
    if model.info["held_out"]:
        print(f"\n{answers.answer_held_out(model, index, root)}")
        print("That song was held out: the model was not trained on it.")
        print(f"(the first answer after {time.monotonic() - started:.0f} s)")
    with step("map.html"):
        map_page.write_map(index, root, root / MAP)
    print(f"Songs can be asked about now; see {printable(root / MAP)}. Two reports follow.")
    for name in notebooks.NOTEBOOKS:
        with step(f"{name}.ipynb"):
            notebooks.run_notebook(name, root)
    summary.print_summary(root, model.info, time.monotonic() - started)
    summary.print_changes(before, summary.read_predictions(root), read_songs(root))
    remember_root(root)


def make_frame(args: argparse.Namespace, root: Path, songs: Path) -> None:
    """Run the three numbered steps on a folder of songs."""
    from soundalike.dataset import splits
    from soundalike.library.catalogue import good_songs, read_songs
    from soundalike.library.storage import atomic_write, locked

    kept = {path: path.read_bytes() for path in (root / "songs.csv", root / "songs.txt") if path.exists()}
    workers, labels = ("jobs", "scheduler"), ("max_hours", "label_by")
    if args.from_songs:
        given: list[str | Path] = ["--from-songs", "--songs", songs, *forwarded(args, *workers, "networks", *labels)]
        run_script("feature_extraction.py", root, *given)
    else:
        run_script("mp3_split.py", root, "--songs", songs, *forwarded(args, *workers, *labels))
    try:
        good = good_songs(root)
        copies = int((read_songs(root)["status"] == "duplicate").sum())
        splits.check_enough(good.groupby("artist")["song"].nunique(), copies, good["song"].iloc[0])  # before long work
    except UserError:
        with locked(root):
            for path, content in kept.items():  # the model and the pages are of these songs
                with atomic_write(path) as target:
                    target.write_bytes(content)
        raise
    if not args.from_songs:
        run_script("feature_extraction.py", root, *forwarded(args, *workers, "networks"))
    run_script("dataframe_creation.py", root, *forwarded(args, "networks"))


def forwarded(args: argparse.Namespace, *names: str) -> list[str]:
    """Return the options of these names, where they are set, as a step's arguments."""
    options = {name: getattr(args, name) for name in names}
    return [
        text
        for name, value in options.items()
        if value is not None
        for text in (f"--{name.replace('_', '-')}", str(value))
    ]


def run_script(name: str, root: Path, *arguments: str | Path) -> None:
    """Run one of the scripts. That it left songs out is no reason to stop."""
    command = [sys.executable, PROJECT / name, "--library", root, *arguments]
    with step(name), subprocess.Popen(command) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the script gets it too: let it end in order
            if process.wait() == cli.STOPPED:  # and it has said so
                raise SystemExit(cli.STOPPED) from None
            raise
    if status not in (cli.ALL_GOOD, cli.LEFT_OUT):
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
