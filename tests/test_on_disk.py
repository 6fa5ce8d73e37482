import numpy as np
import pandas as pd
import pytest
from conftest import made_up, write_library
from sklearn.base import clone

from soundalike.dataset import frame as frame_module
from soundalike.evaluation import crossval, large, metrics
from soundalike.features.table import CLIP_COLUMNS
from soundalike.models import saving, specs
from soundalike.models.on_disk import OnDisk, fit_discriminant
from soundalike.report.verdict import DecodedSong, answer


@pytest.mark.parametrize("artists", [2, 3])
def test_the_discriminant_is_the_one_of_scikit_learn(artists):
    frame = made_up(artists=artists, songs=9, artist_cue=0.3, song_cue=0.3)
    columns = CLIP_COLUMNS[:40]
    frame[columns[3]] = 1.0  # the same everywhere
    recipe = specs.models()["linear discriminant"].estimator
    whole = clone(recipe).fit(frame[columns].to_numpy(np.float64), frame["artist"].to_numpy(dtype=object))
    frame = frame.sample(frac=1, random_state=0)  # of a flat folder, labelled by tags
    for size in (7, 1000):
        batches = [frame.iloc[start : start + size] for start in range(0, len(frame), size)]
        parted = clone(recipe)
        fit_discriminant(parted, batches, frame, columns)
        assert list(parted.classes_) == list(whole.classes_)
        np.testing.assert_allclose(
            parted.decision_function(frame[columns].to_numpy()), whole.decision_function(frame[columns].to_numpy())
        )


@pytest.fixture
def library_of_noise(tmp_path, monkeypatch):
    """A frame on disk that is read a few clips at a time, and the same in memory."""
    monkeypatch.setattr(frame_module, "ROW_GROUP", 10)
    frame = made_up(artists=3, songs=6, clips=4, artist_cue=0.25, song_cue=0.5, albums=2)
    frame.loc[frame["clip"] == 2, "silent"] = True
    return tmp_path, write_library(tmp_path, frame)


def test_scores_from_disk_are_those_from_memory(library_of_noise):
    root, frame = library_of_noise
    frame = frame[~frame["silent"]].reset_index(drop=True)
    recipes = specs.linear_models()
    assert len(recipes) == 6
    recipes = {name: recipes[name] for name in ("loudness alone", "linear discriminant", "songs: all features")}
    labels = OnDisk(root).labels()
    labels = labels[~labels["silent"]].reset_index(drop=True)
    in_memory = crossval.compare(recipes, frame)
    in_memory.pop("clip")
    for judged in in_memory.values():
        judged.update(
            {name: [each._replace(clips=each.clips.iloc[:0]) for each in those] for name, those in judged.items()}
        )
    on_disk = crossval.compare(recipes, labels, sounds=OnDisk(root))
    assert set(on_disk) == {"song", "album", "album heard"}
    tables = (metrics.table(results, about) for results, about in ((in_memory, frame), (on_disk, labels)))
    pd.testing.assert_frame_equal(*tables, rtol=1e-6)


def test_a_large_library_gets_its_model_and_its_verdict(library_of_noise, monkeypatch, capsys):
    root, frame = library_of_noise
    tables, table = [], metrics.table
    monkeypatch.setattr(metrics, "table", lambda *given: tables.append(table(*given)) or tables[-1])
    (root / "df_music.pkl").unlink()
    assert large.main(["--data", str(root)]) == 0
    out = capsys.readouterr().out
    assert "3 artists, 17 songs, 51 clips" in out
    assert "songs never heard" in out
    assert "LEAKY" not in out
    model = saving.load(root)
    for title, dealt in (("songs never heard", "song"), ("songs of albums never heard", "album")):
        assert model.info["scores"][title] == tables[0].loc[(model.info["name"], dealt, "song")].to_dict()
    assert f"Put aside: {model.info['held_out']}." in out
    aside = frame[frame["song"] == model.info["held_out"]].reset_index(drop=True)
    verdict = answer(DecodedSong(aside, {"hash": ""}, None), model)
    assert len(verdict.clips) == len(aside)


def test_without_a_frame_it_says_what_to_run(tmp_path, capsys):
    assert large.main(["--data", str(tmp_path)]) == 1
    assert "Run dataframe_creation.py first" in capsys.readouterr().err
