import csv
import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from conftest import RATE, ask, raises, sine, train_without, tune, verdict_of, write_song

import dataframe_creation
import predict
from soundalike import plots, pool, wording
from soundalike.answer import CSV_COLUMNS, find_files
from soundalike.library import read_songs, write_songs
from soundalike.messages import Problem
from soundalike.model import load_model
from soundalike.similarity import load_index
from soundalike.song import decode, read_table

HERE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def root(small, tmp_path_factory):
    """The small library with a model that was not trained on the fourth songs."""
    root = shutil.copytree(small, tmp_path_factory.mktemp("predict") / "root")
    train_without(root, "Song 4.mp3")
    load_index(root)
    return root


def test_unseen_songs_get_their_artists(root, capsys):
    songs = [root / f"songs/Artist {artist}/Album 2/Song 4.mp3" for artist in "AB"]
    assert predict.main(["--library", str(root), "--full", *map(str, songs)]) == 0
    out = capsys.readouterr().out
    for artist in "AB":
        name, reported, bar = out[out.index(f"Artist {artist}/Album 2") :].splitlines()[:3]
        assert name.endswith("Song 4.mp3")
        assert reported == f"  closest of your 2 artists: Artist {artist}"
        assert bar == f"  0:00 ████ 0:08   █ Artist {artist}"


def test_the_verdict_is_that_of_the_frame(root):
    song = "Artist A/Album 2/Song 4.mp3"
    of_frame = ask(root, root / "songs" / song, read_table(song, root))
    verdict = ask(root, root / "songs" / song)
    pd.testing.assert_series_equal(verdict.probabilities, of_frame.probabilities)
    assert verdict.probabilities.sum() == pytest.approx(1)
    pd.testing.assert_frame_equal(verdict.by_clip, of_frame.by_clip)
    assert verdict.aspects == of_frame.aspects


def test_what_is_no_song_is_named_and_the_others_are_predicted(root, tmp_path, capsys):
    (tmp_path / "text.mp3").write_text("no music")
    (tmp_path / "folder.mp3").mkdir()
    (tmp_path / "note.txt").write_text("x")
    write_song(tmp_path / "short.wav", sine(440, 1))
    write_song(tmp_path / "silent.wav", 0 * sine(440, 4))
    good = write_song(tmp_path / "-good.wav", tune(0, 9, 4))
    names = ["text.mp3", "folder.mp3", "note.txt", "short.wav", "silent.wav", "nowhere.mp3"]
    assert predict.main(["--library", str(root), "--", *(str(tmp_path / name) for name in names), str(good)]) == 3
    out = capsys.readouterr().out
    assert re.search("-good.wav +closest of your 2 artists: Artist A +next: Artist B", out)
    for name, reason in zip(
        names,
        (
            "not MP3 sound",
            "a folder without music",
            ".txt is not supported; convert it to MP3",
            "too short",
            "silent: every clip",
            "neither a file nor a song",
        ),
        strict=True,
    ):
        assert reason in next(line for line in out.splitlines() if name in line)
    assert predict.main(["--library", str(root), str(tmp_path / "nowhere.mp3")]) == 1


def test_silent_clips_have_no_say(root, tmp_path):
    y = np.concatenate([np.zeros(4 * 44_100), tune(1, 9, 4)])
    verdict = ask(root, write_song(tmp_path / "x.wav", y))
    assert verdict.by_clip.isna().all(axis=1).tolist() == [True, True, False, False]
    assert verdict.loud == 2
    assert verdict.probabilities.index[0] == "Artist B"
    assert wording.timeline(verdict) == "0:00   ██ 0:08   █ Artist B"


def test_a_song_of_two_halves_turns_in_the_middle(root, tmp_path):
    y = np.concatenate([tune(0, 9, 20), tune(1, 9, 20)])
    verdict = ask(root, write_song(tmp_path / "x.wav", y))
    given = verdict.by_clip.idxmax(axis=1)
    assert (given[given.index < 20] == "Artist A").mean() >= 0.8  # segments reach across the turn
    assert (given[given.index >= 20] == "Artist B").mean() >= 0.8
    bar = wording.timeline(verdict).split()[1]
    assert len(bar) == 20
    assert bar[2:8] == 6 * ("█" if verdict.probabilities.index[0] == "Artist A" else "▒")
    assert bar[12:18] == 6 * ("▒" if verdict.probabilities.index[0] == "Artist A" else "█")


@pytest.mark.parametrize(
    ("aspects", "says"),
    [
        ({"timbre": 1.0, "style": 3.0, "rhythm": 0.2}, "more like A than B in style and timbre"),
        ({"timbre": -2.0, "style": 3.0}, "more like A than B in style; more like B in timbre"),
        ({"timbre": -2.0, "style": 0.0}, "more like B in timbre"),
    ],
)
def test_reasons_are_what_speaks_for_and_against(aspects, says):
    clips = pd.DataFrame({"A": [0.9, 0.2], "B": [0.1, 0.8]}, index=[0.0, 2.0])
    said = verdict_of(
        clips.mean(), clips, aspects=aspects | {"prior": 0.0}, moment=62.0, alike={"A/x/1.mp3": "One", "A/2.mp3": "Two"}
    )
    assert wording.reason_lines(said) == ["most like these by A: One, Two", f"{says}; most like A at 1:02"]
    numbers = wording.answer_lines(said, None, numbers=True)[-2:]
    assert numbers[0] == "  A 0.55, B 0.45; 1 of 2 clips agree; nearness 0.50"
    assert numbers[1].startswith("  log-odds")
    assert wording.reason_lines(verdict_of(clips.mean(), clips)) == ["most like A at 0:00"]


def test_what_aspects_add_is_the_log_odds(root):
    model = load_model(root)
    said = ask(root, root / "songs/Artist A/Album 2/Song 4.mp3")
    recogniser = model.recogniser
    one, two = (recogniser.classes.index(name) for name in said.probabilities.index[:2])
    prior = (recogniser.intercepts[one] - recogniser.intercepts[two]) / recogniser.temperature
    assert said.aspects["prior"] == pytest.approx(prior, abs=1e-6)
    odds = np.log(said.probabilities.iloc[0] / said.probabilities.iloc[1])
    assert sum(said.aspects.values()) == pytest.approx(odds, abs=1e-6)
    assert "prior" not in " ".join(wording.reason_lines(said))


def test_the_next_artist_is_named_only_if_likely():
    clips = pd.DataFrame({"A": [0.9], "B": [0.1]}, index=[0.0])
    assert wording.headline(verdict_of(pd.Series({"A": 0.6, "B": 0.4}), clips)) == "probably A (or B)"
    assert wording.headline(verdict_of(pd.Series({"A": 0.96, "B": 0.04}), clips)) == "probably A"


def test_a_long_song_has_a_bar_that_fits():
    clips = pd.DataFrame({"A": 0.8, "B": 0.2}, index=2.0 * np.arange(1000))
    clips.iloc[500:] = [0.1, 0.9]
    bar = wording.timeline(verdict_of(pd.Series({"A": 0.6, "B": 0.4}), clips))
    assert bar == f"0:00 {30 * '█'}{30 * '▒'} 33:20   █ A  ▒ B"


def test_the_bar_shows_where_somebody_sings():
    clips = pd.DataFrame({"A": 0.8, "B": 0.2}, index=2.0 * np.arange(6))
    said = verdict_of(pd.Series({"A": 0.8, "B": 0.2}), clips, singing=np.array([0.1, 0.9, 0.5, 0.4, 0.0, 1.0]))
    bar, notes = wording.timeline(said), wording.sung_line(said)[0]
    assert bar.startswith("0:00 ██████")
    assert notes.startswith("      ♪♪  ♪")
    assert [clip["singing"] for clip in said.as_dict(full=True)["timeline"]] == [0.1, 0.9, 0.5, 0.4, 0.0, 1.0]
    assert wording.sung_line(said._replace(singing=np.zeros(6))) == []
    instrumental = said.traits | {"kind": "instrumental"}  # single clips of these are chance
    assert wording.sung_line(said._replace(traits=instrumental)) == []
    assert wording.sung_line(said._replace(singing=np.full(len(clips), np.nan))) == []


def test_a_song_it_was_trained_on_is_called_so(root):
    songs = root / "songs/Artist A"
    known = ask(root, songs / "Album 1/Song 1.mp3")._replace(word="unknown")
    assert (known.known, known.copy_of) == (True, "Artist A/Album 1/Song 1.mp3")
    assert "you have this song, as Artist A/Album 1/Song 1.mp3" in wording.headline(known)
    assert (known.as_dict()["answer"], known.as_dict()["artist"]) == ("trained on", "Artist A")
    assert not ask(root, songs / "Album 2/Song 4.mp3").known


@pytest.mark.parametrize(
    ("words", "strict", "says"),
    [
        ({}, False, "closest of your 2 artists: Artist A"),
        ({"sure_from": 0.1}, False, "closest of your 2 artists: Artist A"),  # unknown artists were not measured
        ({"unknown_below": -3.1, "sure_from": -3.0}, False, "sure: Artist A"),
        ({"unknown_below": 9.0}, False, "unknown artist? closest Artist A"),
        ({"unknown_below": -3.1, "probably_from": 0.1}, False, "probably Artist A"),
        ({"unknown_below": -3.1, "probably_from": 1.1}, False, "Artist A or Artist B"),
        ({"unknown_below": -3.1, "strict_below": 9.0}, True, "unknown artist? closest Artist A"),
    ],
)
def test_the_word_follows_the_probability(root, tmp_path, capsys, words, strict, says):
    own = shutil.copytree(root, tmp_path / "own")
    info = json.loads((own / "model/model.json").read_text())
    none = dict.fromkeys(("unknown_below", "strict_below", "sure_from", "probably_from"))
    (own / "model/model.json").write_text(json.dumps(info | {"words": none | words}))
    song = str(root / "songs/Artist A/Album 2/Song 4.mp3")
    assert predict.main(["--library", str(own), song, *(["--strict"] if strict else [])]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].removesuffix(" (or Artist B)") == f"  {says}"
    assert "How often answers are right is not measured" in out
    assert ("One of the 2 artists is always named" in out) == ("unknown_below" not in words)
    assert ("No answer is called sure: " in out) == ("sure_from" not in words)
    (answered,) = run_json(capsys, "--library", str(own), song, *(["--strict"] if strict else []))["songs"]
    assert answered["answer"] == ("either" if " or " in says else says.split()[0].strip(":"))
    assert answered["artist"] == (None if says.startswith("unknown") or " or " in says else "Artist A")
    assert answered["either"] == ["Artist A", "Artist B"]


def run_json(capsys, *arguments: str) -> dict:
    assert predict.main([*arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_song_of_the_library_is_found_by_part_of_its_title(root, tmp_path, capsys):
    own = shutil.copytree(root, tmp_path / "root")
    rows = "song,artist,artist_probability,answer,predicted,probability,either\n"
    rows += "Artist A/Album 1/Song 1.mp3,Artist A,0.1,sure,Artist B,0.9,[]\n"
    (own / "model/predictions.csv").write_text(rows)
    assert predict.main(["--library", str(own), "artist a/album 1/song 1"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].endswith("/songs/Artist A/Album 1/Song 1.mp3")
    assert "\n  When it was held out of training, the answer was sure: Artist B.\n" in out
    assert predict.main(["--library", str(own), "song"]) == 1
    assert "8 songs have song in title or path. Say more of the path" in capsys.readouterr().out


def test_a_map_shows_the_songs_with_their_answers(root, tmp_path, capsys):
    song, page = write_song(tmp_path / "new.wav", tune(0, 9, 8)), tmp_path / "new.html"
    assert predict.main(["--library", str(root), str(song), "--page", str(page)]) == 0
    out = capsys.readouterr().out
    assert f"Written: {page}" in out
    answer = out.splitlines()[1].strip()
    assert f'"answers":["{answer}"]' in page.read_text(encoding="utf-8")


def test_reasons_can_be_checked(root, capsys):
    song = str(root / "songs/Artist A/Album 2/Song 4.mp3")
    assert predict.main(["--library", str(root), song, "--verbose"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("  most like these by Artist A: Song ")
    assert re.fullmatch(r"  more like Artist A than Artist B in [\w, ]+; .*most like Artist A at 0:00", lines[4])
    assert re.fullmatch(r"  Artist A 0\.\d\d, Artist B 0\.\d\d; 4 of 4 clips agree; nearness 0\.\d\d", lines[5])
    assert re.fullmatch(r"  log-odds of the first against the second: (\w+ [+-]\d\.\d\d(, )?)+", lines[6])
    trained = root / "songs/Artist A/Album 1/Song 1.mp3"
    (answered,) = run_json(capsys, "--library", str(root), str(trained))["songs"]
    assert answered["trained_on"]
    assert len(answered["alike"]) == 3  # of four songs, but for itself
    assert "Artist A/Album 1/Song 1.mp3" not in answered["alike"]


def test_a_song_of_the_library_whose_artist_was_not_trained_on_is_known_for_what_it_is(root, tmp_path, capsys):
    own = shutil.copytree(root, tmp_path / "artist_probability")
    songs = read_songs(own)
    songs.loc[songs["song"] == "Artist A/Album 2/Song 4.mp3", "artist"] = "Somebody Else"
    songs.loc[songs["song"] == "Artist A/Album 1/Song 1.mp3", "artist"] = "Artist B"
    write_songs(own, songs)
    album = "Album 2/Song 4.mp3"
    for song, reported in (
        (f"Artist A/{album}", "it is filed under Somebody Else, on whom the model was not trained."),
        (f"Artist B/{album}", "it is filed under Artist B."),
        ("Artist B/Album 1/Song 1.mp3", ""),  # the model was trained on it, and says so
        ("Artist A/Album 1/Song 1.mp3", "it is filed under Artist B."),  # and names another artist
    ):
        assert predict.main(["--library", str(own), str(root / "songs" / song)]) == 0
        out = capsys.readouterr().out
        assert f"In your library {reported}" in out if reported else "In your library" not in out


def test_no_escape_from_a_model_reaches_the_terminal(root, tmp_path, capsys):
    own = shutil.copytree(root, tmp_path / "own")
    info = json.loads((own / "model/model.json").read_text())
    escape = "\x1b]0;pwned\x07"
    (own / "model/model.json").write_text(json.dumps(info | {"classes": [escape, "B"]}))
    assert predict.main(["--library", str(own), str(root / "songs/Artist A/Album 2/Song 4.mp3")]) == 0
    out = capsys.readouterr().out
    assert "pwned" in out
    assert "\x1b" not in out


def test_a_model_is_trained_where_there_is_none_or_the_songs_are_others(root, tmp_path, capsys):
    own, song = shutil.copytree(root, tmp_path / "artist_probability"), str(root / "songs/Artist A/Album 2/Song 4.mp3")
    shutil.rmtree(own / "model")
    shutil.rmtree(own / "similar")
    for _ in range(2):
        assert predict.main(["--library", str(own), song]) == 0
        assert "Artist A" in capsys.readouterr().out.splitlines()[1]
    first = (own / "model/model.json").stat().st_mtime_ns
    songs = read_songs(own)
    write_songs(own, songs[songs["song"] != "Artist B/Album 1/Song 1.mp3"])
    assert dataframe_creation.main(["--library", str(own)]) == 0
    assert predict.main(["--library", str(own), song]) == 0
    assert (own / "model/model.json").stat().st_mtime_ns > first
    assert len(json.loads((own / "model/model.json").read_text())["songs"]) == 6  # and one is held out


@pytest.mark.parametrize("package", ["tensorflow", "sklearn"])
def test_what_takes_long_to_import_is_not(root, package):
    song = root / "songs/Artist A/Album 2/Song 4.mp3"
    code = (
        f"import sys, predict; status = predict.main(['--library', {str(root)!r}, {str(song)!r}]); "
        f"sys.exit(9 if {package!r} in sys.modules else status)"
    )
    here = HERE
    assert subprocess.run([sys.executable, "-c", code], cwd=here, check=False).returncode == 0


# --- folders, and what is for programs -------------------------------------------------------

PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
NAME_OR_NOTHING = {"type": ["string", "null"]}
PREDICTED = {
    "song": {"type": "string"},
    "answer": {"enum": ["sure", "probably", "either", "unknown", "closest", "trained on"]},
    "artist": NAME_OR_NOTHING,
    "probability": PROBABILITY,
    "nearness": {"type": "number"},
    "either": {"type": "array", "items": {"type": "string"}},
    "aspects": {"type": "object", "additionalProperties": {"type": "number"}},
    "moment": {"type": "number"},
    "closest": {"type": "string"},
    "next": {"type": "string"},
    "clips": {"type": "integer", "minimum": 1},
    "agreeing_clips": {"type": "integer", "minimum": 0},
    "silent_clips": {"type": "integer", "minimum": 0},
    "trained_on": {"type": "boolean"},
    "copy_of": {"type": "string"},
    "probabilities": {"type": "object", "additionalProperties": PROBABILITY},
    "tempo": {"type": "number"},
    "loudness_db": {"type": "number"},
    "brightness_hz": {"type": "number"},
    "tags": {"type": ["array", "null"], "items": {"type": "string"}},
    "alike": {"type": "array", "items": {"type": "string"}},
    "kind": {"enum": ["sung", "instrumental", "", None]},
    "ears": {"type": "object", "additionalProperties": {"type": "string"}},
    "timeline": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "start": {"type": "number"},
                "artist": NAME_OR_NOTHING,
                "probability": {"type": ["number", "null"]},
                "singing": {"type": ["number", "null"]},
            },
            "required": ["start", "artist", "probability", "singing"],
            "additionalProperties": False,
        },
    },
    "problem": {"const": ""},
}
FAILED = {"song": {"type": "string"}, "problem": {"type": "string", "minLength": 1}}
SCHEMA = {
    "type": "object",
    "properties": {
        "model": {"type": "object", "required": ["created", "classes", "words"]},
        "songs": {
            "type": "array",
            "items": {
                "oneOf": [
                    {"type": "object", "properties": kind, "required": list(kind), "additionalProperties": False}
                    for kind in (PREDICTED, FAILED)
                ]
            },
        },
        "families": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    },
    "required": ["model", "songs", "families"],
    "additionalProperties": False,
}


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


WATCHED = """
import sys
sys.addaudithook(lambda event, args: event == "open" and str(args[0]).endswith(".pkl") and print("opened a pickle"))
{}
"""


@pytest.mark.parametrize("name", ["predict", "recommend"])
def test_no_pickle_is_opened(root, tmp_path, name):
    own, hurt = shutil.copytree(root, tmp_path / "root"), tmp_path / "hurt"
    for place in ("df_music.pkl", "model/model.pkl", "similar/index.pkl"):
        (own / place).parent.mkdir(exist_ok=True)
        (own / place).write_bytes(pickle.dumps(Bomb(hurt)))

    def run(code: str) -> subprocess.CompletedProcess:
        song = root / "songs/Artist A/Album 2/Song 4.mp3"
        command = [sys.executable, "-c", WATCHED.format(code), "--library", own, song]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True)

    found = run(f"import {name}; sys.exit({name}.main(sys.argv[1:]))")
    assert found.returncode == 0
    assert "Artist A" in found.stdout
    assert "opened a pickle" not in found.stdout
    assert not hurt.exists()
    assert "opened a pickle" in run("import pandas; pandas.read_pickle(sys.argv[2] + '/df_music.pkl')").stdout
    assert hurt.exists()  # so it would have been noticed


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    """A folder of songs to be sorted: two good ones, one in a folder below, a broken and a silent one."""
    folder = tmp_path_factory.mktemp("messy")
    write_song(folder / "one.wav", np.concatenate([tune(0, 9, 4), np.zeros(2 * RATE)]))
    write_song(folder / "below/two.mp3", tune(1, 9, 4))
    write_song(folder / "quiet.wav", 0 * sine(440, 4))
    (folder / "broken.mp3").write_text("no music")
    (folder / "cover.jpg").write_text("no music")
    return folder


def test_a_folder_is_predicted_in_a_table_and_left_as_it_is(root, messy, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in messy.rglob("*")}
    table = tmp_path / "guesses.csv"
    assert predict.main(["--library", str(root), str(messy), "--csv", str(table), "--jobs", "2"]) == 3
    assert {path: path.stat().st_mtime_ns for path in messy.rglob("*")} == before
    with table.open(encoding="utf-8", newline="") as file:
        rows = {Path(row["song"]).name: row for row in csv.DictReader(file)}
    assert list(rows) == ["two.mp3", "broken.mp3", "one.wav", "quiet.wav"]  # in order of path
    assert (rows["one.wav"]["artist"], rows["two.mp3"]["artist"]) == ("Artist A", "Artist B")
    assert (rows["one.wav"]["clips"], rows["one.wav"]["silent_clips"]) == ("2", "1")
    assert (rows["one.wav"]["problem"], rows["one.wav"]["trained_on"]) == ("", "False")
    assert rows["quiet.wav"]["problem"].startswith("silent: every clip")
    assert rows["broken.mp3"]["artist"] == rows["broken.mp3"]["clips"] == rows["broken.mp3"]["answer"] == ""
    assert rows["one.wav"]["answer"] == "closest"
    out = capsys.readouterr().out
    assert out.index("two.mp3 ") < out.index("one.wav ")  # as in the folder, whichever was ready first
    assert re.search("two.mp3 +closest of your 2 artists: Artist B +next: Artist A\n", out)
    assert "No verdict (2 songs):" in out
    assert f"Written: {table}\n" in out


def test_json_keeps_to_its_schema(root, messy, capsys):
    assert predict.main(["--library", str(root), str(messy), "--json", "-"]) == 3
    reported = json.loads(capsys.readouterr().out)
    jsonschema.validate(reported, SCHEMA)
    assert reported["model"]["classes"] == ["Artist A", "Artist B"]
    one = next(song for song in reported["songs"] if song["song"].endswith("one.wav"))
    assert [clip["start"] for clip in one["timeline"]] == [0, 2, 4]
    assert one["timeline"][0]["artist"] == "Artist A"
    assert one["timeline"][2] == {"start": 4, "artist": None, "probability": None, "singing": None}
    assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert one["probability"] == one["probabilities"]["Artist A"]


def test_a_table_does_not_overwrite_a_song(root, tmp_path, capsys):
    song = write_song(tmp_path / "x.wav", tune(0, 9, 4))
    before = song.read_bytes()
    with pytest.raises(SystemExit) as ended:
        predict.main(["--library", str(root), "--csv", str(song), str(song)])
    assert ended.value.code == 2
    assert "does not end in .csv" in capsys.readouterr().err
    assert song.read_bytes() == before


def test_a_folder_without_music_is_said_to_be_one(root, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert predict.main(["--library", str(root), str(tmp_path / "empty")]) == 1
    assert "empty: a folder without music" in capsys.readouterr().out


def test_pictures_of_songs_of_the_same_name_stand_side_by_side(root, tmp_path):
    songs = [write_song(tmp_path / f"{n}/same.wav", tune(n, 9, 4)) for n in range(2)]
    assert predict.main(["--library", str(root), *map(str, songs), "--plot", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["same.wav (2).png", "same.wav.png"]
    assert list(find_files(songs, root, None)[0].values()) == [
        "same.wav",
        "same.wav (2)",
    ]  # in the order they were named


def test_a_folder_is_not_taken_for_a_table(root, tmp_path, capsys):
    precious = tmp_path / "out.csv/precious.txt"
    precious.parent.mkdir()
    precious.write_text("x")
    song = write_song(tmp_path / "x.wav", tune(0, 9, 4))
    with pytest.raises(SystemExit) as ended:
        predict.main(["--library", str(root), "--csv", str(precious.parent), str(song)])
    assert ended.value.code == 2
    assert "is a folder" in capsys.readouterr().err
    (tmp_path / "pictures/x.wav.png").mkdir(parents=True)
    assert predict.main(["--library", str(root), "--plot", str(tmp_path / "pictures"), str(song)]) == 1
    assert "Is a directory" in capsys.readouterr().err
    assert precious.exists()
    assert (tmp_path / "pictures/x.wav.png").is_dir()


def test_a_run_that_is_stopped_keeps_what_is_done_and_the_old_table(root, tmp_path, capsys, monkeypatch):
    songs = [write_song(tmp_path / f"{n}.wav", tune(n, 9, 4)) for n in range(2)]
    table = tmp_path / "guesses.csv"
    table.write_text("yesterday's")

    def stopped(names, *_, **__):
        yield names[0], decode(names[0], {})
        raise KeyboardInterrupt

    monkeypatch.setattr("soundalike.answer.decode_all", stopped)
    assert predict.main(["--library", str(root), *map(str, songs), "--csv", str(table)]) == 130
    assert table.read_text() == "yesterday's"
    (row,) = csv.DictReader((tmp_path / "guesses.part.csv").read_text(encoding="utf-8").splitlines())
    assert row["closest"] == "Artist A"
    assert "Stopped after 1 of 2 songs; they are in" in capsys.readouterr().err


def test_a_run_that_fails_leaves_the_old_table(root, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "CLUSTER_LIMIT", 1)
    songs = [write_song(tmp_path / f"{n}.wav", tune(n, 9, 4)) for n in range(2)]
    table = tmp_path / "guesses.csv"
    table.write_text("yesterday's")
    nobody = ["--scheduler", "tcp://127.0.0.1:1"]
    with raises(Problem.NO_SCHEDULER):
        predict.main.__wrapped__(["--library", str(root), *map(str, songs), "--csv", str(table), *nobody])
    assert table.read_text() == "yesterday's"


def test_odd_names_cost_nothing(root, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("~nobody.wav", b"bad\xff.wav".decode(errors="surrogateescape")):
        write_song(Path(name), tune(0, 9, 4))
        assert predict.main(["--library", str(root), "--csv", "t.csv", "--", name]) == 0
        (row,) = csv.DictReader(Path("t.csv").read_text(encoding="utf-8").splitlines())
        assert row["closest"] == "Artist A"
        assert row["song"].endswith(("~nobody.wav", "bad\\udcff.wav"))
        capsys.readouterr()


def test_only_one_of_both_can_be_printed(root, capsys):
    with pytest.raises(SystemExit):
        predict.main(["--library", str(root), "--csv", "-", "--json", "-", "x.wav"])
    assert "cannot both be printed" in capsys.readouterr().err


def test_the_table_can_be_printed(root, messy, capsys):
    assert predict.main(["--library", str(root), str(messy / "one.wav"), "--csv", "-"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert list(row) == CSV_COLUMNS


def test_the_picture_shows_each_clip_in_the_colour_of_its_artist():
    clips = pd.DataFrame({"A": [0.9, 0.2, np.nan], "B": [0.1, 0.8, np.nan]}, index=[0.0, 2.0, 4.0])
    sounds = (3000 * np.random.default_rng(0).standard_normal((3, 44_100))).astype(np.int16)
    colours = plots.artist_colours("AB")
    about = {"aspects": {"timbre": 2.0, "rhythm": -1.0, "prior": 0.5}, "alike": {"A/1.mp3": "One"}}
    figure = plots.verdict("title", "A", verdict_of(clips.mean(), clips, **about), sounds, colours)
    wave, parts, reasons = figure.axes
    (lines,) = wave.collections
    drawn = lines.get_colors()[::20, :3]
    np.testing.assert_allclose(drawn, [colours["A"], colours["B"], (0.85, 0.85, 0.85)])
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in parts.containers}
    assert heights["A"][:2] == [0.9, 0.2]
    assert list(heights) == ["A", "B"]
    assert figure.get_suptitle() == "title"
    bars = dict(zip([text.get_text() for text in reasons.get_yticklabels()], reasons.patches, strict=True))
    assert {name: bar.get_width() for name, bar in bars.items()} == {
        "before a note": 0.5,
        "rhythm": -1.0,
        "timbre": 2.0,
    }
    np.testing.assert_allclose(bars["timbre"].get_facecolor()[:3], colours["A"])
    np.testing.assert_allclose(bars["rhythm"].get_facecolor()[:3], colours["B"])
    assert any("One" in text.get_text() for text in reasons.texts)


def test_what_speaks_for_an_artist_before_a_note_is_heard_is_said():
    clips = pd.DataFrame({"A": [0.6], "B": [0.4]}, index=[0.0])
    aspects = {"timbre": 2.0, "prior": -1.5}
    assert any(
        "before a note is heard, B" in line
        for line in wording.reason_lines(verdict_of(clips.mean(), clips, aspects=aspects))
    )
    aspects["prior"] = -0.01
    assert not any(
        "before a note" in line for line in wording.reason_lines(verdict_of(clips.mean(), clips, aspects=aspects))
    )


def test_a_tag_that_names_another_artist_is_said():
    clips = pd.DataFrame({"A": [0.6], "B": [0.4]}, index=[0.0])
    said = verdict_of(clips.mean(), clips)
    assert wording.other_tag(said._replace(tag="a")) == wording.other_tag(said) == ""
    assert any("Its tag names C" in line for line in wording.answer_lines(said._replace(tag="C"), None))
    assert wording.answer_row("x", said._replace(tag="C", word="unknown")).endswith("its tag: C")


def test_a_stretch_of_a_long_song_is_given_to_whom_its_clips_are_on_average():
    clips = pd.DataFrame({"A": [0.6, 0.1] * 60, "B": [0.4, 0.9] * 60}, index=2.0 * np.arange(120))
    clips.iloc[:2] = np.nan
    bar = wording.timeline(verdict_of(pd.Series({"A": 0.6, "B": 0.4}), clips))
    assert bar == f"0:00  {59 * '▒'} 4:00   ▒ B"
