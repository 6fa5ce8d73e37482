"""Play the whole path: songs, clips, features, frame, both notebooks, and a verdict.

    python run.py                              # music in data/songs/; a demo if there is none
    python run.py --songs ~/Music              # music that lies elsewhere; nothing is written there

The executed notebooks, also as web pages, go to report/ in the library's root.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

import demo_songs
import terminal
from library import UserError, find_songs, note, printable, read_songs

HERE = Path(__file__).resolve().parent
NOTEBOOKS = ("visualizations", "modeling")


def choose(songs: Path | None, root: Path) -> tuple[Path, Path]:
    """The root and the folder of songs to take: what was named, what is there, or else the demo."""
    if songs:
        return root, songs.expanduser().absolute()
    own = root / "songs"
    if own.is_dir() and any(find_songs(own)):
        return root, own
    print(f"There is no music in {printable(own)} yet, so here is the demo.")
    demo_songs.make(root / "demo")
    print(note(root / "demo"))
    return root / "demo", root / "demo" / "songs"


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    print(f"\n--- {name}", flush=True)
    started = time.monotonic()
    yield
    print(f"({time.monotonic() - started:.0f} s)", flush=True)


def run_script(name: str, *arguments: str | Path) -> None:
    """Run one of the scripts. That it left songs out is no reason to stop."""
    with step(name):
        status = subprocess.run([sys.executable, HERE / name, *arguments], check=False).returncode
    if status not in (terminal.ALL_GOOD, terminal.LEFT_OUT):
        raise SystemExit(status)


def run_notebook(name: str, root: Path) -> None:
    """Execute a notebook on a library; the result and its web page go to the root's report folder."""
    os.environ["MUSIC_DATA"] = str(root)
    book = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    place = {"metadata": {"path": str(HERE)}}
    try:
        NotebookClient(
            book,
            timeout=None,
            kernel_name="python3",
            record_timing=False,
            resources=place,
            extra_arguments=["--log-level=ERROR"],  # else each start warns that loopback is not encrypted
        ).execute()
    except CellExecutionError as error:
        if error.ename == "UserError":
            raise UserError(f"{name}.ipynb could not go on. {error.evalue}") from None
        raise
    report = root / "report"
    report.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, report / f"{name}.ipynb")
    page, _ = HTMLExporter().from_notebook_node(book, {"metadata": {"name": name}})
    (report / f"{name}.html").write_text(page, encoding="utf-8")


def summarise(root: Path, seconds: float) -> None:
    """Say in a few lines what came out, and where to look."""
    model = json.loads((root / "model" / "model.json").read_text(encoding="utf-8"))
    songs, scores = read_songs(root), model["scores"]
    left_out = len(songs) - songs["status"].isin(("ok", "damaged")).sum()
    print(f"\n--- done in {seconds / 60:.1f} minutes")
    if note(root):
        print(note(root))
    print(f"{terminal.counted(len(songs), 'song')}, {left_out} left out (see {printable(root / 'songs.csv')})")
    print(f"{terminal.counted(int(songs['clips'].sum()), 'clip')}, {len(model['features'])} features each")
    print(
        f"Best on songs never heard: {model['name']}, balanced accuracy {scores['song']:.2f} by song "
        f"(guessing: {scores['chance']:.2f}; the leaky 2018 way would claim {scores['leaky clip']:.2f} by clip)"
    )
    print(f"Look at {printable(root / 'report' / 'visualizations.html')} and modeling.html beside it, or: make lab")
    data = "" if root == (HERE / "data") else f' --data "{printable(root)}"'
    print(f'Ask about a song: {printable(Path(sys.executable))} predict.py "SONG.mp3"{data}')


def work(args: argparse.Namespace) -> int:
    """Run everything."""
    started = time.monotonic()
    root, songs = choose(args.songs, args.data.absolute())
    run_script("mp3_split.py", "--data", root, "--songs", songs)
    run_script("feature_extraction.py", "--data", root)
    run_script("dataframe_creation.py", "--data", root)
    for name in NOTEBOOKS:
        with step(f"{name}.ipynb (some minutes, where there are many songs)"):
            run_notebook(name, root)
    held_out = json.loads((root / "model" / "model.json").read_text(encoding="utf-8"))["held_out"]
    run_script("predict.py", "--data", root, "--", songs / held_out)
    print("That song was put aside: the model has not heard it.")
    summarise(root, time.monotonic() - started)
    if args.keep_notebooks:
        for name in NOTEBOOKS:
            shutil.copyfile(root / "report" / f"{name}.ipynb", HERE / f"{name}.ipynb")
    return terminal.ALL_GOOD


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--songs", type=Path, metavar="DIR", help="folder of music (default: songs/ in the root)")
    parser.add_argument("--keep-notebooks", action="store_true", help="also put the executed notebooks here")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
