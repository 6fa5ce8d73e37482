import os
from pathlib import Path

import numpy as np
from conftest import made_up, prepared
from joblib import delayed

from soundalike.evaluation.study import Study, in_parallel


def test_examples_are_read_from_files_that_go_with_the_study():
    songs, examples = prepared(made_up(artists=2, songs=2))
    study = Study(songs, examples)
    folder = Path(study.examples.clips.filename).parent
    np.testing.assert_array_equal(study.examples.segments, examples.segments)
    assert list(folder.iterdir())
    del study
    assert not folder.exists()


def test_tasks_run_in_other_processes_with_a_bar(capfd):
    found = dict(in_parallel([delayed(os.getpid)() for _ in range(4)], "Counting"))
    assert set(found) == set(range(4))
    assert os.getpid() not in found.values()
    assert "Counting: 100%" in capfd.readouterr().err
