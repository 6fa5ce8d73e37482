"""The outcome of a run of all steps, in a few lines."""

import shlex
from pathlib import Path

import pandas as pd

from soundalike import cli
from soundalike.dataset.splits import MIN_SCORED, TOO_FEW, several_albums
from soundalike.library.catalogue import GOOD, read_songs, reasons
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import MAP, PROJECT
from soundalike.models.open_set import CLOSEST, PROBABLY, SURE, UNKNOWN, in_words, shipped_in_words

SHOWN = 5  # answers that changed, at most
TRUSTED = 0.8  # of the named answers are right, at least, for them to be called trustworthy


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
        print(f"On unseen albums: {cli.with_interval(scores['unseen_albums'])}; modeling.html has it by artist.")
    print(
        f"On single clips split at random, as in 2018: {scores['random_clips']['balanced_accuracy']:.2f}. That "
        "flatters: other clips of the same songs are in training."
    )


def conclude(shipped: dict | None, curve: pd.DataFrame, songs: pd.DataFrame, networks: list[str]) -> list[str]:
    """Conclude in three sentences: how often the model is right, when to trust it, and what would help most.

    Parameters
    ----------
    shipped : dict, optional
        From `unknown.as_shipped`.
    curve : pd.DataFrame
        From `explain.learning_curve`.
    songs : pd.DataFrame
        The table of songs.
    networks : list of str
        That the model uses.
    """
    if not shipped:
        return [
            "There are too few songs by each artist to measure how often the model is right.",
            "Take its answers as guesses.",
            f"{MIN_SCORED} songs or more by each artist would help: then it can be measured.",
        ]
    counts = {word: shipped[word] for word in (SURE, PROBABLY, CLOSEST) if shipped[word]["songs"]}
    said = " and ".join(f'{of["right"]} of {of["songs"]} called "{word}"' for word, of in counts.items())
    share = sum(of["right"] for of in counts.values()) / max(sum(of["songs"] for of in counts.values()), 1)
    trust = "Trust its word" if share >= TRUSTED else "Check its answers"
    helps = _say_what_helps(curve, songs, networks)
    if shipped["known"]["right"] == 1:
        helps = "No answer was wrong: more songs, on other albums, would show where it fails."
    return [shipped_in_words(shipped), f"{trust}: of answers for held-out songs, {said or 'none'} were right.", helps]


def _say_what_helps(curve: pd.DataFrame, songs: pd.DataFrame, networks: list[str]) -> str:
    """Say what may help most: the first of a few things that is missing."""
    if not networks:
        return "No published network is used here; both together may help most."
    if len(curve) > 1 and curve["gained low"].iloc[-1] > 0:
        gained = cli.signed(*curve.iloc[-1][["gained", "gained low", "gained high"]])
        few, many = curve.index[-2:]
        return f"More songs would help most: {many} songs by an artist instead of {few} gained {gained}."
    if (songs["album"] == "").all():
        return "Albums are not known here: with them it can be measured whether the model recognises albums or artists."
    artists, one_album = songs["artist"].nunique(), songs["artist"].nunique() - len(several_albums(songs))
    if one_album > artists / 2:
        return (
            f"Second albums may help most: {one_album} of {artists} artists have only one here, so the model may "
            "recognise the sound of an album instead of its artist."
        )
    return "More songs by each artist did not help measurably here."


def read_predictions(root: Path) -> pd.DataFrame:
    """Read the answers for songs held out of training [index: song], as predictions.csv holds them; or none."""
    try:
        table = pd.read_csv(root / "model" / "predictions.csv", dtype=str, keep_default_na=False).drop_duplicates(
            "song"
        )
        table = table[table["answer"].isin([SURE, PROBABLY, UNKNOWN, CLOSEST])].set_index("song")
        return table[["answer", "predicted"]].dropna()
    except (OSError, ValueError, KeyError):
        return pd.DataFrame(columns=["answer", "predicted"])


def print_changes(before: pd.DataFrame, after: pd.DataFrame, songs: pd.DataFrame) -> None:
    """Print which answers for held-out songs differ from those of the last run; ``songs`` are rows of songs.csv."""
    names = dict(zip(songs["song"], songs["artist"] + " - " + songs["title"], strict=True))
    both = before.index.intersection(after.index)
    changed = [song for song in both if not before.loc[song].equals(after.loc[song])]
    if len(both):
        print(f"Since the last run, {len(changed)} of {cli.counted(len(both), 'held-out answer')} changed.")
    for song in changed[:SHOWN]:
        was, now = (in_words(row["answer"], printable(row["predicted"])) for row in (before.loc[song], after.loc[song]))
        print(f"  {printable(names.get(song, song))}: {was}, now {now}")
    if len(changed) > SHOWN:
        print(f"  … and {len(changed) - SHOWN:,} more")
