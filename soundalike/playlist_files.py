"""Playlist files, M3U and PLS: read as players write them, and written back with all that they held."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from soundalike.library import atomic_write
from soundalike.messages import Problem, UserError, printable

SUFFIXES = (".m3u", ".m3u8", ".pls")


class Entry(NamedTuple):
    """What a playlist says of a song."""

    file: str  # as the playlist names it
    label: str = ""  # artist and title
    seconds: float = -1
    lines: tuple[str, ...] = ()  # those above it in an M3U file; else label and seconds make one


class Playlist(NamedTuple):
    """A playlist, and how its file is written."""

    entries: list[Entry]
    encoding: str = "utf-8"
    end: str = "\n"  # of lines


def read_playlist(path: Path) -> Playlist:
    """Read a playlist in any of the usual encodings.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(Problem.FILE, path=path, error=error.strerror) from None
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb": "utf-8-sig"}
    encoding = marks.get(data[:2], "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:  # as programs on Windows write it
        encoding = "cp1252"
        text = data.decode(encoding, errors="surrogateescape")
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    entries = _of_pls(lines) if path.suffix.lower() == ".pls" else _of_m3u(lines)
    return Playlist(entries, encoding, "\r\n" if b"\r" in data else "\n")


def _of_m3u(lines: list[str]) -> list[Entry]:
    entries: list[Entry] = []
    above: list[str] = []
    for line in lines:
        if line.startswith("#"):
            above += [line] * (line.upper() != "#EXTM3U")
        else:
            entries.append(Entry(line, lines=tuple(above)))
            above = []
    return entries


def _of_pls(lines: list[str]) -> list[Entry]:
    found = [match.groups() for line in lines if (match := re.match(r"(?i)(file|title|length)(\d+)\s*=\s*(.*)", line))]
    values = {(name.lower(), int(number)): value for name, number, value in found}
    files = sorted((n, file) for (name, n), file in values.items() if name == "file")
    lengths = {n: re.match(r"\d+", value) for (name, n), value in values.items() if name == "length"}
    return [
        Entry(file, values.get(("title", n), ""), float(length[0]) if (length := lengths.get(n)) else -1.0)
        for n, file in files
    ]


def write_playlist(playlist: Playlist, path: Path) -> None:
    """Write a playlist: PLS where the file ends so, else extended M3U; in UTF-8 where its encoding lacks a letter."""
    lines = _pls_lines(playlist.entries) if path.suffix.lower() == ".pls" else _m3u_lines(playlist.entries)
    text = playlist.end.join([*lines, ""])
    try:
        data = text.encode(playlist.encoding, errors="surrogateescape")
    except UnicodeEncodeError:
        data = text.encode(errors="surrogateescape")
    with atomic_write(path) as target:
        target.write_bytes(data)


def _m3u_lines(entries: Iterable[Entry]) -> list[str]:
    lines = ["#EXTM3U"]
    for file, label, seconds, above in entries:
        made = [f"#EXTINF:{round(seconds)},{printable(label)}"] if label else []
        lines += [*(above or made), f"./{file}" if file.startswith("#") else file]
    return lines


def _pls_lines(entries: list[Entry]) -> list[str]:
    lines = ["[playlist]", f"NumberOfEntries={len(entries)}", "Version=2"]
    for n, (file, label, seconds, _) in enumerate(entries, start=1):
        lines += [f"File{n}={file}", f"Title{n}={printable(label)}", f"Length{n}={round(seconds)}"]
    return lines
