"""What people read: figures are measured ones, pages lead somewhere."""

import json
import re

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from soundalike.library import PROJECT

MARKDOWN = sorted(path for path in (*PROJECT.glob("*.md"), *PROJECT.glob("*/*.md")) if ".venv" not in path.parts)


def measured(name: str) -> dict:
    return json.loads((PROJECT / f"benchmarks/results/{name}.json").read_text())


def readme_cells(figures: dict) -> dict[str, tuple[str, str]]:
    """The cells of README's table for one set of songs, by row: of these artists, and of others; from shipped.py."""
    answers, by_artist, songs = figures["answers"], figures["by artist"], figures["unseen songs"]

    def mean(kind: str, what: str) -> str:
        return f"{np.mean([one[kind][what] for one in answers]):.0%}"

    def apart(what: str, digits: str = "{:.0%}") -> str:
        values = np.array(list(by_artist[what].values()))
        found = ttest_1samp(values, 0).confidence_interval(0.95)
        return "–".join(digits.format(end) for end in np.clip(found, 0, 1))

    artists = np.mean(list(by_artist["named rightly"].values()))
    named = (by_artist[f"{kind} albums"].values() for kind in ("unseen", "known"))
    unseen, known = (" and ".join(map("{:.2f}".format, values)) for values in named)
    right = " / ".join([f"**{mean('known', 'right')}**", *(mean("known", of) for of in ("wrong", "either", "unknown"))])
    alone = " / ".join(f"{figures['ears'][ear]['balanced_accuracy']:.2f}" for ear in ("features", "musicnn", "voice"))
    held_out, at_random = (f"{figures['2018'][way]:.2f}" for way in ("songs held out", "clips at random"))
    return {
        'answers: right / wrong / "A or B" / "unknown artist?"': (right, ""),
        "right, every artist counting the same": (f"{artists:.0%}", apart("named rightly")),
        'songs by artists not in the library: "unknown artist?"': (
            mean("unknown", "refused"),
            apart("unknown artist called so"),
        ),
        "and called sure": (mean("unknown", "called_sure"), apart("unknown artist called sure")),
        "balanced accuracy on unseen songs": (
            f"{songs['balanced_accuracy']:.2f} ({songs['low']:.2f}–{songs['high']:.2f})",
            apart("unseen songs", "{:.2f}"),
        ),
        "by the features / music / voice network alone": (alone, ""),
        "on unseen albums of two artists (albums known)": (f"{unseen} ({known})", ""),
        "2018's nine features: clips of unseen songs": (held_out, ""),
        "the same, clips split at random as in 2018 (flatters)": (at_random, ""),
        "balanced accuracy at random": (f"{figures['chance']:.2f}", ""),
    }


def readme_rows(sets: list[dict]) -> list[str]:
    """The rows of README's table, two columns for each set of songs."""
    cells = [readme_cells(figures) for figures in sets]
    rows = [[name, *(cell for of in cells for cell in of[name])] for name in cells[0]]
    return [f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in rows]


def test_the_figures_of_the_readme_are_those_of_the_benchmarks():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    figures, sung = measured("shipped"), measured("shipped-sung")
    rows = readme_rows([figures, sung])
    for of in (figures, sung):
        sure = [one["sure"] for one in of["answers"]]
        rows.append(f"{sum(one['right'] for one in sure)} of {sum(one['songs'] for one in sure)}")
    for row in rows:
        assert row in text
    table = text[text.index("## How good it is") : text.index("## Limits")]
    numbers = set(re.findall(r"\d+\.\d\d|\d+%", table)) - {"95%"}
    assert numbers <= set(re.findall(r"\d+\.\d\d|\d+%", " ".join(rows)))
    first = figures["answers"][0]
    example = text[: text.index("## Your music")]  # with the whole of what is printed below an answer
    for word in ("sure", "probably"):
        assert f"{word}: {first[word]['right']} of {first[word]['songs']} songs\n" in example
    others = first["unknown"]
    called = round(others["called_sure"] * others["songs"])
    assert (
        f"{called} of {others['songs']} songs by your artists were called sure when the artist was left out." in example
    )
    assert f"Measured on {figures['songs']} free songs of game music by {figures['artists']} artists" in table
    assert f"and on {sung['songs']} songs with singers" in table


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
