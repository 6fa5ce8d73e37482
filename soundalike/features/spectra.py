"""How each feature of a clip, and of a whole song, is computed, from spectra that a stack of clips shares.

Each feature of a clip equals what librosa gives for the one clip, with the same explicit arguments. Of whole songs are
those for which two seconds are too short: tempo and the range of loudness; a song is added stack by stack.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from soundalike.audio import CLIP_SAMPLES, CLIP_SECONDS, SAMPLE_RATE
from soundalike.features import kernels
from soundalike.features.filters import (
    DELTA_WIDTH,
    FREQUENCIES,
    HOP_LENGTH,
    N_FFT,
    chroma_filters,
    cosine_basis,
    delta_weights,
    hann,
    mel_filters,
    octave_bands,
    tonnetz_filters,
)

N_MFCC = 20
ROLLOFF = 0.85  # the proportion of an STFT frame's magnitude below the rolloff frequency
BANDS = 32  # coarse mel bands
DYNAMIC_RANGE = 80  # dB below a clip's loudest band at which levels are cut off
ALMOST_ZERO = 1e-10  # samples this small have no sign
TEMPO_LAGS = int(8 * SAMPLE_RATE / HOP_LENGTH)  # hops: the longest beat that is considered takes 8 s
TEMPO_N_FFT = 720  # at least 2 * TEMPO_LAGS - 1, and of small prime factors
USUAL_BPM, FASTEST_BPM = 120, 320


class Shape(NamedTuple):
    """The shape of the spectrum of each STFT frame [each of shape=(clips, 1, frames)]."""

    centroid: np.ndarray  # Hz
    bandwidth: np.ndarray  # spread around the centroid, Hz
    rolloff: np.ndarray  # frequency below which `ROLLOFF` of the magnitude lies, Hz
    flatness: np.ndarray  # geometric over arithmetic mean of the power spectrum, 0 to 1


class Spectra:
    """Intermediate results that features share, computed once for a stack of clips and only when needed.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, samples)]
        Samples between -1 and 1, at `SAMPLE_RATE`.
    """

    def __init__(self, y: np.ndarray) -> None:
        self.y = y

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Magnitude spectrogram [shape=(clips, 1 + N_FFT/2, frames)], a bin's frames side by side."""
        padded = np.pad(self.y, [(0, 0), (N_FFT // 2, N_FFT // 2)])
        frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=-1)[:, ::HOP_LENGTH]
        magnitude = np.empty((len(frames), len(FREQUENCIES), frames.shape[1]), np.float32)
        for clip, clip_frames in zip(magnitude, frames, strict=True):  # all would not fit a processor's cache
            clip[:] = np.abs(np.fft.rfft(clip_frames * hann(N_FFT)).astype(np.complex64)).T
        return magnitude

    @cached_property
    def shape(self) -> Shape:
        """Centroid, bandwidth, rolloff and flatness, which take one pass."""
        return Shape(*kernels.spectral_shape(self.magnitude, FREQUENCIES, ROLLOFF))

    @cached_property
    def mel(self) -> np.ndarray:
        """Mel spectrogram in dB, cut off below each clip's own maximum [shape=(clips, N_MELS, frames)]."""
        # librosa 0.11 would take the maximum over the whole stack: a loud clip would change its neighbours
        return cut_off(decibels(kernels.band_power(self.magnitude, *mel_filters())))

    @cached_property
    def mfcc(self) -> np.ndarray:
        """Mel-frequency cepstral coefficients [shape=(clips, N_MFCC, frames)]."""
        return (cosine_basis(N_MFCC) @ self.mel).astype(np.float32)

    @cached_property
    def onset(self) -> np.ndarray:
        """Onset strength [shape=(clips, frames)]."""
        rises = np.maximum(np.diff(self.mel), 0).mean(axis=1)
        later = N_FFT // (2 * HOP_LENGTH)  # an STFT frame is said to begin where its middle lies
        return np.pad(rises[:, :-later], [(0, 0), (1 + later, 0)])

    @cached_property
    def chroma(self) -> np.ndarray:
        """Energy of the twelve pitch classes, the largest being 1 [shape=(clips, 12, frames)]."""
        energy = chroma_filters() @ self.magnitude**2
        return energy / _or_one(energy.max(axis=-2, keepdims=True))


def _or_one(size: np.ndarray) -> np.ndarray:
    """Sizes to divide by; 1 where there is nothing to divide."""
    return np.where(size < np.finfo(size.dtype).tiny, 1, size)


def decibels(power: np.ndarray) -> np.ndarray:
    """Power in dB, as `librosa.power_to_db` has it, with no cut-off but its least power."""
    return 10 * np.log10(np.maximum(power, kernels.AMIN))


def cut_off(level: np.ndarray) -> np.ndarray:
    """Levels [shape=(clips, bands, frames)], none further than `DYNAMIC_RANGE` below its clip's greatest."""
    return np.maximum(level, level.max(axis=(-2, -1), keepdims=True) - DYNAMIC_RANGE)


def tempo(s: Spectra) -> np.ndarray:
    """Tempo in BPM [shape=(clips, 1)]; two seconds give only some forty distinct values.

    As `librosa.feature.tempo` finds it. The mean over frames of their tempograms is taken before the
    inverse transform, not after: one of these instead of one for each frame (0.8 ms -> 0.3 ms).
    """
    frames = s.onset.shape[-1]
    padded = np.pad(s.onset, [(0, 0), (TEMPO_LAGS // 2, TEMPO_LAGS // 2)], mode="linear_ramp", end_values=0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, TEMPO_LAGS, axis=-1)[:, :frames] * hann(TEMPO_LAGS)
    energy = np.einsum("...t,...t->...", windows, windows)
    power = np.abs(np.fft.rfft(windows, TEMPO_N_FFT)) ** 2
    mean = np.einsum("cft,cf->ct", power, 1 / np.where(energy > 0, energy, np.inf))
    tempogram = np.fft.irfft(mean, TEMPO_N_FFT)[:, :TEMPO_LAGS] / frames
    bpm = 60 * SAMPLE_RATE / HOP_LENGTH / np.arange(1, TEMPO_LAGS)  # of each lag but none
    prior = np.where(bpm < FASTEST_BPM, -0.5 * np.log2(bpm / USUAL_BPM) ** 2, -np.inf)
    return bpm[(np.log1p(1e6 * tempogram[:, 1:]) + prior).argmax(axis=1)][:, None]


def rms(s: Spectra) -> np.ndarray:
    """RMS of each frame [shape=(clips, 1, frames)], from sums over hops, four in a frame."""
    hops = N_FFT // HOP_LENGTH
    padded = np.pad(s.y, [(0, 0), (N_FFT // 2, N_FFT // 2)])
    parts = padded[:, : padded.shape[1] // HOP_LENGTH * HOP_LENGTH].reshape(len(padded), -1, HOP_LENGTH)
    energy = np.einsum("cht,cht->ch", parts, parts, dtype=np.float64)
    return np.sqrt(sum(energy[:, n : energy.shape[1] - hops + 1 + n] for n in range(hops)) / N_FFT)[:, None]


def zero_crossing_rate(s: Spectra) -> np.ndarray:
    """Part of a frame's samples at which the sign changes [shape=(clips, 1, frames)]."""
    below = s.y < -ALMOST_ZERO
    until = np.cumsum(below[:, 1:] != below[:, :-1], axis=1, dtype=np.int32)
    until = np.pad(until, [(0, 0), (N_FFT // 2 + 1, N_FFT // 2)], mode="edge")
    until[:, : N_FFT // 2 + 1] = 0
    starts = np.arange(0, s.y.shape[1] + 1, HOP_LENGTH)
    return ((until[:, starts + N_FFT - 1] - until[:, starts]) / N_FFT)[:, None]


def contrast(s: Spectra) -> np.ndarray:
    """Peaks over valleys in dB, in seven octave bands [shape=(clips, 7, frames)]."""
    valleys, peaks = kernels.extremes(s.magnitude, *octave_bands())
    return cut_off(decibels(peaks)) - cut_off(decibels(valleys))


def delta(values: np.ndarray, order: int) -> np.ndarray:
    """Return the derivative over nine STFT frames; at the ends, that of the nearest window which lies within."""
    count = values.shape[-1] - DELTA_WIDTH + 1
    slopes = sum(weight * values[..., k : k + count] for k, weight in enumerate(delta_weights(order)))
    return np.pad(slopes, [(0, 0), (0, 0), (DELTA_WIDTH // 2, DELTA_WIDTH // 2)], mode="edge")


def mfcc_correlation(s: Spectra) -> np.ndarray:
    """Correlation of each two coefficients [shape=(clips, N_MFCC * (N_MFCC - 1) / 2)].

    Their covariance over their deviations, which are features anyway: so it does not depend on how
    much there is to vary. 0 where a coefficient does not vary.
    """
    away = s.mfcc - s.mfcc.mean(axis=-1, keepdims=True, dtype=np.float64)
    size = np.sqrt(np.einsum("cit,cit->ci", away, away))[:, :, None]
    away = np.divide(away, size, out=np.zeros_like(away), where=size > 1e-6)
    one, other = np.triu_indices(N_MFCC, 1)
    return (away @ away.transpose(0, 2, 1))[:, one, other]


def tonnetz(s: Spectra) -> np.ndarray:
    """Tonal centroid: fifths, minor and major thirds, two dimensions each [shape=(clips, 6, frames)]."""
    return tonnetz_filters() @ (s.chroma / _or_one(s.chroma.sum(axis=-2, keepdims=True)))


def bands(s: Spectra) -> np.ndarray:
    """Level of 32 mel bands over the clip's mean level, in dB [shape=(clips, 32, frames)]."""
    coarse = s.mel.reshape(len(s.mel), BANDS, -1, s.mel.shape[-1]).mean(axis=2)
    return coarse - s.mel.mean(axis=(1, 2), keepdims=True)


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
        correlation = np.fft.irfft(power.sum(axis=0), n)  # the sum of their autocorrelations
        lags = length * 3 // 4  # for longer ones there is little to compare
        correlation = correlation[:lags] / np.arange(length, length - lags, -1)
        return correlation / correlation[0] if correlation[0] > 0 else correlation

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
        likeness = np.interp(lags, np.arange(len(self.autocorrelation)), self.autocorrelation, right=np.nan)
        return np.nan_to_num(likeness).sum(axis=1) / np.maximum((~np.isnan(likeness)).sum(axis=1), 1)

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
