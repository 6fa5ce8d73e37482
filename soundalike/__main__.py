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
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
from PIL import Image

from soundalike import cli
from soundalike.audio import demo
from soundalike.dataset.splits import MIN_SONGS, check_enough
from soundalike.evaluation import large
from soundalike.evaluation.metrics import CHOSEN, with_interval
from soundalike.library.catalogue import good_songs, read_songs, songs_folder
from soundalike.library.errors import printable
from soundalike.library.paths import find_songs, folder_labels
from soundalike.models.classifiers import LOUDNESS_ALONE
from soundalike.report.notebooks import NOTEBOOKS, run_notebook, write_page

HERE = Path(__file__).resolve().parent.parent


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
    parser.add_argument("--embeddings", choices=("musicnn",), help="also have a published network listen")
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
