"""Measure in small libraries which answers show that an artist is unknown, with a cohort and without.

    python benchmarks/small_libraries.py --library DIR --cohort OTHER.npz   # of cohort.py, made of other music
    python benchmarks/small_libraries.py --library DIR --cohort OTHER.npz --keep instrumental

Libraries of two, three and five artists with three to ten songs each are drawn from a library that the three scripts
went through. Their songs are held out in five folds; each model also answers for songs of the artists that were not
drawn. In each library the words are chosen as a user's are.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd
from joblib import Parallel, delayed
from sklearn.metrics import roc_auc_score

from soundalike import cohort, evaluation, recogniser, splits, terminal
from soundalike.embedding import Segments, read_segments
from soundalike.frame import read_library
from soundalike.networks import NETWORKS
from soundalike.song import FEATURES

SIZES = [(2, 10), (2, 8), (2, 5), (2, 3), (3, 8), (3, 5), (3, 3), (5, 8), (5, 5)]  # artists, songs of each
SHOWN = [(2, 10), (3, 8), (5, 8)]
DRAWS = 8  # libraries of each size
ASKED = 60  # songs by others, at most
PRICE = 0.1  # of the right answers are lost to "unknown artist"
WITNESSES = ("probability", "nearness", "confidence")


def draw(songs: pd.DataFrame, artists: int, each: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the songs of a library, and songs by others to ask about."""
    counts = songs["artist"].value_counts()
    chosen = np.random.default_rng(seed).choice(sorted(counts.index[counts >= each]), artists, replace=False)
    own = songs[songs["artist"].isin(chosen)].groupby("artist").sample(each, random_state=seed).sort_index()
    others = songs[~songs["artist"].isin(chosen) & ~songs["recording"].isin(own["recording"])]
    return own, others.sample(min(ASKED, len(others)), random_state=seed)


def ask(songs: pd.DataFrame, segments: Segments, others: dict | None, artists: int, each: int, seed: int) -> dict:
    """Measure one library: its answers for its own songs, held out, and for songs by others."""
    own, strange = draw(songs, artists, each, seed)
    both = pd.concat([own.assign(scored=each >= splits.MIN_SCORED), strange.assign(scored=False)])
    study, outside = evaluation.Study(both, segments, others), np.arange(len(own), len(both))
    pairs = [(learn, np.append(test, outside)) for learn, test in splits.folds(own, seed=seed)]
    (parts,) = evaluation.ask_all(study, [pairs], "Asking")
    scores = [part.scores.drop(columns=sorted(set(strange["artist"]))) for part in parts]
    of_own = [one[one.index.isin(own.index)] for one in scores]
    temperature = evaluation.temperature_of(of_own, own)
    asked = [
        evaluation.tabulate_answers(part._replace(scores=one), temperature, both)
        for part, one in zip(parts, scores, strict=True)
    ]
    table = pd.concat(asked, ignore_index=True)
    is_own = table["song"].isin(own.index)
    right, unknown = table[is_own & table["right"]], table[~is_own]
    found: dict = {"artists": artists, "songs": each}
    found |= {"right": table.loc[is_own, "right"].mean(), "loss": table.loc[is_own, "loss"].mean()}
    for name in WITNESSES:
        truth = np.repeat([1, 0], [len(right), len(unknown)])
        found[f"AUC, {name}"] = roc_auc_score(truth, np.append(right[name], unknown[name])) if len(right) else np.nan
        found[f"refused, {name}"] = (unknown[name] < right[name].quantile(PRICE)).mean()
    inside, _ = evaluation.answers(evaluation.Study(both.loc[own.index], segments, others))
    words, blocks = recogniser.choose(inside)
    of_own_songs = recogniser.give_words(inside[inside["known"]], blocks)["word"]
    for title, said in (("own", of_own_songs), ("others", words.word_of(unknown))):
        found |= {f"{title}: {word}": (said == word).mean() for word in recogniser.WORDS}
    return found


def measure(root: Path, path: Path) -> pd.DataFrame:
    """Measure all libraries, without a cohort and with one."""
    songs, _ = splits.song_table(read_library(root))
    segments, sources = read_segments(root, songs.index, [FEATURES, *NETWORKS]), cohort.read(path)
    arms = {"without": None, "with": cohort.draw(sources.values(), segments.rows)}
    counts = songs["artist"].value_counts()
    tasks = [
        (arm, artists, each, seed)
        for arm in arms
        for artists, each in SIZES
        if (counts >= each).sum() > artists
        for seed in range(DRAWS)
    ]
    work = (delayed(ask)(songs, segments, arms[arm], artists, each, seed) for arm, artists, each, seed in tasks)
    found = pd.DataFrame(Parallel(n_jobs=-1)(work))
    return found.assign(cohort=[arm for arm, *_ in tasks])


def table(sets: dict[str, dict]) -> str:
    """Write the page: means over the libraries of each size."""
    rows = []
    for name, figures in sets.items():
        means = pd.DataFrame(figures["libraries"]).groupby(["artists", "songs", "cohort"]).mean()
        for artists, each in (size for size in SIZES if size in SHOWN and size in means.index.droplevel(2)):
            without, among = (means.loc[(artists, each, arm)] for arm in ("without", "with"))

            def both(column: str, without: pd.Series = without, among: pd.Series = among) -> str:
                return f"{without[column]:.2f}, {among[column]:.2f}"

            rows.append({
                "set": name,
                "artists × songs": f"{artists} × {each}",
                "right": both("right"),
                "log-loss": both("loss"),
                "AUC of the confidence": both("AUC, confidence"),
                "strangers refused at the price of one right answer in ten": both("refused, confidence"),
                **{
                    f"{whose}: sure / probably / A or B / unknown / closest": " / ".join(
                        f"{among[f'{title}: {word}']:.0%}" for word in recogniser.WORDS
                    )
                    for title, whose in (("own", "own songs"), ("others", "strangers"))
                },
            })  # fmt: skip
    return f"Without the cohort, with it; words with it. Means of {DRAWS} libraries each.\n\n{page.markdown(rows)}"


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    parser = page.parser_of_set(__doc__)
    parser.add_argument(
        "--cohort", type=Path, required=True, metavar="FILE.npz", help="music that is not in the library"
    )
    args = parser.parse_args(argv)
    figures = {"libraries": measure(args.library, args.cohort).round(4).to_dict("records")}
    return page.show_sets("small", args.keep, figures, table)


if __name__ == "__main__":
    sys.exit(main())
