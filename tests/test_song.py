"""A song in one pass: its table, which columns of it are made again, and the windows of the networks."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import processed, raises, tune, write_song

import feature_extraction
import mp3_split
from soundalike import features as features_module
from soundalike import networks, song
from soundalike.audio import CLIP_SAMPLES, Clips, Decoder
from soundalike.library import clip_folder, made_from, read_notes, table_path
from soundalike.messages import Reason, UserError
from soundalike.networks import MUSICNN, NETWORKS, VOICE, vocals
from soundalike.networks.vocals import VOCALS
from soundalike.song import FEATURES, analyse, read_table, read_tables, write_table

SONG = "Artist A/Album 1/Song 1.mp3"
SPACINGS = {name: network.every for name, network in NETWORKS.items()}


def count_clips(y: np.ndarray) -> np.ndarray:
    """A network for tests: the number of clips in a window, and the mean of its samples."""
    return np.column_stack([np.full(len(y), y.shape[1] / CLIP_SAMPLES), y.mean(axis=1)]).astype(np.float32)


@pytest.fixture
def plain(monkeypatch):
    """Networks without TensorFlow: both count clips."""
    for name, network in NETWORKS.items():
        counting = network._replace(dims=2, embed=count_clips)
        monkeypatch.setitem(NETWORKS, name, counting)
    monkeypatch.setattr("soundalike.song.vocal_probabilities", lambda y: np.column_stack([0 * y[:, 0], y.mean(axis=1)]))
    monkeypatch.setattr(networks.Package, "find", lambda self: [])


@pytest.fixture
def own(small, tmp_path):
    """A library of one's own, whose songs are the same files as before: nothing of it is out of date."""
    root = shutil.copytree(small, tmp_path / "own")
    assert mp3_split.main(["--library", str(root), "--jobs", "1"]) == 0
    return root


class Levels:
    """A song whose clips are steady at these levels; 0 is silent."""

    record = {"status": "ok"}  # noqa: RUF012 - nothing changes it

    def __init__(self, *levels: float) -> None:
        self.levels = levels

    def __iter__(self):
        yield from (np.full(CLIP_SAMPLES, round(32_768 * level), np.int16) for level in self.levels)


# --- one pass --------------------------------------------------------------------------------


def test_windows_are_evenly_spaced(plain):
    song = analyse(Levels(*np.arange(1, 27) / 100), SPACINGS, features=False)
    middles, music = song.embeddings(MUSICNN)
    assert middles.tolist() == [1, 9, 17, 25, 33, 41, 49]
    np.testing.assert_allclose(music[:, 1], np.array([1, 5, 9, 13, 17, 21, 25]) / 100, rtol=1e-2)
    middles, voice = song.embeddings(VOICE)
    assert middles.tolist() == [3, 19, 35]  # the fourth would begin at 24, and lacks its last clip
    assert (voice[:, 0] == 3).all()
    np.testing.assert_allclose(voice[:, 1], [0.02, 0.10, 0.18], rtol=1e-2)
    assert song.table[MUSICNN].null_count == 26 - 7


def test_all_of_a_song_can_be_embedded(plain):
    song = analyse(Levels(*[0.1] * 9), {MUSICNN: 1, VOICE: 3}, features=False)
    assert [len(song.embeddings(name)[0]) for name in (MUSICNN, VOICE)] == [9, 3]


@pytest.mark.parametrize("count", [1, 2])
def test_a_song_shorter_than_a_window_is_one(plain, count):
    _, found = analyse(Levels(*[0.1] * count), {VOICE: 8}, features=False).embeddings(VOICE)
    assert found[:, 0].tolist() == [count]


def test_silent_windows_are_null(plain):
    song = analyse(Levels(0, 0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0), SPACINGS, features=False)
    assert song.embeddings(MUSICNN)[0].tolist() == [9]
    assert song.embeddings(VOICE)[0].tolist() == [3]  # of its three clips one is silent
    assert song.loud.tolist() == [False, True, True, True, True, False, False, False, False]
    nothing = analyse(Levels(0, 0, 0, 0), SPACINGS, features=False)
    assert [len(nothing.embeddings(name)[0]) for name in SPACINGS] == [0, 0]


def test_each_sample_is_decoded_once(plain, own, monkeypatch):
    read = []
    pieces = Decoder.pieces
    monkeypatch.setattr(Decoder, "pieces", lambda self: (read.append(len(piece)) or piece for piece in pieces(self)))
    song = analyse(Decoder(own / "songs" / SONG), SPACINGS, keep_sound=True)
    assert sum(read) / 2 == pytest.approx(22_050 * song.record["seconds"], abs=22)
    np.testing.assert_array_equal(song.sound, list(Clips(SONG, own)))
    assert song.table.column_names == ["clip", "start", "silent", FEATURES, MUSICNN, VOICE]


# --- one table -------------------------------------------------------------------------------


def describe(root: Path, *more: str) -> int:
    return feature_extraction.main(["--library", str(root), "--jobs", "1", *more])


def columns(root: Path, song: str = SONG) -> dict:
    read = pq.read_table(table_path(root, song))
    return dict(zip(read.column_names, read.columns, strict=True))


class Counted:
    """Counts what is computed: clips that features are made of, and windows by each network."""

    def __init__(self, monkeypatch) -> None:
        self.counts = dict.fromkeys((FEATURES, *NETWORKS, VOCALS), 0)
        features = features_module.clip_features
        monkeypatch.setattr("soundalike.song.clip_features", lambda y: self.add(FEATURES, len(y.y)) or features(y))
        for name, network in NETWORKS.items():
            embed = network.embed
            counting = lambda y, name=name, embed=embed: self.add(name, len(y)) or embed(y)  # noqa: E731
            monkeypatch.setitem(NETWORKS, name, network._replace(embed=counting))
        found = song.vocal_probabilities
        monkeypatch.setattr(song, "vocal_probabilities", lambda y: self.add(VOCALS, len(y)) or found(y))

    def add(self, name: str, count: int) -> None:
        self.counts[name] += count

    def now(self) -> list[int]:
        """Since it was last asked."""
        found = list(self.counts.values())
        self.counts = dict.fromkeys(self.counts, 0)
        return found


def test_a_network_more_or_another_share_is_one_column(own, plain, in_this_process, monkeypatch, capsys):
    counted = Counted(monkeypatch)
    before = columns(own)
    assert describe(own, "--networks", "musicnn") == 0
    assert counted.now() == [0, 8, 0, 32]  # of eight songs of four clips, each one window
    assert describe(own) == 0
    assert counted.now() == [0, 0, 8, 0]
    assert processed(capsys.readouterr().out) == 8
    assert describe(own) == 0
    assert describe(own, "--networks", "none") == 0
    assert counted.now() == [0, 0, 0, 0]
    assert describe(own, "--network-share", "0.5") == 0
    assert counted.now() == [0, 16, 8, 0]
    after = columns(own)
    assert list(after) == [*before, MUSICNN, VOCALS, VOICE]
    assert all(after[name].equals(values) for name, values in before.items())
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(version=99))
    assert describe(own, "--network-share", "0.5") == 0
    assert counted.now() == [0, 0, 8, 0]
    monkeypatch.setattr(vocals, "MADE_BY", ["another"])
    assert describe(own, "--network-share", "0.5") == 0
    assert counted.now() == [0, 0, 0, 32]
    monkeypatch.setattr("soundalike.song.MADE_BY", [99, features_module.COLUMNS])
    assert describe(own, "--network-share", "0.5") == 0
    assert counted.now() == [32, 0, 0, 0]


def test_a_song_that_changed_keeps_nothing(own, plain, in_this_process, monkeypatch):
    counted = Counted(monkeypatch)
    assert describe(own) == 0
    counted.now()
    write_song(own / "songs" / SONG, tune(0, 9))
    assert mp3_split.main(["--library", str(own), "--jobs", "1"]) == 0
    assert describe(own, "--networks", "none") == 0
    assert counted.now() == [4, 0, 0, 0]
    assert list(columns(own)) == ["clip", "start", "silent", FEATURES]
    assert describe(own) == 0
    assert counted.now() == [0, 1, 1, 4]


@pytest.mark.parametrize("spoilt", [b"PAR1", b"", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_table_is_made_again(own, spoilt):
    whole = columns(own)
    table_path(own, SONG).write_bytes(spoilt)
    with raises(Reason.TABLE_DAMAGED):
        read_table(SONG, own)
    assert describe(own, "--networks", "none") == 0
    assert columns(own) == whole


def test_through_the_file_as_through_clips(own, plain, in_this_process, capsys):
    assert describe(own) == 0
    through_clips = columns(own)
    table_path(own, SONG).unlink()
    shutil.rmtree(own / "clips")
    assert describe(own) == 0
    assert all(columns(own)[name].equals(values) for name, values in through_clips.items())
    assert describe(own, "--from-songs") == 0
    assert processed(capsys.readouterr().out) == 0
    table_path(own, SONG).unlink()
    write_song(own / "songs" / SONG, tune(0, 9))
    assert describe(own) == 3
    assert f"{SONG}: it is no longer what songs.csv says of it" in capsys.readouterr().out


def test_tables_are_read_in_order_and_the_unreadable_are_named(own):
    names = [SONG, "Artist B/Album 1/Song 3.mp3", "Artist A/Album 2/Song 2.mp3"]
    assert [name for name, _ in read_tables(own, names)] == names
    table_path(own, names[1]).unlink()
    left_out = {}
    assert [name for name, _ in read_tables(own, names, [FEATURES], left_out)] == [names[0], names[2]]
    assert list(left_out) == [names[1]]
    with pytest.raises(UserError, match=names[1]):
        list(read_tables(own, names))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.set_column(3, FEATURES, pa.array([[np.nan] * 553] * len(t))),
        lambda t: t.set_column(0, "clip", pa.array([0] * len(t))),
        lambda t: t.drop_columns(["silent"]),
        lambda t: t.drop_columns([FEATURES]),
        lambda t: t.replace_schema_metadata({}),
    ],
)
def test_a_spoilt_table_is_refused(own, change):
    path = table_path(own, SONG)
    pq.write_table(change(pq.read_table(path)), path)
    with raises(Reason.TABLE_DAMAGED):
        read_table(SONG, own)


def test_a_column_by_another_version_of_a_network_is_not_read(own, plain, in_this_process, monkeypatch):
    assert describe(own) == 0
    assert len(read_table(SONG, own, [VOICE]).embeddings(VOICE)[0]) == 1
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(version=99))
    found = read_table(SONG, own)
    assert [len(found.embeddings(name)[0]) for name in (MUSICNN, VOICE)] == [1, 0]


def test_a_file_that_is_decoded_otherwise_today_keeps_nothing(own, plain, in_this_process):
    """As by another ffmpeg: the file is the same, and its samples are not."""
    shutil.rmtree(own / "clips")
    assert describe(own, "--from-songs", "--networks", "none") == 0
    path = table_path(own, SONG)
    notes = read_notes(path)
    notes["record"]["hash"] = "of other samples"
    notes["made_from"][FEATURES] = made_from("of other samples", features_module.MADE_BY)
    write_table(SONG, pq.read_table(path), notes, own)
    assert describe(own, "--from-songs") == 0
    assert list(columns(own)) == ["clip", "start", "silent", FEATURES, MUSICNN, VOICE, VOCALS]
    assert read_table(SONG, own).record["hash"] != "of other samples"


def test_outdated_clips_do_not_replace_what_is_known_of_the_file(own, plain, in_this_process):
    write_song(own / "songs" / SONG, tune(0, 9))  # its clips are those of before
    assert describe(own, "--from-songs", "--networks", "none") == 0
    digest = read_table(SONG, own).record["hash"]
    assert describe(own) == 0
    assert read_table(SONG, own).record["hash"] == digest
    assert len(read_table(SONG, own).embeddings(VOICE)[0]) == 1


@pytest.mark.parametrize(
    "notes",
    [
        '{"record": 1}',
        '{"made_from": 3, "record": {"clips": 4}}',
        '{"made_from": {}, "record": {"clips": 4}}',
        '{"made_from": {}}',
        "[]",
        "",
    ],
)
def test_notes_of_clips_that_are_damaged_are_made_again(own, notes, capsys):
    (clip_folder(own, SONG) / "_made_from.json").write_text(notes)
    table_path(own, SONG).unlink()
    assert describe(own, "--networks", "none") == 3
    assert f"{SONG}: it was not cut by this version" in capsys.readouterr().out
    assert mp3_split.main(["--library", str(own), "--jobs", "1"]) == 0
    assert processed(capsys.readouterr().out) == 1
    assert describe(own, "--networks", "none") == 0


def test_the_record_is_that_of_the_file(own):
    assert read_table(SONG, own).record == read_notes(table_path(own, SONG))["record"] == Clips(SONG, own).record
