import pickletools
import shutil

import dask.dataframe
import mutagen.mp3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import NO_NETWORKS, run_scripts, sine, tune, write_song

import dataframe_creation
import feature_extraction
import mp3_split
from soundalike.dataset import frame as frame_module
from soundalike.dataset.frame import Frame, current_notes, find_frame, frame_notes, iter_songs, read_frame
from soundalike.features.table import COLUMNS, FEATURE_SETTINGS, ORIGINAL_NINE
from soundalike.library.catalogue import keep_songs_folder, read_songs
from soundalike.library.errors import UserError
from soundalike.library.paths import table_path
from soundalike.library.storage import locked


def create(root) -> int:
    return dataframe_creation.main(["--library", str(root)])


@pytest.fixture
def own(small, tmp_path):
    """A copy of the small library, to be changed."""
    return shutil.copytree(small, tmp_path / "own")


def test_the_frame_knows_its_songs(small):
    frame = pd.read_pickle(small / "df_music.pkl")
    assert list(frame.columns) == ["artist", "album", "song", "clip", "start", "silent", *COLUMNS]
    assert frame["song"].nunique() == 8
    assert frame["artist"].value_counts().to_dict() == {"Artist A": 16, "Artist B": 16}
    assert set(frame["album"]) == {"Album 1", "Album 2"}
    assert (frame["song"].str.split("/").str[0] == frame["artist"]).all()
    assert (frame["start"] == 2 * frame["clip"]).all()
    assert not frame.duplicated(["song", "clip"]).any()
    assert np.isfinite(frame[COLUMNS]).all(axis=None)
    noted = frame_notes(small)
    assert noted["settings"]["columns"] == COLUMNS
    assert "librosa" in noted["versions"]
    assert (noted["songs"], noted["clips"]) == (8, 32)


def test_the_pickle_needs_no_pyarrow_and_no_newest_pandas(small):
    """In pandas 2.2.3 and 3, with and without pyarrow, it was opened in environments of their own."""
    text = (small / "df_music.pkl").read_bytes()
    used = {value for _, value, _ in pickletools.genops(text) if isinstance(value, str)}
    assert "DataFrame" in used
    assert not [name for name in used if "arrow" in name.lower() or "StringDtype" in name or name.endswith("string_")]
    frame = pd.read_pickle(small / "df_music.pkl")
    assert frame.columns.dtype == object
    assert {str(frame[name].dtype) for name in ("artist", "album", "song")} == {"object"}
    assert {type(name) for name in [*frame.columns, *frame["song"]]} == {str}


def test_pickle_and_parquet_hold_the_same(small):
    pickled, parquet = read_frame(small / "df_music.pkl"), pd.read_parquet(small / "df_music.parquet")
    pd.testing.assert_frame_equal(pickled, parquet)
    assert pickled.attrs["made_from"] == frame_notes(small)["made_from"]


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
    assert "described now: 0 " in capsys.readouterr().out  # the sound is the same
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
    assert f"feature_extraction.py --library {own}" in out
    assert pd.read_pickle(own / "df_music.pkl")["song"].nunique() == 7


def test_a_table_of_other_settings_is_not_used(own, capsys, monkeypatch):
    monkeypatch.setitem(FEATURE_SETTINGS, "n_fft", 1)
    assert create(own) == 1
    assert "Run feature_extraction.py first" in capsys.readouterr().err


def spoil(path, change):
    noted = pq.read_metadata(path).metadata
    table = pa.Table.from_pandas(change(pq.read_table(path).to_pandas()), preserve_index=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(noted)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.assign(rms_mean=np.float32("nan")), "holds values that are no numbers, in rms_mean"),
        (lambda t: t.assign(tempo=np.float32("inf")), "holds values that are no numbers, in tempo"),
        (lambda t: t.assign(clip=0), "holds a clip twice"),
        (lambda t: t[t.columns[::-1]], "has other columns"),
    ],
)
def test_a_spoilt_table_is_left_out_by_name(own, capsys, change, says):
    song = "Artist B/Album 2/Song 2.mp3"
    spoil(table_path(own, song), change)
    (own / "df_music.pkl").unlink()
    assert create(own) == 3
    assert f"{song}: its table {says}" in capsys.readouterr().out
    assert song not in set(pd.read_pickle(own / "df_music.pkl")["song"])


def test_running_again_writes_nothing(own, capsys):
    before = (own / "df_music.pkl").stat().st_mtime_ns
    assert create(own) == 0
    assert "is up to date" in capsys.readouterr().out
    assert (own / "df_music.pkl").stat().st_mtime_ns == before


def test_a_library_of_an_earlier_version_is_read_and_its_frame_made_again(own, capsys):
    whole = pd.read_pickle(own / "df_music.pkl")
    (own / "df_music.parquet/_made_from.json").rename(own / "df_music.parquet/_common_metadata")
    for path in (own / "songs.csv", *own.glob("clips/*/*/*/mp3_split.json")):
        path.write_text(path.read_text(encoding="utf-8").replace("cutoff_hz", "reach"), encoding="utf-8")
    assert read_songs(own)["cutoff_hz"].notna().all()
    with pytest.raises(UserError, match=r"earlier version of this program\. Run dataframe_creation\.py"):
        current_notes(own)
    assert create(own) == 0
    assert "is of an earlier version of this program: it is made again" in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_pickle(own / "df_music.pkl"), whole)
    assert mp3_split.main(["--library", str(own), "--jobs", "1"]) == 0
    assert "Songs processed now: 0." in capsys.readouterr().out
    assert "reach" not in (own / "songs.csv").read_text(encoding="utf-8")


# --- frames larger than memory ---------------------------------------------------------------


def test_a_frame_in_many_files_is_the_same_frame(own, monkeypatch):
    whole = read_frame(own / "df_music.pkl")
    (own / "df_music.pkl").unlink()
    monkeypatch.setattr(frame_module, "FILE_BYTES", 6 * 4 * len(COLUMNS))
    monkeypatch.setattr(frame_module, "ROW_GROUP", 3)
    assert create(own) == 0
    folder = own / "df_music.parquet"
    assert len(list(folder.glob("part-*.parquet"))) == 6
    assert len({str(pq.read_schema(path).remove_metadata()) for path in folder.glob("part-*.parquet")}) == 1
    pd.testing.assert_frame_equal(pd.read_parquet(folder), whole, check_exact=True)
    by_dask = dask.dataframe.read_parquet(folder)
    assert by_dask.npartitions > 1
    found = by_dask.groupby("artist")["centroid_mean"].mean().compute(scheduler="sync")
    expected = whole.groupby("artist")["centroid_mean"].mean()
    np.testing.assert_allclose(found.loc[expected.index], expected, rtol=1e-6)
    for clips in (1, 3, 5, 100):
        some = list(iter_songs(own, ["song", "tempo"], clips))
        assert sum(part["song"].nunique() for part in some) == 8  # each song whole, in one of them
        pd.testing.assert_frame_equal(pd.concat(some, ignore_index=True), whole[["song", "tempo"]])


def test_a_pickle_too_large_is_not_written_and_that_is_said(own, capsys):
    assert dataframe_creation.main(["--library", str(own), "--pickle-limit", "0.00001"]) == 0
    out = capsys.readouterr().out
    assert "No df_music.pkl: it would take 0.0 GB" in out
    assert not (own / "df_music.pkl").exists()
    assert find_frame(own) == own / "df_music.parquet"
    with pytest.raises(UserError, match=r"There is no .*df_music\.pkl\. Run dataframe_creation\.py first"):
        read_frame(own / "df_music.pkl")
    assert len(pd.read_parquet(own / "df_music.parquet")) == 32
    assert dataframe_creation.main(["--library", str(own), "--pickle-limit", "0.00001"]) == 0
    assert "is up to date" in capsys.readouterr().out
    assert create(own) == 0
    assert len(pd.read_pickle(own / "df_music.pkl")) == 32


def test_pickle_and_parquet_are_the_same_frame_in_parts(own):
    columns, song = ["song", "silent", "tempo"], "Artist A/Album 1/Song 1.mp3"
    pickled = Frame(own)
    (own / "df_music.pkl").unlink()
    streamed = Frame(own)
    assert [frame.path.name for frame in (pickled, streamed)] == ["df_music.pkl", "df_music.parquet"]
    assert pickled.columns == streamed.columns
    assert pickled.clips == streamed.clips == 32
    pd.testing.assert_frame_equal(*(pd.concat(frame.parts(columns)) for frame in (pickled, streamed)))
    pd.testing.assert_frame_equal(pickled.song(song), streamed.song(song))
    assert set(pickled.song(song)["song"]) == {song}


def test_of_a_large_frame_some_songs_of_each_artist_are_read(own):
    (own / "df_music.pkl").unlink()
    whole, some = read_frame(find_frame(own)), read_frame(find_frame(own), most=16)
    assert some.groupby("artist")["song"].nunique().to_dict() == {"Artist A": 2, "Artist B": 2}
    pd.testing.assert_frame_equal(some, whole[whole["song"].isin(some["song"])].reset_index(drop=True))
    pd.testing.assert_frame_equal(read_frame(find_frame(own), most=32), whole)
    assert len(read_frame(find_frame(own), most=24)) in (24, 28)
    (own / "df_music.parquet").rename(own / "other.parquet")
    pd.testing.assert_frame_equal(read_frame(own / "other.parquet"), whole)


def test_a_frame_of_2018_does_not_know_songs(tmp_path):
    of_2018().to_pickle(tmp_path / "df_music.pkl")
    with pytest.raises(UserError, match="does not say which clips are of one song"):
        Frame(tmp_path)


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


# --- frames from elsewhere -------------------------------------------------------------------


def of_2018() -> pd.DataFrame:
    names = [
        "Cent Mean",
        "Cent Std",
        "RMSE Mean",
        "RMSE Std",
        "Rolloff Mean",
        "Rolloff Std",
        "Tempo",
        "ZCR Mean",
        "ZCR Std",
    ]
    frame = pd.DataFrame({name: np.arange(4.0) + 10 * place for place, name in enumerate(names)})
    frame.insert(0, "Artist", ["Nickelback", "Pitbull"] * 2)
    return frame


@pytest.mark.parametrize("kind", ["pkl", "csv", "parquet"])
def test_a_frame_of_2018_is_read(tmp_path, kind):
    path = tmp_path / f"old.{kind}"
    writers = {"pkl": of_2018().to_pickle, "csv": of_2018().to_csv, "parquet": of_2018().to_parquet}
    writers[kind](path)
    frame = read_frame(path)
    assert set(frame.columns) == {"artist", "silent", *ORIGINAL_NINE}
    assert frame["centroid_std"].tolist() == [10, 11, 12, 13]
    assert frame["rms_mean"].tolist() == [20, 21, 22, 23]
    assert frame["artist"].tolist() == ["Nickelback", "Pitbull"] * 2


def test_todays_frame_is_read_too(small):
    frames = [read_frame(small / f"df_music.{kind}") for kind in ("pkl", "parquet")]
    pd.testing.assert_frame_equal(*frames)


def test_an_artist_may_be_called_na_in_a_csv(small, tmp_path):
    frame = pd.read_pickle(small / "df_music.pkl").assign(artist="NA", album="")
    frame.to_csv(tmp_path / "x.csv", index=False)
    found = read_frame(tmp_path / "x.csv")
    assert set(found["artist"]) == {"NA"}
    assert set(found["album"]) == {""}
    assert found[COLUMNS].dtypes.eq(float).all()


def test_no_model_is_trained_on_features_of_another_code(small, monkeypatch):
    monkeypatch.setattr(frame_module, "FEATURE_SETTINGS", FEATURE_SETTINGS | {"version": -1})
    with pytest.raises(UserError, match="other features than those of today"):
        read_frame(small / "df_music.pkl")


@pytest.mark.parametrize(
    ("name", "says"), [("a.txt", "ends in one of"), ("b.csv", "There is no"), ("c.csv", "no frame of music")]
)
def test_other_files_are_refused(tmp_path, name, says):
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "c.csv")
    with pytest.raises(UserError, match=says):
        read_frame(tmp_path / name)
