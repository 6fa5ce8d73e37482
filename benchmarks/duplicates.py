"""How alike copies, songs over one backing and different songs are: what the thresholds of `duplicates` rest on.

    python benchmarks/duplicates.py --library DIR          # after the three scripts; needs Debian or Ubuntu
    python benchmarks/duplicates.py --library DIR --keep   # results go to results/ and into README.md here

Thirteen songs of the library are encoded again, as step 2 does it, and with another beginning. Songs over one backing
are those of voice.py. All pairs of songs of the library are different songs.
"""

import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import voice
from joblib import Parallel, delayed
from nuisance import ALTERATIONS, describe_clips, read_clips, write_altered
from tqdm import tqdm

from soundalike import terminal
from soundalike.audio import CLIP_SAMPLES
from soundalike.duplicates import CONTOUR_PLACES, LONGEST, agreement, read_contours, similarity
from soundalike.library import good_songs, locked, songs_folder
from soundalike.song import FEATURES, read_tables

SONGS = 13
LATER = 3.3  # s


def describe(clips: np.ndarray) -> np.ndarray:
    """Return the contour of a song [shape=(clips, features)], in its own units."""
    values = describe_clips(clips)[:, CONTOUR_PLACES]
    return values - values.mean(axis=0)


def compare(one: np.ndarray, other: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    """Return the agreement and the similarity of two songs [shape=(clips, CLIP_SAMPLES)]."""
    contours = [describe(clips) / spread for clips in (one, other)]
    return agreement(*contours), similarity(*(clips[:LONGEST].ravel() for clips in (one, other)))


def compare_copies(song: Path, spread: np.ndarray) -> dict[str, tuple[float, float]]:
    """Compare a song with copies of it."""
    original = voice.read_clips(song)
    with tempfile.TemporaryDirectory() as folder:
        copies = read_clips(write_altered(song, ALTERATIONS, Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        some = {name: ALTERATIONS[name] for name in ("MP3, 64 kbit/s", "6 dB softer")}
        later = read_clips(write_altered(song, some, Path(folder), start=LATER))
    copies |= {f"{name}, {LATER} s later": clips for name, clips in later.items()}
    return {name: compare(original, clips, spread) for name, clips in copies.items()}


def compare_singers(root: Path, spread: np.ndarray) -> dict[str, list[tuple[float, float]]]:
    """Compare the songs of two speakers over each backing, at each level."""
    voices, backings = voice.read_material(root)
    length = voice.CLIPS * CLIP_SAMPLES
    found = {}
    for level in voice.LEVELS:
        pairs = []
        for n, backing in enumerate(backings):
            own = slice(n * length, (n + 1) * length)
            songs = [voice.mix(y[own], backing, level).reshape(-1, CLIP_SAMPLES) for y in voices.values()]
            pairs += list(itertools.combinations(songs, 2))
        label = f"voices at {level} dB over one backing"
        found[label] = Parallel(n_jobs=-1)(delayed(compare)(*pair, spread) for pair in tqdm(pairs, desc=label))
    return found


def compare_songs(root: Path) -> dict[str, list[float]]:
    """Compare all songs of the library with each other."""
    artist = good_songs(root).set_index("song")["artist"]
    _, contours = read_contours(read_tables(root, artist.index, [FEATURES]))
    found: dict[str, list[float]] = {"different songs of one artist": [], "songs of different artists": []}
    for one, other in itertools.combinations(contours, 2):
        pair = found[list(found)[int(artist[one] != artist[other])]]
        pair.append(agreement(contours[one], contours[other]))
    return found


def measure(root: Path) -> dict:
    """Compare all of them."""
    with locked(root):
        good = good_songs(root).sort_values("song")
        clips = [song.features[song.loud][:, CONTOUR_PLACES] for _, song in read_tables(root, good["song"], [FEATURES])]
        spread = np.concatenate(clips).std(axis=0, dtype=np.float64)
        songs = good.assign(turn=good.groupby("artist").cumcount()).sort_values(["turn", "song"])["song"].head(SONGS)
        work = [delayed(compare_copies)(songs_folder(root) / song, spread) for song in songs]
        of_songs = Parallel(n_jobs=-1)(tqdm(work, desc="Copies"))
        copies = {name: [found[name] for found in of_songs] for name in of_songs[0]}
        both = {f"copies: {name}": pairs for name, pairs in copies.items()} | compare_singers(root, spread)
    rows = [_row(name, *map(list, zip(*pairs, strict=True))) for name, pairs in _pooled(both).items()]
    return {"pairs": rows + [_row(name, values) for name, values in compare_songs(root).items()]}


def _pooled(pairs: dict[str, list]) -> dict[str, list]:
    """Put pairs of one kind together, whatever the alteration or the level."""
    found: dict[str, list] = {}
    for name, values in pairs.items():
        kind = "copies, 3.3 s later" if "later" in name else "copies" if "copies" in name else "voices over one backing"
        found.setdefault(kind, []).extend(values)
    return found


def _row(name: str, agreements: list[float], similarities: list[float] | tuple = ()) -> dict:
    """Return how many pairs there are, and percentiles of how alike they are."""
    row: dict = {"pairs": name, "number": len(agreements)}
    for kind, values in {"agreement": agreements, "similarity": similarities}.items():
        row[kind] = np.nanpercentile(values, [0, 50, 99, 100]).round(4).tolist() if len(values) else None
    return row


def table(figures: dict) -> str:
    """Write the page."""
    rows = [
        {"pairs": of["pairs"], "number": of["number"]}
        | {kind: " / ".join(map("{:.2f}".format, of[kind] or [])) for kind in ("agreement", "similarity")}
        for of in figures["pairs"]
    ]
    return f"Least / median / 99% / most:\n\n{page.markdown(rows)}\n"


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    return page.run("duplicates", __doc__, measure, table, argv)


if __name__ == "__main__":
    sys.exit(main())
