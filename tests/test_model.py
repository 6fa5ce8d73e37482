"""The model of a library: what training writes, and what loading refuses."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import made_up, raises, song_of, wait_until, write_library

from soundalike import cohort, evaluation, model, training
from soundalike.embedding import segment_rows
from soundalike.library import PROJECT
from soundalike.messages import Problem
from soundalike.model import load_model
from soundalike.networks import VOICE
from soundalike.song import FEATURES
from soundalike.splits import song_table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A library of five artists who are far apart, with a model."""
    root = tmp_path_factory.mktemp("model")
    write_library(root, made_up(artists=5, songs=9, artist_cue=0.35, song_cue=0.2, albums=2))
    training.train(root)
    return root


@pytest.fixture
def own(made, tmp_path):
    """The model alone, to be changed."""
    return shutil.copytree(made / "model", tmp_path / "model").parent


# Programs may rely on this.
KINDS = {
    "created": str,
    "commit": str,
    "made_from": dict,
    "made_by": str,
    "classes": list,
    "networks": dict,
    "segments": dict,
    "temperature": float,
    "cohort": list,
    "no_cohort": str,
    "words": dict,
    "scores": dict,
    "learning_curve": dict,
    "more_songs": (dict, type(None)),
    "versions": dict,
    "held_out": str,
    "seconds": float,
    "songs": dict,
}


def test_the_description_is_as_documented(made):
    info = json.loads((made / "model/model.json").read_text())
    assert set(info) == set(KINDS)
    assert all(isinstance(info[key], kind) for key, kind in KINDS.items())
    assert all(re.search(rf"^([a-z_]+, )?{key}\b|``{key}``", model.__doc__, re.MULTILINE) for key in KINDS)
    assert info["classes"] == [f"A{n}" for n in range(5)]
    assert set(info["scores"]) == {"chance", "unseen_songs", "unseen_albums", "as_shipped"}
    assert info["scores"]["unseen_songs"]["balanced_accuracy"] > 0.9
    assert info["scores"]["unseen_songs"]["low"] < 1
    assert info["scores"]["unseen_albums"]["low"] is None
    assert info["scores"]["as_shipped"]["known"]["right"] > 0.8
    assert info["scores"]["as_shipped"]["unknown"]["refused"] > 0.5
    assert info["cohort"] == ["games", "sung"]
    assert set(info["words"]) == {"unknown_below", "strict_below", "sure_from", "probably_from"}
    assert len(info["songs"]) == 44
    assert info["held_out"] not in info["songs"]
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", info["commit"])


def test_the_answers_for_held_out_songs_are_written(made):
    info = json.loads((made / "model/model.json").read_text())
    written = pd.read_csv(made / "model/predictions.csv")
    answer = ["answer", "predicted", "probability", "nearness", "either"]
    assert list(written.columns) == [
        "song",
        "artist",
        "artist_probability",
        *answer,
        *(f"unknown_{name}" for name in answer),
    ]
    assert set(written["song"]) == set(info["songs"])
    assert (written["unknown_predicted"] != written["artist"]).all()
    right = written["predicted"] == written["artist"]
    np.testing.assert_allclose(written["artist_probability"][right], written["probability"][right], atol=1e-3)
    assert (written["artist_probability"] <= written["probability"] + 1e-3).all()
    shipped = info["scores"]["as_shipped"]
    assert (written["answer"] == "sure").sum() == shipped["sure"]["songs"]
    assert (written["unknown_answer"] == "unknown").mean() == pytest.approx(shipped["unknown"]["refused"])
    assert (written["artist"] == written["predicted"])[written["answer"] == "sure"].sum() == shipped["sure"]["right"]
    out = pd.read_csv(made / "model/left_out.csv")
    assert out[["song", "status"]].to_numpy().tolist() == [[info["held_out"], "held out"]]


def test_a_loaded_model_is_that_which_was_trained(made):
    loaded = load_model(made)
    frame = made_up(artists=5, songs=9, artist_cue=0.35, song_cue=0.2, albums=2)
    study, *_ = training.study_of(made, song_table(frame)[0].drop(index=loaded.info["held_out"]), {})
    expected = evaluation.train_on(study, study.songs)._replace(temperature=loaded.info["temperature"])
    assert loaded.recogniser.artists == expected.artists == loaded.info["classes"]
    for song in ("A0/3.mp3", "A4/7.mp3"):
        rows = segment_rows(song_of(frame[frame["song"] == song]), [FEATURES])
        found = [of.predict(embedded(of, rows)) for of in (loaded.recogniser, expected)]
        pd.testing.assert_frame_equal(found[0], found[1], atol=1e-4)
        assert found[0].iloc[0].idxmax() == song[:2]


def test_what_is_trained_is_up_to_date_until_the_frame_changes(made, tmp_path):
    root = shutil.copytree(made, tmp_path / "root")
    assert model.is_current(root)
    write_library(root, made_up(artists=5, songs=8, artist_cue=0.35))
    assert not model.is_current(root)
    shutil.rmtree(root / "df_music.parquet")
    with raises(Problem.NO_FRAME):
        model.is_current(root)


def embedded(recogniser, rows: dict) -> np.ndarray:
    points = recogniser.embedding.segment_points(rows)
    return recogniser.embedding.song_means(points, np.zeros(len(points))).to_numpy()


def test_a_frame_that_changes_during_training_makes_the_model_out_of_date(tmp_path, monkeypatch):
    write_library(tmp_path, made_up(artists=3, songs=4, artist_cue=1.0))
    answers = evaluation.answers

    def change_and_answer(study):
        write_library(tmp_path, made_up(artists=4, songs=4, artist_cue=1.0))
        return answers(study)

    monkeypatch.setattr(evaluation, "answers", change_and_answer)
    training.train(tmp_path)
    assert load_model(tmp_path).info["classes"] == ["A0", "A1", "A2"]
    assert not model.is_current(tmp_path)


def test_a_folder_of_that_name_which_is_not_ours_is_left_alone(tmp_path):
    write_library(tmp_path, made_up(artists=3, songs=4))
    (tmp_path / "model").mkdir()
    (tmp_path / "model/thesis.txt").write_text("years of work")
    with raises(Problem.NOT_OURS):
        training.train(tmp_path)
    assert (tmp_path / "model/thesis.txt").exists()


def test_ctrl_c_ends_training_within_seconds(tmp_path):
    write_library(tmp_path, made_up(artists=12, songs=12, clips=24))
    code = "import sys, predict; sys.exit(predict.main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, "--library", tmp_path, "x.mp3"],
        cwd=PROJECT, stderr=subprocess.PIPE, text=True, bufsize=1, start_new_session=True,
    ) as process:  # fmt: skip
        wait_until(lambda: "Holding" in process.stderr.readline())
        wait_until(lambda: len(psutil.Process(process.pid).children()) > 1)  # other processes help
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert not (tmp_path / "model").exists()


def change(root, **changes) -> None:
    path = root / "model/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("content", ['{"format": 3}', "[]", "not JSON", '{"made_from": {}}'])
def test_a_damaged_description_is_refused(own, content):
    (own / "model/model.json").write_text(content)
    with raises(Problem.MODEL_DAMAGED):
        load_model(own)


def arrays_of(root) -> dict[str, np.ndarray]:
    with np.load(root / "model/model.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    "harm",
    [
        lambda of: of | {"weights": of["weights"][:-1]},
        lambda of: of | {"weights": of["weights"] * np.nan},
        lambda of: of | {"intercepts": of["intercepts"][:-1]},
        lambda of: of | {"points": of["points"][:, :-1]},
        lambda of: of | {"owner": of["owner"] + 99},
        lambda of: of | {f"{FEATURES} basis": of[f"{FEATURES} basis"][:-1]},
        lambda of: of | {f"{FEATURES} scale": 0 * of[f"{FEATURES} scale"]},
        lambda of: {name: values for name, values in of.items() if name != "points"},
        lambda of: {name: values.astype(object) for name, values in of.items()},
    ],
)
def test_arrays_that_do_not_fit_are_refused(own, harm):
    np.savez(own / "model/model.npz", **harm(arrays_of(own)))
    with raises(Problem.MODEL_DAMAGED):
        load_model(own)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_that_is_cut_is_refused(own, share):
    path = own / "model/model.npz"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with raises(Problem.MODEL_DAMAGED):
        load_model(own)


@pytest.mark.parametrize(
    "changes",
    [
        *({"classes": ["A0"]}, {"classes": None}, {"temperature": 0}, {"words": {"x": 1}}),
        *({"cohort": []}, {"networks": {"x": 1}}, {"classes": ["", *"ABCD"]}, {"classes": ["A"] * 5}),
        *({"temperature": float("inf")}, {"words": {"unknown_below": "x"}}),
    ],
)
def test_a_description_of_another_model_is_refused(own, changes):
    change(own, **changes)
    with raises(Problem.MODEL_DAMAGED):
        load_model(own)


@pytest.mark.parametrize(("of", "value"), [("MADE_BY", [99, []]), ("SEGMENT_RULE", {"clips": 8}), ("VERSION", 99)])
def test_a_model_by_other_code_is_refused(own, monkeypatch, of, value):
    monkeypatch.setattr(model, of, value)
    with raises(Problem.OTHER_MODEL):
        load_model(own)


def test_a_pickle_is_not_opened(own, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "hurt").touch, ()

    (own / "model/model.npz").write_bytes(pickle.dumps(Bomb()))
    with raises(Problem.MODEL_DAMAGED):
        load_model(own)
    assert not (tmp_path / "hurt").exists()


# --- odd libraries ---------------------------------------------------------------------------


def trained(root, frame: pd.DataFrame, embeddings: dict | None = None) -> model.Model:
    write_library(root, frame, embeddings)
    training.train(root)
    return load_model(root)


def test_two_artists_of_two_songs_are_answered_for_without_a_measured_word(tmp_path):
    info = trained(tmp_path, made_up(artists=2, songs=2, clips=1, artist_cue=1.0)).info
    assert info["scores"]["unseen_songs"] is info["scores"]["as_shipped"] is info["more_songs"] is None
    assert set(info["words"].values()) == {None}
    assert info["held_out"] == ""


def test_an_artist_of_one_song_is_left_out_with_the_reason(tmp_path):
    frame = made_up(artists=3, songs=5, artist_cue=1.0)
    frame = frame[(frame["artist"] != "A2") | (frame["song"] == "A2/0.mp3")]
    assert trained(tmp_path, frame).info["classes"] == ["A0", "A1"]
    out = pd.read_csv(tmp_path / "model/left_out.csv").set_index("song")
    assert out.loc["A2/0.mp3", "status"] == "too few"
    write_library(tmp_path, frame[frame["artist"] == "A0"])
    with raises(Problem.TOO_FEW):
        training.train(tmp_path)


def test_an_ear_that_is_missing_for_half_of_the_songs_gives_no_evidence_there(tmp_path):
    frame = made_up(artists=3, songs=8, artist_cue=0.6)
    draw = np.random.default_rng(0)
    songs = frame["song"].unique()[::2]
    embeddings = {song: {VOICE: {0: np.float32(int(song[1]) + draw.normal(0, 0.1, 192))}} for song in songs}
    loaded = trained(tmp_path, frame, embeddings)
    assert loaded.info["networks"] == {VOICE: 8}
    assert loaded.info["scores"]["unseen_songs"]["balanced_accuracy"] > 0.9
    own = frame[frame["song"] == "A1/3.mp3"]
    for given, ears in ((None, {FEATURES}), ({VOICE: {0: np.ones(192, np.float32)}}, {FEATURES, VOICE})):
        rows = segment_rows(song_of(own, given), loaded.recogniser.embedding.ears)
        mean = embedded(loaded.recogniser, rows)
        assert set(loaded.recogniser.closest_by_ear(mean[0])) == ears
        assert loaded.recogniser.predict(mean).iloc[0].idxmax() == "A1"


def test_a_library_of_a_source_is_trained_without_it(tmp_path):
    frame = made_up(artists=3, songs=5, artist_cue=1.0)
    names = {"A0": cohort.read()["games"].artists[0], "A1": cohort.read()["sung"].artists[0]}
    frame["artist"] = frame["artist"].replace(names)
    loaded = trained(tmp_path, frame)
    assert loaded.info["cohort"] == []
    assert loaded.info["no_cohort"]
    assert loaded.recogniser.classes == loaded.info["classes"]


def test_songs_that_would_help_are_those_of_the_weakest_artist():
    songs, _ = song_table(made_up(artists=3, songs=20, clips=1))
    songs = songs[~songs.index.isin([f"A1/{n}.mp3" for n in range(10, 20)])]
    answers = songs.reset_index().assign(right=True)
    answers.loc[answers["artist"] == "A1", "right"] = [True, False] * 5
    advice = training.advise({4: 0.5, 8: 0.7, 16: 0.9}, songs, answers)
    now = (10 * 0.5 + training.DOUBT * 2.5 / 3) / (10 + training.DOUBT)  # drawn towards the mean
    assert (advice["artist"], advice["more"], advice["now"]) == ("A1", 5, pytest.approx(now))
    assert advice["then"] == pytest.approx(now + 0.2 * np.log2(13 / 8), abs=1e-6)
    assert training.advise({4: 0.9, 8: 0.9, 16: 0.9}, songs, answers) is None
    assert training.advise({}, songs, answers) is None
