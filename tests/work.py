"""Functions for worker processes of tests: in a module of their own, for each process imports it."""

import errno
import os
import threading
import time

from soundalike.messages import SongError
from soundalike.pool import ONE_THREAD


def double(song: str) -> str:
    if song == "bad":
        raise SongError("it is bad")
    if song == "disk":
        raise TimeoutError(errno.ETIMEDOUT, "the disk does not answer")
    if song == "bug":
        raise ZeroDivisionError
    if song == "deadly":
        os._exit(1)
    if song == "endless":
        time.sleep(60)
    return song * 2


def slowly(song: str) -> str:
    time.sleep(0.1)
    return song * 2


def leave(song: str) -> str:
    """Its worker ends a moment later, with no song at work."""
    if song == "leave":
        threading.Timer(0.2, os._exit, (1,)).start()
    return song * 2


def own_process(song: str) -> int:
    time.sleep(0.1)
    return os.getpid()


def thread_limits(song: str) -> dict:
    return {name: os.environ.get(name) for name in ONE_THREAD}
