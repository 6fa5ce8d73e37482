import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from soundalike.audio import SAMPLE_RATE
from soundalike.features import filters
from soundalike.features.filters import N_FFT, N_MELS


def test_mel_filters_are_librosas():
    weights, starts, stops = filters.mel_filters()
    expected = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-9)
    for band, start, stop in zip(weights, starts, stops, strict=True):
        assert np.flatnonzero(band)[[0, -1]].tolist() == [start, stop - 1]


def test_chroma_filters_are_librosas():
    expected = librosa.filters.chroma(sr=SAMPLE_RATE, n_fft=N_FFT, tuning=0)
    np.testing.assert_allclose(filters.chroma_filters(), expected, rtol=1e-6, atol=1e-9)


def test_tonnetz_is_librosas():
    chroma = np.random.default_rng(0).random((12, 5)) + 0.1
    expected = librosa.feature.tonnetz(chroma=chroma, sr=SAMPLE_RATE)
    np.testing.assert_allclose(filters.tonnetz_filters() @ (chroma / chroma.sum(axis=0)), expected, atol=1e-12)


@pytest.mark.parametrize("length", [344, N_FFT])
def test_the_window_is_a_periodic_hann(length):
    np.testing.assert_allclose(filters.hann(length), scipy.signal.get_window("hann", length), atol=1e-15)


def test_the_cosine_basis_is_an_orthonormal_dct():
    levels = np.random.default_rng(0).standard_normal((N_MELS, 3))
    expected = scipy.fft.dct(levels, axis=0, type=2, norm="ortho")[:20]
    np.testing.assert_allclose(filters.cosine_basis(20) @ levels, expected, atol=1e-12)


def test_deltas_are_derivatives_of_polynomials():
    places = np.arange(9) - 4
    assert filters.delta_weights(1) @ (3 * places + 7) == pytest.approx(3)
    assert filters.delta_weights(2) @ (5 * places**2 - places + 1) == pytest.approx(10)
