"""One freshness rule: a target is made again if an input changed, and only then."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_scripts, tune, write_song

from soundalike import audio, similarity
from soundalike.features import CLIP_COLUMNS
from soundalike.library import clip_folder, digest_of, fresh, made_from, read_notes, state_of, table_path

SONG, OTHER = "Artist A/Album 1/Song 1.mp3", "Artist B/Album 2/Song 2.mp3"
TARGETS = {
    "clips": lambda root: clip_folder(root, SONG) / "0000.wav",
    "table": lambda root: table_path(root, SONG),
    "other clips": lambda root: clip_folder(root, OTHER) / "0000.wav",
    "other table": lambda root: table_path(root, OTHER),
    "frame": lambda root: root / "df_music.parquet/part-00000.parquet",
    "pickle": lambda root: root / "df_music.pkl",
    "index": lambda root: root / "similar/points.f32",
}
OF_ALL = {"frame", "pickle", "index"}


def made(root: Path) -> dict[str, tuple]:
    """When each target was made, as far as a clock that nobody sets says."""
    return {name: (path(root).stat().st_ctime_ns, path(root).stat().st_ino) for name, path in TARGETS.items()}


def make(root: Path) -> None:
    assert run_scripts(root, "--songs", str(root / "songs")) == [0, 0, 0]
    similarity.load_index(root)


@pytest.fixture
def own(small, tmp_path):
    root = shutil.copytree(small, tmp_path / "own")
    make(root)
    return root


def sound_otherwise(root: Path) -> None:
    write_song(root / "songs" / SONG, tune(0, 9))


def replace(root: Path) -> None:
    """By a song of the same size and time, under a clock that goes backwards."""
    path = root / "songs" / SONG
    stat, other = path.stat(), root / "other.mp3"
    y = tune(0, 9)
    write_song(other, y)
    content = other.read_bytes()[: stat.st_size]
    other.write_bytes(content + bytes(stat.st_size - len(content)))
    os.utime(other, ns=(0, stat.st_mtime_ns))
    other.rename(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def touch(root: Path) -> None:
    os.utime(root / "songs" / SONG, ns=(0, 0))


def move(root: Path) -> None:
    """A copy of the music, as after a change of disks."""
    shutil.copytree(root / "songs", root / "moved")
    shutil.rmtree(root / "songs")
    (root / "moved").rename(root / "songs")


def lose_a_clip(root: Path) -> None:
    TARGETS["clips"](root).unlink()


def lose_a_table(root: Path) -> None:
    table_path(root, SONG).unlink()


def spoil_the_pickle(root: Path) -> None:
    pd.DataFrame({"x": [1]}).to_pickle(root / "df_music.pkl")


def nothing(root: Path) -> None:
    """Change nothing, but leave what a killed run leaves."""
    for folder in ("clips", "features", "."):
        (root / folder / ".unfinished-x").mkdir()


@pytest.mark.parametrize(
    ("change", "made_again"),
    [
        (sound_otherwise, {"clips", "table", *OF_ALL}),
        (replace, {"clips", "table", *OF_ALL}),
        (touch, set()),
        (move, set()),
        (lose_a_clip, {"clips"}),
        (lose_a_table, {"table"}),
        (spoil_the_pickle, {"frame", "pickle"}),
        (nothing, set()),
    ],
)
def test_what_changed_is_made_again_and_nothing_else(own, change, made_again):
    before = made(own)
    change(own)
    make(own)
    after = made(own)
    assert {name for name in TARGETS if after[name] != before[name]} == made_again
    make(own)
    assert made(own) == after  # once is enough
    assert not list(own.rglob(".unfinished-*"))


@pytest.mark.parametrize(
    ("module", "name", "value", "made_again"),
    [
        ("soundalike.audio", "MADE_BY", {"version": 99}, {"clips", "other clips"}),
        ("soundalike.frame", "VERSION", 99, OF_ALL),
        ("soundalike.similarity", "VERSION", 99, {"index"}),
        ("soundalike.similarity", "shipped_shifts", lambda: np.ones((1, 2 * len(CLIP_COLUMNS))), {"index"}),
    ],
)
def test_other_code_makes_again_what_it_makes(own, in_this_process, monkeypatch, module, name, value, made_again):
    before = made(own)
    monkeypatch.setattr(f"{module}.{name}", value)
    make(own)
    assert {name for name, when in made(own).items() if when != before[name]} == made_again


def test_other_features_are_made_for_all_that_is_made_of_them(own, in_this_process, monkeypatch):
    before = made(own)
    for module in ("soundalike.song", "soundalike.frame"):
        monkeypatch.setattr(f"{module}.MADE_BY", [99, []])
    make(own)
    assert {name for name, when in made(own).items() if when != before[name]} == {"table", "other table", *OF_ALL}


def test_a_part_is_fresh_by_its_inputs_alone():
    notes = {"made_from": {"all": made_from(1, ["a"]), "voice": made_from("x")}}
    assert fresh(notes, 1, ["a"])
    assert fresh(notes, "x", part="voice")
    assert not fresh(notes, ["a"], 1)
    assert not fresh(notes, 1, ["a"], part="voice")
    assert not fresh(notes, 1, ["a"], part="music")
    assert not fresh({}, 1)


def test_notes_that_are_damaged_are_none(tmp_path):
    assert read_notes(tmp_path) == read_notes(tmp_path / "x.parquet") == {}
    for text in (b"", b"[]", b"\xff", b"{", b'{"made_from": "of an earlier version"}', b'{"record": 1}'):
        (tmp_path / "_made_from.json").write_bytes(text)
        assert read_notes(tmp_path) == {}
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    assert read_notes(tmp_path / "x.parquet") == {}


def test_a_file_is_known_by_its_state_and_by_its_content(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    state, content = state_of(path), digest_of(path)
    os.utime(path, ns=(0, 0))
    assert (state_of(path) != state, digest_of(path)) == (True, content)
    path.write_bytes(b"abd")
    assert digest_of(path) != content
    assert not audio.is_of_file({"made_from": {}}, tmp_path / "gone")
