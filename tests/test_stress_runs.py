"""Runs that are killed, out of disk, started twice, unplugged, and thousands of songs."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest
from conftest import NO_NETWORKS, many, noise, processed, run_scripts, wait_until, write_song

import dataframe_creation
import feature_extraction
import mp3_split
import recommend
from soundalike import audio
from soundalike.frame import _state, read_frame
from soundalike.library import NOTES, fresh, locked, read_notes, read_songs
from soundalike.similarity import index_inputs, load_index

pytestmark = [pytest.mark.stress, pytest.mark.skipif(sys.platform == "win32", reason="signals, mounts")]

HERE = Path(__file__).resolve().parent.parent
STEPS = [mp3_split, feature_extraction, dataframe_creation]
SCRIPTS = [*STEPS, recommend]  # which makes the index and the map
WRITES = {
    mp3_split: ["clips", "songs.csv"],
    feature_extraction: ["features"],
    dataframe_creation: ["df_music.parquet", "df_music.pkl"],
    recommend: ["similar", "report"],
}


def write_songs(songs: Path, numbers: range, seconds: float = 10) -> None:
    """Songs by two artists that are quickly made. Their files do not say how long they are."""
    for number in numbers:
        y = noise(seconds, audio.SAMPLE_RATE, seed=number)
        write_song(songs / f"{'AB'[number % 2]}/{number}.mp3", y, audio.SAMPLE_RATE)


def arguments(root: Path, script, jobs: int = 2) -> list[str]:
    if script is recommend:
        return ["--library", str(root), "--page"]
    songs = ["--songs", str(root.parent / "songs")] if script is mp3_split else many(NO_NETWORKS, [])
    workers = [] if script is dataframe_creation else ["--jobs", str(jobs)]
    return ["--library", str(root), *workers, *songs]


def start(script, root: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, HERE / f"{script.__name__}.py", *arguments(root, script), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def half_done(root: Path) -> bool:
    """Whether something is being made there. Unlike `Path.rglob`, a walk minds no folder that vanishes meanwhile."""
    return any(name.startswith(".unfinished-") for _, *names in os.walk(root) for name in itertools.chain(*names))


def check_whole(root: Path) -> None:
    """All that is there can be read, and what was being made is not there by half."""
    for path in (root / "features").glob("[AB]/*.parquet"):
        pq.read_table(path)
    if (root / "songs.csv").exists():
        read_songs(root)
    for page in root.glob("report/map.html"):
        assert page.read_text(encoding="utf-8").endswith("</html>\n")
    there = (root / "similar").exists() and (root / "df_music.parquet").exists()
    if there and fresh(read_notes(root / "similar"), *index_inputs(root)):  # it may be older than the frame
        load_index(root)
    noted = read_notes(root / "df_music.parquet")
    if noted and noted["pickle"] == _state(root):  # not killed between the two
        check_same(pd.read_pickle(root / "df_music.pkl"), read_frame(root))


def check_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Both are one frame; a pickle holds text of another type."""
    pd.testing.assert_frame_equal(one, other, check_dtype=False, check_column_type=False)


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    """A root through which the scripts went, of two songs."""
    root = tmp_path_factory.mktemp("old") / "root"
    write_songs(root.parent / "songs", range(2))
    for script in SCRIPTS:
        assert script.main(arguments(root, script)) == 0
    return root


LASTS = {}  # s that each script needs when nothing disturbs it


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The same of eight songs; nothing disturbed it."""
    root = tmp_path_factory.mktemp("whole") / "root"
    write_songs(root.parent / "songs", range(8))
    for script in SCRIPTS:
        started = time.monotonic()
        assert start(script, root).wait() == 0
        LASTS[script] = time.monotonic() - started
    return root


def before(script, old: Path, whole: Path, folder: Path) -> Path:
    """A root where a script is to do six songs more, with all songs beside it. The steps before it are done."""
    root = folder / "root"
    shutil.copytree(old, root, dirs_exist_ok=True)
    for name in (name for step in SCRIPTS[: SCRIPTS.index(script)] for name in WRITES[step]):
        if (whole / name).is_dir():
            shutil.copytree(whole / name, root / name, dirs_exist_ok=True)
        elif (whole / name).exists():
            shutil.copy2(whole / name, root)
    shutil.copytree(whole.parent / "songs", folder / "songs", dirs_exist_ok=True)
    return root


def check_finished(root: Path, whole: Path) -> None:
    """Run again, it comes to the same as undisturbed."""
    for script in SCRIPTS:
        assert script.main(arguments(root, script, jobs=1)) == 0
    assert files(root) == files(whole)
    check_same(pd.read_pickle(root / "df_music.pkl"), read_frame(whole))
    check_whole(root)


# --- killed ----------------------------------------------------------------------------------


def kill(process: subprocess.Popen, group: bool) -> None:
    """``kill -9`` a script, alone or with its workers. Nothing that it started goes on."""
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        _, alive = psutil.wait_procs(started, timeout=20)
        assert not alive


def test_killed_at_any_point_and_run_again(tmp_path, old, whole, figure):
    draw, killed, left, at = random.Random(0), 0, 0, Counter()
    runs, in_a_row = many(4, 40), many(1, 5)
    for number in range(runs):
        script = SCRIPTS[number % len(SCRIPTS)]
        root = before(script, old, whole, tmp_path / str(number))
        for _ in range(in_a_row):
            process = start(script, root)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0.1, 0.9) ** 2 * LASTS[script])  # describing is over soon
            patient = draw.random() < 0.9  # mostly in the middle of something
            while patient and process.poll() is None and not half_done(root):
                time.sleep(0.002)
            killed += process.poll() is None
            at[script.__name__] += process.poll() is None
            kill(process, group=draw.random() < 0.5)
            left += half_done(root)
            check_whole(root)
            if process.returncode == 0:  # nothing is left to be killed
                shutil.rmtree(root)
                before(script, old, whole, root.parent)
        check_finished(root, whole)
        shutil.rmtree(tmp_path / str(number))
    assert killed > runs * in_a_row / 3
    figure(
        f"kill -9: {killed} of {runs * in_a_row} starts were killed before their end, {left} with work half done; "
        f"all {runs} libraries came to the same frame when run again; at work were "
        + ", ".join(f"{name} {times}" for name, times in sorted((+at).items()))
    )


# --- out of disk -----------------------------------------------------------------------------


@contextlib.contextmanager
def disk(place: Path, size: int) -> Iterator[None]:
    """A small disk of its own, in memory."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def change(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def used(place: Path) -> int:
    return shutil.disk_usage(place).used


def need(script, root: Path, whole: Path) -> int:
    """How many bytes a script has still to write."""
    paths = [path for name in WRITES[script] for at in (root, whole) for path in (at / name, *(at / name).rglob("*"))]
    return sum(path.stat().st_size * (1 if whole in path.parents else -1) for path in paths if path.is_file())


def test_a_full_disk_loses_nothing(tmp_path, old, whole, capsys, figure):
    draw, count, stopped = random.Random(1), many(3, 50), Counter()
    for number in range(count):
        script, folder = SCRIPTS[number % len(SCRIPTS)], tmp_path / str(number)
        with disk(folder / "root", 10**9):
            root = before(script, old, whole, folder)
            change(root, f"size={used(root) + round(need(script, root, whole) * draw.uniform(0, 1.2))}")
            capsys.readouterr()
            status, said = script.main(arguments(root, script)), capsys.readouterr().err
            assert status in (0, 1)
            stopped[script.__name__] += status
            assert not status or "No space left on device" in said or "Make room" in said
            assert "Traceback" not in said
            assert not half_done(root)
            check_whole(root)
            frame = pd.read_pickle(root / "df_music.pkl")
            expected = whole if script is recommend or (script is dataframe_creation and not status) else old
            check_same(frame, read_frame(expected))
            change(root, f"size={10**9}")
            check_finished(root, whole)
    assert stopped.total()
    reported = ", ".join(f"{name} {times}" for name, times in sorted((+stopped).items()))
    room = count - stopped.total()
    figure(f"disk full: {count} runs; it stopped {reported}; {room} had room; nothing old was lost")


# --- twice at once ---------------------------------------------------------------------------


def test_a_second_run_is_refused(whole):
    with locked(whole):
        for script in STEPS:
            process = start(script, whole)
            assert "Another run is at work" in process.communicate(timeout=60)[1]
            assert process.returncode == 1


def test_two_runs_at_once(tmp_path, old, whole, figure):
    draw, count, refused = random.Random(2), many(1, 20), 0
    for number in range(count):
        script = STEPS[number % 3]
        root = before(script, old, whole, tmp_path / str(number))
        first = start(script, root)
        time.sleep(draw.uniform(0, 1.5))
        second = start(script, root)
        said = [process.communicate(timeout=120)[1] for process in (first, second)]
        statuses = [first.returncode, second.returncode]
        assert 0 in statuses
        for status, text in zip(statuses, said, strict=True):
            assert status == 0 or (status == 1 and "Another run is at work" in text)
        refused += sum(statuses)
        check_finished(root, whole)
    figure(f"two runs at once: {count} times; one was refused {refused} times; the result was whole")


# --- read-only, forbidden, unplugged ---------------------------------------------------------


def test_music_that_can_only_be_read(tmp_path):
    with disk(tmp_path / "songs", 10**8):
        write_songs(tmp_path / "songs", range(4))
        change(tmp_path / "songs", "ro")
        assert run_scripts(tmp_path / "root", "--songs", str(tmp_path / "songs")) == [0, 0, 0]


def test_a_root_that_cannot_be_written(tmp_path, whole, capsys):
    with disk(tmp_path / "root", 10**8):
        shutil.copytree(whole, tmp_path / "root", dirs_exist_ok=True)
        shutil.copytree(whole.parent / "songs", tmp_path / "songs")
        write_songs(tmp_path / "songs", range(8, 9))
        change(tmp_path / "root", "ro")
        for script in STEPS:
            assert script.main(arguments(tmp_path / "root", script)) == 1
            assert "library.lock: Read-only file system" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_a_root_without_permission(tmp_path, capsys):
    write_songs(tmp_path / "songs", range(2))
    (tmp_path / "root").mkdir(mode=0o500)
    assert mp3_split.main(arguments(tmp_path / "root", mp3_split)) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_music_unplugged_half_way(tmp_path, capsys):
    songs, root = tmp_path / "songs", tmp_path / "root"
    write_songs(songs, range(2))
    assert mp3_split.main(arguments(root, mp3_split)) == 0
    table = (root / "songs.csv").read_bytes()
    write_songs(songs, range(2, 16), seconds=30)

    def done() -> int:
        return len(list(root.glob(f"clips/[AB]/*/{NOTES}")))

    def unplug() -> None:
        wait_until(lambda: done() >= 4)
        songs.rename(tmp_path / "unplugged")

    puller = threading.Thread(target=unplug)
    puller.start()
    capsys.readouterr()
    assert mp3_split.main(arguments(root, mp3_split)) == 1
    puller.join()
    assert "was its disk unplugged?" in capsys.readouterr().err
    assert (root / "songs.csv").read_bytes() == table
    kept = done()
    assert 4 <= kept < 16
    (tmp_path / "unplugged").rename(songs)
    assert mp3_split.main(arguments(root, mp3_split)) == 0
    assert processed(capsys.readouterr().out) == 16 - kept


# --- many songs ------------------------------------------------------------------------------


class Memory:
    """The memory of a script and its workers, sampled while it runs (MB)."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.driver, self.workers = [], []
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                children = [child.memory_info().rss for child in parent.children(recursive=True)]
                self.driver.append(parent.memory_info().rss / 1e6)
                self.workers.append(max(children, default=0) / 1e6)
            time.sleep(0.2)

    @staticmethod
    def growth(samples: list[float]) -> tuple[float, float]:
        """The median of a run's third tenth, and of its ninth."""
        tenth = len(samples) // 10
        return float(np.median(samples[2 * tenth : 3 * tenth])), float(np.median(samples[8 * tenth : 9 * tenth]))


def test_memory_stays_flat_over_many_songs(tmp_path, figure):
    count, root = many(0, 5000), tmp_path / "root"
    if not count:
        pytest.skip("five thousand songs: only in make stress")
    for number in range(count):
        y = noise(2.2, audio.SAMPLE_RATE, seed=number)
        write_song(tmp_path / f"songs/Artist {number % 50}/{number}.mp3", y, audio.SAMPLE_RATE)
    # what networks need is loaded after the features, so they are measured apart
    runs = [(mp3_split, ()), (feature_extraction, NO_NETWORKS), (feature_extraction, ()), (dataframe_creation, ())]
    for script, more in runs:
        process = start(script, root, *more)
        threading.Thread(target=process.stderr.read, daemon=True).start()  # its bar
        memory = Memory(process)
        assert process.returncode == 0
        (early, late), (workers_early, workers_late) = map(memory.growth, (memory.driver, memory.workers))
        assert workers_late < workers_early + 50
        if script is dataframe_creation:  # the pickle holds all
            assert max(memory.driver) < 800
        else:
            assert late - early < 0.6 * count * 0.02  # MB: 20 kB a song
        figure(
            f"{' '.join([script.__name__, *more])}: {count:,} songs; driver {early:.0f} MB early, {late:.0f} MB late, "
            f"{max(memory.driver):.0f} MB at most; the largest worker {workers_early:.0f} and {workers_late:.0f} MB"
        )
    assert set(read_songs(root)["status"]) == {"ok"}
    assert len(read_songs(root)) == count
    assert len(pd.read_parquet(root / "df_music.parquet", columns=["song"])) == count
