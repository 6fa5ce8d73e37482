import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import RATE, raises, run_scripts, sine, tune, write_artists, write_song

import recommend
from soundalike import audio, features, playlists
from soundalike.library import keep_songs_folder, read_songs, write_songs
from soundalike.messages import Problem, Reason
from soundalike.playlist_files import Playlist, write_playlist
from soundalike.similarity import load_index


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A library of three artists, whose songs lie elsewhere."""
    root = tmp_path_factory.mktemp("recommend") / "root"
    songs = root.parent / "music"
    write_artists(songs, artists=3, seconds=20)
    assert run_scripts(root, "--songs", str(songs)) == [0, 0, 0]
    load_index(root)
    return root


ALL = ["-n", "99", "--per-artist", "99", "--far"]


def named(out: str) -> list[str]:
    """The songs that were named, in order: artist and title."""
    return re.findall(r"^ *\d+\. (.+)", out, re.MULTILINE)


def test_a_song_of_the_library_is_found_by_path_and_part_of_its_title(root, capsys):
    for asked in ("Artist B/Album 2/Song 4.mp3", "b/album 2/song 4"):
        assert recommend.main(["--library", str(root), asked, "-n", "3", "--per-artist", "9"]) == 0
        out = capsys.readouterr().out
        assert out.startswith("Artist B - Song 4 sounds most like")
        assert len(named(out)) == 3
        assert all(song.startswith("Artist B - ") for song in named(out))
        assert "Song 4" not in " ".join(named(out))
        assert any(f", in {aspect}" in out for aspect in features.ASPECTS)
        assert "by the same artist for 100% of 12 songs (too few albums for an interval" in out


def test_songs_of_the_same_album_are_left_out_on_request(root, capsys):
    assert recommend.main(["--library", str(root), "Artist B/Album 2/Song 4.mp3", "--other-albums", *ALL]) == 0
    songs = named(capsys.readouterr().out)
    assert len(songs) == 10  # of twelve, but for the two of this album
    assert not [song for song in songs if song.startswith("Artist B") and song.endswith("(Album 2)")]
    assert songs[0].startswith("Artist B")


def test_only_sung_or_instrumental_songs_are_named_on_request(root, tmp_path, capsys):
    own = Path(shutil.copytree(root, tmp_path / "root"))
    asked = ["--library", str(own), "Artist B/Album 2/Song 4.mp3", *ALL]
    with raises(Problem.NOT_SEARCHED):
        recommend.main.__wrapped__([*asked, "--sung"])
    songs = pd.read_parquet(own / "similar/songs.parquet")
    songs["kind"] = np.where(songs["artist"] == "Artist A", "sung", "")
    songs.to_parquet(own / "similar/songs.parquet", index=False)
    assert recommend.main([*asked, "--sung"]) == 0
    found = named(capsys.readouterr().out)
    assert len(found) == 4
    assert all(song.startswith("Artist A") for song in found)
    with raises(Problem.FILTERED_OUT):
        recommend.main.__wrapped__([*asked, "--instrumental"])


def test_a_song_that_was_left_out_is_said_to_be(root, tmp_path, capsys):
    own = Path(shutil.copytree(root, tmp_path / "root"))
    songs = read_songs(own)
    broken = songs.iloc[:1].assign(song="Artist A/Broken.mp3", status="rejected", reason="not MP3 sound")
    write_songs(own, pd.concat([songs, broken]))
    with raises(Problem.LEFT_OUT):
        recommend.main.__wrapped__(["--library", str(own), "broken"])


def test_what_sounds_like_nothing_here_is_said(root, capsys, monkeypatch):
    monkeypatch.setattr(playlists, "is_far", lambda distance, likeness: distance > -1)
    asked = ["--library", str(root), "Artist A/Album 1/Song 1.mp3", "--other-albums"]
    asked += ["--without", "Artist A/Album 2/Song 2.mp3", "--without", "Artist A/Album 2/Song 4.mp3"]
    assert recommend.main(asked) == 0
    out = capsys.readouterr().out
    assert named(out) == []
    assert "Nothing here sounds much like Artist A - Song 1" in out
    assert recommend.main([*asked, "--far"]) == 0
    assert len(named(capsys.readouterr().out)) == 4  # two by each of two artists
    assert recommend.main([*asked, "--far", "--per-artist", "9"]) == 0


def test_several_songs_of_one_name_are_named(root, capsys):
    assert recommend.main(["--library", str(root), "song 4"]) == 1
    err = capsys.readouterr().err
    assert "Artist A/Album 2/Song 4.mp3; Artist B/Album 2/Song 4.mp3; Artist C" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("rate", ["96k", "320k"])
def test_a_song_encoded_anew_and_shifted_is_known_for_what_it_is(root, tmp_path, capsys, rate):
    song = root.parent / "music/Artist C/Album 1/Song 3.mp3"
    copy = tmp_path / "copy.mp3"
    asked = [audio.ffmpeg(), "-v", "error", "-ss", "0.5", "-i", song, "-b:a", rate, copy]
    subprocess.run(asked, check=True)
    assert recommend.main(["--library", str(root), str(copy), *ALL]) == 0
    out = capsys.readouterr().out
    assert f"{copy} (in this library Artist C - Song 3) sounds most like" in out
    assert "Artist C - Song 3 (Album 1)" not in named(out)


def test_the_very_file_is_not_recommended_for_itself(root, tmp_path, capsys):
    song = shutil.copy(root.parent / "music/Artist C/Album 1/Song 3.mp3", tmp_path / "elsewhere.mp3")
    assert recommend.main(["--library", str(root), str(song), *ALL]) == 0
    songs = named(capsys.readouterr().out)
    assert len(songs) == 11
    assert "Artist C - Song 3 (Album 1)" not in songs


def test_a_playlist_names_files_that_are_there(root, tmp_path, capsys):
    path = tmp_path / "alike.m3u8"
    assert recommend.main(["--library", str(root), "Artist A/Album 1/Song 1.mp3", "--playlist", str(path)]) == 0
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first == "#EXTM3U"
    assert 2 * 3 <= len(lines) <= 2 * 7  # the song itself, two by the artist, maybe some that are near
    assert lines[:2] == ["#EXTINF:20,Artist A - Song 1", str(root.parent / "music/Artist A/Album 1/Song 1.mp3")]
    for place in lines[1::2]:
        assert Path(place).is_relative_to(root.parent / "music")
        assert Path(place).is_file()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "nothing.mp3",
            "neither a file nor a song, artist, album or folder, nor part of a title or path, among the 12 songs",
        ),
        ("text.mp3", "not MP3 sound"),
        ("note.txt", ".txt is not supported"),
        ("video.wma", ".wma is not supported"),
        (".", "is a folder without songs of this library"),
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
    assert recommend.main(["--library", str(root), str(tmp_path / name)]) == 1
    err = capsys.readouterr().err
    assert reason in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["embedding.npz", "points.f32", "songs.parquet"])
def test_a_damaged_index_is_made_again(root, tmp_path, capsys, name):
    own = shutil.copytree(root, tmp_path / "root")
    assert recommend.main(["--library", str(own), "Artist A/Album 1/Song 1.mp3"]) == 0
    said = capsys.readouterr().out
    if name == "embedding.npz":  # from someone else, with Python objects in it
        with np.load(own / "similar" / name) as arrays:
            np.savez(own / "similar" / name, **(dict(arrays) | {"features basis": np.array([{}], dtype=object)}))
    else:
        (own / "similar" / name).write_bytes((own / "similar" / name).read_bytes()[:-3])
    assert recommend.main(["--library", str(own), "Artist A/Album 1/Song 1.mp3"]) == 0
    assert capsys.readouterr().out == said


def test_a_song_half_silent_is_told_by_the_rest(root, tmp_path, capsys):
    y = np.concatenate([np.zeros(8 * RATE), tune(1, 9, 8)])
    song = write_song(tmp_path / "x.wav", y)
    assert recommend.main(["--library", str(root), str(song), "--other-albums"]) == 0
    out, err = capsys.readouterr()
    assert named(out)[0].startswith("Artist B - ")
    assert "of no album in this library, so --other-albums leaves none out for it" in err


def test_a_playlist_takes_any_name_but_line_breaks_and_says_what_is_gone(tmp_path):
    names = ["夜\u3000空.mp3", "no\xa0break.mp3", "👨\u200d👩.mp3", "line\nbreak.mp3", "gone.mp3"]
    for name in names[:-1]:
        (tmp_path / name).touch()
    songs = pd.DataFrame({"song": names, "artist": "A", "title": "T", "seconds": 3.4})
    keep_songs_folder(tmp_path, tmp_path)
    listed, left_out = playlists.sort_out(playlists.entries(songs, tmp_path))
    write_playlist(Playlist(listed), tmp_path / "x.m3u8")
    lines = (tmp_path / "x.m3u8").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [str(tmp_path / name) for name in names[:3]]
    assert len(listed) == 3
    assert [error.why for error in left_out.values()] == [Reason.LINE_BREAK, Reason.MOVED]


def test_several_songs_are_sought_for_together_and_one_is_left_out(root, capsys):
    songs = ["Artist A/Album 1/Song 1.mp3", "Artist B/Album 1/Song 1.mp3"]
    assert recommend.main(["--library", str(root), *songs, *ALL, "--without", "Artist A/Album 2/Song 2.mp3"]) == 0
    out = capsys.readouterr().out
    assert "Artist A - Song 1 and Artist B - Song 1 together sound most like" in out
    left_out = {"Artist A - Song 1 (Album 1)", "Artist B - Song 1 (Album 1)", "Artist A - Song 2 (Album 2)"}
    assert not left_out & {*named(out)}
    assert not [song for song in named(out)[:5] if song.startswith("Artist C")]


def test_a_song_that_is_named_twice_counts_once(root, tmp_path, capsys):
    song = "Artist A/Album 1/Song 1.mp3"
    assert recommend.main(["--library", str(root), song, str(root.parent / "music" / song), "a/album 1/song 1"]) == 0
    out, err = capsys.readouterr()
    assert err.count("was named before; it counts once.") == 2
    assert out.startswith("Artist A - Song 1 sounds most like\n")


def test_a_file_that_is_not_of_the_library_leaves_nothing_out(root, tmp_path, capsys):
    other = write_song(tmp_path / "x.wav", sine(1234, 20))
    assert recommend.main(["--library", str(root), "a/album 1/song 1", "--without", str(other)]) == 0
    assert "x.wav is not in this library, so --without leaves nothing out for it" in capsys.readouterr().err


def test_a_path_goes_from_one_song_to_another_and_into_a_playlist(root, tmp_path, capsys):
    ends = ["Artist A/Album 1/Song 1.mp3", "Artist B/Album 2/Song 4.mp3"]
    asked = ["--library", str(root), ends[0], "--path-to", ends[1], "--per-artist", "9", "--verbose"]
    assert recommend.main([*asked, "--playlist", str(tmp_path / "way.m3u8")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("From Artist A - Song 1\n")
    assert "  to Artist B - Song 4  " in out
    lines = (tmp_path / "way.m3u8").read_text(encoding="utf-8").splitlines()
    assert lines[2].endswith(ends[0])
    assert lines[-1].endswith(ends[1])
    assert len(lines) == 1 + 2 * (2 + len(named(out)))


def test_artists_are_named_with_the_songs_that_bring_them_together(root, capsys):
    assert recommend.main(["--library", str(root), "--artists", "-n", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "sounds most like" in line] == lines[::3]
    assert lines[0].startswith("Artist A (4 songs; most typical: Song ")
    assert lines[1].startswith("  1. Artist ")
    assert re.fullmatch(r"     start with Song \d, which is most like Song \d", lines[2])
    assert recommend.main(["--library", str(root), "--artists", "artist b"]) == 0
    assert capsys.readouterr().out.startswith("Artist B")


def test_the_map_is_made_again(root, tmp_path, capsys):
    own = Path(shutil.copytree(root, tmp_path / "root"))
    assert recommend.main(["--library", str(own), "--page"]) == 0
    assert capsys.readouterr().out == f"Open it in a browser: {own}/report/map.html\n"
    assert "Song 4" in (own / "report/map.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["b/album 2/song 4", "--without", "b/album 2/song 4"], "is asked for and unwanted"),
        (["b/album 2/song 4", "--path-to", "Artist B/Album 2/Song 4.mp3"], "is where a way begins and where it ends"),
        (["b/album 2/song 4", "--path-to", "nowhere"], "nowhere is neither a file nor"),
        (["sogn 4"], "among the 12 songs of this library. Did you mean Song 4?"),
        (["--artists", "Artist x"], "Did you mean Artist"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(root, capsys, asked, said):
    assert recommend.main(["--library", str(root), *asked]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_misspelt_option_has_its_nearest(root, capsys):
    with pytest.raises(SystemExit, match="2"):
        recommend.main(["--library", str(root), "--instrumentl", "Song 1"])
    assert "did you mean --instrumental?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [
        *([], [""], ["a", "--without", " "], ["a", "b", "--path-to", "c"], ["a", "--path-to", "c", "--far"]),
        *(["--artists", "--path-to", "x"], ["--artists", "--playlist", "x.m3u8"], ["--artists", "--far"]),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(root, asked):
    with pytest.raises(SystemExit, match="2"):
        recommend.main(["--library", str(root), *asked])


def test_without_a_library_it_says_what_to_do(tmp_path, capsys):
    with raises(Problem.NO_FRAME):
        recommend.main.__wrapped__(["--library", str(tmp_path), "song"])


def test_a_playlist_is_written_back_longer_and_loses_nothing(root, tmp_path, capsys):
    music, mine = root.parent / "music", tmp_path / "mine.m3u"
    named = [str(music / f"Artist {artist}/Album 1/Song 1.mp3") for artist in "AB"]
    lines = [
        "#EXTM3U",
        "#PLAYLIST:Mine",
        "#EXTINF:3,My words",
        named[0],
        "# kept",
        "gone é.mp3",
        named[1],
        named[0],
        "",
    ]
    text = "\r\n".join(lines)
    mine.write_bytes(text.encode("cp1252"))
    mine.chmod(0o600)
    (tmp_path / "link.m3u").symlink_to(mine)
    asked = ["--library", str(root), "--extend", "-n", "5", "--per-artist", "2"]
    assert recommend.main([*asked, str(tmp_path / "link.m3u")]) == 0
    lines = mine.read_bytes().decode("cp1252").split("\r\n")
    files = [line for line in lines if line and not line.startswith("#")]
    assert lines[:4] == ["#EXTM3U", "#PLAYLIST:Mine", "#EXTINF:3,My words", named[0]]
    assert files[-1] == "gone é.mp3"
    assert set(named) < set(files)
    assert len(files) == len(set(files)) == 8
    runs = [len([*run]) for _, run in itertools.groupby(file.split("/Album")[0] for file in files[:-1])]
    assert max(runs) <= 2
    assert (tmp_path / "link.m3u").is_symlink()
    assert mine.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mine.m3u.bak").read_bytes() == text.encode("cp1252")
    assert "of link.m3u): gone é.mp3" in capsys.readouterr().err
    assert recommend.main([*asked, str(mine)]) == 0
    assert (tmp_path / "mine.m3u.bak").read_bytes() == text.encode("cp1252")  # as it was at first


def test_programs_get_what_was_answered(root, capsys):
    def answered(*asked: str) -> dict:
        assert recommend.main(["--library", str(root), *asked, "--json", "-"]) == 0
        return json.loads(capsys.readouterr().out)

    song = "Artist A/Album 1/Song 1.mp3"
    found = answered(song, "--less", "b/album 2/song 4", "-n", "2", "--tempo", "1-500")
    assert (found["asked"], found["less"]) == (["Artist A - Song 1"], ["Artist B - Song 4"])
    assert found["filters"] == {"--tempo 1-500": 10}
    first = found["songs"][0]
    assert first["song"].startswith("Artist A/")
    assert Path(first["path"]).is_file()
    assert 0 < first["similarity"] < 1
    assert first["moment"]["seed"] == "Song 1"
    way = answered(song, "--path-to", "b/album 2/song 4", "--path-to", "c/album 1/song 1")
    assert [stop["to"] for stop in way["stops"]] == ["Artist B - Song 4", "Artist C - Song 1"]
    assert all(len(stop["similarities"]) == len(stop["songs"]) + 1 for stop in way["stops"])
    (artist,) = answered("--artists", "artist b", "-n", "1")["artists"]
    assert 0 <= artist["alike"][0]["similarity"] <= 1
    assert artist["alike"][0]["start_with"].startswith(artist["alike"][0]["name"])
