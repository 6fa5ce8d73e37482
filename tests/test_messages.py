"""Messages that no other test provokes: each is met here as a user would meet it, as far as that can be made."""

import errno
import shutil

import dask
import filelock
import pytest
from conftest import made_up, raises, write_library
from distributed import LocalCluster

import dataframe_creation
import recommend
from soundalike import library, pool
from soundalike.library import good_songs, write_songs
from soundalike.messages import Problem, Reason, printable
from soundalike.song import decode


@pytest.fixture
def own(small, tmp_path):
    """A copy of the small library, to be damaged."""
    return shutil.copytree(small, tmp_path / "own")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["Nickelback", "--artists", "--far"], "without --artists, --albums and --tags"),
        (["Nickelback", "--tags"], "name none"),
        (["--tags", "--far"], "without --artists, --albums and --tags"),
        (["--page", "--json", "-"], "--page without --json"),
    ],
)
def test_what_does_not_go_together_is_refused(capsys, asked, says):
    with pytest.raises(SystemExit):
        recommend.parse_args(asked)
    assert says in capsys.readouterr().err


def test_a_song_that_is_not_there(tmp_path):
    with raises(Reason.NO_FILE):
        decode(tmp_path / "x.mp3", {})


def test_no_table_is_usable(own, capsys):
    for path in own.glob("features/*/*/*.parquet"):
        content = bytearray(path.read_bytes())
        content[4:-8000] = bytes(len(content) - 8004)  # its notes are whole
        path.write_bytes(content)
    shutil.rmtree(own / "df_music.parquet")
    with raises(Problem.NO_USABLE_TABLE):
        dataframe_creation.main.__wrapped__(["--library", str(own)])


def test_songs_that_are_all_rejected(tmp_path):
    write_songs(tmp_path, [{"song": "A/x.mp3", "artist": "A", "status": "rejected", "reason": "no sound"}])
    with raises(Problem.NONE_USABLE):
        good_songs(tmp_path)


def test_a_disk_that_cannot_lock(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refused)
    with (
        raises(Problem.NO_LOCKS),
        library.locked(tmp_path),
    ):
        pass


def test_a_certificate_that_is_not_there(tmp_path):
    missing = str(tmp_path / "no.pem")
    names = ("ca-file", "client.cert", "client.key")
    with (
        dask.config.set({f"distributed.comm.tls.{name}": missing for name in names}),
        raises(Problem.BAD_CERTIFICATE),
    ):
        list(pool.run(printable, ["a"], label="Testing", workers=pool.Workers(scheduler="tls://127.0.0.1:1")))


def test_a_cluster_without_workers():
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        raises(Problem.NO_WORKERS),
    ):
        cluster.scheduler_address.startswith("tcp") or pytest.skip("no address of its own")
        list(pool.run(printable, ["a"], label="Testing", workers=pool.Workers(scheduler=cluster.scheduler_address)))


def test_the_only_song_of_a_library_has_no_other(tmp_path, capsys):
    write_library(tmp_path, made_up(artists=1, songs=1, clips=4))
    with raises(Problem.NO_OTHER_SONG):
        recommend.main.__wrapped__(["--library", str(tmp_path), "0.mp3"])


def test_a_frame_that_is_damaged_is_named(own, capsys):
    (own / "df_music.parquet/_songs.feather").write_bytes(b"PAR1 no more PAR1")
    with raises(Problem.FRAME_DAMAGED):
        recommend.main.__wrapped__(["--library", str(own), "Song 1"])
