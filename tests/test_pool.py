import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import pandas as pd
import psutil
import pytest
from conftest import NO_NETWORKS, many, raises, tune, wait_until, write_song
from distributed import Client, Security
from work import double, leave, own_process, slowly, thread_limits

import dataframe_creation
import feature_extraction
import mp3_split
from soundalike import pool
from soundalike.messages import Problem, SongError, printable
from soundalike.pool import Workers


def run(songs: list[str], **options) -> dict:
    return dict(pool.run(double, songs, label="Testing", **options))


def test_all_songs_come_back_whatever_their_order():
    songs = [str(number) for number in range(20)]
    assert run(songs, workers=Workers(2)) == {song: song * 2 for song in songs}


def test_a_bad_song_does_not_stop_the_others():
    found = run(["a", "bad", "b"], workers=Workers(1))
    assert isinstance(found["bad"], SongError)
    assert (found["a"], found["b"]) == ("aa", "bb")


def workers() -> list[psutil.Process]:
    """Of a run that goes on: the processes that its songs are worked on in."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.parent() and "forkserver" in " ".join(child.parent().cmdline())
    ]


@pytest.mark.stress
def test_workers_that_are_killed_from_outside_lose_no_song(figure):
    draw, count, kills = random.Random(0), many(1, 20), 0
    songs = [str(number) for number in range(30)]
    for _ in range(count):
        found = {}
        for song, outcome in pool.run(slowly, songs, label="Testing", workers=Workers(2)):
            found[song] = outcome
            if len(found) in (5, 15):  # one of the two, in the middle of a song
                draw.choice(workers()).kill()
                kills += 1
        assert found == {song: song * 2 for song in songs}
    figure(f"workers killed: {kills} in {count} runs of {len(songs)} songs; each song came back")


def test_a_worker_that_is_killed_between_two_songs_loses_none():
    found = {}
    for song, outcome in pool.run(leave, ["leave", "a", "b", "c"], label="Testing", workers=Workers(1)):
        if not found:
            left = workers()
            wait_until(lambda left=left: not any(map(psutil.Process.is_running, left)))
            time.sleep(0.5)  # the pool looks for it five times a second
        found[song] = outcome
    assert found == {song: song * 2 for song in ("leave", "a", "b", "c")}


@pytest.mark.stress
def test_deadly_and_endless_songs_again_and_again(figure):
    draw, count = random.Random(0), many(1, 20)
    for _ in range(count):
        songs = [*map(str, range(4)), "deadly", "endless"]
        draw.shuffle(songs)
        found = run(songs, workers=Workers(2), limit=2)
        failed = {song for song, outcome in found.items() if isinstance(outcome, SongError)}
        assert (set(found), failed) == (set(songs), {"deadly", "endless"})
    figure(f"a song that kills its worker and one that hangs: {count} runs, each named both and did the others")


def test_a_song_done_in_time_does_not_end_the_next():
    found = dict(pool.run(own_process, [str(n) for n in range(40)], label="Testing", workers=Workers(1), limit=3))
    assert len(set(found.values())) == 1  # four seconds in one process, though no song may take more than three


def test_the_timeout_of_a_disk_is_not_the_songs():
    with pytest.raises(TimeoutError, match="the disk"):
        run(["a", "disk"], workers=Workers(1))


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run(["a", "bug"], workers=Workers(1))


@pytest.mark.parametrize("songs", [["a"], ["a", "b", "c"]])
def test_a_swallowed_ctrl_c_still_ends_the_run(songs):
    done = []
    with pytest.raises(KeyboardInterrupt):
        for song, _ in pool.run(double, songs, label="Testing", workers=Workers(1)):
            done.append(song)
            with contextlib.suppress(KeyboardInterrupt):  # as a library's clean-up may
                signal.raise_signal(signal.SIGINT)
    assert len(done) == 1


def test_no_songs_start_no_process():
    started = time.monotonic()
    assert run([], workers=Workers(scheduler="tcp://127.0.0.1:1")) == {}
    assert time.monotonic() - started < 1


class Cluster:
    """A scheduler and workers, each a process of its own, started in a folder where our modules do not lie."""

    def __init__(self, folder: Path, *shared: str) -> None:
        self.folder, self.processes = folder, []
        self.shared = [*shared, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        self.scheduler = self.start("scheduler", "--port", "0", "--scheduler-file", "scheduler.json")
        try:
            wait_until(self.is_up)
        except BaseException:
            self.lose(self.scheduler)
            raise

    def is_up(self) -> bool:
        """The file appears before it is written."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            self.address = json.loads((self.folder / "scheduler.json").read_text())["address"]
            return True
        return False

    def start(self, *arguments: str, environ: dict | None = None) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, *self.shared],
            cwd=self.folder,
            env=os.environ | (environ or {}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def join(self, **environ: str) -> subprocess.Popen:
        """One worker more."""
        return self.start("worker", self.address, "--nworkers", "1", "--nthreads", "1", environ=environ)

    def wait_for(self, count: int) -> None:
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    @staticmethod
    def lose(process: subprocess.Popen) -> None:
        """Without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            self.lose(process)


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as made:
        yield made


def test_a_cluster_gives_the_same_while_workers_leave_and_join(cluster, tmp_path, capsys):
    for number in range(16):
        write_song(tmp_path / f"songs/{'AB'[number % 2]}/{number}.wav", tune(number % 2, number, 8))
    first, second = cluster.join(), cluster.join()
    cluster.wait_for(2)
    here, there, tables = tmp_path / "here", tmp_path / "there", []

    def change_workers() -> None:
        wait_until(lambda: len(list(there.glob("features/?/*.parquet"))) > 2)
        cluster.lose(first)
        third = cluster.join()
        cluster.wait_for(2)
        cluster.lose(second)
        tables.extend(there.glob("features/?/*.parquet"))
        assert third.poll() is None

    changing = threading.Thread(target=change_workers)
    changing.start()
    songs, at = ["--songs", str(tmp_path / "songs")], ["--library", str(there), "--scheduler", cluster.address]
    assert feature_extraction.main([*at, "--from-songs", *songs, *NO_NETWORKS]) == 0
    changing.join()
    assert 2 < len(tables) < 16  # the third did the rest
    assert dataframe_creation.main(["--library", str(there)]) == 0
    assert feature_extraction.main(["--library", str(here), "--from-songs", *songs, *NO_NETWORKS]) == 0
    assert dataframe_creation.main(["--library", str(here)]) == 0
    assert (here / "songs.csv").read_bytes() == (there / "songs.csv").read_bytes()
    pd.testing.assert_frame_equal(*(pd.read_pickle(root / "df_music.pkl") for root in (here, there)), check_exact=True)
    assert mp3_split.main([*at, *songs]) == 0
    assert (here / "songs.csv").read_bytes() == (there / "songs.csv").read_bytes()
    assert len(list(there.glob("clips/?/*/*.wav"))) == 16 * 4
    assert "left out" not in capsys.readouterr().out


def test_a_worker_with_other_versions_is_refused(cluster, tmp_path):
    cluster.join()
    cluster.wait_for(1)
    (tmp_path / "other/scipy-0.1.dist-info").mkdir(parents=True)
    (tmp_path / "other/scipy-0.1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 0.1\n")
    done = []
    with raises(Problem.OTHER_VERSION):
        for song, _ in pool.run(printable, range(3000), label="Testing", workers=Workers(scheduler=cluster.address)):
            done.append(song)
            if len(done) == 1:  # it joins later
                cluster.join(PYTHONPATH=str(tmp_path / "other"))
    assert done


def test_every_version_is_known():
    assert {"python", "numpy", "tensorflow"} <= set(pool.versions())
    assert all(re.match(r"\d+\.\d+", version) for version in pool.versions().values())


def test_a_worker_that_does_not_see_this_folder_is_said(cluster, tmp_path, monkeypatch):
    cluster.join()
    cluster.wait_for(1)
    monkeypatch.setattr(pool, "PROJECT", tmp_path / "elsewhere")  # as on a machine without it
    with raises(Problem.CANNOT_IMPORT):
        list(pool.run(printable, ["a"], label="Testing", workers=Workers(scheduler=cluster.address)))


def test_a_cluster_of_another_dask_is_refused(cluster):
    cluster.join()
    cluster.wait_for(1)
    with Client(cluster.address, set_as_default=False) as client:
        known = client.get_versions()
    pool.check_cluster(known)
    known["scheduler"]["packages"]["distributed"] = "1.0"
    with raises(Problem.OTHER_VERSION):
        pool.check_cluster(known)


def test_a_scheduler_that_goes_away_is_said(cluster, monkeypatch):
    cluster.join()
    cluster.wait_for(1)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": 2}),
        raises(Problem.SCHEDULER_GONE),
    ):
        for _ in pool.run(printable, range(10**6), label="Testing", workers=Workers(scheduler=cluster.address)):
            cluster.lose(cluster.scheduler)


def test_a_cluster_on_a_network_with_a_certificate(tmp_path):
    """As docs/large-libraries.md has it."""
    made = Security.temporary()
    (tmp_path / "cert.pem").write_text(made.tls_ca_file)
    (tmp_path / "key.pem").write_text(made.tls_worker_key)
    shared = ["--protocol", "tls", "--tls-ca-file", "cert.pem", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]
    with Cluster(tmp_path, *shared) as cluster:
        cluster.join()
        with raises(Problem.NO_CERTIFICATE):
            run(["a"], workers=Workers(scheduler=cluster.address))
        files = {"ca-file": "cert.pem", "client.cert": "cert.pem", "client.key": "key.pem"}
        with dask.config.set({f"distributed.comm.tls.{key}": str(tmp_path / name) for key, name in files.items()}):
            cluster.wait_for(1)
            found = dict(pool.run(printable, ["a", "b\n"], label="Testing", workers=Workers(scheduler=cluster.address)))
        assert found == {"a": "a", "b\n": "b\\n"}


def test_the_bar_counts_what_is_left_out(capsys):
    run(["a", "bad", "b"], workers=Workers(1))
    assert "1 left out" in capsys.readouterr().err


def test_no_cluster_is_a_users_mistake(monkeypatch):
    monkeypatch.setattr(pool, "CLUSTER_LIMIT", 1)
    with raises(Problem.NO_SCHEDULER):
        run(["a"], workers=Workers(scheduler="tcp://127.0.0.1:1"))


def test_no_port_is_opened():
    for _ in pool.run(slowly, ["a", "b"], label="Testing", workers=Workers(2)):
        here = psutil.Process()
        connections = [
            connection
            for process in (here, *here.children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert not connections


def test_each_process_keeps_to_one_thread():
    ((_, found),) = pool.run(thread_limits, ["a"], label="Testing")
    assert found == pool.ONE_THREAD


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_must_be_a_number(jobs, capsys):

    with pytest.raises(SystemExit) as ended:
        mp3_split.main(["--jobs", jobs])
    assert ended.value.code == 2
    assert "not a whole number above zero" in capsys.readouterr().err
