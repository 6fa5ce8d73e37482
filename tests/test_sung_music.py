"""The set of sung songs, made from a git repository on this machine."""

import importlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import peak_frequency, sine, write_song

from soundalike.audio import FULL_SCALE, Decoder
from soundalike.library import PROJECT

sys.path.insert(0, str(PROJECT / "benchmarks"))

sung_music = importlib.import_module("sung_music")


@pytest.fixture
def host(tmp_path):
    """A folder of one repository, with a hook that must not run, and the row of a song in it."""
    repository = tmp_path / "host" / "someone" / "songs"
    repository.mkdir(parents=True)
    write_song(repository / "song.wav", np.concatenate([sine(220, 3), sine(880, 3)]))

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", repository, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet")
    git("add", "song.wav")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "a song")
    row = {"song": "A/one/song.mp3", "artist": "A", "licence": "CC BY", "repository": "someone/songs"}
    return tmp_path / "host", row | {"blob": git("rev-parse", "HEAD:song.wav"), "start": 3, "seconds": 2}


def made(tmp_path, rows, *arguments):
    pd.DataFrame(rows).to_csv(tmp_path / "songs.csv", index=False)
    return sung_music.main([str(tmp_path / "out"), "--songs", str(tmp_path / "songs.csv"), *arguments])


def test_a_song_is_fetched_by_its_id_and_cut_where_the_table_says(tmp_path, host, monkeypatch):
    folder, row = host
    templates = tmp_path / "templates" / "hooks"
    templates.mkdir(parents=True)
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        (templates / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
        (templates / name).chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(templates.parent))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "mine"))  # as in a hook of another repository
    assert made(tmp_path, [row], "--host", str(folder)) == 0
    (clip,) = Decoder(tmp_path / "out" / row["song"])  # its two seconds: of the second tone
    assert peak_frequency(clip / FULL_SCALE) == pytest.approx(880, abs=2)
    assert not (tmp_path / "hook-ran").exists()
    assert not (tmp_path / "mine").exists()
    (tmp_path / "out" / row["song"]).write_bytes(b"mine")
    assert made(tmp_path, [row], "--host", str(folder)) == 0
    assert (tmp_path / "out" / row["song"]).read_bytes() == b"mine"


def test_what_is_gone_is_named_and_the_others_are_made(tmp_path, host, capsys):
    folder, row = host
    gone = [
        row | {"song": "A/one/gone.mp3", "blob": "0123456789" * 4},
        row | {"song": "A/one/elsewhere.mp3", "repository": "someone/else"},
    ]
    assert made(tmp_path, [*gone, row], "--host", str(folder)) == 3
    assert [path.name for path in (tmp_path / "out").rglob("*.mp3")] == ["song.mp3"]
    out = capsys.readouterr().out
    assert "1 of 3 songs" in out
    assert "A/one/gone.mp3" in out
    assert "A/one/elsewhere.mp3" in out


def test_songs_that_are_there_are_cut_if_they_are_whole_and_taken_if_they_are_excerpts(tmp_path, host):
    folder, row = host
    there = tmp_path / "there/A/one"
    write_song(there / "excerpt.mp3", sine(220, 2))
    (there / "song.mp3").write_bytes((folder / "someone/songs/song.wav").read_bytes())
    write_song(there / "long.mp3", sine(220, 9))
    (there / "text.mp3").write_bytes(b"not found")
    names = ["song", "excerpt", "long", "text", "none"]
    rows = [row | {"song": f"A/one/{name}.mp3"} for name in names]
    assert made(tmp_path, rows, "--from", str(tmp_path / "there")) == 3
    assert sorted(path.stem for path in (tmp_path / "out").rglob("*.mp3")) == ["excerpt", "song"]
    assert len(list(Decoder(tmp_path / "out" / row["song"]))) == 1
    assert (tmp_path / "out/A/one/excerpt.mp3").read_bytes() == (there / "excerpt.mp3").read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        {"blob": "--upload-pack=touch hook-ran; git-upload-pack"},
        {"repository": "--upload-pack=touch hook-ran"},
        {"repository": "../someone/songs"},
        {"song": "../evil.mp3"},
        {"song": "/tmp/evil.mp3"},
        {"song": "A/one/song.sh"},
    ],
)
def test_a_table_that_asks_for_more_than_songs_is_refused(tmp_path, host, monkeypatch, other):
    folder, row = host
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="cannot be right"):
        made(tmp_path, [row | other], "--host", str(folder))
    assert not (tmp_path / "hook-ran").exists()
    assert not list(tmp_path.rglob("evil.mp3"))


def test_an_id_is_that_of_git():
    assert sung_music.blob_id(b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
