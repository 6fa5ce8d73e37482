"""The table of each song on disk: one row per clip, and notes of what it was made from, by which it is known again."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from soundalike.features.table import FEATURE_SETTINGS
from soundalike.library.catalogue import parse_record
from soundalike.library.paths import table_path
from soundalike.library.storage import atomic_write, hash_of


def write_song_table(table: pa.Table, record: dict, song: str, root: Path) -> None:
    """Write a song's table, and in it what it was made from and how."""
    # Options that help with long columns make hundreds of short ones larger and slower.
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False}
    with (
        atomic_write(table_path(root, song), room=root / "features") as path,
        pq.ParquetWriter(path, table.schema, **plain) as writer,
    ):
        writer.write_table(table)
        writer.add_key_value_metadata({"made_by": origin(record["hash"]), "record": json.dumps(record)})


def origin(samples_hash: str) -> str:
    """Hash what a table is made from and how: the hash of a song's samples, and the settings."""
    return hash_of([samples_hash, FEATURE_SETTINGS])


def read_notes(path: Path) -> dict[str, str]:
    """Read the notes in a table; none if it is missing or damaged."""
    try:
        notes = pq.read_metadata(path).metadata or {}
        return {key.decode(): value.decode() for key, value in notes.items()}
    except (OSError, ValueError, pa.ArrowException):
        return {}


def noted_record(notes: dict[str, str]) -> dict | None:
    """Return the record of the song that a table describes."""
    return parse_record(notes.get("record", ""))


def is_up_to_date(notes: dict[str, str], samples_hash: str) -> bool:
    """Whether a table was made from these samples with the settings of today."""
    return notes.get("made_by") == origin(samples_hash)
