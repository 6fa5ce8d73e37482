"""Install one group of the project's packages, when it is first needed, behind one bar.

requirements.txt has a part for each group, requirements.lock the versions and hashes of all.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from soundalike import messages
from soundalike.library import PROJECT
from soundalike.messages import Notice, Problem, UserError

ROOM = PROJECT / ".venv"
LOCK = PROJECT / "requirements.lock"
NETWORKS = PROJECT / "requirements-networks.txt"
# What each is for, and its size in MB: to download, and on disk (measured on Linux).
GROUPS = {
    "answers": ("the three steps, answers and the map need", 643, 2390),
    "networks": ("three published networks have learned", 121, 125),
    "notebooks": ("the notebooks need", 55, 203),
    "cluster": ("a cluster needs", 3, 14),
    "tests": ("the tests need", 50, 146),
}


def need(group: str) -> None:
    """Install a group where that was not done yet; a Python that `make` did not set up is left alone.

    Raises
    ------
    UserError
        If it cannot be installed.
    """
    if Path(sys.prefix) != ROOM or (ROOM / group).exists():
        return
    purpose, download, _ = GROUPS[group]
    messages.note(Notice.INSTALLING, purpose=purpose, size=download)
    install(group)
    (ROOM / group).touch()


def install(group: str) -> None:
    """Install a group with uv, or with pip where uv cannot (pip has settings of its own: of a mirror, of a proxy)."""
    wanted = ["--no-deps", "-r", str(NETWORKS)] if group == "networks" else ["-r", "-", "-c", str(LOCK)]
    # Where Python is to write no bytecode (as in many containers), it is made now: else every worker would compile
    # TensorFlow and the like again.
    compiled = ["--compile-bytecode"] if sys.dont_write_bytecode else []
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, "--require-hashes"]
    with tempfile.TemporaryFile("w+") as text, tempfile.TemporaryFile("w+") as said:
        text.write(part(group))
        text.seek(0)
        with subprocess.Popen([*uv, *compiled, *wanted], stdin=text, stdout=said, stderr=said) as process:
            watch(process, group)
        if process.returncode == 0:
            return
        said.seek(0)
        messages.note(Notice.TRYING_PIP, error=said.read().strip()[-500:])
    everything = wanted if group == "networks" else ["-r", str(LOCK)]
    if subprocess.run(
        [sys.executable, "-m", "pip", "install", "--require-hashes", *everything], check=False
    ).returncode:
        raise UserError(Problem.NOT_INSTALLED, purpose=GROUPS[group][0])


def watch(process: subprocess.Popen, group: str) -> None:
    """Show how far an installation is: by how much less room its disk has, for uv unpacks while it downloads."""
    size = GROUPS[group][2]
    cache = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True).stdout.strip()
    disk = next(folder for folder in (Path(cache), *Path(cache).parents) if folder.exists())
    before, done = shutil.disk_usage(disk).free, 0
    with messages.progress(size, "Installing", "MB", stays=False) as bar:
        while process.poll() is None:
            time.sleep(0.2)
            now = min(size - 1, (before - shutil.disk_usage(disk).free) // 1_000_000)
            bar.update(max(0, now - done))
            done = max(now, done)


def part(group: str) -> str:
    """Return a group's part of requirements.txt."""
    parts = re.split(r"^# --- (\w+):.*$", (PROJECT / "requirements.txt").read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(group, "")
