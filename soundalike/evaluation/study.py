"""Work on folds: on all cores, with a bar."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from soundalike import cli
from soundalike.dataset.segments import Examples

Part = dict[str, pd.DataFrame]  # the result of a task: tables of numbers, their rows named by whole numbers


class Study:
    """The songs that models are compared on.

    Parameters
    ----------
    songs : pd.DataFrame
        From `splits.song_table`.
    examples : Examples
        Of these songs.
    """

    def __init__(self, songs: pd.DataFrame, examples: Examples) -> None:
        self.songs = songs
        self._room = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.examples = examples.mapped(Path(self._room.name))  # so that all processes share one copy

    def run(self, function: Callable[..., Part], tasks: list[tuple], label: str) -> list[Part]:
        """Call a function for each task.

        Parameters
        ----------
        function : callable
            Takes the parts of a task, the songs and the examples; returns tables of numbers.
        tasks : list of tuple
            The parts of each.
        label : str
            The label of the bar.

        Returns
        -------
        list of Part
            One for each task, in their order.
        """
        calls = [joblib.delayed(function)(*task, self.songs, self.examples) for task in tasks]
        parts = dict(in_parallel(calls, label))
        return [parts[n] for n in range(len(tasks))]


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
