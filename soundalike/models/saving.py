"""Models on disk: saved with all that must match when they are used, and loaded without running code.

``data/model/`` holds ``model.json``, one file of scikit-learn's for each member, ``predictions.csv`` (the answer for
every song, held out), ``left_out.csv`` (the songs that it was not trained on, and why, with the columns of songs.csv)
and ``model.md``, a page for people. ``model.json``:

name                of the model
created, commit     when, and by which code
members             what is fused: name, file, columns or network, segments (or clips), setting, temperatures, log_prior
fusion              the members of each ear, the weights of the ears, and the temperature of their average
segments            their rule: clips, and at every how many one starts
classes             the artists
made_by             by what its inputs and files are made, see `made_by`; another is refused
networks            that it uses: of each the clips from one window to the next
versions            of the libraries
held_out            a song that the model was not trained on, or empty
scores              unseen_songs, unseen_albums, random_clips: {balanced_accuracy, low, high, log_loss} or null; chance;
                    as_shipped: see `evaluation.unknown.as_shipped`, or null
seconds             that comparing and training took
words               the probabilities at which answers get another word: unknown_below, strict_below, sure_from, or null
                    (chosen on all artists; as_shipped and predictions.csv have words by those chosen on the others)
songs               trained on, with the hash of their sound
"""

import datetime
import json
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd

from soundalike import cli
from soundalike.dataset.segments import RULE, loud_clips, one_song
from soundalike.features.networks import NETWORKS
from soundalike.features.table import MADE_BY
from soundalike.library.catalogue import GOOD, read_songs
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import PROJECT
from soundalike.library.storage import atomic_write, locked, made_from
from soundalike.models import open_set
from soundalike.models.fusion import Fusion, ears_of, fuse
from soundalike.models.model import Member, Model
from soundalike.models.open_set import OpenSet, shipped_in_words
from soundalike.pool import versions
from soundalike.song import Song

VERSION = 6  # raise it when these files would hold something else

# The only types that a model file may hold: those of the members of the kept model.
TRUSTED = ["soundalike.models.attenuation.NuisanceAttenuation"] + [
    f"sklearn.{name}"
    for name in (
        "decomposition._pca.PCA",
        "kernel_approximation.Nystroem",
        "linear_model._logistic.LogisticRegression",
        "linear_model._ridge.RidgeClassifier",
        "pipeline.Pipeline",
        "preprocessing._data.StandardScaler",
        "preprocessing._label.LabelBinarizer",
    )
]

REMAKE = "Run make run again, or modeling.ipynb, which makes one."


class Prediction(NamedTuple):
    """A model's predictions for one song."""

    clips: pd.DataFrame  # probabilities by each clip that is not silent (its index), and the segment around it
    song: pd.Series  # the probability of each artist, the highest first
    ears: dict[str, str]  # the artist that each ear alone finds closest


class Saved(NamedTuple):
    """A model from disk: with a note of what it was made from."""

    model: Model
    info: dict

    @property
    def words(self) -> OpenSet:
        """From which scores answers get which word."""
        return OpenSet(**self.info["words"])

    @property
    def spacings(self) -> dict[str, int]:
        """The networks that it uses, and from the start of one window to the next, in clips."""
        return self.info["networks"]

    def predict(self, song: Song) -> Prediction:
        """Predict the artist of a song, with the embeddings by the networks that the model uses."""
        by_clip, by_song = self.model.predict_each(one_song(loud_clips(song, self.model.networks)))
        logs = fuse(by_song, self.model.fusion)
        ears = {ear: own.dropna(how="all") for ear, own in ears_of(by_song, self.model.fusion).items()}
        return Prediction(
            np.exp(fuse(by_clip, self.model.fusion)).set_axis(np.flatnonzero(song.loud)),
            np.exp(logs.iloc[0]).sort_values(ascending=False),
            {ear: own.iloc[0].idxmax() for ear, own in ears.items() if len(own)},
        )


def save(
    root: Path,
    model: Model,
    songs: pd.DataFrame,
    answers: pd.DataFrame,
    left_out: pd.DataFrame,
    *,
    settings: dict[str, dict],
    spacings: dict[str, int],
    **about: object,
) -> None:
    """Save the kept model below the root; see the module for what the files hold.

    Parameters
    ----------
    root : Path
        Of the library; the model goes to ``model/``.
    model : Model
        Trained on all songs but the one held out.
    songs : pd.DataFrame
        The songs it was trained on, from `splits.song_table`.
    answers : pd.DataFrame
        From `unknown.give_words`.
    left_out : pd.DataFrame
        From `splits.song_table`.
    settings : dict of str to dict
        That were chosen for each member.
    spacings : dict of str to int
        Of each network, clips from the start of one window to the next.
    **about
        ``held_out``, ``scores`` (from `metrics.summary`), ``seconds``.
    """
    model = model.without_weightless()
    words, _ = open_set.choose(answers)
    files = {name: f"model-{n}.skops" for n, name in enumerate(model.members, start=1)}
    members = [
        {"name": name, "file": files[name], "setting": settings[name]} | _about(member)
        for name, member in model.members.items()
    ]
    info = _about_model(model, spacings) | {"members": members, "fusion": model.fusion._asdict()} | about
    info |= {"songs": _hashes(root, songs), "words": words._asdict()}
    with locked(root, wait=True), atomic_write(root / "model") as folder:
        folder.mkdir()
        for name, member in model.members.items():
            compressed = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
            _import_skops().dump(member.estimator, folder / files[name], **compressed)
        predictions(answers).to_csv(folder / "predictions.csv", index=False, lineterminator="\n")
        not_learned_from(root, left_out, songs, str(about["held_out"])).to_csv(
            folder / "left_out.csv", index=False, lineterminator="\n"
        )
        (folder / "model.json").write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")
        (folder / "model.md").write_text(card(info), encoding="utf-8")


def _about_model(model: Model, spacings: dict[str, int]) -> dict:
    """Return what model.json says of when, how and for what a model was made."""
    return {
        "name": "average of " + "; ".join(model.members),
        "made_by": made_by(model.networks),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "segments": RULE,
        "classes": next(iter(model.members.values())).classes,
        "networks": {name: spacings[name] for name in model.networks},
        "versions": versions(),
    }


def made_by(networks: Iterable[str]) -> str:
    """Return by what the inputs and the files of a model with these networks are made, see `storage.made_from`."""
    of_networks = {name: NETWORKS[name].made_by(0) for name in networks}
    return made_from(VERSION, MADE_BY, of_networks, RULE, versions()["scikit-learn"])


def _hashes(root: Path, songs: pd.DataFrame) -> dict[str, str]:
    """Each song and the hash of its sound."""
    table = read_songs(root)
    hashes = dict(zip(table["song"], table["hash"], strict=True))
    return {song: hashes.get(song, "") for song in songs.index}


def predictions(answers: pd.DataFrame) -> pd.DataFrame:
    """Put the answers for songs that were held out as predictions.csv holds them.

    Returns
    -------
    pd.DataFrame
        Of the first repeat, by which ``as_shipped`` counts: ``song``, ``artist``, ``answer`` (its word, by thresholds
        chosen on other artists), ``predicted`` and its ``probability``; and the same three when its artist was left
        out, too, as ``unknown_answer``, ``unknown_predicted`` and ``unknown_probability``.
    """
    first = answers[answers["repeat"] == 0].set_index("song").sort_index()
    names = {"word": "answer", "closest": "predicted", "probability": "probability"}
    known, others = (
        first.loc[first["known"] == is_known, ["artist", *names]].rename(columns=names) for is_known in (1, 0)
    )
    others = others.drop(columns="artist").add_prefix("unknown_")
    return known.join(others).round(4).reset_index()


def not_learned_from(root: Path, left_out: pd.DataFrame, songs: pd.DataFrame, held_out: str) -> pd.DataFrame:
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
    out["status"], out["reason"] = "not described", "it is not in the frame: run feature_extraction.py"
    if held_out in out.index:
        out.loc[held_out, ["status", "reason"]] = "held out", "kept aside, to be asked about at the end"
    out.update(left_out[["status", "reason"]])
    return out


def _about(member: Member) -> dict:
    """Return what model.json says of a member, beside its file."""
    known = member._asdict()
    known["log_prior"] = None if member.log_prior is None else list(member.log_prior)
    return {key: known[key] for key in known if key not in ("estimator", "classes")}


def commit() -> str:
    """Name the commit of the code here, if there is git."""
    try:
        asked = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=40", "--dirty"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


SCORES = {
    "unseen_songs": "songs held out of training",
    "unseen_albums": "songs of albums held out of training",
    "random_clips": "single clips at random, with other clips of their songs in training (flatters, as in 2018)",
}


def card(info: dict) -> str:
    """Write a page for people about a saved model."""
    lines = [
        f"# Who is it by? A model of {len(info['classes'])} artists",
        "",
        f"Made {info['created']} from {len(info['songs'])} songs by code at commit {info['commit']}: the "
        f"{info['name']}.",
        "It names the artist that a song sounds most like, among those it was trained on:",
        f"{', '.join(map(printable, info['classes']))}.",
        "",
        "## How good it is",
        "",
        *([shipped_in_words(info["scores"]["as_shipped"]), ""] if info["scores"]["as_shipped"] else []),
        f"Balanced accuracy: every artist counts the same. Chance level is {info['scores']['chance']:.2f}.",
        "",
        *(f"- {words}: {cli.with_interval(info['scores'][key])}" for key, words in SCORES.items()),
        "",
        "## Not to be used for",
        "",
        "It is trained on these songs alone. It may use how recordings were made rather than the music (modeling.ipynb",
        "looks at that), and it is no proof of who made anything.",
        "",
        "## Needs",
        "",
        "The code and the packages that it was made by: "
        + ", ".join(f"{name} {version}" for name, version in info["versions"].items())
        + "".join(f", the weights of {name}" for name in info["networks"])
        + ". Loading refuses what does not match.",
    ]
    return "\n".join(lines) + "\n"


def load(root: Path) -> Saved:
    """Load the saved model of a library. No code in its files is run.

    Raises
    ------
    UserError
        If there is none, it was made by other code or versions, or it holds types that the kept model does not need.
    """
    folder = root / "model"
    try:
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        if not root.is_dir():
            raise UserError(f"There is no folder {printable(root)}.") from None
        demo = " For the demo's, add --library data/demo." if (root / "demo" / "model").is_dir() else ""
        raise UserError(f"There is no model in {printable(folder)}. {REMAKE}{demo}") from None
    problem = ""
    try:
        if info["made_by"] != made_by(name for name in info["networks"] if name in NETWORKS):
            problem = "it was made by another version of this program or of scikit-learn"
        for name in () if problem else info["networks"]:
            NETWORKS[name].package.find()
        rows = {row["name"]: row for row in info["members"]}
        members = {name: _member(row, info["classes"]) for name, row in rows.items()}
        fusion = Fusion(**info["fusion"])
        _ = [members[name] for ear in fusion.weights for name in fusion.ears[ear]]
        files = {name: Path(row["file"]).name for name, row in rows.items()}
        OpenSet(**info["words"]), info["songs"].values()
    except (KeyError, TypeError, AttributeError, ValueError):
        problem = problem or "model.json lacks what it should hold"
    if problem:
        raise UserError(f"The model in {printable(folder)} does not fit: {problem}. {REMAKE}")
    try:
        loaded = {name: m._replace(estimator=_load_estimator(folder / files[name])) for name, m in members.items()}
    except (OSError, EOFError, KeyError, TypeError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(f"{printable(folder)} holds no model file that can be read ({error}). {REMAKE}") from None
    return Saved(Model(loaded, fusion), info)


def _member(row: dict, classes: list[str]) -> Member:
    """Return a member as model.json describes it, without its estimator."""
    prior = None if row["log_prior"] is None else np.array(row["log_prior"])
    temperatures = float(row["temperature"]), float(row["clip_temperature"])
    return Member(None, classes, row["columns"], bool(row["segments"]), row["network"], prior, *temperatures)


def _import_skops() -> Any:
    """Import skops.io without its own list of all of scikit-learn's estimators, which `TRUSTED` replaces.

    To make that list it imports every module of scikit-learn, which takes as long as everything else.
    """
    with mock.patch("sklearn.utils.all_estimators", lambda: []):
        import skops.io
    return skops.io


def _load_estimator(path: Path) -> Any:
    """One estimator from its file, if it holds nothing but known types."""
    skops = _import_skops()
    unknown = set(skops.get_untrusted_types(file=path)) - set(TRUSTED)
    if unknown:
        raise UserError(
            f"The model in {printable(path.parent)} is refused: it holds {', '.join(sorted(unknown))}, which no model "
            f"made here does. Do not use it. {REMAKE}"
        )
    return skops.load(path, trusted=TRUSTED)
