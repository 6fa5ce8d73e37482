import importlib.util

import librosa
import numpy as np
import pytest
from conftest import noise, raises, sine, tune

from soundalike.audio import SAMPLE_RATE
from soundalike.messages import Problem
from soundalike.networks import musicnn

with_weights = pytest.mark.skipif(
    importlib.util.find_spec("musicnn") is None, reason=f"musicnn's weights are not here: {musicnn.PACKAGE.install}"
)
AT_CLIP_RATE = {"seconds": 2, "rate": SAMPLE_RATE}


def ten_clips() -> np.ndarray:
    """Ten clips that sound unlike each other."""
    tunes = [tune(artist, song, **AT_CLIP_RATE) for artist in range(4) for song in range(2)]
    return np.stack([*tunes, noise(**AT_CLIP_RATE), np.zeros(2 * SAMPLE_RATE)]).astype(np.float32)


# --- the numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [300, 1000, 5000])
def test_a_sine_is_brightest_in_its_band(frequency):
    seen = musicnn.spectrograms(sine(frequency, **AT_CLIP_RATE)[None].astype(np.float32))
    assert seen.shape == (1, 126, 96)
    assert seen.dtype == np.float32
    centre = librosa.mel_frequencies(98, fmax=8000)[1:-1][seen[0].mean(axis=0).argmax()]
    assert centre == pytest.approx(frequency, rel=0.05)


def test_spectrograms_are_librosas():
    y = ten_clips()
    at_rate = librosa.resample(y, orig_sr=SAMPLE_RATE, target_sr=16_000)
    mel = librosa.feature.melspectrogram(y=at_rate, sr=16_000, n_fft=512, hop_length=256, n_mels=96, pad_mode="reflect")
    np.testing.assert_allclose(musicnn.spectrograms(y), np.log10(10_000 * mel + 1).transpose(0, 2, 1), atol=1e-4)


def test_silence_is_nothing():
    assert not musicnn.spectrograms(np.zeros((1, 2 * SAMPLE_RATE), np.float32)).any()


@with_weights
@pytest.mark.parametrize("net", ["mtt", "msd"])
def test_the_network_is_the_published_one(net):
    """Against the graph that the authors saved beside their weights, as far as its tags."""
    path = next(file.parent for file in musicnn.PACKAGE.find() if file.parent.name == musicnn.FOLDERS[net])
    seen = musicnn.spectrograms(ten_clips())
    seen = np.concatenate([seen, seen], axis=1)[:, :187]  # it takes three seconds, no other length
    ours = musicnn.network(net).predict_on_batch(seen)[:, -50:]
    import tensorflow as tf

    saved = tf.compat.v1.MetaGraphDef.FromString((path / ".meta").read_bytes())
    answering = tf.compat.v1.graph_util.extract_sub_graph(saved.graph_def, ["model/Sigmoid"])
    reader = tf.compat.v1.train.NewCheckpointReader(f"{path}/")
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(answering, name="")
        given = {"model/Placeholder:0": seen, "model/Placeholder_2:0": False}
        for variable in (each for each in graph.get_operations() if each.type == "VariableV2"):
            given[f"{variable.name}:0"] = reader.get_tensor(variable.name)
        theirs = session.run("model/Sigmoid:0", given)
    assert theirs.max() > 0.3
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@with_weights
def test_a_clip_is_the_same_whatever_stands_beside_it():
    clips = ten_clips()
    alone = np.concatenate([musicnn.embed(clip[None]) for clip in clips])
    together = musicnn.embed(clips)
    assert together.shape == (10, musicnn.DIMS)
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_tags_that_both_networks_know_are_one():
    found = np.zeros((2, musicnn.DIMS))
    of_mtt, of_msd = found[:, musicnn.POOLED : 803], found[:, 803 + musicnn.POOLED :]
    rock, hip_hop = musicnn.TAGS["msd"].index("rock"), musicnn.TAGS["msd"].index("Hip-Hop")
    of_mtt[:, musicnn.TAGS["mtt"].index("rock")], of_msd[:, rock], of_msd[:, hip_hop] = 0.2, 0.6, [0.2, 0.6]
    tags = musicnn.tags_of(found)
    assert tags["rock"] == pytest.approx(0.6)
    assert list(tags)[:2] == ["rock", "hip-hop"]


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_other_weights_are_refused(tmp_path, monkeypatch, damage):
    package = tmp_path / "musicnn"
    for name in musicnn.PACKAGE.files:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        if damage != "missing":
            (package / name).write_bytes(b"\0" * (0 if damage == "truncated" else 9_465_596))
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("raise SystemExit('its code was run')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with raises(Problem.OTHER_WEIGHTS):
        musicnn.PACKAGE.find()
