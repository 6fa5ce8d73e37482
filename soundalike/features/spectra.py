"""How each feature of a clip is computed, from spectra that a stack of clips shares.

Each equals what librosa gives for the one clip, with the same explicit arguments.
"""

from functools import cached_property

import numpy as np

from soundalike.audio.decoding import SAMPLE_RATE
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
        found = np.empty((len(frames), len(FREQUENCIES), frames.shape[1]), np.float32)
        for clip, own in zip(found, frames, strict=True):  # one after another: all would not fit a processor's cache
            clip[:] = np.abs(np.fft.rfft(own * hann(N_FFT)).astype(np.complex64)).T
        return found

    @cached_property
    def _moments(self) -> np.ndarray:
        """All four of the following [shape=(4, clips, 1, frames)], which take one pass."""
        return kernels.spectral_shape(self.magnitude, FREQUENCIES, ROLLOFF)

    @property
    def centroid(self) -> np.ndarray:
        """Spectral centroid in Hz [shape=(clips, 1, frames)]."""
        return self._moments[0]

    @property
    def bandwidth(self) -> np.ndarray:
        """Spread around the centroid in Hz [shape=(clips, 1, frames)]."""
        return self._moments[1]

    @property
    def rolloff(self) -> np.ndarray:
        """Frequency below which `ROLLOFF` of the magnitude lies, in Hz [shape=(clips, 1, frames)]."""
        return self._moments[2]

    @property
    def flatness(self) -> np.ndarray:
        """Geometric over arithmetic mean of the power spectrum, 0 to 1 [shape=(clips, 1, frames)]."""
        return self._moments[3]

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


def mfcc_delta(s: Spectra) -> np.ndarray:
    """Slope of each coefficient over nine frames [shape=(clips, N_MFCC, frames)]."""
    return _delta(s.mfcc, 1)


def mfcc_delta2(s: Spectra) -> np.ndarray:
    """Curvature of each coefficient over nine frames [shape=(clips, N_MFCC, frames)]."""
    return _delta(s.mfcc, 2)


def _delta(values: np.ndarray, order: int) -> np.ndarray:
    """Return the derivative over STFT frames; at the ends, that of the nearest window which lies within."""
    count = values.shape[-1] - DELTA_WIDTH + 1
    found = sum(weight * values[..., k : k + count] for k, weight in enumerate(delta_weights(order)))
    return np.pad(found, [(0, 0), (0, 0), (DELTA_WIDTH // 2, DELTA_WIDTH // 2)], mode="edge")


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
