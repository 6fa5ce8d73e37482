"""Make the cohort: the distribution of music that is not the user's, see `soundalike.cohort`.

    python benchmarks/cohort.py --source games=DIR --source sung=DIR2        # writes soundalike/cohort.npz
    python benchmarks/cohort.py --source games=DIR --out other.npz           # to measure the other set with it

Each source is a library that the three scripts went through, with both networks. Nothing of a single song is written
but the hash of its sound, and the names of the artists, by which a source is not used where it is the user's own music.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import cohort, terminal
from soundalike.embedding import read_segments
from soundalike.frame import read_library
from soundalike.library import atomic_write
from soundalike.networks import NETWORKS
from soundalike.song import FEATURES


def describe(root: Path) -> cohort.Source:
    """Describe the songs of a library, without copies."""
    songs = read_library(root)
    segments = read_segments(root, songs.loc[songs["copy_of"] == "", "song"], [FEATURES, *NETWORKS])
    return cohort.describe_source(segments.rows, set(songs["artist"]), songs["hash"])


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Describe each source, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--out", type=terminal.output(".npz"), default=cohort.FILE, metavar="FILE")
    args = parser.parse_args(argv)
    named = dict(text.split("=", 1) for text in args.source)
    sources = {name: describe(Path(root)) for name, root in named.items()}
    with atomic_write(args.out) as path:
        cohort.write(path, sources)
    print(f"{args.out.stat().st_size / 1e6:.2f} MB: {', '.join(sources)}")
    return terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
