"""The tables of features and statistics: what every column of a frame is called, means and is computed by."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from soundalike.audio import CLIP_SAMPLES
from soundalike.features import spectra
from soundalike.features.spectra import Spectra, delta


class Feature(NamedTuple):
    """One row of a table of features."""

    dims: int | tuple[str, ...]  # how many numbers it is, or what each is called
    statistics: tuple[str, ...]  # of the frames; none for a feature that is one number for a clip or a song
    compute: Callable  # values [shape=(clips, dims, frames)] of Spectra; a number of a WholeSong
    unit: str
    meaning: str
    source: str


class Statistic(NamedTuple):
    """A number for the frames of a clip."""

    compute: Callable  # [shape=(clips, dims, frames)] -> [shape=(clips, dims)]
    meaning: str
    plain: str  # the same in everyday words; a mean needs none


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.std(values, axis=-1, dtype=np.float64)


def _change(frames: int) -> Callable:
    """Return the deviation of the change over so many STFT frames."""
    return lambda v: _deviation(v[..., frames:] - v[..., :-frames])


STATISTICS = {
    "mean": Statistic(lambda v: np.mean(v, axis=-1, dtype=np.float64), "mean", ""),
    "std": Statistic(_deviation, "standard deviation", "variation"),
    "step1": Statistic(_change(1), "deviation of its change in 23 ms", "change in 0.02 s"),
    "step4": Statistic(_change(4), "deviation of its change in 93 ms", "change in 0.1 s"),
    "step16": Statistic(_change(16), "deviation of its change in 372 ms", "change in 0.4 s"),
    "bend": Statistic(lambda v: _deviation(np.diff(v, n=2, axis=-1)), "deviation of its second difference", "jitter"),
}

MEAN, STD, BOTH, ALL = ("mean",), ("std",), ("mean", "std"), tuple(STATISTICS)
PAIRS = tuple(f"{one:02d}_{other:02d}" for one in range(1, 21) for other in range(one + 1, 21))

# Features of each clip. The sources are functions of librosa.
CLIP_FEATURES: dict[str, Feature] = {
    "tempo": Feature(1, (), spectra.tempo, "BPM", "tempo of the onset strength", "feature.tempo"),
    "rms": Feature(1, ALL, spectra.rms, "full scale = 1", "loudness as root mean square", "feature.rms"),
    "zcr": Feature(1, ALL, spectra.zero_crossing_rate, "per sample", "sign changes", "feature.zero_crossing_rate"),
    "centroid": Feature(1, ALL, lambda s: s.shape.centroid, "Hz", "spectral centroid", "feature.spectral_centroid"),
    "rolloff": Feature(1, ALL, lambda s: s.shape.rolloff, "Hz", "85% of magnitude below", "feature.spectral_rolloff"),
    "bandwidth": Feature(1, ALL, lambda s: s.shape.bandwidth, "Hz", "spectral spread", "feature.spectral_bandwidth"),
    "flatness": Feature(1, ALL, lambda s: s.shape.flatness, "0 to 1", "0 a tone, 1 noise", "feature.spectral_flatness"),
    "onset": Feature(1, ALL, lambda s: s.onset[:, None], "dB", "onset strength", "onset.onset_strength"),
    "contrast": Feature(7, ALL, spectra.contrast, "dB", "peaks over valleys by octave", "feature.spectral_contrast"),
    "mfcc": Feature(20, ALL, lambda s: s.mfcc, "dB", "cepstrum of the mel spectrum: timbre", "feature.mfcc"),
    "mfcc_delta": Feature(20, STD, lambda s: delta(s.mfcc, 1), "dB per frame", "slope of MFCCs", "feature.delta"),
    "mfcc_delta2": Feature(20, STD, lambda s: delta(s.mfcc, 2), "dB per frame²", "curvature of MFCCs", "feature.delta"),
    "mfcc_corr": Feature(PAIRS, (), spectra.mfcc_correlation, "-1 to 1", "how two MFCCs go together", "feature.mfcc"),
    "chroma": Feature(12, ALL, lambda s: s.chroma, "largest = 1", "pitch classes, tuning 0", "feature.chroma_stft"),
    "tonnetz": Feature(6, BOTH, spectra.tonnetz, "-1 to 1", "tonal centroid of the chroma", "feature.tonnetz"),
    "band": Feature(32, MEAN, spectra.bands, "dB", "mel band over the clip's mean", "feature.melspectrogram"),
}

# Features of a song as a whole, by which people filter; every clip of it has the same, and no model uses them.
SONG_FEATURES: dict[str, Feature] = {
    "song_tempo": Feature(1, (), lambda song: song.tempo, "BPM", "tempo", "WholeSong.tempo"),
    "song_loudness_range": Feature(
        1, (), lambda song: song.loudness_range, "dB", "range of nine tenths of clips", "WholeSong.loudness_range"
    ),
}

FAMILIES = CLIP_FEATURES | SONG_FEATURES

# The aspect that each feature of clips is about, in plain words.
ASPECTS = {
    "timbre": ("mfcc", "mfcc_delta", "mfcc_delta2", "mfcc_corr", "band", "contrast"),
    "brightness": ("centroid", "rolloff", "bandwidth", "flatness", "zcr"),
    "harmony": ("chroma", "tonnetz"),
    "rhythm": ("tempo", "onset"),
    "loudness": ("rms",),
}

# Each feature in everyday words, for figures; a feature of several numbers has a name for each, or they are counted.
OCTAVES = ("below 200 Hz", "at 200 to 400 Hz", "at 400 to 800 Hz", "at 0.8 to 1.6 kHz", "at 1.6 to 3.2 kHz")
PLAIN: dict[str, str | list[str]] = {
    "tempo": "tempo",
    "rms": "loudness",
    "zcr": "rate of sign changes",
    "centroid": "brightness",
    "rolloff": "treble limit",
    "bandwidth": "breadth of the spectrum",
    "flatness": "noisiness",
    "onset": "strength of attacks",
    "contrast": [f"clearness {where}" for where in (*OCTAVES, "at 3.2 to 6.4 kHz", "above 6.4 kHz")],
    "mfcc": ["overall level", "bass over treble", *(f"timbre {n}" for n in range(3, 21))],
    "mfcc_delta": "slope of timbre",
    "mfcc_delta2": "curvature of timbre",
    "mfcc_corr": "timbre together",
    "chroma": [f"pitch class {pitch}" for pitch in ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"]],
    "tonnetz": "harmony",
    "band": "strength of mel band",
    "song_tempo": "tempo of the song",
    "song_loudness_range": "range of the song's loudness",
}


def _dims(name: str) -> list[str]:
    """``rms``; ``mfcc_01`` to ``mfcc_20``; ``mfcc_corr_01_02`` to ``mfcc_corr_19_20``."""
    dims = FAMILIES[name].dims
    if dims == 1:
        return [name]
    return [f"{name}_{dim}" for dim in (dims if isinstance(dims, tuple) else [f"{n + 1:02d}" for n in range(dims)])]


def columns(name: str) -> list[str]:
    """Return the columns of one feature, in order: ``rms_mean, rms_std``."""
    statistics = FAMILIES[name].statistics
    return [f"{dim}_{statistic}" for statistic in statistics for dim in _dims(name)] or _dims(name)


CLIP_COLUMNS = [column for name in CLIP_FEATURES for column in columns(name)]
COLUMNS = [column for name in FAMILIES for column in columns(name)]
UNITS = {column: feature.unit for name, feature in FAMILIES.items() for column in columns(name)}

# These say how loud a recording is made, too: mastering is not the artist. With gain nothing else changes,
# but where sound falls to the least power that librosa takes.
LOUDNESS = [*columns("rms"), "mfcc_01_mean"]

# The nine features of 2018.
ORIGINAL_NINE = ["tempo", *(f"{name}_{each}" for name in ("rms", "zcr", "centroid", "rolloff") for each in BOTH)]

# By what features are made. Raise the version when a feature would come out otherwise under the same name.
MADE_BY = [3, COLUMNS]


def clip_features(y: np.ndarray | Spectra) -> np.ndarray:
    """Compute the features of each of a stack of clips.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, CLIP_SAMPLES)], or Spectra of them
        Samples between -1 and 1, at `audio.SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(clips, len(CLIP_COLUMNS)), dtype=float32]
        One row for each clip, the same beside any other clips.
    """
    shared = y if isinstance(y, Spectra) else Spectra(y)
    if shared.y.ndim != 2 or shared.y.shape[1] != CLIP_SAMPLES:
        raise ValueError(f"clips of shape {shared.y.shape} are not (clips, {CLIP_SAMPLES})")
    parts = []
    for feature in CLIP_FEATURES.values():
        values = feature.compute(shared)
        parts += [STATISTICS[name].compute(values) for name in feature.statistics] or [values]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def plain_name(column: str) -> str:
    """Name a column in everyday words: ``centroid_std`` is "brightness, variation".

    Raises
    ------
    KeyError
        If no feature has such a column.
    """
    return _PLAIN_NAMES[column]


def _plain_names() -> dict[str, str]:
    """Return the names of all columns."""
    names: dict[str, str] = {}
    for name, feature in FAMILIES.items():
        dims, plain = _dims(name), PLAIN[name]
        if isinstance(plain, str):
            numbers = [dim.removeprefix(name).split("_")[1:] for dim in dims]  # none, one or two
            plain = [" ".join([plain, " and ".join(str(int(n)) for n in each)]).strip() for each in numbers]
        statistics = [STATISTICS[each].plain for each in feature.statistics] or [""]
        of_columns = [f"{one}, {statistic}" if statistic else one for statistic in statistics for one in plain]
        names |= dict(zip(columns(name), of_columns, strict=True))
    return names


_PLAIN_NAMES = _plain_names()


def column_lines() -> list[str]:
    """Return a line for every column: name, unit, meaning and source."""
    lines = []
    for name, feature in FAMILIES.items():
        source = f"librosa.{feature.source}" if name in CLIP_FEATURES else f"spectra.{feature.source}"
        for column in columns(name):
            statistic = STATISTICS.get(column.rsplit("_", 1)[-1]) if feature.statistics else None
            meaning = feature.meaning + (f": {statistic.meaning}" if statistic else "")
            gain = "; depends on gain" if column in LOUDNESS else ""
            lines.append(f"{column:20}  {feature.unit:16}  {meaning}{gain} ({source})")
    return lines
