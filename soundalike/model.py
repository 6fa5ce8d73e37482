"""The model of a library on disk.

``data/model/`` holds ``model.npz`` (the arrays of the recogniser), ``model.json``, ``predictions.csv`` (the answer for
every song, held out), and ``left_out.csv`` (the songs that it was not trained on, and why, with the columns of
songs.csv). ``model.json``:

created, commit     when, and by which code
made_from           see `library.fresh`
made_by             by what its inputs and files are made; another is refused
classes             the artists
networks            that it uses: of each the clips from one window to the next
segments            their rule: clips, and at every how many one starts
temperature         of the scores
cohort              the sources of music by others that it was trained on, too; and ``no_cohort``, why there is none
words               the thresholds of the words of answers, see `recogniser.OpenSet` (chosen on all artists; as_shipped
                    and predictions.csv have words by those chosen on the others)
scores              unseen_songs, unseen_albums: {balanced_accuracy, low, high, log_loss, auc} or null; chance;
                    as_shipped: see `recogniser.as_shipped`, or null
learning_curve      balanced accuracy by the number of songs of each artist in training
more_songs          whose songs would help, see `training.advise`, or null
versions            of the libraries
held_out            a song that the model was not trained on, or empty
seconds             that measuring and training took
songs               trained on, with the hash of their sound
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike import cohort
from soundalike.embedding import SEGMENT_RULE, from_arrays, shipped_shifts, to_arrays
from soundalike.features import MADE_BY
from soundalike.frame import current_notes
from soundalike.library import atomic_write, fresh, locked, made_from, read_notes
from soundalike.messages import Problem, UserError
from soundalike.networks import NETWORKS
from soundalike.recogniser import OTHERS, OpenSet, Recogniser
from soundalike.song import FEATURES

VERSION = 8  # raise it when these files would hold something else


class Model(NamedTuple):
    """A model from disk: with a note of what it was made from."""

    recogniser: Recogniser
    info: dict  # model.json, see the module


def inputs(root: Path) -> list:
    """List what a model is made from: the songs of the frame, their networks, and what comes with the package."""
    keys, packaged = current_notes(root)["made_from"], (shipped_shifts().tobytes(), cohort.FILE.read_bytes())
    hashes = [hashlib.blake2b(content).hexdigest() for content in packaged]
    return [keys["all"], keys["networks"], *hashes, SEGMENT_RULE, VERSION]


def made_by(networks: dict[str, int]) -> str:
    """Return by what the inputs and the files of a model with these networks are made, see `library.made_from`."""
    return made_from(VERSION, MADE_BY, {name: NETWORKS[name].made_by(0) for name in networks}, SEGMENT_RULE)


def save(root: Path, recogniser: Recogniser, info: dict, predictions: pd.DataFrame, left_out: pd.DataFrame) -> None:
    """Save a model below the root; see the module for what the files hold."""
    with locked(root, wait=True), atomic_write(root / "model") as folder:
        folder.mkdir()
        arrays = {name: getattr(recogniser, name) for name in ("weights", "intercepts", "points", "owner")}
        arrays = {name: values.astype(np.int32 if name == "owner" else np.float32) for name, values in arrays.items()}
        np.savez(folder / "model.npz", **arrays, **to_arrays(recogniser.embedding))  # type: ignore[arg-type]
        predictions.to_csv(folder / "predictions.csv", index=False, lineterminator="\n")
        left_out.to_csv(folder / "left_out.csv", index=False, lineterminator="\n")
        (folder / "model.json").write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


def is_current(root: Path) -> bool:
    """Whether the model of a library was trained on its frame as it is now.

    Raises
    ------
    UserError
        If there is no frame of today's features.
    """
    return fresh(read_notes(root / "model", "model.json"), *inputs(root))


def load_model(root: Path) -> Model:
    """Load the model of a library. No code in its files is run.

    Raises
    ------
    UserError
        If there is none, or it is damaged or of another version.
    """
    folder = root / "model"
    info = read_notes(folder, "model.json")
    try:
        if info["made_by"] != made_by({name: every for name, every in info["networks"].items() if name in NETWORKS}):
            raise UserError(Problem.OTHER_MODEL, path=folder)
        for name in info["networks"]:
            NETWORKS[name].package.find()
        model = Model(_load_arrays(folder / "model.npz", info), info)
        _ = info["scores"]["as_shipped"], info["songs"].values(), info["held_out"], info["created"]
    except (OSError, KeyError, TypeError, AttributeError, ValueError, EOFError, zipfile.BadZipFile):
        raise UserError(Problem.MODEL_DAMAGED, path=folder) from None
    return model


def read_left_out(root: Path) -> pd.DataFrame:
    """Read the songs that a model was not trained on, as left_out.csv holds them; none where it is not there."""
    try:
        return pd.read_csv(root / "model" / "left_out.csv", dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        return pd.DataFrame(columns=["song", "artist", "status", "reason"])


def _load_arrays(path: Path, info: dict) -> Recogniser:
    """Read the arrays of a recogniser; ValueError where they do not fit together."""
    with np.load(path, allow_pickle=False) as arrays:
        embedding = from_arrays(arrays, [FEATURES, *info["networks"]])
        weights, intercepts, points, owner = (arrays[name] for name in ("weights", "intercepts", "points", "owner"))
    artists, words = [*info["classes"]], OpenSet(**info["words"])
    classes = ([OTHERS] if info["cohort"] else []) + artists
    width = sum(space.basis.shape[1] for space in embedding.ears.values())
    shapes = weights.shape == (width, len(classes)) and intercepts.shape == (len(classes),)
    shapes = shapes and points.shape == (len(owner), width) and owner.ndim == 1
    numbers = all(np.isfinite(values).all() for values in (weights, intercepts, points))
    names = all(isinstance(name, str) and name != OTHERS for name in artists) and len(set(artists)) == len(artists) > 1
    settings = all(value is None or np.isfinite(value) for value in words) and 0 < info["temperature"] < np.inf
    if not (shapes and numbers and names and settings):
        raise ValueError
    if set(owner.tolist()) != set(range(bool(info["cohort"]), len(classes))):
        raise ValueError
    return Recogniser(embedding, classes, weights, intercepts, points, owner, info["temperature"])
