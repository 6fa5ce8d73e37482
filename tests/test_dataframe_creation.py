import json
import pickletools
import shutil
import textwrap
from pathlib import Path

import dask.dataframe
import mutagen.mp3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import (
    NO_NETWORKS,
    made_up,
    processed,
    raises,
    run_scripts,
    sine,
    song_of,
    tune,
    write_library,
    write_song,
    write_song_table,
)

import dataframe_creation
import feature_extraction
import mp3_split
from soundalike import frame as frame_module
from soundalike.features import COLUMNS
from soundalike.frame import current_notes, read_frame, read_library
from soundalike.library import keep_songs_folder, locked, table_path
from soundalike.messages import Problem
from soundalike.networks import NETWORKS, VOICE


def create(root) -> int:
    return dataframe_creation.main(["--library", str(root)])


@pytest.fixture
def own(small, tmp_path):
    """A copy of the small library, to be changed."""
    return shutil.copytree(small, tmp_path / "own")


def test_the_frame_knows_its_songs(small):
    frame = pd.read_pickle(small / "df_music.pkl")
    labels = ["artist", "album", "song", "recording", "clip", "start", "silent", "speech", "singing"]
    assert list(frame.columns) == [*labels, *COLUMNS]
    assert frame["song"].nunique() == 8
    assert frame["artist"].value_counts().to_dict() == {"Artist A": 16, "Artist B": 16}
    assert set(frame["album"]) == {"Album 1", "Album 2"}
    assert (frame["song"].str.split("/").str[0] == frame["artist"]).all()
    assert (frame["start"] == 2 * frame["clip"]).all()
    assert not frame.duplicated(["song", "clip"]).any()
    assert np.isfinite(frame[COLUMNS]).all(axis=None)
    noted = current_notes(small)
    assert (noted["songs"], noted["clips"], noted["networks"]) == (8, 32, {})
    assert read_library(small)["song"].tolist() == sorted(frame["song"].unique())


def test_a_recording_has_one_name_whatever_its_copies(tmp_path):
    for artist, song in ((0, 0), (0, 1), (1, 0)):
        write_song(tmp_path / f"songs/{'AB'[artist]}/{song}.wav", tune(artist, song, 20))
    write_song(tmp_path / "songs/A/again.ogg", 0.5 * tune(0, 1, 20))
    assert run_scripts(tmp_path) == [0, 0, 0]
    frame = pd.read_parquet(tmp_path / "df_music.parquet")
    names = frame.groupby("song")["recording"].unique().map(list)
    assert names["A/1.wav"] == names["A/again.ogg"]
    assert frame["recording"].nunique() == 3
    copies = read_library(tmp_path).set_index("song")
    assert copies["copy_of"].loc[lambda other: other != ""].to_dict() == {"A/1.wav": "A/again.ogg"}


def test_the_lines_of_the_manual_run(small):
    """Those of docs/usage.md, "Use the frame yourself", as they stand there."""
    manual = (Path(frame_module.__file__).parents[1] / "docs/usage.md").read_text(encoding="utf-8")
    lines = manual.split("## Use the frame yourself")[1].split("\n\nReading")[0]
    for kind in ("parquet", "pickle"):
        code = textwrap.dedent(lines).strip().replace('"data/', f'"{small}/')
        if kind == "pickle":
            code = code.replace("read_parquet", "read_pickle").replace("df_music.parquet", "df_music.pkl")
        found: dict = {}
        exec(code, found)
        assert set(found["loud"]["artist"]) == {"Artist A", "Artist B"}
        assert len(found["frame"]) == 32


def test_the_pickle_needs_no_pyarrow_and_no_newest_pandas(small):
    """In pandas 2.2.3 and 3, with and without pyarrow, it was opened in environments of their own."""
    text = (small / "df_music.pkl").read_bytes()
    used = {value for _, value, _ in pickletools.genops(text) if isinstance(value, str)}
    assert "DataFrame" in used
    assert not [name for name in used if "arrow" in name.lower() or "StringDtype" in name or name.endswith("string_")]
    frame = pd.read_pickle(small / "df_music.pkl")
    assert frame.columns.dtype == object
    assert {str(frame[name].dtype) for name in ("artist", "album", "song", "recording")} == {"object"}
    assert {type(name) for name in [*frame.columns, *frame["song"]]} == {str}


def test_pickle_and_parquet_hold_the_same(small):
    pickled, parquet = pd.read_pickle(small / "df_music.pkl"), pd.read_parquet(small / "df_music.parquet")
    pd.testing.assert_frame_equal(pickled, parquet, check_dtype=False, check_column_type=False)
    pd.testing.assert_frame_equal(read_frame(small), parquet)


def test_two_songs_of_one_name_are_two(tmp_path):
    for artist in (0, 1):
        write_song(tmp_path / f"songs/{'AB'[artist]}/Intro.mp3", tune(artist, 1, 4))
    assert run_scripts(tmp_path) == [0, 0, 0]
    frame = pd.read_pickle(tmp_path / "df_music.pkl")
    assert frame.groupby("song").size().to_dict() == {"A/Intro.mp3": 2, "B/Intro.mp3": 2}


def test_a_silent_clip_is_flagged_and_finite(tmp_path):
    write_song(tmp_path / "songs/A/x.wav", np.concatenate([np.zeros(2 * 44_100), sine(440, 2)]))
    assert run_scripts(tmp_path) == [0, 0, 0]
    frame = pd.read_pickle(tmp_path / "df_music.pkl")
    assert frame["silent"].tolist() == [True, False]
    assert np.isfinite(frame[COLUMNS]).all(axis=None)


def test_songs_removed_and_moved_leave_and_follow(own):
    songs = own / "songs"
    (songs / "Artist A/Album 1/Song 1.mp3").unlink()
    (songs / "Artist C").mkdir()
    (songs / "Artist A/Album 1/Song 3.mp3").rename(songs / "Artist C/Song 3.mp3")
    assert run_scripts(own) == [0, 0, 0]
    frame = pd.read_pickle(own / "df_music.pkl")
    assert frame["song"].nunique() == 7
    assert frame.groupby("artist")["song"].unique().map(list)["Artist C"] == ["Artist C/Song 3.mp3"]
    assert not frame["song"].str.contains("Artist A/Album 1").any()


def test_a_song_that_sounds_otherwise_is_in_the_frame_as_it_is_now(own):
    before, song = pd.read_pickle(own / "df_music.pkl"), "Artist A/Album 1/Song 1.mp3"
    write_song(own / "songs" / song, tune(0, 7, 8))
    assert run_scripts(own) == [0, 0, 0]
    changed = (before[COLUMNS] != pd.read_pickle(own / "df_music.pkl")[COLUMNS]).any(axis=1)
    assert set(before["song"][changed]) == {song}


def test_a_new_label_is_taken_without_new_features(own, capsys):
    for path in (own / "songs").rglob("*.mp3"):
        tags = mutagen.mp3.EasyMP3(path)
        tags["artist"] = f"The {path.parts[-3]}s"
        tags.save()
    assert mp3_split.main(["--library", str(own), "--label-by", "tag"]) == 0
    assert feature_extraction.main(["--library", str(own), *NO_NETWORKS]) == 0
    assert processed(capsys.readouterr().out) == 0  # the sound is the same
    assert create(own) == 0
    assert set(pd.read_pickle(own / "df_music.pkl")["artist"]) == {"The Artist As", "The Artist Bs"}


def test_a_pickle_from_a_run_that_was_killed_is_not_called_up_to_date(own):
    before = pd.read_pickle(own / "df_music.pkl")
    before.head(1).to_pickle(own / "df_music.pkl")  # as if killed before the Parquet file was written
    assert create(own) == 0
    pd.testing.assert_frame_equal(pd.read_pickle(own / "df_music.pkl"), before)


def test_a_table_that_is_damaged_is_made_again(own):
    path = table_path(own, "Artist A/Album 1/Song 1.mp3")
    path.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    assert create(own) == 3
    assert feature_extraction.main(["--library", str(own), *NO_NETWORKS]) == 0
    assert create(own) == 0


def test_songs_without_a_table_are_named_with_what_makes_it(own, capsys):
    table_path(own, "Artist A/Album 1/Song 1.mp3").unlink()
    assert create(own) == 3
    out = capsys.readouterr().out
    assert "Artist A/Album 1/Song 1.mp3: has no table" in out
    assert pd.read_pickle(own / "df_music.pkl")["song"].nunique() == 7


def test_a_table_by_other_code_is_not_used(own, capsys, monkeypatch):
    monkeypatch.setattr(frame_module, "MADE_BY", [99, COLUMNS])
    assert create(own) == 1
    assert "Run feature_extraction.py first" in capsys.readouterr().err
    with raises(Problem.OTHER_FRAME):
        read_frame(own)


def test_a_spoilt_table_is_left_out_by_name(own, capsys):
    song = "Artist B/Album 2/Song 2.mp3"
    path = table_path(own, song)
    table = pq.read_table(path)
    pq.write_table(table.set_column(3, "features", pa.array([[np.inf] * len(COLUMNS)] * len(table))), path)
    (own / "df_music.pkl").unlink()
    assert create(own) == 3
    assert f"{song}: its table is damaged" in capsys.readouterr().out
    assert song not in set(pd.read_pickle(own / "df_music.pkl")["song"])
    assert create(own) == 3  # it is named until it is repaired
    assert f"{song}: its table is damaged" in capsys.readouterr().out


def test_running_again_writes_nothing(own, capsys):
    before = (own / "df_music.pkl").stat().st_mtime_ns
    assert create(own) == 0
    assert (own / "df_music.pkl").stat().st_mtime_ns == before


def test_a_library_of_an_earlier_version_is_made_again(own):
    before = pd.read_pickle(own / "df_music.pkl")
    for path in own.glob("clips/*/*/*/_made_from.json"):
        path.rename(path.with_name("mp3_split.json"))
    for path in own.glob("features/*/*/*.parquet"):
        pq.write_table(pq.read_table(path).replace_schema_metadata({"made_by": "x", "record": "{}"}), path)
    (own / "df_music.parquet/_made_from.json").write_text('{"made_from": "x", "settings": {}, "pickle": []}')
    with raises(Problem.OTHER_FRAME):
        read_frame(own)
    assert run_scripts(own) == [0, 0, 0]
    pd.testing.assert_frame_equal(pd.read_pickle(own / "df_music.pkl"), before)


@pytest.mark.parametrize("without", ["networks", "songs", "pickle"])
def test_notes_of_a_frame_that_lack_something_are_made_again(own, without, capsys):
    path = own / "df_music.parquet/_made_from.json"
    notes = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in notes.items() if key != without}))
    with raises(Problem.OTHER_FRAME):
        current_notes(own)
    assert dataframe_creation.main(["--library", str(own), "--status"]) == 0
    assert create(own) == 0
    assert json.loads(path.read_text()).keys() == notes.keys()


def test_networks_are_counted_and_chosen_without_another_frame(tmp_path, monkeypatch, capsys):
    frame = made_up(artists=2, songs=4)
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(dims=2))
    monkeypatch.setattr("soundalike.networks.weights.Package.find", lambda self: [])
    embeddings = {song: {VOICE: {0: np.ones(2)}} for song in frame["song"].unique() if song != "A0/1.mp3"}
    write_library(tmp_path, frame, embeddings)
    assert current_notes(tmp_path)["networks"] == {VOICE: 8}
    before = (tmp_path / "df_music.pkl").stat().st_mtime_ns
    assert create(tmp_path) == 0
    out = capsys.readouterr().out
    assert "voice describes 7 songs of 8; to describe the others, run feature_extraction.py." in out
    assert dataframe_creation.main(["--library", str(tmp_path), "--networks", "none"]) == 0
    assert current_notes(tmp_path)["networks"] == {}
    assert create(tmp_path) == 0
    before_it = current_notes(tmp_path)["made_from"]
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(version=99))
    assert create(tmp_path) == 0
    assert current_notes(tmp_path)["networks"] == {}  # by other code
    for song, own in frame.groupby("song"):
        write_song_table(tmp_path, song_of(own, embeddings.get(song)))
    assert create(tmp_path) == 0
    assert current_notes(tmp_path)["networks"] == {VOICE: 8}
    after = current_notes(tmp_path)["made_from"]
    assert (after["all"], after["networks"] != before_it["networks"]) == (before_it["all"], True)
    assert (tmp_path / "df_music.pkl").stat().st_mtime_ns == before


# --- frames larger than memory ---------------------------------------------------------------


def test_a_frame_in_many_files_is_the_same_frame(own, monkeypatch):
    whole = read_frame(own)
    (own / "df_music.pkl").unlink()
    monkeypatch.setattr(frame_module, "FILE_BYTES", 6 * 4 * len(COLUMNS))
    monkeypatch.setattr(frame_module, "ROW_GROUP", 3)
    assert create(own) == 0
    folder = own / "df_music.parquet"
    assert len(list(folder.glob("part-*.parquet"))) == 5  # of 32 clips, six or so in each
    assert len({str(pq.read_schema(path).remove_metadata()) for path in folder.glob("part-*.parquet")}) == 1
    pd.testing.assert_frame_equal(pd.read_parquet(folder), whole, check_exact=True)
    by_dask = dask.dataframe.read_parquet(folder)
    assert by_dask.npartitions > 1
    found = by_dask.groupby("artist")["centroid_mean"].mean().compute(scheduler="sync")
    expected = whole.groupby("artist")["centroid_mean"].mean()
    np.testing.assert_allclose(found.loc[expected.index], expected, rtol=1e-6)


def test_a_pickle_too_large_is_not_written_and_that_is_said(own, capsys):
    assert dataframe_creation.main(["--library", str(own), "--pickle-limit", "0.00001"]) == 0
    out = capsys.readouterr().out
    assert "No df_music.pkl: it would take 0.0 GB" in out
    assert not (own / "df_music.pkl").exists()
    assert len(read_frame(own)) == 32
    assert dataframe_creation.main(["--library", str(own), "--pickle-limit", "0.00001"]) == 0
    assert "is up to date" in capsys.readouterr().out
    assert create(own) == 0
    assert len(pd.read_pickle(own / "df_music.pkl")) == 32


def test_of_a_large_frame_some_songs_of_each_artist_are_read(own):
    whole, some = read_frame(own), read_frame(own, most=16)
    assert some.groupby("artist")["song"].nunique().to_dict() == {"Artist A": 2, "Artist B": 2}
    pd.testing.assert_frame_equal(some, whole[whole["song"].isin(some["song"])].reset_index(drop=True))
    pd.testing.assert_frame_equal(read_frame(own, most=32), whole)
    assert len(read_frame(own, most=24)) in (24, 28)


@pytest.mark.parametrize("limit", ["-1", "much", "nan"])
def test_a_size_must_be_one(limit, capsys):
    with pytest.raises(SystemExit) as ended:
        dataframe_creation.main(["--pickle-limit", limit])
    assert ended.value.code == 2
    assert "is not a size in gigabytes" in capsys.readouterr().err


def test_status_says_how_far_it_is(own, tmp_path, capsys):
    def said(root) -> str:
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        assert dataframe_creation.main(["--library", str(root), "--status"]) == 0
        assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        return capsys.readouterr().out

    (tmp_path / "empty").mkdir()
    assert "is not there" in said(tmp_path / "empty")
    keep_songs_folder(own, own / "songs")
    table_path(own, "Artist A/Album 1/Song 1.mp3").unlink()
    (own / "songs/more.wma").touch()
    out = said(own)
    for line in (
        f"songs:      8 in {own / 'songs'}; 1 that cannot become songs",
        "decoded:    8",
        "described:  7",
        "songs.csv:  8 good, 0 left out",
        "frame:      8 songs, 32 clips",
        "Nothing is at work",
    ):
        assert line in out
    with locked(own):
        assert "A run is at work here now." in said(own)
