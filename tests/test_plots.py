import json

import numpy as np
import pandas as pd
from conftest import verdict_of

from soundalike.report import plots


def test_the_map_names_songs_without_letting_their_names_be_markup(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda bundle, raw: shown.append(bundle))
    songs = pd.DataFrame({
        "artist": ["A<script>", "A<script>", "B"], "album": ["", "X", "<b>"], "title": ["one", "two", "<i>three"],
        "x": [0.0, 1, 2], "y": [0.0, 1, 2],
        "song": ["A/1.mp3", "A/2.mp3", "B/</script>.mp3"], "seconds": [9.0, 2.0, 120.0],
    })  # fmt: skip
    for coloured, names in ((songs["artist"], ["A&lt;script&gt;", "B"]), (["B"], ["B", "others"])):
        plots.song_map(songs, plots.artist_colours(coloured))
        bundle = shown.pop()
        assert bundle["image/png"]
        drawn = bundle["text/html"].split("Plotly.newPlot(")[-1]
        traces = json.JSONDecoder().raw_decode(drawn[drawn.index("[") :])[0]
        assert [trace["name"] for trace in traces] == names
        said = {text.partition("<br>")[0] for trace in traces for text in trace["text"]}
        assert said == {"one", "two (X)", "&lt;i&gt;three (&lt;b&gt;)"}
        played = [tuple(song) for trace in traces for song in trace["customdata"]]
        assert set(played) == {
            ("A<script>", "A/1.mp3", 1, 3),
            ("A<script>", "A/2.mp3", 0, 1),
            ("B", "B/</script>.mp3", 29, 3),
        }
        assert "</script>.mp3" not in bundle["text/html"]


def test_a_name_with_an_underscore_is_in_the_legend():
    clips = pd.DataFrame({"_A": [0.9, 0.2], "B": [0.1, 0.8]}, index=[0.0, 2.0])
    said = verdict_of(clips.mean(), clips)
    figure = plots.verdict("t", said, None, plots.artist_colours(["_A", "B"]))
    assert [text.get_text().strip() for text in figure.axes[1].get_legend().get_texts()] == ["_A", "B"]


def test_probabilities_are_stacked_and_the_rest_are_others():
    clips = pd.DataFrame(dict.fromkeys("ABCDE", 0.0) | {"A": [0.7, 0.2], "B": [0.1, 0.8], "E": [0.2, 0.0]}, [0.0, 2.0])
    said = verdict_of(pd.Series([0.5, 0.3, 0.1, 0.06, 0.04], [*"ABCDE"]), clips)
    figure = plots.verdict("t", said, None, plots.artist_colours("ABCDE"))
    drawn = {
        bars.get_label(): [(bar.get_x(), bar.get_y(), bar.get_height()) for bar in bars]
        for bars in figure.axes[1].containers
    }
    assert list(drawn) == ["A", "B", "C", "D", "others"]
    np.testing.assert_allclose(drawn["A"], [(0, 0, 0.7), (2, 0, 0.2)])
    np.testing.assert_allclose(drawn["B"], [(0, 0.7, 0.1), (2, 0.2, 0.8)])
    np.testing.assert_allclose(drawn["others"], [(0, 0.8, 0.2), (2, 1, 0)], atol=1e-12)


def test_where_somebody_sings_is_drawn_below_the_waveform():
    clips = pd.DataFrame({"A": [0.9, 0.2, 0.5], "B": [0.1, 0.8, 0.5]}, index=[0.0, 2.0, 4.0])
    said = verdict_of(clips.mean(), clips, singing=np.array([0.2, 0.9, 0.7]))
    wave = plots.verdict("t", said, None, plots.artist_colours("AB")).axes[0]
    assert [text.get_text() for text in wave.get_legend().get_texts()] == ["somebody sings"]
    assert wave.collections[-1].get_segments()[0].tolist() == [[2, -0.95], [4, -0.95]]
    nobody = plots.verdict("t", said._replace(singing=np.full(3, np.nan)), None, plots.artist_colours("AB"))
    assert nobody.axes[0].get_legend() is None


def test_a_song_without_clips_has_a_sentence_for_a_player(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", shown.append)
    plots.show_player(tmp_path, "Artist A/Album 1/Song 1.mp3")
    assert "no longer there" in shown[0].data


def test_a_player_has_the_middle_of_the_song(small, monkeypatch):
    played = []
    monkeypatch.setattr(plots, "Audio", lambda sound, **_: played.append(sound))
    monkeypatch.setattr(plots, "display", lambda _: None)
    plots.show_player(small, "Artist A/Album 1/Song 1.mp3", clips=2)
    expected = [plots.soundfile.read(small / f"clips/Artist A/Album 1/Song 1.mp3/{n:04d}.wav")[0] for n in (1, 2)]
    np.testing.assert_array_equal(played[0], np.concatenate(expected))


def test_clips_are_there_only_if_none_is_gone(small, tmp_path):
    assert plots.clips_of(tmp_path, "gone.mp3", 4) is None
    assert plots.clips_of(small, "Artist A/Album 1/Song 1.mp3", 4).shape[0] == 4
    assert plots.clips_of(small, "Artist A/Album 1/Song 1.mp3", 5) is None  # one of five is gone


def test_thirty_artists_have_colours_of_their_own():
    names = [f"Artist {n:02d}" for n in range(40)]
    assert plots.artist_colours(names[:10]) == {
        k: v for k, v in plots.artist_colours(names[:30]).items() if k < "Artist 10"
    }
    for count in (2, 12, 30, 40):
        colours = plots.artist_colours(reversed(names[:count]))
        assert list(colours) == names[:count]
        assert len(set(colours.values())) == count
    markers = plots.artist_markers(names[:30])
    assert [markers[name] for name in names[:30:10]] == ["o", "^", "s"]
    assert set(markers.values()) <= set(plots.PLOTLY)


def test_what_a_machine_hears_is_drawn_with_a_player(small, tmp_path, monkeypatch):
    shown, drawn = [], []
    monkeypatch.setattr(plots, "display", lambda one, **_: shown.append(one))
    monkeypatch.setattr(plots, "_png", lambda figure: drawn.append(figure) or "a picture")
    plots.show_sound(small, "Artist A/Album 1/Song 1.mp3", "A: Song 1", clips=2)
    picture, player = shown
    assert picture["image/png"] == "a picture"
    wave, mel, chroma, onset = drawn[0].axes[:4]
    assert wave.get_xlim()[1] <= 4.1
    assert [ax.get_ylabel() for ax in (wave, mel, chroma, onset)] == [
        "full scale = 1",
        "Hz (mel)",
        "pitch class",
        "onsets (dB)",
    ]
    assert "from 0:02 in the song" in onset.get_xlabel()
    assert "<audio" in player._repr_html_()
    shown.clear()
    plots.show_sound(tmp_path, "gone.mp3", "gone")
    assert len(shown) == 1
    assert "no longer there" in shown[0].data


def test_clips_are_cells_in_the_colour_of_their_nearest():
    names = ["in training", "the same song", "the same artist", "another artist"]
    draw = np.random.default_rng(0)
    clips = pd.DataFrame({
        "artist": np.repeat([*"ABCDE"], 60), "song": np.repeat([f"{n}" for n in range(50)], 6),
        "clip": np.tile(range(6), 50),
    })  # fmt: skip
    at_random = clips.assign(nearest=pd.Categorical.from_codes(draw.integers(0, 4, len(clips)), names))
    codes = np.where(clips["song"].astype(int) % 10 < 3, 2, 0)  # the first three songs of each artist are held out
    held_out = clips.assign(nearest=pd.Categorical.from_codes(codes, names))
    figure = plots.split_picture({"clip": at_random, "song": held_out}, {"clip": "one way", "song": "the other"})
    left, right = figure.axes
    assert [ax.get_title("left") for ax in (left, right)] == ["one way", "the other"]
    assert [label.get_text() for label in left.get_yticklabels()] == [*"ABCD"]
    cells = [ax.collections[0].get_array() for ax in (left, right)]
    assert cells[0].shape == cells[1].shape == (16, 6)
    assert (cells[1].reshape(4, 4, 6) == np.array([2, 2, 0, 0])[:, None]).all()  # two of each that are held out
    shown = [f"{10 * artist + song}" for artist in range(4) for song in (0, 1, 3, 4)]
    assert [list(ax.collections[0].get_coordinates()[0, [0, -1], 0]) for ax in (left, right)] == [[0.5, 6.5]] * 2
    expected = at_random.assign(code=at_random["nearest"].cat.codes).pivot(index="song", columns="clip", values="code")
    np.testing.assert_array_equal(cells[0], expected.loc[shown])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names


def test_each_song_is_a_dot_in_the_row_of_its_artist():
    clips = pd.DataFrame({"artist": [*"AABB"], "song": [*"xxyz"], "rms_mean": [1.0, 3.0, 5.0, 7.0]})
    plots.song_dots(clips, {"rms_mean": "loudness (full scale = 1)"}, plots.artist_colours("AB"))
    axes = plots.plt.gcf().axes
    assert [ax.get_visible() for ax in axes] == [True, *[False] * 5]
    drawn = {
        label.get_text(): sorted(dots.get_offsets()[:, 0])
        for label, dots in zip(axes[0].get_yticklabels(), axes[0].collections, strict=True)
    }
    assert drawn == {"A": [2], "B": [5, 7]}
    assert axes[0].get_xlabel() == "loudness\n(full scale = 1)"
    plots.plt.close()


def test_all_clips_of_a_song_are_read_as_they_are(small, tmp_path):
    clips = plots.clips_of(small, "Artist A/Album 1/Song 1.mp3", 4)
    expected = [
        plots.soundfile.read(path, dtype="int16")[0]
        for path in sorted((small / "clips/Artist A/Album 1/Song 1.mp3").glob("*.wav"))
    ]
    np.testing.assert_array_equal(clips, expected)
    assert plots.clips_of(tmp_path, "gone.mp3", 4) is None
