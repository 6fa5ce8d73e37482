"""Make the cohort: the distribution of music that is not the user's, see `soundalike.cohort`.

    python benchmarks/cohort.py --source games=DIR --source sung=DIR2        # writes soundalike/cohort.npz
    python benchmarks/cohort.py --source games=DIR --out other.npz           # to measure the other set with it

Each source is a library that the three scripts went through, with both networks. Nothing of a single song is written
but the hash of its sound, and the names of the artists, by which a source is not used where it is the user's own music.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from soundalike import cohort, terminal
from soundalike.embedding import Rows, read_segments
from soundalike.frame import read_library
from soundalike.library import atomic_write
from soundalike.networks import NETWORKS
from soundalike.song import FEATURES


def describe_source(rows: Rows, artists: Iterable[str], hashes: Iterable[str]) -> cohort.Source:
    """Describe a collection by its segments, all ears together, each column in units of its standard deviation."""
    complete = np.all([np.isfinite(of_ear[:, 0]) for of_ear in rows.values()], axis=0)
    values = np.concatenate([of_ear[complete] for of_ear in rows.values()], axis=1).astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scaled = np.divide(values - mean, scale, out=np.zeros_like(values), where=scale > 0)
    _, lengths, axes = np.linalg.svd(scaled / np.sqrt(len(scaled)), full_matrices=False)
    components = np.zeros((cohort.COMPONENTS, len(mean)))
    components[: len(lengths)] = (lengths[:, None] * axes * scale)[: cohort.COMPONENTS]
    ends = np.cumsum([of_ear.shape[1] for of_ear in rows.values()])[:-1]
    means = dict(zip(rows, np.split(mean.astype(np.float32), ends), strict=True))
    factors = dict(zip(rows, np.split(components.astype(np.float32), ends, axis=1), strict=True))
    return cohort.Source(sorted(artists), sorted(hashes), means, factors)


def describe(root: Path) -> cohort.Source:
    """Describe the songs of a library, without copies."""
    songs = read_library(root)
    segments = read_segments(root, songs.loc[songs["copy_of"] == "", "song"], [FEATURES, *NETWORKS])
    return describe_source(segments.rows, set(songs["artist"]), songs["hash"])


def write(path: Path, sources: dict[str, cohort.Source]) -> None:
    """Write the cohort: components as half precision, in units of each column's spread."""
    arrays: dict[str, np.ndarray] = {"made_by": np.array(cohort.made_by())}
    for name, source in sources.items():
        arrays |= {f"{name}/artists": np.array(source.artists), f"{name}/hashes": np.array(source.hashes)}
        for ear, components in source.components.items():
            spread = np.abs(components).max(axis=0)
            arrays[f"{name}/{ear}/mean"], arrays[f"{name}/{ear}/spread"] = source.mean[ear], spread
            shares = np.divide(components, spread, out=np.zeros_like(components), where=spread > 0)
            arrays[f"{name}/{ear}/components"] = shares.astype(np.float16)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Describe each source, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--out", type=terminal.output(".npz"), default=cohort.FILE, metavar="FILE", help="written")
    args = parser.parse_args(argv)
    named = dict(text.split("=", 1) for text in args.source)
    sources = {name: describe(Path(root)) for name, root in named.items()}
    with atomic_write(args.out) as path:
        write(path, sources)
    print(f"{args.out.stat().st_size / 1e6:.2f} MB: {', '.join(sources)}")
    return terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
