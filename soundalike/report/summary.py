"""What a run of all steps came to, in a few lines."""

from pathlib import Path

import pandas as pd

from soundalike import cli
from soundalike.dataset.splits import MIN_SONGS
from soundalike.evaluation.metrics import CHOSEN
from soundalike.library.catalogue import read_songs
from soundalike.library.errors import printable
from soundalike.library.paths import PROJECT
from soundalike.models.specs import LOUDNESS_ALONE


def print_summary(root: Path, model: dict, seconds: float) -> None:
    """Print what came out, and where to look.

    Parameters
    ----------
    root : Path
        Of the library.
    model : dict
        What ``model.json`` holds.
    seconds : float
        The time that all steps took.
    """
    frame = pd.read_parquet(root / "df_music.parquet", columns=["artist", "song"])
    found, used = len(read_songs(root)), frame["song"].nunique()
    not_compared = sorted(set(frame["artist"]) - set(model["classes"]))
    print(f"\n--- done in {seconds / 60:.1f} minutes")
    cli.print_note(root)
    print(f"{cli.counted(found, 'song')}, {found - used} left out (see {printable(root / 'songs.csv')})")
    print(cli.counted(len(frame), "clip"))
    _print_scores(model)
    if not_compared:
        print(f"Not compared, having fewer than {MIN_SONGS} songs: {printable(', '.join(not_compared))}")
    if (root / "df_music.pkl").exists():
        lab = "make lab" + ("" if root == PROJECT / "data" else f" DATA={printable(root)}")
        print(f"Look at {printable(root / 'report' / 'visualizations.html')} and modeling.html beside it, or: {lab}")
    print(f'Ask about a song: {cli.command("predict.py", root)} "SONG.mp3"')
    print(f'What sounds like it: {cli.command("recommend.py", root)} "SONG.mp3"')


def _print_scores(model: dict) -> None:
    """Print how good the model is on unseen songs, beside what flatters and what chance gets."""
    scores = model["scores"]
    clip, leaky = (scores.get(key) for key in ("their clips", "leaky: random clips"))
    print(
        f"Best of the models on songs never heard: {model['name']}. Balanced accuracy by song, with 95 % intervals: "
        f"{cli.with_interval(scores['songs never heard'])}, where guessing gets {scores['guessing']:.2f} "
        f"and {LOUDNESS_ALONE} {cli.with_interval(scores[LOUDNESS_ALONE])}."
    )
    if scores[LOUDNESS_ALONE]["balanced accuracy"] >= scores["songs never heard"]["balanced accuracy"]:
        print("Loudness alone does as well, so this need not be the music.")
    print(f"To be the best of so many flatters: {CHOSEN}, it gets {cli.with_interval(scores[CHOSEN])}.")
    if clip and leaky:
        print(
            f"For single clips it is {clip['balanced accuracy']:.2f}; clips drawn at random, the leaky way of 2018, "
            f"would claim {leaky['balanced accuracy']:.2f}."
        )
