import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import sine, tune, write_song

import classifiers
import model_files
import networks
import predict


@pytest.fixture(scope="module")
def root(small, tmp_path_factory):
    """The small library with a model that has not heard the fourth songs."""
    root = shutil.copytree(small, tmp_path_factory.mktemp("predict") / "root")
    frame = pd.read_pickle(root / "df_music.pkl")
    heard = frame[~frame["song"].str.endswith("Song 4.mp3")]
    model = classifiers.fit(classifiers.models()["logistic regression"], heard)
    model_files.save(root, "logistic regression", [model], trained_on=heard, held_out="", scores={}, none_below=None)
    return root


def test_songs_never_heard_get_their_artists(root, capsys):
    songs = [root / f"songs/Artist {artist}/Album 2/Song 4.mp3" for artist in "AB"]
    assert predict.main(["--data", str(root), *map(str, songs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("Artist A/Album 2/Song 4.mp3")
    assert lines[1].strip().startswith("Artist A ")
    assert "of 4 clips agree; next Artist B" in lines[1]
    assert lines[3].strip().startswith("Artist B ")


def test_the_verdict_is_that_of_the_frame(root):
    saved = model_files.load(root)
    song = "Artist A/Album 2/Song 4.mp3"
    frame = pd.read_pickle(root / "df_music.pkl").query("song == @song")
    clips, songs = (np.exp(logs) for logs in saved.answer(frame))
    expected = songs.loc[song]
    verdict = predict.judge(root / "songs" / song, saved)
    pd.testing.assert_series_equal(verdict.song, expected.loc[verdict.song.index], check_names=False)
    assert verdict.song.sum() == pytest.approx(1)
    pd.testing.assert_frame_equal(verdict.clips, clips.reset_index(drop=True))


def test_what_is_no_song_is_named_and_the_others_are_judged(root, tmp_path, capsys):
    (tmp_path / "text.mp3").write_text("no music")
    (tmp_path / "folder.mp3").mkdir()
    (tmp_path / "note.txt").write_text("x")
    write_song(tmp_path / "short.wav", sine(440, 1))
    write_song(tmp_path / "silent.wav", 0 * sine(440, 4))
    good = write_song(tmp_path / "-good.wav", tune(0, 9, 4))
    names = ["text.mp3", "folder.mp3", "note.txt", "short.wav", "silent.wav", "nowhere.mp3"]
    assert predict.main(["--data", str(root), "--", *(str(tmp_path / name) for name in names), str(good)]) == 3
    out = capsys.readouterr().out
    assert "-good.wav\n  Artist A" in out
    for name, reason in zip(
        names,
        ("not MP3 sound", "a folder", "is not supported; convert it", "too short", "silent", "there is no such file"),
        strict=True,
    ):
        assert reason in next(line for line in out.splitlines() if name in line)
    assert predict.main(["--data", str(root), str(tmp_path / "nowhere.mp3")]) == 1


def test_silent_clips_have_no_say(root, tmp_path):
    y = np.concatenate([np.zeros(4 * 44_100), tune(1, 9, 4)])
    verdict = predict.judge(write_song(tmp_path / "x.wav", y), model_files.load(root))
    assert len(verdict.clips) == 2
    assert verdict.song.index[0] == "Artist B"


def test_a_song_it_learned_from_is_called_so(root):
    saved = model_files.load(root)
    songs = root / "songs/Artist A"
    assert "learned from this very song" in str(predict.judge(songs / "Album 1/Song 1.mp3", saved))
    assert "learned from" not in str(predict.judge(songs / "Album 2/Song 4.mp3", saved))


def test_less_sure_than_the_threshold_is_none_of_these(root, tmp_path, capsys):
    own = shutil.copytree(root / "model", tmp_path / "model").parent
    info = json.loads((own / "model/model.json").read_text())
    song = root / "songs/Artist A/Album 2/Song 4.mp3"
    for threshold, says in ((1.01, "  none of these; nearest Artist A "), (0.01, "  Artist A "), (None, "  Artist A ")):
        (own / "model/model.json").write_text(json.dumps(info | {"none_below": threshold}))
        assert predict.main(["--data", str(own), str(song)]) == 0
        assert capsys.readouterr().out.splitlines()[1].startswith(says)


def test_a_model_of_whole_songs_counts_no_clips(root, tmp_path, capsys):
    own = shutil.copytree(root, tmp_path / "own")
    frame = pd.read_pickle(own / "df_music.pkl")
    model = classifiers.fit(classifiers.models()["songs: all features"], frame)
    model_files.save(own, "songs", [model], trained_on=frame, held_out="", scores={}, none_below=None)
    assert predict.main(["--data", str(own), str(own / "songs/Artist B/Album 2/Song 4.mp3")]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("  Artist B ")
    assert "(next Artist A" in line
    assert "agree" not in line


def test_a_network_that_listens_is_given_the_clips(root, tmp_path):
    own = shutil.copytree(root, tmp_path / "own")
    frame = pd.read_pickle(own / "df_music.pkl")
    recipe = classifiers.models(listening=True)["Keras listening net"]
    recipe = recipe._replace(estimator=networks.listening_net(epochs=2))
    mels = networks.log_mels(frame, own)
    model = classifiers.fit(recipe, frame, sounds=mels)
    model_files.save(own, "ear", [model], trained_on=frame, held_out="", scores={}, none_below=None)
    song = "Artist A/Album 2/Song 4.mp3"
    expected = np.exp(model.answer(frame, mels)[1].loc[song])
    verdict = predict.judge(own / "songs" / song, model_files.load(own))
    np.testing.assert_allclose(verdict.song, expected.loc[verdict.song.index], atol=1e-3)


def test_no_escape_from_a_model_reaches_the_terminal(root, tmp_path, capsys):
    own = shutil.copytree(root / "model", tmp_path / "model").parent
    info = json.loads((own / "model/model.json").read_text())
    (own / "model/model.json").write_text(json.dumps(info | {"features": ["\x1b]0;pwned\x07"]}))
    assert predict.main(["--data", str(own), "x.mp3"]) == 1
    assert "\x1b" not in capsys.readouterr().err


def test_a_model_of_other_features_is_refused(root, tmp_path, capsys):
    own = shutil.copytree(root / "model", tmp_path / "model").parent
    info = json.loads((own / "model/model.json").read_text())
    info["features"][0] = "pulse"
    (own / "model/model.json").write_text(json.dumps(info))
    assert predict.main(["--data", str(own), "x.mp3"]) == 1
    err = capsys.readouterr().err
    assert "does not fit" in err
    assert "pulse" in err
    assert "tempo" in err


def test_tensorflow_is_not_imported_for_a_model_without_it(root):
    song = root / "songs/Artist A/Album 2/Song 4.mp3"
    code = (
        f"import sys, predict; status = predict.main(['--data', {str(root)!r}, {str(song)!r}]); "
        "sys.exit(9 if 'tensorflow' in sys.modules else status)"
    )
    here = Path(predict.__file__).parent
    assert subprocess.run([sys.executable, "-c", code], cwd=here, check=False).returncode == 0
