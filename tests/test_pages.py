"""What people read: figures are measured ones, pages lead somewhere."""

import importlib
import re
import sys

import pytest

from soundalike.library import PROJECT

MARKDOWN = sorted(path for path in (*PROJECT.glob("*.md"), *PROJECT.glob("*/*.md")) if ".venv" not in path.parts)


def test_the_figures_of_the_readme_are_those_of_the_benchmarks(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(PROJECT / "benchmarks"), *sys.path])
    page, shipped = map(importlib.import_module, ("page", "shipped"))
    text, kept = (PROJECT / "README.md").read_text(encoding="utf-8"), shipped.all_results()
    assert page.markdown([shipped.answer_row(figures) for figures in kept]) in text
    details = page.markdown([shipped.detail_row(figures) for figures in kept])
    assert details in (PROJECT / "benchmarks/README.md").read_text(encoding="utf-8")


def test_a_row_says_what_was_measured(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(PROJECT / "benchmarks"), *sys.path])
    shipped = importlib.import_module("shipped")
    known = {"right": 0.5, "wrong": 0.25, "either": 0.0, "unknown": 0.25}
    answers = [{"known": known, "unknown": {"refused": 0.8, "called_sure": 0.1}, "sure": {"right": 3, "songs": 4}}] * 3
    figures = {"title": "songs", "songs": 8, "artists": 2, "development": False, "answers": answers}
    figures |= {
        "by artist": {"unseen songs": {"A": 0.5, "B": 0.75}},
        "2018": {"songs held out": 0.3, "clips at random": 0.9},
    }
    assert list(shipped.answer_row(figures).values()) == [
        "8 songs, 2 artists", "**50%** / 25% / 0% / 25%", "9 of 12", "80% / 10%", "0.62 (0.00–1.00)", "0.30 (0.90)",
    ]  # fmt: skip
    assert "development set" in shipped.title(figures | {"development": True})


def test_the_readme_fits_a_few_screens():
    lines = (PROJECT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 160
    assert "make run SONGS=" in "\n".join(lines[:15])


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", text):
        link = "".join(target)
        assert link.startswith("http") or (page.parent / link).exists(), link
    for link, anchor in re.findall(r"\]\(([^)#]*\.md)#([^)]+)\)", text):
        headings = re.findall(r"^#+ (.+)$", (page.parent / link).read_text(encoding="utf-8"), flags=re.M)
        assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], anchor
