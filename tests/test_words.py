"""What people read: figures are measured ones, pages lead somewhere, and words are plain."""

import json
import re

import pytest
from scipy.stats import binomtest

from docs import words
from soundalike.library.paths import PROJECT

MARKDOWN = sorted(path for path in (*PROJECT.glob("*.md"), *PROJECT.glob("*/*.md")) if ".venv" not in path.parts)


def measured(name: str) -> dict:
    return json.loads((PROJECT / f"benchmarks/results/{name}.json").read_text())


def ends(share: float, count: int) -> str:
    """A 95% interval as README has it: Wilson's."""
    return (
        "–".join(f"{100 * end:.0f}" for end in binomtest(round(share * count), count).proportion_ci(method="wilson"))
        + "%"
    )


def test_the_figures_of_the_readme_are_those_of_the_benchmarks():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    figures = measured("shipped")
    models = {of["model"]: of for of in figures["models"]}
    answers = figures["answers"][0]
    known, others = answers["known"], answers["unknown"]
    kept, count, chance = models["kept model"], figures["songs"], f"{figures['chance']:.2f} |"
    of_songs, of_clips_apart, of_clips = (
        f"| {of['balanced_accuracy']:.2f} ({of['low']:.2f}–{of['high']:.2f}) | {chance}"
        for of in (kept["unseen songs"], kept["clips of unseen songs"], kept["random clips"])
    )
    more = [f"{of['unknown']['refused']:.0%}" for of in figures["answers"][1:]]
    rows = [
        f"| **{known['right']:.0%}** ({ends(known['right'], count)}) / {known['wrong']:.0%} / {known['unknown']:.0%} | "
        f"{figures['chance']:.0%} right |",
        f"| {others['refused']:.0%} ({ends(others['refused'], count)}); {' and '.join(more)} in two repeats |",
        of_songs,
        f"| {kept['unseen albums']['balanced_accuracy']:.2f} | {chance}",
        f"| balanced accuracy on single clips of unseen songs {of_clips_apart}",
        of_clips,
    ]
    words = [f"{word}: {answers[word]['right']} of {answers[word]['songs']} songs\n" for word in ("sure", "probably")]
    for row in rows + words:
        assert row in text
    table = text[text.index("## How good it is") : text.index("## Limits")]
    numbers = set(re.findall(r"\d+\.\d\d|\d+%", table)) - {"95%"}
    assert numbers <= set(re.findall(r"\d+\.\d\d|\d+%", " ".join(rows)))
    assert not re.findall(r"0\.\d\d|\d+%", text.replace(table, ""))  # in one place
    assert f"Measured on {count} free songs of game music by {figures['artists']} artists" in table


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


def test_what_we_do_not_write_is_found_where_it_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "PROJECT", tmp_path)
    page, code = tmp_path / "x.md", tmp_path / "x.py"
    page.write_text("A model recognises songs.\nIt is Told so, by lot.\n")
    code.write_text('"""Mend it."""\nrecipe = 1  # anew\nx = f"strangers {recipe}"\namend = untold = 2\n')
    assert list(words.found(page)) == [
        'x.md:2: "Told". Write: say, show, distinguish',
        'x.md:2: "by lot". Write: at random',
    ]
    assert [line.split(". Write")[0] for line in words.found(code)] == [
        'x.py:1: "Mend"',
        'x.py:2: "recipe"',
        'x.py:2: "anew"',
        'x.py:3: "strangers"',
    ] + (['x.py:3: "recipe"'] if len(words.TEXTS) == 3 else [])
    page.write_text("# What is this\nWhat is this?\nIt is. What follows is a statement.\n")
    assert list(words.found(page)) == ['x.md:3: "What". Open the sentence with its subject.']
    code.write_text('x = "easy listening"\n')
    monkeypatch.setattr(words, "QUOTED", {"x.py": "easy listening"})
    assert not list(words.found(code))
