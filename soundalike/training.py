"""Train the model of a library, and measure it on songs, albums and artists that it was not trained on."""

import datetime
import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd

from soundalike import cohort, evaluation
from soundalike.embedding import SEGMENT_RULE, read_segments
from soundalike.frame import current_notes, read_library
from soundalike.library import GOOD, PROJECT, check_ownership, good_songs, made_from, read_songs
from soundalike.messages import Reason, sentence
from soundalike.model import inputs, made_by, save
from soundalike.pool import versions
from soundalike.recogniser import as_shipped, choose, give_words
from soundalike.song import FEATURES
from soundalike.splits import FOLDS, hold_out, song_table

PARTS = (3, 2)  # the learning curve is measured on a third and on half of an artist's songs
MORE = 5  # songs by one artist that would help
HELPS = 0.05  # of the artist's songs more are named rightly, at least, for that to be said
DOUBT = 5  # songs


def train(root: Path) -> None:
    """Train the recogniser on a library, measure it, and save both below the root.

    Raises
    ------
    UserError
        If there is no frame that is up to date, or fewer than two artists have enough songs.
    """
    started = time.monotonic()
    check_ownership(root)
    key, spacings = made_from(*inputs(root)), current_notes(root)["networks"]  # of the frame that is read now
    files = read_library(root)
    songs, left_out = song_table(files)
    aside = hold_out(songs)
    songs = songs.drop(index=aside, errors="ignore")
    study, sources, no_cohort = study_of(root, songs, spacings)
    answers, temperature = evaluation.answers(study)
    words, others = choose(answers)
    answers = give_words(answers, others)
    first = answers[answers["repeat"] == 0]
    albums = evaluation.answer_albums(study)
    curve = measure_curve(study, first[first["known"]])
    recogniser = evaluation.train_on(study, songs)._replace(temperature=temperature)
    info = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "made_from": {"all": key},
        "made_by": made_by(spacings),
        "classes": recogniser.artists,
        "networks": spacings,
        "segments": SEGMENT_RULE,
        "temperature": temperature,
        "cohort": sources,
        "no_cohort": no_cohort,
        "words": words._asdict(),
        "scores": {
            "chance": 1 / songs["artist"].nunique(),
            "unseen_songs": evaluation.score(answers[answers["known"]]),
            "unseen_albums": evaluation.score(albums, by="album"),
            "as_shipped": as_shipped(first),
        },
        "learning_curve": curve,
        "more_songs": advise(curve, songs, answers[answers["known"]]),
        "versions": versions(),
        "held_out": aside,
        "seconds": round(time.monotonic() - started, 1),
        "songs": files.set_index("song")["hash"][songs.index].to_dict(),
    }
    save(root, recogniser, info, tabulate(answers), not_learned_from(root, left_out, songs, aside))


def study_of(root: Path, songs: pd.DataFrame, spacings: dict[str, int]) -> tuple[evaluation.Study, list[str], str]:
    """Gather what is learned from: segments of songs of a library, and of the cohort.

    Parameters
    ----------
    root : Path
        Of the library.
    songs : pd.DataFrame
        From `splits.song_table`.
    spacings : dict of str to int
        The networks that the frame uses.

    Returns
    -------
    study : Study
        The songs.
    sources : list of str
        The sources of the cohort that are used: those that share no artist's name and no sound with the library.
    no_cohort : str
        Why none is used, if so.
    """
    segments = read_segments(root, songs.index, [FEATURES, *spacings])
    library, known = good_songs(root), cohort.read()
    used = cohort.usable(known, library["artist"], library["hash"])
    no_cohort = "" if used else sentence(Reason.NO_COHORT if known else Reason.OTHER_COHORT)
    return evaluation.Study(songs, segments, cohort.draw(used.values(), segments.rows)), list(used), no_cohort


def measure_curve(study: evaluation.Study, answers: pd.DataFrame) -> dict[int, float]:
    """Measure the balanced accuracy by the number of songs of each artist in training.

    Parameters
    ----------
    study : Study
        The songs.
    answers : pd.DataFrame
        With all songs, from `evaluation.answers`, of one split.

    Returns
    -------
    dict of int to float
        The last is with all songs; none where nothing can be scored.
    """
    full = evaluation.score(answers)
    if full is None:
        return {}
    most = in_folds(study.songs).max()
    sizes = sorted({int(most / part) for part in PARTS} - {0, 1})
    scores = {size: evaluation.score(answered) for size, answered in evaluation.learning_curve(study, sizes).items()}
    return {size: answered["balanced_accuracy"] for size, answered in (scores | {int(most): full}).items()}  # type: ignore[index,misc]


def in_folds(songs: pd.DataFrame) -> pd.Series:
    """Return about how many songs of each artist are trained on in each fold."""
    return songs["artist"].value_counts() * (1 - 1 / FOLDS)


def advise(curve: dict[int, float], songs: pd.DataFrame, answers: pd.DataFrame) -> dict | None:
    """Say whose songs would help most, by the library's own learning curve.

    Parameters
    ----------
    curve : dict of int to float
        From `measure_curve`.
    songs, answers
        The songs, and the answers for them, of all splits.

    Returns
    -------
    dict or None
        ``artist``, whose songs are named rightly least often, ``more`` (songs), and ``now`` and ``then``, the shares
        named rightly. Both are drawn towards the mean of all artists, as if `DOUBT` more songs had been answered so:
        the least of some shares is too low by chance. None where the curve says nothing of so many songs, or they
        would not help.
    """
    trained, answers = in_folds(songs), answers[answers["scored"]]
    count = answers.groupby("artist")["song"].nunique()
    right = answers.groupby("artist")["right"].mean()
    right = (count * right + DOUBT * right.mean()) / (count + DOUBT)
    right = right[trained[right.index] + MORE <= trained.max()]
    if len(curve) < 2 or right.empty:
        return None
    artist = str(right.idxmin())
    before, after = np.interp(np.log([trained[artist], trained[artist] + MORE]), np.log([*curve]), [*curve.values()])
    now, then = float(right[artist]), float(min(right[artist] + after - before, 1))
    return {"artist": artist, "more": MORE, "now": now, "then": then} if then - now >= HELPS else None


def tabulate(answers: pd.DataFrame) -> pd.DataFrame:
    """Put the answers for songs that were held out as predictions.csv holds them.

    Returns
    -------
    pd.DataFrame
        Of the first repeat, by which ``as_shipped`` counts: ``song``, ``artist`` and ``artist_probability``,
        ``answer`` (its word, by thresholds chosen on other artists), ``predicted``, its ``probability`` and
        ``nearness``, and ``either``, the two or three most probable artists as JSON; and these five when its artist was
        left out, too, with ``unknown_`` before them.
    """
    first = answers[answers["repeat"] == 0].set_index("song").sort_index()
    first = first.rename(columns={"word": "answer", "closest": "predicted"})
    first["either"] = [json.dumps(names, ensure_ascii=False) for names in first["either"]]
    first["artist_probability"] = np.exp(-first["loss"])
    shown = ["answer", "predicted", "probability", "nearness", "either"]
    others = first.loc[~first["known"], shown].add_prefix("unknown_")
    known = first.loc[first["known"], ["artist", "artist_probability", *shown]]
    return known.join(others).round(4).reset_index()


def not_learned_from(root: Path, left_out: pd.DataFrame, songs: pd.DataFrame, aside: str) -> pd.DataFrame:
    """Tabulate the good songs of a library that a model was not trained on, as left_out.csv holds them.

    Returns
    -------
    pd.DataFrame
        Rows of songs.csv, their ``status`` and ``reason`` from ``left_out``; besides, the song that is held out, and
        those that are not in the frame.
    """
    files = read_songs(root).set_index("song", drop=False)
    files = files[files["status"].isin(GOOD)]
    out = files.drop(files.index.intersection(songs.index))
    out["status"], out["reason"] = "not described", sentence(Reason.NOT_DESCRIBED)
    if aside in out.index:
        out.loc[aside, ["status", "reason"]] = "held out", sentence(Reason.HELD_OUT)
    out.update(left_out[["status", "reason"]])
    return out


def commit() -> str:
    """Name the commit of the code here, if there is git."""
    try:
        command = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=40", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
