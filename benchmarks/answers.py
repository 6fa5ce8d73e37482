"""Answer for the songs of a library with the code beside this file, in folds that a file names.

    python benchmarks/answers.py --library DIR --folds FILE.csv --out DIR

`compare.py` runs it in two versions of the code; each has its own. The folds are one row for each ``song``:
its ``group`` of artists who are left out together, and its fold in each repeat (``fold 0``, ``fold 1``, …). It writes

answers.csv  one or two rows for each song and repeat: ``song``, ``artist``, ``repeat``, ``known`` (whether other songs
             by the artist were trained on), ``predicted``, its ``probability`` and ``confidence``, ``word``, and
             ``loss`` (negative log-probability of the artist, nats; missing where the artist is left out)
nearest.csv  ``song``, and the ``nearest`` that is no copy of it
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from soundalike import evaluation, recogniser, splits, terminal, training
from soundalike.frame import current_notes, read_library
from soundalike.similarity import load_index, nearest_songs


def answer(root: Path, folds: pd.DataFrame) -> pd.DataFrame:
    """Answer for each song, once with other songs by its artist in training, and once with none."""
    library = read_library(root)
    songs, _ = splits.song_table(library[library["song"].isin(folds.index)])
    folds = folds.loc[songs.index]
    repeats = [fold for _, fold in folds.filter(like="fold ").items()]
    pairs = [
        [(np.flatnonzero(of != n), np.flatnonzero(of == n)) for n in sorted(of.dropna().unique())] for of in repeats
    ]
    study, *_ = training.study_of(root, songs, current_notes(root)["networks"])
    answers, _ = evaluation.answer_splits(study, pairs, folds["group"])
    found = recogniser.give_words(answers, recogniser.choose(answers)[1]).rename(columns={"closest": "predicted"})
    return found[["song", "artist", "repeat", "known", "predicted", "probability", "confidence", "word", "loss"]]


def find_nearest(root: Path) -> pd.DataFrame:
    """Find the song that sounds most like each, and is no copy of it."""
    index, rows = load_index(root), []
    for place, song in enumerate(index.songs.itertuples()):
        copies = (index.songs["sound"] == song.sound).to_numpy()
        nearest = nearest_songs(index, index.described[place], copies, 1)["song"]
        rows.append({"song": song.song, "nearest": nearest.iloc[0] if len(nearest) else ""})
    return pd.DataFrame(rows)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Answer, and write both tables."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--folds", type=Path, required=True, metavar="FILE.csv", help="the songs and their folds")
    parser.add_argument("--out", type=terminal.folder, required=True, metavar="DIR", help="where the tables go")
    args: argparse.Namespace = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    answer(args.library, pd.read_csv(args.folds, index_col="song")).to_csv(args.out / "answers.csv", index=False)
    find_nearest(args.library).to_csv(args.out / "nearest.csv", index=False)
    return terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
