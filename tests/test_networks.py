import numpy as np
import pandas as pd
import pytest
from conftest import sine

from soundalike.audio.decoding import CLIP_SAMPLES, SAMPLE_RATE
from soundalike.evaluation import crossval
from soundalike.features import extraction
from soundalike.library.catalogue import write_songs
from soundalike.library.errors import UserError
from soundalike.library.paths import clip_folder
from soundalike.models import networks, saving, specs, training
from soundalike.models.model import artists_of


def test_the_ear_hears_a_tone_in_its_band():
    tones = [200, 1000, 4000]
    clips = np.stack([32767 * sine(f, 2, SAMPLE_RATE)[:CLIP_SAMPLES] for f in tones]).astype(np.int16)
    mels = networks.ear().predict(clips, verbose=0)
    mels = mels.reshape(3, networks.N_MELS, -1)
    loudest = mels.mean(axis=2).argmax(axis=1)
    low, high = (2595 * np.log10(1 + f / 700) for f in networks.MEL_RANGE)
    places = [(2595 * np.log10(1 + f / 700) - low) / (high - low) * (networks.N_MELS + 1) - 1 for f in tones]
    assert np.abs(loudest - places).max() < 1.5


@pytest.fixture(scope="module")
def heard(small) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.read_pickle(small / "df_music.pkl")
    return frame, networks.log_mels(frame, small)


def test_spectrograms_stand_in_the_order_of_the_frame(small, heard):
    frame, mels = heard
    mixed = frame.sample(frac=1, random_state=0)
    np.testing.assert_allclose(networks.log_mels(mixed, small), mels[mixed.index], rtol=1e-4, atol=1e-3)


def test_a_missing_clip_is_named(small, heard):
    with pytest.raises(UserError, match=r"Song 1\.mp3: clip 9999\.wav cannot be read"):
        networks.log_mels(heard[0].head(1).assign(clip=9999), small)


def test_a_saved_network_that_listens_takes_samples_and_answers_the_same(small, heard, tmp_path):
    frame, mels = heard
    frame = frame.reset_index(drop=True)
    recipe = specs.models(listening=True)["Keras listening net"]
    recipe = recipe._replace(estimator=networks.listening_net(epochs=3), clips_per_song=3)
    model = training.fit(recipe, frame, sounds=mels)
    clips, songs = model.answer(frame, mels)
    assert songs.idxmax(axis=1).eq(artists_of(frame)).mean() > 0.7
    write_songs(tmp_path, [{"song": song} for song in frame["song"].unique()])
    saving.save(tmp_path, "ear", [model], trained_on=frame, held_out="", scores={}, none_below=None)
    saved = saving.load(tmp_path)
    assert saved.listens
    paths = [clip_folder(small, song) / f"{n:04d}.wav" for song, n in zip(frame["song"], frame["clip"], strict=True)]
    samples = np.stack([32768 * extraction.read_clip(path) for path in paths]).astype(np.int16)
    again, _ = saved.answer(frame, samples)
    np.testing.assert_allclose(np.exp(again), np.exp(clips), atol=1e-4)


def test_a_network_is_judged_like_any_other_model(heard):
    frame, mels = heard
    frame = frame.reset_index(drop=True)
    recipe = specs.models(listening=True)["Keras listening net"]
    few = {"ear": recipe._replace(estimator=networks.listening_net(epochs=1))}
    results = crossval.compare(few, frame, repeats=2, sounds=mels)
    assert set(results) == {"song"}  # more would take too long
    assert len(results["song"]["ear"]) == 1  # one repeat
    assert results["song"]["ear"][0].seconds > 0
    assert not crossval.compare(few, frame)  # without sounds it is left out
