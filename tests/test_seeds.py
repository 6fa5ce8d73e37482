"""Which songs are meant: by name, by a playlist."""

import numpy as np
import pytest
from conftest import likeness, made_index, on_a_circle, raises

from soundalike.library import keep_songs_folder, write_songs
from soundalike.messages import Problem
from soundalike.playlist_files import Entry, Playlist, read_playlist, write_playlist
from soundalike.seeds import find_seeds, find_song, locate, names_of, of_library


def test_a_title_is_found_as_it_is_said(tmp_path):
    index = on_a_circle([0, 10])
    index = index._replace(songs=index.songs.assign(title=["02_-_Code_On_My_Mind", "On My Own"]))
    for asked in ("code on my mind", "Code_On", "02_-_Code_On_My_Mind"):
        assert find_song(asked, index, tmp_path) == 0
    with raises(Problem.SEVERAL_SONGS):
        find_song("on my", index, tmp_path)
    index = index._replace(songs=index.songs.assign(title=["On_My_Own", "On My Own (Live)"]))
    assert find_song("on my own", index, tmp_path) == 0  # all of a title before a part


def test_the_seed_is_the_song_itself_and_no_version_of_it(tmp_path):
    index = made_index(np.eye(3, dtype=np.float32), likeness(), recording=["0", "0", "2"])
    assert of_library(1, index, tmp_path).itself.tolist() == [False, True, False]
    copies = made_index(np.eye(3, dtype=np.float32), likeness(), sound=["0", "0", "2"])
    assert of_library(1, copies, tmp_path).itself.tolist() == [True, True, False]


def test_of_copies_one_is_asked_about(tmp_path):
    copies = made_index(np.eye(3, dtype=np.float32), likeness(), sound=["0", "0", "2"])
    assert [seed.entry.label for seed in find_seeds(["1", "0", "2"], copies, tmp_path)] == ["1 - 1", "2 - 2"]


NAMES = ["Ann/Blue/One.mp3", "Ann/Blue/Two.mp3", "Ann/Red/Three.mp3", "Bob/Blue Sky/Four.mp3", "Bob/Live/One_More.mp3"]


@pytest.fixture
def index():
    made = on_a_circle(range(5))
    parts = [name.removesuffix(".mp3").split("/") for name in NAMES]
    artist, album, title = zip(*parts, strict=True)
    return made._replace(songs=made.songs.assign(song=NAMES, artist=artist, album=album, title=title))


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ("Ann/Blue/Two.mp3", [1]),
        ("one", [0]),  # all of a title goes before a part of one
        ("one more", [4]),
        ("ann", [0, 1, 2]),
        ("BLUE", [0, 1]),
        ("ann/blue", [0, 1]),
        ("bob/", [3, 4]),
        ("sky/fo", [3]),
        ("nn", [0, 1, 2]),  # of one artist
    ],
)
def test_songs_artists_albums_and_folders_are_found(index, tmp_path, asked, places):
    seeds = find_seeds([asked], index, tmp_path)
    assert [seed.itself.argmax() for seed in seeds] == places
    assert names_of(seeds) == ([f"{asked} ({len(places)} songs)"] if len(places) > 1 else [str(seeds[0])])


def test_all_of_an_artists_name_goes_before_a_part(index, tmp_path):
    index = index._replace(songs=index.songs.assign(artist=["Ann", "Ann", "Anna", "Bob", "Bob"]))
    assert len(find_seeds(["ANN"], index, tmp_path)) == 2
    with raises(Problem.SEVERAL_SONGS):  # a part of both names, and of two paths
        find_seeds(["nn"], index, tmp_path)


def test_an_album_of_several_artists_is_none(index, tmp_path):
    index = index._replace(songs=index.songs.assign(album="Hits", title="Hits"))
    with raises(Problem.SEVERAL_SONGS):
        find_seeds(["hits"], index._replace(songs=index.songs.assign(title="x")), tmp_path)
    with raises(Problem.SEVERAL_SONGS):
        find_song("ann", index, tmp_path)


@pytest.mark.parametrize("asked", ["bleu", "Tree", "On e"])
def test_a_name_that_is_nearly_right_is_guessed(index, tmp_path, asked):
    write_songs(tmp_path, [])
    with raises(Problem.DID_YOU_MEAN):
        find_seeds([asked], index, tmp_path)


def test_a_folder_of_the_library_is_found_by_its_path(index, tmp_path):
    keep_songs_folder(tmp_path, tmp_path / "Music")
    (tmp_path / "Music/Ann/Blue").mkdir(parents=True)
    assert len(find_seeds([str(tmp_path / "Music/Ann")], index, tmp_path)) == 3
    with raises(Problem.IS_FOLDER):
        find_seeds([str(tmp_path)], index, tmp_path)


# --- playlists -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u8", "#EXTM3U\n#EXTINF:3,x\nÄ.mp3\n\nb.mp3\n".encode()),
        ("a.m3u8", "Ä.mp3\r\nb.mp3\r\n".encode("utf-8-sig")),
        ("a.m3u", "Ä.mp3\r\nb.mp3".encode("cp1252")),
        ("a.m3u", "Ä.mp3\nb.mp3\n".encode("utf-16")),
        ("a.PLS", "[playlist]\nFile1=Ä.mp3\nTitle1=x\nLength1=3\nfile2 = b.mp3\nNumberOfEntries=2\n".encode()),
    ],
)
def test_playlists_are_read_as_players_write_them(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    found = read_playlist(tmp_path / name)
    assert [entry.file for entry in found.entries] == ["Ä.mp3", "b.mp3"]
    write_playlist(found, tmp_path / name)
    again = read_playlist(tmp_path / name)
    assert again == found
    assert again.end == ("\r\n" if b"\r" in content else "\n")


def test_what_a_playlist_says_of_its_songs_stays(tmp_path):
    text = "#EXTM3U\n#PLAYLIST:Mine\n# good\n#EXTINF:12,My words\na.mp3\nb.mp3\n"
    (tmp_path / "x.m3u").write_bytes(text.encode())
    write_playlist(read_playlist(tmp_path / "x.m3u"), tmp_path / "x.m3u")
    assert (tmp_path / "x.m3u").read_text() == text
    (tmp_path / "x.pls").write_text("[playlist]\nFile1=a\nTitle1=T\nLength1=12\n")
    assert read_playlist(tmp_path / "x.pls").entries == [Entry("a", "T", 12.0)]
    (tmp_path / "y.m3u").write_bytes(b"#EXTM3U\nno letters \x81\x8d.mp3\n")  # in none of these encodings
    write_playlist(read_playlist(tmp_path / "y.m3u"), tmp_path / "y.m3u")
    assert (tmp_path / "y.m3u").read_bytes() == b"#EXTM3U\nno letters \x81\x8d.mp3\n"
    write_playlist(Playlist([Entry("#hash/1.mp3")]), tmp_path / "z.m3u")
    assert [entry.file for entry in read_playlist(tmp_path / "z.m3u").entries] == ["./#hash/1.mp3"]  # no comment
    odd = Playlist([Entry("夜.mp3", "夜", 3)], "cp1252")
    write_playlist(odd, tmp_path / "x.m3u")
    assert read_playlist(tmp_path / "x.m3u").encoding == "utf-8"  # its own has no such letter


def test_songs_of_a_playlist_are_found_by_their_paths(index, tmp_path):
    keep_songs_folder(tmp_path, tmp_path / "Music")
    playlist = tmp_path / "lists/x.m3u8"
    entries = {
        f"{tmp_path}/Music/Ann/Blue/One.mp3": 0,
        "../Music/Ann/Blue/Two.mp3": 1,
        f"file://{tmp_path}/Music/Bob/Blue%20Sky/Four.mp3": 3,
        "C:\\Users\\me\\Music\\Ann\\Red\\Three.mp3": 2,
        "/elsewhere/Live/One_More.mp3": 4,
        "/elsewhere/One_More.mp3": None,
        "One_More.mp3": None,
        f"{tmp_path}/Music/Ann/Blue/Gone.mp3": None,
    }
    assert locate(map(Entry, entries), playlist, index, tmp_path) == [*entries.values()]
    long = [Entry("\\".join(["x" * 300] * 3)), Entry(next(iter(entries)))]
    assert locate(long, playlist, index, tmp_path) == [None, 0]


def test_a_file_that_may_be_either_of_two_songs_is_none(index, tmp_path):
    index = index._replace(songs=index.songs.assign(song=["A/Live/1.mp3", "B/Live/1.mp3", *NAMES[2:]]))
    assert locate([Entry("/elsewhere/Live/1.mp3")], tmp_path / "x.m3u", index, tmp_path) == [None]


def test_a_playlist_is_its_songs_each_once(index, tmp_path, capsys):
    keep_songs_folder(tmp_path, tmp_path)
    (tmp_path / "x.m3u").write_text("Ann/Blue/One.mp3\nBob/Live/One_More.mp3\nAnn/Blue/One.mp3\ngone.mp3\n")
    seeds = find_seeds([str(tmp_path / "x.m3u")], index, tmp_path)
    assert [seed.entry.label for seed in seeds] == ["Ann - One", "Bob - One_More"]
    assert names_of(seeds) == ["x.m3u (2 songs)"]
    (tmp_path / "x.m3u").write_text("gone.mp3\n")
    with raises(Problem.EMPTY_PLAYLIST):
        find_seeds([str(tmp_path / "x.m3u")], index, tmp_path)
