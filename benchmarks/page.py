"""Results of benchmarks: kept as JSON with what they were measured on, and shown in README.md here."""

import argparse
import datetime
import json
import math
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

from soundalike import terminal
from soundalike.pool import versions
from soundalike.training import commit

HERE = Path(__file__).resolve().parent
SETS = ("instrumental", "sung")  # of real_music.py and of sung_music.py


def keep(name: str, figures: dict, page: str) -> None:
    """Write results/NAME.json, and put a page made of it between the marks of that name in README.md.

    Parameters
    ----------
    name : str
        Of the benchmark.
    figures : dict
        The figures that were measured.
    page : str
        Markdown.
    """
    about = write(name, figures)
    measured = f"Measured {about['measured']} on {about['machine']}, commit {about['commit'][:7]}."
    put(HERE / "README.md", name, _joined(measured, page))


def _joined(measured: str, page: str) -> str:
    """Put what was measured before a page: before its first sentence, or its table."""
    between = "\n\n" if page.startswith("|") else " "
    return measured + between + page.strip() + "\n"


def write(name: str, figures: dict) -> dict:
    """Write results/NAME.json; returns what is said there of the measurement."""
    about = {
        "measured": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": versions(),
        "commit": commit(),
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(about | figures, indent=1) + "\n", encoding="utf-8")
    return about


def put(readme: Path, name: str, text: str) -> None:
    """Put some Markdown between the marks of a name in a page."""
    whole = readme.read_text(encoding="utf-8")
    if f"<!-- end of {name} -->" not in whole:
        raise SystemExit(f"{readme} has no marks for {name}.")
    made = f"<!-- {name} -->\n{text}"
    whole = re.sub(rf"<!-- {name} -->\n.*?(?=<!-- end of {name} -->)", lambda _: made, whole, flags=re.DOTALL)
    readme.write_text(whole, encoding="utf-8")


def show(name: str, figures: dict, page: str, *, kept: bool) -> int:
    """Print the page of a benchmark, and keep it if that was asked for; returns the exit status."""
    if kept:
        keep(name, figures, page)
    print(page)
    return terminal.ALL_GOOD


def run(
    name: str, description: str, measure: Callable[[Path], dict], table: Callable[[dict], str], argv: list[str] | None
) -> int:
    """Read the command line of a benchmark of a library, measure, and print the page, or keep it if asked to."""
    parser = terminal.parser(description)
    parser.add_argument("--keep", action="store_true", help="keep the results as those of README.md here")
    args = parser.parse_args(argv)
    figures = measure(args.library)
    return show(name, figures, table(figures), kept=args.keep)


def parser_of_set(description: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark that is measured on both development sets."""
    parser = terminal.parser(description)
    parser.add_argument("--keep", choices=SETS, help="keep the results as those of README.md here, of this set")
    return parser


def show_sets(name: str, kept: str | None, figures: dict, table: Callable[[dict[str, dict]], str]) -> int:
    """Print the table of a benchmark, or keep the figures of one set, and write that of all sets; see `show`."""
    if not kept:
        print(table({"here": figures}))
        return terminal.ALL_GOOD
    write(f"{name}-{kept}", figures)
    of = {one: HERE / "results" / f"{name}-{one}.json" for one in SETS}
    every = {one: json.loads(path.read_text(encoding="utf-8")) for one, path in of.items() if path.exists()}
    measured = "; ".join(
        f"{one} {figures['measured']}, commit {figures['commit'][:7]}" for one, figures in every.items()
    )
    put(HERE / "README.md", name, _joined(f"*Development sets.* Measured: {measured}.", table(every)))
    print(table(every))
    return terminal.ALL_GOOD


def markdown(rows: list[dict]) -> str:
    """Return a table in Markdown: one line for each row, the keys of the first as its head."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(row.get(key, "")) for key in head] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def signed(value: float, low: float, high: float) -> str:
    """``+0.05 (95% CI -0.01 to +0.11)``: a difference and its interval, if there is one."""
    value, low, high = (round(each, 2) + 0.0 for each in (value, low, high))  # no -0.00
    ends = "too few albums for an interval" if math.isnan(low) else f"95% CI {low:+.2f} to {high:+.2f}"
    return f"{value:+.2f} ({ends})"
