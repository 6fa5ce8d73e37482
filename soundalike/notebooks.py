"""Notebooks executed on a library, and web pages of them."""

import atexit
import errno
import os
import re
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary

from soundalike.library import PROJECT, atomic_write, locked
from soundalike.messages import Problem, UserError, progress
from soundalike.pool import ctrl_c_remembered

# A page for reading: without code, which the notebook beside it holds, and without calls to the network.
WITHOUT_CODE = {"exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True}
PAGES = HTMLExporter(**WITHOUT_CODE, mathjax_url="", require_js_url="", jquery_url="")
FULL_OR_LOCKED = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)  # what a disk can be
NOTEBOOKS = ("visualizations", "modeling")
EXAMPLE = "example"  # the tag of cells that say what was seen in the 126 songs of README


def run_notebook(name: str, root: Path) -> None:
    """Execute a notebook on a library; the result and its web page go to the root's report folder."""
    with ctrl_c_remembered() as pressed:
        book = _executed(name, root, pressed)
    with locked(root, wait=True), atomic_write(root / "report" / f"{name}.ipynb") as path:
        path.write_text(nbformat.writes(book), encoding="utf-8")
    NotebookNotary().sign(book)  # made here a moment ago: Jupyter may show its players and live figures
    write_page(name, root)


def _executed(name: str, root: Path, pressed: list) -> nbformat.NotebookNode:
    """Execute a notebook until Ctrl-C is pressed, with a bar; return it with its output."""
    book = nbformat.read(PROJECT / f"{name}.ipynb", as_version=4)
    book.cells = [cell for cell in book.cells if EXAMPLE not in cell.metadata.get("tags", [])]
    client = NotebookClient(
        book,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(PROJECT)}},
        extra_arguments=["--log-level=ERROR"],  # else each start warns that loopback is not encrypted
    )
    os.environ["MUSIC_LIBRARY"] = str(root)  # for its process
    # In the main thread nbclient would answer Ctrl-C with a traceback.
    cells = sum(cell.cell_type == "code" for cell in book.cells)
    with ThreadPoolExecutor(1) as thread, progress(cells, name, "cells") as bar:
        client.on_cell_executed = lambda **_: bar.update()
        running = thread.submit(client.execute)
        try:
            while wait([running], timeout=0.5).not_done:
                if pressed:
                    raise KeyboardInterrupt
            running.result()
        except KeyboardInterrupt:
            _kill_kernel(client, running)
            raise
        except DeadKernelError:
            raise UserError(Problem.NO_MEMORY, name=name) from None
        except CellExecutionError as error:
            raise _users_to_fix(error, name) from None
        finally:  # where a kernel had not started, nbclient leaves this for the end of Python, to fail there
            atexit.unregister(client._cleanup_kernel)
    return book


def _users_to_fix(error: CellExecutionError, name: str) -> Exception:
    """Return what a user can do something about, in words; any other error as it is."""
    if error.ename == "UserError":
        return UserError(Problem.NOTEBOOK_FAILED, name=name, error=error.evalue)
    if error.ename in ("MemoryError", "TerminatedWorkerError"):
        return UserError(Problem.NO_MEMORY, name=name)
    os_error = re.match(r"\[Errno (\d+)\] ([^:]*)(?:: '([^']*)')?", error.evalue)
    if os_error and int(os_error[1]) in FULL_OR_LOCKED:
        return OSError(int(os_error[1]), os_error[2], os_error[3])  # `terminal.script` puts it in words
    return error


def write_page(name: str, root: Path) -> None:
    """Make a web page of an executed notebook, as it stands in the root's report folder."""
    executed = root / "report" / f"{name}.ipynb"
    if not executed.exists():
        raise UserError(Problem.NO_REPORT, path=executed)
    book = nbformat.read(executed, as_version=4)
    lines = [line for cell in book.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    title = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), name)
    page, _ = PAGES.from_notebook_node(book, {"metadata": {"name": title}})  # what a browser calls the page
    with locked(root, wait=True), atomic_write(executed.with_suffix(".html")) as path:
        path.write_text(page, encoding="utf-8")


def _kill_kernel(client: NotebookClient, running: Future) -> None:
    """End the kernel of a notebook at once, however deep in a fit it is, with the processes it started."""
    kernel = None
    while kernel is None and not running.done():  # it may only be starting
        kernel = getattr(getattr(client.km, "provisioner", None), "pid", None)
        time.sleep(0.01)
    if kernel is None:
        return
    if os.name == "posix":
        os.killpg(kernel, signal.SIGKILL)  # each kernel leads a group of its own
    else:
        os.kill(kernel, signal.SIGTERM)
