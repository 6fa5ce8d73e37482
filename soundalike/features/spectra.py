"""How each feature of a clip is computed, from spectra that a stack of clips shares.

Each equals what librosa gives for the one clip, with the same explicit arguments.
"""

from functools import cached_property

import librosa
import numpy as np
import scipy.fft

from soundalike.audio.decoding import SAMPLE_RATE
from soundalike.features import kernels

N_FFT = 2048  # samples in a frame: 93 ms
HOP_LENGTH = 512  # samples from one frame to the next: 23 ms
N_MELS = 128
N_MFCC = 20
ROLLOFF = 0.85  # the part of a frame's magnitude below the rolloff frequency
BANDS = 32  # coarse mel bands
DYNAMIC_RANGE = 80  # dB below a clip's loudest band at which levels are cut off
CONTRAST_BANDS = 7
CONTRAST_QUANTILE = 0.02  # the part of a band's bins that is its peaks, and the part that is its valleys
ALMOST_ZERO = 1e-10  # samples this small have no sign
TEMPO_SECONDS = 8.0  # the longest beat that is looked for

FREQUENCIES = librosa.fft_frequencies(sr=SAMPLE_RATE, n_fft=N_FFT)
MEL_WEIGHTS = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
CHROMA_WEIGHTS = librosa.filters.chroma(sr=SAMPLE_RATE, n_fft=N_FFT, tuning=0)


def _reach(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the weights of each band begin and end."""
    used = weights > 0
    return used.argmax(axis=1), used.shape[1] - used[:, ::-1].argmax(axis=1)


def _octaves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins of the bands of `librosa.feature.spectral_contrast`, and how many are its peaks and its valleys."""
    edges = [0.0, *(200.0 * 2.0 ** np.arange(CONTRAST_BANDS - 1))]
    starts, stops, counts = [], [], []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        start = np.searchsorted(FREQUENCIES, low) - (low > 0)
        stop = len(FREQUENCIES) if high is None else np.searchsorted(FREQUENCIES, high, side="right")
        counts.append(max(1, round(CONTRAST_QUANTILE * (stop - start))))
        starts.append(start)
        stops.append(stop if high is None else stop - 1)
    return np.array(starts), np.array(stops), np.array(counts)


MEL_REACH, OCTAVES = _reach(MEL_WEIGHTS), _octaves()


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
        """Magnitude spectrogram [shape=(clips, 1 + N_FFT/2, frames)], a bin's frames side by side."""
        return np.ascontiguousarray(np.abs(librosa.stft(self.y, n_fft=N_FFT, hop_length=HOP_LENGTH)))

    @cached_property
    def shape(self) -> np.ndarray:
        """Centroid, bandwidth, rolloff and flatness [shape=(4, clips, 1, frames)]."""
        return kernels.spectral_shape(self.magnitude, FREQUENCIES, ROLLOFF)

    @cached_property
    def mel(self) -> np.ndarray:
        """Mel spectrogram in dB, cut off below each clip's own maximum [shape=(clips, N_MELS, frames)]."""
        # librosa 0.11 would take the maximum over the whole stack: a loud clip would change its neighbours
        return cut_off(decibels(kernels.band_power(self.magnitude, MEL_WEIGHTS, *MEL_REACH)))

    @cached_property
    def mfcc(self) -> np.ndarray:
        """Mel-frequency cepstral coefficients [shape=(clips, N_MFCC, frames)]."""
        return librosa.feature.mfcc(S=self.mel, sr=SAMPLE_RATE, n_mfcc=N_MFCC)

    @cached_property
    def onset(self) -> np.ndarray:
        """Onset strength [shape=(clips, frames)]."""
        return librosa.onset.onset_strength(S=self.mel, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH)

    @cached_property
    def chroma(self) -> np.ndarray:
        """Energy of the twelve pitch classes, the largest being 1 [shape=(clips, 12, frames)]."""
        return librosa.util.normalize(CHROMA_WEIGHTS @ self.magnitude**2, norm=np.inf, axis=-2)


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
    length = int(TEMPO_SECONDS * SAMPLE_RATE / HOP_LENGTH)
    frames = s.onset.shape[-1]
    padded = np.pad(s.onset, [(0, 0), (length // 2, length // 2)], mode="linear_ramp", end_values=0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=-1)[:, :frames]
    windows = windows * librosa.filters.get_window("hann", length)
    energy = np.einsum("...t,...t->...", windows, windows)
    n = scipy.fft.next_fast_len(2 * length - 1, real=True)
    mean = np.einsum("cft,cf->ct", np.abs(scipy.fft.rfft(windows, n)) ** 2, 1 / np.where(energy > 0, energy, np.inf))
    tempogram = scipy.fft.irfft(mean, n)[:, :length, None] / frames
    return librosa.feature.tempo(tg=tempogram, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)


def rms(s: Spectra) -> np.ndarray:
    """RMS of each frame [shape=(clips, 1, frames)], from sums over hops, of which a frame has four."""
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
    valleys, peaks = kernels.extremes(s.magnitude, *OCTAVES)
    return cut_off(decibels(peaks)) - cut_off(decibels(valleys))


def mfcc_delta(s: Spectra) -> np.ndarray:
    """Slope of each coefficient over nine frames [shape=(clips, N_MFCC, frames)]."""
    return librosa.feature.delta(s.mfcc, width=9)


def mfcc_delta2(s: Spectra) -> np.ndarray:
    """Curvature of each coefficient over nine frames [shape=(clips, N_MFCC, frames)]."""
    return librosa.feature.delta(s.mfcc, width=9, order=2)


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
    return librosa.feature.tonnetz(chroma=s.chroma, sr=SAMPLE_RATE)


def bands(s: Spectra) -> np.ndarray:
    """Level of 32 mel bands over the clip's mean level, in dB [shape=(clips, 32, frames)]."""
    coarse = s.mel.reshape(len(s.mel), BANDS, -1, s.mel.shape[-1]).mean(axis=2)
    return coarse - s.mel.mean(axis=(1, 2), keepdims=True)
