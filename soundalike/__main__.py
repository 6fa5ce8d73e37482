"""Play the whole path: songs, clips, features, frame, both notebooks (or evaluation/large.py), and a verdict.

    python -m soundalike                       # music in data/songs/; a demo if there is none
    python -m soundalike --songs ~/Music       # music that lies elsewhere; nothing is written there

The executed notebooks, also as web pages, go to report/ in the library's root.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas as pd
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary
from PIL import Image

from soundalike import cli
from soundalike.audio import demo
from soundalike.dataset.splits import MIN_SONGS, check_enough
from soundalike.evaluation import large
from soundalike.evaluation.metrics import CHOSEN, with_interval
from soundalike.features import musicnn
from soundalike.library.catalogue import good_songs, read_songs, songs_folder
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import find_songs, folder_labels
from soundalike.library.storage import alone, whole_file
from soundalike.models.classifiers import LOUDNESS_ALONE

HERE = Path(__file__).resolve().parent.parent
# A page for reading: without code, which the notebook beside it holds, and without calls to the network.
WITHOUT_CODE = {"exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True}
PAGES = HTMLExporter(**WITHOUT_CODE, mathjax_url="", require_js_url="", jquery_url="")
NOTEBOOKS = {
    "visualizations": "",
    "modeling": " (for a hundred songs a quarter of an hour)",
}


def choose(songs: Path | None, root: Path) -> tuple[Path, Path]:
    """The root and the folder of songs to take: what was named, what is there, what was taken last, or the demo."""
    if songs:
        return root, songs
    own = root / "songs"
    if own.is_dir() and any(find_songs(own)):
        return root, own
    before = songs_folder(root)
    if before != own:
        print(f"Your music as last time: {printable(before)}")
        return root, before
    print(f"There is no music in {printable(own)} yet, so here is the demo.")
    demo.make(root / "demo")
    cli.print_note(root / "demo")
    return root / "demo", root / "demo" / "songs"


def check_folders(songs: Path) -> None:
    """Refuse music that is too little, or lies otherwise, before any of it is cut: as far as folders tell."""
    artists = pd.Series([folder_labels(song)[0] for song in find_songs(songs)[0]], dtype=str)
    if len(artists) and (artists != "").all():  # of a song in no folder, its tag names the artist
        check_enough(artists.value_counts())


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    print(f"\n--- {name}", flush=True)
    started = time.monotonic()
    yield
    print(f"({time.monotonic() - started:.0f} s)", flush=True)


def run_script(name: str, *arguments: str | Path) -> None:
    """Run one of the scripts. That it left songs out is no reason to stop."""
    with step(name), subprocess.Popen([sys.executable, HERE / name, *arguments]) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the script has heard it too: let it end in order
            process.wait()
            raise
    if status not in (cli.ALL_GOOD, cli.LEFT_OUT):
        raise SystemExit(status)


def run_notebook(name: str, root: Path, *, full: bool = False) -> None:
    """Execute a notebook on a library; the result and its web page go to the root's report folder."""
    os.environ |= {"MUSIC_DATA": str(root), "MUSIC_FULL": "1" if full else ""}
    book = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    place = {"metadata": {"path": str(HERE)}}
    client = NotebookClient(
        book,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        resources=place,
        extra_arguments=["--log-level=ERROR"],  # else each start warns that loopback is not encrypted
        on_cell_start=tell_heading,
    )
    with ThreadPoolExecutor(1) as thread:  # in the main thread nbclient would answer Ctrl-C with a traceback
        running = thread.submit(client.execute)
        try:
            running.result()
        except KeyboardInterrupt:
            _end(client.km.provisioner.pid)  # type: ignore[union-attr]  # there is one while it runs
            raise
        except DeadKernelError:
            raise UserError(
                f"{name}.ipynb lost its process; most likely no memory was left. "
                "python -m soundalike.evaluation.large needs less."
            ) from None
        except CellExecutionError as error:
            if error.ename != "UserError":
                raise
            earlier = " The model in it is of an earlier run." if (root / "model").exists() else ""
            raise UserError(f"{name}.ipynb could not go on. {error.evalue}{earlier}") from None
    with alone(root, wait=True), whole_file(root / "report" / f"{name}.ipynb") as path:
        path.write_text(nbformat.writes(book), encoding="utf-8")
    NotebookNotary().sign(book)  # made here a moment ago: Jupyter may show its players and live figures
    write_page(name, root)


def tell_heading(cell: nbformat.NotebookNode, cell_index: int) -> None:
    """Say which question a notebook has come to: some take minutes."""
    if cell.cell_type == "markdown" and cell.source.startswith("## "):
        print(f"  {cell.source.splitlines()[0].removeprefix('## ')}", flush=True)


def write_page(name: str, root: Path) -> None:
    """Make a web page of an executed notebook, as it stands in the root's report folder."""
    executed = root / "report" / f"{name}.ipynb"
    if not executed.exists():
        raise UserError(f"There is no {printable(executed)} yet. Run make run first.")
    book = nbformat.read(executed, as_version=4)
    lines = [line for cell in book.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    title = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), name)
    page, _ = PAGES.from_notebook_node(book, {"metadata": {"name": title}})  # what a browser calls the page
    with alone(root, wait=True), whole_file(executed.with_suffix(".html")) as path:
        path.write_text(page, encoding="utf-8")


def keep_stills(executed: Path, kept: Path) -> None:
    """Copy an executed notebook without its players and live figures: their stills remain, in fewer colours."""
    book = nbformat.read(executed, as_version=4)
    for cell in book.cells:
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            if any(sign in data.get("text/html", "") for sign in ("<script", "<audio")):
                del data["text/html"]
            if "image/png" in data:
                data["image/png"] = base64.b64encode(in_fewer_colours(base64.b64decode(data["image/png"]))).decode()
    kept.write_text(nbformat.writes(book), encoding="utf-8")


def in_fewer_colours(png: bytes) -> bytes:
    """The same picture in 128 colours, which is a third of the size and looks alike."""
    picture = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(
        picture, "png", optimize=True
    )
    return picture.getvalue()


def keep_pictures(root: Path) -> None:
    """Put the pictures that README shows into images/: those of the cells with a tag ``picture-<name>``."""
    for notebook in NOTEBOOKS:
        for cell in nbformat.read(root / "report" / f"{notebook}.ipynb", as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                (png,) = (out["data"]["image/png"] for out in cell.outputs if "image/png" in out.get("data", {}))
                path = HERE / "images" / f"{tag.removeprefix('picture-')}.png"
                path.write_bytes(in_fewer_colours(base64.b64decode(png)))


def _end(kernel: int) -> None:
    """End a kernel at once, however deep in a fit it is, with the processes it started."""
    if os.name == "posix":
        os.killpg(kernel, signal.SIGKILL)  # each kernel leads a group of its own
    else:
        os.kill(kernel, signal.SIGTERM)


def summarise(root: Path, model: dict, seconds: float) -> None:
    """Say in a few lines what came out, and where to look."""
    frame = pd.read_parquet(root / "df_music.parquet", columns=["artist", "song"])
    not_compared = sorted(set(frame["artist"]) - set(model["classes"]))
    found, used, scores = len(read_songs(root)), frame["song"].nunique(), model["scores"]
    clip, leaky = (scores.get(key) for key in ("their clips", "leaky: random clips"))
    print(f"\n--- done in {seconds / 60:.1f} minutes")
    cli.print_note(root)
    print(f"{cli.counted(found, 'song')}, {found - used} left out (see {printable(root / 'songs.csv')})")
    print(cli.counted(len(frame), "clip"))
    print(
        f"Best of the models on songs never heard: {model['name']}. Balanced accuracy by song, with 95 % intervals: "
        f"{with_interval(scores['songs never heard'])}, where guessing gets {scores['guessing']:.2f} "
        f"and {LOUDNESS_ALONE} {with_interval(scores[LOUDNESS_ALONE])}."
    )
    if scores[LOUDNESS_ALONE]["balanced accuracy"] >= scores["songs never heard"]["balanced accuracy"]:
        print("Loudness alone does as well, so this need not be the music.")
    print(f"To be the best of so many flatters: {CHOSEN}, it gets {with_interval(scores[CHOSEN])}.")
    if clip and leaky:
        print(
            f"For single clips it is {clip['balanced accuracy']:.2f}; clips drawn at random, the leaky way of 2018, "
            f"would claim {leaky['balanced accuracy']:.2f}."
        )
    if not_compared:
        print(f"Not compared, having fewer than {MIN_SONGS} songs: {printable(', '.join(not_compared))}")
    if (root / "df_music.pkl").exists():
        lab = "make lab" + ("" if root == HERE / "data" else f" DATA={printable(root)}")
        print(f"Look at {printable(root / 'report' / 'visualizations.html')} and modeling.html beside it, or: {lab}")
    print(f'Ask about a song: {cli.command("predict.py", root)} "SONG.mp3"')
    print(f'What sounds like it: {cli.command("recommend.py", root)} "SONG.mp3"')


def work(args: argparse.Namespace) -> int:
    """Run everything."""
    if args.report:
        for name in NOTEBOOKS:
            write_page(name, args.data)
        if args.keep_pictures:
            keep_pictures(args.data)
        print(f"Look at {printable(args.data / 'report' / 'visualizations.html')} and modeling.html beside it.")
        return cli.ALL_GOOD
    started = time.monotonic()
    root, songs = choose(args.songs, args.data)
    if args.label_by == "folder":
        check_folders(songs)
    run_script("mp3_split.py", "--data", root, "--songs", songs, "--label-by", args.label_by)
    check_enough(good_songs(root).groupby("artist")["song"].nunique())  # before an hour's work, not after it
    embed = ["--embeddings", args.embeddings] if args.embeddings else []
    run_script("feature_extraction.py", "--data", root, *embed)
    run_script("dataframe_creation.py", "--data", root)
    if (root / "df_music.pkl").exists():
        for name, patience in NOTEBOOKS.items():
            with step(f"{name}.ipynb{patience}"):
                run_notebook(name, root, full=args.full)
    else:
        print("\nThe notebooks would hold all of this frame in memory. In their place:")
        with step("python -m soundalike.evaluation.large"):
            large.main(["--data", str(root)])
    model = json.loads((root / "model" / "model.json").read_text(encoding="utf-8"))
    run_script("predict.py", "--data", root, "--", songs / model["held_out"])
    print("That song was put aside: the model has not heard it.")
    summarise(root, model, time.monotonic() - started)
    if args.keep_notebooks:
        for name in NOTEBOOKS:
            keep_stills(root / "report" / f"{name}.ipynb", HERE / f"{name}.ipynb")
    return cli.ALL_GOOD


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.epilog = "exit status: 0 when all steps were done, even if songs were left out; else that of the step"
    parser.add_argument("--songs", type=cli.folder, metavar="DIR", help="folder of music (default: songs/ in the root)")
    parser.add_argument("--label-by", choices=("folder", "tag"), default="folder", help="what names the artist")
    parser.add_argument(
        "--full", action="store_true", help="compare models at length: songs dealt anew, and the network that listens"
    )
    parser.add_argument("--embeddings", choices=musicnn.NAMES, help="also have a published network listen")
    parser.add_argument("--report", action="store_true", help="only make web pages of the notebooks in report/ again")
    parser.add_argument("--keep-notebooks", action="store_true", help="also put the executed notebooks here")
    parser.add_argument("--keep-pictures", action="store_true", help="with --report: also those of the README")
    args = parser.parse_args(argv)
    if args.keep_pictures and not args.report:
        parser.error("--keep-pictures goes with --report")
    return args


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run everything; returns the exit status."""
    return work(parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
