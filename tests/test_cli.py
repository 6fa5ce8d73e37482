"""Every command starts at once, and takes a user's mistake for what it is."""

import errno
import importlib
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from soundalike import cli
from soundalike.library import storage
from soundalike.library.errors import UserError, typed
from soundalike.library.paths import PROJECT
from soundalike.library.storage import atomic_write

SLOW = {"numpy", "pandas", "pyarrow", "librosa", "scipy", "sklearn", "dask", "distributed", "numba", "keras"}


def imported_by(code: str) -> set[str]:
    """The packages that a fresh process has imported after some code."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    return set(ran.stderr.split())


@pytest.mark.parametrize(
    "script",
    ["mp3_split", "feature_extraction", "dataframe_creation", "predict", "recommend", "soundalike.__main__"],
)
def test_help_waits_for_no_slow_import(script):
    code = f"import contextlib, {script}\nwith contextlib.suppress(SystemExit): {script}.main(['--help'])"
    assert not imported_by(code) & SLOW


def test_workers_import_what_their_step_needs():
    assert not imported_by("import soundalike.audio.splitting") & (SLOW - {"numpy"})
    needed = {"numpy", "pyarrow", "librosa"}  # of librosa a shell, which loads what is asked of it
    assert not imported_by("import soundalike.song") & (SLOW - needed)
    assert not imported_by("import soundalike.dataset.frame") & (SLOW - needed - {"pandas"})


@cli.script
def fails(argv: list | None = None) -> int:
    raise argv[0]


def test_a_users_mistake_takes_one_line(capsys):
    assert fails([UserError("Fix this.\n")]) == 1
    assert capsys.readouterr().err == "Fix this.\\n\n"
    assert fails([OSError(errno.EACCES, os.strerror(errno.EACCES), "x.csv")]) == 1
    assert capsys.readouterr().err.startswith("Cannot read or write x.csv: Permission denied. Fix this and run")
    assert fails([KeyboardInterrupt()]) == 130
    with pytest.raises(ZeroDivisionError):  # a bug is not hidden
        fails([ZeroDivisionError()])


def test_a_full_disk_names_the_file_that_did_not_fit(tmp_path):
    with pytest.raises(OSError, match="No space left") as full, atomic_write(tmp_path / "songs.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert full.value.filename == str(tmp_path / "songs.csv")


TOOLS = [path for path in (*PROJECT.glob("benchmarks/*.py"), *PROJECT.glob("docs/*.py")) if path.stem != "page"]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_tools_beside_the_root_find_the_package_first(tool):
    code = tool.read_text(encoding="utf-8")
    assert code.index("sys.path.insert(0, str(Path(__file__)") < code.index("from soundalike")
    for module in re.findall(r"^from (soundalike[\w.]*) import", code, re.MULTILINE):
        assert importlib.util.find_spec(module), module


def test_many_songs_left_out_for_one_reason_are_one_line(capsys):
    convert = "rejected: WMA is not read; convert it to FLAC or MP3"
    left_out = {f"A/{n}.wma": convert for n in range(30)} | {"B/x.mp3": "rejected: an empty file; copy it again"}
    left_out |= {f"C/{n}.mp3": f"duplicate: the same recording as D/{n}.mp3" for n in range(5)}
    cli.print_left_out(left_out, rest=": see songs.csv")
    assert capsys.readouterr().out.splitlines() == [
        "Left out (36 songs):",
        f"  30 songs, such as A/0.wma: {convert}",
        "  5 songs, such as C/0.mp3: duplicate: the same recording as another",
        "  B/x.mp3: rejected: an empty file; copy it again",
        "  All of them: see songs.csv",
    ]
    cli.print_left_out({f"{n:02d}.mp3": f"rejected: {n}" for n in range(23)}, rest=": see songs.csv")
    assert capsys.readouterr().out.splitlines()[-2:] == ["  19.mp3: rejected: 19", "  … and 3 more: see songs.csv"]
    cli.print_left_out({"x.mp3": "silent"})
    assert capsys.readouterr().out.splitlines() == ["Left out (1 song):", "  x.mp3: silent"]


def test_messages_name_options_as_they_were_typed(monkeypatch):
    assert typed("songs") == "--songs DIR"
    monkeypatch.setenv("MAKELEVEL", "1")
    assert typed("songs") == "SONGS=DIR"
    assert typed("library") == "LIBRARY=DIR"


# --- small stumbles --------------------------------------------------------------------------


def test_a_python_without_the_packages_is_one_line_that_names_the_right_one(capsys):
    @cli.script
    def main(argv):
        importlib.import_module("no_such_package")

    assert main([]) == cli.NOTHING_USABLE
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert sys.executable in said
    assert ".venv" in said

    @cli.script
    def broken(argv):
        importlib.import_module("soundalike.no_such_module")

    with pytest.raises(ModuleNotFoundError):  # a fault of ours, not of the installation
        broken([])


def test_words_of_a_name_without_quotes_are_said_to_be_one_name(tmp_path):
    (tmp_path / "my new song.mp3").touch()
    words = f"{tmp_path}/my new song.mp3".split()
    assert cli.unquoted(["a", *words, "b"]) == f"{tmp_path}/my new song.mp3"
    assert cli.unquoted([str(tmp_path), "nothing"]) == ""
    with pytest.raises(UserError, match="my new song"):
        cli.check_quotes(words)
    cli.check_quotes([f"{tmp_path}/my new song.mp3", str(tmp_path)])
    cli.check_quotes(["photograph", "fireball"])  # titles


def test_a_run_that_is_going_on_is_the_answer(tmp_path):
    def ask():
        with storage.unless_running(tmp_path):
            raise UserError("There is no model.")

    with pytest.raises(UserError, match="no model"):
        ask()
    with storage.running(tmp_path), pytest.raises(UserError, match="A run is at work"):
        ask()
    with storage.locked(tmp_path), pytest.raises(UserError, match="A run is at work"):
        ask()
    with storage.running(tmp_path), pytest.raises(UserError, match="Another run"), storage.running(tmp_path):
        pass
    assert not storage.is_locked(tmp_path)
