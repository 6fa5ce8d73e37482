"""Notebooks executed on a library, and web pages of them."""

import atexit
import errno
import os
import re
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary

from soundalike import cli
from soundalike.library.errors import UserError, printable
from soundalike.library.paths import PROJECT
from soundalike.library.storage import atomic_write, locked

# A page for reading: without code, which the notebook beside it holds, and without calls to the network.
WITHOUT_CODE = {"exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True}
PAGES = HTMLExporter(**WITHOUT_CODE, mathjax_url="", require_js_url="", jquery_url="")
FULL_OR_LOCKED = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)  # what a disk can be
NO_MEMORY = (
    "Most likely no memory was left: close other programs, and run the same command again; finished work is kept."
)
SILENT = 3  # s without a sign, after which the seconds are shown
NOTEBOOKS = ("visualizations", "modeling")
EXAMPLE = "example"  # the tag of cells that say what was seen in the 126 songs of README


def run_notebook(name: str, root: Path) -> None:
    """Execute a notebook on a library; the result and its web page go to the root's report folder."""
    os.environ["MUSIC_LIBRARY"] = str(root)
    with cli.ctrl_c_remembered() as pressed:
        book = _executed(name, root, pressed)
    with locked(root, wait=True), atomic_write(root / "report" / f"{name}.ipynb") as path:
        path.write_text(nbformat.writes(book), encoding="utf-8")
    NotebookNotary().sign(book)  # made here a moment ago: Jupyter may show its players and live figures
    write_page(name, root)


def _executed(name: str, root: Path, pressed: list) -> nbformat.NotebookNode:
    """Execute a notebook until Ctrl-C is pressed; return it with its output."""
    book = nbformat.read(PROJECT / f"{name}.ipynb", as_version=4)
    book.cells = [cell for cell in book.cells if EXAMPLE not in cell.metadata.get("tags", [])]
    place = {"metadata": {"path": str(PROJECT)}}
    client = _Client(
        book,
        timeout=None,
        kernel_name="python3",
        record_timing=False,
        resources=place,
        extra_arguments=["--log-level=ERROR"],  # else each start warns that loopback is not encrypted
    )
    client.on_cell_start, client.moved_at = client.tell_heading, time.monotonic()
    with ThreadPoolExecutor(1) as thread:  # in the main thread nbclient would answer Ctrl-C with a traceback
        running = thread.submit(client.execute)
        try:
            while wait([running], timeout=1).not_done:
                if pressed:
                    raise KeyboardInterrupt
                client.tick()
            running.result()
        except KeyboardInterrupt:
            _kill_kernel(client, running)
            raise
        except DeadKernelError:
            raise UserError(f"{name}.ipynb lost its process. {NO_MEMORY}") from None
        except CellExecutionError as error:
            raise _users_to_fix(error, name, root) from None
        finally:  # where a kernel had not started, nbclient leaves this for the end of Python, to fail there
            atexit.unregister(client._cleanup_kernel)
    return book


def _users_to_fix(error: CellExecutionError, name: str, root: Path) -> Exception:
    """Return what a user can do something about, in words; any other error as it is."""
    if error.ename == "UserError":
        earlier = " The model in it is of an earlier run." if (root / "model").exists() else ""
        return UserError(f"{name}.ipynb could not go on. {error.evalue}{earlier}")
    if error.ename in ("MemoryError", "TerminatedWorkerError"):
        return UserError(f"{name}.ipynb lost a process. {NO_MEMORY}")
    said = re.match(r"\[Errno (\d+)\] ([^:]*)(?:: '([^']*)')?", error.evalue)
    if said and int(said[1]) in FULL_OR_LOCKED:
        return OSError(int(said[1]), said[2], said[3])  # `cli.script` puts it in words
    return error


class _Client(NotebookClient):
    """Executes a notebook. A line that starts over is a bar: it is for the terminal, and not kept in the notebook."""

    shown_at = float("-inf")  # when a line of progress was last printed
    moved_at = 0.0  # when something was last shown
    ticking = False  # whether the seconds since then are shown

    def process_message(self, msg: dict, cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Show bars; leave all else to the client."""
        if msg["msg_type"] == "stream" and "\r" in msg["content"]["text"]:
            *lines, last = msg["content"]["text"].split("\n")
            stays = [line.rpartition("\r")[2] + "\n" for line in lines]
            if "\r" in last:
                self._show(last)
            else:
                stays.append(last)
            if not any(stays):
                return None
            msg["content"]["text"] = "".join(stays)
        return super().process_message(msg, cell, cell_index)

    def _show(self, text: str) -> None:
        """Show a bar; where no terminal does, as a line now and then."""
        line = text.rpartition("\r")[2].strip()
        self._move()
        if sys.stderr.isatty():
            print(text, end="", file=sys.stderr, flush=True)
        elif line and time.monotonic() > self.shown_at + cli.REPORT_EVERY:
            self.shown_at = time.monotonic()
            print(f"    {line}", file=sys.stderr, flush=True)

    def tell_heading(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        """Print the heading that the notebook has come to: some take minutes."""
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            self._move()
            print(f"  {cell.source.splitlines()[0].removeprefix('## ')}", flush=True)

    def tick(self) -> None:
        """Show how long it has been silent, on a terminal."""
        silent = time.monotonic() - self.moved_at
        if sys.stderr.isatty() and silent > SILENT:
            self.ticking = True
            print(f"\r    {silent:.0f} s", end="", file=sys.stderr, flush=True)

    def _move(self) -> None:
        """Wipe these seconds out, and count from now on."""
        if self.ticking:
            print("\r" + " " * 12 + "\r", end="", file=sys.stderr, flush=True)
        self.ticking, self.moved_at = False, time.monotonic()


def write_page(name: str, root: Path) -> None:
    """Make a web page of an executed notebook, as it stands in the root's report folder."""
    executed = root / "report" / f"{name}.ipynb"
    if not executed.exists():
        raise UserError(f"There is no {printable(executed)} yet. Run make run first.")
    book = nbformat.read(executed, as_version=4)
    lines = [line for cell in book.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    title = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), name)
    page, _ = PAGES.from_notebook_node(book, {"metadata": {"name": title}})  # what a browser calls the page
    with locked(root, wait=True), atomic_write(executed.with_suffix(".html")) as path:
        path.write_text(page, encoding="utf-8")


def write_pages(root: Path) -> None:
    """Make the web pages of all notebooks again, and say where they are."""
    for name in NOTEBOOKS:
        write_page(name, root)
    print(f"Look at {printable(root / 'report' / 'visualizations.html')} and modeling.html beside it.")


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
