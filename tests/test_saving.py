import functools
import io
import json
import pickle
import re
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from conftest import made_up
from sklearn.preprocessing import FunctionTransformer

from soundalike.features.table import COLUMNS
from soundalike.library.catalogue import write_songs
from soundalike.library.errors import UserError
from soundalike.models import saving, specs, training
from soundalike.models.model import Model, artists_of, averaged, cooled

RECIPES = specs.models()
SCORES = {"guessing": 0.33, "songs never heard": {f"balanced accuracy{end}": 0.9 for end in ("", " low", " high")}}


@functools.cache
def trained(name: str) -> Model:
    return training.fit(RECIPES[name], made_up(artist_cue=0.5))


def save(root, *names: str) -> pd.DataFrame:
    """Save the average of some models; its answer for the frame they were made from."""
    frame = made_up(artist_cue=0.5)
    write_songs(root, [{"song": song, "hash": f"hash of {song}"} for song in frame["song"].unique()])
    members = [trained(name) for name in names]
    saving.save(root, " and ".join(names), members, trained_on=frame, held_out="x", scores=SCORES, none_below=0.4)
    return averaged([member.answer(frame) for member in members])[1]


@pytest.mark.parametrize("name", RECIPES)
def test_a_loaded_model_answers_as_the_saved_one(tmp_path, name):
    expected = save(tmp_path, name)
    saved = saving.load(tmp_path)
    pd.testing.assert_frame_equal(saved.answer(made_up(artist_cue=0.5))[1], expected, rtol=1e-5, atol=1e-6)
    assert saved.info["name"] == name
    assert saved.info["songs"] == {song: f"hash of {song}" for song in made_up()["song"].unique()}
    assert not saved.listens


def test_an_average_is_loaded_as_it_was(tmp_path):
    expected = save(tmp_path, "naive Bayes", "random forest", "songs: all features")
    saved = saving.load(tmp_path)
    assert len(saved.members) == 3
    assert saved.info["temperature"] != 1
    expected = cooled(expected, saved.info["temperature"])
    pd.testing.assert_frame_equal(saved.answer(made_up(artist_cue=0.5))[1], expected)


def test_what_is_told_beside_the_model(tmp_path):
    save(tmp_path, "naive Bayes")
    info = json.loads((tmp_path / "model/model.json").read_text())
    assert info["none_below"] == 0.4
    assert info["scores"] == SCORES
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", info["commit"])
    card = (tmp_path / "model/model.md").read_text()
    assert "*naive Bayes*" in card
    assert "A0, A1, A2" in card
    assert "songs never heard: 0.90 (0.90 to 0.90)" in card


def change(root, **changes) -> None:
    path = root / "model/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("content", ["{}", "[]", '{"settings": null}', "not JSON"])
def test_a_damaged_description_is_refused(tmp_path, content):
    save(tmp_path, "naive Bayes")
    (tmp_path / "model/model.json").write_text(content)
    with pytest.raises(UserError, match=r"lacks what it should hold|There is no model"):
        saving.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": [*COLUMNS[:-1], "wow_mean"]}, rf"wow_mean.*{COLUMNS[-1]}"),
        ({"features": COLUMNS[::-1]}, "another order"),
        ({"features": COLUMNS[:-1]}, f"does not know the features {COLUMNS[-1]}"),
        ({"settings": {"n_fft": 512}}, "n_fft was 512, is 2048"),
        ({"versions": {"scikit-learn": "0.1"}}, r"scikit-learn was 0\.1, is"),
        ({"members": [{"file": "model-1.skops", "colour": "red"}]}, "lacks what it should hold"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path, changes, says):
    save(tmp_path, "naive Bayes")
    change(tmp_path, **changes)
    with pytest.raises(UserError, match=says):
        saving.load(tmp_path)


def test_a_model_file_of_other_types_is_refused(tmp_path):
    save(tmp_path, "naive Bayes")
    skops.io.dump(FunctionTransformer(shutil.rmtree), tmp_path / "model/model-1.skops")
    with pytest.raises(UserError, match=r"is refused: it holds .*rmtree"):
        saving.load(tmp_path)


def empty_zip() -> bytes:
    made = io.BytesIO()
    zipfile.ZipFile(made, "w").close()
    return made.getvalue()


@pytest.mark.parametrize("content", [pickle.dumps(np.zeros(3)), b"", empty_zip()])
def test_what_is_no_model_file_is_not_opened(tmp_path, content):
    save(tmp_path, "naive Bayes")
    (tmp_path / "model/model-1.skops").write_bytes(content)
    with pytest.raises(UserError, match="holds no model file that can be read"):
        saving.load(tmp_path)


def test_a_description_names_no_file_outside_its_folder(tmp_path):
    save(tmp_path, "naive Bayes")
    shutil.move(tmp_path / "model/model-1.skops", tmp_path / "elsewhere.skops")
    members = json.loads((tmp_path / "model/model.json").read_text())["members"]
    change(tmp_path, members=[members[0] | {"file": "../elsewhere.skops"}])
    with pytest.raises(UserError, match="holds no model file that can be read"):
        saving.load(tmp_path)


def test_no_model_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="There is no model in"):
        saving.load(tmp_path)


def test_the_page_names_the_ends_of_an_interval_in_their_order():
    row = {"balanced accuracy": 0.7, "balanced accuracy low": 0.6, "balanced accuracy high": 0.8}
    told = saving._scores({"songs never heard": row, "guessing": 0.25})
    assert told == ["- songs never heard: 0.70 (0.60 to 0.80)", "- guessing: 0.25"]


def test_artists_are_saved_in_the_order_of_the_answers(tmp_path):
    frame = made_up(artist_cue=0.5).iloc[::-1].reset_index(drop=True)  # as of a flat folder, labelled by tags
    write_songs(tmp_path, [{"song": song} for song in frame["song"].unique()])
    model = training.fit(specs.models()["naive Bayes"], frame)
    saving.save(tmp_path, "x", [model], trained_on=frame, held_out="", scores={}, none_below=None)
    songs = saving.load(tmp_path).answer(frame)[1]
    assert (songs.idxmax(axis=1) == artists_of(frame)).all()
