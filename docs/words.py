"""For maintainers: find words that this project does not write, in prose and in names of code.

python docs/words.py    # prints each, with what to write instead; make check calls it

Prose is Markdown, the cells of notebooks, comments, docstrings and messages. CHANGELOG.md is left alone.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from soundalike.library.paths import PROJECT

PROSE = {  # a pattern, and what to write instead
    r"hears?|heard|hearing": "decode, recognise, play",
    r"listens?|listening|listened": "play, decode, accept connections",
    r"told|tells": "say, show, distinguish",
    r"judge[ds]?|judging": "predict, measure",
    r"dealt|deals?": "split, repeat",
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix",
    r"by lot": "at random",
    r"put aside": "held out",
    r"never heard": "unseen",
    r"strangers?": "unknown artists, others",
    r"of which|of whom|whereof|thereof": "a sentence of its own",
    r"whatever|whoever": "what, who, any",
    r"leaky": "random-clip split",
    r"the way of 2018": "random-clip split; as in 2018",
    r"kinship": "family correlation",
    r"goes by|hangs? on|gives? away": "uses, depends on, shows",
    r"guessing": "chance level, at random",
    r"doubled": "duplicate",
    r"knows": "holds, has",
}
OPENING = r"(?:^\W*|[.!]\W* )(What|Who|Which) [^?]*$"  # of a statement; questions and headings may open so
NAMES = {
    r"hear|heard|listen|listening|listener": "decode, decoder",
    r"told|judged?|dealt|deal": "said, predicted, split",
    r"Recipe|recipes?": "ModelSpec",
    r"strangers?": "unknown",
    r"kinship|separation|cooled|whole_file|leaky|LEAKY": "correlation, effect_size, temperature, atomic_write",
}
QUOTED = {  # what others called so, or the owner: a file, and words in its line
    "docs/ears.md": "How your music is heard",
    "soundalike/features/musicnn.py": "easy listening",
    "tests/test_voice.py": "EMBEDDING",
    "benchmarks/robust.py": "Embedding",
    "tests/test_stress_files.py": "You Will Know",
}
FILES = [
    *("*.md", "*/*.md", "*.ipynb", "Makefile", "requirements.txt"),
    *("*.py", "soundalike/**/*.py", "tests/*.py", "benchmarks/*.py", "docs/*.py"),
]
OTHERS = ("CHANGELOG.md", "docs/words.py", "tests/test_words.py")
TEXTS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}  # of 3.12 and later


def pieces(path: Path) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Yield the line, the text and the words to look for, of each piece of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in TEXTS:
                yield from ((token.start[0] + n, line, PROSE) for n, line in enumerate(token.string.splitlines()))
            elif token.type == tokenize.NAME:
                yield token.start[0], token.string, NAMES
    elif path.suffix == ".ipynb":
        for number, cell in enumerate(nbformat.reads(text, as_version=4).cells):
            yield from ((number, line, PROSE) for line in cell.source.splitlines())
    else:
        yield from ((number, line, PROSE) for number, line in enumerate(text.splitlines(), 1))


def found(path: Path) -> Iterator[str]:
    """Say where a file has such words."""
    name = path.relative_to(PROJECT).as_posix()
    for line, text, words in pieces(path):
        for pattern, instead in words.items():
            match = re.search(rf"(?<!\w)({pattern})(?!\w)", text, re.IGNORECASE if words is PROSE else 0)
            if match and QUOTED.get(name, "\n") not in text:
                yield f'{name}:{line}: "{match[0]}". Write: {instead}'
        heading = path.suffix != ".py" and text.startswith("#")
        opening = re.search(OPENING, text) if words is PROSE and not heading else None
        if opening:
            yield f'{name}:{line}: "{opening[1]}". Open the sentence with its subject.'


def main() -> int:
    """Look through all files of the project; returns the exit status."""
    paths = sorted({path for pattern in FILES for path in PROJECT.glob(pattern)} - {PROJECT / name for name in OTHERS})
    lines = [line for path in paths for line in found(path)]
    print(*lines, sep="\n", end="\n" * bool(lines))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
