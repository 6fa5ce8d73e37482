import functools
import shutil

import librosa
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import NO_NETWORKS, clicks, noise, processed, sine, tune, write_artists, write_song

import feature_extraction
import mp3_split
from soundalike import audio
from soundalike.audio import SAMPLE_RATE
from soundalike.features import (
    CLIP_COLUMNS,
    CLIP_FEATURES,
    COLUMNS,
    LOUDNESS,
    ORIGINAL_NINE,
    STATISTICS,
    UNITS,
    clip_features,
    columns,
    plain_name,
    spectra,
)
from soundalike.features.filters import HOP_LENGTH, N_FFT
from soundalike.library import clip_folder, clip_paths, good_songs, read_notes, table_path
from soundalike.song import decode

AT_CLIP_RATE = {"seconds": 2, "rate": SAMPLE_RATE}
N = audio.CLIP_SAMPLES


def spike() -> np.ndarray:
    y = np.zeros(N)
    y[N // 2] = 1
    return y


SOUNDS = {
    "sine": sine(1000, **AT_CLIP_RATE),
    "low sine": sine(60, **AT_CLIP_RATE),
    "chirp": librosa.chirp(fmin=100, fmax=8000, sr=SAMPLE_RATE, duration=2),
    "noise": noise(**AT_CLIP_RATE),
    "clicks": clicks(120),
    "music": tune(1, 1, **AT_CLIP_RATE),
    "dull music": tune(0, 1, **AT_CLIP_RATE),
    "quiet": noise(**AT_CLIP_RATE, amplitude=1e-4),
    "silence": np.zeros(N),
    "spike": spike(),
    "DC": np.full(N, 0.5),
    "square": np.sign(sine(220, **AT_CLIP_RATE)),
}
STACK = np.stack(list(SOUNDS.values())).astype(np.float32)


def features(y: np.ndarray) -> dict[str, float]:
    """The features of one clip by name."""
    return dict(zip(CLIP_COLUMNS, clip_features(y[None].astype(np.float32))[0], strict=True))


# --- known answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [220, 1000, 4000])
def test_a_sine(frequency):
    found = features(sine(frequency, **AT_CLIP_RATE, amplitude=0.5))
    assert found["centroid_mean"] == pytest.approx(frequency, rel=0.02)
    assert found["rolloff_mean"] == pytest.approx(frequency, abs=2 * SAMPLE_RATE / N_FFT)
    assert found["rms_mean"] == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert found["zcr_mean"] == pytest.approx(2 * frequency / SAMPLE_RATE, rel=0.03)


@pytest.mark.parametrize("bpm", [80, 100, 120, 150])
def test_clicks_have_their_tempo(bpm):
    # two seconds know tempo only to one frame of the lag: 6 % at 150 BPM
    assert features(clicks(bpm))["tempo"] == pytest.approx(bpm, rel=0.06)


def test_a_tone_is_flat_in_no_sense_and_noise_is():
    assert features(SOUNDS["sine"])["flatness_mean"] < 0.01
    assert features(SOUNDS["noise"])["flatness_mean"] > 0.3


def test_chroma_names_the_pitch():
    chroma = {name: value for name, value in features(sine(440, **AT_CLIP_RATE)).items() if name.startswith("chroma")}
    assert max((name for name in chroma if name.endswith("mean")), key=chroma.get) == "chroma_10_mean"  # C is 1, A 10


def test_gain_changes_loudness_alone():
    loud, soft = features(SOUNDS["music"]), features(SOUNDS["music"] / 4)
    assert soft["rms_mean"] == pytest.approx(loud["rms_mean"] / 4, rel=1e-5)
    changed = [name for name in CLIP_COLUMNS if soft[name] != pytest.approx(loud[name], rel=1e-3, abs=1e-3)]
    assert set(changed) == set(LOUDNESS)


def test_change_is_told_by_how_fast_it_comes():
    t = np.arange(N) / SAMPLE_RATE
    slow, fast = (features(sine(1000, **AT_CLIP_RATE) * (1 + 0.5 * np.sin(2 * np.pi * f * t))) for f in (0.5, 4))
    assert fast["rms_step1"] > 2 * slow["rms_step1"]
    assert slow["rms_step16"] > 5 * slow["rms_step1"]
    assert fast["rms_std"] == pytest.approx(slow["rms_std"], rel=0.3)  # which cannot tell
    assert fast["rms_bend"] > 2 * slow["rms_bend"]


def test_what_does_not_vary_goes_with_nothing():
    assert (spectra.mfcc_correlation(spectra.Spectra(np.zeros((1, N), np.float32))) == 0).all()


def test_deviation_is_not_the_mean_again():
    assert features(SOUNDS["chirp"])["rolloff_std"] != pytest.approx(features(SOUNDS["chirp"])["rolloff_mean"], rel=0.1)
    assert features(SOUNDS["sine"])["rolloff_std"] < 60  # Hz


# --- the oracle: librosa on the one clip -------------------------------------------------------

FRAMES = {"n_fft": N_FFT, "hop_length": HOP_LENGTH}


def oracle_mfcc(y: np.ndarray) -> np.ndarray:
    return librosa.feature.mfcc(y=y, sr=SAMPLE_RATE, n_mfcc=20, n_mels=128, **FRAMES)


def oracle_chroma(y: np.ndarray) -> np.ndarray:
    return librosa.feature.chroma_stft(y=y, sr=SAMPLE_RATE, tuning=0, **FRAMES)


def oracle_band(y: np.ndarray) -> np.ndarray:
    level = librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=SAMPLE_RATE, n_mels=128, **FRAMES))
    return level.reshape(32, 4, -1).mean(axis=1) - level.mean()


ORACLE = {
    "tempo": lambda y: librosa.feature.tempo(y=y, sr=SAMPLE_RATE, hop_length=HOP_LENGTH),
    "rms": lambda y: librosa.feature.rms(y=y, frame_length=N_FFT, hop_length=HOP_LENGTH),
    "zcr": lambda y: librosa.feature.zero_crossing_rate(y, frame_length=N_FFT, hop_length=HOP_LENGTH),
    "centroid": lambda y: librosa.feature.spectral_centroid(y=y, sr=SAMPLE_RATE, **FRAMES),
    "rolloff": lambda y: librosa.feature.spectral_rolloff(y=y, sr=SAMPLE_RATE, roll_percent=0.85, **FRAMES),
    "bandwidth": lambda y: librosa.feature.spectral_bandwidth(y=y, sr=SAMPLE_RATE, **FRAMES),
    "flatness": lambda y: librosa.feature.spectral_flatness(y=y, **FRAMES),
    "onset": lambda y: librosa.onset.onset_strength(y=y, sr=SAMPLE_RATE, **FRAMES)[None],
    "contrast": lambda y: librosa.feature.spectral_contrast(y=y, sr=SAMPLE_RATE, **FRAMES),
    "mfcc": oracle_mfcc,
    "mfcc_corr": lambda y: np.nan_to_num(np.corrcoef(oracle_mfcc(y)))[np.triu_indices(20, 1)],
    "mfcc_delta": lambda y: librosa.feature.delta(oracle_mfcc(y), width=9),
    "mfcc_delta2": lambda y: librosa.feature.delta(oracle_mfcc(y), width=9, order=2),
    "chroma": oracle_chroma,
    "tonnetz": lambda y: librosa.feature.tonnetz(chroma=oracle_chroma(y), sr=SAMPLE_RATE),
    "band": oracle_band,
}


@functools.cache
def stacked() -> np.ndarray:
    return clip_features(STACK)


@pytest.mark.parametrize("name", CLIP_FEATURES)
def test_every_feature_is_librosas(name):
    feature = CLIP_FEATURES[name]
    for number, sound in enumerate(SOUNDS):
        values = ORACLE[name](STACK[number])
        assert len(values) == (feature.dims if isinstance(feature.dims, int) else len(feature.dims))
        expected = np.concatenate([STATISTICS[s].compute(values) for s in feature.statistics] or [values])
        at = [COLUMNS.index(column) for column in columns(name)]
        # librosa adds magnitudes up in single precision: now and then, a frame's rolloff is a bin off
        rtol = 5e-4 if name == "rolloff" else 1e-4
        atol = 1e-6 if name in ("rms", "zcr", "flatness") else 1e-4
        np.testing.assert_allclose(stacked()[number, at], expected, rtol=rtol, atol=atol, err_msg=f"{name} of {sound}")


def test_numbers_are_finite_on_anything():
    assert np.isfinite(stacked()).all()


def test_neighbours_in_a_stack_change_nothing():
    for number in range(len(STACK)):
        np.testing.assert_allclose(
            clip_features(STACK[number : number + 1])[0], stacked()[number], rtol=1e-6, atol=1e-6
        )


def test_columns_are_unique_and_known():
    assert len(set(COLUMNS)) == len(COLUMNS) == 553  # as README says
    assert COLUMNS[: stacked().shape[1]] == CLIP_COLUMNS
    assert set(ORIGINAL_NINE) | set(LOUDNESS) < set(COLUMNS)
    assert set(UNITS) == set(COLUMNS)


@pytest.mark.parametrize("shape", [(N,), (1, N - 1), (1, N, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        clip_features(np.zeros(shape, dtype=np.float32))


# --- songs and tables ------------------------------------------------------------------------


def describe(root, *arguments: str) -> int:
    return feature_extraction.main(["--library", str(root), "--jobs", "1", *NO_NETWORKS, *arguments])


@pytest.fixture
def two_songs(tmp_path):
    """A root with two songs by one artist, split."""
    write_artists(tmp_path / "songs", artists=1, each=2, seconds=5)
    assert mp3_split.main(["--library", str(tmp_path), "--jobs", "1"]) == 0
    return tmp_path


SONG = "Artist A/Album 1/Song 1.mp3"


def test_a_table_has_a_row_for_each_clip(two_songs, capsys):
    assert describe(two_songs) == 0
    assert "2 songs described by" in capsys.readouterr().out
    features = pq.read_table(table_path(two_songs, SONG)).to_pandas()
    assert list(features.columns) == ["clip", "start", "silent", "features"]
    assert {len(row) for row in features["features"]} == {len(COLUMNS)}
    assert features["clip"].tolist() == [0, 1]
    assert features["start"].tolist() == [0.0, 2.0]
    assert not features["silent"].any()


def test_a_file_gives_the_same_numbers_as_its_clips(two_songs):
    assert describe(two_songs) == 0
    direct = decode(two_songs / "songs" / SONG, {})
    assert direct.record["status"] == "ok"
    assert direct.table.equals(pq.read_table(table_path(two_songs, SONG)))


def test_however_many_work_the_numbers_are_the_same(two_songs):
    path = table_path(two_songs, SONG)
    assert describe(two_songs) == 0
    alone = path.read_bytes()
    path.unlink()
    assert describe(two_songs, "--jobs", "2") == 0
    assert path.read_bytes() == alone


def test_only_what_is_out_of_date_is_done_again(two_songs, capsys):
    assert describe(two_songs) == 0
    capsys.readouterr()
    assert describe(two_songs) == 0
    assert processed(capsys.readouterr().out) == 0
    table_path(two_songs, SONG).unlink()
    assert describe(two_songs) == 0
    assert processed(capsys.readouterr().out) == 1
    write_song(two_songs / "songs" / SONG, tune(0, 7, 5))
    assert mp3_split.main(["--library", str(two_songs), "--jobs", "1"]) == 0
    assert describe(two_songs) == 0
    assert processed(capsys.readouterr().out) == 1


@pytest.mark.parametrize(
    ("rate", "length", "says"), [(SAMPLE_RATE, 100, "shape"), (8000, N, "8000 Hz"), (None, 0, "cannot be read")]
)
def test_a_wrong_clip_is_refused_by_name(two_songs, capsys, rate, length, says):
    clip = clip_folder(two_songs, SONG) / "0001.wav"
    soundfile.write(clip, np.zeros(length), rate) if rate else clip.write_bytes(b"RIFF")
    assert describe(two_songs) == 3
    out = capsys.readouterr().out
    assert f"{SONG}: clip 0001.wav" in out
    assert says in out
    assert "1 song described" in out


def test_what_is_no_clip_is_passed_over(two_songs):
    folder = clip_folder(two_songs, SONG)
    for name in ("._0000.wav", "copy of 0000.wav"):
        (folder / name).write_bytes(b"x")
    assert len(clip_paths(two_songs, SONG)) == read_notes(folder)["record"]["clips"]


def test_a_lost_clip_is_named(two_songs, capsys):
    (clip_folder(two_songs, SONG) / "0001.wav").unlink()
    assert describe(two_songs) == 3
    assert f"{SONG}: 1 of its 2 clips are there; run mp3_split.py again" in capsys.readouterr().out


# --- without clips on disk -------------------------------------------------------------------


def test_from_songs_come_the_same_numbers_as_through_clips(small, tmp_path):
    arguments = ["--library", str(tmp_path), "--jobs", "2", "--from-songs", "--songs", str(small / "songs")]
    assert feature_extraction.main([*arguments, *NO_NETWORKS]) == 0
    assert not (tmp_path / "clips").exists()
    assert (tmp_path / "songs.csv").read_bytes() == (small / "songs.csv").read_bytes()
    for song in good_songs(small)["song"]:
        through_clips, straight = (table_path(root, song).read_bytes() for root in (small, tmp_path))
        assert straight == through_clips


def test_from_songs_only_what_is_new_or_has_changed_is_heard(small, tmp_path, capsys):
    shutil.copytree(small, tmp_path / "own")
    own, songs = tmp_path / "own", tmp_path / "own/songs"
    shutil.rmtree(own / "clips")  # its tables know what they were made from

    def split_again() -> str:
        status = feature_extraction.main(["--library", str(own), "--from-songs", "--songs", str(songs), *NO_NETWORKS])
        assert status == (3 if (songs / "A/broken.mp3").exists() else 0)
        return capsys.readouterr().out

    assert processed(split_again()) == 8  # copies: read once more, but not decoded
    assert processed(split_again()) == 0
    write_song(songs / "Artist A/Album 1/Song 1.mp3", tune(0, 7, 5))
    table_path(own, "Artist B/Album 1/Song 1.mp3").write_bytes(b"PAR1")
    assert "30 clips in" in split_again()
    assert processed(split_again()) == 0
    (songs / "A").mkdir()
    (songs / "A/broken.mp3").write_bytes(b"no music")
    write_song(songs / "A/silent.wav", np.zeros(4 * 44_100))
    out = split_again()
    assert "A/broken.mp3: rejected: " in out
    assert "A/silent.wav: silent: " in out
    assert not list((own / "features/A").glob("*"))


@pytest.mark.parametrize("given", [["--songs", "x"], ["--label-by", "tag"], ["--max-hours", "1"]])
def test_what_is_for_songs_is_refused_without_them(given, capsys):
    with pytest.raises(SystemExit) as ended:
        feature_extraction.parse_args(given)
    assert ended.value.code == 2
    assert f"{given[0]} goes with --from-songs" in capsys.readouterr().err
    assert feature_extraction.parse_args([*given, "--from-songs"]).from_songs


def test_before_splitting_it_says_what_to_run(tmp_path, capsys):
    assert describe(tmp_path) == 1
    assert "Run mp3_split.py first" in capsys.readouterr().err


def test_list_shows_every_column(capsys):
    assert feature_extraction.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    lines, more = lines[: len(COLUMNS)], lines[len(COLUMNS) :]
    assert [line.split()[0] for line in lines] == COLUMNS
    assert [line.split()[0] for line in more] == ["In", "musicnn", "voice", "In", "speech", "singing"]
    reported = dict(zip(COLUMNS, lines, strict=True))
    assert "Hz" in reported["centroid_step4"]
    assert (
        "spectral centroid: deviation of its change in 93 ms (librosa.feature.spectral_centroid)"
        in reported["centroid_step4"]
    )
    assert "depends on gain" in reported["rms_mean"]


@pytest.mark.parametrize(("name", "frames"), [("step1", 1), ("step4", 4), ("step16", 16)])
def test_a_step_is_over_as_many_frames_as_it_is_called(name, frames):
    t = np.arange(87.0)
    found = STATISTICS[name].compute(t[None, None] ** 2).item()  # (t + n)² - t² = 2nt + n²
    assert found == pytest.approx(2 * frames * np.std(np.arange(87 - frames)))
    assert STATISTICS["bend"].compute(t[None, None] ** 2).item() == 0


def test_every_column_has_a_name_in_words():
    names = {column: plain_name(column) for column in COLUMNS}
    assert len(set(names.values())) == len(COLUMNS)
    assert names["rms_mean"] == "loudness"
    assert names["centroid_std"] == "brightness, variation"
    assert names["mfcc_08_bend"] == "timbre 8, jitter"
    assert names["mfcc_corr_02_11"] == "timbre together 2 and 11"
    assert names["chroma_03_mean"] == "pitch class D"
    assert names["contrast_07_mean"] == "clearness above 6.4 kHz"
    assert not [name for name in names.values() if "_" in name]
    with pytest.raises(KeyError):
        plain_name("cent")
