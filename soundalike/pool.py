"""A function over songs: in worker processes here, or on a Dask cluster.

A song that fails is reported and the others go on, even if it takes its worker process with it. Of a
cluster, workers may leave and others join while it runs.
"""

import contextlib
import errno
import functools
import logging
import multiprocessing
import os
import platform
import queue
import signal
import socket
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures.process import BrokenProcessPool
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from pebble import ProcessExpired, ProcessPool

from soundalike import packages
from soundalike.library import PROJECT
from soundalike.messages import Problem, Reason, SongError, UserError, progress

if TYPE_CHECKING:  # Dask takes a second: each function that needs it imports it
    from dask.distributed import Client, Future, WorkerPlugin

SONG_LIMIT = 3600  # s one song may take before its worker process is stopped
CLUSTER_LIMIT = 10  # s in which a cluster must answer
LOOK_AGAIN = 2  # s after which workers are counted again

NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ)  # what file systems say to a name that they cannot hold

# One thread for each process: the songs are what runs in parallel.
ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    ),
    "1",
)


class Workers(NamedTuple):
    """Where a function is called for songs."""

    jobs: int | None = None  # worker processes on this machine; by default one per core
    scheduler: str | None = None  # the address of a Dask cluster to use instead


def run(
    function: Callable[[Any], Any],
    songs: list,
    *,
    label: str,
    workers: Workers = Workers(),
    limit: float = SONG_LIMIT,
    is_bad: Callable[[Any], bool] = lambda outcome: isinstance(outcome, SongError),
) -> Iterator[tuple[Any, Any]]:
    """Call a function for each song, in parallel, with a progress bar on stderr.

    Parameters
    ----------
    function : callable
        Takes a song. It raises `SongError` for what is wrong with that song; anything else it
        raises ends the run.
    songs : list
        The songs to do, or what else the function takes; with none, no process is started.
    label : str
        The label of the bar.
    workers : Workers
        Where.
    limit : float
        Seconds one song may take, positive. One that takes longer, or whose worker process ends, is tried once more
        when all others are done, alone; then it is left out.
    is_bad : callable
        Whether an outcome is one of those that the bar counts as left out.

    Yields
    ------
    song : Any
        In the order in which the songs finish.
    outcome : Any
        The result of ``function``, or the `SongError`.

    Raises
    ------
    UserError
        If the cluster cannot be reached, is lost, or has other versions than those here.
    """
    if not songs:
        return
    from joblib import cpu_count  # which, unlike os.cpu_count, minds the limits of containers

    with ctrl_c_remembered() as pressed, progress(len(songs), label, "songs") as bar:
        if workers.scheduler:
            outcomes = _on_cluster(function, songs, workers.scheduler, limit)
        else:
            outcomes = _here(function, songs, min(workers.jobs or cpu_count(), len(songs)), limit)
        bad = 0
        with contextlib.closing(outcomes):
            for song, outcome in outcomes:
                if pressed:
                    raise KeyboardInterrupt
                bad += is_bad(outcome)
                bar.set_postfix_str(f"{bad:,} left out" if bad else "", refresh=False)
                bar.update()
                yield song, outcome


@contextlib.contextmanager
def ctrl_c_remembered() -> Iterator[list]:
    """Yield a list that Ctrl-C fills: where Python or a library cleans up, KeyboardInterrupt would be swallowed.

    It is raised again at the end, if nothing else was.
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def remember(number: int, frame: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def attempt(function: Callable[[Any], Any], song: Any) -> Any:
    """Call the function; what is wrong with the song is its outcome."""
    try:
        return function(song)
    except SongError as error:
        return error
    except OSError as error:
        if error.errno not in NAME_ERRORS:
            raise
        return SongError(Reason.NAME_REFUSED, error=error.strerror)


# --- here ------------------------------------------------------------------------------------


def _here(function: Callable[[Any], Any], songs: list, jobs: int, limit: float) -> Generator[tuple[Any, Any]]:
    """Yield songs and outcomes, from processes that are started here."""
    waiting, again = deque(songs), []
    while before := len(waiting):
        for song, outcome in _pooled(function, waiting, jobs, limit):
            if isinstance(outcome, BrokenProcessPool):  # not by this song: a worker was killed between two songs
                waiting.append(song)
            elif _took_worker(outcome):
                again.append(song)
            else:
                yield song, outcome
        if len(waiting) == before:
            raise UserError(Problem.NO_WORKER)
    for song in again:
        ((_, outcome),) = _pooled(function, deque([song]), 1, limit)
        if isinstance(outcome, TimeoutError):
            outcome = SongError(Reason.TIMED_OUT, seconds=limit)
        elif isinstance(outcome, ProcessExpired | BrokenProcessPool):
            outcome = SongError(Reason.CRASHED)
        yield song, outcome


def _took_worker(outcome: Any) -> bool:
    """Whether a song ended its worker, or was stopped with it. The timeout of a disk, which has a number, is none."""
    return isinstance(outcome, ProcessExpired | BrokenProcessPool) or (
        isinstance(outcome, TimeoutError) and not isinstance(outcome.errno, int)
    )


def _pooled(function: Callable[[Any], Any], waiting: deque, jobs: int, limit: float) -> Iterator[tuple[Any, Any]]:
    """Take songs, and yield their outcomes: also `ProcessExpired` or `TimeoutError` of one that ended its worker.

    Songs are left waiting where the pool breaks; those under way then have a `BrokenProcessPool`.
    """
    done: queue.SimpleQueue = queue.SimpleQueue()
    running: dict[Any, Any] = {}
    with _one_thread(), ProcessPool(jobs, initializer=_end_with_parent, context=_context()) as pool:
        try:
            while True:
                while waiting and len(running) < 2 * jobs and pool.active:  # the next ones wait beside the workers
                    song = waiting.popleft()
                    future = pool.schedule(attempt, (function, song), timeout=limit)
                    running[future] = song
                    future.add_done_callback(done.put)
                if not running:
                    return
                future = done.get()
                error = future.exception()
                if error and not _took_worker(error):
                    raise error
                yield running.pop(future), error or future.result()
        finally:
            pool.stop()


def _context() -> multiprocessing.context.BaseContext:
    """Start workers from a process that has imported all, on Linux: it takes seconds, and they none."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["soundalike.song"])
    return context


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started meanwhile compute on one thread each."""
    before = dict(os.environ)
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _end_with_parent() -> None:
    """End this worker when the script is killed, which then cannot end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # it is a worker

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# --- on a cluster ----------------------------------------------------------------------------


def _on_cluster(
    function: Callable[[Any], Any], songs: list, scheduler: str, limit: float
) -> Generator[tuple[Any, Any]]:
    """Yield songs and outcomes, from the workers of a cluster."""
    from dask.distributed import as_completed

    for name in ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # failures come back as outcomes
    with _of_cluster(scheduler) as client:
        waiting, running = iter(songs), as_completed(loop=client.loop)
        names: dict[Any, str] = {}
        threads, looked = 1, float("-inf")
        while True:
            if time.monotonic() > looked + LOOK_AGAIN:
                threads, looked = max(1, sum(client.nthreads().values())), time.monotonic()
            # As many songs under way as there are threads: what waits in a worker's own queue would be
            # counted as guilty when another song takes that worker down.
            for song in islice(waiting, max(0, threads - len(names))):
                future = client.submit(_watched, function, song, limit, versions(), pure=False)
                names[future.key] = song
                running.add(future)
            if not names:
                return
            future = next(running)
            yield names.pop(future.key), _outcome(future)


@contextlib.contextmanager
def _of_cluster(scheduler: str) -> "Iterator[Client]":
    """Yield a client of a running cluster, whose workers have been checked."""
    packages.need("cluster")
    from dask.distributed import Client, Security
    from distributed.comm import get_address_host_port

    try:
        certified = Security().get_connection_args("client").get("ssl_context")
    except OSError as error:
        raise UserError(Problem.BAD_CERTIFICATE, scheduler=scheduler, error=str(error)) from None
    if scheduler.startswith("tls://") and not certified:
        raise UserError(Problem.NO_CERTIFICATE, scheduler=scheduler)
    try:
        get_address_host_port(scheduler, strict=True)
        with warnings.catch_warnings(action="ignore"):  # of versions, which are checked below
            client = Client(scheduler, timeout=CLUSTER_LIMIT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(Problem.NO_SCHEDULER, scheduler=scheduler, error=str(error)) from None
    with client:
        if not client.nthreads():
            raise UserError(Problem.NO_WORKERS, scheduler=scheduler)
        check_cluster(client.get_versions())
        # They see the same paths, so they can import what lies here; those that join later, too.
        here = str(PROJECT)
        client.run_on_scheduler(exec, f"import sys; sys.path.insert(0, {here!r})")
        client.register_plugin(_finder(here))
        try:
            for ask in (client.run_on_scheduler, client.run):
                ask(exec, "import soundalike.pool")
        except ImportError as error:
            raise UserError(Problem.CANNOT_IMPORT, error=str(error), project=PROJECT) from None
        yield client


def check_cluster(known: Any) -> None:
    """Refuse a cluster whose own packages are others than those here."""
    machines = {"the scheduler": known["scheduler"]} | known["workers"]
    for name in ("python", "distributed", "dask", "msgpack", "cloudpickle", "tornado", "numpy", "pandas"):
        here = known["client"]["packages"][name]
        for place, machine in machines.items():
            there = machine["packages"][name]
            if there != here:
                raise UserError(Problem.OTHER_VERSION, place=place, package=name, there=there, here=here)


def _finder(folder: str) -> "WorkerPlugin":
    """Has workers import what lies in a folder. It travels as a whole: they could not import it before."""
    from dask.distributed import WorkerPlugin

    class FindModules(WorkerPlugin):
        name = "find modules"

        def setup(self, worker: object) -> None:
            import sys

            if folder not in sys.path:
                sys.path.insert(0, folder)

    return FindModules()


def _watched(function: Callable[[Any], Any], song: Any, limit: float, wanted: dict[str, str]) -> Any:
    """Call the function; when it takes too long, end the whole process, which nothing can hang."""
    for name, there in versions().items():
        if there != wanted[name]:
            place = f"the worker on {socket.gethostname()}"
            raise UserError(Problem.OTHER_VERSION, place=place, package=name, there=there, here=wanted[name])
    watchdog = threading.Timer(limit, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    try:
        return attempt(function, song)
    except UserError as error:
        raise UserError(Problem.ON_WORKER, place=socket.gethostname(), error=error) from None
    finally:
        watchdog.cancel()


def _outcome(future: "Future") -> Any:
    """Return what a worker made of a song, or what is wrong with the song."""
    from dask.distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return SongError(Reason.CRASHED)
    except CancelledError:
        raise UserError(Problem.SCHEDULER_GONE) from None
    except ImportError as error:
        raise UserError(Problem.CANNOT_IMPORT, error=str(error), project=PROJECT) from None


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that shape the numbers."""
    names = ("numpy", "scipy", "numba", "pandas", "scikit-learn", "keras")
    try:
        tensorflow = metadata.version("tensorflow")
    except metadata.PackageNotFoundError:
        tensorflow = metadata.version("tensorflow-cpu")  # the same without CUDA
    found = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), **found, "tensorflow": tensorflow}
