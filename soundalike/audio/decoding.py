"""One song as it sounds: what its file says of itself, its samples clip by clip, and what is wrong with it."""

import contextlib
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unicodedata
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import mutagen
import numpy as np

from soundalike import cli
from soundalike.library.errors import SongError, printable
from soundalike.library.paths import DEMUXERS, unsupported
from soundalike.library.storage import digest_of, fresh, made_from, state_of

SAMPLE_RATE = 22_050  # Hz
FULL_SCALE = 32_768  # what the samples of a clip are divided by, to lie between -1 and 1
CLIP_SECONDS = 2
CLIP_SAMPLES = CLIP_SECONDS * SAMPLE_RATE
SILENCE_DBFS = -60  # a clip whose RMS is below this is silent
SPECTRUM_EVERY = 4  # clips that are not silent: enough to see how high a recording reaches
CUTOFF_DB = 60  # dB
DECODE_LIMIT = 900  # s; an hour of MP3 takes about ten
QUIET = ("-v", "error", "-nostdin")  # ffmpeg says what is wrong, and asks nothing
# By what records (and clips) are made. Raise the version when a song would get another record, or other samples.
MADE_BY = {"version": 3, "sample_rate": SAMPLE_RATE, "clip_seconds": CLIP_SECONDS, "silence_dbfs": SILENCE_DBFS}
FILE_PARTS = {"state": state_of, "content": digest_of}  # the keys of a target's file
ENOUGH = 0.9  # the part of its announced length that must decode for a song to be used


@functools.cache
def ffmpeg() -> str:
    """Return the ffmpeg on PATH, else the one that imageio-ffmpeg brings."""
    found = shutil.which("ffmpeg")
    if not found:
        import imageio_ffmpeg

        found = imageio_ffmpeg.get_ffmpeg_exe()
    return found


def is_silent(clips: np.ndarray) -> np.ndarray:
    """Whether clips are silent.

    Parameters
    ----------
    clips : np.ndarray [shape=(..., samples)]
        Samples between -1 and 1.

    Returns
    -------
    np.ndarray of bool [shape=(...,)]
        True where the RMS lies below `SILENCE_DBFS`.
    """
    return np.sqrt(np.mean(np.square(clips, dtype=np.float64), axis=-1)) < 10 ** (SILENCE_DBFS / 20)


def resample(y: np.ndarray, rate: int) -> np.ndarray:
    """Resample clips or windows [shape=(several, samples), dtype=float32] from `SAMPLE_RATE` to another rate."""
    import soxr  # librosa.resample does the same, and takes three seconds to begin

    return soxr.resample(y.T, SAMPLE_RATE, rate, quality="HQ").T


def read_header(path: Path) -> dict:
    """Return what a file says of itself: tags, rates, codec, and the length it announces.

    Returns
    -------
    dict
        ``artist``, ``album``, ``title`` (str, may be empty), ``sample_rate`` (Hz), ``channels``,
        ``bit_rate`` (bit/s), ``codec``, and ``announced``: seconds, or None where the header
        does not say or only guesses from the size of the file.
    """
    try:
        file = mutagen.File(path)
    except Exception:  # mutagen's parsers raise all sorts on damaged files, and the header is only a help
        file = None
    info = getattr(file, "info", None)
    kind = type(file).__name__
    return {
        "artist": _tag(file, "TPE1", "artist", "\xa9ART"),
        "album": _tag(file, "TALB", "album", "\xa9alb"),
        "title": _tag(file, "TIT2", "title", "\xa9nam"),
        "sample_rate": int(getattr(info, "sample_rate", 0)) or (48_000 if "Opus" in kind else None),
        "channels": int(getattr(info, "channels", 0)) or None,
        "bit_rate": int(getattr(info, "bitrate", 0)) or None,
        "codec": str(getattr(info, "codec", "") or kind) if file is not None else "",
        "announced": _announced(info, kind),
    }


def _announced(info: Any, kind: str) -> float | None:
    """Return the length in seconds that a header states, or None where mutagen only guesses it."""
    seconds, rate = float(getattr(info, "length", 0)), getattr(info, "bitrate", 0)
    guessed = (
        not seconds
        or kind == "AAC"  # no header: extrapolated from the first frames
        or "UNKNOWN" in str(getattr(info, "bitrate_mode", ""))  # MP3 without a Xing header: from the size
        or (kind == "WAVE" and seconds * rate / 8 > 2**32 - 2**16)  # written to a pipe: the length is a dummy
    )
    return None if guessed else seconds


def _tag(file: Any, *names: str) -> str:
    """Return the first of some tags that is there, as one clean line."""
    for name in names:
        try:
            value = file[name]
            text = str(value[0] if isinstance(value, list) else value)[:200]
        except Exception:  # absent, without a value, no tags at all, or a kind of tag that refuses the name
            continue
        return unicodedata.normalize("NFC", " ".join("".join(c if c.isprintable() else " " for c in text).split()))
    return ""


def unreadable(error: OSError) -> SongError:
    """Return what is to be said of a file that the disk does not give."""
    return SongError(f"cannot be read: {error.strerror}; check its permissions, or copy it again")


def file_keys(path: Path) -> dict[str, str]:
    """Return the keys of what is made of a song's file, see `storage.made_from`.

    Raises
    ------
    SongError
        If it cannot be read.
    """
    try:
        return {part: made_from(of(path), MADE_BY) for part, of in FILE_PARTS.items()}
    except OSError as error:
        raise unreadable(error) from None


def is_of_file(notes: dict, path: Path, part: str = "state") -> bool:
    """Whether a target was made of a song's file as it is today, by the decoding of today.

    Parameters
    ----------
    notes : dict
        Of a folder of clips, or of a song's table.
    path : Path
        The file.
    part : {"state", "content"}
        By what it is known again: its state can be seen without reading it; a file that was only touched, or moved,
        has the same content.
    """
    with contextlib.suppress(OSError):  # the file is gone
        return fresh(notes, FILE_PARTS[part](path), MADE_BY, part=part)
    return False


class Decoder:
    """One song as it is decoded: iterate over its whole clips, then read its record.

    Parameters
    ----------
    path : Path
        An audio file.
    max_hours : float
        Longer songs are refused; positive.

    Attributes
    ----------
    record : dict
        Once the clips are through: the header (see `read_header`) and ``seconds``, ``clips``,
        ``silent_clips``, ``dropped`` (seconds at the end that filled no clip), ``loudness`` (RMS in
        dBFS), ``cutoff_hz`` (see `_cutoff_hz`), ``hash`` (of the decoded samples), ``status``, ``reason``.
    """

    def __init__(self, path: Path, max_hours: float = cli.MAX_HOURS) -> None:
        self.path, self.max_hours = path, max_hours
        self.record: dict[str, Any] = {}
        self.complaint = ""  # the first that ffmpeg said

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode once; memory does not grow with the song.

        Yields
        ------
        np.ndarray [shape=(CLIP_SAMPLES,), dtype=int16]
            Mono, at `SAMPLE_RATE`.

        Raises
        ------
        SongError
            If its suffix is none of `paths.DEMUXERS`, or it cannot be read, is too long, or
            takes too long.
        """
        if self.path.suffix.lower() not in DEMUXERS:
            raise SongError(unsupported(self.path.suffix))
        header = read_header(self.path)
        self._check(header["announced"] or 0)
        digest, samples, clips, silent = hashlib.blake2b(digest_size=16), 0, 0, 0
        power, spectrum = 0.0, np.zeros(CLIP_SAMPLES // 2)
        with contextlib.closing(self._pieces()) as pieces:
            for piece in pieces:
                digest.update(piece)
                samples += len(piece) // 2
                if len(piece) == 2 * CLIP_SAMPLES:
                    clip = np.frombuffer(piece, dtype="<i2")
                    power += float(np.mean((clip / FULL_SCALE) ** 2))
                    if is_silent(clip / FULL_SCALE):
                        silent += 1
                    elif (clips - silent) % SPECTRUM_EVERY == 0:
                        spectrum += np.abs(np.fft.rfft(clip)[:-1]) ** 2
                    clips += 1
                    yield clip
        self._check(samples / SAMPLE_RATE)
        self.record = header | {
            "seconds": round(samples / SAMPLE_RATE, 3),
            "clips": clips,
            "silent_clips": silent,
            "dropped": round((samples - clips * CLIP_SAMPLES) / SAMPLE_RATE, 3),
            "loudness": round(10 * np.log10(power / clips), 1) if power else None,
            "cutoff_hz": _cutoff_hz(spectrum) if spectrum.any() else None,
            "hash": digest.hexdigest(),
        }
        self.record["status"], self.record["reason"] = _status_of(self.record, self.path.suffix, self.complaint)

    def _pieces(self) -> Generator[bytes]:
        """Yield the decoded samples, a clip's worth at a time; what is left at the end is shorter."""
        spent = 0.0  # s, of waiting for ffmpeg: what is done with the pieces may take longer
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                _command(self.path, self.max_hours * 3600 + 1),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            assert process.stdout is not None  # it is a pipe
            try:
                while True:
                    started = time.monotonic()
                    with _time_limit(DECODE_LIMIT - spent, process):
                        piece = process.stdout.read(2 * CLIP_SAMPLES)
                        if not piece:
                            status = process.wait()
                    spent += time.monotonic() - started
                    if not piece:
                        break
                    yield piece
            finally:
                process.kill()
            errors.seek(0)
            self.complaint = complaint(errors.read(10_000).decode(errors="replace"), self.path)
        if spent > DECODE_LIMIT:
            raise SongError(f"decoding took longer than {DECODE_LIMIT} s; convert it again")
        if status < 0 or status in (126, 127, 255):  # killed, never started, interrupted: not the song's fault
            raise SongError(f"ffmpeg ended with status {status}: {self.complaint or 'it was stopped'}; try again")

    def _check(self, seconds: float) -> None:
        """Refuse what is too long or cannot be read, in clearer words than ffmpeg's."""
        if seconds > self.max_hours * 3600:
            raise SongError(f"longer than {self.max_hours:g} hours; cut it into songs, or raise the steps' --max-hours")
        try:
            with self.path.open("rb") as file:
                if not file.read(1):
                    raise SongError("an empty file; copy it again")
        except OSError as error:
            raise unreadable(error) from None


@contextlib.contextmanager
def _time_limit(seconds: float, process: subprocess.Popen) -> Iterator[None]:
    """Kill a process unless what is done meanwhile ends in time."""
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _cutoff_hz(spectrum: np.ndarray) -> int:
    """How high a recording reaches, in Hz: to the last band of 100 Hz within `CUTOFF_DB` of the loudest.

    Encoders and old recordings cut off what is higher, which distinguishes them, but not their music.
    """
    wide = 100 * CLIP_SECONDS  # bins: one is half a hertz
    bands = spectrum[: spectrum.size // wide * wide].reshape(-1, wide).mean(axis=1)
    return 100 * int(1 + np.flatnonzero(bands >= bands.max() * 10 ** (-CUTOFF_DB / 10))[-1])


def input_arguments(path: Path, options: Iterable[str] = ()) -> list[str]:
    """Make ffmpeg read this one file as what its suffix says, and nothing else."""
    source = f"file:{path.absolute()}"
    return ["-protocol_whitelist", "file,pipe", *options, "-f", DEMUXERS[path.suffix.lower()], "-i", source]


def _command(path: Path, seconds: float) -> list[str]:
    """Return an ffmpeg that writes the samples of a file to its standard output."""
    return [
        *(ffmpeg(), *QUIET, *input_arguments(path)),
        *("-map", "0:a:0", "-t", str(seconds), "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-"),
    ]


def complaint(text: str, path: Path) -> str:
    """Return the first line ffmpeg said, without what changes from run to run."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return printable(re.sub(r" @ 0x[0-9a-f]+", "", first).replace(f"file:{path.absolute()}", "the file"))


def _status_of(record: dict, suffix: str, complaint: str) -> tuple[str, str]:
    """Status and reason of a song that was decoded."""
    seconds, announced = record["seconds"], record["announced"]
    if not seconds:
        kind = suffix.lstrip(".").upper()
        return "rejected", f"not {kind} sound, or too damaged (ffmpeg: {complaint or 'no sound in it'})"
    part = f"{seconds:.1f} of the {announced:.1f} s that it announces could be decoded" if announced else ""
    if announced and seconds < ENOUGH * announced:
        return "rejected", f"cut short or broken: only {part}"
    if not record["clips"]:
        short = f"{seconds:.2f} s; a clip is {CLIP_SECONDS} s"
        return ("rejected", f"{short}, and broken: {complaint}") if complaint else ("too short", short)
    if record["silent_clips"] == record["clips"]:
        return "silent", f"every clip is below {SILENCE_DBFS} dBFS"
    if announced and announced - seconds > max(0.2, announced / 500):  # s; encoders' padding is less
        return "damaged", f"cut short or broken: {part}"
    return ("damaged", complaint) if complaint else ("ok", "")
