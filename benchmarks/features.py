"""What each family of features, and each statistic, is worth on songs never heard: alone, and left out.

    python benchmarks/features.py --data DIR      # a library through which the three scripts went

Two models that train in seconds are averaged, linear discriminants of clips and a logistic regression of
whole songs (alone where only whole songs are described); settings are chosen and answers calibrated
on inner folds, as everywhere.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike import cli
from soundalike.dataset import duplicates, splits
from soundalike.evaluation import crossval, metrics
from soundalike.features.table import CLIP_COLUMNS, FAMILIES, LOUDNESS, ORIGINAL_NINE, STATISTICS, columns
from soundalike.library.catalogue import good_songs
from soundalike.models import specs
from soundalike.models.specs import OF_SONGS


def groups() -> dict[str, list[str]]:
    """The columns of each family and of each statistic, and some sets that have a name."""
    named = {"the nine of 2018": ORIGINAL_NINE, "what depends on gain": LOUDNESS}
    families = {name: columns(name) for name in FAMILIES}
    whole = {"song_…, but for the key": [name for name in OF_SONGS if name.startswith("song_")]}
    statistics = {f"…_{each}": [name for name in CLIP_COLUMNS if name.endswith(f"_{each}")] for each in STATISTICS}
    return named | families | whole | statistics


def score(models: dict[str, specs.Recipe], used: list[str], frame: pd.DataFrame, repeats: int) -> dict[str, float]:
    """Scores by song of the average of both models, looking at these columns."""
    of_clips = [column for column in used if column in CLIP_COLUMNS]
    recipes = [models["songs: all features"]._replace(columns=used)]
    if of_clips:
        recipes.append(models["linear discriminant"]._replace(columns=of_clips))
    judged = []
    for seed in range(repeats):
        dealt = splits.folds(frame, seed=seed)
        answers = Parallel(n_jobs=-1)(
            delayed(crossval.judge)(recipe, frame, fold, "song", seed=seed) for fold in dealt for recipe in recipes
        )
        pairs = [answers[k : k + len(recipes)] for k in range(0, len(answers), len(recipes))]
        judged.append(crossval.together([crossval.average(pair, frame) for pair in pairs]))
    return metrics.measure(*metrics.items(judged, frame))


def work(args: argparse.Namespace) -> int:
    """Print the table."""
    whole, songs = pd.read_parquet(args.data / "df_music.parquet"), good_songs(args.data)
    settled, _, _ = duplicates.resolve_duplicates(whole, songs)
    frame, _ = splits.comparable(settled, leave_out=True)
    models = specs.models()
    everything = score(models, OF_SONGS, frame, args.repeats)
    print(f"{frame['song'].nunique()} songs, {frame['artist'].nunique()} artists, {args.repeats} deals of the songs.")
    print(
        f"All {len(OF_SONGS)} columns that models look at: balanced accuracy {cli.with_interval(everything)}, "
        f"log-loss {everything['log-loss']:.2f} nats.\n"
    )
    print("| | columns | alone | log-loss | gained by having it | log-loss |\n|---|---|---|---|---|---|")
    for name, used in tqdm(groups().items(), unit=" sets", file=sys.stderr):
        alone = score(models, used, frame, args.repeats)
        rest = [column for column in OF_SONGS if column not in used]
        left_out = score(models, rest, frame, args.repeats) if len(rest) < len(OF_SONGS) else everything
        gain, less = (everything[worth] - left_out[worth] for worth in ("balanced accuracy", "log-loss"))
        print(
            f"| {name} | {len(used)} | {alone['balanced accuracy']:.2f} | {alone['log-loss']:.2f} | {gain:+.2f} | "
            f"{less:+.2f} |",
            flush=True,
        )
    return cli.ALL_GOOD


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=2, metavar="N", help="how often songs are dealt (default: 2)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.script(lambda argv: work(parse_args(argv)))())
