"""One song as it sounds: formats, lengths, headers, damage."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import mutagen
import mutagen.mp3
import numpy as np
import pytest
from conftest import RATE, decode_file, noise, peak_frequency, raises, sine, write_song

from soundalike import audio
from soundalike.messages import Reason


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels_become_mono_at_one_rate(tmp_path, rate, channels):
    y = np.column_stack([sine(1000, 5, rate)] * channels)
    decoded, record = decode_file(write_song(tmp_path / "x.wav", y, rate))
    assert len(decoded) == 2 * audio.CLIP_SAMPLES
    assert peak_frequency(decoded) == pytest.approx(1000, abs=1)
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)  # two equal channels: no louder
    assert (record["sample_rate"], record["channels"]) == (rate, channels)
    assert record["dropped"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".opus", ".wav", ".MP3"])
def test_formats(tmp_path, suffix):
    rate = 48_000
    decoded, record = decode_file(write_song(tmp_path / f"x{suffix}", sine(440, 4.5, rate), rate))
    assert record["status"] == "ok"
    assert record["clips"] == 2
    assert peak_frequency(decoded) == pytest.approx(440, abs=1)
    assert record["sample_rate"] == rate


def test_m4a(tmp_path):
    write_song(tmp_path / "x.wav", sine(440, 4.5))
    subprocess.run([audio.ffmpeg(), "-v", "error", "-i", tmp_path / "x.wav", tmp_path / "x.m4a"], check=True)
    decoded, record = decode_file(tmp_path / "x.m4a")
    assert (record["status"], record["clips"]) == ("ok", 2)
    assert peak_frequency(decoded) == pytest.approx(440, abs=1)


def test_resampling_does_not_alias(tmp_path):
    decoded, _ = decode_file(write_song(tmp_path / "x.wav", sine(15_000, 4)))  # would fold to 7,050 Hz
    assert np.abs(decoded[1000:-1000]).max() < 0.001


def test_without_ffmpeg_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    audio.ffmpeg.cache_clear()
    try:
        assert "imageio_ffmpeg" in audio.ffmpeg()
        assert decode_file(write_song(tmp_path / "x.mp3", sine()))[1]["status"] == "ok"
    finally:
        audio.ffmpeg.cache_clear()


def test_memory_does_not_grow_with_the_song(tmp_path):
    peaks = []
    for seconds in (10, 300):
        path = write_song(tmp_path / f"{seconds}.flac", sine(440, seconds))
        tracemalloc.start()
        for _ in audio.Decoder(path):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000  # bytes; 300 s of samples are 13 million


@pytest.mark.parametrize(("level", "silent"), [(-70, True), (-50, False)])
def test_silence_is_a_matter_of_rms(level, silent):
    clip = sine(440, 2, audio.SAMPLE_RATE, amplitude=np.sqrt(2) * 10 ** (level / 20))
    assert audio.is_silent(clip) == silent


def test_too_long_a_file_without_a_length_is_refused_too(tmp_path):
    write_song(tmp_path / "x.wav", sine(440, 40))
    options = ["-v", "error", "-i", tmp_path / "x.wav", "-write_xing", "0"]
    subprocess.run([audio.ffmpeg(), *options, tmp_path / "x.mp3"], check=True)
    assert audio.read_header(tmp_path / "x.mp3")["announced"] is None
    with raises(Reason.TOO_LONG):
        decode_file(tmp_path / "x.mp3", max_hours=0.01)


def test_a_dummy_length_is_not_believed(tmp_path):
    write_song(tmp_path / "x.flac", sine(440, 5))
    ffmpeg = [audio.ffmpeg(), "-v", "error", "-i", str(tmp_path / "x.flac"), "-f", "wav", "-"]
    (tmp_path / "x.wav").write_bytes(subprocess.run(ffmpeg, check=True, capture_output=True).stdout)
    decoded, record = decode_file(tmp_path / "x.wav")
    assert (record["status"], record["announced"], len(decoded) // audio.CLIP_SAMPLES) == ("ok", None, 2)


def test_aac_does_not_announce_a_length(tmp_path):
    write_song(tmp_path / "x.wav", np.concatenate([0.0001 * noise(20), noise(20)]))
    subprocess.run([audio.ffmpeg(), "-v", "error", "-i", tmp_path / "x.wav", tmp_path / "x.aac"], check=True)
    record = decode_file(tmp_path / "x.aac")[1]
    assert (record["status"], record["announced"]) == ("ok", None)


@pytest.mark.parametrize(("part", "status"), [(0.85, "rejected"), (0.93, "damaged")])
def test_ninety_per_cent_must_decode(tmp_path, part, status):
    path = write_song(tmp_path / "x.flac", noise(20))
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    assert decode_file(path)[1]["status"] == status


def test_a_tag_without_a_value_is_no_tag(tmp_path, monkeypatch):
    class File(dict):
        info = None

    monkeypatch.setattr(mutagen, "File", lambda path: File({"\xa9ART": [], "artist": ["Pitbull"]}))
    assert audio.read_header(tmp_path)["artist"] == "Pitbull"
    monkeypatch.setattr(mutagen, "File", lambda path: File({"\xa9ART": []}))
    assert audio.read_header(tmp_path)["artist"] == ""


@pytest.mark.skipif(sys.platform == "win32", reason="ffmpeg limits its time on other systems alone")
def test_only_ffmpegs_own_time_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "DECODE_LIMIT", 1)  # s
    decoder = audio.Decoder(write_song(tmp_path / "x.wav", sine(seconds=6)))
    for _ in decoder:
        time.sleep(0.5)
    assert decoder.record["status"] == "ok"
    stand_in(monkeypatch, tmp_path, "sleep 1.1; exit 255")  # as ffmpeg ends by a limit
    with raises(Reason.TOO_SLOW):
        list(audio.Decoder(tmp_path / "x.wav"))


def record_of(path: Path) -> dict:
    decoder = audio.Decoder(path)
    assert len(list(decoder)) == decoder.record["clips"]
    return decoder.record


def test_loudness_and_cutoff_of_known_sounds(tmp_path):
    record = record_of(write_song(tmp_path / "x.wav", sine(1000, amplitude=0.5)))
    assert record["loudness"] == -9.0  # dBFS: half of full scale is -6, and a sine's RMS 3 below its peak
    spectrum, hertz = np.fft.rfft(noise(8)), np.fft.rfftfreq(8 * RATE, 1 / RATE)
    y = np.fft.irfft(spectrum * np.select([hertz < 2000, hertz < 6000], [1, 10 ** (-45 / 20)], 0))  # 45 dB less
    assert record_of(write_song(tmp_path / "y.wav", y))["cutoff_hz"] == pytest.approx(6000, abs=100)


def test_hiss_below_the_limit_is_silence(tmp_path):
    y = np.concatenate([noise(2, amplitude=1e-4), sine(seconds=2)])  # -85 dBFS: last bits, not zeros
    assert record_of(write_song(tmp_path / "x.wav", y))["silent_clips"] == 1
    assert record_of(write_song(tmp_path / "y.wav", y[: 2 * RATE]))["status"] == "silent"


def test_silence_does_not_hide_how_high_a_recording_reaches(tmp_path):
    path = write_song(tmp_path / "x.wav", np.concatenate([np.zeros(2 * RATE), sine(seconds=4)]))  # of 440 Hz
    assert record_of(path)["cutoff_hz"] == 500  # Hz: 440 lies in the band of 100 that ends there


def stand_in(monkeypatch, folder: Path, script: str) -> None:
    """Put a script in the place of ffmpeg."""
    other = folder / "bin/ffmpeg"
    other.parent.mkdir()
    other.write_text(f"#!/bin/sh\n{script}\n")
    other.chmod(0o755)
    monkeypatch.setattr(audio, "ffmpeg", lambda: str(other))


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_an_ffmpeg_that_is_killed_does_not_make_a_short_song(tmp_path, monkeypatch):
    path = write_song(tmp_path / "x.flac", noise(120))
    # It stops half-way as the kernel's out-of-memory killer would stop it.
    stand_in(monkeypatch, tmp_path, f'{audio.ffmpeg()} "$@" | head -c 900000; kill -9 $$')
    with raises(Reason.FFMPEG_ENDED):
        decode_file(path)
