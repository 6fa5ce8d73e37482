import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import made_up, prepared

from soundalike.dataset.splits import folds
from soundalike.evaluation import crossval, explain, study
from soundalike.evaluation.study import Study
from soundalike.features.table import CLIP_COLUMNS
from soundalike.models import specs
from soundalike.models.fusion import equal

SPEC = specs.specs()[f"{specs.NINE}naive Bayes"]


def predict(spec, fold, songs, examples):
    """A task that can be counted: the sum of the features that a model uses."""
    used = [examples.columns.index(name) for name in spec.columns]
    rows = np.isin(examples.song, songs["place"].iloc[fold[1]])
    return {"sum": pd.DataFrame(examples.clips[rows][:, used].sum(axis=0, keepdims=True), [3], spec.columns)}


@pytest.fixture
def counted(monkeypatch):
    """The number of tasks of each run that had to be done; they are done here, not in other processes."""
    counts = []

    def here(calls, label):
        counts.append(len(calls))
        return ((n, function(*given, **named)) for n, (function, given, named) in enumerate(calls))

    monkeypatch.setattr(study, "in_parallel", here)
    return counts


def ask(folder, frame, spec=SPEC):
    asked = Study(*prepared(frame, CLIP_COLUMNS), folder)
    parts = asked.run(predict, [(spec, fold) for fold in folds(asked.songs)], "Testing")
    return asked, parts


def test_what_was_finished_is_not_done_again(tmp_path, counted):
    frame = made_up()
    _, first = ask(tmp_path, frame)
    _, second = ask(tmp_path, frame)
    assert counted == [5, 0]
    for one, two in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one["sum"], two["sum"])
    assert not list(tmp_path.glob(".unfinished*"))


def test_another_model_fold_label_or_feature_is_another_task(tmp_path, counted, monkeypatch):
    frame = made_up()
    ask(tmp_path, frame)
    ask(tmp_path, frame.assign(tempo=frame["tempo"] + 1))
    ask(tmp_path, frame.assign(artist=frame["artist"].replace("A0", "B0")))
    ask(tmp_path, frame, SPEC._replace(rows=7))
    monkeypatch.setattr(study, "CODE", "another version")
    ask(tmp_path, frame)
    assert counted == [5, 5, 5, 5, 5]


def test_other_alterations_are_another_task(tmp_path, counted):
    songs, examples = prepared(made_up(), CLIP_COLUMNS)
    shifts = np.zeros((2, 2 * len(CLIP_COLUMNS)), np.float32)
    for moved, by in [([0, 1], 0), ([0, 1], 1), ([0, 2], 1), ([0, 2], 1)]:  # which songs, and how far
        altered = examples._replace(moved=np.array(moved), shifts=shifts + np.float32(by))
        Study(songs, altered, tmp_path).run(predict, [(SPEC, fold) for fold in folds(songs)], "Testing")
    assert counted == [5, 5, 5, 0]


def test_a_feature_that_no_model_of_a_task_uses_changes_nothing(tmp_path, counted):
    frame = made_up()
    ask(tmp_path, frame)
    ask(tmp_path, frame.assign(mfcc_03_mean=0.0))
    assert counted == [5, 0]


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, counted):
    frame = made_up()
    ask(tmp_path, frame)
    damaged, gone, *_ = sorted(tmp_path.glob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    gone.unlink()
    ask(tmp_path, frame)
    assert counted == [5, 2]


def test_ctrl_c_keeps_what_was_finished(tmp_path, counted, monkeypatch):
    do = study.in_parallel

    def stopped(calls, label):
        yield from do(calls[:2], label)
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "in_parallel", stopped)
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, made_up())
    monkeypatch.setattr(study, "in_parallel", do)
    ask(tmp_path, made_up())
    assert counted == [2, 3]


def test_a_full_disk_keeps_what_was_finished(tmp_path, counted, monkeypatch):
    save, left = np.savez_compressed, [1, 1]

    def full(path, **arrays):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left.pop()
        save(path, **arrays)

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        ask(tmp_path, made_up())
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(np, "savez_compressed", save)
    ask(tmp_path, made_up())
    assert counted == [5, 3]


def test_examples_are_read_from_files_that_go_with_the_study():
    songs, examples = prepared(made_up())
    shared = Study(songs, examples)
    (room,) = {Path(values.filename).parent for values in shared.examples[:4]}
    for values, same in zip(shared.examples, examples, strict=True):
        np.testing.assert_array_equal(values, same)
    del shared, values
    assert not room.exists()


def test_what_is_no_longer_asked_for_is_deleted(tmp_path, counted):
    ask(tmp_path, made_up(seed=1))
    asked, _ = ask(tmp_path, made_up())
    (tmp_path / "mine.txt").touch()
    assert len(list(tmp_path.glob("*.npz"))) == 10
    asked.tidy()
    assert len(list(tmp_path.glob("*.npz"))) == 5
    ask(tmp_path, made_up())
    assert counted == [5, 5, 0]
    assert (tmp_path / "mine.txt").exists()


def test_nothing_is_deleted_where_nothing_was_asked_for(tmp_path, counted):
    asked, _ = ask(tmp_path, made_up())
    Study(asked.songs, asked.examples, tmp_path).tidy()
    assert len(list(tmp_path.glob("*.npz"))) == 5


def test_models_compared_again_get_the_same_scores(tmp_path):
    spec = {name: specs.specs()[name] for name in (specs.LOGISTIC, f"{specs.NINE}naive Bayes")}
    frame = made_up(songs=6, artist_cue=0.2, albums=2)
    first, second = (
        crossval.compare(spec, {specs.FEATURES: [specs.LOGISTIC]}, Study(*prepared(frame), tmp_path), repeats=2)
        for _ in range(2)
    )
    assert first.keys() == second.keys()
    for by, models in first.items():
        for name, repeats in models.items():
            for one, two in zip(repeats, second[by][name], strict=True):
                pd.testing.assert_frame_equal(one.songs, two.songs)
                pd.testing.assert_frame_equal(one.clips, two.clips)
                pd.testing.assert_series_equal(one.clip_song, two.clip_song)
                assert one.settings == two.settings


def test_without_a_folder_all_is_done_each_time(tmp_path, counted, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        ask(None, made_up())[0].tidy()
    assert counted == [5, 5]
    assert not list(tmp_path.iterdir())


def test_tasks_run_in_other_processes_with_a_bar(tmp_path, capfd):
    asked = Study(*prepared(made_up(songs=4, clips=2)), tmp_path)
    spec = {specs.LOGISTIC: specs.fix(specs.specs()[specs.LOGISTIC], {"C": 0.1}, 1.0)}
    ask = (spec, equal({specs.FEATURES: [specs.LOGISTIC]}), asked, [4])
    curve = explain.learning_curve(*ask)
    assert "Training on fewer songs: 100%" in capfd.readouterr().err
    pd.testing.assert_frame_equal(explain.learning_curve(*ask), curve)  # read from the folder
    assert capfd.readouterr().err == ""
