"""Where the flattering number of clips split at random comes from: the nearest training clip is of the same song."""

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances_argmin
from sklearn.preprocessing import StandardScaler

from soundalike.dataset.splits import SEED
from soundalike.features.table import CLIP_COLUMNS

UNSEEN_SONGS, RANDOM_CLIPS = "song", "clip"  # ways to split
HELD_OUT = 0.3  # of the clips, as in 2018
MOST_CLIPS = 8_000  # about so many are compared with each other
# Whose training clip is the nearest.
NEAREST = ("in training", "the same song", "the same artist", "another artist")


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
