"""Songs that are in a library more than once: copies, versions, songs over one backing; and songs that are not."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import made_up, raises, run_scripts, sine, songs_of, train_without, tune, write_song

import predict
from soundalike import duplicates, splits, training, wording
from soundalike.audio import SAMPLE_RATE as RATE
from soundalike.features import COLUMNS
from soundalike.frame import read_library
from soundalike.library import good_songs, preferred_first, read_songs, write_songs
from soundalike.messages import Problem
from soundalike.model import read_left_out
from soundalike.similarity import load_index

LENGTH = 20  # s of each song: the least that can be compared, and some seconds that copies lack


def labels_of(root) -> pd.DataFrame:
    """The songs of the frame [index: song]."""
    return read_library(root).set_index("song")


def music(artist: int, song: int) -> np.ndarray:
    return tune(artist, song, LENGTH, RATE)


def sung(artist: int, song: int, level: float) -> np.ndarray:
    """A backing that all artists have, and over it a voice of the artist's own: notes of half a second."""
    draw = np.random.default_rng([99, artist, song])
    notes = [sine(note, 0.5, RATE, 1.0) for note in draw.choice([500, 700, 900, 1100, 1500, 2100], 2 * LENGTH)]
    voice, backing = np.concatenate(notes), music(2, song)
    voice *= 10 ** (level / 20) * np.sqrt(np.mean(backing**2) / np.mean(voice**2))
    return 0.5 * (backing + voice[: len(backing)])


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library with every kind of song that is no song of its own. Only to be read."""
    root = tmp_path_factory.mktemp("library")
    for artist, song in itertools.product(range(2), range(5)):
        write_song(root / f"songs/{'AB'[artist]}/{song}.mp3", music(artist, song), RATE)
        write_song(root / f"songs/Singer {'XY'[artist]}/{song}.mp3", sung(artist, song, level=-14), RATE)
    again = music(0, 2)[round(2.7 * RATE) :]
    write_song(root / "songs/A/later.ogg", 0.4 * again, RATE)  # later, softer, another codec
    for number in range(3):  # an artist who has nothing but copies of one song
        write_song(root / f"songs/Kamiskaze/{number}.ogg", music(5, 0)[number * RATE :], RATE)
    write_song(root / "songs/B/theirs.ogg", music(4, 0)[RATE:], RATE)
    write_song(root / "songs/D/ours.mp3", music(4, 0), RATE)  # of two artists
    write_song(root / "songs/E/alone.mp3", music(3, 0), RATE)
    write_song(root / "songs/F/silence.mp3", np.zeros(LENGTH * RATE), RATE)
    write_song(root / "songs/G/short.mp3", music(3, 1)[:RATE], RATE)
    assert run_scripts(root) == [3, 0, 0]
    return root


# --- by sound --------------------------------------------------------------------------------


def test_a_recording_encoded_again_is_a_copy_and_other_songs_are_not(library):
    labels = labels_of(library)
    copies = labels["copy_of"].loc[lambda other: other != ""]
    assert copies.to_dict() == {
        "A/later.ogg": "A/2.mp3",
        "Kamiskaze/1.ogg": "Kamiskaze/0.ogg",
        "Kamiskaze/2.ogg": "Kamiskaze/0.ogg",
    }
    of_two = labels["conflict"].loc[lambda other: other != ""]
    assert of_two.to_dict() == {"B/theirs.ogg": "D/ours.mp3", "D/ours.mp3": "B/theirs.ogg"}


def test_two_singers_over_one_backing_stay_two_and_on_one_side_of_every_split(library):
    songs, _ = splits.song_table(labels_of(library).reset_index())
    sung_by = songs[songs["artist"].str.startswith("Singer")]
    assert len(sung_by) == 10
    assert sung_by.groupby("recording").size().tolist() == [2] * 5
    assert songs["recording"].nunique() == len(songs) - 5
    for learn, test in splits.folds(songs):
        assert not set(songs["recording"].iloc[learn]) & set(songs["recording"].iloc[test])


def test_a_song_that_the_model_learned_from_is_known_in_another_encoding(library, tmp_path, capsys):
    train_without(library)
    load_index(library)
    file = write_song(tmp_path / "elsewhere.ogg", 0.5 * music(1, 3), RATE)
    other = write_song(tmp_path / "other.ogg", music(1, 9), RATE)
    capsys.readouterr()
    assert predict.main(["--library", str(library), str(file), str(other), "--json", "-"]) == 0
    same, new = json.loads(capsys.readouterr().out)["songs"]
    assert (same["trained_on"], same["copy_of"], same["answer"]) == (True, "B/3.mp3", "trained on")
    assert "B/3.mp3" not in same["alike"]
    assert (new["trained_on"], new["copy_of"]) == (False, "")


@pytest.mark.parametrize("later", [0, 0.013, 1.4, 7])
def test_similarity_finds_where_two_recordings_match(later):
    y = tune(1, 0, 40, RATE).astype(np.float32)
    other = -0.3 * y[round(later * RATE) :]  # softer, and its polarity turned
    assert duplicates.similarity(y, other) == pytest.approx(1, abs=1e-3)
    assert duplicates.similarity(other, y) == pytest.approx(1, abs=1e-3)
    assert duplicates.similarity(y, tune(1, 1, 40, RATE).astype(np.float32)) < 0.6


def test_where_the_sound_cannot_be_had_nothing_is_a_copy(tmp_path):
    for name in ("0", "1"):
        write_song(tmp_path / f"songs/B/{name}.wav", np.zeros(8 * RATE))
    assert not duplicates.is_copy(tmp_path, "B/0.wav", "B/1.wav")  # silent by now
    assert not duplicates.is_copy(tmp_path, "A/0.mp3", "A/1.mp3")


# --- by title --------------------------------------------------------------------------------


def of_titles(titles: list[str], alike: float) -> pd.DataFrame:
    """Find pairs among songs by one artist with these titles, whose contours agree by about so much."""
    frame = made_up(artists=1, songs=len(titles), clips=20)
    compared = [COLUMNS[place] for place in duplicates.CONTOUR_PLACES]
    common = np.random.default_rng(1).normal(size=(20, len(compared)))
    for _, rows in frame.groupby("song").groups.items():
        mixed = np.sqrt(alike) * common + np.sqrt(1 - alike) * frame.loc[rows, compared].to_numpy()
        frame.loc[rows, compared] = mixed.astype(np.float32)
    songs = frame[["artist", "song"]].drop_duplicates().assign(title=titles)
    return duplicates.find_pairs(*duplicates.read_contours(songs_of(frame)), songs, Path("nowhere"))


UNTITLED = [
    *([title] * 3 for title in ("Track 01", "01 - Track", "01", "Untitled", "Intro", "")),
    ["Part 1", "Part 2"],
    ["Symphony No. 5 (I. Allegro)", "Symphony No. 5 (II. Andante)"],
    ["Theme (Battle)", "Theme (Town)"],
    [f"Track {n:02d}" for n in range(1, 9)],
    ["Recording Session (1)", "Recording Session (2)"],
]


@pytest.mark.parametrize("titles", UNTITLED, ids=lambda titles: titles[0] or "empty")
def test_songs_without_a_title_of_their_own_stay_songs(titles):
    assert of_titles(titles, alike=0.4).empty  # as much alike as no different songs are
    assert of_titles(titles, alike=0.1).empty


def test_versions_have_one_title_and_sound_somewhat_alike():
    titles = ["03 - Déjà vu encore", "Deja Vu Encore (Live)", "Something Else"]
    found = of_titles(titles, alike=0.45)
    assert found.to_numpy().tolist() == [["A0/0.mp3", "A0/1.mp3", False]]
    assert of_titles(titles, alike=0.1).empty  # the same title alone is no evidence
    assert of_titles(["a", "b"], alike=0.45).empty
    assert of_titles(["a", "b"], alike=0.9)["copy"].tolist() == [False]  # one backing, whatever the titles


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("03 - Déjà vu", "deja vu"),
        ("Deja Vu (Live at Home)", "deja vu"),
        ("Song of the Year - Remastered", "song of the year"),
        ("05_-_Happiness_Blues", "happiness blues"),
        ("Shine On (Part II) [Live]", "shine on part ii"),
        ("Nightcall (feat. Someone)", "nightcall"),
        ("Theme (Town)", "theme town"),
        ("99 Luftballons", "luftballons"),
        ("Live Forever (Live)", "live forever"),
        ("Olive Tree (Live)", "olive tree"),
        ("Live and Let Die - Live at Home", "live and let die"),
        ("Pink Floyd - Take It Back", "pink floyd take it back"),
        ("03 Home", "home"),
        ("Song of the Year", "song of the year"),
        ("Трек 03", "трек 03"),
        *((title, "") for title in ("Pt. II", "(Untitled)", "Intro (Live)", "Unknown Title 3")),
        *((title, "") for title in ("1999", "Ⅳ", "一")),
    ],
)
def test_titles(title, plain):
    assert duplicates.plain_title(title) == plain


# --- what follows ----------------------------------------------------------------------------


def test_songs_linked_over_others_have_one_name():
    names = made_up(artists=1, songs=4)["song"].drop_duplicates()
    pairs = pd.DataFrame({"song": ["A0/0.mp3", "A0/1.mp3"], "other": ["A0/1.mp3", "A0/3.mp3"]})
    assert set(duplicates.linked(names, pairs)) == {"A0/0.mp3", "A0/2.mp3"}
    assert duplicates.linked(names, pairs.iloc[:0]).equals(names)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["copy of a song.mp3", "a song.mp3"], "a song.mp3"),
        (["a song.mp3", "a song (1).mp3", "a song - Copy.mp3"], "a song.mp3"),
        (["song.mp3", "03 - song (Live in Rome).mp3"], "03 - song (Live in Rome).mp3"),
        (["b.mp3", "a.mp3"], "a.mp3"),
        (["Copycat.mp3", "x.mp3"], "Copycat.mp3"),
        (["A - b.mp3", "c.mp3"], "A - b.mp3"),
    ],
)
def test_of_copies_the_one_with_the_best_name_is_kept(names, kept):
    copies = pd.DataFrame({"song": names, "artist": "A", "title": [name[:-4] for name in names], "clips": 9})
    assert preferred_first(copies)["song"].iloc[0] == kept
    tagged = copies.assign(title=[f"Title of {kept}" if name == kept else name[:-4] for name in names])
    assert preferred_first(tagged[::-1])["song"].iloc[0] == kept
    longer = copies.assign(clips=[9] * (len(names) - 1) + [10])
    assert preferred_first(longer)["song"].iloc[0] == names[-1]


def test_a_song_too_short_to_be_compared_has_no_agreement():
    contour = np.random.default_rng(0).normal(size=(duplicates.LEAST_CLIPS, 3))
    assert duplicates.agreement(contour, contour) == pytest.approx(1)
    assert np.isnan(duplicates.agreement(contour[1:], contour))


def test_agreement_finds_the_lag():
    contour = np.random.default_rng(0).normal(size=(40, 3))
    for lag in (3, duplicates.LAGS):
        assert duplicates.agreement(contour[lag:], contour) == pytest.approx(1)
        assert duplicates.agreement(contour, contour[lag:]) == pytest.approx(1)
    assert duplicates.agreement(contour[duplicates.LAGS + 1 :], contour) < 0.5


def test_silent_clips_are_not_compared():
    frame = made_up(artists=1, songs=2)
    frame.loc[frame.index[-1], "silent"] = True
    _, contours = duplicates.read_contours(songs_of(frame))
    assert {song: len(contour) for song, contour in contours.items()} == {"A0/0.mp3": 6, "A0/1.mp3": 5}


# --- nothing disappears without a sentence ---------------------------------------------------


def test_every_song_that_no_model_learns_from_has_its_reason(library, tmp_path, capsys):
    songs, left_out = splits.song_table(labels_of(library).reset_index())
    held_out = splits.hold_out(songs)
    songs = songs.drop(index=held_out)
    table = training.not_learned_from(library, left_out, songs, held_out)
    assert list(table.columns) == list(read_songs(library).columns)
    assert table["status"].to_dict() == {
        "A/later.ogg": splits.COPY,
        "B/theirs.ogg": splits.CONFLICT,
        "D/ours.mp3": splits.CONFLICT,
        held_out: "held out",
        "Kamiskaze/1.ogg": splits.COPY,
        "Kamiskaze/2.ogg": splits.COPY,
        **dict.fromkeys(["Kamiskaze/0.ogg", "E/alone.mp3"], splits.TOO_FEW),
    }
    assert "A/2.mp3" in table["reason"]["A/later.ogg"]
    assert table["reason"]["Kamiskaze/0.ogg"].startswith("Kamiskaze: 1 song")
    assert set(songs.index) | set(table.index) == set(good_songs(library)["song"])
    (tmp_path / "model").mkdir()
    table.to_csv(tmp_path / "model/left_out.csv", index=False)
    write_songs(tmp_path, read_songs(library))
    said = "\n".join(wording.not_learned_lines(read_left_out(tmp_path), read_songs(tmp_path), tmp_path))
    assert all(
        name in said
        for name in ("Kamiskaze: 1 song", "D/ours.mp3", *(f"{name}: 1 song" for name in "DEFG"), "A/later.ogg")
    )


def test_a_library_of_copies_says_so_in_one_line():
    labels = pd.DataFrame({"song": ["A/1.mp3", "A/2.mp3", "A/3.mp3"], "artist": "A", "album": ""})
    with raises(Problem.TOO_FEW) as found:
        splits.song_table(labels.assign(recording="A/1.mp3", copy_of=["", "A/1.mp3", "A/1.mp3"], conflict=""))
    assert "without 2 that are copies or versions of others" in str(found.value)
    both = pd.concat([labels, labels.assign(artist="B", song=labels["song"].str.replace("A", "B"))], ignore_index=True)
    both = both.assign(recording="A/1.mp3", copy_of="", conflict=both["song"].to_numpy()[::-1])
    with raises(Problem.TOO_FEW):
        splits.song_table(both)


def test_of_an_artist_each_recording_counts_once():
    others = made_up(artists=2, songs=4, clips=1)[["song", "artist", "album", "recording", "copy_of", "conflict"]]
    own = pd.DataFrame({"song": [f"X/{n}.mp3" for n in (1, 2, 3, 4)], "artist": "X", "album": "", "recording": "1"})
    own = own.assign(copy_of=["", "", "X/1.mp3", ""], conflict=["", "", "", "B/1.mp3"])
    _, left_out = splits.song_table(pd.concat([others, own]))
    assert left_out["status"].tolist() == [splits.TOO_FEW, splits.TOO_FEW, splits.COPY, splits.CONFLICT]
    assert left_out["reason"].iloc[0].startswith("X: 1 song,")
