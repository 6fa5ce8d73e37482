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
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from soundalike import cli
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import PROJECT

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


def run(
    function: Callable[[Any], Any],
    songs: list,
    *,
    label: str,
    jobs: int | None = None,
    scheduler: str | None = None,
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
    jobs : int, optional
        Worker processes on this machine; by default one per core.
    scheduler : str, optional
        The address of a Dask cluster to use instead.
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

    with cli.ctrl_c_remembered() as pressed, cli.bar(len(songs), label, "songs") as bar:
        if scheduler:
            outcomes = _on_cluster(function, songs, scheduler, limit)
        else:
            outcomes = _here(function, songs, min(jobs or cpu_count(), len(songs)), limit)
        bad = 0
        with contextlib.closing(outcomes):
            for song, outcome in outcomes:
                if pressed:
                    raise KeyboardInterrupt
                bad += is_bad(outcome)
                bar.set_postfix_str(f"{bad:,} left out" if bad else "", refresh=False)
                bar.update()
                yield song, outcome


def _named(function: Callable[[Any], Any], song: Any) -> Any:
    """Call the function; what is wrong with the song is its outcome."""
    try:
        return function(song)
    except SongError as error:
        return error
    except OSError as error:
        if error.errno not in NAME_ERRORS:
            raise
        return SongError(f"its name cannot be stored here: {error.strerror}; shorten or rename it")


# --- here ------------------------------------------------------------------------------------


def _here(function: Callable[[Any], Any], songs: list, jobs: int, limit: float) -> Generator[tuple[Any, Any]]:
    """Yield songs and outcomes, from processes that are started here."""
    again = []
    for song, outcome in _pooled(function, songs, jobs, limit):
        if _took_worker(outcome):
            again.append(song)
        else:
            yield song, outcome
    for song in again:
        ((_, outcome),) = _pooled(function, [song], 1, limit)
        if isinstance(outcome, TimeoutError):
            outcome = SongError(f"it took over {limit:,.0f} s, twice")
        elif isinstance(outcome, ProcessExpired):
            outcome = SongError("it stopped its worker process, twice: a crash, or no memory left (try --jobs 1)")
        yield song, outcome


def _took_worker(outcome: Any) -> bool:
    """Whether a song ended its worker, or was stopped with it. The timeout of a disk, which has a number, is none."""
    return isinstance(outcome, ProcessExpired) or (
        isinstance(outcome, TimeoutError) and not isinstance(outcome.errno, int)
    )


def _pooled(function: Callable[[Any], Any], songs: list, jobs: int, limit: float) -> Iterator[tuple[Any, Any]]:
    """Yield songs and outcomes: also the `ProcessExpired` or the `TimeoutError` of one that ended its worker."""
    done: queue.SimpleQueue = queue.SimpleQueue()
    waiting = iter(songs)
    running: dict[Any, Any] = {}
    with _one_thread(), ProcessPool(jobs, initializer=_end_with_parent, context=_context()) as pool:
        try:
            while True:
                for song in islice(waiting, 2 * jobs - len(running)):  # the next ones wait beside the workers
                    future = pool.schedule(_named, (function, song), timeout=limit)
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
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


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
            yield names.pop(future.key), _outcome(future, limit)


@contextlib.contextmanager
def _of_cluster(scheduler: str) -> "Iterator[Client]":
    """Yield a client of a running cluster, whose workers have been checked."""
    from dask.distributed import Client, Security
    from distributed.comm import get_address_host_port

    try:
        certified = Security().get_connection_args("client").get("ssl_context")
    except OSError as error:
        raise UserError(
            f"The certificate for {printable(scheduler)} cannot be read: {error}. See docs/large-libraries.md."
        ) from None
    if scheduler.startswith("tls://") and not certified:
        raise UserError(f"{printable(scheduler)} needs the certificate of its cluster, see docs/large-libraries.md.")
    try:
        get_address_host_port(scheduler, strict=True)
        with warnings.catch_warnings(action="ignore"):  # of versions, which are checked below
            client = Client(scheduler, timeout=CLUSTER_LIMIT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"No Dask scheduler answers at {printable(scheduler)}: {printable(error)}. Start it, or use none."
        ) from None
    with client:
        if not client.nthreads():
            raise UserError(f"The Dask scheduler at {printable(scheduler)} has no workers yet; start some.")
        _check_cluster(client.get_versions())
        # They see the same paths, so they can import what lies here; those that join later, too.
        here = str(PROJECT)
        client.run_on_scheduler(exec, f"import sys; sys.path.insert(0, {here!r})")
        client.register_plugin(_finder(here))
        try:
            for ask in (client.run_on_scheduler, client.run):
                ask(exec, "import soundalike.pool")
        except ImportError as error:
            raise _cannot_import(error) from None
        yield client


def _check_cluster(known: Any) -> None:
    """Refuse a cluster whose own packages are others than those here."""
    machines = {"the scheduler": known["scheduler"]} | known["workers"]
    for name in ("python", "distributed", "dask", "msgpack", "cloudpickle", "tornado", "numpy", "pandas"):
        here = known["client"]["packages"][name]
        for place, machine in machines.items():
            there = machine["packages"][name]
            if there != here:
                raise UserError(_differs(printable(place), name, there, here))


def _differs(place: str, name: str, there: str | None, here: str | None) -> str:
    """Return what is to be said of a worker with another version."""
    return (
        f"On {place}, {name} is {there}; here it is {here}. Other versions give other numbers. Install what "
        "requirements.lock names on all machines of the cluster, with the same Python."
    )


def _cannot_import(error: ImportError) -> UserError:
    """Return what is to be said of a worker that lacks a package, or this one."""
    return UserError(
        f"A machine of the cluster cannot run this: {error}. Install what requirements.lock names there, with the same "
        f"Python, and let it see {printable(PROJECT)} under the same path."
    )


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
            raise UserError(_differs(f"the worker on {socket.gethostname()}", name, there, wanted[name]))
    watchdog = threading.Timer(limit, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()
    try:
        return _named(function, song)
    except UserError as error:
        raise UserError(f"On {socket.gethostname()}: {error}") from None
    finally:
        watchdog.cancel()


def _outcome(future: "Future", limit: float) -> Any:
    """Return what a worker made of a song, or what is wrong with the song."""
    from dask.distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return SongError(
            "it stopped its worker process, more than once: a crash, no memory left (try --jobs 1), "
            f"or over {limit:,.0f} s"
        )
    except CancelledError:
        raise UserError(
            "The Dask scheduler is gone. Finished songs are kept; start it and run the same command again."
        ) from None
    except ImportError as error:
        raise _cannot_import(error) from None


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that shape the numbers."""
    names = ("numpy", "scipy", "numba", "librosa", "pandas", "scikit-learn", "tensorflow", "keras")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in names}
