"""What could tell artists apart besides their music, and what is in a library twice.

It reads songs.csv and the frame; it changes nothing.
"""

import re
import unicodedata

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import kruskal
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from soundalike.dataset.splits import SEED, folds, recordings, several_albums
from soundalike.evaluation.metrics import measure
from soundalike.features.extraction import COLUMNS

TECHNICAL = ["sample_rate", "channels", "bit_rate", "codec", "loudness", "reach"]  # columns of songs.csv

# Two recordings are the same when their clips rise and fall together. Of 126 songs, copies encoded anew
# at 64 kbit/s, or beginning up to 7 s later and half as loud, agreed by 0.64 to 1.00, different songs by
# 0.49 at most.
SAME = 0.6
LAGS = 5  # clips that one of two copies may begin later
LEAST_CLIPS = 8  # that must overlap; fewer agree by accident
RIVALS = 20  # songs most like a song on average, among which copies of it are sought

COURSE = [name for name in COLUMNS if re.fullmatch(r"(mfcc_(?!01)\d\d|chroma_\d\d)_mean", name)]


# --- the same again --------------------------------------------------------------------------


def settle(frame: pd.DataFrame, songs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Say which songs are one recording, and leave out those that nobody can tell whose they are.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips, as written by ``frame.py``.
    songs : pd.DataFrame
        The rows of songs.csv.

    Returns
    -------
    settled : pd.DataFrame
        The clips that are left, with a column ``recording``, which `folds` keeps on one side; under a
        fresh index.
    pairs : pd.DataFrame
        See `alike`.
    left_out : list of str
        See `conflicts`.
    """
    pairs = alike(frame, songs)
    left_out = conflicts(pairs, songs)
    settled = frame.assign(recording=same_recordings(frame, pairs))
    return settled[~settled["song"].isin(left_out)].reset_index(drop=True), pairs, left_out


def alike(frame: pd.DataFrame, songs: pd.DataFrame) -> pd.DataFrame:
    """Find songs that are the same recording again, or by their titles the same song.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips, as written by ``frame.py``.
    songs : pd.DataFrame
        The rows of songs.csv.

    Returns
    -------
    pd.DataFrame
        One row for each pair: ``song``, ``other``, ``why`` and ``agreement`` (of what is heard,
        -1 to 1; missing where one is too short for that).
    """
    loud = frame[~frame["silent"]]
    courses = _courses(loud)
    pairs = {
        (song, other): ("sounds the same", agreement)
        for song, other in _neighbours(loud)
        if (agreement := agree(courses[song], courses[other])) >= SAME
    }
    used = songs[songs["song"].isin(courses)]
    titles = used["artist"] + "\n" + used["title"].map(bare_title)
    for _, same in used.groupby(titles):
        first, *others = sorted(same["song"])
        for other in others:
            _, agreement = pairs.get((first, other), ("", agree(courses[first], courses[other])))
            pairs[first, other] = ("same title" + (", sounds the same" if agreement >= SAME else ""), agreement)
    rows = [(song, other, why, agreement) for (song, other), (why, agreement) in sorted(pairs.items())]
    return pd.DataFrame(rows, columns=["song", "other", "why", "agreement"])


def bare_title(title: str) -> str:
    """A title without track number, brackets, capitals and accents: ``03 - Intro (Live)`` is ``intro``.

    Numbers in brackets stay: ``Recording (2)`` is not ``Recording (1)``.
    """
    plain = unicodedata.normalize("NFKD", title.casefold())
    plain = re.sub(r"[(\[](?!(part|pt\.?|no\.?|vol\.?)?\s*(\d+|[ivx]+)[)\]]).*?[)\]]", " ", plain)
    words = re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)))
    while len(words) > 1 and words[0].isdecimal():
        words = words[1:]
    return " ".join(words) or title


def _courses(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """How timbre and harmony move along each song, from its own mean: what encoding leaves as it is."""
    values = frame[COURSE].to_numpy(np.float64)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    parts = {song: values[places] for song, places in frame.groupby("song").indices.items()}
    return {song: part - part.mean(axis=0) for song, part in parts.items()}


def _neighbours(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of songs that are alike on average: only these are looked at closely."""
    means = frame.groupby("song")[COURSE].mean()
    values = ((means - means.mean()) / means.std(ddof=0).replace(0, 1)).to_numpy()
    search = NearestNeighbors(n_neighbors=min(RIVALS + 1, len(means))).fit(values)
    near = search.kneighbors(values, return_distance=False)
    names = list(means.index)
    return sorted({tuple(sorted((names[k], names[j]))) for k, row in enumerate(near) for j in row if j != k})


def agree(course: np.ndarray, other: np.ndarray) -> float:
    """How far two songs rise and fall together: the highest correlation over some lags.

    Parameters
    ----------
    course, other : np.ndarray [shape=(clips, features)]
        Of each song, from its own mean.

    Returns
    -------
    float
        From -1 to 1; NaN where fewer than `LEAST_CLIPS`, or than half of the shorter song, overlap.
    """
    found = [np.nan]
    for lag in range(-LAGS, LAGS + 1):
        one, two = course[max(lag, 0) :], other[max(-lag, 0) :]
        n = min(len(one), len(two))
        if n < max(LEAST_CLIPS, min(len(course), len(other)) / 2):
            continue
        size = np.sqrt((one[:n] ** 2).sum() * (two[:n] ** 2).sum())
        found.append((one[:n] * two[:n]).sum() / size if size else np.nan)
    return float(np.nanmax(found)) if not np.isnan(found).all() else np.nan


def same_recordings(frame: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """The recording of each clip: one name for all songs that are the same again.

    Parameters
    ----------
    frame : pd.DataFrame
        Clips.
    pairs : pd.DataFrame
        From `alike`.

    Returns
    -------
    pd.Series
        Under the index of ``frame``; `folds` keeps a recording on one side.
    """
    names = pd.Index(frame["song"].unique())
    one, two = names.get_indexer(pairs["song"]), names.get_indexer(pairs["other"])
    linked = coo_array((np.ones(len(pairs)), (one, two)), shape=(len(names), len(names)))
    _, part = connected_components(linked, directed=False)
    first = pd.Series(names).groupby(part).first()
    return frame["song"].map(dict(zip(names, first[part], strict=True)))


def conflicts(pairs: pd.DataFrame, songs: pd.DataFrame) -> list[str]:
    """Songs that are one recording under two artists: one label is wrong, and nobody can tell which."""
    artist = songs.set_index("song")["artist"]
    two = pairs["song"].map(artist) != pairs["other"].map(artist)
    return sorted({*pairs["song"][two], *pairs["other"][two]})


# --- what is not music -----------------------------------------------------------------------


def technical(songs: pd.DataFrame) -> pd.DataFrame:
    """How each artist's recordings were made: the usual value, or the commonest, and the range."""
    by_artist = songs.groupby("artist")
    made = pd.DataFrame({"songs": by_artist.size()})
    for name in TECHNICAL:
        made[name] = by_artist[name].agg(_usual)
    return made


def _usual(values: pd.Series) -> str:
    """The median and the range of numbers; of words, the commonest."""
    if not pd.api.types.is_numeric_dtype(values):
        counts = values.value_counts()
        return f"{counts.index[0]} ({counts.iloc[0]} of {len(values)})" if len(counts) > 1 else str(counts.index[0])
    if values.isna().all():
        return "not stated"
    low, middle, high = values.min(), values.median(), values.max()
    return f"{middle:,.6g}" if low == high else f"{middle:,.6g} ({low:,.6g} to {high:,.6g})"


def give_away(songs: pd.DataFrame) -> pd.DataFrame:
    """How well the artist of a song never seen can be told from how its recording was made.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv, of the artists to be compared; a column ``recording`` is heeded.

    Returns
    -------
    pd.DataFrame
        One row for each of `TECHNICAL`, and one for all: balanced accuracy by song with its interval
        (see `metrics.measure`), and ``differs``, the probability that artists who do not differ
        would look as different (Kruskal-Wallis; missing for words).
    """
    songs = songs.reset_index(drop=True)
    rows = {}
    for name in ["all of these", *TECHNICAL]:
        used = TECHNICAL if name == "all of these" else [name]
        rows[name] = _judged(songs, used) | {"differs": _differs(songs, name)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("property")


def _judged(songs: pd.DataFrame, used: list[str]) -> dict[str, float]:
    """How well these properties alone tell artists apart, on songs never seen."""
    words = [name for name in used if not pd.api.types.is_numeric_dtype(songs[name])]
    values = songs[used].copy()
    numbers = [name for name in used if name not in words]
    values[numbers] = values[numbers].astype(float).fillna(-1)  # not stated in the header
    parts = []
    for train, test in folds(songs):
        forest = make_pipeline(
            make_column_transformer((OneHotEncoder(handle_unknown="ignore"), words), remainder="passthrough"),
            RandomForestClassifier(100, min_samples_leaf=2, class_weight="balanced", random_state=SEED),
        ).fit(values.iloc[train], songs["artist"].iloc[train])
        logs = np.log(np.maximum(forest.predict_proba(values.iloc[test]), 1e-6))
        parts.append(pd.DataFrame(logs, index=test, columns=forest.classes_))
    logs = pd.concat(parts).sort_index()
    found = measure(songs["artist"].loc[logs.index], logs, recordings(songs).loc[logs.index])
    return {key: found[key] for key in found if key.startswith("balanced accuracy")}


def _differs(songs: pd.DataFrame, name: str) -> float:
    """The p of a Kruskal-Wallis test; missing for words, and for what never changes."""
    if name not in songs or not pd.api.types.is_numeric_dtype(songs[name]) or songs[name].nunique() < 2:
        return np.nan
    stated = [part for _, part in songs.dropna(subset=name).groupby("artist")[name]]
    return float(kruskal(*stated).pvalue) if len(stated) > 1 else np.nan


def warnings_of(songs: pd.DataFrame, given_away: pd.DataFrame) -> list[str]:
    """What a reader should know before believing a score, in sentences."""
    told = []
    chance = 1 / songs["artist"].nunique()
    if given_away.loc["all of these", "balanced accuracy low"] > chance:
        sure = given_away.loc["all of these", "balanced accuracy"]
        told.append(
            f"How recordings were made gives artists away: {sure:.2f} by that alone, where guessing gets {chance:.2f}."
        )
    if not several_albums(songs):
        told.append("Nobody has two albums: whether an album's sound is taken for its artist cannot be seen.")
    return told
