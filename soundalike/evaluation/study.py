"""Work on folds: on all cores, with a bar; folds that were finished before are not computed again.

The folder of a study holds one file for each finished task, named by a hash of all that its result depends on.
Deleting it costs time and nothing else.
"""

import hashlib
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from soundalike import cli
from soundalike.dataset.segments import Examples
from soundalike.library.paths import PROJECT
from soundalike.library.storage import atomic_write
from soundalike.models.specs import ModelSpec
from soundalike.parallel import versions

BLOCK = 4096  # rows that are hashed at a time

Part = dict[str, pd.DataFrame]  # the result of a task: tables of numbers, their rows named by whole numbers


class Study:
    """The songs that models are compared on, and where finished work on them is kept.

    Parameters
    ----------
    songs : pd.DataFrame
        From `splits.song_table`.
    examples : Examples
        Of these songs.
    folder : Path, optional
        For finished tasks; without one, none is kept.
    """

    def __init__(self, songs: pd.DataFrame, examples: Examples, folder: Path | None = None) -> None:
        self.songs = songs
        self._room = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.examples = examples.mapped(Path(self._room.name))  # so that all processes share one copy
        self.folder = folder
        self.used: set[Path] = set()
        self._digests: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}

    def run(self, function: Callable[..., Part], tasks: list[tuple], label: str) -> list[Part]:
        """Call a function for each task.

        Parameters
        ----------
        function : callable
            Takes the parts of a task, the songs and the examples; returns tables of numbers.
        tasks : list of tuple
            The first part of each is a `ModelSpec`, or a dict of them: of the features, only what these use counts
            for whether a task was finished before.
        label : str
            The label of the bar.

        Returns
        -------
        list of Part
            One for each task, in their order.
        """
        paths = [self._path(function, task) for task in tasks]
        parts = [_read(path) if path else None for path in paths]
        missing = [n for n, part in enumerate(parts) if part is None]
        calls = [joblib.delayed(function)(*tasks[n], self.songs, self.examples) for n in missing]
        for place, part in in_parallel(calls, label):
            parts[missing[place]] = part
            if path := paths[missing[place]]:
                _write(path, part)
        return parts  # type: ignore[return-value]  # none is missing any more

    def tidy(self) -> None:
        """Delete results that were not asked for: of other songs, features, models or code."""
        if not self.folder or not self.used:
            return
        for path in self.folder.glob("*.npz"):
            if path not in self.used:
                path.unlink(missing_ok=True)
        for unfinished in self.folder.glob(".unfinished-*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def _path(self, function: Callable, task: tuple) -> Path | None:
        """Where the result of a task is kept."""
        if not self.folder:
            return None
        specs = [task[0]] if isinstance(task[0], ModelSpec) else task[0].values()
        columns = tuple(sorted({name for spec in specs for name in spec.columns}))
        networks = tuple(sorted({spec.network for spec in specs if spec.network}))
        name = joblib.hash((function.__name__, task, self._digest(columns, networks), CODE))
        self.used.add(self.folder / f"{name}.npz")
        return self.folder / f"{name}.npz"

    def _digest(self, columns: tuple[str, ...], networks: tuple[str, ...]) -> str:
        """Return a hash of the songs, of some of their features, and of what some networks make of them."""
        if (columns, networks) not in self._digests:
            digest = hashlib.blake2b(self.songs.to_csv().encode(), digest_size=16)
            digest.update(self.examples.song.tobytes() + self.examples.whole.tobytes())
            places = pd.Index(self.examples.columns).get_indexer(list(columns))
            both = np.concatenate([places, places + len(self.examples.columns)])
            digest.update(self.examples.moved.tobytes() + self.examples.shifts[:, both].tobytes())
            for start in range(0, len(self.examples.song), BLOCK):
                rows = slice(start, start + BLOCK)
                digest.update(self.examples.clips[rows, places].tobytes())
                digest.update(self.examples.segments[rows, both].tobytes())
                for name in networks:
                    digest.update(self.examples.networks[name][rows].tobytes())
            self._digests[columns, networks] = digest.hexdigest()
        return self._digests[columns, networks]


def in_parallel(calls: list, label: str) -> Iterator[tuple[int, Any]]:
    """Do calls made by `joblib.delayed` on all cores, with a bar; yield the place and the result of each when done."""
    if not calls:
        return
    work = (joblib.delayed(_numbered)(n, call) for n, call in enumerate(calls))
    with warnings.catch_warnings(), cli.bar(len(calls), label, "steps") as bar:
        warnings.filterwarnings("ignore", message="A worker stopped")  # and was replaced: TensorFlow takes much memory
        for found in joblib.Parallel(n_jobs=-1, return_as="generator_unordered")(work):
            bar.update()
            yield found


def end_workers() -> None:
    """End the processes of `in_parallel`, with all the memory that they hold; it starts others when it needs them."""
    get_reusable_executor().shutdown(wait=True)


def _numbered(number: int, call: tuple) -> tuple[int, Any]:
    function, arguments, named = call
    return number, function(*arguments, **named)


def _hash_code() -> str:
    """Return a hash of the code that results depend on, and of the versions of its libraries."""
    digest = hashlib.blake2b(json.dumps(versions()).encode(), digest_size=16)
    for name in ("features", "dataset", "models", "evaluation"):
        for path in sorted((PROJECT / "soundalike" / name).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


CODE = _hash_code()  # as it was imported: later changes of the files are another code


def _write(path: Path, part: Part) -> None:
    """Keep the result of a task: the rows, columns and values of each table."""
    arrays: dict[str, Any] = {}
    for name, table in part.items():
        values = table.to_numpy() if table.shape[1] else np.empty(table.shape)  # which pandas takes for objects
        arrays |= {f"{name}.rows": table.index.to_numpy(), f"{name}.values": values}
        arrays |= {f"{name}.columns": np.array(table.columns, dtype=str)}
    with atomic_write(path) as unfinished:
        np.savez_compressed(unfinished, **arrays)


def _read(path: Path) -> Part | None:
    """Read the result of a task; None if there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = dict.fromkeys(key.rpartition(".")[0] for key in arrays)
            return {
                name: pd.DataFrame(*(arrays[f"{name}.{what}"] for what in ("values", "rows", "columns")))
                for name in names
            }
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
