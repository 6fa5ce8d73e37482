"""Kaldi's filter bank, which networks of speech are trained on: for those of voices and of singing."""

import functools

import numpy as np

RATE = 16_000  # Hz; this and the others are Kaldi's defaults, and how the networks were trained
WINDOW = 400  # samples in an STFT frame: 25 ms
HOP = 160  # samples from one frame to the next: 10 ms
N_FFT = 512
BANDS = 80
LOWEST = 20.0  # Hz
TOGETHER = 200  # frames that are worked on together: they fit a processor's cache


def log_mels(y: np.ndarray, floor: float = 0.0, every: int = 1) -> np.ndarray:
    """Compute logarithms of mel power, without dither.

    Povey et al., "The Kaldi speech recognition toolkit", 2011.

    Parameters
    ----------
    y : np.ndarray [shape=(windows, samples), dtype=float32]
        Samples at `RATE`; 25 ms of them at least. Kaldi's own are those of 16 bit, up to 32,768; of samples up to 1 a
        soft band ends earlier, at the least power that has a logarithm here.
    floor : float
        Added to the power in each band, as a share of its mean over the window.
    every : int
        Take only every so many frames.

    Returns
    -------
    np.ndarray [shape=(windows, frames, BANDS), dtype=float32]
    """
    frames = np.lib.stride_tricks.sliding_window_view(y, WINDOW, axis=1)[:, :: HOP * every]
    parts = [_mel_power(frames[:, start : start + TOGETHER]) for start in range(0, frames.shape[1], TOGETHER)]
    power = np.concatenate(parts, axis=1)
    power += np.float32(floor) * power.mean(axis=1, keepdims=True)
    return np.log(np.maximum(power, np.finfo(np.float32).eps))


def _mel_power(frames: np.ndarray) -> np.ndarray:
    """Compute the power of STFT frames in each band [shape=(windows, frames, BANDS)]."""
    from scipy import fft  # three times as fast as NumPy's for single precision

    frames = frames - frames.mean(axis=2, keepdims=True)
    before = np.concatenate([frames[:, :, :1], frames[:, :, :-1]], axis=2)
    shape = np.hanning(WINDOW).astype(np.float32) ** np.float32(0.85)
    return np.square(np.abs(fft.rfft((frames - np.float32(0.97) * before) * shape, N_FFT, axis=2))) @ _mel_filters()


@functools.cache
def _mel_filters() -> np.ndarray:
    """Kaldi's triangles, straight in mel [shape=(N_FFT // 2 + 1, BANDS), dtype=float32]."""

    def mel(frequency: np.ndarray | float) -> np.ndarray:
        return 1127 * np.log1p(np.asarray(frequency) / 700)

    edges = np.linspace(mel(LOWEST), mel(RATE / 2), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = mel(np.fft.rfftfreq(N_FFT, 1 / RATE))[:, None]
    filters = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    filters[-1] = 0  # Kaldi leaves out the last bin
    return filters.astype(np.float32)
