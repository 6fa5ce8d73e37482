"""How good predictions are: scores with intervals, of what models predicted for songs held out of training.

Every artist counts the same, and of an artist every song, however long. Only artists
with `splits.MIN_SCORED` songs count. Intervals hold 95% of the bootstrap resamples of whole works (by album:
of whole albums), drawn artist by artist: they say how much depends on these songs.
"""

import functools
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from soundalike import cli
from soundalike.dataset.splits import MIN_ALBUMS, SEED, album_names
from soundalike.evaluation.crossval import RANDOM_CLIPS, UNSEEN_ALBUMS, UNSEEN_SONGS, Predictions, Results
from soundalike.models.calibration import losses
from soundalike.models.specs import KEPT, ModelSpec

OTHERS = "all others"  # artists that a table of confusions does not show
RESAMPLES = 1000  # of the bootstrap
IN_BIN, LEAST_BINS = 15, 4  # of a curve of reliability: songs in each bin, and bins
METRICS = ("balanced_accuracy", "low", "high", "log_loss", "auc")


def resample(artists: pd.Series) -> np.ndarray:
    """Draw how often each group of songs is in each resample of the bootstrap, artist by artist.

    Parameters
    ----------
    artists : pd.Series
        The artist of each group: of each work, or of each album.

    Returns
    -------
    np.ndarray [shape=(1 + RESAMPLES, groups)]
        The first row is the sample itself: ones.
    """
    return _drawn(tuple(pd.factorize(artists, sort=True)[0]))


@functools.lru_cache(maxsize=2)  # by song and by album: all models are scored by the same
def _drawn(artists: tuple[int, ...]) -> np.ndarray:
    draw, weights = np.random.default_rng(SEED), np.ones((1 + RESAMPLES, len(artists)))
    owner = np.array(artists)
    for artist in np.unique(owner):
        own = np.flatnonzero(owner == artist)
        weights[1:, own] = draw.multinomial(len(own), np.full(len(own), 1 / len(own)), RESAMPLES)
    return weights


def counted(songs: pd.DataFrame) -> pd.Series:
    """Mark the songs that count: those of scored artists; all where there are fewer than two such artists."""
    scored = songs["scored"]
    return scored if songs["artist"][scored].nunique() > 1 else scored | True


def balanced(values: pd.Series, artists: pd.Series) -> np.ndarray:
    """Average values of groups of songs by artist, then over artists: of the sample, then of each resample."""
    # An artist has as many groups in every resample, so what each counts is always the same.
    share = 1 / artists.groupby(artists).transform("size") / artists.nunique()
    return (resample(artists) @ (values.to_numpy() * share.to_numpy())).round(12)  # so that all right is 1


def interval(values: np.ndarray, groups: int) -> tuple[float, float, float]:
    """Return the value of the sample, and the ends of the interval from its resamples.

    Where all is right, or all wrong, no resample differs: then Wilson's interval for so many groups.
    """
    low, high = np.quantile(values[1:], [0.025, 0.975])
    if low == high and low in (0, 1):
        low, high = binomtest(int(low) * groups, groups).proportion_ci(method="wilson")
    return float(values[0]), float(low), float(high)


def song_hits(repeats: list[Predictions], songs: pd.DataFrame) -> pd.DataFrame:
    """Say for each prediction of a song, or of a clip if songs were not predicted, whether it was right.

    Parameters
    ----------
    repeats : list of Predictions
        Of one model.
    songs : pd.DataFrame
        The table of songs.

    Returns
    -------
    pd.DataFrame
        One row for each prediction that counts (see `counted`): ``song``, ``artist``, ``album``, ``work``,
        ``predicted``, ``confidence``, ``right``, ``loss`` (negative log-probability of the artist, nats).
    """
    rows, counts = [], counted(songs)
    for one in repeats:
        logs, names = (one.songs, one.songs.index) if len(one.songs) else (one.clips, one.clip_song)
        truth = songs.loc[names]
        values = logs.to_numpy()
        about = truth.reset_index()[["song", "artist", "album", "recording"]].assign(
            predicted=logs.columns[values.argmax(axis=1)],
            confidence=np.exp(values.max(axis=1)),
            loss=losses(logs, truth["artist"]).to_numpy(),
        )
        rows.append(about[counts.loc[names].to_numpy()])
    hits = pd.concat(rows, ignore_index=True)
    return hits.assign(right=hits["predicted"] == hits["artist"], album=album_names(hits))


def score(repeats: list[Predictions], songs: pd.DataFrame, *, by: str = UNSEEN_SONGS) -> dict[str, float | None] | None:
    """Score a model on what it was not trained on.

    Parameters
    ----------
    repeats : list of Predictions
        Of one model.
    songs : pd.DataFrame
        The table of songs.
    by : str
        The way to split, see `crossval.compare`.

    Returns
    -------
    dict or None
        `METRICS`. ``low`` and ``high`` are None by album, unless each artist has `splits.MIN_ALBUMS`; ``auc`` is the
        probability that a right prediction is more confident than a wrong one. None if fewer than two artists count.
    """
    if songs["artist"][songs["scored"]].nunique() < 2:
        return None
    hits = song_hits(repeats, songs)
    right = hits.groupby(["artist", _unit(by)])["right"].mean()
    artists = pd.Series(right.index.get_level_values("artist"))
    value, low, high = interval(balanced(right, artists), len(right))
    found = dict(zip(METRICS, (value, low, high, float(hits["loss"].mean()), _auc(hits)), strict=True))
    return found | {"low": None, "high": None} if _too_few(artists, by) else found


def _unit(by: str) -> str:
    """Return what the bootstrap draws as a whole."""
    return "album" if by == UNSEEN_ALBUMS else "recording"


def _too_few(artists: pd.Series, by: str) -> bool:
    """Whether these are albums, and too few of an artist for an interval; ``artists`` has a row for each."""
    return by == UNSEEN_ALBUMS and bool(artists.value_counts().min() < MIN_ALBUMS)


def _auc(hits: pd.DataFrame) -> float | None:
    """Return the area under the ROC curve of confidence; None where all predictions are right, or wrong."""
    return float(roc_auc_score(hits["right"], hits["confidence"])) if hits["right"].nunique() == 2 else None


def score_table(results: Results, songs: pd.DataFrame) -> pd.DataFrame:
    """Score all models.

    Returns
    -------
    pd.DataFrame
        One row for each model; columns: way to split, then metric. Missing where a model was not split so.
    """
    rows: dict[str, dict] = {}
    for by, models in results.items():
        for name, repeats in models.items():
            found = score(repeats, songs, by=by) or dict.fromkeys(METRICS)
            rows.setdefault(name, {}).update({(by, metric): value for metric, value in found.items()})
    table = pd.DataFrame.from_dict(rows, orient="index").astype(float)
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    return table.rename_axis("model")


def clips_alone(repeats: list[Predictions]) -> list[Predictions]:
    """Return the predictions for single clips of the first repeat, without those for songs, for `score`."""
    return [one._replace(songs=one.songs.iloc[:0]) for one in repeats[:1]]


def clip_scores(results: Results, songs: pd.DataFrame) -> pd.DataFrame:
    """Score single clips of the models that were also trained as in 2018: balanced accuracy, the best last.

    Returns
    -------
    pd.DataFrame
        One row for each model: ``unseen songs``; ``random-clip split``, with other clips of the songs in training.
    """
    rows = {}
    for name, at_random in results[RANDOM_CLIPS].items():
        both = (score(clips_alone(results[UNSEEN_SONGS][name]), songs), score(at_random, songs))
        rows[name] = [found["balanced_accuracy"] if found else np.nan for found in both]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["unseen songs", "random-clip split"])
    return table.sort_values("unseen songs")


def difference(one: list[Predictions], other: list[Predictions], songs: pd.DataFrame) -> tuple[float, float, float]:
    """How much more balanced accuracy one model has than another on the same songs, with a paired interval."""
    hits = [song_hits(repeats, songs).groupby(["artist", "recording"])["right"].mean() for repeats in (one, other)]
    gain = (hits[0] - hits[1]).dropna()
    value, low, high = interval(balanced(gain, pd.Series(gain.index.get_level_values("artist"))), len(gain))
    return (value, low, high) if gain.any() else (value, -high, high)  # where nothing differs, either may be better


def readable(table: pd.DataFrame, results: Results, songs: pd.DataFrame) -> pd.DataFrame:
    """Put the table of scores in words: the kept model first, the others by their accuracy.

    Parameters
    ----------
    table : pd.DataFrame
        From `score_table`.
    results, songs
        The results that it was made from.
    """
    order = table[UNSEEN_SONGS].sort_values(["balanced_accuracy", "log_loss"], ascending=[False, True]).index
    order = [KEPT, *order.drop(KEPT)]
    words = pd.DataFrame(index=pd.Index(order, name="model"))
    words["unseen songs"] = table[UNSEEN_SONGS].apply(cli.with_interval, axis=1)
    words["log-loss (nats)"] = table[UNSEEN_SONGS, "log_loss"].map("{:.2f}".format)
    words["AUC"] = table[UNSEEN_SONGS, "auc"].map("{:.2f}".format)
    kept = results[UNSEEN_SONGS][KEPT]
    others = {name: results[UNSEEN_SONGS][name] for name in order[1:]}
    behind = {name: difference(kept[: len(other)], other, songs) for name, other in others.items()}
    words["kept model better by"] = pd.Series({name: cli.signed(*gain) for name, gain in behind.items()})
    for by, title in ((UNSEEN_ALBUMS, "unseen albums"), (RANDOM_CLIPS, "random-clip split")):
        if by in table:
            words[title] = table[by, "balanced_accuracy"].map("{:.2f}".format)
    return words.fillna("").replace("nan", "")


def calibration(
    repeats: list[Predictions], songs: pd.DataFrame, *, by: str = UNSEEN_SONGS
) -> tuple[float, float, float]:
    """Return the mean of confidence minus right, with its interval (see `score`): above zero it is too confident."""
    hits = song_hits(repeats, songs)
    off = (hits["confidence"] - hits["right"]).groupby([hits["artist"], hits[_unit(by)]]).mean()
    artists = pd.Series(off.index.get_level_values("artist"))
    weights = resample(artists)
    value, low, high = interval((weights @ off.to_numpy()) / weights.sum(axis=1), len(off))
    return (value, np.nan, np.nan) if _too_few(artists, by) else (value, low, high)


def reliability(repeats: list[Predictions], songs: pd.DataFrame, bins: int = 6) -> pd.DataFrame:
    """Compare how confident a model is of songs with how often it is then right.

    Returns
    -------
    pd.DataFrame
        One row for each bin, of about as many songs each (at least `IN_BIN`): mean ``confidence``, the share that is
        ``right`` with its interval ``low`` and ``high`` (Wilson, as if songs were independent), ``songs``. Empty if
        there are songs for fewer than `LEAST_BINS`.
    """
    hits = song_hits(repeats, songs)
    bins = min(hits["song"].nunique() // IN_BIN, bins)
    if bins < LEAST_BINS:
        return pd.DataFrame(columns=["confidence", "right", "songs", "low", "high"], dtype=float)
    grouped = hits.groupby(pd.qcut(hits["confidence"].rank(method="first"), bins, labels=False))
    table = grouped.agg(confidence=("confidence", "mean"), right=("right", "mean"), songs=("right", "size"))
    table["songs"] = (table["songs"] / len(repeats)).round().astype(int)  # in each repeat they are the same songs
    tests = [binomtest(round(row.right * row.songs), int(row.songs)) for row in table.itertuples()]
    ends = [test.proportion_ci(method="wilson") for test in tests]
    return table.assign(low=[low for low, _ in ends], high=[high for _, high in ends])


def confusion(hits: pd.DataFrame, most: int = 30) -> pd.DataFrame:
    """Count the songs of each artist by the artist predicted.

    Parameters
    ----------
    hits : pd.DataFrame
        From `song_hits`, of one repeat.
    most : int
        Of more artists, those with most mistakes are shown.

    Returns
    -------
    pd.DataFrame
        A row for each artist, a column for each artist predicted; those that are not shown have one column, `OTHERS`.
    """
    wrong = hits[~hits["right"]]
    names = pd.Series(0, sorted({*hits["artist"], *hits["predicted"]}))
    mistakes = names.add(wrong["artist"].value_counts(), fill_value=0)
    shown = sorted(mistakes.sort_values(ascending=False, kind="stable").index[:most])
    columns = [*shown, *([OTHERS] if len(names) > most else [])]
    predicted = hits["predicted"].where(hits["predicted"].isin(shown), OTHERS)
    rows = sorted(set(hits["artist"]) & set(shown))
    return pd.crosstab(hits["artist"], predicted).reindex(index=rows, columns=columns, fill_value=0)


def edges(results: Results, specs: dict[str, ModelSpec]) -> Iterator[str]:
    """Warn of settings that were chosen at the edge of their grid: a better one may lie beyond."""
    for name, repeats in results[UNSEEN_SONGS].items():
        chosen = [setting for one in repeats for setting in one.settings if setting]
        for key, values in specs[name].grid.items() if chosen else ():
            for edge in (values[0], values[-1]):
                times = sum(setting[key] == edge for setting in chosen)
                if times:
                    yield (
                        f"{name} chose {key} = {edge}, the edge of its grid, in {times} of {len(chosen)} folds: "
                        "a better setting may lie beyond."
                    )


def chance(songs: pd.DataFrame) -> float:
    """Return the balanced accuracy at chance level: one over the number of artists."""
    return 1 / songs["artist"].nunique()


def summary(results: Results, songs: pd.DataFrame) -> dict:
    """Return the scores of the kept model, as model.json holds them.

    Returns
    -------
    dict
        ``unseen_songs``, ``unseen_albums`` and ``random_clips``, each ``{balanced_accuracy, low, high, log_loss}`` or
        None where it could not be measured; and ``chance``.
    """
    ways = {"unseen_songs": UNSEEN_SONGS, "unseen_albums": UNSEEN_ALBUMS, "random_clips": RANDOM_CLIPS}
    scores: dict = {"chance": chance(songs)}
    for key, by in ways.items():
        found = score(results[by][KEPT], songs, by=by) if KEPT in results.get(by, {}) else None
        scores[key] = {name: found[name] for name in METRICS[:4]} if found else None
    return scores
