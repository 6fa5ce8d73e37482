import os
import shlex
import sys
import threading
from pathlib import Path

import pytest
from conftest import raises

from soundalike import messages, terminal, wording
from soundalike.library import (
    LOCK,
    NOTES,
    atomic_write,
    check_ownership,
    find_songs,
    folder_labels,
    good_songs,
    locked,
    read_songs,
    suffixed,
    write_songs,
)
from soundalike.messages import Problem, Reason, printable, sentence
from soundalike.survey import catalogue_row


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_find_songs_takes_audio_and_ignores_the_rest(tmp_path):
    touch(tmp_path, "B/two.FLAC", "A/x/one.mp3", "A/cover.jpg", "A/list.m3u", "A/._one.mp3", ".Trash-1000/three.mp3")
    assert find_songs(tmp_path) == (["A/x/one.mp3", "B/two.FLAC"], {})


def test_find_songs_takes_no_clips_for_songs(tmp_path):
    touch(tmp_path, "clips/A/one.mp3/0000.wav", f"clips/A/one.mp3/{NOTES}", "A/one.mp3")
    assert find_songs(tmp_path) == (["A/one.mp3"], {})


def test_a_name_may_start_with_a_dot(tmp_path):
    names = [
        "...And You Will Know Us/x.mp3",
        "Britney Spears/...Baby One More Time.mp3",
        "Slipknot/.5 - The Gray Chapter/x.mp3",
    ]
    touch(tmp_path, *names)
    assert find_songs(tmp_path) == (sorted(names), {})


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    touch(tmp_path, "A/one.mp3", "B/two.mp3")
    (tmp_path / "A").chmod(0)
    found, refused = find_songs(tmp_path)
    (tmp_path / "A").chmod(0o700)
    assert found == ["B/two.mp3"]
    assert refused["A"].why is Reason.FOLDER_UNREADABLE


@pytest.mark.parametrize("pair", [("A/Song.mp3", "A/song.MP3"), ("A/caf\u00e9.mp3", "A/cafe\u0301.mp3")])
def test_names_that_would_meet_on_other_systems_are_refused(tmp_path, pair):
    touch(tmp_path, *pair)
    if len(list((tmp_path / "A").iterdir())) < 2:
        pytest.skip("this file system cannot hold both")
    found, refused = find_songs(tmp_path)
    assert not found
    assert set(refused) == set(pair)


def test_unsupported_audio_is_named(tmp_path):
    touch(tmp_path, "A/one.wma")
    found, refused = find_songs(tmp_path)
    assert not found
    assert refused["A/one.wma"].why is Reason.UNSUPPORTED


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_and_pipes_are_refused_by_name(tmp_path):
    touch(tmp_path, "outside/secret.mp3", "songs/A/one.mp3")
    songs = tmp_path / "songs"
    (songs / "A" / "link.mp3").symlink_to(tmp_path / "outside" / "secret.mp3")
    (songs / "B").symlink_to(tmp_path / "outside")
    (songs / "A" / "loop").symlink_to(songs)
    os.mkfifo(songs / "A" / "pipe.mp3")
    found, refused = find_songs(songs)
    assert found == ["A/one.mp3"]
    assert set(refused) == {"A/link.mp3", "B", "A/loop", "A/pipe.mp3"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stores such names")
def test_a_name_that_is_not_unicode_is_refused(tmp_path):
    (tmp_path / "A").mkdir()
    with open(os.fsencode(tmp_path) + b"/A/\xff.mp3", "wb") as file:
        file.write(b"x")
    found, refused = find_songs(tmp_path)
    assert not found
    assert next(iter(refused.values())).why is Reason.NOT_UNICODE
    write_songs(tmp_path, [{"song": song, "status": "rejected"} for song in refused])
    assert read_songs(tmp_path)["song"].item() == "A/\\udcff.mp3"


def test_a_folder_that_is_not_unicode_is_refused(tmp_path):
    folder = os.fsencode(tmp_path) + b"/A\xff"
    os.mkdir(folder)
    with open(folder + b"/x.mp3", "wb") as file:
        file.write(b"x")
    found, refused = find_songs(tmp_path)
    assert not found
    assert {name: error.why for name, error in refused.items()} == {"A\\udcff/x.mp3": Reason.NOT_UNICODE}


def test_a_missing_folder_is_a_users_mistake(tmp_path):
    with raises(Problem.NO_FOLDER):
        find_songs(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("song", "labels"),
    [
        ("Artist/Album/song.mp3", ("Artist", "Album")),
        ("Artist/song.mp3", ("Artist", "")),
        ("Artist/Box/CD 1/song.mp3", ("Artist", "Box/CD 1")),
        ("song.mp3", ("", "")),
        ("Beyonce\u0301/song.mp3", ("Beyonc\u00e9", "")),
    ],
)
def test_labels_from_folders(song, labels):
    assert folder_labels(song) == labels


def test_songs_csv_keeps_odd_text(tmp_path):
    odd = ["NA", "1975", "None", "a,b", 'say "hi"', "two\nlines", "-dash", "Ünïcode 🎵", "end\r", "a\tb", "="]
    rows = [{"song": f"{name}/x.mp3", "artist": name, "status": "ok", "clips": 3} for name in odd]
    write_songs(tmp_path, rows)
    table = read_songs(tmp_path)
    assert dict(zip(table["song"], table["artist"], strict=True)) == {row["song"]: row["artist"] for row in rows}
    assert set(table["clips"]) == {3}
    assert set(table["album"]) == {""}


def test_no_songs_csv_says_what_to_run(tmp_path):
    with raises(Problem.NO_CATALOGUE):
        good_songs(tmp_path)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "table"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(target) as path:
        path.write_text("half")
        1 / 0  # noqa: B018
    assert target.read_text() == "old"
    with atomic_write(target) as path:
        path.write_text("new")
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["table"]


def test_a_folder_is_replaced_whole(tmp_path):
    for content in ("old", "new"):
        with atomic_write(tmp_path / "clips") as path:
            path.mkdir()
            (path / content).touch()
    assert os.listdir(tmp_path / "clips") == ["new"]
    assert os.listdir(tmp_path) == ["clips"]


def test_one_run_at_a_time(tmp_path, monkeypatch):
    (tmp_path / ".unfinished-x").mkdir()  # of a run that was killed
    ended, said = [], []
    monkeypatch.setattr(messages, "listener", messages.Listener())
    monkeypatch.setattr(messages.listener, "note", said.append)
    waiting = threading.Thread(target=wait_for, args=(tmp_path, ended))
    with locked(tmp_path):
        assert not (tmp_path / ".unfinished-x").exists()
        with raises(Problem.BUSY), locked(tmp_path):
            pass
        waiting.start()
        waiting.join(0.3)
        assert not ended
    waiting.join(10)
    assert ended
    assert said == [f"Waiting until another run in {tmp_path} has ended."]


def wait_for(root: Path, ended: list) -> None:
    with locked(root, wait=True):
        ended.append(True)


@pytest.mark.parametrize("name", ["clips", "features", "model", "report"])
def test_a_users_own_folder_is_not_taken_for_ours(tmp_path, name):
    touch(tmp_path, f"{name}/my own.txt")
    with raises(Problem.NOT_OURS):
        check_ownership(tmp_path)
    touch(tmp_path, LOCK)
    if name == "model":  # it would be replaced as a whole
        with raises(Problem.NOT_OURS):
            check_ownership(tmp_path)
        touch(tmp_path, "model/model.json")
    check_ownership(tmp_path)


def test_a_frame_of_version_1_0_is_ours(tmp_path):
    touch(tmp_path, LOCK, "df_music.parquet/part-00000.parquet")
    with raises(Problem.NOT_OURS):
        check_ownership(tmp_path)
    touch(tmp_path, "df_music.parquet/_common_metadata")
    check_ownership(tmp_path)


def test_a_users_own_table_of_songs_is_not_taken_for_ours(tmp_path):
    (tmp_path / "songs.csv").write_text("title;year\n")
    with raises(Problem.NOT_OURS):
        check_ownership(tmp_path)
    write_songs(tmp_path, [{"song": "A/x.mp3", "status": "ok"}])
    check_ownership(tmp_path)


@pytest.mark.parametrize("text", ["", "title;year\nGo;2004\n", "song,seconds\nx,many\n", "\xe9"])
def test_a_songs_csv_that_another_program_saved_is_a_users_mistake(tmp_path, text):
    (tmp_path / "songs.csv").write_bytes(text.encode("latin-1"))
    with raises(Problem.CATALOGUE_CHANGED):
        read_songs(tmp_path)


def test_a_name_with_a_suffix_fits_a_file_system():
    assert suffixed("A/x.mp3", ".parquet") == "A/x.mp3.parquet"
    names = [suffixed("A/" + "é" * 120 + end, ".parquet") for end in ("aaaaaa.mp3", "aaaaab.mp3")]
    assert len(set(names)) == 2
    assert all(len(name.encode()) <= 2 + 255 and name.startswith("A/éé") for name in names)


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    touch(tmp_path, "model/old")
    with pytest.raises(OSError, match="broken"), atomic_write(tmp_path / "model") as path:
        path.mkdir()
        monkeypatch.setattr(Path, "replace", raise_broken)
    assert os.listdir(tmp_path / "model") == ["old"]
    assert os.listdir(tmp_path) == ["model"]


def raise_broken(*_):
    raise OSError("broken")


def test_a_folder_whose_replacement_was_killed_is_put_back(tmp_path):
    touch(tmp_path, ".unfinished-x/old/model/model.json", ".unfinished-x/model/half", ".unfinished-y/old/similar/a")
    touch(tmp_path, "similar/index.json")
    with locked(tmp_path):
        pass
    assert os.listdir(tmp_path / "model") == ["model.json"]
    assert os.listdir(tmp_path / "similar") == ["index.json"]
    assert not list(tmp_path.glob(".unfinished-*"))


def test_printable_lets_no_escape_reach_the_terminal():
    assert printable("a\x1b[31m\nb\u202ec") == "a\\x1b[31m\\nb\\u202ec"
    assert len(printable("x" * 1000)) == 300


def test_the_root_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MUSIC_LIBRARY", str(tmp_path))
    assert terminal.default_root() == tmp_path
    assert terminal.parser("x").parse_args([]).library == tmp_path
    monkeypatch.setenv("MUSIC_LIBRARY", "~/x")
    assert terminal.default_root() == Path.home() / "x"
    assert terminal.parser("x").parse_args(["--library", "~/y"]).library == Path.home() / "y"
    monkeypatch.setenv("MUSIC_LIBRARY", "~nobody-here/x")
    assert terminal.default_root() == Path.cwd() / "~nobody-here/x"
    with pytest.raises(SystemExit):
        terminal.parser("x").parse_args(["--library", ""])
    monkeypatch.delenv("MUSIC_LIBRARY")
    assert terminal.default_root().name == "data"


def test_a_command_can_be_pasted_where_names_have_spaces(tmp_path):
    _, script, *named = shlex.split(wording.command("predict.py", tmp_path / "My Music"))
    assert Path(script).resolve() == Path(terminal.__file__).parent.with_name("predict.py").resolve()
    assert named == ["--library", str(tmp_path / "My Music")]


def test_damaged_songs_are_used_and_what_is_worse_is_not(tmp_path):
    statuses = ("ok", "damaged", "duplicate", "silent", "too short", "rejected")
    write_songs(tmp_path, [{"song": f"A/{status}.mp3", "status": status} for status in statuses])
    assert good_songs(tmp_path)["status"].tolist() == ["damaged", "ok"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
def test_whoever_reads_a_file_while_it_is_replaced_reads_the_old_one(tmp_path):
    target = tmp_path / "table"
    target.write_text("old")
    with target.open() as reader:
        with atomic_write(target) as path:
            path.write_text("new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


def test_the_library_that_was_used_last_is_asked_next(tmp_path, monkeypatch):
    monkeypatch.delenv("MUSIC_LIBRARY", raising=False)
    monkeypatch.setattr(terminal, "LAST", tmp_path / "data/last")
    assert terminal.last_root() == terminal.default_root()
    used = tmp_path / "my m\udce9sic"
    (used / "model").mkdir(parents=True)
    (used / "model/model.json").touch()
    terminal.remember_root(used)
    assert terminal.last_root() == used
    monkeypatch.setattr(terminal, "PROJECT", tmp_path / "here")  # whose default root has a model of later
    (tmp_path / "here/data/model").mkdir(parents=True)
    (tmp_path / "here/data/model/model.json").touch()
    os.utime(used / "model/model.json", (0, 0))
    assert terminal.last_root() == tmp_path / "here/data"
    monkeypatch.setattr(terminal, "PROJECT", tmp_path / "elsewhere")
    os.utime(used / "model/model.json")
    assert terminal.last_root() == used
    monkeypatch.setenv("MUSIC_LIBRARY", str(tmp_path))
    assert terminal.last_root() == tmp_path
    monkeypatch.delenv("MUSIC_LIBRARY")
    (used / "model/model.json").unlink()
    assert terminal.last_root() == terminal.default_root()
    terminal.LAST.unlink()
    terminal.LAST.mkdir()
    terminal.remember_root(used)  # is not worth a word
    assert terminal.last_root() == terminal.default_root()


@pytest.mark.parametrize("folder", ["Various Artists", "VA", "compilations"])
def test_songs_of_a_compilation_are_their_artists(tmp_path, folder):
    assert folder_labels(f"{folder}/Party/1.mp3") == ("", "Party")
    record = {"artist": "Tagged", "album": "", "title": "", "status": "ok"}
    assert catalogue_row(f"{folder}/Tagged - One.mp3", record, "folder")["title"] == "One"
    assert catalogue_row(f"{folder}/Party/1.mp3", record, "folder")["artist"] == "Tagged"
    row = catalogue_row(f"{folder}/1.mp3", record | {"artist": ""}, "folder")
    assert row["status"] == "rejected"
    assert row["reason"] == sentence(Reason.NO_ARTIST)
