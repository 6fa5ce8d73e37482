"""Measure the answers that users get for unseen songs, unseen albums, and songs by artists who are left out.

    python benchmarks/shipped.py --songs ~/Music        # any folder of music, one folder per artist: makes a library
    python benchmarks/shipped.py --library DIR          # or one through which the three scripts went
    python benchmarks/shipped.py --library DIR --keep "sung" --development    # a row of the tables of both README.md

Answers, and those of each ear alone, are measured in three repeats of the split by song; the nine features of 2018 and
what is known of the files in one. Intervals are over artists: what other artists like these would give.
`--development` says that the design was chosen on these songs, which flatters.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page
from compare import make_library

from soundalike import evaluation, recogniser, splits, terminal, training
from soundalike.embedding import Segments
from soundalike.features import ORIGINAL_NINE
from soundalike.frame import current_notes, read_frame, read_library
from soundalike.library import PROJECT, good_songs

TECHNICAL = ["sample_rate", "channels", "bit_rate", "loudness", "cutoff_hz"]  # columns of songs.csv


def measure(root: Path, same: list[str]) -> dict:
    """Answer for all songs but the one that is held out, give words to the answers, and score them.

    Parameters
    ----------
    root : Path
        Of the library.
    same : list of str
        Artists who count as one.
    """
    library = read_library(root)
    if missing := set(same) - set(library["artist"]):
        raise SystemExit(f"There are no songs by {' and '.join(sorted(missing))} in this library.")
    as_one = dict.fromkeys(same, " and ".join(same))
    songs, _ = splits.song_table(library.assign(artist=library["artist"].replace(as_one)))
    songs = songs.drop(index=splits.hold_out(songs), errors="ignore")
    study, sources, _ = training.study_of(root, songs, current_notes(root)["networks"])
    answers, _ = evaluation.answers(study, evaluation.REPEATS)
    answers = recogniser.give_words(answers, recogniser.choose(answers)[1])
    known, strange = answers[answers["known"]], answers[~answers["known"]]
    named = ~known["word"].isin([recogniser.UNKNOWN, recogniser.EITHER])
    by_artist = {
        "named rightly": (named & known["right"]).groupby(known["artist"]).mean(),
        "unknown artist called so": (strange["word"] == recogniser.UNKNOWN).groupby(strange["artist"]).mean(),
        "unknown artist called sure": (strange["word"] == recogniser.SURE).groupby(strange["artist"]).mean(),
        "unseen songs": known.groupby("artist")["right"].mean(),
    }
    for title, by in {"unseen albums": "album", "known albums": "known album"}.items():
        of = evaluation.answer_albums(study, by)
        by_artist[title] = of.groupby(["artist", "album"])["right"].mean().groupby("artist").mean()
    return {
        "songs": len(study.songs),
        "counted as one": same,
        "artists": int(study.songs["artist"].nunique()),
        "cohort": sources,
        "chance": 1 / study.songs["artist"].nunique(),
        "unseen songs": evaluation.score(known),
        "ears": {ear: evaluation.score(known_by(ear, study)) for ear in study.segments.rows},
        "2018": score_2018(root, study.songs),
        "how recordings were made": score_files(root, study.songs),
        "answers": [recogniser.as_shipped(one) for _, one in answers.groupby("repeat")],
        "by artist": {title: values.round(4).to_dict() for title, values in by_artist.items()},
    }


def known_by(ear: str, study: evaluation.Study) -> pd.DataFrame:
    """Answer for unseen songs by one ear alone, in as many repeats."""
    segments = Segments({ear: study.segments.rows[ear]}, study.segments.song)
    cohort = study.cohort and {ear: study.cohort[ear]}
    pairs = [splits.folds(study.songs, seed=splits.SEED + n) for n in range(evaluation.REPEATS)]
    parts = evaluation.ask_all(study._replace(segments=segments, cohort=cohort), pairs, ear)
    return pd.concat([evaluation.answer_folds(of, study.songs) for of in parts])


def score_2018(root: Path, songs: pd.DataFrame) -> dict[str, float]:
    """Score a random forest on the nine features of 2018: balanced accuracy of single clips, split in both ways."""
    frame = read_frame(root)
    clips = frame[~frame["silent"] & frame["song"].isin(songs.index)]
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0)
    ways = {"clips at random": StratifiedKFold, "songs held out": StratifiedGroupKFold}
    given = {"groups": clips["recording"], "scoring": "balanced_accuracy", "n_jobs": -1}
    X, y = clips[ORIGINAL_NINE], clips["song"].map(songs["artist"])
    return {
        title: cross_val_score(forest, X, y, cv=way(5, shuffle=True, random_state=0), **given).mean()
        for title, way in ways.items()
    }


def score_files(root: Path, songs: pd.DataFrame) -> float:
    """Score a random forest that is given how files were made, and nothing of the music: balanced accuracy of songs."""
    files = good_songs(root).set_index("song").loc[songs.index]
    made = files[TECHNICAL].apply(pd.to_numeric, errors="coerce").fillna(-1).join(pd.get_dummies(files["codec"]))
    forest = RandomForestClassifier(100, min_samples_leaf=2, class_weight="balanced", random_state=0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    given = {"groups": songs["recording"], "scoring": "balanced_accuracy"}
    return float(cross_val_score(forest, made, songs["artist"], cv=folds, **given).mean())


def over_artists(values: dict[str, float]) -> tuple[float, float, float]:
    """Return the mean over artists, and its 95% interval by Student's t: what other artists like these would give."""
    of = np.array(list(values.values()))
    half = student.ppf(0.975, len(of) - 1) * of.std(ddof=1) / np.sqrt(len(of))
    return of.mean(), max(of.mean() - half, 0), min(of.mean() + half, 1)


def with_artists(values: dict[str, float], form: str) -> str:
    """``63% (44%–83%)``: the mean over artists, and its interval."""
    mean, low, high = (format(value, form) for value in over_artists(values))
    return f"{mean} ({low}–{high})"


def title(figures: dict) -> str:
    """Say which songs these are."""
    role = ", *development set*" if figures["development"] else ""
    return f"{figures['songs']} {figures['title']}, {figures['artists']} artists{role}"


def answer_row(figures: dict) -> dict[str, str]:
    """Return the row of the project's README.md."""
    answers, of = figures["answers"], figures["by artist"]
    right, *others = (
        f"{np.mean([one['known'][word] for one in answers]):.0%}" for word in ("right", "wrong", "either", "unknown")
    )
    refused, sure = (f"{np.mean([one['unknown'][what] for one in answers]):.0%}" for what in ("refused", "called_sure"))
    called = [one["sure"] for one in answers]
    return {
        "songs": title(figures),
        'right / wrong / "A or B" / "unknown artist?"': " / ".join([f"**{right}**", *others]),
        '"sure" was right': f"{sum(one['right'] for one in called)} of {sum(one['songs'] for one in called)}",
        'strangers: "unknown artist?" / sure': f"{refused} / {sure}",
        "balanced accuracy": with_artists(of["unseen songs"], ".2f"),
        "2018 (at random)": f"{figures['2018']['songs held out']:.2f} ({figures['2018']['clips at random']:.2f})",
    }


def detail_row(figures: dict) -> dict[str, str]:
    """Return the row of README.md here."""
    of, ears = figures["by artist"], figures["ears"]
    albums, known = of["unseen albums"], of["known albums"]
    return {
        "songs": title(figures),
        "right": with_artists(of["named rightly"], ".0%"),
        "strangers refused": with_artists(of["unknown artist called so"], ".0%"),
        "strangers sure": with_artists(of["unknown artist called sure"], ".0%"),
        "accuracy: all / features / music / voice": " / ".join(
            f"{one['balanced_accuracy']:.2f}" for one in (figures["unseen songs"], *ears.values())
        ),
        "log-loss": " / ".join(f"{one['log_loss']:.2f}" for one in (figures["unseen songs"], *ears.values())),
        "unseen (known) albums": "; ".join(f"{albums[artist]:.2f} ({known[artist]:.2f})" for artist in albums),
        "files alone": f"{figures['how recordings were made']:.2f}",
        "chance": f"{figures['chance']:.2f}",
        "measured": f"{figures['measured']}, {figures['commit'][:7]}",
    }


def all_results() -> list[dict]:
    """Return all that was kept; first that of songs which no choice saw."""
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(page.HERE.glob("results/shipped-*.json"))]
    return sorted(kept, key=lambda figures: figures["development"])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument(
        "--songs", type=terminal.folder, metavar="DIR", help="make a library of these, in data/benchmarks/"
    )
    parser.add_argument("--keep", metavar="TITLE", help="keep it in results/, and write both README.md")
    parser.add_argument("--development", action="store_true", help="the design was chosen on these songs")
    parser.add_argument("--same", nargs="+", default=[], metavar="ARTIST", help="count these artists as one")
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the rows."""
    args = parse_args(argv)
    root = args.library
    if args.songs:
        root = PROJECT / "data" / "benchmarks" / args.songs.as_posix().strip("/").replace("/", "-")
        make_library(PROJECT, args.songs, root)
    figures = measure(root, args.same) | {"title": args.keep or "songs", "development": args.development}
    if args.keep:
        page.write(f"shipped-{args.keep.split()[0]}", figures)
        page.put(PROJECT / "README.md", "shipped", page.markdown([answer_row(one) for one in all_results()]) + "\n")
        page.put(page.HERE / "README.md", "shipped", page.markdown([detail_row(one) for one in all_results()]) + "\n")
    about = {"measured": "now", "commit": "here"}
    print(f"{page.markdown([answer_row(figures)])}\n\n{page.markdown([detail_row(figures | about)])}")
    return terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
