import os
import shutil
import signal
import subprocess
import sys
import types
import wave
from pathlib import Path

import mutagen
import mutagen.mp3
import numpy as np
import pytest
import soundfile
from conftest import (
    RATE,
    decode_file,
    noise,
    peak_frequency,
    processed,
    sine,
    tune,
    wait_until,
    write_artists,
    write_song,
)

import mp3_split
from soundalike import audio, library, messages
from soundalike.library import LOCK, clip_folder, find_songs, read_notes, read_songs

HERE = Path(__file__).resolve().parent.parent


def split(root: Path, *arguments: str) -> int:
    return mp3_split.main(["--library", str(root), "--jobs", "1", *arguments])


def rows(root: Path) -> dict[str, dict]:
    """songs.csv by song."""
    return {row["song"]: row for row in read_songs(root).to_dict("records")}


def clips(root: Path, song: str) -> list[Path]:
    return sorted(clip_folder(root, song).glob("*.wav"))


# --- clips -----------------------------------------------------------------------------------


def test_clips_are_whole_and_the_rest_is_counted(tmp_path):
    write_song(tmp_path / "songs/A/x.wav", sine(440, 7.5))
    assert split(tmp_path) == 0
    paths = clips(tmp_path, "A/x.wav")
    assert [path.name for path in paths] == ["0000.wav", "0001.wav", "0002.wav"]
    for path in paths:
        with wave.open(str(path)) as clip:
            assert (clip.getnchannels(), clip.getframerate(), clip.getsampwidth()) == (1, 22_050, 2)
            assert clip.getnframes() == 44_100
    decoded, _ = decode_file(tmp_path / "songs/A/x.wav")
    written = np.concatenate([soundfile.read(path)[0] for path in paths])
    np.testing.assert_array_equal(written, decoded)
    row = rows(tmp_path)["A/x.wav"]
    assert (row["seconds"], row["clips"], row["dropped"]) == (7.5, 3, 1.5)


def test_the_same_file_name_in_two_folders(tmp_path):
    write_song(tmp_path / "songs/A/Intro.wav", sine(440, 2))
    write_song(tmp_path / "songs/B/Intro.wav", sine(880, 4))
    assert split(tmp_path) == 0
    assert len(clips(tmp_path, "A/Intro.wav")) == 1
    assert len(clips(tmp_path, "B/Intro.wav")) == 2


@pytest.mark.parametrize(
    "name",
    [
        "two words",
        'it\'s "quoted"',
        "Beyoncé ñ 日本",
        "-dash",
        "two\nlines",
        "100%d",
        "semi;colon & $HOME `x`",
        "🎵",
        "a.b",
    ],
)
def test_odd_names(tmp_path, name):
    if sys.platform == "win32" and not name.isprintable():
        pytest.skip("Windows has no such names")
    write_song(tmp_path / f"songs/{name}/{name}.mp3", sine())
    assert split(tmp_path) == 0
    song = f"{name}/{name}.mp3"
    assert len(clips(tmp_path, song)) == 2
    assert rows(tmp_path)[song]["artist"] == name


# --- what is left out ------------------------------------------------------------------------


def test_a_file_that_names_another_is_not_followed(tmp_path):
    secret = write_song(tmp_path / "outside/secret.wav", sine(440, 6))
    songs = tmp_path / "songs/A"
    songs.mkdir(parents=True)
    (songs / "concat.mp3").write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    (songs / "list.m4a").write_text(f"#EXTM3U\n#EXTINF:6,\n{secret}\n")
    assert split(tmp_path) == 1
    assert {row["status"] for row in rows(tmp_path).values()} == {"rejected"}


def test_too_long_a_file_is_refused_before_it_is_decoded(tmp_path):
    write_song(tmp_path / "songs/A/long.flac", sine(440, 40))
    assert split(tmp_path, "--max-hours", "0.01") == 1
    assert "longer than 0.01 hours" in rows(tmp_path)["A/long.flac"]["reason"]
    assert not clip_folder(tmp_path, "A/long.flac").exists()
    assert split(tmp_path) == 0  # the refusal is not for ever


def test_everything_is_accounted_for(tmp_path, capsys):
    songs = tmp_path / "songs"
    write_song(songs / "A/good.mp3", tune(0, 1, 6))
    write_song(songs / "A/short.wav", sine(440, 1.9))
    write_song(songs / "A/silent.wav", np.zeros(5 * RATE))
    (songs / "A/empty.mp3").touch()
    (songs / "A/text.mp3").write_text("This is not music.\n" * 500)
    (songs / "A/cover.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    data = write_song(songs / "A/cut.mp3", tune(0, 2, 10)).read_bytes()
    (songs / "A/cut.mp3").write_bytes(data[: len(data) // 2])
    (songs / "A/most.mp3").write_bytes(data[: int(0.96 * len(data))])
    hole = bytearray(write_song(songs / "A/hole.mp3", tune(0, 3, 10)).read_bytes())
    hole[len(hole) // 2 : len(hole) // 2 + 800] = bytes(800)
    (songs / "A/hole.mp3").write_bytes(hole)
    assert split(tmp_path) == 3
    found = rows(tmp_path)
    assert {song: row["status"] for song, row in found.items()} == {
        "A/good.mp3": "ok",
        "A/short.wav": "too short",
        "A/silent.wav": "silent",
        "A/empty.mp3": "rejected",
        "A/text.mp3": "rejected",
        "A/cut.mp3": "rejected",
        "A/most.mp3": "damaged",
        "A/hole.mp3": "damaged",
    }
    assert "an empty file" in found["A/empty.mp3"]["reason"]
    assert "not MP3 sound" in found["A/text.mp3"]["reason"]
    assert "of the 10.0 s that it announces" in found["A/cut.mp3"]["reason"]
    assert all(row["reason"] for row in found.values() if row["status"] != "ok")
    assert not clips(tmp_path, "A/cut.mp3")


def test_a_silent_clip_is_counted_but_kept(tmp_path):
    write_song(tmp_path / "songs/A/x.wav", np.concatenate([np.zeros(2 * RATE), sine(440, 2)]))
    assert split(tmp_path) == 0
    assert (rows(tmp_path)["A/x.wav"]["clips"], rows(tmp_path)["A/x.wav"]["silent_clips"]) == (2, 1)


def test_duplicates_are_kept_once(tmp_path):
    first = write_song(tmp_path / "songs/A/one.mp3", tune(0, 1))
    shutil.copy(first, tmp_path / "songs/A/one (1).mp3")
    write_song(tmp_path / "songs/A/three.mp3", tune(0, 3))
    assert split(tmp_path) == 3
    found = rows(tmp_path)
    assert {song: row["status"] for song, row in found.items()} == {
        "A/one.mp3": "ok",
        "A/one (1).mp3": "duplicate",
        "A/three.mp3": "ok",
    }
    assert found["A/one (1).mp3"]["reason"] == "the same recording as A/one.mp3"


def test_a_recording_under_two_artists_is_left_out_of_both(tmp_path, capsys):
    first = write_song(tmp_path / "songs/A/one.mp3", tune(0, 1))
    write_song(tmp_path / "songs/A/three.mp3", tune(0, 3))
    (tmp_path / "songs/B").mkdir()
    shutil.copy(first, tmp_path / "songs/B/two.mp3")
    assert split(tmp_path) == 3
    found = rows(tmp_path)
    assert {song: row["status"] for song, row in found.items()} == {
        "A/one.mp3": "rejected",
        "A/three.mp3": "ok",
        "B/two.mp3": "rejected",
    }
    assert "B/two.mp3" in found["A/one.mp3"]["reason"]
    assert "A/one.mp3" in found["B/two.mp3"]["reason"]
    assert "All songs here are copies" not in capsys.readouterr().out
    (tmp_path / "songs/A/three.mp3").unlink()
    assert split(tmp_path) == 1
    assert "All songs here are copies" in capsys.readouterr().out


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "many"])
def test_max_hours_must_be_a_number(hours):
    with pytest.raises(SystemExit) as ended:
        mp3_split.parse_args(["--max-hours", hours])
    assert ended.value.code == 2


def test_a_root_that_is_a_file_is_a_users_mistake(tmp_path, capsys):
    write_song(tmp_path / "songs/A/x.wav", sine())
    (tmp_path / "root").touch()
    assert mp3_split.main(["--library", str(tmp_path / "root"), "--songs", str(tmp_path / "songs")]) == 1
    assert "Cannot read or write" in capsys.readouterr().err


@pytest.mark.parametrize("root", ["songs", "songs/A", "songs/new"])
def test_nothing_is_written_where_songs_lie(tmp_path, capsys, root):
    write_song(tmp_path / "songs/A/x.wav", sine())
    assert split(tmp_path / root, "--songs", str(tmp_path / "songs")) == 1
    assert "lies in the folder of songs" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["songs", "A", "x.wav"]


def test_a_song_that_vanishes_is_named(tmp_path, monkeypatch):
    for name in ("one", "two"):
        write_song(tmp_path / f"songs/A/{name}.wav", sine(440, 2))

    def find_and_lose(folder: Path) -> tuple:
        found = find_songs(folder)
        (folder / "A/two.wav").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(library, "find_songs", find_and_lose)
    assert split(tmp_path) == 3
    assert "cannot be read: No such file" in rows(tmp_path)["A/two.wav"]["reason"]


def test_the_space_is_checked_first(tmp_path, monkeypatch, capsys):
    song = tmp_path / "songs/A/x.mp3"
    write_song(song, sine())
    seconds = song.stat().st_size / 40_000  # at least, for no MP3 is of more than 320 kbit/s
    free = seconds / 2 * 90_112 - 1  # bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=free))
    assert split(tmp_path) == 1
    assert "Make room" in capsys.readouterr().err
    assert not (tmp_path / "clips").exists()
    free += 2
    assert split(tmp_path) == 0


def test_a_song_of_high_resolution_is_not_thought_longer_than_it_is(tmp_path, monkeypatch):
    path = tmp_path / "songs/A/x.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.zeros((4 * 192_000, 2)), 192_000, subtype="PCM_24")
    free = 3 * 90_112
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=free))
    split(tmp_path)
    assert rows(tmp_path)["A/x.wav"]["seconds"] == 4


@pytest.mark.parametrize("folder", ["songs", "songs/A"])
def test_no_music_is_a_users_mistake(tmp_path, capsys, folder):
    (tmp_path / folder).mkdir(parents=True)
    assert split(tmp_path) == 1
    assert "There is no music in" in capsys.readouterr().err


# --- labels ----------------------------------------------------------------------------------


def tagged(path: Path, **tags: str) -> Path:
    write_song(path, noise(4, seed=len(str(path))))
    file = mutagen.mp3.EasyMP3(path)
    file.update(tags)
    file.save()
    return path


def test_labels_from_tags(tmp_path):
    tagged(tmp_path / "songs/Folder/x.mp3", artist="Pit/bull\x1b[31m", album="../../Hits", title="Go")
    write_song(tmp_path / "songs/Folder/untagged.mp3", sine())
    assert split(tmp_path, "--label-by", "tag") == 3
    found = rows(tmp_path)
    assert found["Folder/x.mp3"]["artist"] == "Pit/bull [31m"
    assert found["Folder/untagged.mp3"]["reason"] == "without an artist tag"
    assert split(tmp_path) == 0  # by folder again, without cutting again
    found = rows(tmp_path)
    assert found["Folder/x.mp3"]["artist"] == "Folder"
    assert (found["Folder/x.mp3"]["album"], found["Folder/x.mp3"]["title"]) == ("../../Hits", "Go")
    assert found["Folder/untagged.mp3"]["title"] == "untagged"
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"songs", "clips", "songs.csv", "songs.txt", LOCK}  # tags made no path


def test_a_song_in_no_folder_takes_its_tag_or_is_left_out(tmp_path, capsys):
    tagged(tmp_path / "songs/x.mp3", artist="Pitbull")
    write_song(tmp_path / "songs/y.mp3", sine())
    assert split(tmp_path) == 3
    assert rows(tmp_path)["x.mp3"]["artist"] == "Pitbull"
    assert rows(tmp_path)["y.mp3"]["reason"] == messages.Reason.NO_ARTIST.value
    tagged(tmp_path / "songs/Various Artists/Party/z.mp3", artist="Pitbull", album="Party")
    assert split(tmp_path) == 3
    assert rows(tmp_path)["Various Artists/Party/z.mp3"]["artist"] == "Pitbull"
    said = capsys.readouterr().out
    assert "2 songs in no artist's folder" in said
    assert "are the folders in it albums" not in said
    (tmp_path / "songs").rename(tmp_path / "pitbull")
    assert split(tmp_path, "--songs", str(tmp_path / "pitbull")) == 3
    assert f"Then name the folder above (--songs DIR): {tmp_path}" in capsys.readouterr().out


# --- running again ---------------------------------------------------------------------------


def test_running_again_does_only_what_is_needed(tmp_path, capsys):
    write_artists(tmp_path / "songs", each=2, seconds=4)
    assert split(tmp_path) == 0
    capsys.readouterr()
    assert split(tmp_path) == 0
    assert processed(capsys.readouterr().out) == 0
    write_song(tmp_path / "songs/Artist A/Album 1/Song 1.mp3", tune(0, 9, 6))  # changed
    clips(tmp_path, "Artist B/Album 1/Song 1.mp3")[0].unlink()  # lost
    assert split(tmp_path) == 0
    assert processed(capsys.readouterr().out) == 2
    assert len(clips(tmp_path, "Artist A/Album 1/Song 1.mp3")) == 3
    assert len(clips(tmp_path, "Artist B/Album 1/Song 1.mp3")) == 2


def test_a_file_of_the_same_size_but_another_time_is_split_again(tmp_path, capsys):
    path = write_song(tmp_path / "songs/A/x.wav", sine(440))
    assert split(tmp_path) == 0
    write_song(path, sine(880))
    os.utime(path, ns=(0, 0))
    assert split(tmp_path) == 0
    assert processed(capsys.readouterr().out) == 1
    clip, _ = soundfile.read(clips(tmp_path, "A/x.wav")[0])
    assert peak_frequency(clip) == pytest.approx(880, abs=1)


def test_what_was_rejected_is_tried_again(tmp_path, monkeypatch, in_this_process):
    write_song(tmp_path / "songs/A/x.mp3", sine())
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    audio.ffmpeg.cache_clear()
    assert split(tmp_path) == 1
    assert "ffmpeg ended with status 127: no such library" in rows(tmp_path)["A/x.mp3"]["reason"]
    broken.unlink()
    audio.ffmpeg.cache_clear()
    assert split(tmp_path) == 0


def test_other_settings_make_clips_out_of_date(tmp_path, monkeypatch):
    write_song(tmp_path / "songs/A/x.wav", sine())
    assert split(tmp_path) == 0
    assert audio.known_clips("A/x.wav", songs=tmp_path / "songs", root=tmp_path)
    monkeypatch.setitem(audio.MADE_BY, "version", 0)
    assert not audio.known_clips("A/x.wav", songs=tmp_path / "songs", root=tmp_path)


def test_a_song_that_is_gone_leaves_songs_csv(tmp_path):
    write_artists(tmp_path / "songs", each=2, seconds=4)
    assert split(tmp_path) == 0
    (tmp_path / "songs/Artist A/Album 1/Song 1.mp3").rename(tmp_path / "songs/Artist B/moved.mp3")
    assert split(tmp_path) == 0
    assert set(rows(tmp_path)) == {
        "Artist A/Album 2/Song 2.mp3",
        "Artist B/moved.mp3",
        "Artist B/Album 1/Song 1.mp3",
        "Artist B/Album 2/Song 2.mp3",
    }
    assert rows(tmp_path)["Artist B/moved.mp3"]["artist"] == "Artist B"


def write_noises(songs: Path, number: int, seconds: float) -> None:
    """Songs by one artist that are quickly made."""
    for song in range(number):
        write_song(songs / f"A/{song}.mp3", noise(seconds, seed=song))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_cleanly(tmp_path):
    write_noises(tmp_path / "songs", 8, 40)
    command = [sys.executable, str(HERE / "mp3_split.py"), "--library", str(tmp_path), "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    wait_until(lambda: list(tmp_path.glob("clips/A/*/_made_from.json")))  # the first song is done
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the script and its workers alike
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again" in err
    assert "Traceback" not in err
    records = [read_notes(path.parent)["record"] for path in tmp_path.glob("clips/*/*/_made_from.json")]
    assert {record["status"] for record in records} == {"ok"}  # none was cut short by the signal
