"""A trained model, and what it predicts for clips and songs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from soundalike.dataset.segments import Examples
from soundalike.models.calibration import apply_temperature

FLOOR = 1e-6  # the least probability of one row: no row alone rules an artist out


class Member(NamedTuple):
    """One trained estimator and its temperatures: it predicts calibrated log-probabilities."""

    estimator: Any  # a pipeline of scikit-learn's
    classes: list[str]
    columns: list[str]
    segments: bool
    log_prior: np.ndarray | None = None  # of one that cannot weigh its rows: how common it found each artist
    temperature: float = 1.0  # of songs
    clip_temperature: float = 1.0

    def logits(self, examples: Examples) -> pd.DataFrame:
        """By each clip, or by the segment around it: log-probabilities or margins, not calibrated."""
        return self.logits_of(inputs(self.columns, self.segments, examples))

    def logits_of(self, X: np.ndarray) -> pd.DataFrame:
        """See `logits`; of rows that `inputs` has selected."""
        if hasattr(self.estimator, "predict_proba"):
            values = np.log(np.maximum(self.estimator.predict_proba(X), FLOOR))
        else:
            values = self.estimator.decision_function(X)
            if values.ndim == 1:  # of two artists: how far on the side of the second
                values = np.stack([-values / 2, values / 2], axis=1)
        values = values if self.log_prior is None else values - self.log_prior
        return pd.DataFrame(values, columns=self.classes)

    def predict(self, examples: Examples) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Log-probabilities by each clip, and of each song (its index is the song's place)."""
        logits = self.logits(examples)
        songs = aggregate(logits, examples, segments=self.segments)
        return apply_temperature(logits, self.clip_temperature), apply_temperature(songs, self.temperature)


class Model(NamedTuple):
    """Some estimators, whose log-probabilities are averaged."""

    members: dict[str, Member]
    weights: dict[str, float]

    @property
    def columns(self) -> list[str]:
        """All features that it uses."""
        return list(dict.fromkeys(column for member in self.members.values() for column in member.columns))

    def predict(self, examples: Examples) -> tuple[pd.DataFrame, pd.DataFrame]:
        """See `Member.predict`."""
        clips, songs = zip(*(member.predict(examples) for member in self.members.values()), strict=True)
        names = list(self.members)
        return tuple(average(dict(zip(names, logs, strict=True)), self.weights) for logs in (clips, songs))


def logits_of_all(members: list[Member], examples: Examples) -> list[pd.DataFrame]:
    """The logits of several members of one kind for the same rows, which are prepared only once."""
    X = inputs(members[0].columns, members[0].segments, examples)
    if len(members) > 1 and hasattr(members[0].estimator, "steps"):
        X = members[0].estimator[:-1].transform(X)
        members = [member._replace(estimator=member.estimator[-1]) for member in members]
    return [member.logits_of(X) for member in members]


def inputs(
    columns: list[str], segments: bool, examples: Examples, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Select what a model is trained on: some features of each clip, or of the segment around it."""
    X = (examples.segments if segments else examples.clips)[rows]
    return X if columns == examples.columns else X[:, _places(columns, segments, examples)]


def shifts(columns: list[str], segments: bool, examples: Examples, rows: np.ndarray) -> np.ndarray:
    """Select how far alterations move what a model is trained on, of the songs that these rows are of; see `inputs`."""
    of_these = examples.shifts[np.isin(examples.moved, examples.song[rows])]
    return of_these[:, _places(columns, segments, examples)]  # of clips: as the means over their segments move


def _places(columns: list[str], segments: bool, examples: Examples) -> np.ndarray:
    """Where the means of some features, and with segments their deviations, stand among those of all."""
    places = pd.Index(examples.columns).get_indexer(columns)
    return np.concatenate([places, places + len(examples.columns)]) if segments else places


def aggregate(logits: pd.DataFrame, examples: Examples, *, segments: bool) -> pd.DataFrame:
    """Average the log-probabilities of the clips (the segments) of each song."""
    logs = apply_temperature(logits).clip(lower=np.log(FLOOR))
    which = examples.whole if segments else slice(None)
    return apply_temperature(logs[which].groupby(examples.song[which]).mean())


def average(logs: Mapping[str, pd.DataFrame], weights: Mapping[str, float]) -> pd.DataFrame:
    """Average log-probabilities of several models for the same rows, by their weights."""
    return apply_temperature(sum(weight * logs[name] for name, weight in weights.items()))  # type: ignore[arg-type]
