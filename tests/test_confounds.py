import numpy as np
import pandas as pd
import pytest
from conftest import made_up, run_scripts, tune, write_song

from soundalike.dataset import duplicates, splits
from soundalike.evaluation import confounds
from soundalike.library.catalogue import good_songs
from soundalike.library.errors import UserError


def songs_of(frame: pd.DataFrame, **columns) -> pd.DataFrame:
    songs = frame[["artist", "album", "song"]].drop_duplicates(ignore_index=True)
    technical = {"sample_rate": 44_100, "channels": 2, "bit_rate": 192_000, "codec": "MP3"}
    return songs.assign(title=songs["song"], loudness=-14.0, cutoff_hz=11_000, **technical).assign(**columns)


# --- the same again --------------------------------------------------------------------------


def test_a_recording_encoded_anew_is_found_and_other_songs_are_not(tmp_path):
    rate = 44_100
    for number in range(4):
        write_song(tmp_path / f"songs/A/{number}.mp3", tune(0, number, 40))
        write_song(tmp_path / f"songs/B/{number}.mp3", tune(1, number, 40))
    again = tune(0, 2, 40)
    write_song(tmp_path / "songs/A/other name.ogg", 0.4 * again[round(2.7 * rate) :])  # later, softer, another codec
    assert run_scripts(tmp_path) == [0, 0, 0]
    frame, songs = pd.read_pickle(tmp_path / "df_music.pkl"), good_songs(tmp_path)
    labels, *moves = duplicates.read_courses([frame])
    pairs = duplicates.find_duplicates(*moves, songs)
    assert pairs[["song", "other"]].to_numpy().tolist() == [["A/2.mp3", "A/other name.ogg"]]
    assert pairs["why"].item() == "sounds the same"
    recordings = duplicates.same_recordings(labels["song"], pairs)
    assert recordings[labels["song"] == "A/other name.ogg"].item() == "A/2.mp3"
    assert recordings.nunique() == 8


def test_the_same_title_twice_is_found_within_an_artist_only():
    frame = made_up(artists=2, songs=3)
    songs = songs_of(frame).assign(title=["03 - Déjà vu", "Deja Vu (Live)", "Else", "Deja vu", "Two", "Three"])
    pairs = duplicates.find_duplicates(*duplicates.read_courses([frame])[1:], songs)
    assert pairs[["song", "other", "why"]].to_numpy().tolist() == [["A0/0.mp3", "A0/1.mp3", "same title"]]


@pytest.mark.parametrize(
    ("title", "bare"),
    [
        ("01 Intro", "intro"),
        ("1999", "1999"),
        ("Émile [2009 Remaster]", "emile"),
        ("(Untitled)", "(Untitled)"),
        ("Recording (2)", "recording 2"),
        ("Shine On (Part II) [Live]", "shine on part ii"),
        ("99 Luftballons", "luftballons"),
    ],
)
def test_bare_titles(title, bare):
    assert duplicates.bare_title(title) == bare


def test_three_copies_are_one_recording():
    names = made_up(artists=1, songs=4)["song"].drop_duplicates()
    pairs = pd.DataFrame({"song": ["A0/0.mp3", "A0/1.mp3"], "other": ["A0/1.mp3", "A0/3.mp3"]})
    assert set(duplicates.same_recordings(names, pairs)) == {"A0/0.mp3", "A0/2.mp3"}
    assert duplicates.same_recordings(names, pairs.iloc[:0]).equals(names)


def test_a_song_too_short_to_be_compared_is_said_so():
    course = np.random.default_rng(0).normal(size=(duplicates.LEAST_CLIPS, 3))
    assert duplicates.agreement(course, course) == pytest.approx(1)
    assert duplicates.agreement(course[1:], course) != duplicates.agreement(course[1:], course)  # NaN


def test_it_finds_the_lag():
    course = np.random.default_rng(0).normal(size=(40, 3))
    assert duplicates.agreement(course[3:], course) == pytest.approx(1)
    assert duplicates.agreement(course, course[3:]) == pytest.approx(1)
    assert duplicates.agreement(course[duplicates.LAGS :], course) == pytest.approx(1)
    assert duplicates.agreement(course, course[duplicates.LAGS :]) == pytest.approx(1)
    assert duplicates.agreement(course[duplicates.LAGS + 1 :], course) < 0.5


# --- what is not music -----------------------------------------------------------------------


def test_what_distinguishes_artists_besides_music_is_named():
    frame = made_up(artists=2, songs=12)
    songs = songs_of(frame)
    songs["bit_rate"] = np.tile([128_000, 192_000], 12)
    table, _ = splits.song_table(frame)
    assert confounds.score_confounds(songs, table)["balanced_accuracy"] < 0.7
    codec = np.where(songs["artist"] == "A0", "MP3", "FLAC")
    loudness = np.where(songs["artist"] == "A0", -8.0, -20.0) + np.arange(24) / 100
    for column, values in {"codec": codec, "loudness": loudness}.items():
        found = confounds.score_confounds(songs.assign(**{column: values}), table)
        assert found["balanced_accuracy"] == 1
    reported = " ".join(confounds.warnings_of(table, found))
    assert "distinguishes artists: 1.00" in reported
    assert "No artist has two albums" in reported


def test_where_all_are_made_alike_nothing_is_found():
    frame = made_up(artists=3, songs=8)
    songs, (table, _) = songs_of(frame), splits.song_table(frame)
    songs["bit_rate"] = np.random.default_rng(0).integers(100, 300, len(songs)) * 1000
    songs.loc[0, "bit_rate"] = np.nan  # not stated
    found = confounds.score_confounds(songs, table)
    assert found["low"] < 1 / 3 + 1e-6
    assert confounds.warnings_of(table, found)[0].startswith("No artist")


def test_one_recording_under_two_artists_is_a_conflict():
    songs = songs_of(made_up(artists=2, songs=4))
    pairs = pd.DataFrame({"song": ["A0/0.mp3", "A0/1.mp3"], "other": ["A1/0.mp3", "A0/2.mp3"]})
    assert duplicates.conflicting_artists(pairs, songs) == ["A0/0.mp3", "A1/0.mp3"]
    assert duplicates.conflicting_artists(pairs.iloc[:0], songs) == []


def test_what_is_settled_has_recordings_and_no_conflicts(monkeypatch):
    frame = made_up(artists=2, songs=4)
    pairs = pd.DataFrame({"song": ["A0/0.mp3", "A0/1.mp3"], "other": ["A1/0.mp3", "A0/2.mp3"]})
    monkeypatch.setattr(duplicates, "find_duplicates", lambda *_: pairs)
    parts = [own for _, own in frame.groupby("song")]
    labels, shown, left_out = duplicates.resolve_duplicates(parts, songs_of(frame))
    assert shown is pairs
    assert left_out == ["A0/0.mp3", "A1/0.mp3"]
    assert labels["song"].tolist() == sorted(set(frame["song"]) - set(left_out))
    assert labels.set_index("song")["recording"][["A0/1.mp3", "A0/2.mp3", "A0/3.mp3"]].tolist() == [
        *("A0/1.mp3", "A0/1.mp3", "A0/3.mp3"),
    ]
    assert not labels["silent"].any()


def test_a_frame_with_songs_that_are_gone_is_refused():
    frame = made_up(artists=2, songs=4)
    with pytest.raises(UserError, match="The frame is older than songs"):
        duplicates.resolve_duplicates([frame], songs_of(frame).iloc[1:])


def test_a_song_is_silent_where_all_of_it_is():
    frame = made_up(artists=1, songs=2)
    frame.loc[frame["song"] == "A0/0.mp3", "silent"] = True
    frame.loc[frame.index[-1], "silent"] = True
    labels, _, courses = duplicates.read_courses([frame])
    assert labels["silent"].tolist() == [True, False]
    assert {song: len(course) for song, course in courses.items()} == {"A0/1.mp3": 5}
