"""The set of sung songs, made from a git repository on this machine."""

import importlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import peak_frequency, sine, write_song

from soundalike.audio.decoding import FULL_SCALE, Decoder
from soundalike.library.paths import PROJECT

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
    git("config", "uploadpack.allowAnySHA1InWant", "true")
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
    assert made(tmp_path, [row], "--host", str(folder)) == 0
    (clip,) = Decoder(tmp_path / "out" / row["song"])  # its two seconds: of the second tone
    assert peak_frequency(clip / FULL_SCALE) == pytest.approx(880, abs=2)
    assert not (tmp_path / "hook-ran").exists()
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
    whole, excerpt = tmp_path / "there/A/one/song.mp3", tmp_path / "there/A/one/excerpt.mp3"
    whole.parent.mkdir(parents=True)
    whole.write_bytes((folder / "someone/songs/song.wav").read_bytes())
    excerpt.write_bytes(b"an excerpt")
    rows = [row, row | {"song": "A/one/excerpt.mp3"}, row | {"song": "A/one/none.mp3"}]
    assert made(tmp_path, rows, "--from", str(tmp_path / "there")) == 3
    assert len(list(Decoder(tmp_path / "out" / row["song"]))) == 1
    assert (tmp_path / "out/A/one/excerpt.mp3").read_bytes() == b"an excerpt"
    assert not (tmp_path / "out/A/one/none.mp3").exists()


def test_an_id_is_that_of_git():
    assert sung_music.blob_id(b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
