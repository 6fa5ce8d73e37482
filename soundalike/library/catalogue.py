"""The songs of a library: songs.csv, and the folder where they lie."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from soundalike.library.errors import UserError, printable
from soundalike.library.storage import atomic_write

if TYPE_CHECKING:  # worker processes do without it
    import pandas as pd

GOOD = ("ok", "damaged")  # the statuses of songs that are used

# The columns of songs.csv and the type each is read back as.
SONG_COLUMNS = {
    "song": str,
    "artist": str,
    "album": str,
    "title": str,
    "status": str,
    "reason": str,
    "seconds": float,
    "clips": int,
    "silent_clips": int,
    "dropped": float,
    "sample_rate": int,
    "channels": int,
    "bit_rate": int,
    "codec": str,
    "loudness": float,
    "cutoff_hz": int,
    "hash": str,
}
# File managers call a copy so: "Copy of Song", "Song - Copy", "Song copy 2", "Song (1)", "Kopie von Song".
NAMED_AS_COPY = (
    r"(?i)^(?:copy of|kopie von|copie de|copia de)\b|\b(?:copy|kopie|copie|copia)(?: ?\(?\d*\)?)?$| ?\(\d+\)$"
)


def record_of(notes: dict) -> dict:
    """Return the record of a song (see `decoding.Decoder`) in the notes of its clips or table; empty without one."""
    record = notes.get("record")
    return record if isinstance(record, dict) and set(SONG_COLUMNS) - {"song"} <= set(record) else {}


def keep_songs_folder(root: Path, songs: Path) -> None:
    """Note in songs.txt where the songs of this library lie."""
    with atomic_write(root / "songs.txt") as path:
        path.write_bytes(os.fsencode(songs))


def songs_folder(root: Path) -> Path:
    """Return the folder of this library's songs: the last that was named, else ``songs`` in the root."""
    try:
        return Path(os.fsdecode((root / "songs.txt").read_bytes()))
    except OSError:
        return root / "songs"


def write_songs(root: Path, rows: "list[dict] | pd.DataFrame") -> None:
    """Write songs.csv: one row for each song that was found, in order of path."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(SONG_COLUMNS)).sort_values("song", kind="stable")
    whole = [name for name, kind in SONG_COLUMNS.items() if kind is int]
    table[whole] = table[whole].astype("Int64")  # integers that may be missing
    with atomic_write(root / "songs.csv") as path:
        table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n", chunksize=1000)


def read_songs(root: Path) -> "pd.DataFrame":
    """Read songs.csv.

    Raises
    ------
    UserError
        If there is none, or another program has changed its form.
    """
    import pandas as pd

    path = root / "songs.csv"
    if not path.exists():
        raise UserError(f"There is no {printable(path)} yet. Run mp3_split.py first.")
    try:
        # No cell is taken for "missing": an artist may be called NA, None or 1975.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", lineterminator="\n")
        for name, kind in SONG_COLUMNS.items():
            if kind is not str:
                table[name] = pd.to_numeric(table[name])
        return table[list(SONG_COLUMNS)]
    except (KeyError, ValueError):  # of pandas, too
        raise UserError(
            f"{printable(path)} is not as mp3_split.py wrote it: did another program save it? Run mp3_split.py, which "
            "makes it again."
        ) from None


def reasons(table: "pd.DataFrame") -> dict[str, str]:
    """Return the status of each song with its reason, as `cli.print_left_out` prints them."""
    return dict(zip(table["song"], table["status"] + ": " + table["reason"], strict=True))


def preferred_first(copies: "pd.DataFrame") -> "pd.DataFrame":
    """Order rows of songs.csv that are one recording: the one to keep is first.

    The longer sound comes first, then a file that is not named as a copy, a tagged one, and one of a longer name.
    """
    stems = copies["song"].map(lambda song: Path(song).stem)
    order = copies.assign(
        shorter=-copies["clips"],
        copied=stems.str.contains(NAMED_AS_COPY),
        untagged=copies["title"] == stems,
        terser=-stems.str.len(),
    )
    return copies.loc[order.sort_values(["shorter", "copied", "untagged", "terser", "song"]).index]


def good_songs(root: Path) -> "pd.DataFrame":
    """Return the rows of songs.csv that are used.

    Raises
    ------
    UserError
        If there is no songs.csv, or no good song in it.
    """
    songs = read_songs(root)
    good = songs[songs["status"].isin(GOOD)].reset_index(drop=True)
    if good.empty:
        raise UserError(
            f"None of the {len(songs)} songs in {printable(root / 'songs.csv')} is usable; it says why. Fix them."
        )
    return good
