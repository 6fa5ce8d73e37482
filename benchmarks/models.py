"""How long it takes from a frame to a model: modeling.ipynb on a library.

python benchmarks/models.py --data DIR      # a library through which the three scripts went
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import cli
from soundalike.report import notebooks


def work(args: argparse.Namespace) -> int:
    """Run the notebook and print the time."""
    started = time.monotonic()
    notebooks.run_notebook("modeling", args.data)
    print(f"modeling.ipynb: {(time.monotonic() - started) / 60:.1f} minutes")
    return cli.ALL_GOOD


if __name__ == "__main__":
    sys.exit(cli.script(lambda argv: work(cli.parser(__doc__).parse_args(argv)))())
