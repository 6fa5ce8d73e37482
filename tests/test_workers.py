import contextlib
import os
import signal
import time

import psutil
import pytest
from dask.distributed import LocalCluster

import library
import workers


def double(song: str) -> str:
    if song == "bad":
        raise library.SongError("it is bad")
    if song == "bug":
        raise ZeroDivisionError
    if song == "deadly":
        os._exit(1)
    if song == "endless":
        time.sleep(60)
    return song * 2


def run(songs: list[str], **options) -> dict:
    return dict(workers.run(double, songs, label="Testing", **options))


def test_all_songs_come_back_whatever_their_order():
    songs = [str(number) for number in range(20)]
    assert run(songs, jobs=2) == {song: song * 2 for song in songs}


def test_a_bad_song_does_not_stop_the_others():
    found = run(["a", "bad", "b"], jobs=1)
    assert isinstance(found["bad"], library.SongError)
    assert (found["a"], found["b"]) == ("aa", "bb")


def test_a_song_that_kills_its_worker_is_named_and_the_others_go_on():
    songs = ["deadly", *(str(number) for number in range(8))]
    found = run(songs, jobs=2)
    assert set(found) == set(songs)
    assert "stopped its worker process" in str(found.pop("deadly"))
    assert all(found[song] == song * 2 for song in found)


def test_a_song_that_hangs_is_ended():
    found = run(["endless", "a"], jobs=2, limit=1)
    assert isinstance(found["endless"], library.SongError)
    assert found["a"] == "aa"


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run(["a", "bug"], jobs=1)


@pytest.mark.parametrize("songs", [["a"], ["a", "b", "c"]])
def test_a_swallowed_ctrl_c_still_ends_the_run(songs):
    heard = []
    with pytest.raises(KeyboardInterrupt):
        for song, _ in workers.run(double, songs, label="Testing", jobs=1):
            heard.append(song)
            with contextlib.suppress(KeyboardInterrupt):  # as a library's clean-up may
                signal.raise_signal(signal.SIGINT)
    assert len(heard) == 1


def test_no_songs_start_no_process():
    started = time.monotonic()
    assert run([], scheduler="tcp://127.0.0.1:1") == {}
    assert time.monotonic() - started < 1


def test_a_cluster_gives_the_same():
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        assert run(["a", "b", "c"], scheduler=cluster.scheduler_address) == {"a": "aa", "b": "bb", "c": "cc"}


def test_no_cluster_is_a_users_mistake():
    with pytest.raises(library.UserError, match="No Dask scheduler answers at tcp"):
        run(["a"], scheduler="tcp://127.0.0.1:1")


def test_it_listens_on_loopback_only():
    with workers._client(2, None) as client:
        assert client.run(os.getpid)  # both workers are up
        here = psutil.Process()
        listening = [
            connection.laddr.ip
            for process in (here, *here.children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    assert set(listening) == {"127.0.0.1"}


def threads(song: str) -> dict:
    return {name: os.environ.get(name) for name in workers.ONE_THREAD}


def test_each_process_keeps_to_one_thread():
    ((_, found),) = workers.run(threads, ["a"], label="Testing")
    assert found == workers.ONE_THREAD


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_must_be_a_number(jobs, capsys):
    import mp3_split

    with pytest.raises(SystemExit) as ended:
        mp3_split.main(["--jobs", jobs])
    assert ended.value.code == 2
    assert "not a whole number above zero" in capsys.readouterr().err
