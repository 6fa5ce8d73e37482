"""Why to believe a score, and where not to: what the kept model depends on."""

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances_argmin
from sklearn.preprocessing import StandardScaler

from soundalike.dataset.segments import Examples
from soundalike.dataset.splits import SEED, Fold, folds
from soundalike.evaluation.crossval import (
    HELD_OUT,
    RANDOM_CLIPS,
    UNSEEN_SONGS,
    by_name,
    enough,
    predict_held_out,
    predictions_of,
)
from soundalike.evaluation.metrics import METRICS, difference, score
from soundalike.evaluation.study import Part, Study
from soundalike.features.networks import NETWORKS
from soundalike.features.table import ASPECTS, CLIP_COLUMNS, columns
from soundalike.models.fusion import Fusion
from soundalike.models.specs import ModelSpec
from soundalike.models.training import fit_all

MOST_CLIPS = 8_000  # about so many are compared with each other
# Whose training clip is the nearest.
NEAREST = ("in training", "the same song", "the same artist", "another artist")

# --- what the kept model depends on ----------------------------------------------------------


def importance(fixed: dict[str, ModelSpec], fusion: Fusion, study: Study) -> pd.DataFrame:
    """Measure how much balanced accuracy the kept model loses when one aspect of clips is exchanged between songs.

    Parameters
    ----------
    fixed : dict of str to ModelSpec
        The parts of the kept model as they are, from `crossval.train_kept`.
    fusion : Fusion
        Of these.
    study
        See `crossval.compare`.

    Returns
    -------
    pd.DataFrame
        One row for each of `ASPECTS` and for what each network describes, the greatest loss first: ``loss``, ``low``,
        ``high`` (paired, over songs).
    """
    tasks = [(fixed, fusion, fold) for fold in enough(study.songs, folds(study.songs))]
    parts = study.run(_without_aspects, tasks, "Exchanging aspects")
    songs = study.songs
    found = {
        aspect: [predictions_of(by_name(pd.concat([part[aspect] for part in parts]), songs))] for aspect in parts[0]
    }
    whole = found.pop("")
    rows = {aspect: difference(whole, without, songs) for aspect, without in found.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["loss", "low", "high"])
    return table.rename_axis("aspect").sort_values("loss", ascending=False)


def _without_aspects(
    fixed: dict[str, ModelSpec], fusion: Fusion, fold: Fold, songs: pd.DataFrame, examples: Examples
) -> Part:
    """Return the predictions for the songs of a fold, as they are and with each aspect exchanged."""
    model = fit_all(fixed, fusion, examples, songs.iloc[fold[0]])[0]
    tested = examples.rows(songs["place"].iloc[fold[1]])
    other = np.random.default_rng(SEED).permutation(len(tested.song))
    found = {"": model.predict(tested)[1]}
    for aspect, names in ASPECTS.items():
        places = pd.Index(tested.columns).get_indexer([column for name in names for column in columns(name)])
        both = np.concatenate([places, places + len(tested.columns)])
        clips, segments = tested.clips.copy(), tested.segments.copy()
        clips[:, places], segments[:, both] = clips[other][:, places], segments[other][:, both]
        found[aspect] = model.predict(tested._replace(clips=clips, segments=segments))[1]
    for name in model.networks:
        exchanged = tested.networks | {name: tested.networks[name][other]}
        found[NETWORKS[name].aspect] = model.predict(tested._replace(networks=exchanged))[1]
    return found


def learning_curve(fixed: dict[str, ModelSpec], fusion: Fusion, study: Study, sizes: list[int]) -> pd.DataFrame:
    """Score the kept model, trained on at most so many songs of each artist, drawn at random.

    Parameters
    ----------
    fixed, fusion, study
        See `importance`.
    sizes : list of int
        How many songs.

    Returns
    -------
    pd.DataFrame
        One row for each size: ``balanced_accuracy``, ``low``, ``high``; and ``gained``, ``gained low``, ``gained
        high`` over the size before (paired, over songs).
    """
    songs = study.songs
    drawn = songs.reindex(songs.sample(frac=1, random_state=SEED).index)
    used = enough(songs, folds(songs))
    splits = [[(fewer(drawn, songs, learn, size), test) for learn, test in used] for size in sizes]
    rows, before = {}, None
    for size, predicted in zip(
        sizes, predict_held_out(fixed, fusion, study, splits, "Training on fewer songs"), strict=True
    ):
        gained = difference([predicted], [before], songs) if before else [np.nan] * 3
        scored = score([predicted], songs) or dict.fromkeys(METRICS, np.nan)
        rows[size] = scored | dict(zip(("gained", "gained low", "gained high"), gained, strict=True))
        before = predicted
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("songs per artist")


def fewer(drawn: pd.DataFrame, songs: pd.DataFrame, learn: np.ndarray, size: int) -> np.ndarray:
    """Of the songs to train on, the first so many of each artist in the order in which they were drawn."""
    some = drawn[drawn.index.isin(songs.index[learn])]
    kept = some.index[some.groupby("artist").cumcount() < size]
    return learn[songs.index[learn].isin(kept)]


# --- where the flattering number comes from --------------------------------------------------


def nearest_clips(clips: pd.DataFrame, work: pd.Series) -> dict[str, pd.DataFrame]:
    """Find whose training clip is nearest to each test clip, with single clips split at random and with songs.

    Parameters
    ----------
    clips : pd.DataFrame
        Rows of a frame that are not silent. Of very many, evenly spaced ones of each song are compared.
    work : pd.Series
        Of each song [index: song]: copies and versions count as one song.

    Returns
    -------
    dict of str to pd.DataFrame
        For `RANDOM_CLIPS` and `UNSEEN_SONGS` the columns ``artist``, ``song``, ``clip`` and ``nearest``, one of
        `NEAREST`: whose the nearest training clip is; training clips themselves have the first. Distances are
        Euclidean, each feature scaled by the training clips.
    """
    draw = np.random.default_rng(SEED)
    each = max(2, MOST_CLIPS // clips["song"].nunique())
    by_song = clips.groupby("song")["song"]
    place, count = by_song.cumcount(), by_song.transform("size")
    clips = clips[(place + 1) * each // count > place * each // count]  # evenly spaced ones
    of_song = clips["song"].map(work).to_numpy()
    artists = clips["artist"].to_numpy()
    owners = pd.Series(artists, of_song).groupby(level=0).first().sample(frac=1, random_state=SEED)
    by_artist = owners.groupby(owners)
    few = (HELD_OUT * by_artist.transform("size")).round().clip(1)
    held_out = owners.index[(by_artist.cumcount() < few) & (by_artist.transform("size") > 1)]
    tests = {RANDOM_CLIPS: draw.random(len(clips)) < HELD_OUT, UNSEEN_SONGS: np.isin(of_song, held_out)}
    found = {by: _nearest(clips, of_song, artists, test) for by, test in tests.items()}
    shown = clips[["artist", "song", "clip"]]
    return {by: shown.assign(nearest=pd.Categorical.from_codes(codes, NEAREST)) for by, codes in found.items()}


def _nearest(clips: pd.DataFrame, of_song: np.ndarray, artists: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Whose the nearest training clip is, as places in `NEAREST`."""
    values = clips[CLIP_COLUMNS].to_numpy(np.float32)
    found = np.zeros(len(clips), int)
    if test.any() and not test.all():
        scaler = StandardScaler().fit(values[~test])
        learn = np.flatnonzero(~test)
        first = learn[pairwise_distances_argmin(scaler.transform(values[test]), scaler.transform(values[learn]))]
        same_song, same_artist = of_song[first] == of_song[test], artists[first] == artists[test]
        found[test] = np.select([same_song, same_artist], [1, 2], 3)
    return found
