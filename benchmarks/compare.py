"""Compare the answers of two versions of the code about the same songs, in the same folds.

    python benchmarks/compare.py COMMIT --songs DIR    # COMMIT against the code as it is here

Both versions make a library of the songs, and answer for songs held out of training and for songs by artists who are
left out (`answers.py` of each). The folds are written once, by song, so that pairs stay pairs where one version takes
songs for copies and the other does not. Libraries are kept in data/compare/; the steps make again what is out of date.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from soundalike import splits, terminal
from soundalike.evaluation import artist_groups
from soundalike.frame import read_library
from soundalike.library import PROJECT, atomic_write, good_songs

REPEATS, RESAMPLES = 3, 1000  # of the split by song; of the bootstrap
PRICE = 0.1  # of the right answers are lost to "unknown artist"
SCRIPTS = ("mp3_split.py", "feature_extraction.py", "dataframe_creation.py")


def run(*command: str | Path, folder: Path) -> None:
    """Run a command, or stop with what it said."""
    if subprocess.run([*command], cwd=folder, check=False).returncode not in (terminal.ALL_GOOD, terminal.LEFT_OUT):
        raise SystemExit(f"It failed in {folder}: {' '.join(map(str, command))}")


def check_out(commit: str, folder: Path) -> None:
    """Put a commit into a worktree of its own."""
    if not folder.exists():
        run("git", "worktree", "add", "--detach", folder, commit, folder=PROJECT)
    if not (folder / "benchmarks" / "answers.py").exists():
        raise SystemExit(f"{commit} cannot be asked: it has no benchmarks/answers.py.")


def make_library(tree: Path, songs: Path, root: Path) -> None:
    """Run the three steps of a version of the code."""
    for script in SCRIPTS:
        named: list[str | Path] = ["--songs", songs] if script == SCRIPTS[0] else []
        run(sys.executable, tree / script, "--library", root, *named, folder=tree)


def write_folds(root: Path, path: Path) -> pd.DataFrame:
    """Split the songs of a library, unless the file has the same songs already."""
    songs, _ = splits.song_table(read_library(root))
    if path.exists() and list(pd.read_csv(path)["song"]) == list(songs.index):
        return pd.read_csv(path, index_col="song")
    table = songs[["artist"]].assign(group=artist_groups(songs))
    for seed in range(REPEATS):
        for number, (_, test) in enumerate(splits.folds(songs, seed=seed)):
            table.loc[songs.index[test], f"fold {seed}"] = number
    with atomic_write(path) as target:
        table.to_csv(target)
    return table


def read_answers(root: Path) -> pd.DataFrame:
    """Read what a version answered about the songs of its library, and whether the nearest is by the same artist."""
    folder, artist = root / "answers", good_songs(root).set_index("song")["artist"]
    answers = pd.read_csv(folder / "answers.csv", keep_default_na=False, na_values={"loss": [""]})
    nearest = pd.read_csv(folder / "nearest.csv", keep_default_na=False).set_index("song")["nearest"]
    alike = nearest.map(artist) == artist.reindex(nearest.index)
    if "confidence" not in answers:  # before there was a second witness
        answers["confidence"] = answers["probability"]
    return answers.assign(right=answers["artist"] == answers["predicted"], alike=answers["song"].map(alike))


def at_price(answers: pd.DataFrame) -> float:
    """Return the share of songs by unknown artists that are refused where so many right answers are, too."""
    right = answers.loc[answers["known"] & answers["right"], "confidence"]
    return (answers.loc[~answers["known"], "confidence"] < right.quantile(PRICE)).mean()


def auc(answers: pd.DataFrame) -> float:
    """Return how often a right answer is more confident than one for an unknown artist."""
    used = answers[answers["right"] | ~answers["known"]]
    return roc_auc_score(used["known"], used["confidence"]) if used["known"].nunique() == 2 else np.nan


FIGURES: dict[str, Callable[[pd.DataFrame], float]] = {
    "balanced accuracy": lambda of: of[of["known"]].groupby("artist")["right"].mean().mean(),
    "log-loss (nats)": lambda of: of["loss"].mean(),
    "AUC, right against unknown artists": auc,
    "unknown refused at the price of 10% of the right": at_price,
    "unknown artists called sure": lambda of: (of.loc[~of["known"], "word"] == "sure").mean(),
    "known artists called sure": lambda of: (of.loc[of["known"], "word"] == "sure").mean(),
    "of these right": lambda of: of.loc[of["known"] & (of["word"] == "sure"), "right"].mean(),
    "nearest song by the same artist": lambda of: of.loc[of["known"] & (of["repeat"] == 0), "alike"].mean(),
}


def measure(answers: pd.DataFrame) -> np.ndarray:
    """Compute all figures [shape=(figures,)]."""
    return np.array([figure(answers) for figure in FIGURES.values()])


def paired_intervals(old: pd.DataFrame, new: pd.DataFrame) -> np.ndarray:
    """Return the 95% intervals of the differences over songs, drawn artist by artist [shape=(2, figures)]."""
    songs = new.drop_duplicates("song").groupby("artist")["song"].apply(list)
    rows = [dict(answers.groupby("song").indices) for answers in (old, new)]
    draw, found = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        drawn = [song for own in songs for song in draw.choice(own, len(own))]
        one, two = (
            measure(answers.iloc[np.concatenate([of[song] for song in drawn])])
            for answers, of in zip((old, new), rows, strict=True)
        )
        found.append(two - one)
    return np.nanquantile(found, [0.025, 0.975], axis=0)


def interval_over_artists(answers: pd.DataFrame) -> np.ndarray:
    """Return the 95% intervals over artists, by the jackknife and Student's t [shape=(2, figures)].

    With as few artists as here a bootstrap is too narrow. Of a mean over artists this is the usual interval.
    """
    artists = answers["artist"].unique()
    without = np.array([measure(answers[answers["artist"] != artist]) for artist in artists])
    n = len(artists)
    half = student.ppf(0.975, n - 1) * np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return np.clip(
        measure(answers) + np.array([[-1], [1]]) * half, 0, np.where(["loss" in name for name in FIGURES], np.inf, 1)
    )


def compare(old: pd.DataFrame, new: pd.DataFrame, names: tuple[str, str]) -> str:
    """Put the figures of both side by side, for the songs that both answer for."""
    asked = [set(answers["song"]) for answers in (old, new)]
    old, new = (answers[answers["song"].isin(asked[0] & asked[1])] for answers in (old, new))
    before, after = measure(old), measure(new)
    low, high = paired_intervals(old, new)
    of_artists = interval_over_artists(new)
    rows = [
        {
            "": figure,
            names[0]: f"{before[n]:.3f}",
            names[1]: f"{after[n]:.3f}",
            "difference (paired, over songs)": f"{after[n] - before[n]:+.3f} ({low[n]:+.3f} to {high[n]:+.3f})",
            f"{names[1]}, over artists": f"{of_artists[0, n]:.2f} to {of_artists[1, n]:.2f}",
        }
        for n, figure in enumerate(FIGURES)
    ]
    return (
        f"{len(asked[0] & asked[1])} songs that both answer for ({names[0]}: {len(asked[0])}, {names[1]}: "
        f"{len(asked[1])}), by {new['artist'].nunique()} artists; {REPEATS} repeats; 95% intervals.\n\n"
        + page.markdown(rows)
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", metavar="COMMIT", help="the version to compare with")
    parser.add_argument(
        "--songs", type=terminal.folder, required=True, metavar="DIR", help="the music, a folder an artist"
    )
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Make both libraries, ask both versions, and print the table."""
    args = parse_args(argv)
    asked = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "--short", f"{args.commit}^{{commit}}"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    commit = asked.stdout.strip()
    if not commit:
        raise SystemExit(f"There is no commit {args.commit}.")
    room = PROJECT / "data" / "compare"
    trees = {commit: room / commit / "code", "here": PROJECT}
    roots = {name: room / name / args.songs.as_posix().strip("/").replace("/", "-") for name in trees}
    try:
        check_out(commit, trees[commit])
        for name, tree in trees.items():
            make_library(tree, args.songs, roots[name])
        folds = roots["here"].parent / f"{roots['here'].name}.csv"
        write_folds(roots["here"], folds)
        for name, tree in trees.items():
            given = ["--library", roots[name], "--folds", folds, "--out", roots[name] / "answers"]
            run(sys.executable, tree / "benchmarks" / "answers.py", *given, folder=tree)
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", trees[commit]], cwd=PROJECT, check=False)
    old, new = map(read_answers, roots.values())
    print(compare(old, new, (commit, "here")))
    return terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
