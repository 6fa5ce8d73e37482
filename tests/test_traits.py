"""What songs are filtered by."""

import numpy as np
import pandas as pd
import pytest
from conftest import clicks, noise, raises, sine, write_song

from soundalike.audio import SAMPLE_RATE
from soundalike.messages import Problem
from soundalike.song import decode
from soundalike.traits import apply_filters, pass_one, tag_counts, traits_of

SONGS = pd.DataFrame({
    "song": ["A/Rock/1.mp3", "A/Jazz/2.mp3", "B/rock/3.mp3"],
    "tempo": [90.0, 110.0, 140.0],
    "loudness_db": [-30.0, -20.0, -10.0],
    "brightness_hz": [1000.0, 2000.0, 3000.0],
    "kind": ["sung", "instrumental", None],
    "tags": [["rock", "pop"], ["jazz"], None],
})  # fmt: skip
ALL = np.ones(3, bool)


@pytest.mark.parametrize(
    ("filters", "passing", "counts"),
    [
        ([], [0, 1, 2], {}),
        ([("tempo", (90, 110))], [0, 1], {"--tempo 90-110": 2}),
        ([("kind", "sung")], [0], {"--sung": 1}),
        ([("tag", "rock"), ("tag", "pop")], [0], {"--tag rock": 1, "--tag pop": 1}),
        ([("folder", "ROCK/")], [0, 2], {"--folder ROCK/": 2}),
        ([("folder", "a/ro")], [0], {"--folder a/ro": 1}),
        ([("tempo", (100, 200)), ("folder", "rock")], [2], {"--tempo 100-200": 2, "--folder rock": 2}),
        ([("louder", ("loudness_db", 1))], [2], {"--louder": 1}),
        ([("darker", ("brightness_hz", -1))], [0], {"--darker": 1}),
    ],
)
def test_songs_pass_what_is_asked_for(filters, passing, counts):
    found, counted = apply_filters(filters, SONGS, ALL, SONGS.iloc[1:2])
    assert np.flatnonzero(found).tolist() == passing
    assert counted == counts
    if counts.keys() & {"--louder", "--darker"}:
        return
    alone = [pass_one(filters, row["song"], row, {}) for row in SONGS.to_dict("records")]
    assert [n for n, passes in enumerate(alone) if passes] == passing


def test_a_filter_that_leaves_nothing_is_said_with_the_others():
    with raises(Problem.FILTERED_OUT) as error:
        apply_filters([("tempo", (1, 2)), ("kind", "sung")], SONGS, ALL, SONGS)
    assert error.value.fields["alone"] == "--tempo 1-2 alone leaves 0; --sung alone leaves 1"
    for asked, why in ((("kind", "sung"), Problem.NOT_SEARCHED), (("tag", "rock"), Problem.NO_TAGS)):
        with raises(why):
            apply_filters([asked], SONGS.iloc[2:], ALL[2:], SONGS)
    with raises(Problem.NO_SUCH_TAG):
        apply_filters([("tag", "rok")], SONGS, ALL, SONGS)


def test_tags_are_counted():
    counts = tag_counts(SONGS)
    assert counts[["rock", "pop", "jazz", "sad"]].tolist() == [1, 1, 1, 0]
    assert len(counts) > 80
    with raises(Problem.NO_TAGS):
        tag_counts(SONGS.iloc[2:])


def test_traits_are_what_is_measured(tmp_path):
    traits = [
        traits_of(decode(write_song(tmp_path / f"{n}.wav", y, SAMPLE_RATE), {}))
        for n, y in enumerate((sine(1000, 8, SAMPLE_RATE, 0.5), clicks(120, 30), noise(8, SAMPLE_RATE)))
    ]
    assert traits[0]["loudness_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    assert traits[0]["brightness_hz"] == pytest.approx(1000, rel=0.02)
    assert traits[1]["tempo"] == pytest.approx(120, rel=0.02)
    assert traits[2]["brightness_hz"] > 4000
    assert traits[0]["kind"] is traits[0]["tags"] is None
