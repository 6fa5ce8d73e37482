"""The packages that are installed, and the files that `make clean` removes."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.+]+)", re.MULTILINE)


def test_the_lock_holds_what_is_asked_for_with_hashes():
    asked, locked = ((HERE / name).read_text() for name in ("requirements.txt", "requirements.lock"))
    assert set(PIN.findall(asked)) <= set(PIN.findall(locked))
    assert len(PIN.findall(asked)) == sum("==" in line for line in asked.splitlines() if line[0:1].isalpha())
    entries = re.split(r"^(?=[\w])", locked, flags=re.MULTILINE)[1:]
    assert len(entries) > 150
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_import_is_asked_for():
    asked = {name.lower().replace("-", "_") for name, _ in PIN.findall((HERE / "requirements.txt").read_text())}
    bring = {"sklearn": "scikit_learn", "PIL": "pillow", "dask": "distributed", "IPython": "jupyter"}
    ours = {path.stem for path in HERE.glob("*.py")} | {"conftest", "work", "benchmarks", "soundalike"}
    for path in [*HERE.glob("*.py"), *HERE.glob("soundalike/**/*.py"), *HERE.glob("tests/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {name.split(".")[0] for name in names} - ours - sys.stdlib_module_names:
                assert bring.get(name, name) in asked, f"{path.name} imports {name}"


def test_clean_removes_what_was_made_and_nothing_else(tmp_path):
    shutil.copy(HERE / "Makefile", tmp_path)
    made = [
        "clips/A/x.mp3/0000.wav",
        "model/model.json",
        "songs.csv",
        "songs.txt",
        "demo/songs.txt",
        "demo/songs/x.mp3",
    ]
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/ready").touch()
    own = [
        "own/model/thesis.txt",
        "own/report/thesis.txt",
        "own/demo/my band.mp3",
        "data/songs/A/x.mp3",
        "own/songs.csv",
    ]
    for name in [*(f"data/{name}" for name in made), *own]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for root in ("data", "own", "nowhere"):
        subprocess.run(["make", "-C", tmp_path, "clean", f"LIBRARY={tmp_path / root}"], check=True, capture_output=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"Makefile", ".venv/ready", *own}
    subprocess.run(
        ["make", "-C", tmp_path, "distclean", f"LIBRARY={tmp_path / 'own'}"], check=True, capture_output=True
    )
    assert not (tmp_path / ".venv").exists()
    assert (tmp_path / "own/songs.csv").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("SONG=/music", "There is no SONG=. Did you mean SONGS=? See: make help"),
        ("songs=/music", "There is no songs=. Did you mean SONGS=?"),
        ("LIBARY=x", "Did you mean LIBRARY=?"),
        ("NETWORK=none", "Did you mean NETWORKS=?"),
        ("FULL=1", "There is no FULL=. Known are SONGS NETWORKS LABEL_BY LIBRARY PYTHON VERBOSE."),
    ],
)
@pytest.mark.parametrize("goal", ["run", "clean"])
def test_a_misspelt_variable_is_refused(goal, given, says):
    done = subprocess.run(["make", "-n", "-C", HERE, goal, given], capture_output=True, text=True)
    assert done.returncode == 2
    assert says in done.stderr
    assert "soundalike" not in done.stdout


@pytest.mark.parametrize("goal", ["run", "clean", "lab"])
def test_the_rest_of_a_name_without_quotes_is_refused(goal):
    done = subprocess.run(["make", "-n", "-C", HERE, goal, "LIBRARY=/my", "mu'sic"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "goes in quotes" in done.stderr
    assert "soundalike" not in done.stdout


@pytest.mark.parametrize("given", [["LIBRARY=/some/where"], ["LIBRARY=~/where"], []])
def test_the_library_is_named_by_an_argument_or_the_environment(given):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/some",
        "MUSIC_LIBRARY": "/not/meant" if given else "/some/where",
    }
    asked = ["make", "--silent", "-C", HERE, "-f", "-", "said", *given]
    probe = "GOALS = said\ninclude Makefile\nsaid:\n\t@echo $(LIBRARY)\n"
    done = subprocess.run(asked, input=probe, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "/some/where"


def test_a_folder_that_is_not_there_is_said_before_anything_is_installed(tmp_path):
    shutil.copy(HERE / "Makefile", tmp_path)
    done = subprocess.run(["make", "-C", tmp_path, "run", "SONGS=/not/here"], capture_output=True, text=True)
    assert "There is no folder /not/here." in done.stdout
    assert not (tmp_path / ".venv").exists()
