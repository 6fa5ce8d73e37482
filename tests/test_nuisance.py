import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import NO_NETWORKS, sine, write_song

import feature_extraction
import mp3_split
from soundalike.features import nuisance
from soundalike.features.table import CLIP_COLUMNS
from soundalike.library.catalogue import keep_songs_folder
from soundalike.library.paths import table_path


def split_and_describe(root):
    arguments = ["--library", str(root), "--jobs", "2"]
    assert [mp3_split.main(arguments), feature_extraction.main([*arguments, *NO_NETWORKS])] == [0, 0]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Nine tones of five clips by three artists, described. Only to be read."""
    root = tmp_path_factory.mktemp("described")
    for n in range(9):
        write_song(root / "songs" / f"Artist {n % 3}" / f"{n}.wav", sine(300 + 100 * n, seconds=10))
    split_and_describe(root)
    return root


@pytest.fixture
def library(described, tmp_path):
    """The same, to be changed."""
    shutil.copytree(described, tmp_path, dirs_exist_ok=True)
    keep_songs_folder(tmp_path, tmp_path / "songs")
    return tmp_path


def extract(root, capsys):
    capsys.readouterr()
    assert feature_extraction.main(["--library", str(root), "--jobs", "2", *NO_NETWORKS]) == 0
    return capsys.readouterr().out


def mean_of(altered, alteration, column):
    return altered[altered["alteration"] == alteration].groupby("song")[column].mean()


def test_alterations_do_what_they_are_called(described):
    altered = nuisance.read_altered(described)
    assert set(altered["alteration"]) == {nuisance.PLAIN, *nuisance.ALTERATIONS}
    assert altered.groupby(["song", "alteration"]).size().eq(5).all()
    loudness = mean_of(altered, "6 dB softer", "rms_mean") / mean_of(altered, nuisance.PLAIN, "rms_mean")
    np.testing.assert_allclose(loudness, 10 ** (-6 / 20), rtol=2e-3)
    pitch = {name: mean_of(altered, name, "centroid_mean") for name in (nuisance.PLAIN, "MP3, 64 kbit/s")}
    np.testing.assert_allclose(pitch["MP3, 64 kbit/s"], pitch[nuisance.PLAIN], rtol=0.05)  # the music stays
    assert np.isfinite(altered[CLIP_COLUMNS].to_numpy()).all()


def test_an_excerpt_as_it_is_has_the_features_of_its_clips(described):
    altered = nuisance.read_altered(described)
    plain = altered[altered["alteration"] == nuisance.PLAIN]
    for song, rows in plain.groupby("song"):
        clips = pd.read_parquet(table_path(described, song))
        np.testing.assert_allclose(rows["rms_mean"], clips["rms_mean"], rtol=1e-3)
        np.testing.assert_allclose(rows["centroid_mean"], clips["centroid_mean"], rtol=1e-2)


def test_songs_are_chosen_evenly_over_artists_and_stay_chosen():
    good = pd.DataFrame({"artist": ["A"] * 30 + ["B"] * 3 + ["C"] * 30, "clips": 9, "silent_clips": 0, "seconds": 18.0})
    good["song"] = [f"{n}.mp3" for n in range(len(good))]
    good["hash"] = [f"{n * 7919 % 63:02d}" for n in range(len(good))]
    chosen = list(nuisance.choose(good, set(), Path()))
    artists = good.set_index("song")["artist"]
    assert len(chosen) == nuisance.SONGS
    assert sorted(artists[chosen].value_counts()) == [3, 10, 11]
    more = pd.concat([good, good.assign(artist="D", song="D/" + good["song"], hash="!" + good["hash"])])
    assert set(nuisance.choose(more, set(chosen), Path())) == set(chosen)
    silent = good.assign(silent_clips=9)
    assert nuisance.choose(silent, set(), Path()) == nuisance.choose(good[:7], set(), Path()) == {}


def test_what_was_altered_is_kept_and_new_songs_are_added(library, capsys, monkeypatch):
    before, first = nuisance.altered_hash(library), nuisance.read_altered(library)
    monkeypatch.setattr(nuisance, "write_altered_table", lambda *_: pytest.fail("written, though nothing was to do"))
    extract(library, capsys)
    assert nuisance.altered_hash(library) == before
    monkeypatch.undo()
    write_song(library / "songs" / "Artist 9" / "new.wav", sine(2000, seconds=10))
    split_and_describe(library)
    after = nuisance.read_altered(library)
    assert set(after["song"]) == {*first["song"], "Artist 9/new.wav"}
    assert nuisance.altered_hash(library) != before
    old = after[after["song"] != "Artist 9/new.wav"].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, first)


def test_a_song_with_a_silent_middle_gives_another_excerpt_and_only_once(library, capsys, monkeypatch):
    quiet = np.concatenate([np.zeros(4 * 44_100), sine(900, seconds=16), np.zeros(40 * 44_100)])
    write_song(library / "songs" / "Artist 9" / "quiet.wav", quiet)
    write_song(
        library / "songs" / "Artist 9" / "scattered.wav",
        np.tile(np.append(sine(900, seconds=4), np.zeros(44_100 * 20)), 3),
    )
    split_and_describe(library)
    altered = nuisance.read_altered(library)
    assert (altered[altered["alteration"] == nuisance.PLAIN].groupby("song").size()["Artist 9/quiet.wav"]) == 8
    assert "Artist 9/scattered.wav" not in set(altered["song"])  # nowhere are four clips in twenty seconds
    monkeypatch.setattr(nuisance, "describe_altered", lambda *_, **__: pytest.fail("described again"))
    assert "Could not" not in extract(library, capsys)


def test_songs_that_are_gone_keep_what_was_altered(library, capsys):
    whole = nuisance.read_altered(library)
    shutil.rmtree(library / "songs")
    assert "Also described re-encoded, equalised and compressed: 9 songs." in extract(library, capsys)
    pd.testing.assert_frame_equal(nuisance.read_altered(library), whole)
    (library / nuisance.TABLE).write_bytes(b"PAR1 and nothing else")
    said = extract(library, capsys)
    assert "Could not be re-encoded: 9 songs (Artist 0/0.wav: its file is gone)." in said
    assert "No song was re-encoded: answers may depend on how the files were made." in said


def test_a_damaged_table_is_made_again_by_the_encoders_that_are_there(library, capsys, monkeypatch):
    monkeypatch.setattr(nuisance, "encoders", lambda: {"pcm_s16le", "libmp3lame"})
    whole = nuisance.read_altered(library)
    (library / nuisance.TABLE).write_bytes(b"PAR1 and nothing else")
    assert nuisance.read_altered(library).empty
    assert "This ffmpeg cannot write Opus, 64 kbit/s; models may use what that changes." in extract(library, capsys)
    again = nuisance.read_altered(library)
    pd.testing.assert_frame_equal(again, whole[whole["alteration"] != "Opus, 64 kbit/s"].reset_index(drop=True))
    monkeypatch.undo()  # another ffmpeg is installed
    assert "cannot write" not in extract(library, capsys)
    pd.testing.assert_frame_equal(nuisance.read_altered(library), whole)


def test_of_a_small_library_nothing_is_altered(library, capsys):
    for n in (0, 1):
        (library / "songs" / f"Artist {n}" / f"{n}.wav").unlink()
    mp3_split.main(["--library", str(library)])
    assert "No song was re-encoded (that takes 8 songs of 8 s or more): answers may depend" in extract(library, capsys)


def test_surround_sound_is_altered_too(tmp_path):
    write_song(tmp_path / "wide.flac", np.stack([sine(300 + 50 * n, seconds=10) for n in range(6)], axis=1))
    names = list(nuisance.ALTERATIONS)
    found = nuisance.describe_altered(("wide.flac", 0.0), songs=tmp_path, names=names)
    assert list(found) == [nuisance.PLAIN, *names]
    assert {len(values) for values in found.values()} == {5}


def test_ffmpeg_has_the_encoders():
    assert {made.encoder for made in nuisance.ALTERATIONS.values()} <= nuisance.encoders()
