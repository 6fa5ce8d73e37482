"""Measure the answers that users get, and all models on unseen songs, unseen albums and random clips.

    python benchmarks/shipped.py --library DIR          # a library of real_music.py, after the three scripts
    python benchmarks/shipped.py --library DIR --keep   # results go to results/ and into README.md here
    python benchmarks/shipped.py --library DIR --keep shipped-sung   # a library of sung_music.py, under another name

The words of answers are measured in three repeats of the split by song. README.md of the project quotes their means,
and intervals over artists where a figure is about artists.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import page

from soundalike import cli
from soundalike.dataset import segments, splits
from soundalike.dataset.frame import read_library
from soundalike.evaluation import confounds, crossval, metrics, unknown
from soundalike.evaluation.study import Study
from soundalike.library.catalogue import good_songs
from soundalike.library.errors import UserError
from soundalike.models import open_set, specs

WAYS = {
    "unseen songs": crossval.UNSEEN_SONGS,
    "unseen albums": crossval.UNSEEN_ALBUMS,
    "random clips": crossval.RANDOM_CLIPS,
}


def measure(root: Path, same: list[str]) -> dict:
    """Compare all models as modeling.ipynb does, and give words to the answers of three repeats.

    Parameters
    ----------
    root : Path
        Of the library.
    same : list of str
        Artists who count as one.
    """
    files, library = good_songs(root), read_library(root)
    if missing := set(same) - set(library["artist"]):
        raise UserError(f"There are no songs by {' and '.join(sorted(missing))} in this library.")
    as_one = dict.fromkeys(same, " and ".join(same))
    songs, _ = splits.song_table(library.assign(artist=library["artist"].replace(as_one)))
    songs = songs.drop(index=splits.hold_out(songs), errors="ignore")
    study = Study(songs, segments.read_examples(root, songs))
    table, ears = specs.specs(list(study.examples.networks)), specs.ears(list(study.examples.networks))
    results = crossval.compare(table, ears, study)
    made = confounds.score_confounds(files, songs)
    return {
        "songs": len(songs),
        "counted as one": same,
        "artists": int(songs["artist"].nunique()),
        "chance": metrics.chance(songs),
        "artists of several albums": len(splits.several_albums(songs)),
        "models": [_score(name, results, songs) for name in results[crossval.UNSEEN_SONGS]],
        "how recordings were made": made,
    } | _answers(table, ears, study, results)


def _score(name: str, results: crossval.Results, songs: pd.DataFrame) -> dict:
    """One model: its scores by each way to split that it was measured in."""
    measured = {title: results[by][name] for title, by in WAYS.items() if name in results[by]}
    scores = {title: metrics.score(repeats, songs, by=WAYS[title]) for title, repeats in measured.items()}
    other = measured["unseen songs"]
    if "random clips" in measured:
        scores["clips of unseen songs"] = metrics.score(metrics.clips_alone(other), songs)
    better = metrics.difference(results[crossval.UNSEEN_SONGS][specs.KEPT][: len(other)], other, songs)
    return {"model": name, **scores, "kept model better by": better}


def _answers(table: dict, ears: dict, study: Study, results: crossval.Results) -> dict:
    """Return what users get in each repeat of the split, and shares by artist, of all repeats together."""
    model, _, fixed = crossval.train_kept(table, ears, study)
    known = results[crossval.UNSEEN_SONGS][specs.KEPT]
    answers = unknown.give_words(unknown.answer_all(fixed, model.fusion, study, known))
    is_known, named = answers["known"], answers["word"] != open_set.UNKNOWN
    hits = metrics.song_hits(known, study.songs)
    by_artist = {
        "named rightly": (named & answers["right"])[is_known].groupby(answers["artist"]).mean(),
        "unknown artist called so": (~named)[~is_known].groupby(answers["artist"]).mean(),
        "unknown artist called sure": (answers["word"] == open_set.SURE)[~is_known].groupby(answers["artist"]).mean(),
        "unseen songs": hits.groupby("artist")["right"].mean(),
    }
    for title, by in (("unseen albums", crossval.UNSEEN_ALBUMS), ("known albums", crossval.KNOWN_ALBUMS)):
        of_albums = metrics.song_hits(results[by][specs.KEPT], study.songs)
        by_artist[title] = of_albums.groupby(["artist", "album"])["right"].mean().groupby("artist").mean()
    return {
        "answers": [unknown.as_shipped(one) for _, one in answers.groupby("repeat")],
        "by artist": {title: values.round(4).to_dict() for title, values in by_artist.items()},
    }


def over_artists(values: dict[str, float]) -> tuple[float, float, float]:
    """Return the mean over artists, and its 95% interval by Student's t: what other artists like these would give."""
    of = np.array(list(values.values()))
    half = student.ppf(0.975, len(of) - 1) * of.std(ddof=1) / np.sqrt(len(of))
    return of.mean(), max(of.mean() - half, 0), min(of.mean() + half, 1)


def share(value: float, count: int) -> str:
    """Return a share with its interval (Wilson, as if songs were independent)."""
    ends = binomtest(round(value * count), count).proportion_ci(method="wilson")
    return f"{value:.0%} (95% CI {100 * ends.low:.0f}–{100 * ends.high:.0f}%)"


def tables(figures: dict) -> str:
    """Write the page."""
    count, by_artist = figures["songs"], figures["by artist"]
    answers = [
        {
            "repeat": repeat,
            "named rightly": share(of["known"]["right"], count),
            "wrongly": share(of["known"]["wrong"], count),
            '"unknown artist?"': share(of["known"]["unknown"], count),
            "unknown artists called so": share(of["unknown"]["refused"], count),
            "called sure": share(of["unknown"]["called_sure"], count),
            "sure": f"{of['sure']['right']} of {of['sure']['songs']} right",
            "probably": f"{of['probably']['right']} of {of['probably']['songs']} right",
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
    models = [
        {
            "model": of["model"],
            "unseen songs": cli.with_interval(of["unseen songs"]),
            "log-loss": f"{of['unseen songs']['log_loss']:.2f}",
            "kept model better by": "" if of["model"] == specs.KEPT else cli.signed(*of["kept model better by"]),
            "unseen albums": f"{of['unseen albums']['balanced_accuracy']:.2f}" if of.get("unseen albums") else "",
            **{by: cli.with_interval(of[by]) if of.get(by) else "" for by in ("clips of unseen songs", "random clips")},
        }
        for of in sorted(figures["models"], key=lambda of: -of["unseen songs"]["balanced_accuracy"])
    ]
    made = cli.with_interval(figures["how recordings were made"])
    return (
        f"{count} songs by {figures['artists']} artists (one more song is held out for predict.py), chance level "
        f"{figures['chance']:.2f}. A model of the files alone (bit rate, loudness and the like) scores {made}. "
        "Answers for held-out songs, and for songs by artists who were left out of the library:\n\n"
        f"{page.markdown(answers)}\n\nBy artist, of all repeats (shares of songs; every album counts the same):\n\n"
        f"{page.markdown(artists)}\n\nBalanced accuracy; unseen albums are those of "
        f"{figures['artists of several albums']} artists:\n\n{page.markdown(models)}\n"
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--keep", nargs="?", const="shipped", metavar="NAME", help="write results/NAME.json and README.md"
    )
    parser.add_argument("--same", nargs="+", default=[], metavar="ARTIST", help="count these artists as one")
    return parser.parse_args(argv)


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    args = parse_args(argv)
    figures = measure(args.library, args.same)
    return page.show(args.keep or "shipped", figures, tables(figures), kept=bool(args.keep))


if __name__ == "__main__":
    sys.exit(main())
