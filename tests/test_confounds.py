import numpy as np
import pandas as pd
from conftest import made_up

from soundalike.dataset import splits
from soundalike.evaluation import confounds


def songs_of(frame: pd.DataFrame, **columns) -> pd.DataFrame:
    songs = frame[["artist", "album", "song"]].drop_duplicates(ignore_index=True)
    technical = {"sample_rate": 44_100, "channels": 2, "bit_rate": 192_000, "codec": "MP3"}
    return songs.assign(title=songs["song"], loudness=-14.0, cutoff_hz=11_000, **technical).assign(**columns)


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
