import json

import numpy as np
import pandas as pd

from soundalike.report import plots
from soundalike.report.verdict import Verdict


def test_the_map_names_songs_without_letting_their_names_be_markup(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda bundle, raw: shown.append(bundle))
    songs = pd.DataFrame({
        "artist": ["A<script>", "A<script>", "B"], "album": ["", "X", "<b>"], "title": ["one", "two", "<i>three"],
        "x": [0.0, 1, 2], "y": [0.0, 1, 2],
    })  # fmt: skip
    for coloured, names in ((songs["artist"], ["A&lt;script&gt;", "B"]), (["B"], ["B", "others"])):
        plots.song_map(songs, plots.artist_colours(coloured))
        bundle = shown.pop()
        assert bundle["image/png"]
        drawn = bundle["text/html"].split("Plotly.newPlot(")[-1]
        traces = json.JSONDecoder().raw_decode(drawn[drawn.index("[") :])[0]
        assert [trace["name"] for trace in traces] == names
        told = {
            text: artist for trace in traces for text, artist in zip(trace["text"], trace["customdata"], strict=True)
        }
        assert told == {"one": "A&lt;script&gt;", "two (X)": "A&lt;script&gt;", "&lt;i&gt;three (&lt;b&gt;)": "B"}


def test_a_name_with_an_underscore_is_in_the_legend():
    clips = pd.DataFrame({"_A": [0.9, 0.2], "B": [0.1, 0.8]}, index=[0.0, 2.0])
    said = Verdict(clips.mean(), clips)
    figure = plots.verdict("t", said, None, plots.artist_colours(["_A", "B"]))
    assert [text.get_text().strip() for text in figure.axes[1].get_legend().get_texts()] == ["_A", "B"]


def test_probabilities_are_stacked_and_the_rest_are_others():
    clips = pd.DataFrame(dict.fromkeys("ABCDE", 0.0) | {"A": [0.7, 0.2], "B": [0.1, 0.8], "E": [0.2, 0.0]}, [0.0, 2.0])
    said = Verdict(pd.Series([0.5, 0.3, 0.1, 0.06, 0.04], [*"ABCDE"]), clips)
    figure = plots.verdict("t", said, None, plots.artist_colours("ABCDE"))
    drawn = {
        bars.get_label(): [(bar.get_x(), bar.get_y(), bar.get_height()) for bar in bars]
        for bars in figure.axes[1].containers
    }
    assert list(drawn) == ["A", "B", "C", "D", "others"]
    np.testing.assert_allclose(drawn["A"], [(0, 0, 0.7), (2, 0, 0.2)])
    np.testing.assert_allclose(drawn["B"], [(0, 0.7, 0.1), (2, 0.2, 0.8)])
    np.testing.assert_allclose(drawn["others"], [(0, 0.8, 0.2), (2, 1, 0)], atol=1e-12)


def test_a_song_without_clips_has_a_sentence_for_a_player(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", shown.append)
    plots.show_player(tmp_path, "Artist A/Album 1/Song 1.mp3")
    assert "no longer there" in shown[0].data


def test_a_player_has_the_middle_of_the_song(small, monkeypatch):
    heard = []
    monkeypatch.setattr(plots, "Audio", lambda sound, **_: heard.append(sound))
    monkeypatch.setattr(plots, "display", lambda _: None)
    plots.show_player(small, "Artist A/Album 1/Song 1.mp3", clips=2)
    expected = [plots.soundfile.read(small / f"clips/Artist A/Album 1/Song 1.mp3/{n:04d}.wav")[0] for n in (1, 2)]
    np.testing.assert_array_equal(heard[0], np.concatenate(expected))


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


def test_of_each_row_both_numbers_are_drawn():
    table = pd.DataFrame({"before": [0.9, 0.8], "after": [0.5, 0.1]}, ["one", "two"])
    ax = plots.pairs(table, {"before": "as it was", "after": "as it is"})
    assert {line.get_label(): list(line.get_xdata()) for line in ax.lines} == {
        "as it was": [0.9, 0.8],
        "as it is": [0.5, 0.1],
    }
    assert [list(line[:, 0]) for line in ax.collections[0].get_segments()] == [[0.5, 0.9], [0.1, 0.8]]
