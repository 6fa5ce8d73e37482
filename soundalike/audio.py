"""Decode a song once, clip by clip; cut it into clips of two seconds, and read these again.

A `Decoder` and `Clips` are the same to those who read a song: iterate over its clips, then look at its record.
"""

import contextlib
import functools
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import time
import unicodedata
import warnings
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import soundfile

from soundalike import library
from soundalike.messages import Problem, Reason, SongError, UserError, printable

with warnings.catch_warnings():  # pydub warns where no ffmpeg is on PATH; it is not asked to decode here
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

SAMPLE_RATE = 22_050  # Hz
FULL_SCALE = 32_768  # what the samples of a clip are divided by, to lie between -1 and 1
CLIP_SECONDS = 2
CLIP_SAMPLES = CLIP_SECONDS * SAMPLE_RATE
SILENCE_DBFS = -60  # a clip whose RMS is below this is silent
SPECTRUM_EVERY = 4  # clips that are not silent: enough to see how high a recording reaches
CUTOFF_DB = 60  # dB
DECODE_LIMIT = 900  # s of a processor; an hour of MP3 takes about ten
QUIET = ("-v", "error", "-nostdin")  # ffmpeg says what is wrong, and asks nothing
# By what records (and clips) are made. Raise the version when a song would get another record, or other samples.
MADE_BY = {"version": 3, "sample_rate": SAMPLE_RATE, "clip_seconds": CLIP_SECONDS, "silence_dbfs": SILENCE_DBFS}
FILE_PARTS = {"state": library.state_of, "content": library.digest_of}  # the keys of a target's file
FFMPEG_STOPPED = 255  # the exit status of ffmpeg when a signal, or its time limit, ends it
FASTEST, FASTEST_MP3 = 1_152_000, 40_000  # bytes a second: 192 kHz in 24 bits, uncompressed; 320 kbit/s
ENOUGH = 0.9  # the part of its announced length that must decode for a song to be used


@functools.cache
def ffmpeg() -> str:
    """Return the ffmpeg on PATH, else the one that imageio-ffmpeg brings."""
    path = shutil.which("ffmpeg")
    if not path:
        import imageio_ffmpeg

        path = imageio_ffmpeg.get_ffmpeg_exe()
    return path


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


def file_keys(path: Path) -> dict[str, str]:
    """Return the keys of what is made of a song's file, see `library.made_from`.

    Raises
    ------
    SongError
        If it cannot be read.
    """
    try:
        return {part: library.made_from(key_of(path), MADE_BY) for part, key_of in FILE_PARTS.items()}
    except OSError as error:
        raise SongError(Reason.UNREADABLE, error=error.strerror) from None


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
        return library.fresh(notes, FILE_PARTS[part](path), MADE_BY, part=part)
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

    def __init__(self, path: Path, max_hours: float = library.MAX_HOURS) -> None:
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
            If its suffix is none of `library.DEMUXERS`, or it cannot be read, is too long, or
            takes too long.
        """
        if self.path.suffix.lower() not in library.DEMUXERS:
            raise SongError(Reason.UNSUPPORTED, suffix=self.path.suffix or "a name without a suffix")
        header = read_header(self.path)
        self._check(header["announced"] or 0)
        digest, samples, clips, silent = hashlib.blake2b(digest_size=16), 0, 0, 0
        power, spectrum = 0.0, np.zeros(CLIP_SAMPLES // 2)
        with contextlib.closing(self.pieces()) as pieces:
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
        status, reason = status_of(self.record, self.path.suffix, self.complaint)
        self.record |= {"status": status, "reason": str(reason or "")}

    def pieces(self) -> Generator[bytes]:
        """Yield the decoded samples, a clip's worth at a time; what is left at the end is shorter."""
        started = time.monotonic()
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                [
                    *(ffmpeg(), *QUIET, "-timelimit", str(DECODE_LIMIT), *input_arguments(self.path), "-map", "0:a:0"),
                    *("-t", str(self.max_hours * 3600 + 1), "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            ) as process,
        ):
            assert process.stdout is not None  # it is a pipe
            try:
                while piece := process.stdout.read(2 * CLIP_SAMPLES):
                    yield piece
                status = process.wait()
            finally:
                process.kill()
            errors.seek(0)
            self.complaint = complaint(errors.read(10_000).decode(errors="replace"), self.path)
        if status == FFMPEG_STOPPED and time.monotonic() - started > DECODE_LIMIT:
            raise SongError(Reason.TOO_SLOW, seconds=DECODE_LIMIT)
        if status < 0 or status in (126, 127, FFMPEG_STOPPED):  # killed, or never started: not the song's fault
            raise SongError(Reason.FFMPEG_ENDED, status=status, complaint=self.complaint or "it was stopped")

    def _check(self, seconds: float) -> None:
        """Refuse what is too long or cannot be read, in clearer words than ffmpeg's."""
        if seconds > self.max_hours * 3600:
            raise SongError(Reason.TOO_LONG, hours=self.max_hours)
        try:
            with self.path.open("rb") as file:
                if not file.read(1):
                    raise SongError(Reason.EMPTY)
        except OSError as error:
            raise SongError(Reason.UNREADABLE, error=error.strerror) from None


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
    return ["-protocol_whitelist", "file,pipe", *options, "-f", library.DEMUXERS[path.suffix.lower()], "-i", source]


def complaint(text: str, path: Path) -> str:
    """Return the first line ffmpeg said, without what changes from run to run."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return printable(re.sub(r" @ 0x[0-9a-f]+", "", first).replace(f"file:{path.absolute()}", "the file"))


def status_of(record: dict, suffix: str, complaint: str) -> tuple[str, SongError | None]:
    """Return the status of a song that was decoded, and the reason, if there is one.

    Parameters
    ----------
    record : dict
        See `Decoder`.
    suffix : str
        Of its file.
    complaint : str
        The first that ffmpeg said.
    """
    seconds, announced = record["seconds"], record["announced"]
    lengths = {"seconds": seconds, "announced": announced}
    if not seconds:
        kind = suffix.lstrip(".").upper()
        return "rejected", SongError(Reason.NO_SOUND, kind=kind, complaint=complaint or "no sound in it")
    if announced and seconds < ENOUGH * announced:
        return "rejected", SongError(Reason.CUT_SHORT, **lengths)
    if not record["clips"]:
        if complaint:
            return "rejected", SongError(Reason.TOO_SHORT_BROKEN, clip=CLIP_SECONDS, complaint=complaint, **lengths)
        return "too short", SongError(Reason.TOO_SHORT, clip=CLIP_SECONDS, **lengths)
    if record["silent_clips"] == record["clips"]:
        return "silent", SongError(Reason.SILENT, level=SILENCE_DBFS)
    if announced and announced - seconds > max(0.2, announced / 500):  # s; encoders' padding is less
        return "damaged", SongError(Reason.CUT_SHORT, **lengths)
    return ("damaged", SongError(Reason.COMPLAINT, complaint=complaint)) if complaint else ("ok", None)


# --- clips on disk ---------------------------------------------------------------------------


class Clips:
    """A song as it was cut: iterate over its clips; like `audio.Decoder`, with a record.

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
        notes = library.read_notes(library.clip_folder(root, song))
        self.record, self.keys = library.record_of(notes), notes.get("made_from", {})  # the keys are those of its file
        self.paths = library.clip_paths(root, song)
        if not self.record:
            raise SongError(Reason.NOT_CUT)
        if len(self.paths) != self.record["clips"]:
            raise SongError(Reason.CLIPS_GONE, left=len(self.paths), clips=self.record["clips"])

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
    try:
        samples, rate = soundfile.read(path, dtype="int16")
        if rate != SAMPLE_RATE or samples.shape != (CLIP_SAMPLES,):
            raise ValueError(f"{rate} Hz and shape {samples.shape}, not {SAMPLE_RATE} Hz and {(CLIP_SAMPLES,)}")
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        raise SongError(Reason.CLIP_UNREADABLE, clip=path.name, folder=path.parent, error=str(error)) from None
    return samples


def write_clip(folder: Path, number: int, samples: np.ndarray) -> None:
    """Write one clip as ``0000.wav`` and so on."""
    clip = AudioSegment(samples.tobytes(), sample_width=2, frame_rate=SAMPLE_RATE, channels=1)
    clip.export(folder / f"{number:04d}.wav", format="wav").close()


def split_song(song: str, *, songs: Path, root: Path, max_hours: float) -> dict:
    """Cut one song; its folder of clips appears whole or not at all. Returns its record."""
    file, target = songs / song, library.clip_folder(root, song)
    keys = file_keys(file)
    if record := known_clips(song, songs=songs, root=root, part="content"):  # the file was only touched or moved
        with library.atomic_write(target / library.NOTES, room=root / "clips") as path:
            _write_notes(path, keys, record)
        return record
    with library.atomic_write(target, room=root / "clips") as folder:
        folder.mkdir()
        decoder = Decoder(file, max_hours)
        for number, samples in enumerate(decoder):
            write_clip(folder, number, samples)
        if decoder.record["status"] not in library.GOOD:
            for wav in folder.glob("*.wav"):
                wav.unlink()
        _write_notes(folder / library.NOTES, keys, decoder.record)
    return decoder.record


def _write_notes(path: Path, keys: dict[str, str], record: dict) -> None:
    path.write_text(json.dumps({"made_from": keys, "record": record}, indent=1), encoding="utf-8")


def known_clips(song: str, *, songs: Path, root: Path, part: str = "state") -> dict | None:
    """Return the record of a song that need not be cut again, or None. Rejected songs are tried again.

    Parameters
    ----------
    song, songs, root
        See `split_song`.
    part : {"state", "content"}
        See `audio.is_of_file`.
    """
    notes = library.read_notes(library.clip_folder(root, song))
    record = library.record_of(notes)
    if not record or record["status"] == "rejected" or not is_of_file(notes, songs / song, part):
        return None
    expected = record["clips"] if record["status"] in library.GOOD else 0
    return record if len(library.clip_paths(root, song)) == expected else None


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
        raise UserError(Problem.NO_ROOM, needed=needed / 1e9, free=free / 1e9, root=root)
