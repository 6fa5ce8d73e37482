"""Figures that are drawn in more than one place, their style, and one colour for each artist."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from library import printable
from mp3_split import CLIP_SECONDS


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
        parts.bar(table.index, table[name], CLIP_SECONDS, bottom, align="edge", color=colour, label=printable(name, 40))
        bottom += table[name].to_numpy()
    parts.set(ylim=(0, 1), xlim=(0, clips.index[-1] + CLIP_SECONDS), ylabel="probability\nby each clip alone")
    parts.xaxis.set_major_formatter(lambda seconds, _: f"{int(seconds) // 60}:{int(seconds) % 60:02d}")
    parts.set_xlabel("time in the song (min:s)")
    parts.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    wave.set_title("\n".join(textwrap.wrap(answer, 120)), fontsize="medium", loc="left")
    figure.suptitle(printable(title, 100), x=0.01, ha="left", weight="bold")
    return figure
