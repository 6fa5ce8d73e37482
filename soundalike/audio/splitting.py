"""One song cut into whole two-second clips, with a record of what was learned about it."""

import contextlib
import json
import shutil
import warnings
from pathlib import Path

import numpy as np

from soundalike.audio.decoding import CLIP_SECONDS, SAMPLE_RATE, SILENCE_DBFS, Decoder, unreadable
from soundalike.library.catalogue import GOOD, read_record
from soundalike.library.errors import SongError, UserError, printable, typed
from soundalike.library.paths import RECORD, clip_folder, clip_paths
from soundalike.library.storage import atomic_write

with warnings.catch_warnings():  # pydub warns where no ffmpeg is on PATH; it is not asked to decode here
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

FASTEST, FASTEST_MP3 = 1_152_000, 40_000  # bytes a second: 192 kHz in 24 bits, uncompressed; 320 kbit/s

# A record made with other settings is out of date. Raise the version when the same song would get other clips or
# another status.
CLIP_SETTINGS = {"version": 2, "sample_rate": SAMPLE_RATE, "clip_seconds": CLIP_SECONDS, "silence_dbfs": SILENCE_DBFS}


def write_clip(folder: Path, number: int, samples: np.ndarray) -> None:
    """Write one clip as ``0000.wav`` and so on."""
    clip = AudioSegment(samples.tobytes(), sample_width=2, frame_rate=SAMPLE_RATE, channels=1)
    clip.export(folder / f"{number:04d}.wav", format="wav").close()


def split_song(song: str, *, songs: Path, root: Path, max_hours: float) -> dict:
    """Cut one song; its folder of clips appears whole or not at all. Returns its record."""
    source = size_and_time(songs / song)
    with atomic_write(clip_folder(root, song), room=root / "clips") as folder:
        folder.mkdir()
        decoder = Decoder(songs / song, max_hours)
        for number, samples in enumerate(decoder):
            write_clip(folder, number, samples)
        record = decoder.record | {"source": source, "settings": CLIP_SETTINGS}
        if record["status"] not in GOOD:
            for wav in folder.glob("*.wav"):
                wav.unlink()
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return record


def known_record(song: str, *, songs: Path, root: Path) -> dict | None:
    """Return the record of a song that need not be cut again, or None. Rejected songs are tried again."""
    record = read_record(root, song)
    if record is None or not record_is_current(record, songs / song) or record["status"] == "rejected":
        return None
    expected = record["clips"] if record["status"] in GOOD else 0
    return record if len(clip_paths(root, song)) == expected else None


def record_is_current(record: dict, path: Path) -> bool:
    """Whether a record is of the file as it is today, made with the settings of today."""
    with contextlib.suppress(SongError):  # the file is gone
        return record.get("settings") == CLIP_SETTINGS and record["source"] == size_and_time(path)
    return False


def size_and_time(path: Path) -> list[int]:
    """Size and time stamp of a file, which change when it does."""
    try:
        stat = path.stat()
    except OSError as error:
        raise unreadable(error) from None
    return [stat.st_size, stat.st_mtime_ns]


def check_space(pending: list[str], songs: Path, root: Path) -> None:
    """Refuse to begin what cannot be finished.

    Only sizes are looked at: to read thousands of headers takes long, and that of a hostile file hours.

    Raises
    ------
    UserError
        If the clips need more space than there is, even at the bit rates that fill a file fastest.
    """
    seconds = 0.0
    for song in pending:
        with contextlib.suppress(SongError):  # the file is gone: splitting says so
            size, _ = size_and_time(songs / song)
            seconds += size / (FASTEST_MP3 if song.lower().endswith(".mp3") else FASTEST)
    needed = seconds / CLIP_SECONDS * 90_112  # bytes: a clip of 88,244, in blocks of 4,096
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(
            f"The clips need {needed / 1e9:,.1f} GB or more, and {printable(root)} has {free / 1e9:,.1f} GB free. "
            f"Make room, or name a folder on another disk with {typed('library')}."
        )
