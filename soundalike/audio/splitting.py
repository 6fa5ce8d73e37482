"""One song cut into whole two-second clips, with what was learned about it; and these clips read again."""

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from soundalike.audio.decoding import CLIP_SAMPLES, CLIP_SECONDS, SAMPLE_RATE, Decoder, file_keys, is_of_file
from soundalike.library.catalogue import GOOD, record_of
from soundalike.library.errors import SongError, UserError, printable, typed
from soundalike.library.paths import NOTES, clip_folder, clip_paths
from soundalike.library.storage import atomic_write, read_notes

with warnings.catch_warnings():  # pydub warns where no ffmpeg is on PATH; it is not asked to decode here
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

FASTEST, FASTEST_MP3 = 1_152_000, 40_000  # bytes a second: 192 kHz in 24 bits, uncompressed; 320 kbit/s


class Clips:
    """A song as it was cut: iterate over its clips; like `decoding.Decoder`, with a record.

    Parameters
    ----------
    song : str
        The song.
    root : Path
        Of the library.

    Raises
    ------
    SongError
        If it was not cut, or clips of it are missing.
    """

    def __init__(self, song: str, root: Path) -> None:
        notes = read_notes(clip_folder(root, song))
        self.record, self.keys = record_of(notes), notes.get("made_from", {})  # the keys are those of its file
        self.paths = clip_paths(root, song)
        if not self.record:
            raise SongError("it was not cut by this version of the program; run mp3_split.py again")
        if len(self.paths) != self.record["clips"]:
            raise SongError(f"only {len(self.paths)} of its clips are left; run mp3_split.py again")

    def __iter__(self) -> Iterator[np.ndarray]:
        """Read the clips [shape=(CLIP_SAMPLES,), dtype=int16].

        Raises
        ------
        SongError
            If a file is no clip of the right rate, channels and length.
        """
        yield from map(read_clip, self.paths)


def read_clip(path: Path) -> np.ndarray:
    """Read one clip, see `Clips`."""
    problem = ""
    try:
        samples, rate = soundfile.read(path, dtype="int16")
        if rate != SAMPLE_RATE or samples.shape != (CLIP_SAMPLES,):
            problem = f"has {rate} Hz and shape {samples.shape}, not {SAMPLE_RATE} Hz and ({CLIP_SAMPLES},)"
    except (OSError, soundfile.SoundFileError) as error:
        problem = f"cannot be read ({error})"
    if problem:
        raise SongError(f"clip {path.name} {problem}; delete {printable(path.parent)} and run mp3_split.py again")
    return samples


def write_clip(folder: Path, number: int, samples: np.ndarray) -> None:
    """Write one clip as ``0000.wav`` and so on."""
    clip = AudioSegment(samples.tobytes(), sample_width=2, frame_rate=SAMPLE_RATE, channels=1)
    clip.export(folder / f"{number:04d}.wav", format="wav").close()


def split_song(song: str, *, songs: Path, root: Path, max_hours: float) -> dict:
    """Cut one song; its folder of clips appears whole or not at all. Returns its record."""
    file, target = songs / song, clip_folder(root, song)
    keys = file_keys(file)
    if record := known_record(song, songs=songs, root=root, part="content"):  # the file was only touched or moved
        with atomic_write(target / NOTES, room=root / "clips") as path:
            _write_notes(path, keys, record)
        return record
    with atomic_write(target, room=root / "clips") as folder:
        folder.mkdir()
        decoder = Decoder(file, max_hours)
        for number, samples in enumerate(decoder):
            write_clip(folder, number, samples)
        if decoder.record["status"] not in GOOD:
            for wav in folder.glob("*.wav"):
                wav.unlink()
        _write_notes(folder / NOTES, keys, decoder.record)
    return decoder.record


def _write_notes(path: Path, keys: dict[str, str], record: dict) -> None:
    path.write_text(json.dumps({"made_from": keys, "record": record}, indent=1), encoding="utf-8")


def known_record(song: str, *, songs: Path, root: Path, part: str = "state") -> dict | None:
    """Return the record of a song that need not be cut again, or None. Rejected songs are tried again.

    Parameters
    ----------
    song, songs, root
        See `split_song`.
    part : {"state", "content"}
        See `decoding.is_of_file`.
    """
    notes = read_notes(clip_folder(root, song))
    record = record_of(notes)
    if not record or record["status"] == "rejected" or not is_of_file(notes, songs / song, part):
        return None
    expected = record["clips"] if record["status"] in GOOD else 0
    return record if len(clip_paths(root, song)) == expected else None


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
        with contextlib.suppress(OSError):  # the file is gone: splitting says so
            size = (songs / song).stat().st_size
            seconds += size / (FASTEST_MP3 if song.lower().endswith(".mp3") else FASTEST)
    needed = seconds / CLIP_SECONDS * 90_112  # bytes: a clip of 88,244, in blocks of 4,096
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(
            f"The clips need {needed / 1e9:,.1f} GB or more, and {printable(root)} has {free / 1e9:,.1f} GB free. "
            f"Make room, or name a folder on another disk with {typed('library')}."
        )
