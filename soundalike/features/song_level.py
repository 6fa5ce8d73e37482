"""Features of whole songs, for which two seconds are too short: tempo and the range of loudness.

A song is read stack by stack, through the spectra that its clips' features are made of anyway.
"""

from functools import cached_property

import numpy as np

from soundalike.audio.decoding import CLIP_SAMPLES, CLIP_SECONDS
from soundalike.features import kernels
from soundalike.features.filters import HOP_LENGTH, N_FFT, hann, mel_filters
from soundalike.features.spectra import DYNAMIC_RANGE, Spectra, decibels

FRAMES = CLIP_SAMPLES // HOP_LENGTH  # of a clip
SEAM = CLIP_SAMPLES - (FRAMES - 1) * HOP_LENGTH  # samples from its last frame to the next clip's first
FRAME_RATE = FRAMES / CLIP_SECONDS  # Hz, on average
QUIETEST = 60  # dB below the loudest clip
WINDOW = 12  # s, in which the beat is taken to be steady

TEMPI = np.geomspace(40, 240, 361)  # BPM, in steps of half a per cent
USUAL_TEMPO = 120  # BPM
TEMPO_OCTAVES = 1.5  # the deviation around it: a tempo an octave off counts 0.8 times as much
BEATS = np.arange(1, 5)  # how many beats later the song should be like itself
# How much it counts against a tempo that the song is like itself between its beats: a third of a beat off
# it was a beat of some other tempo, 4/3 or 3/2 as fast; half a beat off it may well be a half beat.
AGAINST = {1 / 2: 0.1, 1 / 3: 0.125, 2 / 3: 0.125}


class WholeSong:
    """A song to which its clips are added, one stack after the other."""

    def __init__(self) -> None:
        self._last: tuple[np.ndarray, np.ndarray] | None = None  # samples and mel levels of the last clip
        self._flux: list[np.ndarray] = []
        self._level: list[np.ndarray] = []

    def add(self, s: Spectra) -> None:
        """Add the next clips."""
        y, mel = s.y, s.mel[:, :, :FRAMES].copy()
        if self._last:
            y, mel = np.concatenate([self._last[0], y]), np.concatenate([self._last[1], mel])
        steps = _steps(mel, _complete(y, mel)).ravel()
        # Of the last clip, the last frame is completed only when the next clip is known.
        self._flux.append(steps[FRAMES - 1 if self._last else 1 : -1])
        self._last = y[-1:], mel[-1:]
        self._level.append(decibels((s.y**2).mean(axis=1)))

    @cached_property
    def onset(self) -> np.ndarray:
        """Onset strength over the whole song, at `FRAME_RATE` [shape=(frames,)]."""
        return np.concatenate(self._flux)

    @cached_property
    def autocorrelation(self) -> np.ndarray:
        """Autocorrelation of the onset strength, by lag in frames; 1 at none [shape=(lags,)]."""
        length = min(WINDOW * int(FRAME_RATE), len(self.onset))
        windows = np.lib.stride_tricks.sliding_window_view(self.onset, length)[:: max(length // 2, 1)]
        windows = np.vstack([windows, self.onset[-length:]])  # the end, which may fill no window
        n = 2 ** int(2 * length - 1).bit_length()
        power = np.abs(np.fft.rfft(windows - windows.mean(axis=1, keepdims=True), n)) ** 2
        found = np.fft.irfft(power.sum(axis=0), n)  # the sum of their autocorrelations
        lags = length * 3 // 4  # for longer ones there is little to compare
        found = found[:lags] / np.arange(length, length - lags, -1)
        return found / found[0] if found[0] > 0 else found

    @property
    def tempo(self) -> float:
        """Tempo in BPM: that after whose beats the song is most like itself, and after whose parts of beats it is not.

        `USUAL_TEMPO` where nothing ever begins.
        """
        if not self.autocorrelation[0]:
            return float(USUAL_TEMPO)
        on = self._after_beats(BEATS)
        off = sum(weight * self._after_beats(BEATS - part) for part, weight in AGAINST.items())
        usual = np.exp(-0.5 * (np.log2(TEMPI / USUAL_TEMPO) / TEMPO_OCTAVES) ** 2)
        return float(TEMPI[int(np.argmax(np.maximum(on - off, 0) * usual))])

    def _after_beats(self, beats: np.ndarray) -> np.ndarray:
        """How like itself the song is after some beats, on average, at each of `TEMPI`; 0 where all is too long."""
        lags = beats * 60 * FRAME_RATE / TEMPI[:, None]
        found = np.interp(lags, np.arange(len(self.autocorrelation)), self.autocorrelation, right=np.nan)
        return np.nan_to_num(found).sum(axis=1) / np.maximum((~np.isnan(found)).sum(axis=1), 1)

    @property
    def loudness_range(self) -> float:
        """Range in dB that nine tenths of the clips keep to, however loud the whole is.

        Clips count as no softer than `QUIETEST` below the loudest.
        """
        level = np.concatenate(self._level)
        low, high = np.quantile(np.maximum(level, level.max() - QUIETEST), [0.05, 0.95])
        return float(high - low)


def _complete(y: np.ndarray, mel: np.ndarray) -> np.ndarray:
    """Give frames that extend over the end of a clip the samples of its neighbour, which they lacked.

    Returns
    -------
    np.ndarray [shape=(clips, 1)]
        The level at which each clip is cut off.
    """
    floor = mel.max(axis=(1, 2))[:, None] - DYNAMIC_RANGE
    if len(y) > 1:
        joined = np.concatenate([y[:-1, -N_FFT:], y[1:, :N_FFT]], axis=1)
        starts = N_FFT // 2 + np.array([-SEAM, 0, HOP_LENGTH])
        frames = np.stack([joined[:, start : start + N_FFT] for start in starts], axis=1)
        magnitude = np.abs(np.fft.rfft(frames * hann(N_FFT))).astype(np.float32)
        magnitude = np.ascontiguousarray(magnitude.transpose(0, 2, 1))
        level = decibels(kernels.band_power(magnitude, *mel_filters()))
        mel[:-1, :, -1] = np.maximum(level[:, :, 0], floor[:-1])
        mel[1:, :, :2] = np.maximum(level[:, :, 1:], floor[1:, :, None])
    return floor


def _steps(mel: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """How much levels rise from each frame to the next, mean over bands [shape=(clips, FRAMES)]."""
    steps = np.zeros((len(mel), FRAMES))
    steps[:, 1:] = np.maximum(np.diff(mel), 0).mean(axis=1)
    # Where clips meet, both are cut off at the same level, and the step is a little longer.
    both = np.maximum(floor[:-1], floor[1:])
    rise = np.maximum(mel[1:, :, 0], both) - np.maximum(mel[:-1, :, -1], both)
    steps[1:, 0] = np.maximum(rise, 0).mean(axis=1) * HOP_LENGTH / SEAM
    return steps
