"""Messages that no other test provokes: each is met here as a user would meet it, as far as that can be made."""

import errno
import shutil
from pathlib import Path

import dask
import pandas as pd
import pytest
from conftest import NO_NETWORKS, made_up, sine, write_artists, write_library, write_song
from distributed import LocalCluster

import dataframe_creation
import recommend
from soundalike import pool
from soundalike.audio.decoding import Decoder
from soundalike.library import storage
from soundalike.library.catalogue import good_songs, write_songs
from soundalike.library.errors import SongError, UserError, printable
from soundalike.song import decode


@pytest.fixture
def own(small, tmp_path):
    """A copy of the small library, to be damaged."""
    return shutil.copytree(small, tmp_path / "own")


def test_artists_are_asked_about_without_options_of_songs(capsys):
    with pytest.raises(SystemExit):
        recommend.main(["Nickelback", "--artists", "--far"])
    assert "--artists goes with --count and --verbose alone" in capsys.readouterr().err


def test_a_song_that_cannot_be_opened(tmp_path, monkeypatch):
    song = write_song(tmp_path / "x.wav", sine())
    monkeypatch.setattr("soundalike.audio.decoding.read_header", lambda path: {"announced": None})
    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(SongError, match="cannot be read: Input/output error"):
        Decoder(song)._check(1)


def test_a_song_that_is_not_there(tmp_path):
    with pytest.raises(SongError, match="there is no such file"):
        decode(tmp_path / "x.mp3", {})


def test_no_table_is_usable(own, capsys):
    for path in own.glob("features/*/*/*.parquet"):
        content = bytearray(path.read_bytes())
        content[4:-8000] = bytes(len(content) - 8004)  # its notes are whole
        path.write_bytes(content)
    shutil.rmtree(own / "df_music.parquet")
    assert dataframe_creation.main(["--library", str(own)]) == 1
    assert "No table is usable. The first: its table cannot be read" in capsys.readouterr().err


def test_songs_that_are_all_rejected(tmp_path):
    write_songs(tmp_path, [{"song": "A/x.mp3", "artist": "A", "status": "rejected", "reason": "no sound"}])
    with pytest.raises(UserError, match=r"None of the 1 songs in .*songs\.csv is usable; it says why\. Fix them\."):
        good_songs(tmp_path)


def test_a_disk_that_cannot_lock(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(storage.FileLock, "acquire", refused)
    with (
        pytest.raises(UserError, match=r"cannot lock files \(No locks available\)\. Name a folder on another disk"),
        storage.locked(tmp_path),
    ):
        pass


def test_a_certificate_that_is_not_there(tmp_path):
    missing = str(tmp_path / "no.pem")
    names = ("ca-file", "client.cert", "client.key")
    with (
        dask.config.set({f"distributed.comm.tls.{name}": missing for name in names}),
        pytest.raises(UserError, match=r"The certificate for tls://127\.0\.0\.1:1 cannot be read"),
    ):
        list(pool.run(printable, ["a"], label="Testing", scheduler="tls://127.0.0.1:1"))


def test_a_cluster_without_workers():
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(UserError, match="has no workers yet; start some"),
    ):
        cluster.scheduler_address.startswith("tcp") or pytest.skip("no address of its own")
        list(pool.run(printable, ["a"], label="Testing", scheduler=cluster.scheduler_address))


def test_the_only_song_of_a_library_has_no_other(tmp_path, capsys):
    write_library(tmp_path, made_up(artists=1, songs=1, clips=4))
    assert recommend.main(["--library", str(tmp_path), "0.mp3"]) == 1
    assert "There is no other song in this library." in capsys.readouterr().err


def test_a_frame_that_is_damaged_is_named(own, capsys):
    (own / "df_music.parquet/_songs.feather").write_bytes(b"PAR1 no more PAR1")
    assert recommend.main(["--library", str(own), "Song 1"]) == 1
    assert "Run dataframe_creation.py" in " ".join(capsys.readouterr().err.replace("and run", "Run").split())


def test_songs_without_clips_go_all_the_way(tmp_path, monkeypatch):
    """A whole run with --from-songs asks step 2 alone to read the songs."""
    from soundalike import __main__ as everything

    asked = []
    monkeypatch.setattr(everything, "run_script", lambda name, root, *given: asked.append([name, *map(str, given)]))
    monkeypatch.setattr("soundalike.dataset.splits.check_folders", lambda songs: None)
    monkeypatch.setattr(
        "soundalike.dataset.splits.check_enough", lambda songs: (_ for _ in ()).throw(UserError("enough"))
    )
    monkeypatch.setattr(
        "soundalike.library.catalogue.good_songs", lambda root: pd.DataFrame({"artist": ["A"], "song": ["x"]})
    )
    music = tmp_path / "music"
    write_artists(music, each=1, seconds=2)
    assert everything.main(["--library", str(tmp_path / "root"), "--from-songs", str(music), *NO_NETWORKS]) == 1
    options = ["--networks", "none", "--max-hours", "6.0", "--label-by", "folder"]
    assert asked == [["feature_extraction.py", "--from-songs", "--songs", str(music), *options]]
