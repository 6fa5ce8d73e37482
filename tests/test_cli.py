"""Every command starts at once, and takes a user's mistake for what it is."""

import errno
import importlib
import importlib.util
import os
import re
import subprocess
import sys

import pytest
from conftest import raises

from soundalike import library, terminal, wording
from soundalike.library import PROJECT, atomic_write
from soundalike.messages import Problem, UserError

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
    assert not imported_by("import soundalike.audio") & (SLOW - {"numpy"})
    needed = {"numpy", "pyarrow", "librosa"}  # of librosa a shell, which loads what is asked of it
    assert not imported_by("import soundalike.song") & (SLOW - needed)
    assert not imported_by("import soundalike.frame") & (SLOW - needed - {"pandas"})


@terminal.script
def fails(argv: list | None = None) -> int:
    raise argv[0]


def test_a_users_mistake_takes_one_line(capsys):
    assert fails([UserError(Problem.IS_FOLDER, asked="x\n")]) == 1
    said = "x\\n is a folder without songs of this library. Name a file, or what the library has.\n"
    assert capsys.readouterr().err == said
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


def test_many_songs_left_out_for_one_reason_are_one_line():
    convert = "rejected: WMA is not read; convert it to FLAC or MP3"
    left_out = {f"A/{n:02d}.wma": convert for n in range(30)} | {"B/x.mp3": "rejected: an empty file; copy it again"}
    left_out |= {f"C/{n}.mp3": f"duplicate: the same recording as D/{n}.mp3" for n in range(5)}
    groups = [text.partition(" as ")[0] for text in left_out.values()]
    assert wording.left_out_lines(left_out, groups=groups, rest=": see songs.csv") == [
        "Left out (36 songs):",
        f"  30 songs, such as A/00.wma: {convert}",
        "  5 songs, such as C/0.mp3: duplicate: the same recording",
        "  B/x.mp3: rejected: an empty file; copy it again",
        "  All of them: see songs.csv",
    ]
    many = {f"{n:02d}.mp3": f"rejected: {n}" for n in range(23)}
    lines = wording.left_out_lines(many, rest=": see songs.csv")
    assert lines[-2:] == ["  19.mp3: rejected: 19", "  … and 3 more: see songs.csv"]
    assert wording.left_out_lines({"x.mp3": "silent"}) == ["Left out (1 song):", "  x.mp3: silent"]


def test_messages_name_options_as_they_were_typed(monkeypatch):
    text = "Name another with --songs DIR, or --library DIR."
    assert terminal.as_typed(text) == text
    monkeypatch.setenv("MAKELEVEL", "1")
    assert terminal.as_typed(text) == "Name another with SONGS=DIR, or LIBRARY=DIR."


# --- small stumbles --------------------------------------------------------------------------


def test_a_python_without_the_packages_is_one_line_that_names_the_right_one(capsys):
    @terminal.script
    def main(argv):
        importlib.import_module("no_such_package")

    assert main([]) == terminal.NOTHING_USABLE
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert sys.executable in said
    assert ".venv" in said

    @terminal.script
    def broken(argv):
        importlib.import_module("soundalike.no_such_module")

    with pytest.raises(ModuleNotFoundError):  # a fault of ours, not of the installation
        broken([])


def test_words_of_a_name_without_quotes_are_said_to_be_one_name(tmp_path):
    (tmp_path / "my new song.mp3").touch()
    words = f"{tmp_path}/my new song.mp3".split()
    assert terminal.unquoted(["a", *words, "b"]) == f"{tmp_path}/my new song.mp3"
    assert terminal.unquoted([str(tmp_path), "nothing"]) == ""
    with raises(Problem.NO_QUOTES):
        terminal.check_quotes(words)
    terminal.check_quotes([f"{tmp_path}/my new song.mp3", str(tmp_path)])
    terminal.check_quotes(["photograph", "fireball"])  # titles


def test_a_run_that_is_going_on_is_the_answer(tmp_path):
    def ask():
        with library.unless_running(tmp_path):
            raise UserError(Problem.NO_FRAME, root=tmp_path)

    with raises(Problem.NO_FRAME):
        ask()
    with library.running(tmp_path), raises(Problem.NOT_YET):
        ask()
    with library.locked(tmp_path), raises(Problem.NOT_YET):
        ask()
    with library.running(tmp_path), raises(Problem.BUSY), library.running(tmp_path):
        pass
    assert not library.is_locked(tmp_path)
