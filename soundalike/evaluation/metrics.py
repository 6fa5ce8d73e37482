"""How well artists are told apart: scores with intervals of what models answered, see `crossval`."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from soundalike import cli
from soundalike.dataset.splits import SEED, recordings
from soundalike.evaluation.crossval import Judged, Results
from soundalike.models.model import JOINS, LEAST, artists_of, cooled, join
from soundalike.models.specs import CONTROLS, LOUDNESS_ALONE

RESAMPLES = 1000  # of the bootstrap
WORTH = ("balanced accuracy", "macro-F1", "log-loss")
CHOSEN = "chosen on some songs and scored on others"


def resampled(artists: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each group is drawn in each resample of the bootstrap, artist by artist.

    Parameters
    ----------
    artists : np.ndarray [shape=(groups,)]
        The artist of each group: of each song, or of each album.

    Returns
    -------
    np.ndarray [shape=(1 + resamples, groups)]
        The first row is the sample itself: ones.
    """
    draw, weights = np.random.default_rng(SEED), np.ones((1 + resamples, len(artists)))
    for artist in np.unique(artists):
        own = np.flatnonzero(artists == artist)
        weights[1:, own] = draw.multinomial(len(own), np.full(len(own), 1 / len(own)), resamples)
    return weights


def measure(truth: pd.Series, logs: pd.DataFrame, groups: pd.Series, resamples: int = RESAMPLES) -> dict[str, float]:
    """Scores with intervals: 95 % of the resamples of whole groups lie within.

    Parameters
    ----------
    truth : pd.Series
        The artist of each item.
    logs : pd.DataFrame
        Log-probabilities of each item, in the same order; items may come more than once.
    groups : pd.Series
        What is drawn as a whole: the song of each item, or its album.
    resamples : int
        Of the bootstrap. It says how much hangs on these songs, not on the draw of the folds.

    Returns
    -------
    dict
        Each of `WORTH`; and with `` low`` and `` high`` behind it, the ends of its interval; where all is
        right, or all wrong, no resample differs, and Wilson's is taken, as if groups were alike.
        Artists count alike in the first two, whatever they have; log-loss is in nats.
    """
    artists = logs.columns
    true, given = artists.get_indexer(truth), logs.to_numpy().argmax(axis=1)
    labels = truth.to_numpy(dtype=object).astype(str) + "/" + groups.to_numpy(dtype=object).astype(str)
    names, group = np.unique(labels, return_inverse=True)
    own = np.zeros(len(names), int)
    own[group] = true  # one artist for each group

    def counted(places: np.ndarray, which: np.ndarray | slice = slice(None)) -> np.ndarray:
        table = np.zeros((len(names), len(artists)))
        np.add.at(table, (group[which], places[which]), 1)
        return table

    weights = resampled(own, resamples)
    hits, real, claimed = (weights @ counted(*a) for a in ((true, true == given), (true,), (given,)))
    loss = np.zeros((len(names), 2))
    np.add.at(loss, group, np.stack([-logs.to_numpy()[np.arange(len(true)), true], np.ones(len(true))], axis=1))
    losses = weights @ loss
    with np.errstate(invalid="ignore"):  # artists that are not tested
        found = (
            np.nanmean(hits / real, axis=1),
            np.nanmean(np.where(real > 0, 2 * hits / (real + claimed), np.nan), axis=1),
            losses[:, 0] / losses[:, 1],
        )
    scores: dict[str, float] = {}
    for name, values in zip(WORTH, found, strict=True):
        ends = np.quantile(values[1:], [0.025, 0.975])
        low, high = ends if name == "log-loss" else _never_certain(ends, len(names))
        scores |= {name: float(values[0]), f"{name} low": float(low), f"{name} high": float(high)}
    return scores


def _never_certain(ends: np.ndarray, groups: int) -> np.ndarray:
    """Where no resample knows a mistake, or none a right answer, the end of Wilson's interval for so many groups."""
    if ends[0] == ends[1] and ends[0] in (0, 1):
        return np.array(binomtest(int(ends[0]) * groups, groups).proportion_ci(method="wilson"))
    return ends


def table(results: Results, frame: pd.DataFrame) -> pd.DataFrame:
    """All scores of all models.

    Returns
    -------
    pd.DataFrame
        Index ``model, dealt by, judged by``; columns as `measure` gives them. Clips dealt one by one
        are leaky and judged as clips only.
    """
    rows = {
        (name, by, level): measure(*items(repeats, frame, level, by))
        for by, models in results.items()
        for name, repeats in models.items()
        for level in (("clip",) if by == "clip" else ("clip", "song", "album"))
        if (level != "album" or (frame["album"] != "").any()) and (level != "clip" or len(repeats[0].clips))
    }
    made = pd.DataFrame.from_dict(rows, orient="index")
    made.index = pd.MultiIndex.from_tuples(made.index, names=["model", "dealt by", "judged by"])
    return made


def items(
    repeats: list[Judged], frame: pd.DataFrame, level: str = "song", by: str = "song"
) -> tuple[pd.Series, pd.DataFrame, pd.Series]:
    """The truth, the answers and the groups of what was judged, as `measure` takes them.

    Parameters
    ----------
    repeats : list of Judged
        Of one model.
    level : {"clip", "song", "album"}
        What is answered for. An album's answer is the mean of its songs' log-probabilities.
    by : {"clip", "song", "album", "album heard"}
        How the folds were dealt: by album, albums are what the bootstrap draws; else songs.
    """
    if "song" not in frame:  # nothing is known of what belongs together
        logs = pd.concat([judged.clips for judged in repeats])
        return frame["artist"].loc[logs.index], logs, pd.Series(logs.index)
    frame = frame.assign(recording=recordings(frame))
    if level == "clip":
        logs = pd.concat([judged.clips for judged in repeats])
        about = frame.loc[logs.index]
    else:
        logs = pd.concat([judged.songs for judged in repeats])
        about = frame.drop_duplicates("song").set_index("song").loc[logs.index]
    groups = about["recording"] if by != "album" else about["album"]
    if level == "album":
        there = (about["album"] != "").to_numpy()
        logs, about = logs[there], about[there]
        album = (about["artist"] + "/" + about["album"]).reset_index(drop=True)
        turn = np.repeat(np.arange(len(repeats)), [len(judged.songs) for judged in repeats])[there]
        keys = [album.to_numpy(), turn]
        logs = cooled(logs.reset_index(drop=True).clip(lower=np.log(LEAST)).groupby(keys).mean())
        artists = about["artist"].reset_index(drop=True).groupby(keys).first()
        return artists, logs, pd.Series(logs.index.get_level_values(0))
    return about["artist"], logs, groups


def ranking(scores: pd.DataFrame) -> list[str]:
    """The models, from best to worst on songs never heard (or else by all there is); ties by log-loss."""
    known = set(scores.index.droplevel("model"))
    rows = scores.xs(("song", "song") if ("song", "song") in known else ("clip", "clip"), level=[1, 2])
    return list(rows.sort_values(["balanced accuracy", "log-loss"], ascending=[False, True]).index)


def best_of(scores: pd.DataFrame) -> str:
    """The model to keep: the first in `ranking` that is not there as a control."""
    return next(name for name in ranking(scores) if name not in CONTROLS)


def readable(scores: pd.DataFrame) -> pd.DataFrame:
    """The table for reading: one row for each model, intervals in brackets, the best first."""
    columns = {
        "songs never heard": ("song", "song"),
        "log-loss (nats; 0 is best)": ("song", "song"),
        "macro-F1": ("song", "song"),
        "their clips": ("song", "clip"),
        "songs of albums never heard": ("album", "song"),
        "LEAKY: random clips": ("clip", "clip"),
    }
    told = {}
    for title, dealt in columns.items():
        name = title.split(" (")[0] if title.split(" (")[0] in WORTH else WORTH[0]
        if dealt in set(scores.index.droplevel("model")):
            rows = scores.xs(dealt, level=("dealt by", "judged by"))
            told[title] = rows.apply(lambda row, name=name: cli.with_interval(row, name), axis=1)
    return pd.DataFrame(told).reindex(ranking(scores))


def album_effect(scores: pd.DataFrame) -> pd.DataFrame:
    """The same songs, judged by models that may know their album, and by models that do not.

    Both learn from as large a part of each artist's songs: only what these share with the tested
    ones differs.

    Parameters
    ----------
    scores : pd.DataFrame
        From `table`.

    Returns
    -------
    pd.DataFrame
        One row for each model: balanced accuracy by song over the artists with two albums, ``album
        heard`` and ``album not heard``. Empty if nobody has two.
    """
    columns = {"album heard": "album heard", "album not heard": "album"}
    if "album" not in scores.index.get_level_values("dealt by"):
        return pd.DataFrame(columns=list(columns))
    songs = scores[WORTH[0]].xs("song", level="judged by")
    return pd.DataFrame({name: songs.xs(by, level="dealt by") for name, by in columns.items()})


def right(results: Results, frame: pd.DataFrame) -> pd.DataFrame:
    """How often each recording (row) was given to its artist by each model (column), over the repeats."""
    truth = artists_of(frame)
    songs = pd.DataFrame({
        name: sum((judged.songs.idxmax(axis=1) == truth).astype(float) for judged in repeats) / len(repeats)
        for name, repeats in results["song"].items()
    })  # fmt: skip
    return songs.groupby(recordings(frame).groupby(frame["song"]).first()).mean()


def mcnemar(results: Results, frame: pd.DataFrame, best: str, others: list[str]) -> pd.DataFrame:
    """Compare the best model with others, song by song, on the same deal: exact McNemar test.

    Parameters
    ----------
    results : dict
        From `crossval.compare`.
    frame : pd.DataFrame
        Clips.
    best : str
        A model.
    others : list of str
        Models to hold it against.

    Returns
    -------
    pd.DataFrame
        One row for each other model: songs that only the best had right, that only the other had
        right, and the probability of so uneven a split, or worse, were both equally good.
    """
    hits = right({"song": {name: results["song"][name][:1] for name in [best, *others]}}, frame) > 0.5
    rows = {}
    for other in others:
        ours, theirs = int((hits[best] & ~hits[other]).sum()), int((hits[other] & ~hits[best]).sum())
        p = binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0
        rows[other] = {"only the best right": ours, "only the other right": theirs, "p": p}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def summary(best: str, results: Results, scores: pd.DataFrame, frame: pd.DataFrame) -> dict:
    """What is to be known of the model that is kept: by what was judged, a row of `table`; and what guessing scores.

    Parameters
    ----------
    best : str
        The model.
    results : dict
        From `crossval.compare`.
    scores : pd.DataFrame
        From `table`.
    frame : pd.DataFrame
        Clips.

    Returns
    -------
    dict
        ``guessing``, a number; ``loudness alone``, of songs never heard; ``songs never heard``; `CHOSEN`
        (see `corrected`); and what else there is of ``their clips``, ``leaky: random clips``, ``songs of
        albums never heard``.
    """
    rows = {"songs never heard": ("song", "song"), "their clips": ("song", "clip")}
    rows |= {"leaky: random clips": ("clip", "clip"), "songs of albums never heard": ("album", "song")}
    told = {title: scores.loc[(best, *row)].to_dict() for title, row in rows.items() if (best, *row) in scores.index}
    loudness = scores.loc[(LOUDNESS_ALONE, "song", "song")].to_dict()
    return {"guessing": chance(frame), LOUDNESS_ALONE: loudness, CHOSEN: corrected(results, frame)} | told


def corrected(results: Results, frame: pd.DataFrame) -> dict[str, float]:
    """The balanced accuracy to expect of the best model, having been chosen among so many.

    The best of a resample of songs is scored on the songs that were not drawn: Tsamardinos et al.,
    "Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", 2018.

    Returns
    -------
    dict
        ``balanced accuracy``, the mean over resamples; and with `` low`` and `` high`` behind it, the
        ends of the interval that holds 95 % of them.
    """
    hits = right(results, frame).drop(columns=[*CONTROLS], errors="ignore")
    artists = frame.groupby(recordings(frame))["artist"].first()
    drawn = resampled(artists.to_numpy(dtype=object))[1:]
    belongs = pd.get_dummies(artists).to_numpy(float).T  # artists x songs

    def balanced(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # an artist none of whose songs is among these
            return np.nanmean((belongs * weights) @ hits.to_numpy() / (belongs @ weights)[:, None], axis=0)

    found = [
        balanced((weights == 0).astype(float))[balanced(weights).argmax()]
        for weights in drawn
        if (weights == 0).any()  # of very few songs, all may be drawn
    ]
    low, high = _never_certain(np.quantile(found, [0.025, 0.975]), len(artists))
    name = WORTH[0]
    return {name: float(np.mean(found)), f"{name} low": float(low), f"{name} high": float(high)}


def joins(results: Results, frame: pd.DataFrame) -> pd.DataFrame:
    """The balanced accuracy by song of each model, by each way of joining a song's clips."""
    rows: dict[str, dict[str, float]] = {}
    for name, repeats in results["song"].items():
        if repeats[0].clips.empty:  # it judges whole songs
            continue
        rows[name] = {}
        for how in JOINS:
            joined = [Judged(j.clips, join(j.clips, frame["song"].loc[j.clips.index], how)) for j in repeats]
            rows[name][how] = measure(*items(joined, frame), resamples=1)["balanced accuracy"]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def chance(frame: pd.DataFrame) -> float:
    """The balanced accuracy of guessing: one over the number of artists."""
    return 1 / frame["artist"].nunique()


def confusion(judged: Judged, frame: pd.DataFrame) -> pd.DataFrame:
    """Songs of each artist (rows) by the artist they were given (columns)."""
    counts = pd.crosstab(artists_of(frame).rename("artist"), judged.songs.idxmax(axis=1).rename("given"))
    return counts.reindex(index=judged.songs.columns, columns=judged.songs.columns, fill_value=0)


def reliability(repeats: list[Judged], frame: pd.DataFrame, bins: int = 6) -> pd.DataFrame:
    """How sure a model is of songs, and how often it is then right.

    Parameters
    ----------
    repeats : list of Judged
        Of one model.
    frame : pd.DataFrame
        Clips.
    bins : int
        At most; and no more than leave eight songs to each.

    Returns
    -------
    pd.DataFrame
        One row for each bin of songs, alike in number: mean ``confidence``, the part that is
        ``right``, ``songs``.
    """
    truth, logs, _ = items(repeats, frame)
    songs = pd.DataFrame(
        {"confidence": np.exp(logs.max(axis=1)).to_numpy(), "right": (logs.idxmax(axis=1) == truth).to_numpy()}
    )
    grouped = songs.groupby(
        pd.qcut(songs["confidence"].rank(method="first"), np.clip(len(songs) // 8, 1, bins), labels=False)
    )
    return grouped.agg(confidence=("confidence", "mean"), right=("right", "mean"), songs=("right", "size"))
