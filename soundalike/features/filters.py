"""Filter banks, windows and weights by librosa's formulas, each built when it is first used.

librosa itself would import scipy.signal and scipy.stats, which takes every process longer than to describe a song.
"""

import functools
import math

import numpy as np

from soundalike.audio import SAMPLE_RATE

N_FFT = 2048  # samples in an STFT frame: 93 ms
HOP_LENGTH = 512  # samples from one STFT frame to the next: 23 ms
N_MELS = 128
N_CHROMA = 12
CONTRAST_BANDS = 7
CONTRAST_QUANTILE = 0.02  # the proportion of a band's bins that is its peaks, and the proportion that is its valleys
DELTA_WIDTH = 9  # STFT frames

FREQUENCIES = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)  # Hz


@functools.cache
def hann(length: int) -> np.ndarray:
    """Periodic Hann window [shape=(length,)]."""
    return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, length + 1)[:-1])


@functools.cache
def mel_filters(
    rate: int = SAMPLE_RATE, n_fft: int = N_FFT, n_mels: int = N_MELS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangular filters on Slaney's mel scale, each of the same area.

    Slaney, "Auditory Toolbox", 1998: linear below 1 kHz, logarithmic above.

    Returns
    -------
    weights : np.ndarray [shape=(n_mels, bins), dtype=float32]
    starts, stops : np.ndarray [shape=(n_mels,)]
        The bins between which a filter has weights, the last excluded.
    """
    linear, step = 200 / 3, np.log(6.4) / 27  # Hz per mel below 1 kHz; logarithm of the ratio per mel above
    knee = 1000 / linear
    mels = np.linspace(0, knee + np.log(rate / 2 / 1000) / step, n_mels + 2)
    edges = np.where(mels < knee, linear * mels, 1000 * np.exp(step * (mels - knee)))  # Hz
    widths, ramps = np.diff(edges), np.subtract.outer(edges, np.fft.rfftfreq(n_fft, 1 / rate))
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    weights *= (2 / (edges[2:] - edges[:-2]))[:, None]
    used = weights > 0
    return weights, used.argmax(axis=1), used.shape[1] - used[:, ::-1].argmax(axis=1)


@functools.cache
def chroma_filters() -> np.ndarray:
    """How much each bin counts towards each pitch class, C first, tuned to A = 440 Hz [shape=(N_CHROMA, bins)].

    Ellis, "Chroma feature analysis and synthesis", 2007: Gaussians around the pitch classes, and one of two octaves
    around the fifth octave.
    """
    octaves = np.log2(np.linspace(0, SAMPLE_RATE, N_FFT, endpoint=False)[1:] / (440 / 16))
    bins = np.concatenate([[N_CHROMA * octaves[0] - 1.5 * N_CHROMA], N_CHROMA * octaves])
    widths = np.append(np.maximum(np.diff(bins), 1), 1)
    away = np.subtract.outer(np.arange(N_CHROMA, dtype=float), bins) * -1
    away = np.remainder(away + N_CHROMA / 2 + 10 * N_CHROMA, N_CHROMA) - N_CHROMA / 2
    weights = np.exp(-0.5 * (2 * away / widths) ** 2)
    weights /= np.sqrt((weights**2).sum(axis=0))
    weights *= np.exp(-0.5 * ((bins / N_CHROMA - 5) / 2) ** 2)
    return np.ascontiguousarray(np.roll(weights, -3, axis=0)[:, : len(FREQUENCIES)], dtype=np.float32)


@functools.cache
def tonnetz_filters() -> np.ndarray:
    """Return the tonal centroid of each pitch class [shape=(6, N_CHROMA)].

    Harte, Sandler and Gasser, "Detecting harmonic change in musical audio", 2006: circles of fifths, minor thirds and
    major thirds, sine and cosine of each.
    """
    angles = np.multiply.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(N_CHROMA, dtype=float))
    angles[::2] -= 0.5
    return np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * angles)


@functools.cache
def cosine_basis(count: int) -> np.ndarray:
    """Return the first rows of the orthonormal DCT-II of `N_MELS` levels [shape=(count, N_MELS)]."""
    basis = np.cos(np.pi / N_MELS * np.outer(np.arange(count), np.arange(N_MELS) + 0.5)) * np.sqrt(2 / N_MELS)
    basis[0] /= np.sqrt(2)
    return basis


@functools.cache
def delta_weights(order: int) -> np.ndarray:
    """Return what `DELTA_WIDTH` neighbouring values count in their derivative of an order [shape=(DELTA_WIDTH,)].

    Savitzky and Golay, "Smoothing and differentiation of data by simplified least squares procedures", 1964: that of
    the polynomial of this order which fits them best.
    """
    places = np.arange(DELTA_WIDTH) - DELTA_WIDTH // 2
    return np.linalg.pinv(np.vander(places, order + 1))[0] * math.factorial(order)


@functools.cache
def octave_bands() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins of the bands of `librosa.feature.spectral_contrast`, and how many are its peaks and its valleys."""
    edges = 200.0 * 2.0 ** np.arange(CONTRAST_BANDS - 1)  # Hz
    starts = np.append(0, np.searchsorted(FREQUENCIES, edges) - 1)
    stops = np.append(np.searchsorted(FREQUENCIES, edges, side="right"), len(FREQUENCIES))
    counts = np.maximum(1, np.round(CONTRAST_QUANTILE * (stops - starts)).astype(int))
    stops[:-1] -= 1  # librosa counts the bin at an edge with the lower band, and leaves it to the upper one
    return starts, stops, counts
