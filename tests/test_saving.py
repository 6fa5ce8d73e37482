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
from conftest import made_up, prepared, song_of
from sklearn.preprocessing import FunctionTransformer

from soundalike.dataset import splits
from soundalike.evaluation import crossval, unknown
from soundalike.evaluation.study import Study
from soundalike.library.catalogue import write_songs
from soundalike.library.errors import UserError
from soundalike.models import saving, specs
from soundalike.models.model import Model
from soundalike.models.specs import FEATURES

SPECS, EARS = specs.specs(), specs.ears()
SCORE = {"balanced_accuracy": 0.7, "low": 0.6, "high": 0.8, "log_loss": 0.9}
SCORES = {
    "chance": 1 / 3,
    "unseen_songs": SCORE,
    "unseen_albums": None,
    "random_clips": SCORE | {"low": None},
    "as_shipped": {
        "known": {"songs": 50, "right": 0.7, "wrong": 0.1, "unknown": 0.2, "right_by_artist": 0.6},
        "unknown": {"refused": 0.6},
    },
}


@functools.cache
def trained() -> tuple[Model, dict]:
    return crossval.train_kept(SPECS, EARS, Study(*prepared(made_up(artist_cue=0.5))))[:2]


def answers() -> pd.DataFrame:
    """Twenty songs by known artists, all but the first named rightly, and twenty by unknown ones."""
    rows = [(f"A0/{n}.mp3", "A0", 0, 0, True, True, n > 0, "A0" if n else "A1", 0.4 + n / 50) for n in range(20)]
    rows += [(song, *about[:4], False, False, "A1", 0.3) for song, *about in rows]
    again = [(song, artist, 1, 1, *about) for song, artist, _, _, *about in rows]
    return unknown.give_words(pd.DataFrame(rows + again, columns=unknown.COLUMNS))


def save(root) -> None:
    """Save the kept model of a made-up library."""
    frame = made_up(artist_cue=0.5)
    songs, left_out = splits.song_table(frame)
    write_songs(root, [{"song": song, "hash": f"hash of {song}"} for song in songs.index])
    model, settings = trained()
    about = {"held_out": "x", "scores": SCORES, "seconds": 12.3, "spacings": {}}
    saving.save(root, model, songs, answers(), left_out, settings=settings, **about)


def test_a_loaded_model_predicts_as_the_saved_one(tmp_path):
    save(tmp_path)
    saved = saving.load(tmp_path)
    frame = made_up(artist_cue=0.5)
    songs, examples = prepared(frame)
    expected = np.exp(trained()[0].predict(examples)[1])
    for song in ("A0/3.mp3", "A2/7.mp3"):
        by_clip, by_song, *_ = saved.predict(song_of(frame[frame["song"] == song]))
        pd.testing.assert_series_equal(
            by_song[expected.columns], expected.loc[songs["place"][song]], check_names=False, rtol=1e-5
        )
        assert by_clip.index.tolist() == list(range(6))
        assert by_song.is_monotonic_decreasing
    assert not saved.model.networks


# Programs may rely on this.
KINDS = {
    "name": str,
    "made_by": str,
    "created": str,
    "commit": str,
    "members": list,
    "segments": dict,
    "classes": list,
    "networks": dict,
    "fusion": dict,
    "versions": dict,
    "held_out": str,
    "scores": dict,
    "seconds": float,
    "words": dict,
    "songs": dict,
}


def test_the_description_is_as_documented(tmp_path):
    save(tmp_path)
    info = json.loads((tmp_path / "model/model.json").read_text())
    assert set(info) == set(KINDS)
    assert all(isinstance(info[key], kind) for key, kind in KINDS.items())
    assert all(re.search(rf"\b{key}\b", saving.__doc__) for key in KINDS)
    assert info["segments"] == {"clips": 4, "every": 2}
    assert info["classes"] == ["A0", "A1", "A2"]
    assert info["scores"] == SCORES
    assert info["seconds"] == 12.3
    assert info["songs"] == {song: f"hash of {song}" for song in made_up()["song"].unique()}
    assert [member["name"] for member in info["members"]] == EARS[FEATURES]
    assert info["fusion"] == {"ears": EARS, "weights": {FEATURES: 1.0}, "temperature": 1.0}
    assert [member["segments"] for member in info["members"]] == [True, True]
    assert set(info["members"][0]["setting"]) == {"C"}
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?|unknown", info["commit"])
    assert set(info["words"]) == {"unknown_below", "strict_below", "sure_from"}
    written = pd.read_csv(tmp_path / "model/predictions.csv")
    assert list(written.columns) == [
        *("song", "artist", "answer", "predicted", "probability"),
        *("unknown_answer", "unknown_predicted", "unknown_probability"),
    ]
    assert written["song"].tolist() == sorted(f"A0/{n}.mp3" for n in range(20))  # of the first repeat
    first = answers().query("repeat == 0")  # by whose words the figures are counted
    for column, known in {"answer": True, "unknown_answer": False}.items():
        assert written[column].tolist() == first[first["known"] == known].sort_values("song")["word"].tolist()


def test_the_page_for_people(tmp_path):
    save(tmp_path)
    card = (tmp_path / "model/model.md").read_text()
    assert "A0, A1, A2" in card
    assert "Of 50 songs held out of training 70% were named rightly" in card
    assert "and so were 60% of songs by artists not in the library." in card
    assert "Chance level is 0.33" in card
    assert "- songs held out of training: 0.70 (95% CI 0.60–0.80)" in card
    assert "- songs of albums held out of training: not measured" in card
    assert "flatters" in card


def change(root, **changes) -> None:
    path = root / "model/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("content", ['{"format": 3}', '{"made_by": null}', "[]", "not JSON"])
def test_a_damaged_description_is_refused(tmp_path, content):
    save(tmp_path)
    (tmp_path / "model/model.json").write_text(content)
    with pytest.raises(UserError, match=r"lacks what it should hold|There is no model|another version"):
        saving.load(tmp_path)


def test_a_description_without_its_members_is_refused(tmp_path):
    save(tmp_path)
    change(tmp_path, members=[{"file": "model-1.skops", "colour": "red"}])
    with pytest.raises(UserError, match="lacks what it should hold"):
        saving.load(tmp_path)


@pytest.mark.parametrize(
    ("of", "value"),
    [
        ("MADE_BY", [99, []]),
        ("RULE", {"clips": 8, "every": 4}),
        ("VERSION", 99),
        ("versions", lambda: {"scikit-learn": "0.1"}),
    ],
)
def test_a_model_by_other_code_is_refused(tmp_path, monkeypatch, of, value):
    save(tmp_path)
    monkeypatch.setattr(saving, of, value)
    with pytest.raises(UserError, match=r"another version of this program or of scikit-learn. Run make run again"):
        saving.load(tmp_path)


def test_a_model_file_of_other_types_is_refused(tmp_path):
    save(tmp_path)
    skops.io.dump(FunctionTransformer(shutil.rmtree), tmp_path / "model/model-1.skops")
    with pytest.raises(UserError, match=r"is refused: it holds .*rmtree"):
        saving.load(tmp_path)


def empty_zip() -> bytes:
    made = io.BytesIO()
    zipfile.ZipFile(made, "w").close()
    return made.getvalue()


@pytest.mark.parametrize("content", [pickle.dumps(np.zeros(3)), b"", empty_zip()])
def test_what_is_no_model_file_is_not_opened(tmp_path, content):
    save(tmp_path)
    (tmp_path / "model/model-1.skops").write_bytes(content)
    with pytest.raises(UserError, match="holds no model file that can be read"):
        saving.load(tmp_path)


def test_a_description_names_no_file_outside_its_folder(tmp_path):
    save(tmp_path)
    shutil.move(tmp_path / "model/model-1.skops", tmp_path / "elsewhere.skops")
    members = json.loads((tmp_path / "model/model.json").read_text())["members"]
    change(tmp_path, members=[members[0] | {"file": "../elsewhere.skops"}, members[1]])
    with pytest.raises(UserError, match="holds no model file that can be read"):
        saving.load(tmp_path)


def test_no_model_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match=r"There is no model in .* Run make run again"):
        saving.load(tmp_path)
