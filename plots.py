"""Figures that are drawn in more than one place, their style, and one colour for each artist."""

import base64
import html
import io
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns
import soundfile
from IPython.display import Audio, Markdown, display
from matplotlib.figure import Figure

from library import clip_folder, printable
from mp3_split import CLIP_SECONDS, SAMPLE_RATE


def use_style() -> None:
    """Set up figures that are legible in a notebook, on a phone and in print."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams |= {
        "figure.dpi": 80,
        "savefig.bbox": "tight",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.parse_math": False,  # an artist may be called Joey Bada$$
    }


def plain(name: str) -> str:
    """A name as it may stand in Markdown: none of its characters is taken for markup or HTML."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in printable(name))


def artist_colours(artists) -> dict[str, tuple]:
    """One colour for each artist, the same whatever order they come in.

    Parameters
    ----------
    artists : iterable of str
        All artists of the library.

    Returns
    -------
    dict of str to (float, float, float)
        Up to ten artists: colours that the colour-blind tell apart. More: evenly spaced hues.
    """
    names = sorted(set(artists))
    palette = sns.color_palette("colorblind" if len(names) <= 10 else "husl", len(names))
    return dict(zip(names, palette, strict=True))


def verdict(
    title: str, answer: str, sounds: np.ndarray, clips: pd.DataFrame, ranked: list[str], colours: dict[str, tuple]
) -> Figure:
    """Draw what a model says of a song over time: the waveform in the colours of the artists, probabilities below.

    Parameters
    ----------
    title, answer : str
        What stands above.
    sounds : np.ndarray [shape=(clips, samples), dtype=int16]
        The clips.
    clips : pd.DataFrame
        Probability of each artist (columns) for each clip; index: its start in seconds. Missing where silent.
    ranked : list of str
        The artists, from the likeliest for the song down.
    colours : dict of str to tuple
        From `artist_colours`.
    """
    shown, others, silence = ranked[:4], (0.6, 0.6, 0.6), (0.85, 0.85, 0.85)
    given = clips.dropna().idxmax(axis=1).reindex(clips.index)
    of_clips = [silence if pd.isna(a) else colours[a] if a in shown else others for a in given]
    pieces = sounds.reshape(len(sounds), 20, -1) / 32768  # each a tenth of a second
    starts = np.add.outer(clips.index.to_numpy(), np.arange(20) * CLIP_SECONDS / 20).ravel()
    figure = Figure(figsize=(11, 5), layout="constrained")
    wave, parts = figure.subplots(2, 1, sharex=True, height_ratios=[2, 3])
    drawn = np.repeat(of_clips, 20, axis=0)
    wave.vlines(starts, pieces.min(axis=-1).ravel(), pieces.max(axis=-1).ravel(), colors=drawn, linewidth=1)
    wave.set(ylim=(-1, 1), ylabel="waveform\n(full scale = 1)")
    table = clips[shown].assign(others=1 - clips[shown].sum(axis=1, skipna=False))
    bottom = np.zeros(len(table))
    for name, colour in zip(table, [*(colours[a] for a in shown), others], strict=True):
        if name == "others" and len(ranked) <= len(shown):
            continue
        parts.bar(
            table.index,
            table[name],
            CLIP_SECONDS,
            bottom,
            align="edge",
            color=colour,
            linewidth=0,
            label=printable(name, 40),
        )
        bottom += table[name].to_numpy()
    parts.set(ylim=(0, 1), xlim=(0, clips.index[-1] + CLIP_SECONDS), ylabel="probability\nby each clip alone")
    parts.xaxis.set_major_formatter(lambda seconds, _: f"{int(seconds) // 60}:{int(seconds) % 60:02d}")
    parts.set_xlabel("time in the song (min:s)")
    parts.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    wave.set_title("\n".join(textwrap.wrap(answer, 120)), fontsize="medium", loc="left")
    figure.suptitle(printable(title, 100), x=0.01, ha="left", weight="bold")
    return figure


def song_map(songs: pd.DataFrame, colours: dict[str, tuple]) -> None:
    """Show songs in the plane, with their names where a pointer rests on them.

    Parameters
    ----------
    songs : pd.DataFrame
        From `similarity.plane`.
    colours : dict of str to tuple
        From `artist_colours`.
    """
    still = Figure(figsize=(9, 7), layout="constrained")
    ax = still.subplots()
    live = go.Figure(layout={"width": 900, "height": 600, "template": "plotly_white"})
    live.update_layout(margin=dict.fromkeys("lrtb", 40))
    for artist, own in songs.groupby("artist"):
        ax.scatter(own["x"], own["y"], s=30, color=colours[artist], label=printable(artist, 30))
        names = own["title"] + own["album"].map(lambda album: f" ({album})" if album else "")
        red, green, blue = (round(255 * part) for part in colours[artist])
        live.add_scatter(
            x=own["x"],
            y=own["y"],
            mode="markers",
            name=html.escape(printable(artist, 30)),
            text=[html.escape(printable(name)) for name in names],
            hovertemplate="%{text}<br>%{fullData.name}<extra></extra>",
            marker={"size": 9, "color": f"rgb({red},{green},{blue})"},
        )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks([])
    ax.set(xlabel="no unit: near means alike", ylabel="no unit: near means alike")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, ncols=1 + len(colours) // 30)
    live.update_xaxes(showticklabels=False, title="no unit: near means alike")
    live.update_yaxes(showticklabels=False, title="no unit: near means alike")
    show(still, live)


def show(still: Figure, live: go.Figure) -> None:
    """Show a figure that answers to a pointer, and where that cannot be, its still."""
    picture = io.BytesIO()
    still.savefig(picture, format="png")
    page = live.to_html(include_plotlyjs=True, full_html=False, config={"displaylogo": False})
    encoded = base64.b64encode(picture.getvalue()).decode()
    display({"image/png": encoded, "text/html": page, "text/plain": "a figure"}, raw=True)


def listen(root: Path, song: str, clips: int = 3) -> None:
    """Show a player for the middle of a song, or say that its clips are gone."""
    paths = sorted(clip_folder(root, song).glob("*.wav"), key=lambda path: int(path.stem))
    middle = paths[max(len(paths) - clips, 0) // 2 :][:clips]
    if middle:
        sound = np.concatenate([soundfile.read(path)[0] for path in middle])
        display(Audio(sound, rate=SAMPLE_RATE, normalize=False))
    else:
        display(Markdown("Its clips are no longer there to listen to; mp3_split.py cuts them again."))
