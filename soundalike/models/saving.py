"""Models on disk: saved with all that must match when they are used, and loaded without running code."""

import datetime
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pandas as pd

from soundalike import cli
from soundalike.features import musicnn
from soundalike.features.quiet_keras import import_keras
from soundalike.features.table import COLUMNS, FEATURE_SETTINGS
from soundalike.library.catalogue import read_songs
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import PROJECT
from soundalike.library.storage import atomic_write, locked
from soundalike.models.calibration import average_temperature
from soundalike.models.model import Model, Sounds, artists_of, averaged, cooled
from soundalike.models.networks import is_network, with_ear
from soundalike.parallel import versions

# The only types of scikit-learn that a model file may hold: those of the models in `specs`.
TRUSTED = [
    f"sklearn.{name}"
    for name in (
        "discriminant_analysis.LinearDiscriminantAnalysis",
        "dummy.DummyClassifier",
        "ensemble._forest.ExtraTreesClassifier",
        "ensemble._forest.RandomForestClassifier",
        "ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "linear_model._logistic.LogisticRegression",
        "naive_bayes.GaussianNB",
        "neighbors._classification.KNeighborsClassifier",
        "pipeline.Pipeline",
        "preprocessing._data.StandardScaler",
        "preprocessing._label.LabelEncoder",
        "svm._classes.SVC",
        "tree._classes.DecisionTreeClassifier",
        "tree._classes.ExtraTreeClassifier",
        "tree._tree.Tree",
    )
]

REMAKE = "modeling.ipynb makes one, or python -m soundalike.evaluation.large; make run runs what fits."


class Saved(NamedTuple):
    """A model from disk, or the average of some: it knows what it was made from."""

    members: list[Model]
    info: dict

    @property
    def listens(self) -> bool:
        """Whether it needs the samples of the clips, not only their features."""
        return any(not member.columns for member in self.members)

    @property
    def embeds(self) -> bool:
        """Whether it goes by what musicnn hears."""
        return bool(self.info.get("embedded"))

    @property
    def whole_songs(self) -> bool:
        """Whether what it says of a clip also goes by the song around it."""
        return any(member.whole_songs for member in self.members)

    def answer(self, clips: pd.DataFrame, sounds: Sounds = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """See `Model.answer`; ``sounds`` are int16 samples, one row for each clip."""
        of_clips, of_songs = averaged([member.answer(clips, sounds) for member in self.members])
        return of_clips, cooled(of_songs, self.info["temperature"])


def save(
    root: Path,
    name: str,
    members: list[Model],
    *,
    trained_on: pd.DataFrame,
    held_out: str,
    scores: dict,
    none_below: float | None,
) -> dict:
    """Save a trained model below the root, with all that must match when it is used.

    Parameters
    ----------
    root : Path
        Of the library; the model goes to ``model/``.
    name : str
        What it is called.
    members : list of Model
        One, or those to be averaged.
    trained_on : pd.DataFrame
        The clips it learned from.
    held_out : str
        The song it has never seen.
    scores : dict
        What it scored, as `metrics.summary` gives it.
    none_below : float or None
        The confidence below which a song is by none of the artists, if that is known.

    Returns
    -------
    dict
        What stands in ``model.json``.
    """
    table = read_songs(root)
    hashes = dict(zip(table["song"], table["hash"], strict=True))
    files = [f"model-{n}.{'keras' if is_network(m.estimator) else 'skops'}" for n, m in enumerate(members, start=1)]
    info = {
        "name": name,
        "temperature": average_temperature([member.inner for member in members], artists_of(trained_on)),
        "members": [{"file": file} | _settings_of(member) for file, member in zip(files, members, strict=True)],
        "classes": members[0].classes,
        "features": COLUMNS,
        "settings": FEATURE_SETTINGS,
        "embedded": musicnn.NETWORK_VERSION if _used(members).intersection(musicnn.NETWORK_COLUMNS) else "",
        "versions": versions(),
        "commit": _commit(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "held_out": held_out,
        "scores": scores,
        "none_below": none_below,
        "songs": {song: hashes.get(song, "") for song in sorted(trained_on["song"].unique())},
    }
    with locked(root, wait=True), atomic_write(root / "model") as folder:
        folder.mkdir()
        for file, member in zip(files, members, strict=True):
            if is_network(member.estimator):
                net = member.estimator.model_
                (net if member.columns else with_ear(net)).save(folder / file)
            else:
                _import_skops().dump(member.estimator, folder / file)
        (folder / "model.json").write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")
        (folder / "model.md").write_text(card(info), encoding="utf-8")
    return info


def _used(members: list[Model]) -> set[str]:
    """The columns that models look at."""
    return {name for member in members for name in member.columns}


def _settings_of(member: Model) -> dict:
    """What model.json says of one model."""
    known = member._asdict()
    return {key: known[key] for key in known if key not in ("estimator", "classes", "loss", "inner")}


def _commit() -> str:
    """The commit of the code here, if git knows it."""
    try:
        asked = ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=40", "--dirty"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def card(info: dict) -> str:
    """A page for people about a saved model."""
    lines = [
        f"# Who is it by? A model of {len(info['classes'])} artists",
        "",
        f"*{info['name']}*, made {info['created']} from {len(info['songs'])} songs by code at commit {info['commit']}.",
        "It names the artist that a song's two-second clips sound most like, among those it knows:",
        f"{', '.join(map(printable, info['classes']))}.",
        "",
        "## How good it is",
        "",
        "Balanced accuracy, with 95 % intervals; every artist counts the same.",
        "",
        *_scores(info["scores"]),
        "",
        "## What it must not be used for",
        "",
        "It knows these artists, from these songs alone. It may go by how recordings were made rather than by the",
        "music (see the audit in modeling.ipynb), and it is no proof of who made anything.",
        "",
        "## What it needs",
        "",
        f"Features by the same settings ({len(info['features'])} of them), and "
        + ", ".join(f"{name} {version}" for name, version in info["versions"].items())
        + ". `model.json` holds the rest; loading refuses what does not match.",
    ]
    return "\n".join(lines) + "\n"


def _scores(scores: dict) -> list[str]:
    """A line for each score."""
    return [
        f"- {name}: {cli.with_interval(worth) if isinstance(worth, dict) else f'{worth:.2f}'}"
        for name, worth in scores.items()
    ]


def load(root: Path) -> Saved:
    """Load the saved model of a library. No code in its files is run.

    Raises
    ------
    UserError
        If there is none, it was made for other features, settings or versions, or it holds
        types that none of `specs.models` needs.
    """
    folder = root / "model"
    try:
        info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        demo = " For the demo's, add --data data/demo." if (root / "demo" / "model").is_dir() else ""
        raise UserError(f"There is no model in {printable(folder)}. {REMAKE}{demo}") from None
    try:
        problems = mismatches(info)
        if info.get("embedded"):
            musicnn.check_weights()
        members = [
            Model(None, info["classes"], **{key: row[key] for key in row if key != "file"}) for row in info["members"]
        ]
        files = [row["file"] for row in info["members"]]
        float(info["temperature"]), float(info["none_below"] or 0), info["songs"].values()
    except (KeyError, TypeError, AttributeError, ValueError):
        problems = ["model.json lacks what it should hold"]
    if problems:
        raise UserError(f"The model in {printable(folder)} does not fit: {'; '.join(problems)}. {REMAKE}")
    try:
        estimators = [_load_estimator(folder / Path(file).name) for file in files]
    except (OSError, EOFError, KeyError, TypeError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(f"{printable(folder)} holds no model file that can be read ({error}). {REMAKE}") from None
    return Saved([m._replace(estimator=e) for m, e in zip(members, estimators, strict=True)], info)


def _import_skops() -> Any:
    """Import skops.io without its own list of all of scikit-learn's estimators, which `TRUSTED` replaces.

    To make that list it imports every module of scikit-learn, which takes as long as everything else.
    """
    with mock.patch("sklearn.utils.all_estimators", lambda: []):
        import skops.io
    return skops.io


def _load_estimator(path: Path) -> Any:
    """One estimator from its file, if it holds nothing but known types."""
    if path.suffix == ".keras":
        return import_keras().models.load_model(path, safe_mode=True)
    skops = _import_skops()
    unknown = set(skops.get_untrusted_types(file=path)) - set(TRUSTED)
    if unknown:
        raise UserError(
            f"The model in {printable(path.parent)} is refused: it holds {', '.join(sorted(unknown))}, which no model "
            f"made here does. Do not use it. {REMAKE}"
        )
    return skops.load(path, trusted=TRUSTED)


def mismatches(info: dict) -> list[str]:
    """How a saved model differs from what the code here would make: each in words."""
    problems = []
    used = {name for row in info["members"] for name in row["columns"] or []} - set(musicnn.NETWORK_COLUMNS)
    missing, extra = (used | set(info["features"])) - set(COLUMNS), set(COLUMNS) - set(info["features"])
    if info.get("embedded", "") not in ("", musicnn.NETWORK_VERSION):
        problems.append(f"musicnn was {info['embedded']}, is {musicnn.NETWORK_VERSION}")
    if missing:
        problems.append(f"it needs features that are no longer made ({', '.join(sorted(missing)[:5])})")
    if extra:
        problems.append(f"it does not know the features {', '.join(sorted(extra)[:5])}")
    if not missing and not extra and info["features"] != COLUMNS:
        problems.append("it knows the features in another order")
    for key in FEATURE_SETTINGS.keys() | info["settings"].keys():
        before, now = info["settings"].get(key), FEATURE_SETTINGS.get(key)
        if key != "columns" and before != now:
            problems.append(f"{key} was {before}, is {now}")
    for library in {"keras" if row["file"].endswith(".keras") else "scikit-learn" for row in info["members"]}:
        before, now = info["versions"].get(library), versions()[library]
        if before != now:
            problems.append(f"{library} was {before}, is {now}")
    return problems
