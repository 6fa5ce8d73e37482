"""For maintainers: renew what the repository keeps of a run.

python benchmarks/refresh.py notebooks              # run the songs of real_music.py; put its notebooks into the root
python benchmarks/refresh.py pictures --library DIR # put the README's pictures of a library's report into images/
"""

import argparse
import base64
import io
import subprocess
import sys
from pathlib import Path

import nbformat
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import __main__ as everything
from soundalike import terminal
from soundalike.library import PROJECT, atomic_write
from soundalike.notebooks import NOTEBOOKS

NOTE = "Free music from games (CC BY-SA and GPL; `benchmarks/real_music.csv` names the licence of each song)."


def keep_stills(executed: Path, kept: Path) -> None:
    """Take over the outputs of an executed notebook without players; its pictures in fewer colours.

    Cells that were not executed, which say what was seen in these songs, stay as they are.
    """
    book = nbformat.read(kept, as_version=4)
    ran = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells}
    for cell in (cell for cell in book.cells if cell.cell_type == "code"):
        cell.update(outputs=ran[cell.id].outputs, execution_count=ran[cell.id].execution_count)
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            if "<audio" in data.get("text/html", ""):
                del data["text/html"]
            if "image/png" in data:
                data["image/png"] = base64.b64encode(in_fewer_colours(base64.b64decode(data["image/png"]))).decode()
    kept.write_text(nbformat.writes(book), encoding="utf-8")


def in_fewer_colours(png: bytes) -> bytes:
    """Return the same picture in 64 colours, a quarter of the size and hardly different to the eye."""
    picture = io.BytesIO()
    still = Image.open(io.BytesIO(png)).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    still.save(picture, "png", optimize=True)
    return picture.getvalue()


def keep_pictures(root: Path) -> None:
    """Put the pictures that README shows into images/: those of the cells with a tag ``picture-<name>``."""
    for notebook in NOTEBOOKS:
        for cell in nbformat.read(root / "report" / f"{notebook}.ipynb", as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                (png,) = (out["data"]["image/png"] for out in cell.outputs if "image/png" in out.get("data", {}))
                path = PROJECT / "images" / f"{tag.removeprefix('picture-')}.png"
                path.write_bytes(in_fewer_colours(base64.b64decode(png)))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("what", choices=("notebooks", "pictures"), help="what to renew")
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Renew what was named; returns the exit status."""
    args = parse_args(argv)
    if args.what == "pictures":
        keep_pictures(args.library)
        return terminal.ALL_GOOD
    root = args.library / "real_music"
    made = subprocess.run([sys.executable, PROJECT / "benchmarks" / "real_music.py", root / "songs"])
    if made.returncode:
        return made.returncode
    with atomic_write(root / "NOTE.txt") as path:
        path.write_text(f"{NOTE}\n", encoding="utf-8")
    status = everything.main(["--library", str(root)])
    if status == terminal.ALL_GOOD:
        for name in NOTEBOOKS:
            keep_stills(root / "report" / f"{name}.ipynb", PROJECT / f"{name}.ipynb")
    return status


if __name__ == "__main__":
    sys.exit(main())
