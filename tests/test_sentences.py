"""Sentences of the scripts, one file each: what a person reads is changed on purpose, or not at all.

To write them again after a change: SENTENCES=write .venv/bin/python -m pytest tests/test_sentences.py
"""

import importlib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from conftest import NO_NETWORKS, made_up, noise, sine, train_without, tune, write_library, write_song

import feature_extraction
import mp3_split
from soundalike.library import PROJECT
from soundalike.similarity import load_index

HERE = Path(__file__).with_name("sentences")
SONG = "'small/songs/Artist A/Album 2/Song 4.mp3'"
# Libraries: `cut` and `described` went through steps, `small` through all, `many` is made up.
QUESTIONS = {
    "mp3_split": [
        "--library new --songs nowhere",
        "--library new --songs empty",
        "--library messy --songs music",
        "--library music/inside --songs music",
        "--library strange --songs music",
        "--library new --max-hours 0",
    ],
    "feature_extraction": [
        "--library new",
        "--library cut --networks none",
        "--library cut --networks none",
        "--library new --songs music",
        "--library copies --songs copies/songs --from-songs --networks none",
    ],
    "dataframe_creation": [
        "--library new",
        "--library described",
        "--library described",
        "--library described --status",
        "--library described --pickle-limit 0",
    ],
    "predict": [
        f"--library small {SONG}",
        f"--library small {SONG} --verbose --strict",
        "--library small 'artist b/album 1/song 1'",
        "--library small song",
        "--library small nowhere.mp3",
        "--library small music --csv table.csv",
        "--library small music --tempo 1-500 --folder 'band 1' --sort-into sorted",
        "--library small music --full --strict --tempo 9-10",
        "--library small --audit",
        "--library small music --tag rock",
        "--library small empty",
        "--library small --csv - --json - x.mp3",
        "--library small --csv table.txt x.mp3",
        "--library new x.mp3",
        "--library small my new song.wav",
        f"--library model {SONG} --page map.html",
    ],
    "recommend": [
        "--library many A0/0.mp3",
        "--library many A0/0.mp3 -n 3 --verbose --without A1/1.mp3",
        "--library many A0/0.mp3 A1/1.mp3 --other-albums --far -n 2 --playlist alike.m3u8",
        "--library many A0/0.mp3 --path-to A2/2.mp3 -n 2 --verbose",
        "--library many A0/0.mp3 --path-to A0/0.mp3",
        "--library many A0/0.mp3 --without A0/0.mp3",
        "--library many A0/0.mp3 A0/0.mp3 -n 1",
        "--library many A0/0.mp3 --sung",
        "--library many A0/0.mp3 --tag rock",
        "--library many A0/0.mp3 --louder --tempo 0-0",
        "--library many a0 --far -n 1 --less A1/0.mp3 --folder a2",
        "--library many A0/0.mp3 --again 1 -n 1",
        "--library many A0/0.mp3 --again 40",
        "--library many A0/0.mp3 --path-to A1/1.mp3 --path-to A2/2.mp3 -n 2",
        "--library many A0/0.mp3 --path-to a1",
        "--library many --albums -n 1",
        "--library many --tags",
        "--library many liked.m3u --extend -n 1 --far",
        "--library many gone.m3u",
        "--library many A0/0.mp3 --extend",
        "--library many A0/0.mp3 --tempo fast",
        "--library many --artists",
        "--library many --artists A0 nobody",
        "--library many 0.mp3",
        "--library many a0/0.mp4",
        "--library many empty",
        "--library many --page",
        "--library new x",
        "--library many",
        "--library many --artists --far A0",
    ],
}


@pytest.fixture(scope="module")
def place(small, tmp_path_factory):
    """A folder with the libraries that are asked."""
    place = tmp_path_factory.mktemp("sentences")
    (place / "empty").mkdir()
    (place / "strange/model").mkdir(parents=True)
    (place / "strange/model/thesis.txt").touch()
    write_song(place / "my new song.wav", tune(0, 9, 4))
    for artist in range(2):
        for song in range(3):
            write_song(place / f"music/Band {artist}/{song}.wav", tune(artist, song, 4))
    write_song(place / "music/Band 0/0 copy.wav", tune(0, 0, 4))
    write_song(place / "music/Band 0/quiet.wav", 0 * sine(440, 4))
    write_song(place / "music/Band 0/short.wav", sine(440, 1))
    (place / "music/Band 1/broken.mp3").write_text("no music")
    (place / "music/Band 1/empty.mp3").touch()
    (place / "music/Band 1/old.wma").touch()
    write_song(place / "music/loose.flac", tune(0, 7, 4))
    for name in ("A/x.wav", "B/y.wav"):
        write_song(place / f"copies/songs/{name}", noise(4))
    for library, steps in (("cut", [mp3_split]), ("described", [mp3_split, feature_extraction])):
        mp3_split.main(["--library", str(place / library), "--songs", str(place / "music")])
        if feature_extraction in steps:
            feature_extraction.main(["--library", str(place / library), *NO_NETWORKS])
    shutil.copytree(small, place / "small")
    train_without(place / "small", "Song 4.mp3")
    load_index(place / "small")
    shutil.copytree(place / "small/model", place / "model/model")
    write_library(place / "many", made_up(artists=3, songs=4, artist_cue=1.0, song_cue=0.5, albums=2))
    load_index(place / "many")
    (place / "liked.m3u").write_text("many/songs/A0/0.mp3\ngone.mp3\n")
    (place / "gone.m3u").write_text("gone.mp3\n")
    return place


@pytest.mark.parametrize("script", QUESTIONS)
def test_sentences(script, place, small, monkeypatch, capfd):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "100")
    module, said = importlib.import_module(script), []
    for question in QUESTIONS[script]:
        arguments = shlex.split(question)
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
        try:
            status = module.main(arguments)
        except SystemExit as ended:
            status = ended.code
        out, err = capfd.readouterr()
        lines = [line for line in err.splitlines() if line.strip() and "%|" not in line]  # without bars
        shown = lines[-1:] if status == 2 else lines  # without the usage
        said.append(f"$ {script}.py {question}\n{out}{''.join(f'{line}{chr(10)}' for line in shown)}[{status}]\n")
    text = re.sub(r"\(ffmpeg: .*\)", "(ffmpeg: …)", "\n".join(said))  # each version says it otherwise
    text = re.sub(r"[+-]?\b\d\.\d\d\b", "#.##", text)
    text = re.sub(r"  more like .*; most like", "  more like …; most like", text)  # a small part may be named or not
    text = re.sub(r"(most like these by .+?: .+?), .*", r"\1, …", text)  # the order of the next hangs on last digits
    for path, name in (
        (str(small), "MUSIC"),
        (str(place), "HERE"),
        (str(PROJECT), "PROJECT"),
        (sys.executable, "python"),
    ):
        text = text.replace(path, name)
    file = HERE / f"{script}.txt"
    if os.environ.get("SENTENCES") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
