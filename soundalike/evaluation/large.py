"""What modeling.ipynb does, for a library that is too large for it: linear models, features read from disk.

    python -m soundalike.evaluation.large      # the frame that dataframe_creation.py made

Compares models on songs and albums never heard and saves the best in data/model/. One song is put
aside, to ask predict.py about. It takes some forty minutes for a million clips, which
modeling.ipynb would not hold in memory.
"""

import argparse
import sys
import time

from soundalike import cli
from soundalike.dataset import splits
from soundalike.dataset.frame import current_notes
from soundalike.evaluation import crossval, metrics
from soundalike.library.errors import printable
from soundalike.models import saving, specs
from soundalike.models.on_disk import OnDisk


def work(args: argparse.Namespace) -> int:
    """Compare, choose, train and save."""
    root, started = args.data, time.monotonic()
    noted = current_notes(root)
    cli.print_note(root)
    features = OnDisk(root)
    frame, too_few = splits.comparable(features.labels(), leave_out=True)
    held_out = splits.hold_out(frame)
    frame = frame[frame["song"] != held_out].reset_index(drop=True)
    counts = [cli.counted(frame[name].nunique(), name) for name in ("artist", "song")]
    print(f"{', '.join(counts)}, {cli.counted(len(frame), 'clip')}. Put aside: {printable(held_out)}.")
    if too_few:
        print(f"Not compared, having fewer than {splits.MIN_SONGS} songs: {printable(', '.join(too_few))}")
    recipes = specs.linear_models(embedded=bool(noted.get("embedded")))
    results = crossval.compare(recipes, frame, sounds=features)
    scores = metrics.table(results, frame)
    print(f"\nBalanced accuracy, but for two columns; guessing scores {metrics.chance(frame):.2f} by song.")
    print(metrics.readable(scores).fillna("").to_string())
    best = metrics.best_of(scores)
    members = crossval.train_best(best, recipes, frame, features)
    told = metrics.summary(best, results, scores, frame)
    saving.save(
        root,
        best,
        list(members.values()),
        trained_on=frame,
        held_out=held_out,
        scores=told,
        none_below=None,
    )
    print(
        f"\nBest on songs never heard: {best}, {cli.with_interval(told['songs never heard'])}; saved in "
        f"{printable(root / 'model')}. That took {(time.monotonic() - started) / 60:.1f} minutes."
    )
    print(f'Ask about a song: {cli.command("predict.py", root)} "SONG.mp3"')
    return cli.ALL_GOOD


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return work(cli.parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
