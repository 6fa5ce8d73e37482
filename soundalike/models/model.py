"""A trained model, and what it answers for clips and songs."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from soundalike.features.table import columns
from soundalike.models.networks import is_network
from soundalike.models.on_disk import OnDisk

LEAST = 1e-6  # a clip's least probability: no clip alone rules an artist out
JOINS = ("log", "mean", "vote")  # the ways to join a song's clips, the one that is used first
MFCC = [name for name in columns("mfcc") if name.endswith(("_mean", "_std"))]
Sounds = np.ndarray | OnDisk | None  # beside a frame: its clips, for who listens; or where its features are


def join(logs: pd.DataFrame, songs: pd.Series, how: str = JOINS[0]) -> pd.DataFrame:
    """Join the answers of each song's clips.

    Parameters
    ----------
    logs : pd.DataFrame
        Log-probabilities, one row for each clip.
    songs : pd.Series
        The song of each clip, in the same order.
    how : {"log", "mean", "vote"}
        The mean of log-probabilities, the mean of probabilities, or each clip one vote.

    Returns
    -------
    pd.DataFrame
        Log-probabilities, one row for each song.
    """
    values = logs.to_numpy()
    if how == "log":
        values = np.maximum(values, np.log(LEAST))
    elif how == "mean":
        values = np.exp(values)
    elif how == "vote":
        values = np.eye(values.shape[1])[values.argmax(axis=1)]
    else:
        raise ValueError(f"{how!r} is none of {', '.join(JOINS)}")
    joined = pd.DataFrame(values, columns=logs.columns).groupby(songs.to_numpy()).mean()
    return cooled(joined if how == "log" else np.log(joined.clip(lower=LEAST)))


def cooled(logs: pd.DataFrame, temperature: float = 1.0) -> pd.DataFrame:
    """Divide logits by a temperature and turn them into log-probabilities: hotter is less sure."""
    return pd.DataFrame(log_softmax(logs.to_numpy() / temperature, axis=1), index=logs.index, columns=logs.columns)


class Model(NamedTuple):
    """A trained model: it answers with log-probabilities, for clips and for songs."""

    estimator: Any
    classes: list[str]
    columns: list[str]
    whole_songs: bool = False
    setting: dict = {}  # noqa: RUF012 - nothing changes it
    clip_temperature: float = 1.0
    song_temperature: float = 1.0
    loss: float = np.inf  # log-loss on the inner folds, of songs; of clips where they are dealt one by one
    inner: pd.DataFrame | None = None  # what it then said of their songs, calibrated

    def logits(self, clips: pd.DataFrame, sounds: Sounds = None) -> pd.DataFrame:
        """What the estimator says: log-probabilities, up to a temperature.

        Parameters
        ----------
        clips : pd.DataFrame
            Rows of a frame.
        sounds : np.ndarray or OnDisk, optional
            For a model that listens, what it listens to: one item for each row. Or, where ``clips`` has
            only labels, where their features are.

        Returns
        -------
        pd.DataFrame
            One row for each clip, under the same index. Of a model of whole songs it is what that says
            of a song whose mean is this clip; a linear one says of the song the mean of these.
        """
        if isinstance(sounds, OnDisk):
            return pd.concat(self.logits(some).astype(np.float32) for some in sounds.batches(clips, self.columns))
        X = inputs(self.columns, self.whole_songs, clips, sounds)
        if is_network(self.estimator):
            net = getattr(self.estimator, "model_", self.estimator)
            values = _logs(net.predict(X, batch_size=256, verbose=0))
        elif hasattr(self.estimator, "decision_function"):
            values = self.estimator.decision_function(X)
            if values.ndim == 1:  # of two artists: how far on the side of the second
                values = np.stack([-values / 2, values / 2], axis=1)
        else:
            values = _logs(self.estimator.predict_proba(X))
        return pd.DataFrame(values, index=clips.index, columns=self.classes)

    def answer(self, clips: pd.DataFrame, sounds: Sounds = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Calibrated log-probabilities of each clip, and of each song."""
        logs = cooled(self.logits(clips, sounds), self.clip_temperature)
        return logs, cooled(join(logs, clips["song"]), self.song_temperature)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    """Their logarithms, none of them infinite."""
    return np.log(np.maximum(probabilities, LEAST))


def inputs(columns: list[str], whole_songs: bool, clips: pd.DataFrame, sounds: Sounds) -> Any:
    """What an estimator is given for these clips, one row for each."""
    if not columns:
        return sounds
    return with_variation(clips[columns], clips["song"]) if whole_songs else clips[columns].to_numpy()


def describe_songs(values: pd.DataFrame, songs: pd.Series) -> np.ndarray:
    """Describe each song by the mean of its clips and how they vary around it.

    Parameters
    ----------
    values : pd.DataFrame
        Features of clips. A song varies by the standard deviation of each over its clips. Of MFCC
        columns alone (means and deviations within each clip) it is the covariance: that of the
        clips' means, and on its diagonal also the mean variance within clips.
    songs : pd.Series
        The song of each clip.

    Returns
    -------
    np.ndarray [shape=(songs, n)]
        In order of song.
    """
    clips, centres = values.to_numpy(np.float64), _centres(values)
    upper = np.triu_indices(centres)
    rows = []
    for _, places in sorted(songs.groupby(songs.to_numpy()).indices.items()):
        means, within = np.split(clips[places], [centres], axis=1)
        if centres == values.shape[1]:
            varies = means.std(axis=0)
        else:
            varies = (np.cov(means.T, bias=True) + np.diag((within**2).mean(axis=0)))[upper]
        rows.append(np.concatenate([means.mean(axis=0), varies]))
    return np.stack(rows)


def _centres(values: pd.DataFrame) -> int:
    """How many of the columns are means of clips: of MFCC columns alone the first half, else all."""
    return len(MFCC) // 2 if list(values.columns) == MFCC else values.shape[1]


def with_variation(values: pd.DataFrame, songs: pd.Series) -> np.ndarray:
    """Each clip, and beside it how its song varies: the mean of a song's rows is its row in `describe_songs`."""
    summaries, places = describe_songs(values, songs), np.unique(songs.to_numpy(dtype=object), return_inverse=True)[1]
    centres = _centres(values)
    return np.concatenate([values.to_numpy(np.float64)[:, :centres], summaries[places, centres:]], axis=1)


def some_of(sounds: Sounds, places: np.ndarray) -> Sounds:
    """Some of the sounds, if there are any."""
    return None if sounds is None else sounds[places]


def artists_of(frame: pd.DataFrame) -> pd.Series:
    """The artist of each song, in order of song."""
    return frame.groupby("song")["artist"].first()


def averaged(answers: list[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mean of several models' probabilities, as logarithms: of clips, by those that judge clips, and of songs."""
    clips, songs = zip(*answers, strict=True)
    of_clips = [logs for logs in clips if len(logs)] or [clips[0]]
    return np.log(sum(map(np.exp, of_clips)) / len(of_clips)), np.log(sum(map(np.exp, songs)) / len(songs))
