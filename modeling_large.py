"""What modeling.ipynb does, for a library that is too large for it: linear models, features read from disk.

    python modeling_large.py                   # the frame that dataframe_creation.py made

Compares models on songs and albums never heard and saves the best in data/model/. One song is put
aside, to ask predict.py about. It takes some forty minutes for a million clips, which
modeling.ipynb would not hold in memory.
"""

import argparse
import sys
import time

import classifiers
import folds
import judging
import model_files
import scoring
import terminal
from dataframe_creation import noted_of
from library import printable
from on_disk import OnDisk


def work(args: argparse.Namespace) -> int:
    """Compare, choose, train and save."""
    root, started = args.data, time.monotonic()
    noted = noted_of(root)
    terminal.print_note(root)
    features = OnDisk(root)
    frame, too_few = folds.comparable(features.labels(), leave_out=True)
    held_out = folds.hold_out(frame)
    frame = frame[frame["song"] != held_out].reset_index(drop=True)
    counts = [terminal.counted(frame[name].nunique(), name) for name in ("artist", "song")]
    print(f"{', '.join(counts)}, {terminal.counted(len(frame), 'clip')}. Put aside: {printable(held_out)}.")
    if too_few:
        print(f"Not compared, having fewer than {folds.MIN_SONGS} songs: {printable(', '.join(too_few))}")
    recipes = classifiers.linear_models(embedded=bool(noted.get("embedded")))
    results = judging.compare(recipes, frame, sounds=features)
    scores = scoring.table(results, frame)
    print(f"\nBalanced accuracy, but for two columns; guessing scores {scoring.chance(frame):.2f} by song.")
    print(scoring.readable(scores).fillna("").to_string())
    best = scoring.best_of(scores)
    members = judging.train_best(best, recipes, frame, features)
    told = scoring.summary(best, results, scores, frame)
    model_files.save(
        root,
        best,
        list(members.values()),
        trained_on=frame,
        held_out=held_out,
        scores=told,
        none_below=None,
    )
    print(
        f"\nBest on songs never heard: {best}, {scoring.with_interval(told['songs never heard'])}; saved in "
        f"{printable(root / 'model')}. That took {(time.monotonic() - started) / 60:.1f} minutes."
    )
    print(f'Ask about a song: {terminal.command("predict.py", root)} "SONG.mp3"')
    return terminal.ALL_GOOD


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, terminal.parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
