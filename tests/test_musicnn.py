import ast
import importlib.util
import shutil
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import noise, save_kept, sine, tune

import dataframe_creation
import feature_extraction
import predict
from soundalike.audio.decoding import SAMPLE_RATE
from soundalike.dataset.frame import frame_notes, read_frame
from soundalike.features import extraction, musicnn
from soundalike.features.table import COLUMNS
from soundalike.library.errors import UserError
from soundalike.library.paths import table_path
from soundalike.models import saving, specs

with_weights = pytest.mark.skipif(
    importlib.util.find_spec("musicnn") is None, reason=f"musicnn's weights are not here: {musicnn.INSTALL}"
)
AT_CLIP_RATE = {"seconds": 2, "rate": SAMPLE_RATE}


def ten_clips() -> np.ndarray:
    """Ten clips that sound unlike each other."""
    tunes = [tune(artist, song, **AT_CLIP_RATE) for artist in range(4) for song in range(2)]
    return np.stack([*tunes, noise(**AT_CLIP_RATE), np.zeros(2 * SAMPLE_RATE)]).astype(np.float32)


# --- the numbers -----------------------------------------------------------------------------


def test_every_column_has_a_name_of_its_own():
    assert len(set(musicnn.NETWORK_COLUMNS)) == len(musicnn.NETWORK_COLUMNS) == 2 * (753 + 200 + 50)
    assert all(column.isascii() and " " not in column for column in musicnn.NETWORK_COLUMNS)
    assert not set(musicnn.NETWORK_COLUMNS) & set(COLUMNS)
    assert musicnn.NETWORK_COLUMNS[953:1003] == list(musicnn.TAG_COLUMNS)[:50]
    assert musicnn.TAG_COLUMNS["musicnn_msd_hip-hop"] == "Hip-Hop"


@pytest.mark.parametrize("frequency", [300, 1000, 5000])
def test_a_sine_is_brightest_in_its_band(frequency):
    seen = musicnn.spectrograms(sine(frequency, **AT_CLIP_RATE)[None].astype(np.float32))
    assert seen.shape == (1, 126, 96)
    assert seen.dtype == np.float32
    centre = librosa.mel_frequencies(98, fmax=8000)[1:-1][seen[0].mean(axis=0).argmax()]
    assert centre == pytest.approx(frequency, rel=0.05)


def test_silence_is_nothing():
    assert not musicnn.spectrograms(np.zeros((1, 2 * SAMPLE_RATE), np.float32)).any()


@with_weights
@pytest.mark.parametrize("net", ["mtt", "msd"])
def test_the_network_is_the_published_one(net):
    """Against the graph that the authors saved beside their weights, as far as its tags."""
    path = musicnn._find(net)
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
    assert together.shape == (10, len(musicnn.NETWORK_COLUMNS))
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_tags_that_both_networks_know_are_one():
    clips = pd.DataFrame(0.0, index=range(2), columns=list(musicnn.TAG_COLUMNS))
    clips["musicnn_mtt_rock"], clips["musicnn_msd_rock"], clips["musicnn_msd_hip-hop"] = 0.2, 0.6, [0.2, 0.6]
    tags = musicnn.tags_of(clips)
    assert tags.index.is_unique
    assert tags["rock"] == pytest.approx(0.6)
    assert musicnn.top_tags(clips, 2) == ["rock", "hip-hop"]


# --- weights ---------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder in which a package musicnn would be found before any other."""
    folder = tmp_path / "site/musicnn"
    monkeypatch.syspath_prepend(tmp_path / "site")
    importlib.invalidate_caches()
    return folder


def test_without_the_package_it_says_how_to_have_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert feature_extraction.main(["--data", str(tmp_path), "--embeddings", "musicnn"]) == 1
    err = capsys.readouterr().err
    assert "weights of musicnn are not installed" in err
    assert "make run EMBEDDINGS=musicnn" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_other_weights_are_refused(package, damage):
    for folder, _ in musicnn.WEIGHTS.values():
        (package / folder).mkdir(parents=True)
        if damage != "missing":
            (package / folder / musicnn.FILES[1]).touch()
            (package / folder / musicnn.FILES[0]).write_bytes(b"\0" * (0 if damage == "truncated" else 9_465_596))
    (package / "__init__.py").write_text("raise SystemExit('its code was run')")
    with pytest.raises(UserError, match=r"not those of musicnn 0\.1\.0.*--force-reinstall"):
        musicnn.check_weights()


# --- from song to verdict --------------------------------------------------------------------


@pytest.fixture(scope="module")
def heard(small, tmp_path_factory):
    """The small library, of which musicnn has heard all songs."""
    root = tmp_path_factory.mktemp("heard")
    shutil.copytree(small / "songs", root / "songs")
    listen = ["--data", str(root), "--songs", str(root / "songs"), "--jobs", "1", "--from-songs"]
    assert feature_extraction.main([*listen, "--embeddings", "musicnn"]) == 0
    assert dataframe_creation.main(["--data", str(root)]) == 0
    return root


@with_weights
def test_tables_and_frame_hold_what_it_heard(heard):
    frame = read_frame(heard / "df_music.pkl")
    assert list(frame.columns[6:]) == COLUMNS + musicnn.NETWORK_COLUMNS
    assert np.isfinite(frame[musicnn.NETWORK_COLUMNS]).all(axis=None)
    assert frame[list(musicnn.TAG_COLUMNS)].stack().between(0, 1).all()
    song = "Artist A/Album 1/Song 1.mp3"
    plain, _ = extraction.describe_file(heard / "songs" / song)
    own = frame[frame["song"] == song].reset_index(drop=True)
    pd.testing.assert_frame_equal(own[COLUMNS], plain.to_pandas()[COLUMNS], check_exact=True)
    assert frame_notes(heard)["embedded"] == musicnn.NETWORK_VERSION


@with_weights
def test_it_listens_only_to_what_it_has_not_heard(heard, tmp_path, capsys):
    shutil.copytree(heard / "songs/Artist A/Album 1", tmp_path / "songs/Artist A")
    songs = ["--data", str(tmp_path), "--songs", str(tmp_path / "songs"), "--jobs", "1", "--from-songs"]
    again = [feature_extraction.main([*songs, *more]) for more in ([], ["--embeddings", "musicnn"], [])]
    assert again == [0, 0, 0]
    told = [line for line in capsys.readouterr().out.splitlines() if "processed now" in line]
    assert [line.rsplit(" ", 1)[-1] for line in told] == ["2.", "2.", "0."]


@with_weights
def test_a_frame_of_which_not_all_was_heard_does_without(small, heard, tmp_path, capsys):
    root = shutil.copytree(small, tmp_path / "own")
    shutil.rmtree(root / "df_music.parquet")
    song = "Artist A/Album 1/Song 1.mp3"
    shutil.copy(table_path(heard, song), table_path(root, song))
    assert dataframe_creation.main(["--data", str(root)]) == 0
    out = capsys.readouterr().out
    assert "Of 8 songs, 1 have musicnn's features, so the frame does without" in out
    assert "--embeddings musicnn, then this again" in out
    assert not set(musicnn.NETWORK_COLUMNS) & set(pq.read_schema(root / "df_music.parquet/part-00000.parquet").names)


@with_weights
def test_a_model_of_it_predicts_new_songs_with_it(heard, capsys, monkeypatch):
    frame = read_frame(heard / "df_music.pkl")
    save_kept(heard, frame)
    saved = saving.load(heard)
    assert saved.embeds
    assert saved.model.weights[specs.MUSICNN] == pytest.approx(0.5)
    song = str(heard / "songs/Artist B/Album 2/Song 2.mp3")
    assert predict.main(["--data", str(heard), song]) == 0
    out = capsys.readouterr().out
    assert "\n  Artist B " in out
    assert "musicnn calls it: " in out
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert predict.main(["--data", str(heard), song]) == 1
    assert "weights of musicnn are not installed" in capsys.readouterr().err


@with_weights
def test_tags_stand_in_the_order_of_the_package():
    folder = importlib.util.find_spec("musicnn").submodule_search_locations[0]
    text = Path(folder, "configuration.py").read_text()  # it is read, not run
    lists = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
    for net, tags in musicnn.TAGS.items():
        assert list(tags) == ast.literal_eval(lists[f"{net.upper()}_LABELS"])
