"""Songs that may be misfiled, families of unknown songs, and the script that sorts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import NAMES, likeness, on_a_circle

from soundalike import tidy


def answers_for(index, **changes) -> pd.DataFrame:
    """Each song was called after its artist, surely; but for these."""
    songs = index.songs.set_index("song")[["artist"]]
    table = songs.assign(answer="sure", predicted=songs["artist"], probability=0.9, artist_probability=0.9)
    for song, artist in changes.items():
        table.loc[song[1:], ["predicted", "artist_probability"]] = artist, 0.05
    return table


def test_a_song_among_those_of_another_artist_is_the_first_suspect():
    index = on_a_circle([0, 1, 2, 91, 90.5, 93, 88, 44], artist=[*"aaaabbbb"])
    suspects = tidy.find_suspects(answers_for(index, _3="b", _7="a"), index)
    assert suspects["song"].tolist() == ["3", "7"]
    assert suspects["alike"].tolist() == ["4", "2"]
    assert suspects["clear"].tolist() == [True, False]
    assert suspects["doubt"].iloc[0] == pytest.approx(0.85 + 3 * (1 - np.cos(np.radians(90))), abs=0.05)
    assert tidy.find_suspects(answers_for(index), index).empty


def test_a_song_says_nothing_of_its_own_artist():
    index = on_a_circle([0, 2, 90, 91, 92, 45], artist=[*"aabbbc"])
    (suspect,) = tidy.find_suspects(answers_for(index, _0="b"), index).itertuples()
    near, far = np.cos(np.radians(2)), np.cos(np.radians([90, 91])).mean()
    assert suspect.doubt == pytest.approx(0.85 + 3 * (far - near), abs=1e-4)
    assert not suspect.clear
    alone = tidy.find_suspects(answers_for(index, _5="b"), index)["doubt"].item()
    assert alone == pytest.approx(0.85 + 3 * (np.cos(np.radians([45, 46])).mean() + 1), abs=1e-4)


def test_a_version_of_a_song_does_not_speak_for_its_artist():
    index = on_a_circle([0, 1, 2, 90, 90, 92], artist=[*"aaaabb"])
    songs = index.songs.assign(recording=["0", "1", "2", "3", "3", "5"])  # of 3 there is a version under b
    (suspect,) = tidy.find_suspects(answers_for(index, _3="b"), index._replace(songs=songs)).itertuples()
    assert suspect.alike == "5"


def test_songs_that_sound_alike_are_families():
    index = on_a_circle([0, 120], means=likeness(artist=0.1))
    angles = {"a": 0, "b": 5, "c": 10, "d": 90, "e": 95, "alone": 200, "far": 300}
    circle = on_a_circle([*angles.values()])
    songs = dict(zip(angles, map(tidy.Unknown, circle.described), strict=True))
    assert tidy.find_families(songs, index) == [["a", "b", "c"], ["d", "e"]]
    chain = dict(
        zip("xyz", map(tidy.Unknown, on_a_circle([0, 20, 40]).described), strict=True)
    )  # each is near the next, the ends are not
    assert [len(family) for family in tidy.find_families(chain, index)] == [2]
    assert tidy.find_families({"a": songs["a"]}, index) == []
    tags = {"a": "Tagged", "b": "tagged", "c": "", "d": "Tagged", "e": "Another"}
    tagged = {name: song._replace(tag=tags.get(name, "")) for name, song in songs.items()}
    assert tidy.find_families(tagged, index) == [["a", "b", "c"]]
    assert tidy.find_families(songs, index._replace(likeness=likeness())) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a script for a shell")
def test_the_script_moves_songs_of_hostile_names_and_overwrites_nothing(tmp_path):
    music, hurt = tmp_path / "music", tmp_path / "hurt"
    (tmp_path / "in").mkdir()
    artists: dict[Path, str | None] = {}
    more = {}
    for number, name in enumerate([*NAMES, "x; touch hurt", "$(touch hurt)", "'; touch hurt; '"]):
        song = tmp_path / "in" / f"{name[:200]}.mp3"
        song.write_text(str(number))
        artists[song] = name[:200]
    slashes = tmp_path / "in/slashes.mp3"
    nobody = tmp_path / "in/nobody.mp3"
    there = tmp_path / "in/there.mp3"
    for song, artist in ((slashes, "../../AC/DC"), (nobody, None), (there, "Known")):
        song.write_text("new")
        artists[song] = artist
    (music / "Known").mkdir(parents=True)
    for number, at in enumerate((music / "Known/Album/filed.mp3", tmp_path / "in/again/there.mp3")):
        at.parent.mkdir()
        at.write_text(str(number))
        artists[at] = "Known"
    for name, about in (("bad", {"problem": "not MP3"}), ("mine", {"artist": "Known", "problem": "", "copy_of": "x"})):
        (tmp_path / f"in/{name}.mp3").write_text("stays")
        more[tmp_path / f"in/{name}.mp3"] = about
    (music / "Known/there.mp3").write_text("old")
    script = music / "sort-songs.sh"
    answers = {song: {"artist": artist, "problem": "", "copy_of": ""} for song, artist in artists.items()}
    tidy.write_moves(answers | more, music, script)
    assert nobody.exists()  # nothing is moved yet
    subprocess.run([script], cwd=tmp_path, check=True)
    assert not hurt.exists()
    assert (music / ".._.._AC_DC/slashes.mp3").read_text() == "new"
    assert all(
        song.exists() for song in (nobody, *more, music / "Known/Album/filed.mp3", tmp_path / "in/again/there.mp3")
    )
    assert (there.read_text(), (music / "Known/there.mp3").read_text()) == ("new", "old")
    for song, artist in artists.items():
        if artist and artist in NAMES:
            moved = music / artist / song.name
            assert moved.exists() != song.exists()
            assert song.exists() == (not artist.isprintable())
    lines = script.read_text().splitlines()
    assert all(line.isprintable() for line in lines)
    assert sum("another song of this name goes there" in line for line in lines) == 1
    assert os.access(script, os.X_OK)
