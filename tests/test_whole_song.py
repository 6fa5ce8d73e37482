import librosa
import numpy as np
import pytest
from conftest import clicks, noise, sine

from soundalike.audio import CLIP_SAMPLES, SAMPLE_RATE
from soundalike.features.filters import HOP_LENGTH, N_FFT
from soundalike.features.spectra import FRAMES, Spectra, WholeSong


def whole_song(y: np.ndarray, stack: int = 16) -> WholeSong:
    """A song as it is described, clip by clip."""
    clips = y[: len(y) // CLIP_SAMPLES * CLIP_SAMPLES].reshape(-1, CLIP_SAMPLES).astype(np.float32)
    song = WholeSong()
    for start in range(0, len(clips), stack):
        song.add(Spectra(clips[start : start + stack]))
    return song


@pytest.mark.parametrize("bpm", [60, 66.6, 75, 81, 90, 97.3, 110, 120, 128, 140, 155.5, 174, 190, 200])
@pytest.mark.parametrize("seconds", [8, 40])
def test_clicks_have_their_tempo(bpm, seconds):
    assert whole_song(clicks(bpm, seconds)).tempo == pytest.approx(bpm, rel=0.02)


@pytest.mark.parametrize("bpm", [72, 90, 96])
def test_sixteenths_do_not_hide_the_beat(bpm):
    y = clicks(bpm, 40) + 0.5 * clicks(2 * bpm, 40) + 0.25 * clicks(4 * bpm, 40)
    # three sixteenths, 4/3 of the tempo, would be nearer to what is usual
    tempo = whole_song(y).tempo
    assert min(abs(tempo / bpm - 1), abs(tempo / bpm / 2 - 1)) < 0.02  # an octave is anyone's guess


def test_even_four_seconds_have_a_tempo():
    assert whole_song(clicks(100, 4)).tempo == pytest.approx(100, rel=0.02)


def test_what_never_begins_has_the_usual_tempo():
    assert whole_song(np.zeros(3 * CLIP_SAMPLES)).tempo == 120


@pytest.mark.parametrize("stack", [1, 3, 16])
def test_clips_are_put_together_without_a_seam(stack):
    y = 0.3 * noise(8, SAMPLE_RATE) + sine(1000, 8, SAMPLE_RATE)
    song = whole_song(y, stack)
    assert len(song.onset) == 4 * FRAMES - 2
    # steady sound has no onsets, not where clips meet either: between clips it would be four times as much
    seams = np.concatenate([song.onset[k * FRAMES - 3 : k * FRAMES + 3] for k in (1, 2, 3)])
    assert seams.max() < 1.5 * np.median(song.onset)
    np.testing.assert_allclose(song.onset, whole_song(y).onset, rtol=1e-4, atol=1e-5)


def test_a_swell_begins_nowhere():
    y = sine(100, 20, SAMPLE_RATE, 1) * np.geomspace(1e-3, 0.9, 20 * SAMPLE_RATE)
    onset = whole_song(y).onset
    assert onset.max() < 2 * np.median(onset) + 0.05


def test_onsets_are_those_of_the_whole_song():
    y = clicks(120, 8) + 0.01 * noise(8, SAMPLE_RATE)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=SAMPLE_RATE, n_fft=N_FFT, hop_length=HOP_LENGTH))
    expected = np.maximum(np.diff(mel, axis=1), 0).mean(axis=0)
    found = whole_song(y).onset
    at = np.interp(np.arange(len(found)) * CLIP_SAMPLES / FRAMES / HOP_LENGTH, np.arange(len(expected)), expected)
    assert np.corrcoef(found, at)[0, 1] > 0.9


def test_the_range_of_loudness():
    assert whole_song(sine(440, 20, SAMPLE_RATE)).loudness_range == pytest.approx(0, abs=0.01)
    halves = np.concatenate([sine(440, 10, SAMPLE_RATE, 0.05), sine(440, 10, SAMPLE_RATE, 0.5)])
    assert whole_song(halves).loudness_range == pytest.approx(20, abs=0.01)
    assert whole_song(halves / 4).loudness_range == pytest.approx(20, abs=0.01)  # however loud
    pause = np.concatenate([sine(440, 10, SAMPLE_RATE), np.zeros(10 * SAMPLE_RATE)])
    assert whole_song(pause).loudness_range == pytest.approx(60, abs=0.01)
    steps = np.concatenate([sine(440, 2, SAMPLE_RATE, 0.5 * 10 ** (-step / 20)) for step in range(21)])  # a dB each
    assert whole_song(steps).loudness_range == pytest.approx(18, abs=0.01)  # without a twentieth at each end


@pytest.mark.parametrize("y", [np.zeros(CLIP_SAMPLES), np.full(CLIP_SAMPLES, 0.5), np.eye(1, 3 * CLIP_SAMPLES)[0]])
def test_numbers_are_finite_on_anything(y):
    song = whole_song(y)
    assert np.isfinite([song.tempo, song.loudness_range]).all()
