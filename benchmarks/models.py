"""How long modeling.ipynb takes on a library, and again when nothing has changed.

    python benchmarks/models.py --library DIR                  # a library through which the three scripts went
    python benchmarks/models.py --library DIR --before COMMIT  # and the notebook of an earlier version, in the same run

The notebook writes to a copy of the library without its clips. With --keep, results go to results/ and into
README.md here.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page

from soundalike import cli
from soundalike.dataset.frame import current_notes
from soundalike.library.paths import PROJECT

RUN = """
import pathlib, sys
from soundalike.report import notebooks
notebooks.run_notebook("modeling", pathlib.Path(sys.argv[1]))
"""


def copy(library: Path, room: Path) -> Path:
    """Copy what the notebook reads."""
    root = room / "library"
    root.mkdir()
    for name in ("songs.csv", "songs.txt", "altered.parquet", "df_music.pkl"):
        if (library / name).exists():
            shutil.copy2(library / name, root)
    shutil.copytree(library / "df_music.parquet", root / "df_music.parquet")
    return root


def run(code: Path, root: Path) -> dict[str, float]:
    """Run the notebook of a version of the code; the seconds that it took."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", RUN, root], cwd=code, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.monotonic() - started, 1), "cpu seconds": round(cpu, 1)}


def measure(library: Path, before: str | None, *, once: bool) -> dict:
    """Time the notebook, the notebook again, and that of an earlier commit."""
    notes = current_notes(library)
    with tempfile.TemporaryDirectory() as folder:
        root = copy(library, Path(folder))
        runs = {"today": run(PROJECT, root)}
        if not once:
            runs["again, nothing changed"] = run(PROJECT, root)
        if before:
            code = Path(folder) / "code"
            subprocess.run(["git", "clone", "--quiet", PROJECT, code], check=True)
            subprocess.run(["git", "-C", code, "checkout", "--quiet", before], check=True)
            runs[f"commit {before}"] = run(code, root)
    return {"songs": notes["songs"], "clips": notes["clips"], "runs": runs}


def table(figures: dict) -> str:
    """Return the page: each run, and its CPU time in terms of today's."""
    today = figures["runs"]["today"]
    rows = [
        {
            "modeling.ipynb": name,
            "minutes": f"{ran['seconds'] / 60:.1f}",
            "CPU minutes": f"{ran['cpu seconds'] / 60:.1f}",
            "CPU time, today's being 1": f"{ran['cpu seconds'] / today['cpu seconds']:.1f}",
        }
        for name, ran in figures["runs"].items()
    ]
    return f"{figures['songs']:,} songs, {figures['clips']:,} clips:\n\n{page.markdown(rows)}\n"


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    parser = cli.parser(__doc__)
    parser.add_argument("--before", metavar="COMMIT", help="of an earlier version, to compare with")
    parser.add_argument("--once", action="store_true", help="not again when nothing has changed")
    parser.add_argument("--keep", action="store_true", help="keep the results as those of README.md here")
    args = parser.parse_args(argv)
    figures = measure(args.library, args.before, once=args.once)
    return page.show("models", figures, table(figures), kept=args.keep)


if __name__ == "__main__":
    sys.exit(main())
