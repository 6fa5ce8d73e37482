"""Step 1: cut every song into whole two-second clips.

    python mp3_split.py                        # songs in data/songs/<artist>/[<album>/]
    python mp3_split.py --songs ~/Music        # songs that lie elsewhere; nothing is written there

Writes clips (WAV, mono, 22,050 Hz, 16 bit) under data/clips/ and one row for each song to
data/songs.csv. Running it again does only what is missing or out of date.
"""

import argparse
import contextlib
import functools
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import mutagen
import numpy as np
import pandas as pd

import terminal
import workers
from library import (
    DEMUXERS,
    GOOD,
    RECORD,
    SONG_COLUMNS,
    SongError,
    UserError,
    alone,
    check_own,
    clip_folder,
    clip_paths,
    find_songs,
    folder_labels,
    keep_songs_folder,
    printable,
    read_record,
    whole_file,
    write_songs,
)

with warnings.catch_warnings():  # pydub warns where no ffmpeg is on PATH; it is not asked to decode here
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

SAMPLE_RATE = 22_050  # Hz
FULL_SCALE = 32_768  # what the samples of a clip are divided by, to lie between -1 and 1
CLIP_SECONDS = 2
CLIP_SAMPLES = CLIP_SECONDS * SAMPLE_RATE
SILENCE_DBFS = -60  # a clip whose RMS is below this is silent
SPECTRUM_EVERY = 4  # clips that are not silent: enough to see how high a recording reaches
REACH = 60  # dB
DECODE_LIMIT = 900  # s; an hour of MP3 takes about ten
MAX_HOURS = 6.0
FASTEST, FASTEST_MP3 = 1_152_000, 40_000  # bytes a second: 192 kHz in 24 bits, uncompressed; 320 kbit/s
ENOUGH = 0.9  # the part of its announced length that must decode for a song to be used

# A record made with other settings is out of date. Raise the version when the same song would be
# cut or judged otherwise.
SETTINGS = {"version": 2, "sample_rate": SAMPLE_RATE, "clip_seconds": CLIP_SECONDS, "silence_dbfs": SILENCE_DBFS}


@functools.cache
def ffmpeg() -> str:
    """The ffmpeg on PATH, else the one that imageio-ffmpeg brings."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


# --- one song --------------------------------------------------------------------------------


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


def read_header(path: Path) -> dict:
    """What a file says of itself: tags, rates, codec, and the length it announces.

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
    """The length in seconds that a header states, or None where mutagen only guesses it."""
    seconds, rate = float(getattr(info, "length", 0)), getattr(info, "bitrate", 0)
    guessed = (
        not seconds
        or kind == "AAC"  # no header: extrapolated from the first frames
        or "UNKNOWN" in str(getattr(info, "bitrate_mode", ""))  # MP3 without a Xing header: from the size
        or (kind == "WAVE" and seconds * rate / 8 > 2**32 - 2**16)  # written to a pipe: the length is a dummy
    )
    return None if guessed else seconds


def _tag(file: Any, *names: str) -> str:
    """The first of some tags that is there, as one clean line."""
    for name in names:
        try:
            value = file[name]
            text = str(value[0] if isinstance(value, list) else value)[:200]
        except Exception:  # absent, without a value, no tags at all, or a kind of tag that refuses the name
            continue
        return unicodedata.normalize("NFC", " ".join("".join(c if c.isprintable() else " " for c in text).split()))
    return ""


class Listening:
    """One song as it is decoded: iterate over its whole clips, then read its record.

    Parameters
    ----------
    path : Path
        An audio file with a suffix that `library.DEMUXERS` knows.
    max_hours : float
        Longer songs are refused; positive.

    Attributes
    ----------
    record : dict
        Once the clips are through: the header (see `read_header`) and ``seconds``, ``clips``,
        ``silent_clips``, ``dropped`` (seconds at the end that filled no clip), ``loudness`` (RMS in
        dBFS), ``reach`` (Hz, see `_reach`), ``hash`` (of the decoded samples), ``status``, ``reason``.
    """

    def __init__(self, path: Path, max_hours: float = MAX_HOURS) -> None:
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
            If the file cannot be read, is too long, or takes too long.
        """
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
            "reach": _reach(spectrum) if spectrum.any() else None,
            "hash": digest.hexdigest(),
        }
        self.record["status"], self.record["reason"] = _judge(self.record, self.path.suffix, self.complaint)

    def _pieces(self) -> Generator[bytes]:
        """The decoded samples, a clip's worth at a time; what is left at the end is shorter."""
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
                    with _killed_after(DECODE_LIMIT - spent, process):
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
            self.complaint = _complaint(errors.read(10_000).decode(errors="replace"), self.path)
        if spent > DECODE_LIMIT:
            raise SongError(f"decoding took longer than {DECODE_LIMIT} s; convert it anew")
        if status < 0 or status in (126, 127, 255):  # killed, never started, interrupted: not the song's fault
            raise SongError(f"ffmpeg ended with status {status}: {self.complaint or 'it was stopped'}")

    def _check(self, seconds: float) -> None:
        """Refuse what is too long or cannot be read, in clearer words than ffmpeg's."""
        if seconds > self.max_hours * 3600:
            raise SongError(f"longer than {self.max_hours:g} hours; raise --max-hours to take it")
        try:
            with self.path.open("rb") as file:
                if not file.read(1):
                    raise SongError("an empty file; copy it anew")
        except OSError as error:
            raise SongError(f"cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def _killed_after(seconds: float, process: subprocess.Popen) -> Iterator[None]:
    """Kill a process unless what is done meanwhile ends in time."""
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _reach(spectrum: np.ndarray) -> int:
    """How high a recording reaches, in Hz: to the last band of 100 Hz within `REACH` of the loudest.

    Encoders and old recordings cut off what is higher, which tells them apart, but not their music.
    """
    wide = 100 * CLIP_SECONDS  # bins: one is half a hertz
    bands = spectrum[: spectrum.size // wide * wide].reshape(-1, wide).mean(axis=1)
    return 100 * int(1 + np.flatnonzero(bands >= bands.max() * 10 ** (-REACH / 10))[-1])


def _command(path: Path, seconds: float) -> list[str]:
    """An ffmpeg that reads this one file as what its suffix says, and nothing else."""
    return [
        *(ffmpeg(), "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe"),
        *("-f", DEMUXERS[path.suffix.lower()], "-i", f"file:{path.absolute()}"),
        *("-map", "0:a:0", "-t", str(seconds), "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "-"),
    ]


def _complaint(text: str, path: Path) -> str:
    """The first line ffmpeg said, without what changes from run to run."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return printable(re.sub(r" @ 0x[0-9a-f]+", "", first).replace(f"file:{path.absolute()}", "the file"))


def _judge(record: dict, suffix: str, complaint: str) -> tuple[str, str]:
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


def write_clip(folder: Path, number: int, samples: np.ndarray) -> None:
    """Write one clip as ``0000.wav`` and so on."""
    clip = AudioSegment(samples.tobytes(), sample_width=2, frame_rate=SAMPLE_RATE, channels=1)
    clip.export(folder / f"{number:04d}.wav", format="wav").close()


def split_song(song: str, *, songs: Path, root: Path, max_hours: float = MAX_HOURS) -> dict:
    """Cut one song; its folder of clips appears whole or not at all. Returns its record."""
    source = source_of(songs / song)
    with whole_file(clip_folder(root, song), room=root / "clips") as folder:
        folder.mkdir()
        listening = Listening(songs / song, max_hours)
        for number, samples in enumerate(listening):
            write_clip(folder, number, samples)
        record = listening.record | {"source": source, "settings": SETTINGS}
        if record["status"] not in GOOD:
            for wav in folder.glob("*.wav"):
                wav.unlink()
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return record


def up_to_date(song: str, *, songs: Path, root: Path) -> dict | None:
    """The record of a song that need not be split again, or None. What was rejected is tried again."""
    record = read_record(root, song)
    if record is None or record.get("settings") != SETTINGS or record["status"] == "rejected":
        return None
    expected = record["clips"] if record["status"] in GOOD else 0
    return record if unchanged(record, songs / song) and len(clip_paths(root, song)) == expected else None


def unchanged(record: dict, path: Path) -> bool:
    """Whether a record is of the file as it is today."""
    try:
        return record["source"] == source_of(path)
    except SongError:  # gone in the meantime
        return False


def source_of(path: Path) -> list[int]:
    """Size and time stamp, by which a changed file is known."""
    try:
        stat = path.stat()
    except OSError as error:
        raise SongError(f"cannot be read: {error.strerror}") from None
    return [stat.st_size, stat.st_mtime_ns]


# --- all songs -------------------------------------------------------------------------------


NOTHING_KNOWN = {"artist": "", "album": "", "title": "", "status": "rejected"}  # of a song that could not be read


def labelled(song: str, record: dict, by: str) -> dict:
    """A song's row of songs.csv: its record, with artist, album and title from folders or tags."""
    artist, album = folder_labels(song)
    artist = record["artist"] if by == "tag" else artist or record["artist"]
    row = record | {
        "song": song,
        "artist": artist,
        "album": album or record["album"],
        "title": record["title"] or Path(song).stem,
    }
    if not artist and row["status"] in GOOD:
        where = "" if by == "tag" else "in no artist folder and "
        row |= {"status": "rejected", "reason": f"{where}without an artist tag"}
    return row


def mark_duplicates(table: pd.DataFrame) -> None:
    """Keep one of the songs whose decoded samples are the same; none, if artists differ. ``table`` is changed.

    The shortest name stays: what copies are called is longer.
    """
    hashes = table["hash"].where(table["status"].isin(GOOD))
    again = table[hashes.duplicated(keep=False) & hashes.notna()].sort_values("song")
    again = again.sort_values("song", key=lambda names: names.str.len(), kind="stable")
    for _, same in again.groupby("hash"):
        first = same.iloc[0]
        strangers = same[same["artist"] != first["artist"]]
        for place, row in same.iterrows():
            if len(strangers):
                other = strangers.iloc[0] if row["artist"] == first["artist"] else first
                reason = f"the same recording as {other['song']}, of another artist; both left out"
                table.loc[place, ["status", "reason"]] = "rejected", reason
            elif row["song"] != first["song"]:
                table.loc[place, ["status", "reason"]] = "duplicate", f"the same recording as {first['song']}"


def check_space(pending: list[str], songs: Path, root: Path) -> None:
    """Refuse to begin what cannot be finished.

    Only sizes are looked at: to read thousands of headers takes long, and that of a hostile file hours.

    Raises
    ------
    UserError
        If the clips will need more space than there is, even at the bit rates that fill a file fastest.
    """
    seconds = 0.0
    for song in pending:
        with contextlib.suppress(SongError):  # it is gone: splitting says so
            size, _ = source_of(songs / song)
            seconds += size / (FASTEST_MP3 if song.lower().endswith(".mp3") else FASTEST)
    needed = seconds / CLIP_SECONDS * 90_112  # bytes: a clip of 88,244, in blocks of 4,096
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(
            f"The clips need {needed / 1e9:,.1f} GB or more, and {printable(root)} has {free / 1e9:,.1f} GB free. "
            "Make room, or name a root on another disk with --data."
        )


def work(args: argparse.Namespace) -> int:
    """Split all songs and write songs.csv."""
    table, listened = survey(args, split_song, up_to_date, label="Splitting", check=check_space)
    return summarise(table, listened, args.data / "clips")


def survey(
    args: argparse.Namespace, listen: Callable, known: Callable, *, label: str, check: Callable | None = None
) -> tuple[pd.DataFrame, int]:
    """Listen to every song that is new or has changed, and write songs.csv.

    Parameters
    ----------
    args : argparse.Namespace
        See `add_arguments`.
    listen : callable
        Called with a song, the folder of ``songs``, the ``root`` and ``max_hours``, in a worker
        process; it keeps what it hears and returns the song's record.
    known : callable
        Called with a song, the folder of ``songs`` and the ``root``; it returns the record of a song
        that need not be listened to again, or None.
    label : str
        Of the progress bar.
    check : callable, optional
        Called before with the songs to listen to, their folder and the root.

    Returns
    -------
    table : pd.DataFrame
        What is in songs.csv.
    listened : int
        How many songs were listened to now.
    """
    root, songs = args.data, args.songs or args.data / "songs"
    found, refused = find_songs(songs)
    if not found and not refused:
        raise UserError(f"There is no music in {printable(songs)}. Put songs there, one folder per artist.")
    if root == songs or songs in root.parents:
        raise UserError(
            f"{printable(root)} lies in the folder of songs, where nothing is written. Name another folder with --data."
        )
    check_own(root)
    with alone(root):
        keep_songs_folder(root, songs)
        rows, pending = [], []

        def keep(song: str, outcome: dict | str) -> None:  # a song's record, or why there is none
            if isinstance(outcome, str):
                row = labelled(song, NOTHING_KNOWN | {"reason": outcome}, "folder")
            else:
                row = labelled(song, outcome, args.label_by)
            # a third of the memory of the record; what comes again and again, as artists do, is there once
            values = map(row.get, SONG_COLUMNS)
            rows.append(tuple(sys.intern(value) if type(value) is str else value for value in values))

        for song, reason in refused.items():
            keep(song, reason)
        for song in found:
            record = known(song, songs=songs, root=root)
            keep(song, record) if record else pending.append(song)
        if check:
            check(pending, songs, root)
        for song, outcome in workers.run(
            functools.partial(listen, songs=songs, root=root, max_hours=args.max_hours),
            pending,
            label=label,
            jobs=args.jobs,
            scheduler=args.scheduler,
            is_bad=lambda outcome: isinstance(outcome, SongError) or outcome["status"] not in GOOD,
        ):
            keep(song, str(outcome) if isinstance(outcome, SongError) else outcome)
        check_still_there(songs)
        table = pd.DataFrame(rows, columns=list(SONG_COLUMNS))
        rows.clear()
        mark_duplicates(table)
        write_songs(root, table)
    return table, len(pending)


def check_still_there(songs: Path) -> None:
    """Call no song bad because its disk was unplugged.

    Raises
    ------
    UserError
        If the folder of songs is gone, or empty.
    """
    try:
        there = any(songs.iterdir())
    except OSError:
        there = False
    if not there:
        raise UserError(
            f"{printable(songs)} is no longer there: was its disk unplugged? What was finished is kept. "
            "Bring it back and run this again."
        )


def summarise(table: pd.DataFrame, listened: int, place: Path) -> int:
    """Print what became of every song, whose clips or descriptions are in a place; return the exit status."""
    counts = table["status"].value_counts()
    good, bad = table[table["status"].isin(GOOD)], table[~table["status"].isin(GOOD)]
    terminal.print_note(place.parent)
    print(f"{terminal.counted(len(table), 'song')}: {', '.join(f'{n:,} {status}' for status, n in counts.items())}")
    print(
        f"{terminal.counted(int(good['clips'].sum()), 'clip')} in {printable(place)} "
        f"({int(good['silent_clips'].sum()):,} silent; {good['dropped'].sum():,.1f} s at songs' ends filled no clip). "
        f"Songs listened to now: {listened:,}."
    )
    by_tag = int((~good["song"].str.contains("/")).sum())
    if by_tag:
        print(f"{terminal.counted(by_tag, 'song')} in no artist's folder: labelled by the artist tag.")
    where = f": see {printable(place.parent / 'songs.csv')}"
    terminal.print_left_out(dict(zip(bad["song"], bad["status"] + ": " + bad["reason"], strict=True)), rest=where)
    if "rejected" in counts:
        print("What was rejected is tried again the next time: mend or replace it, and run this again.")
    if good.empty:
        return terminal.NOTHING_USABLE
    return terminal.ALL_GOOD if bad.empty else terminal.LEFT_OUT


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    add_arguments(parser)
    workers.add_arguments(parser)
    return parser.parse_args(argv)


def add_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--songs``, ``--label-by`` and ``--max-hours``."""
    parser.add_argument(
        "--songs", type=terminal.folder, metavar="DIR", help="folder of music (default: songs/ in the root)"
    )
    parser.add_argument("--label-by", choices=("folder", "tag"), default="folder", help="what names the artist")
    hours = terminal.number("a number of hours above zero", below=1000)
    parser.add_argument("--max-hours", type=hours, default=MAX_HOURS, metavar="H", help="refuse longer songs")


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, parse_args(argv))


if __name__ == "__main__":
    import mp3_split  # so that worker processes know its functions by this name

    sys.exit(mp3_split.main())
