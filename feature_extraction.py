"""Step 2: describe every clip by one row of numbers.

    python feature_extraction.py               # the clips that mp3_split.py cut
    python feature_extraction.py --list        # the columns, with unit, meaning and source

Writes one table (Parquet) for each song under data/features/. Running it again does only what is
missing or out of date.
"""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from threadpoolctl import threadpool_limits

import terminal
import workers
from library import (
    GOOD,
    SongError,
    clear_unfinished,
    clip_folder,
    good_songs,
    printable,
    read_record,
    table_path,
    whole_file,
)
from mp3_split import CLIP_SAMPLES, CLIP_SECONDS, SAMPLE_RATE, SILENCE_DBFS, Listening, is_silent

N_FFT = 2048  # samples in a frame: 93 ms
HOP_LENGTH = 512  # samples from one frame to the next: 23 ms
N_MELS = 128
N_MFCC = 20
ROLLOFF = 0.85  # the part of a frame's energy below the rolloff frequency
DYNAMIC_RANGE = 80  # dB below a clip's loudest band at which mel levels are cut off
STACK = 16  # clips analysed at once; more do not fit a processor's cache


# --- the features ----------------------------------------------------------------------------


class Spectra:
    """What features share, computed once for a stack of clips and only when asked for.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, samples)]
        Samples between -1 and 1, at `SAMPLE_RATE`.
    """

    def __init__(self, y: np.ndarray) -> None:
        self.y = y

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Magnitude spectrogram [shape=(clips, 1 + N_FFT/2, frames)]."""
        return np.abs(librosa.stft(self.y, n_fft=N_FFT, hop_length=HOP_LENGTH))

    @cached_property
    def power(self) -> np.ndarray:
        """Power spectrogram [shape=(clips, 1 + N_FFT/2, frames)]."""
        return self.magnitude**2

    @cached_property
    def mel(self) -> np.ndarray:
        """Mel spectrogram in dB, cut off below each clip's own maximum [shape=(clips, N_MELS, frames)]."""
        mel = librosa.feature.melspectrogram(S=self.power, sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
        # librosa 0.11 would take the maximum over the whole stack: a loud clip would change its neighbours
        level = librosa.power_to_db(mel, top_db=None)
        return np.maximum(level, level.max(axis=(-2, -1), keepdims=True) - DYNAMIC_RANGE)

    @cached_property
    def mfcc(self) -> np.ndarray:
        """Mel-frequency cepstral coefficients [shape=(clips, N_MFCC, frames)]."""
        return librosa.feature.mfcc(S=self.mel, sr=SAMPLE_RATE, n_mfcc=N_MFCC)

    @cached_property
    def centroid(self) -> np.ndarray:
        """Spectral centroid in Hz [shape=(clips, 1, frames)]."""
        return librosa.feature.spectral_centroid(S=self.magnitude, sr=SAMPLE_RATE, n_fft=N_FFT)

    @cached_property
    def onset(self) -> np.ndarray:
        """Onset strength [shape=(clips, frames)]."""
        return librosa.onset.onset_strength(S=self.mel, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH)


def tempo(s: Spectra) -> np.ndarray:
    """Tempo in BPM [shape=(clips, 1)]; two seconds give only some forty distinct values."""
    return librosa.feature.tempo(onset_envelope=s.onset, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)


def rms(s: Spectra) -> np.ndarray:
    """RMS of each frame [shape=(clips, 1, frames)]."""
    return librosa.feature.rms(y=s.y, frame_length=N_FFT, hop_length=HOP_LENGTH)


def zero_crossing_rate(s: Spectra) -> np.ndarray:
    """Part of a frame's samples at which the sign changes [shape=(clips, 1, frames)]."""
    return librosa.feature.zero_crossing_rate(s.y, frame_length=N_FFT, hop_length=HOP_LENGTH)


def rolloff(s: Spectra) -> np.ndarray:
    """Frequency in Hz below which `ROLLOFF` of the magnitude lies [shape=(clips, 1, frames)]."""
    return librosa.feature.spectral_rolloff(S=s.magnitude, sr=SAMPLE_RATE, n_fft=N_FFT, roll_percent=ROLLOFF)


def bandwidth(s: Spectra) -> np.ndarray:
    """Spread around the spectral centroid in Hz [shape=(clips, 1, frames)]."""
    return librosa.feature.spectral_bandwidth(S=s.magnitude, sr=SAMPLE_RATE, n_fft=N_FFT, centroid=s.centroid)


def flatness(s: Spectra) -> np.ndarray:
    """Geometric over arithmetic mean of the power: 0 a tone, 1 noise [shape=(clips, 1, frames)]."""
    # in float64: librosa adds up logarithms, and in float32 the sum depends on the stack's layout
    return librosa.feature.spectral_flatness(S=s.magnitude.astype(np.float64))


def contrast(s: Spectra) -> np.ndarray:
    """Peaks over valleys in dB, in seven octave bands [shape=(clips, 7, frames)]."""
    # one by one: librosa 0.11 would cut all off 80 dB below the loudest peak of the whole stack
    return np.stack([librosa.feature.spectral_contrast(S=clip, sr=SAMPLE_RATE, n_fft=N_FFT) for clip in s.magnitude])


def mfcc_delta(s: Spectra) -> np.ndarray:
    """Slope of each coefficient over nine frames [shape=(clips, N_MFCC, frames)]."""
    return librosa.feature.delta(s.mfcc, width=9)


def chroma(s: Spectra) -> np.ndarray:
    """Energy of the twelve pitch classes, the largest being 1 [shape=(clips, 12, frames)]."""
    return librosa.feature.chroma_stft(S=s.power, sr=SAMPLE_RATE, n_fft=N_FFT, tuning=0)


class Feature(NamedTuple):
    """One row of the table of features."""

    dims: int
    statistics: tuple[str, ...]  # of the frames; none for a feature that is one number for the clip
    compute: Callable[[Spectra], np.ndarray]
    unit: str
    meaning: str
    source: str  # the librosa function that is its definition


# Statistics over the frames of a clip: values [shape=(clips, dims, frames)] -> [shape=(clips, dims)].
STATISTICS: dict[str, Callable[..., np.ndarray]] = {
    "mean": functools.partial(np.mean, axis=-1, dtype=np.float64),
    "std": functools.partial(np.std, axis=-1, dtype=np.float64),
}

BOTH = ("mean", "std")

# The nine of 2018 come first: tempo, and mean and deviation of RMS, crossings, centroid and rolloff.
FEATURES: dict[str, Feature] = {
    "tempo": Feature(1, (), tempo, "BPM", "tempo by autocorrelation of the onset strength", "feature.tempo"),
    "rms": Feature(1, BOTH, rms, "full scale = 1", "loudness as root mean square", "feature.rms"),
    "zcr": Feature(1, BOTH, zero_crossing_rate, "per sample", "sign changes", "feature.zero_crossing_rate"),
    "centroid": Feature(1, BOTH, lambda s: s.centroid, "Hz", "spectral centroid", "feature.spectral_centroid"),
    "rolloff": Feature(1, BOTH, rolloff, "Hz", "85 % of the magnitude lies below", "feature.spectral_rolloff"),
    "bandwidth": Feature(1, BOTH, bandwidth, "Hz", "spread around the centroid", "feature.spectral_bandwidth"),
    "flatness": Feature(1, BOTH, flatness, "0 to 1", "0 a tone, 1 noise", "feature.spectral_flatness"),
    "contrast": Feature(7, BOTH, contrast, "dB", "peaks over valleys, by octave", "feature.spectral_contrast"),
    "mfcc": Feature(N_MFCC, BOTH, lambda s: s.mfcc, "dB", "cepstrum of the mel spectrum: timbre", "feature.mfcc"),
    "mfcc_delta": Feature(N_MFCC, BOTH, mfcc_delta, "dB per frame", "change of each MFCC", "feature.delta"),
    "chroma": Feature(12, BOTH, chroma, "largest = 1", "pitch classes C to B, tuning 0", "feature.chroma_stft"),
}


def _dims(name: str) -> list[str]:
    """``rms``; ``mfcc_01`` to ``mfcc_20``."""
    dims = FEATURES[name].dims
    return [name] if dims == 1 else [f"{name}_{number:02d}" for number in range(1, dims + 1)]


def columns(name: str) -> list[str]:
    """The columns of one feature, in order: ``rms_mean, rms_std``."""
    statistics = FEATURES[name].statistics
    return [f"{dim}_{statistic}" for statistic in statistics for dim in _dims(name)] or _dims(name)


COLUMNS = [column for name in FEATURES for column in columns(name)]
ORIGINAL = [column for name in ("tempo", "rms", "zcr", "centroid", "rolloff") for column in columns(name)]
UNITS = {column: feature.unit for name, feature in FEATURES.items() for column in columns(name)}

# A table made with other settings is out of date, and a model made from it does not fit. Raise the
# version when a feature would come out otherwise under the same name.
SETTINGS = {
    "version": 1,
    "sample_rate": SAMPLE_RATE,
    "clip_seconds": CLIP_SECONDS,
    "n_fft": N_FFT,
    "hop_length": HOP_LENGTH,
    "n_mels": N_MELS,
    "rolloff": ROLLOFF,
    "dynamic_range": DYNAMIC_RANGE,
    "silence_dbfs": SILENCE_DBFS,
    "columns": COLUMNS,
    "librosa": librosa.__version__,
}


def extract(y: np.ndarray) -> np.ndarray:
    """Compute every feature of a stack of clips.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, CLIP_SAMPLES)]
        Samples between -1 and 1, at `SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(clips, len(COLUMNS)), dtype=float32]
        One row for each clip, the same whatever clips stand beside it.
    """
    if y.ndim != 2 or y.shape[1] != CLIP_SAMPLES:
        raise ValueError(f"clips of shape {y.shape} are not (clips, {CLIP_SAMPLES})")
    spectra = Spectra(y)
    parts = []
    for feature in FEATURES.values():
        values = feature.compute(spectra)
        parts += [STATISTICS[name](values) for name in feature.statistics] or [values]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def describe(song: Iterable[np.ndarray]) -> pd.DataFrame:
    """Turn the stacks of a song's clips, in order, into its table.

    Parameters
    ----------
    song : iterable of np.ndarray [shape=(clips, CLIP_SAMPLES)]
        All clips of the song, at least one.

    Returns
    -------
    pd.DataFrame
        Columns ``clip``, ``start`` (s), ``silent``, then `COLUMNS`.
    """
    # On one thread, as in the workers: how sums are shared out among threads changes their last digits.
    with threadpool_limits(1):
        values, silent = zip(*((extract(stack), is_silent(stack)) for stack in song), strict=True)
    table = pd.DataFrame(np.concatenate(values), columns=COLUMNS)
    table.insert(0, "clip", np.arange(len(table)))
    table.insert(1, "start", table["clip"] * float(CLIP_SECONDS))
    table.insert(2, "silent", np.concatenate(silent))
    return table


# --- one song --------------------------------------------------------------------------------


def read_clip(path: Path) -> np.ndarray:
    """Read a clip.

    Returns
    -------
    np.ndarray [shape=(CLIP_SAMPLES,), dtype=float32]
        Samples between -1 and 1.

    Raises
    ------
    SongError
        If the file is no clip of the right rate, channels and length.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except (OSError, soundfile.SoundFileError) as error:
        raise SongError(f"clip {path.name} cannot be read ({error}); delete its folder, then mp3_split.py") from None
    if rate != SAMPLE_RATE or samples.shape != (CLIP_SAMPLES,):
        raise SongError(
            f"clip {path.name} has {rate} Hz and shape {samples.shape}, not {SAMPLE_RATE} Hz and ({CLIP_SAMPLES},); "
            "delete its folder, then mp3_split.py"
        )
    return samples


def stacks(clips: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Put clips together, some at a time [shape=(up to STACK, CLIP_SAMPLES)]."""
    clips = iter(clips)
    while stack := list(islice(clips, STACK)):
        yield np.stack(stack)


def describe_file(path: Path) -> tuple[pd.DataFrame | None, dict]:
    """The table of a song that is in no library, by the same numbers as through its clips.

    Returns
    -------
    table : pd.DataFrame or None
        As `describe` gives it; None where the song is not good.
    record : dict
        See `mp3_split.Listening`.

    Raises
    ------
    SongError
        If the file cannot be read or is too long.
    """
    listening = Listening(path)
    heard = stacks(clip / np.float32(32768) for clip in listening)
    first = next(heard, None)  # a song too short for a clip has no stack
    table = describe(chain([first], heard)) if first is not None else None
    return table if listening.record["status"] in GOOD else None, listening.record


def describe_song(song: str, *, root: Path) -> int:
    """Write the table of one song; returns its number of clips."""
    record = read_record(root, song)
    paths = sorted(clip_folder(root, song).glob("*.wav"), key=lambda path: int(path.stem))
    if record is None or len(paths) != record["clips"]:
        raise SongError(f"only {terminal.counted(len(paths), 'clip')} of it left; run mp3_split.py again")
    table = pa.Table.from_pandas(describe(stacks(map(read_clip, paths))), preserve_index=False)
    with whole_file(table_path(root, song), room=root / "features") as path:
        pq.write_table(table.replace_schema_metadata({b"made_by": stamp(record["hash"])} | table.schema.metadata), path)
    return len(paths)


def stamp(digest: str) -> bytes:
    """What a table was made from and how: the hash of the song's samples and the settings."""
    return json.dumps({"hash": digest, "settings": SETTINGS}).encode()


def up_to_date(song: str, digest: str, *, root: Path) -> bool:
    """Whether a song's table is there and made from these samples with these settings."""
    try:
        metadata = pq.read_schema(table_path(root, song)).metadata
    except (OSError, pa.ArrowException):  # absent or damaged
        return False
    return (metadata or {}).get(b"made_by") == stamp(digest)


# --- all songs -------------------------------------------------------------------------------


def work(args: argparse.Namespace) -> int:
    """Describe all good songs."""
    if args.list:
        print_columns()
        return terminal.ALL_GOOD
    root = args.data
    good = good_songs(root)
    clear_unfinished(root, root / "features")
    songs = dict(zip(good["song"], good["hash"], strict=True))
    pending = [song for song, digest in songs.items() if not up_to_date(song, digest, root=root)]
    known = sum(table_path(root, song).exists() for song in pending)
    function = functools.partial(describe_song, root=root)
    done, failed = 0, {}
    for song, outcome in workers.run(function, pending, label="Describing", jobs=args.jobs, scheduler=args.scheduler):
        if isinstance(outcome, SongError):
            failed[song] = str(outcome)
        else:
            done += outcome
    described = len(songs) - len(failed)
    terminal.print_note(root)
    where = printable(root / "features")
    print(f"{terminal.counted(described, 'song')} described by {len(COLUMNS)} features in {where}.")
    again = f", of them {known:,} that were out of date" if known else ""
    print(f"Songs described now: {len(pending) - len(failed):,} ({terminal.counted(done, 'clip')}){again}.")
    terminal.print_left_out(failed)
    if not described:
        return terminal.NOTHING_USABLE
    return terminal.LEFT_OUT if failed else terminal.ALL_GOOD


def print_columns() -> None:
    """Print every column with unit, meaning and source."""
    for name, feature in FEATURES.items():
        for column in columns(name):
            print(f"{column:20}  {feature.unit:16}  {feature.meaning} (librosa.{feature.source})")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.parser(__doc__)
    parser.add_argument("--list", action="store_true", help="print every column and its meaning, and stop")
    workers.add_arguments(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the script; returns its exit status."""
    return terminal.run(work, parse_args(argv))


if __name__ == "__main__":
    import feature_extraction  # so that worker processes know its functions by this name

    sys.exit(feature_extraction.main())
