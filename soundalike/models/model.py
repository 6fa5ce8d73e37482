"""A trained model, and what it predicts for clips and songs."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from soundalike.dataset.segments import Examples
from soundalike.models.calibration import apply_temperature
from soundalike.models.fusion import Fusion, fuse

if TYPE_CHECKING:
    from soundalike.models.specs import ModelSpec

FLOOR = 1e-6  # the least probability of one row: no row alone rules an artist out


class Member(NamedTuple):
    """One trained estimator and its temperatures: it predicts calibrated log-probabilities."""

    estimator: Any  # a pipeline of scikit-learn's; none where a network describes fewer than two artists
    classes: list[str]
    columns: list[str]
    segments: bool
    network: str = ""  # that describes what it is trained on; else the feature table does
    log_prior: np.ndarray | None = None  # of one that cannot weigh its rows: how common it found each artist
    temperature: float = 1.0  # of songs
    clip_temperature: float = 1.0

    def logits(self, examples: Examples) -> pd.DataFrame:
        """By each clip, or by the segment around it: log-probabilities or margins, not calibrated."""
        return self.logits_of(inputs(self, examples))

    def logits_of(self, X: np.ndarray) -> pd.DataFrame:
        """See `logits`; of rows that `inputs` has selected. Of one that is missing, they are missing."""
        there = np.isfinite(X[:, 0]) & (self.estimator is not None)
        if not there.all():
            found = self.logits_of(X[there]) if there.any() else pd.DataFrame(columns=self.classes, dtype=float)
            return found.set_axis(np.flatnonzero(there)).reindex(range(len(X)))
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
    """Some estimators, whose log-probabilities are fused."""

    members: dict[str, Member]
    fusion: Fusion

    @property
    def columns(self) -> list[str]:
        """All features that it uses."""
        return list(dict.fromkeys(column for member in self.members.values() for column in member.columns))

    @property
    def networks(self) -> list[str]:
        """All networks that it uses."""
        return [member.network for member in self.members.values() if member.network]

    def without_weightless(self) -> "Model":
        """Leave out networks without weight, which would be asked in vain; the features answer for any song."""
        ears = {
            ear: names
            for ear, names in self.fusion.ears.items()
            if self.fusion.weights[ear] > 0 or not any(self.members[name].network for name in names)
        }
        fusion = self.fusion._replace(ears=ears, weights={ear: self.fusion.weights[ear] for ear in ears})
        return Model({name: self.members[name] for names in ears.values() for name in names}, fusion)

    def predict(self, examples: Examples) -> tuple[pd.DataFrame, pd.DataFrame]:
        """See `Member.predict`."""
        clips, songs = self.predict_each(examples)
        return fuse(clips, self.fusion), fuse(songs, self.fusion)

    def predict_each(self, examples: Examples) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
        """See `Member.predict`; by each member, under its name."""
        found = {name: member.predict(examples) for name, member in self.members.items()}
        clips, songs = ({name: logs[part] for name, logs in found.items()} for part in (0, 1))
        return clips, songs


def logits_of_all(members: list[Member], examples: Examples) -> list[pd.DataFrame]:
    """Return the logits of several members of one kind for the same rows, which are prepared only once."""
    X = inputs(members[0], examples)
    if len(members) > 1 and hasattr(members[0].estimator, "steps") and np.isfinite(X[:, 0]).all():
        X = members[0].estimator[:-1].transform(X)
        members = [member._replace(estimator=member.estimator[-1]) for member in members]
    return [member.logits_of(X) for member in members]


def inputs(model: "Member | ModelSpec", examples: Examples, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Select what a model is trained on: features of each clip, of the segment, or of a network's windows around it."""
    if model.network:
        return examples.networks[model.network][rows]
    X = (examples.segments if model.segments else examples.clips)[rows]
    return X if model.columns == examples.columns else X[:, _places(model, examples)]


def _places(model: "Member | ModelSpec", examples: Examples) -> np.ndarray:
    """Where the means of its features, and with segments their deviations, stand among those of all."""
    places = pd.Index(examples.columns).get_indexer(model.columns)
    return np.concatenate([places, places + len(examples.columns)]) if model.segments else places


def aggregate(logits: pd.DataFrame, examples: Examples, *, segments: bool) -> pd.DataFrame:
    """Average the log-probabilities of the clips (the segments) of each song."""
    logs = apply_temperature(logits).clip(lower=np.log(FLOOR))
    which = examples.whole if segments else slice(None)
    return apply_temperature(logs[which].groupby(examples.song[which]).mean())
