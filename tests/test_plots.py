import numpy as np
import pandas as pd
from conftest import verdict_of

from soundalike import plots


def test_a_name_with_an_underscore_is_in_the_legend():
    clips = pd.DataFrame({"_A": [0.9, 0.2], "B": [0.1, 0.8]}, index=[0.0, 2.0])
    said = verdict_of(clips.mean(), clips)
    figure = plots.verdict("t", "A", said, None, plots.artist_colours(["_A", "B"]))
    assert [text.get_text().strip() for text in figure.axes[1].get_legend().get_texts()] == ["_A", "B"]


def test_probabilities_are_stacked_and_the_rest_are_others():
    clips = pd.DataFrame(dict.fromkeys("ABCDE", 0.0) | {"A": [0.7, 0.2], "B": [0.1, 0.8], "E": [0.2, 0.0]}, [0.0, 2.0])
    said = verdict_of(pd.Series([0.5, 0.3, 0.1, 0.06, 0.04], [*"ABCDE"]), clips)
    figure = plots.verdict("t", "A", said, None, plots.artist_colours("ABCDE"))
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
    wave = plots.verdict("t", "A", said, None, plots.artist_colours("AB")).axes[0]
    assert [text.get_text() for text in wave.get_legend().get_texts()] == ["somebody sings"]
    assert wave.collections[-1].get_segments()[0].tolist() == [[2, -0.95], [4, -0.95]]
    nobody = plots.verdict("t", "A", said._replace(singing=np.full(3, np.nan)), None, plots.artist_colours("AB"))
    assert nobody.axes[0].get_legend() is None


def test_a_song_without_clips_has_a_sentence_for_a_player(tmp_path, capsys):
    plots.show_player(tmp_path, "Artist A/Album 1/Song 1.mp3")
    assert "no longer there" in capsys.readouterr().out


def test_a_player_has_the_middle_of_the_song(small, monkeypatch):
    played = []
    monkeypatch.setattr("IPython.display.Audio", lambda sound, **_: played.append(sound))
    plots.show_player(small, "Artist A/Album 1/Song 1.mp3", clips=2)
    expected = [plots.soundfile.read(small / f"clips/Artist A/Album 1/Song 1.mp3/{n:04d}.wav")[0] for n in (1, 2)]
    np.testing.assert_array_equal(played[0], np.concatenate(expected))


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
