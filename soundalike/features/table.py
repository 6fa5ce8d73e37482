"""The tables of features and statistics: what every column of a frame is called, means and is computed by."""

from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from soundalike.audio.decoding import CLIP_SECONDS, SAMPLE_RATE, SILENCE_DBFS
from soundalike.features import spectra
from soundalike.features.filters import HOP_LENGTH, N_FFT, N_MELS
from soundalike.features.spectra import DYNAMIC_RANGE, ROLLOFF


class Feature(NamedTuple):
    """One row of a table of features."""

    dims: int | tuple[str, ...]  # how many numbers it is, or what each is called
    statistics: tuple[str, ...]  # of the frames; none for a feature that is one number for a clip or a song
    compute: Callable  # values [shape=(clips, dims, frames)] of Spectra; [shape=(dims,)] of a WholeSong
    unit: str
    meaning: str
    source: str


class Statistic(NamedTuple):
    """A number for the frames of a clip."""

    compute: Callable  # [shape=(clips, dims, frames)] -> [shape=(clips, dims)]
    meaning: str


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.std(values, axis=-1, dtype=np.float64)


STATISTICS = {
    "mean": Statistic(lambda v: np.mean(v, axis=-1, dtype=np.float64), "mean"),
    "std": Statistic(_deviation, "standard deviation"),
    "step1": Statistic(lambda v: _deviation(v[..., 1:] - v[..., :-1]), "deviation of its change in 23 ms"),
    "step4": Statistic(lambda v: _deviation(v[..., 4:] - v[..., :-4]), "deviation of its change in 93 ms"),
    "step16": Statistic(lambda v: _deviation(v[..., 16:] - v[..., :-16]), "deviation of its change in 372 ms"),
    "bend": Statistic(lambda v: _deviation(np.diff(v, n=2, axis=-1)), "deviation of the change of its change"),
}

MEAN, STD, BOTH, ALL = ("mean",), ("std",), ("mean", "std"), tuple(STATISTICS)
PAIRS = tuple(f"{one:02d}_{other:02d}" for one in range(1, 21) for other in range(one + 1, 21))

# What is known of each clip. The sources are functions of librosa.
FEATURES: dict[str, Feature] = {
    "tempo": Feature(1, (), spectra.tempo, "BPM", "tempo of the onset strength", "feature.tempo"),
    "rms": Feature(1, ALL, spectra.rms, "full scale = 1", "loudness as root mean square", "feature.rms"),
    "zcr": Feature(1, ALL, spectra.zero_crossing_rate, "per sample", "sign changes", "feature.zero_crossing_rate"),
    "centroid": Feature(1, ALL, lambda s: s.shape[0], "Hz", "spectral centroid", "feature.spectral_centroid"),
    "rolloff": Feature(1, ALL, lambda s: s.shape[2], "Hz", "85 % of magnitude is below", "feature.spectral_rolloff"),
    "bandwidth": Feature(1, ALL, lambda s: s.shape[1], "Hz", "spread around centroid", "feature.spectral_bandwidth"),
    "flatness": Feature(1, ALL, lambda s: s.shape[3], "0 to 1", "0 a tone, 1 noise", "feature.spectral_flatness"),
    "onset": Feature(1, ALL, lambda s: s.onset[:, None], "dB", "onset strength", "onset.onset_strength"),
    "contrast": Feature(7, ALL, spectra.contrast, "dB", "peaks over valleys by octave", "feature.spectral_contrast"),
    "mfcc": Feature(20, ALL, lambda s: s.mfcc, "dB", "cepstrum of the mel spectrum: timbre", "feature.mfcc"),
    "mfcc_delta": Feature(20, STD, spectra.mfcc_delta, "dB per frame", "slope of each MFCC", "feature.delta"),
    "mfcc_delta2": Feature(20, STD, spectra.mfcc_delta2, "dB per frame²", "curvature of each MFCC", "feature.delta"),
    "mfcc_corr": Feature(PAIRS, (), spectra.mfcc_correlation, "-1 to 1", "how two MFCCs go together", "feature.mfcc"),
    "chroma": Feature(12, ALL, lambda s: s.chroma, "largest = 1", "pitch classes, tuning 0", "feature.chroma_stft"),
    "tonnetz": Feature(6, BOTH, spectra.tonnetz, "-1 to 1", "tonal centroid of the chroma", "feature.tonnetz"),
    "band": Feature(32, MEAN, spectra.bands, "dB", "mel band over the clip's mean", "feature.melspectrogram"),
}

# What is known of each song as a whole; every clip of it has the same.
SONG_FEATURES: dict[str, Feature] = {
    "song_tempo": Feature(1, (), lambda song: song.beat[0], "BPM", "tempo", "WholeSong.beat"),
    "song_beat": Feature(1, (), lambda song: song.beat[1], "0 to 1", "how regular the beat is", "WholeSong.beat"),
    "song_mode": Feature(("fit", "major"), (), lambda song: song.key[:2], "-1 to 1", "its key", "WholeSong.key"),
    "song_key": Feature(("cos", "sin"), (), lambda song: song.key[2:], "-1 to 1", "among fifths", "WholeSong.key"),
    "song_harmonic": Feature(1, (), lambda song: song.harmonic, "0 to 1", "sustained energy", "WholeSong.harmonic"),
    "song_loudness": Feature(
        ("std", "range", "step"), (), lambda song: song.loudness, "dB", "how loudness moves", "WholeSong.loudness"
    ),
}

FAMILIES = FEATURES | SONG_FEATURES

# What the features of clips are about, in plain words.
ASPECTS = {
    "timbre": ("mfcc", "mfcc_delta", "mfcc_delta2", "mfcc_corr", "band", "contrast"),
    "brightness": ("centroid", "rolloff", "bandwidth", "flatness", "zcr"),
    "harmony": ("chroma", "tonnetz"),
    "rhythm": ("tempo", "onset"),
    "loudness": ("rms",),
}


def _dims(name: str) -> list[str]:
    """``rms``; ``mfcc_01`` to ``mfcc_20``; ``song_key_cos`` and ``song_key_sin``."""
    dims = FAMILIES[name].dims
    if dims == 1:
        return [name]
    return [f"{name}_{each}" for each in (dims if isinstance(dims, tuple) else [f"{n + 1:02d}" for n in range(dims)])]


def columns(name: str) -> list[str]:
    """The columns of one feature, in order: ``rms_mean, rms_std``."""
    statistics = FAMILIES[name].statistics
    return [f"{dim}_{statistic}" for statistic in statistics for dim in _dims(name)] or _dims(name)


CLIP_COLUMNS = [column for name in FEATURES for column in columns(name)]
COLUMNS = [column for name in FAMILIES for column in columns(name)]
UNITS = {column: feature.unit for name, feature in FAMILIES.items() for column in columns(name)}

# These say how loud a recording is made, too: mastering is not the artist. With gain nothing else changes,
# but where sound falls to the least power that librosa knows.
LOUDNESS = [*columns("rms"), "mfcc_01_mean"]

# The nine features of 2018.
ORIGINAL_NINE = ["tempo", *(f"{name}_{each}" for name in ("rms", "zcr", "centroid", "rolloff") for each in BOTH)]

# A table made with other settings is out of date, and a model made from it does not fit. Raise the
# version when a feature would come out otherwise under the same name.
FEATURE_SETTINGS = {
    "version": 2,
    "sample_rate": SAMPLE_RATE,
    "clip_seconds": CLIP_SECONDS,
    "n_fft": N_FFT,
    "hop_length": HOP_LENGTH,
    "n_mels": N_MELS,
    "rolloff": ROLLOFF,
    "dynamic_range": DYNAMIC_RANGE,
    "silence_dbfs": SILENCE_DBFS,
    "columns": COLUMNS,
    "librosa": version("librosa"),
}


def column_lines() -> list[str]:
    """Return a line for every column: name, unit, meaning and source."""
    lines = []
    for name, feature in FAMILIES.items():
        source = f"librosa.{feature.source}" if name in FEATURES else f"song_level.{feature.source}"
        for column in columns(name):
            statistic = STATISTICS.get(column.rsplit("_", 1)[-1]) if feature.statistics else None
            meaning = feature.meaning + (f": {statistic.meaning}" if statistic else "")
            gain = "; depends on gain" if column in LOUDNESS else ""
            lines.append(f"{column:20}  {feature.unit:16}  {meaning}{gain} ({source})")
    return lines
