import re
import sys
from itertools import pairwise

import pytest

from soundalike import packages
from soundalike.messages import Problem, UserError


def names_in(text):
    return re.findall(r"^([\w.-]+)==", text, flags=re.M)


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A Python that notes with what it is called, and whose uv and pip end as told: `python.uv`, `python.pip`."""

    class Python:
        calls = tmp_path / "calls"
        uv, pip = 0, 0

        def write(self):
            script = tmp_path / "python"
            script.write_text(
                f'#!/bin/sh\necho "$@" >> {self.calls}\n'
                f'case "$*" in "-m uv cache"*) echo {tmp_path};; "-m uv"*) cat >> {self.calls}; exit {self.uv};; '
                f"*) exit {self.pip};; esac\n"
            )
            script.chmod(0o755)
            return str(script)

    python = Python()
    monkeypatch.setattr(packages, "ROOM", tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", python.write())
    return python


def test_each_package_is_in_one_group_and_in_the_lock():
    groups = [set(names_in(packages.part(group))) for group in packages.GROUPS]
    assert [bool(group) for group in groups] == [name != "networks" for name in packages.GROUPS]
    assert all(one.isdisjoint(other) for one, other in pairwise(groups))
    every = (packages.PROJECT / "requirements.txt").read_text()
    assert set.union(*groups) == set(names_in(every)) <= set(names_in(packages.LOCK.read_text()))


def test_a_group_is_installed_once(python, tmp_path):
    packages.need("cluster")
    calls = python.calls.read_text()
    assert "--require-hashes" in calls
    assert "distributed==" in calls
    assert "pytest==" not in calls
    packages.need("cluster")
    assert python.calls.read_text() == calls


def test_a_python_of_the_users_own_is_left_alone(python, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "conda"))
    packages.need("tests")
    assert not python.calls.exists()


def test_where_uv_cannot_pip_installs_all(python):
    python.uv = 1
    python.write()
    packages.need("notebooks")
    assert python.calls.read_text().splitlines()[-1] == f"-m pip install --require-hashes -r {packages.LOCK}"
    assert (packages.ROOM / "notebooks").exists()


def test_what_cannot_be_installed_is_said_and_tried_again(python):
    python.uv = python.pip = 1
    python.write()
    with pytest.raises(UserError) as caught:
        packages.need("networks")
    assert caught.value.why is Problem.NOT_INSTALLED
    assert not (packages.ROOM / "networks").exists()
    python.uv = 0
    python.write()
    packages.need("networks")
    assert (packages.ROOM / "networks").exists()
