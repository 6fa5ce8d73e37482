"""The outcome of a run of all steps, in a few lines."""

import json
import shlex
from pathlib import Path

import pandas as pd

from soundalike import cli
from soundalike.dataset.splits import MIN_SCORED, TOO_FEW
from soundalike.library.catalogue import GOOD, read_songs, reasons
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import MAP, PROJECT
from soundalike.open_set import EITHER, WORDS
from soundalike.report.wording import in_words, shipped_in_words

SHOWN = 5  # answers that changed, at most
ANSWER = ["answer", "predicted", "either"]


def print_summary(root: Path, model: dict, seconds: float) -> None:
    """Print what came out, and where to look.

    Parameters
    ----------
    root : Path
        Of the library.
    model : dict
        The content of ``model.json``.
    seconds : float
        The time that all steps took.
    """
    frame = pd.read_parquet(root / "df_music.parquet", columns=["artist", "song"])
    found, used = len(read_songs(root)), frame["song"].nunique()
    print(f"\n--- done in {seconds / 60:.1f} minutes")
    cli.print_note(root)
    print(f"{cli.counted(found, 'song')}, {found - used} left out (see {printable(root / 'songs.csv')})")
    print(cli.counted(len(frame), "clip"))
    _print_scores(model)
    print_not_learned_from(root)
    lab = "make lab" + ("" if root == PROJECT / "data" else f" LIBRARY={shlex.quote(printable(root))}")
    print(f"Look at {printable(root / 'report' / 'visualizations.html')} and modeling.html beside it, or: {lab}")
    print(f"Click through your songs: {printable(root / MAP)}")
    print(f'Ask about a song: {cli.command("predict.py", root)} "SONG.mp3"')
    print(f'Songs that sound like it: {cli.command("recommend.py", root)} "SONG.mp3"')


def print_left_out(root: Path) -> None:
    """Print which songs were left out of a library, and of its model, why, and where all are listed."""
    try:
        files = read_songs(root)
    except UserError:  # there is none yet
        return
    cli.print_left_out(reasons(files[~files["status"].isin(GOOD)]), rest=f": see {printable(root / 'songs.csv')}")
    print_not_learned_from(root)


def print_not_learned_from(root: Path) -> None:
    """Print which songs and artists the model was not trained on, why, and what to do."""
    try:
        table = pd.read_csv(root / "model" / "left_out.csv", dtype=str, keep_default_na=False)
        files = read_songs(root)
    except (OSError, ValueError, UserError):  # there is no model yet
        return
    good = files.groupby("artist")["status"].agg(lambda status: status.isin(GOOD).any())
    number = files["artist"].value_counts().map(lambda count: cli.counted(count, "song"))
    sentences = [f"{one}: {number[one]}, all left out; songs.csv says why" for one in good.index[~good] if one]
    sentences += table.loc[table["status"] == TOO_FEW, "reason"].unique().tolist()
    for sentence in sentences[: cli.SHOWN]:
        print(f"No model learns from {printable(sentence)}.")
    if len(sentences) > cli.SHOWN:
        print(f"Nor from {len(sentences) - cli.SHOWN:,} others: see {printable(root / 'model' / 'left_out.csv')}")
    where = f": see {printable(root / 'model' / 'left_out.csv')}"
    cli.print_left_out(reasons(table[table["status"] != TOO_FEW]), "The model was not trained on", rest=where)


def _print_scores(model: dict) -> None:
    """Print how good the model is on unseen songs, beside the number that flatters and the chance level."""
    scores = model["scores"]
    if scores["unseen_songs"] is None:
        print(f"How good the model is cannot be measured: that takes two artists with {MIN_SCORED} songs or more.")
        return
    if scores["as_shipped"]:
        print(shipped_in_words(scores["as_shipped"]))
    print(
        f"Balanced accuracy on unseen songs: {cli.with_interval(scores['unseen_songs'])}; chance level "
        f"{scores['chance']:.2f}."
    )
    if scores["unseen_albums"]:
        print(f"On unseen albums: {cli.with_interval(scores['unseen_albums'])}.")
    if model["more_songs"]:
        more = model["more_songs"]
        print(
            f"More songs would help: with {more['more']} more by {printable(more['artist'])}, about {more['then']:.2f} "
            f"of this artist's songs would be named rightly, not {more['now']:.2f}."
        )
    if model["no_cohort"]:
        print(f"No music by others helps to tell unknown artists: {model['no_cohort']}.")


def read_predictions(root: Path) -> pd.DataFrame:
    """Read the answers for songs held out of training [index: song], as predictions.csv holds them; or none."""
    try:
        table = pd.read_csv(root / "model" / "predictions.csv", dtype=str, keep_default_na=False).drop_duplicates(
            "song"
        )
        table = table[table["answer"].isin(WORDS)].set_index("song")
        table["either"].map(json.loads)
        return table[ANSWER].dropna()
    except (OSError, ValueError, KeyError):
        return pd.DataFrame(columns=ANSWER)


def answer_in_words(answer: pd.Series) -> str:
    """Say a row of predictions.csv in words."""
    either = answer["answer"] == EITHER
    return in_words(answer["answer"], json.loads(answer["either"]) if either else [answer["predicted"]])


def print_changes(before: pd.DataFrame, after: pd.DataFrame, songs: pd.DataFrame) -> None:
    """Print which answers for held-out songs differ from those of the last run; ``songs`` are rows of songs.csv."""
    names = dict(zip(songs["song"], songs["artist"] + " - " + songs["title"], strict=True))
    both = before.index.intersection(after.index)
    said = {song: [answer_in_words(table.loc[song]) for table in (before, after)] for song in both}
    changed = [song for song, (was, now) in said.items() if was != now]
    if len(both):
        print(f"Since the last run, {len(changed)} of {cli.counted(len(both), 'held-out answer')} changed.")
    for song in changed[:SHOWN]:
        was, now = said[song]
        print(f"  {printable(names.get(song, song))}: {was}, now {now}")
    if len(changed) > SHOWN:
        print(f"  … and {len(changed) - SHOWN:,} more")
