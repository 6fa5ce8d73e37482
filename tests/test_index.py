import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import made_index, made_up, raises, segments_of, song_of, unit, write_library

from soundalike import embedding, similarity
from soundalike.embedding import OF_ASPECT
from soundalike.features import ASPECTS, CLIP_COLUMNS, CLIP_FEATURES, COLUMNS
from soundalike.library import write_songs
from soundalike.messages import Problem
from soundalike.networks import NETWORKS, VOICE
from soundalike.song import FEATURES
from soundalike.wording import quality_in_words


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three artists with two albums; one feature that has nothing to do with artists drowns the others."""
    root = tmp_path_factory.mktemp("similarity")
    frame = made_up(artists=3, songs=10, albums=2, artist_cue=0.7, song_cue=0.3)
    frame["tempo"] = 1000 * np.random.default_rng(0).standard_normal(30).repeat(6)
    frame.loc[frame["song"].eq("A0/1.mp3") & frame["clip"].eq(2), "silent"] = True
    frame.loc[frame["silent"], CLIP_COLUMNS] = 1e6
    write_library(root, frame.astype({name: np.float32 for name in CLIP_COLUMNS}))
    return root


def test_each_feature_of_clips_has_one_aspect():
    names = [name for families in ASPECTS.values() for name in families]
    assert sorted(names) == sorted(CLIP_FEATURES)
    places = np.concatenate(list(OF_ASPECT.values()))
    assert sorted(places) == list(range(2 * len(CLIP_COLUMNS)))


def test_the_nearest_are_of_the_same_artist(root):
    quality = similarity.load_index(root).quality
    assert quality["albums"]
    assert quality["songs"] == 30
    assert quality["right"] >= 0.9
    assert quality["chance"] == pytest.approx(5 / 25)
    assert quality["low"] is quality["high"] is None  # of two albums each
    assert "too few albums for an interval" in quality_in_words(quality)


def test_what_the_aspects_add_is_the_cosine(root):
    index = similarity.load_index(root)
    barred = np.arange(30) == 4
    found = similarity.nearest_songs(index, np.asarray(index.described[4]), barred, 30)
    assert len(found) == 29
    assert found["distance"].is_monotonic_increasing
    np.testing.assert_allclose(1 - found[list(ASPECTS)].sum(axis=1), found["distance"], atol=1e-5)
    direct = 1 - index.points[found.index] @ index.points[4]
    np.testing.assert_allclose(found["distance"], direct, atol=1e-5)


def test_songs_alike_in_one_aspect_are_said_to_be():
    """Song 1 has the timbre of song 0, song 2 its harmony."""
    draw = np.random.default_rng(0)
    described = draw.standard_normal((40, 2 * len(CLIP_COLUMNS))).astype(np.float32)
    for song, aspect in ((1, "timbre"), (2, "harmony")):
        own = OF_ASPECT[aspect]
        described[song, own] = described[0, own]
    songs = pd.DataFrame({"song": np.arange(40)})
    whole = embedding.fit_embedding({"features": described})
    described = whole.ears["features"].directions(described)
    index = similarity.Index(songs, described, whole.points(described), whole, {}, {})
    found = similarity.nearest_songs(index, described[0], songs["song"].eq(0).to_numpy(), 2).set_index("song")
    assert set(found.index) == {1, 2}
    assert found[list(ASPECTS)].astype(float).idxmax(axis=1).to_dict() == {1: "timbre", 2: "harmony"}


@pytest.fixture
def ears(root, tmp_path, monkeypatch):
    """The same library, with a voice network: it distinguishes artists, and lacks the first song."""
    monkeypatch.setitem(NETWORKS, VOICE, NETWORKS[VOICE]._replace(dims=4))
    frame = pd.read_parquet(root / "df_music.parquet")
    noise = {song: np.random.default_rng(int(song[3:-4])).standard_normal(4) / 4 for song in frame["song"].unique()}
    embeddings = {song: {VOICE: {0: np.eye(4)[int(song[1])] + own}} for song, own in noise.items()}
    embeddings["A0/0.mp3"] = {}
    write_library(tmp_path / "own", frame, embeddings)
    return similarity.load_index(tmp_path / "own")


def test_the_cosine_is_the_average_of_the_ears(ears):
    assert list(ears.embedding.ears) == ["features", VOICE]
    features, voice = (unit(own @ space.basis) for _, space, own in ears.embedding.blocks(np.asarray(ears.described)))
    assert voice.shape == (30, 4)
    expected = (features @ features.T + voice @ voice.T) / 2
    np.testing.assert_allclose((ears.points @ ears.points.T)[1:, 1:], expected[1:, 1:], atol=1e-5)
    found = similarity.nearest_songs(ears, np.asarray(ears.described[4]), np.arange(30) == 4, 30)
    assert similarity.aspects(found) == [*ASPECTS, "lead sound"]
    np.testing.assert_allclose(1 - found[[*ASPECTS, "lead sound"]].sum(axis=1), found["distance"], atol=1e-5)
    assert (found["lead sound"].head(5) > 0.1).all()
    assert similarity.in_common(found.iloc[0])
    assert "lead sound" in similarity.in_common(found.iloc[0])


def test_an_ear_that_has_not_heard_a_song_does_not_count(ears):
    unheard = np.asarray(ears.described[0])
    assert np.isnan(unheard[-4:]).all()
    point = np.asarray(ears.points[0])
    np.testing.assert_allclose(ears.embedding.common(np.asarray(ears.points), point), 1 / 2, rtol=1e-6)
    found = similarity.nearest_songs(ears, unheard, np.arange(30) == 0, 30)
    features = unit(np.asarray(ears.described[:, :-4]) @ ears.embedding.ears["features"].basis)
    np.testing.assert_allclose(1 - found["distance"], (features @ features[0])[found.index], atol=1e-5)
    assert (found["lead sound"] == 0).all()
    others = similarity.nearest_songs(ears, np.asarray(ears.described[5]), np.arange(30) == 5, 30)
    assert others["distance"][0] == pytest.approx(1 - features[0] @ features[5], abs=1e-5)  # as the other way round
    assert others.loc[0, [*ASPECTS, "lead sound"]].sum() == pytest.approx(1 - others["distance"][0], abs=1e-5)


def test_silent_clips_do_not_count(root):
    index = similarity.load_index(root)
    place = index.songs["song"].tolist().index("A0/1.mp3")
    found = similarity.nearest_songs(index, np.asarray(index.described[place]), np.arange(30) == place, 3)
    assert set(found["artist"]) == {"A0"}


def test_the_index_follows_the_frame(tmp_path, monkeypatch):
    built = []
    build = similarity.build_index
    monkeypatch.setattr(similarity, "build_index", lambda root: built.append(build(root)))
    frame = made_up(artists=2, songs=4)
    write_library(tmp_path, frame)
    assert len(similarity.load_index(tmp_path).songs) == 8
    similarity.load_index(tmp_path)
    assert len(built) == 1
    write_library(tmp_path, frame[frame["song"] != "A0/0.mp3"])
    assert len(similarity.load_index(tmp_path).songs) == 7
    for name, other in (("VERSION", 99), ("shipped_shifts", lambda: np.zeros((1, 2 * len(CLIP_COLUMNS)), np.float32))):
        monkeypatch.setattr(similarity, name, other)
        similarity.load_index(tmp_path)
        similarity.load_index(tmp_path)
    assert len(built) == 4


def test_artists_of_one_album_are_judged_with_it(tmp_path):
    write_library(tmp_path, made_up(artists=3, songs=5, artist_cue=1.0))
    quality = similarity.load_index(tmp_path).quality
    assert not quality["albums"]
    assert quality["songs"] == 15
    assert quality["right"] >= 0.9
    assert quality["chance"] == pytest.approx(4 / 14)


def test_labels_shuffled_score_chance(tmp_path):
    frame = made_up(artists=3, songs=30, albums=2, artist_cue=0, song_cue=0.5)
    write_library(tmp_path, frame)
    quality = similarity.load_index(tmp_path).quality
    assert abs(quality["right"] - quality["chance"]) < 0.15


def test_a_song_alone_is_not_its_own_neighbour(tmp_path):
    write_library(tmp_path, made_up(artists=1, songs=1))
    index = similarity.load_index(tmp_path)
    assert index.quality["right"] == 0
    assert similarity.nearest_songs(index, np.asarray(index.described[0]), np.ones(1, bool), 5).empty


def test_without_a_frame_or_with_an_old_one_it_is_said(tmp_path, monkeypatch):
    with raises(Problem.NO_FRAME):
        similarity.load_index(tmp_path)
    frame = made_up(artists=2, songs=4)
    write_library(tmp_path, frame)
    similarity.load_index(tmp_path)
    with monkeypatch.context() as changed:
        changed.setattr("soundalike.frame.VERSION", 99)
        with raises(Problem.OTHER_FRAME):
            similarity.load_index(tmp_path)
    shutil.rmtree(tmp_path / "similar")
    names = frame["song"].unique()
    for rows in (
        [{"song": song, "status": "ok", "hash": song} for song in names[1:]],
        [{"song": song, "status": "ok", "hash": f"{song} changed" if song == names[0] else song} for song in names],
    ):
        write_songs(tmp_path, rows)
        with raises(Problem.FRAME_OLD):
            similarity.load_index(tmp_path)
    assert not (tmp_path / "similar").exists()


def test_a_hundred_thousand_songs_answer_from_disk(tmp_path):
    """By an index on disk that is as large as that of 100,000 songs; how long it takes stands in benchmarks/."""
    count = 100_000
    draw = np.random.default_rng(0)
    width = 2 * len(CLIP_COLUMNS)
    space = embedding.Space(np.zeros(width), np.ones(width), draw.standard_normal((width, 128)))
    whole = embedding.Embedding({"features": space})
    points = draw.standard_normal((count, 128)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    described = np.memmap(tmp_path / "described.f32", np.float32, "w+", shape=(count, width))
    described[77_777] = draw.standard_normal(described.shape[1])
    points[77_777] = whole.points(described[77_777][None])
    songs = pd.DataFrame({"song": np.arange(count)})
    index = similarity.Index(songs, described, points, whole, {}, {})
    found = similarity.nearest_songs(index, np.asarray(described[77_777]), np.zeros(count, bool), 10)
    assert found["song"].iloc[0] == 77_777
    assert found["distance"].iloc[0] == pytest.approx(0, abs=1e-5)
    assert len(found) == 10


def test_the_plane_puts_alike_songs_side_by_side_always_the_same(root):
    index = similarity.load_index(root)
    songs = similarity.map_positions(index)
    assert songs["song"].tolist() == index.songs["song"].tolist()
    places = songs[["x", "y"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + np.diag(np.full(len(songs), np.inf))
    artist = songs["artist"].to_numpy()
    assert (artist[apart.argmin(axis=1)] == artist).mean() >= 0.9
    pd.testing.assert_frame_equal(similarity.map_positions(index), songs)
    assert len(similarity.map_positions(index, most=12)) == 12
    few = index._replace(songs=index.songs[:4], points=index.points[:4])
    assert similarity.map_positions(few).empty


def test_the_interval_is_wilsons(tmp_path):
    write_library(tmp_path, made_up(artists=3, songs=8, artist_cue=0.1))
    found = similarity.load_index(tmp_path).quality
    n, p, z = found["songs"], found["right"], 1.959964
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert 0 < p < 1
    expected = [(middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)]
    assert [found["low"], found["high"]] == pytest.approx(expected, abs=1e-5)


def test_two_songs_are_heard_where_they_are_most_alike():
    frame = made_up(artists=1, songs=2, clips=20)
    one, other = (frame["song"] == name for name in ("A0/0.mp3", "A0/1.mp3"))
    frame.loc[frame.index[other][8:12], COLUMNS] = frame.loc[frame.index[one][2:6], COLUMNS].to_numpy()
    fitted = embedding.fit_embedding({FEATURES: segments_of()[0][FEATURES]})
    own, theirs = (similarity.describe_song(song_of(frame[rows]), fitted)[1:] for rows in (one, other))
    starts, segments = map(np.stack, zip(own, theirs, strict=True))
    index = made_index(np.eye(2), {})._replace(starts=starts, segments=segments)
    assert similarity.moments_alike(index, *own, np.array([1])).tolist() == [[4.0, 16.0]]
