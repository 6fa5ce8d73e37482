"""Benchmarks are run by hand: here they are only imported, so that a name that is gone is noticed."""

import importlib
import sys

import pytest

from soundalike.library import PROJECT


@pytest.mark.parametrize("name", sorted(path.stem for path in (PROJECT / "benchmarks").glob("*.py")))
def test_a_benchmark_can_be_imported(name, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(PROJECT / "benchmarks"), *sys.path])
    assert importlib.import_module(name).__doc__
