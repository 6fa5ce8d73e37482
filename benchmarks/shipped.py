"""Measure the answers that users get for unseen songs, unseen albums, and songs by artists who are left out.

    python benchmarks/shipped.py --library DIR          # a library of real_music.py, after the three scripts
    python benchmarks/shipped.py --library DIR --keep   # results go to results/ and into README.md here
    python benchmarks/shipped.py --library DIR --keep shipped-sung   # a library of sung_music.py, under another name

Answers, and those of each ear alone, are measured in three repeats of the split by song; the nine features of 2018 and
what is known of the files in one. README.md of the project quotes the means, and intervals over
artists where a figure is about artists.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from scipy.stats import t as student
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page

from soundalike import evaluation, recogniser, splits, terminal, training
from soundalike.embedding import Segments
from soundalike.features import ORIGINAL_NINE
from soundalike.frame import current_notes, read_frame, read_library
from soundalike.library import good_songs
from soundalike.wording import with_interval

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


def share(of: dict, name: str) -> str:
    """Return a share of so many songs with its interval (Wilson, as if songs were independent)."""
    value, count = of[name], of["songs"]
    ends = binomtest(round(value * count), count).proportion_ci(method="wilson")
    return f"{value:.0%} (95% CI {100 * ends.low:.0f}–{100 * ends.high:.0f}%)"


def tables(figures: dict) -> str:
    """Write the page."""
    count, by_artist = figures["songs"], figures["by artist"]
    answers = [
        {
            "repeat": repeat,
            "named rightly": share(of["known"], "right"),
            "wrongly": share(of["known"], "wrong"),
            '"A or B"': share(of["known"], "either"),
            '"unknown artist?"': share(of["known"], "unknown"),
            "unknown artists called so": share(of["unknown"], "refused"),
            "called sure": share(of["unknown"], "called_sure"),
            **{word: f"{of[word]['right']} of {of[word]['songs']} right" for word in ("sure", "probably", "either")},
        }
        for repeat, of in enumerate(figures["answers"], 1)
    ]
    artists = [
        {"artist": artist} | {title: f"{of[artist]:.2f}" if artist in of else "" for title, of in by_artist.items()}
        for artist in by_artist["unseen songs"]
    ]
    means = {title: over_artists(of) for title, of in by_artist.items() if not title.endswith("albums")}
    artists.append(
        {"artist": "mean (95% CI over artists)"}
        | {title: f"{mean:.2f} ({low:.2f}–{high:.2f})" for title, (mean, low, high) in means.items()}
    )
    scores = [
        {"balanced accuracy of unseen songs": name, "": with_interval(of), "log-loss": f"{of['log_loss']:.2f}"}
        for name, of in ({"all ears": figures["unseen songs"]} | figures["ears"]).items()
    ]
    of_2018 = " and ".join(f"{value:.2f} ({way})" for way, value in figures["2018"].items())
    return (
        f"{count} songs by {figures['artists']} artists (one more song is held out for predict.py), chance level "
        f"{figures['chance']:.2f}; cohort: {', '.join(figures['cohort']) or 'none'}. A forest that is given the files "
        f"alone (bit rate, loudness and the like) scores {figures['how recordings were made']:.2f}. The nine features "
        f"of 2018 score {of_2018} by single clips. Answers for held-out songs, and for songs by artists who were left "
        f"out of the library:\n\n{page.markdown(answers)}\n\nBy artist, of all repeats (shares of songs; every album "
        f"counts the same):\n\n{page.markdown(artists)}\n\n{page.markdown(scores)}\n"
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument(
        "--keep", nargs="?", const="shipped", metavar="NAME", help="write results/NAME.json and README.md"
    )
    parser.add_argument("--same", nargs="+", default=[], metavar="ARTIST", help="count these artists as one")
    return parser.parse_args(argv)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    args = parse_args(argv)
    figures = measure(args.library, args.same)
    return page.show(args.keep or "shipped", figures, tables(figures), kept=bool(args.keep))


if __name__ == "__main__":
    sys.exit(main())
