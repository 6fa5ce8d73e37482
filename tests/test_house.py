"""The core is pure: what it has to say it returns, raises or tells a listener."""

import ast
import re
import tomllib

import pytest

from soundalike.library import PROJECT

EDGE = {"terminal.py", "__main__.py"}
CORE = [path for path in sorted(PROJECT.glob("soundalike/**/*.py")) if path.name not in EDGE]


@pytest.mark.parametrize("module", CORE, ids=lambda path: path.relative_to(PROJECT / "soundalike").as_posix())
def test_the_core_neither_prints_nor_parses_arguments_nor_reads_the_environment(module):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "input", "os.getenv", "os.environ.get", "sys.exit")
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            assert isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Import):
            assert "argparse" not in [alias.name for alias in node.names]
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) not in ("sys.argv", "sys.stdout", "sys.stderr")


@pytest.mark.parametrize("module", CORE, ids=lambda path: path.relative_to(PROJECT / "soundalike").as_posix())
def test_errors_are_members_of_an_enumeration(module):
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("UserError", "SongError"):
            assert not isinstance(node.args[0], ast.Constant | ast.JoinedStr)


def test_contributing_names_every_module():
    layers = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    modules = {module for layer in layers for module in layer.split(" | ")}
    table = (
        (PROJECT / "docs/contributing.md").read_text(encoding="utf-8").split("| module | holds |")[1].split("\n\n")[0]
    )
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| ")))
    assert set(named) == modules
