import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import RATE, run_scripts, sine, tune, write_artists, write_song

import recommend
from soundalike.audio import decoding
from soundalike.library.catalogue import keep_songs_folder, read_songs, write_songs
from soundalike.similarity import playlists


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A library of three artists, whose songs lie elsewhere."""
    root = tmp_path_factory.mktemp("recommend") / "root"
    songs = root.parent / "music"
    write_artists(songs, artists=3, seconds=24)
    assert run_scripts(root, "--songs", str(songs)) == [0, 0, 0]
    return root


def named(out: str) -> list[str]:
    """The songs that were named, in order: artist and title."""
    return [line.split("  ")[-1] for line in out.splitlines() if line[:3].strip().isdigit()]


def test_a_song_of_the_library_is_found_by_path_and_part_of_its_title(root, capsys):
    for asked in ("Artist B/Album 2/Song 4.mp3", "b/album 2/song 4"):
        assert recommend.main(["--data", str(root), asked, "--count", "3"]) == 0
        out = capsys.readouterr().out
        assert out.startswith("Artist B/Album 2/Song 4.mp3 sounds most like")
        assert len(named(out)) == 3
        assert all(song.startswith("Artist B - ") for song in named(out))
        assert "Song 4" not in " ".join(named(out))
        assert "alike in timbre" in out
        assert "by the same artist for 100% of 12 songs (too few albums for an interval" in out
        assert "sounds much like it" not in out


def test_songs_of_the_same_album_are_left_out_on_request(root, capsys):
    assert recommend.main(["--data", str(root), "Artist B/Album 2/Song 4.mp3", "--other-albums", "--count", "99"]) == 0
    songs = named(capsys.readouterr().out)
    assert len(songs) == 10  # of twelve, but for the two of this album
    assert not [song for song in songs if song.startswith("Artist B") and song.endswith("(Album 2)")]
    assert songs[0].startswith("Artist B")


def test_a_part_of_a_title_goes_before_a_part_of_a_path(root, tmp_path, capsys):
    own = Path(shutil.copytree(root, tmp_path / "root"))
    songs = pd.read_parquet(own / "similar/songs.parquet")
    songs.loc[3, "title"] = "About Artist B"  # which is also the folder of four songs
    songs.to_parquet(own / "similar/songs.parquet", index=False)
    assert recommend.main(["--data", str(own), "artist b"]) == 0
    assert capsys.readouterr().out.startswith(f"{songs['song'][3]} sounds most like")


def test_a_song_that_was_left_out_is_said_to_be(root, tmp_path, capsys):
    own = Path(shutil.copytree(root, tmp_path / "root"))
    songs = read_songs(own)
    broken = songs.iloc[:1].assign(song="Artist A/Broken.mp3", status="rejected", reason="not MP3 sound")
    write_songs(own, pd.concat([songs, broken]))
    assert recommend.main(["--data", str(own), "broken"]) == 1
    assert "Artist A/Broken.mp3 was left out of this library: rejected: not MP3 sound" in capsys.readouterr().err


def test_what_sounds_like_nothing_here_is_said(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(playlists, "FAR_DISTANCE", 0.0)
    assert recommend.main(["--data", str(root), "Artist A/Album 1/Song 1.mp3"]) == 0
    assert "Nothing here sounds much like it." in capsys.readouterr().out


def test_several_songs_of_one_name_are_named(root, capsys):
    assert recommend.main(["--data", str(root), "song 4"]) == 1
    err = capsys.readouterr().err
    assert "3 songs are called so" in err
    assert "Artist A/Album 2/Song 4.mp3; Artist B/Album 2/Song 4.mp3; Artist C" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("rate", ["96k", "320k"])
def test_a_song_encoded_anew_and_shifted_finds_itself_first(root, tmp_path, capsys, rate):
    song = root.parent / "music/Artist C/Album 1/Song 3.mp3"
    copy = tmp_path / "copy.mp3"
    asked = [decoding.ffmpeg(), "-v", "error", "-ss", "0.5", "-i", song, "-b:a", rate, copy]
    subprocess.run(asked, check=True)
    assert recommend.main(["--data", str(root), str(copy)]) == 0
    assert named(capsys.readouterr().out)[0] == "Artist C - Song 3 (Album 1)"


def test_the_very_file_is_not_recommended_for_itself(root, tmp_path, capsys):
    song = shutil.copy(root.parent / "music/Artist C/Album 1/Song 3.mp3", tmp_path / "elsewhere.mp3")
    assert recommend.main(["--data", str(root), str(song), "--count", "99"]) == 0
    songs = named(capsys.readouterr().out)
    assert len(songs) == 11
    assert "Artist C - Song 3 (Album 1)" not in songs


def test_a_playlist_names_files_that_are_there(root, tmp_path, capsys):
    path = tmp_path / "alike.m3u8"
    assert recommend.main(["--data", str(root), "Artist A/Album 1/Song 1.mp3", "--playlist", str(path)]) == 0
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first == "#EXTM3U"
    assert len(lines) == 20
    assert lines[0].startswith("#EXTINF:24,Artist A - Song ")
    for place in lines[1::2]:
        assert Path(place).is_relative_to(root.parent / "music")
        assert Path(place).is_file()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.mp3", "neither a file nor a part of the title or path of a song among the 12 songs"),
        ("text.mp3", "not MP3 sound"),
        ("note.txt", ".txt is no sound that is known here"),
        ("video.wma", "is not supported; convert it"),
        (".", "is a folder. Name one song"),
        ("silent.wav", "silent"),
        ("short.wav", "too short"),
    ],
)
def test_what_is_no_song_is_said_in_one_line(root, tmp_path, capsys, name, reason):
    (tmp_path / "text.mp3").write_text("no music")
    (tmp_path / "note.txt").write_text("x")
    (tmp_path / "video.wma").write_text("x")
    write_song(tmp_path / "silent.wav", 0 * sine(440, 4))
    write_song(tmp_path / "short.wav", sine(440, 1))
    assert recommend.main(["--data", str(root), str(tmp_path / name)]) == 1
    err = capsys.readouterr().err
    assert reason in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["spaces.npz", "points.f32", "songs.parquet"])
def test_a_damaged_index_is_a_users_mistake(root, tmp_path, capsys, name):
    own = shutil.copytree(root, tmp_path / "root")
    assert recommend.main(["--data", str(own), "Artist A/Album 1/Song 1.mp3"]) == 0
    if name == "space.npz":  # from a stranger, with Python objects in it
        with np.load(own / "similar" / name) as arrays:
            np.savez(own / "similar" / name, **(dict(arrays) | {"basis": np.array([{}], dtype=object)}))
    else:
        (own / "similar" / name).write_bytes((own / "similar" / name).read_bytes()[:-3])
    capsys.readouterr()
    assert recommend.main(["--data", str(own), "Artist A/Album 1/Song 1.mp3"]) == 1
    assert "is damaged. Delete that folder; it is made again." in capsys.readouterr().err


def test_a_song_half_silent_is_told_by_the_rest(root, tmp_path, capsys):
    y = np.concatenate([np.zeros(8 * RATE), tune(1, 9, 8)])
    song = write_song(tmp_path / "x.wav", y)
    assert recommend.main(["--data", str(root), str(song), "--other-albums"]) == 0
    out = capsys.readouterr().out
    assert named(out)[0].startswith("Artist B - ")
    assert "of no album in this library, so --other-albums leaves nothing out" in out


def test_a_playlist_takes_any_name_but_line_breaks_and_says_what_is_gone(tmp_path, capsys):
    names = ["夜\u3000空.mp3", "no\xa0break.mp3", "👨\u200d👩.mp3", "line\nbreak.mp3", "gone.mp3"]
    for name in names[:-1]:
        (tmp_path / name).touch()
    songs = pd.DataFrame({"song": names, "artist": "A", "title": "T", "seconds": 3.4})
    keep_songs_folder(tmp_path, tmp_path)
    assert playlists.write_playlist(songs, tmp_path, tmp_path / "x.m3u8") == 3
    lines = (tmp_path / "x.m3u8").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [str(tmp_path / name) for name in names[:3]]
    out = capsys.readouterr().out
    assert "3 songs in" in out
    assert "line breaks in names" in out
    assert "gone.mp3: no longer in" in out


def test_without_a_library_it_says_what_to_do(tmp_path, capsys):
    assert recommend.main(["--data", str(tmp_path), "song"]) == 1
    assert "Run dataframe_creation.py first" in capsys.readouterr().err
