"""All that lies in a folder of music: damaged files, hostile ones, odd names."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import mutagen.id3
import numpy as np
import pandas as pd
import pytest
from conftest import NAMES, NO_NETWORKS, many, noise, sine, tune, write_song

import feature_extraction
import mp3_split
from soundalike import audio
from soundalike.library import GOOD, LOCK, clip_folder, read_songs
from soundalike.song import decode, read_table

pytestmark = pytest.mark.stress


def split(root: Path, *arguments: str) -> tuple[int, dict[str, dict]]:
    """The exit status, and the rows of songs.csv."""
    status = mp3_split.main(["--library", str(root), "--jobs", "2", *arguments])
    return status, {row["song"]: row for row in read_songs(root).to_dict("records")}


def check_accounted(root: Path, rows: dict[str, dict], count: int) -> int:
    """Each file has one row, which says why it is left out, or counts its clips. Returns how many are used."""
    assert len(rows) == count
    used = 0
    for song, row in rows.items():
        there = len(list(clip_folder(root, song).glob("*.wav")))
        used += row["status"] in GOOD
        assert row["status"] == "ok" or row["reason"]
        assert there == (row["clips"] if row["status"] in (*GOOD, "duplicate") else 0)
        assert there or row["status"] not in GOOD
    assert not list(root.rglob(".unfinished-*"))
    return used


# --- damaged files ---------------------------------------------------------------------------


def damaged(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """The bytes of a song after one of many accidents."""
    cut = draw.randrange(1, len(data))

    def flipped() -> bytes:
        bytes_ = bytearray(data)
        for _ in range(draw.choice([1, 10, 1000])):
            bytes_[draw.randrange(len(bytes_))] ^= 1 << draw.randrange(8)
        return bytes(bytes_)

    return draw.choice(
        [
            lambda: data[:cut],
            flipped,
            lambda: data[:cut] + other[draw.randrange(len(other)) :],  # two files, one run into the other
            lambda: draw.randbytes(draw.choice([16, 200, 4096])) + data[draw.choice([16, 200, 4096]) :],
            lambda: data + draw.randbytes(cut),
            lambda: data[:cut] + bytes(draw.randrange(1, 50_000)) + data[cut:],
        ]
    )()


def test_damaged_files_are_used_or_named_with_a_reason(tmp_path, figure):
    draw, count = random.Random(0), many(40, 5000)
    sound = write_song(tmp_path / "sound.wav", tune(0, 1, 6, 48_000), 48_000)
    whole = {}
    for suffix in (".mp3", ".flac", ".ogg", ".opus", ".wav", ".m4a"):
        made = tmp_path / f"whole{suffix}"
        subprocess.run([audio.ffmpeg(), "-v", "error", "-i", sound, made], check=True)
        whole[suffix] = made.read_bytes()
    (tmp_path / "songs/A").mkdir(parents=True)
    for number in range(count):
        suffix = draw.choice(list(whole))
        data = damaged(whole[suffix], whole[draw.choice(list(whole))], draw)
        (tmp_path / f"songs/A/{number:04d}{suffix}").write_bytes(data)
    started = time.monotonic()
    status, rows = split(tmp_path)
    seconds = time.monotonic() - started
    used = check_accounted(tmp_path, rows, count)
    statuses = pd.Series([row["status"] for row in rows.values()]).value_counts()
    assert 0 < used < count
    assert status == 3
    reported = ", ".join(f"{number:,} {name}" for name, number in statuses.items())
    figure(f"damaged files: {count:,} = {reported}; in {seconds:.0f} s")


# --- hostile files ---------------------------------------------------------------------------


def wav_header(rate: int, length: int, channels: int = 1) -> bytes:
    """The first 44 bytes of a WAV, with anything it claims."""

    def word(number: int, size: int = 4) -> bytes:
        return (number % 2 ** (8 * size)).to_bytes(size, "little")

    form = word(1, 2) + word(channels, 2) + word(rate) + word(2 * channels * rate) + word(2 * channels, 2) + word(16, 2)
    return b"RIFF" + word(36 + length) + b"WAVEfmt " + word(16) + form + b"data" + word(length)


def write_what_is_no_song(songs: Path, outside: Path) -> None:
    """Playlists that name other files, what is no sound, pipes, and links out and in a loop."""
    secret, pipe = write_song(outside / "secret.wav", sine(440, 6)), outside / "pipe.mp3"
    os.mkfifo(pipe)  # a reader of it waits for ever
    for name, target in (("one", secret), ("two", pipe)):
        for suffix in ("mp3", "wav", "flac", "ogg", "m4a", "aac"):
            (songs / f"concat {name}.{suffix}").write_text(f"ffconcat version 1.0\nfile '{target}'\n")
            (songs / f"list {name}.{suffix}").write_text(f"#EXTM3U\n#EXTINF:6,\nfile://{target}\n")
    (songs / "sdp.mp3").write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n")
    (songs / "picture.mp3").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20_000))
    (songs / "empty.mp3").touch()
    os.mkfifo(songs / "pipe.mp3")
    (songs / "folder.mp3").mkdir()
    (songs / "link.wav").symlink_to(secret)
    (songs / "way out").symlink_to(outside)
    (songs / "loop").symlink_to(songs)


def write_lies(songs: Path, sound: bytes) -> None:
    """WAVs whose headers claim what is not so."""
    lies = {"1 Hz": (1, len(sound)), "no Hz": (0, len(sound)), "many Hz": (2**32 - 1, len(sound)),
            "long": (44_100, 2**31), "longest": (44_100, 2**32 - 1), "none": (44_100, 0)}  # fmt: skip
    for name, (rate, length) in lies.items():
        (songs / f"{name}.wav").write_bytes(wav_header(rate, length) + sound)
    (songs / "channels.wav").write_bytes(wav_header(44_100, len(sound), 65_535) + sound)


def write_hostile_tags(songs: Path) -> None:
    """Songs whose tags have paths, escapes, a megabyte of text, and thousands of frames."""
    write_song(songs / "tags.mp3", tune(0, 2, 6))
    tags = mutagen.id3.ID3()
    tags.add(mutagen.id3.TPE1(text="../../evil\x1b]0;gotcha\x07\x1b[31m\u202e"))
    tags.add(mutagen.id3.TALB(text="x" * 1_000_000))
    tags.add(mutagen.id3.TIT2(text="/etc/passwd\r\n\0"))
    tags.save(songs / "tags.mp3")
    # mutagen's time grows with the square of their number
    frames = b"".join(b"TXXX\0\0\0\x07\0\0\0%04x\0b" % number for number in range(20_000))
    head = b"ID3\x03\0\0" + bytes((len(frames) >> shift) & 127 for shift in (21, 14, 7, 0))
    song = write_song(songs / "frames.mp3", tune(0, 3, 6))
    song.write_bytes(head + frames + song.read_bytes())


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")
def test_hostile_files_are_refused_or_bounded(tmp_path, capsys, figure):
    songs, outside = tmp_path / "songs/A", tmp_path / "outside"
    good = write_song(songs / "good.wav", tune(0, 1, 6)).read_bytes()
    write_what_is_no_song(songs, outside)
    write_lies(songs, good[44:])
    write_hostile_tags(songs)
    put = {f"A/{entry.name}" for entry in os.scandir(songs) if "." in entry.name and not entry.is_dir()}

    capsys.readouterr()
    started = time.monotonic()
    status, rows = split(tmp_path)
    seconds = time.monotonic() - started
    said = capsys.readouterr()
    assert status == 3
    used = {song for song, row in rows.items() if row["status"] in GOOD}
    # ffmpeg takes the first for what is there, as soundfile would; each within what the file really holds.
    assert {"A/tags.mp3", "A/frames.mp3"} < used  # and one of those that are the same sound
    assert used <= {
        f"A/{name}" for name in ("good.wav", "tags.mp3", "frames.mp3", "long.wav", "longest.wav", "none.wav")
    }
    assert set(rows) == put | {"A/way out", "A/loop"}  # a folder called x.mp3 is a folder
    check_accounted(tmp_path, rows, len(rows))
    named = {"A/link.wav", "A/way out", "A/loop", "A/pipe.mp3", "A/empty.mp3", "A/sdp.mp3", "A/picture.mp3"}
    assert named <= {song for song, row in rows.items() if row["status"] == "rejected"}
    assert not any("secret" in song for song in rows)
    assert all(row["seconds"] <= 6.1 for row in rows.values() if row["status"] in GOOD)
    assert len(rows["A/tags.mp3"]["album"]) <= 200
    for text in (said.out, said.err.replace("\x1b[A", ""), (tmp_path / "songs.csv").read_text()):
        assert not {"\x1b", "\x07", "\u202e", "\0"} & set(text)
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {"songs", "outside", "clips", "songs.csv", "songs.txt", LOCK}
    refused = len(rows) - len(used)
    figure(f"hostile files: {len(rows)}: {len(used)} used and {refused} refused; {seconds:.0f} s")


def test_ten_hours_of_silence_are_bounded(tmp_path, figure):
    frames = subprocess.run(
        [
            *(audio.ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "60"),
            *("-c:a", "libmp3lame", "-b:a", "8k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3", "-"),
        ],
        check=True,
        capture_output=True,
    ).stdout
    song = tmp_path / "songs/A/silence.mp3"
    song.parent.mkdir(parents=True)
    song.write_bytes(frames * 600)
    limit = many(1, 6)  # hours; six are the default
    started = time.monotonic()
    status, rows = split(tmp_path, "--max-hours", str(limit))
    assert status == 1
    assert f"longer than {limit} hours" in rows["A/silence.mp3"]["reason"]
    assert not list(tmp_path.glob("clips/**/*.wav"))
    figure(
        f"ten hours of silence in {song.stat().st_size / 1e6:.0f} MB: refused after {limit} h of it, "
        f"in {time.monotonic() - started:.0f} s"
    )


# --- names -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_change_no_feature(tmp_path, capsys, figure):
    sounds = [tune(0, number, 2.5) for number in range(len(NAMES))]
    for name, y in zip(NAMES, sounds, strict=True):
        write_song(tmp_path / f"songs/{name}/{name}/{name}.wav", y)
    assert split(tmp_path)[0] == 0
    assert feature_extraction.main(["--library", str(tmp_path), "--jobs", "2", *NO_NETWORKS]) == 0
    assert not {"\x1b", "\u202e"} & set(capsys.readouterr().out)
    for name, y in zip(NAMES, sounds, strict=True):
        plain = decode(write_song(tmp_path / "plain.wav", y), {}).table
        assert read_table(f"{name}/{name}/{name}.wav", tmp_path).table.equals(plain)
    assert sum(path.is_file() for path in (tmp_path / "features").rglob("*")) == len(NAMES)
    # those that would meet elsewhere are named, and neither is taken for the other
    write_song(tmp_path / "meet/songs/A/Song.wav", noise(2.5, seed=1))
    write_song(tmp_path / "meet/songs/A/song.wav", noise(2.5, seed=2))
    status, rows = split(tmp_path / "meet")
    assert (status, {row["status"] for row in rows.values()}) == (1, {"rejected"})
    figure(f"names: {len(NAMES)} odd ones, each as artist, album and song: the same features as under a plain name")


@pytest.mark.skipif(sys.platform != "linux", reason="the longest path differs")
def test_a_path_too_long_for_its_clips_is_that_songs_fault(tmp_path):
    root = tmp_path / ("r" * 200)
    songs = deep = tmp_path / "s"
    while len(str(deep)) < 3900:  # bytes; Linux opens 4,095, and the root's name is longer than that of the songs
        deep = deep / ("d" * min(250, 3990 - len(str(deep))))
    write_song(deep / "x.wav", noise(2.5))
    write_song(songs / "A/x.wav", noise(2.5, seed=1))
    status, rows = split(root, "--songs", str(songs))
    assert status == 3
    assert rows["A/x.wav"]["status"] == "ok"
    (reason,) = (row["reason"] for song, row in rows.items() if song != "A/x.wav")
    assert "its name cannot be stored here: File name too long" in reason
    assert np.isfinite(rows["A/x.wav"]["loudness"])
