"""Properties that hold for any sound, and in any order."""

import tempfile
import unittest.mock
from pathlib import Path

import numpy as np
import pytest
from conftest import many, write_song
from hypothesis import given, settings
from hypothesis import strategies as st

from soundalike import audio, song
from soundalike.audio import CLIP_SAMPLES, SAMPLE_RATE
from soundalike.features import CLIP_COLUMNS, LOUDNESS, clip_features

pytestmark = pytest.mark.stress

# The same examples each time; that a machine is busy is no failure.
often = settings(max_examples=many(40, 2000), deadline=None, derandomize=True, database=None)

SEEDS = st.integers(0, 2**32 - 1)


def sound(seed: int, clips: int = 1) -> np.ndarray:
    """Clips of a few tones that come and go, over noise [shape=(clips, CLIP_SAMPLES), dtype=float32]."""
    draw = np.random.default_rng(seed)
    t = np.arange(CLIP_SAMPLES) / SAMPLE_RATE
    y = draw.normal(0, 10 ** draw.uniform(-3, -1.5), (clips, CLIP_SAMPLES))
    for clip in y:
        for _ in range(draw.integers(1, 6)):
            rhythm = np.sin(2 * np.pi * draw.uniform(0.5, 4) * t + draw.uniform(0, 6)) > draw.uniform(-1, 0.5)
            clip += draw.uniform(0.01, 0.1) * rhythm * np.sin(2 * np.pi * draw.uniform(50, 8000) * t)
    return y.astype(np.float32)


class InMemory:
    """A song whose clips are these."""

    record = {"status": "ok"}  # noqa: RUF012 - nothing changes it

    def __init__(self, y: np.ndarray) -> None:
        self.y = y

    def __iter__(self):
        yield from (np.clip(self.y, -1, 1) * 32_767).astype(np.int16)


@often
@given(SEEDS, st.sampled_from([1 / 16, 0.3, 1 / 2, 2]))
def test_gain_changes_loudness_alone(seed, gain):
    y = sound(seed)
    soft, loud = (dict(zip(CLIP_COLUMNS, clip_features(each)[0].astype(float), strict=True)) for each in (y, y * gain))
    for name, value in soft.items():
        if name.startswith("rms"):
            assert loud[name] == pytest.approx(gain * value, rel=1e-5)
        elif name not in LOUDNESS:
            # Times 0.3 samples are rounded, which shows where a band's valley is all but nothing (in dB).
            most = 0.1 if gain == 0.3 and name.startswith("contrast") else 1e-3
            assert loud[name] == pytest.approx(value, rel=1e-4, abs=most), name


@often
@given(SEEDS)
def test_polarity_changes_nothing(seed):
    y = sound(seed)
    np.testing.assert_array_equal(clip_features(-y), clip_features(y))


@often
@given(SEEDS, st.permutations(range(3)))
def test_what_stands_beside_a_clip_changes_nothing(seed, order):
    y = sound(seed, clips=3)
    np.testing.assert_array_equal(clip_features(y[order]), clip_features(y)[order])


@settings(often, max_examples=many(10, 200))
@given(SEEDS, st.integers(1, 6))
def test_how_a_song_comes_in_stacks_changes_nothing(seed, size):
    y = sound(seed, clips=7)
    found = []
    for stack in (7, size):
        with unittest.mock.patch.object(song, "STACK", stack):
            found.append(song.analyse(InMemory(y), {}).table)
    assert found[0].equals(found[1])


@often
@given(
    SEEDS,
    st.sampled_from([8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000]),
    st.sampled_from([1, 2, 6]),
    st.floats(0.05, 7),
)
def test_lengths_add_up(seed, rate, channels, seconds):
    y = np.random.default_rng(seed).uniform(-0.3, 0.3, (round(seconds * rate), channels))
    with tempfile.TemporaryDirectory() as folder:
        decoder = audio.Decoder(write_song(Path(folder) / "x.wav", y, rate))
        clips = sum(1 for _ in decoder)
    record = decoder.record
    assert record["clips"] == clips
    assert 0 <= record["dropped"] <= audio.CLIP_SECONDS  # it is rounded to 1 ms
    assert clips * audio.CLIP_SECONDS + record["dropped"] == pytest.approx(record["seconds"], abs=2e-3)
    assert record["seconds"] == pytest.approx(seconds, abs=0.01)


@settings(often, max_examples=many(12, 2000))
@given(SEEDS, st.sampled_from([22_050, 44_100, 48_000]))
def test_two_equal_channels_and_polarity_change_no_sample(seed, rate):
    y = 0.5 * np.random.default_rng(seed).uniform(-1, 1, round(2.1 * rate))
    with tempfile.TemporaryDirectory() as folder:
        decoded = []
        for name, samples in (("mono", y), ("stereo", np.column_stack([y, y])), ("upside down", -y)):
            path = write_song(Path(folder) / f"{name}.wav", samples, rate)
            decoded.append(np.concatenate(list(audio.Decoder(path))).astype(int))
    mono, stereo, turned = decoded
    assert np.abs(mono - stereo).max() <= 1  # the last of 16 bits
    assert np.abs(mono + turned).max() <= 2
