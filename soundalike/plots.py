"""The picture of an answer, and what figures share: their style, one colour for each artist, players."""

import textwrap
import warnings
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import soundfile
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

from soundalike.answer import Verdict
from soundalike.audio import CLIP_SECONDS, FULL_SCALE, SAMPLE_RATE
from soundalike.library import atomic_write, clip_paths, suffixed
from soundalike.messages import clock, printable
from soundalike.recogniser import PRIOR

OTHERS, SILENCE = (0.3, 0.3, 0.3), (0.85, 0.85, 0.85)  # no artist has these greys
# For names that DejaVu Sans cannot write, where one of them is installed.
OTHER_FONTS = ("Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS")


def use_style() -> None:
    """Set up figures that are legible in a notebook, on a phone and in print."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams |= {
        "figure.dpi": 80,
        "savefig.bbox": "tight",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.parse_math": False,  # an artist may be called Joey Bada$$
        "font.family": ["DejaVu Sans", *(font for font in OTHER_FONTS if font in get_font_names())],
    }
    warnings.filterwarnings("ignore", message="Glyph .* missing from font")


def can_be(condition: bool, otherwise: str) -> bool:
    """Return the condition; where it does not hold, say below the cell of a notebook why something is not shown."""
    if not condition:
        from IPython.display import display  # with the notebooks' packages

        display({"text/plain": otherwise}, raw=True)
    return condition


def label(name: str) -> str:
    """Return a name for a legend: one that starts with an underscore would be hidden by matplotlib."""
    return f"{' ' if name.startswith('_') else ''}{printable(name, 40)}"


def artist_colours(artists: Iterable[str]) -> dict[str, tuple]:
    """One colour for each artist, the same in any order.

    Parameters
    ----------
    artists : iterable of str
        All artists of the library.

    Returns
    -------
    dict of str to (float, float, float)
        Up to ten artists: colours that the colour-blind can distinguish. Up to thirty: also paler and darker
        ones, which `artist_markers` help to distinguish. More: evenly spaced hues.
    """
    names = sorted(set(artists))
    ten = np.array(sns.color_palette("colorblind", 10))
    palette = np.concatenate([ten, 0.5 + 0.5 * ten, 0.5 * ten])
    palette = palette if len(names) <= len(palette) else sns.color_palette("husl", len(names))
    return {name: tuple(map(float, colour)) for name, colour in zip(names, palette, strict=False)}


def artist_markers(artists: Iterable[str]) -> dict[str, str]:
    """One shape for each artist, as matplotlib calls it: another for each ten artists."""
    return {name: "o^sDvP"[n // 10 % 6] for n, name in enumerate(sorted(set(artists)))}


def verdict(title: str, text: str, answer: Verdict, sounds: np.ndarray | None, colours: dict[str, tuple]) -> Figure:
    """Draw what a model says of a song over time: the waveform in the colours of the artists, probabilities below.

    Parameters
    ----------
    title, text : str
        The title, and the answer in words.
    answer : Verdict
        The answer.
    sounds : np.ndarray [shape=(clips, samples), dtype=int16], optional
        The clips; without them there is no waveform.
    colours : dict of str to tuple
        From `artist_colours`.
    """
    figure = Figure(figsize=(11, 7), layout="constrained")
    wave, parts, reasons = figure.subplots(3, 1, height_ratios=[2, 3, 2])
    wave.sharex(parts)
    wave.tick_params(labelbottom=False)
    closest, following = answer.probabilities.index[:2]
    added = pd.Series(answer.aspects, dtype=float).rename({PRIOR: "before a note"}).sort_values(key=abs)
    reasons.barh(added.index, added, color=[colours[closest if value > 0 else following] for value in added])
    reasons.axvline(0, color="black", linewidth=1)
    reasons.set(xlabel=f"what speaks for {label(closest)} (right) and for {label(following)} (left), in log-odds")
    if answer.alike:
        named = "\n".join(textwrap.shorten(printable(title), 40) for title in answer.alike.values())
        reasons.text(1.01, 1, f"most like these by\n{label(closest)}:\n{named}", transform=reasons.transAxes, va="top")
    coloured = {artist: colours[artist] for artist in answer.probabilities.index[:4]}
    _waveform(wave, answer.by_clip, sounds, coloured)
    sung = answer.by_clip.index[answer.sung].tolist()
    if sung:
        ends = [start + CLIP_SECONDS for start in sung]
        wave.hlines([-0.95] * len(sung), sung, ends, "black", linewidth=5, label="somebody sings")
        wave.legend(loc="lower left", bbox_to_anchor=(1.01, 0), frameon=False)
    rows = [(label(artist), answer.by_clip[artist], colour) for artist, colour in coloured.items()]
    if len(answer.probabilities) > len(coloured):
        rows.append(("others", 1 - answer.by_clip[[*coloured]].sum(axis=1, skipna=False), OTHERS))
    bottom = np.zeros(len(answer.by_clip))
    for name, values, colour in rows:
        parts.bar(values.index, values, CLIP_SECONDS, bottom, align="edge", color=colour, linewidth=0, label=name)
        bottom += values.to_numpy()
    parts.set(xlabel="time in the song (min:s)", ylabel="probability", ylim=(0, 1))
    parts.set(xlim=(0, answer.by_clip.index[-1] + CLIP_SECONDS))
    parts.xaxis.set_major_formatter(lambda seconds, _: clock(seconds))
    parts.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    wave.set_title("\n".join(textwrap.wrap(text, 120)), fontsize="medium", loc="left")
    figure.suptitle(printable(title, 100), x=0.01, ha="left", weight="bold")
    return figure


def _waveform(ax: Axes, clips: pd.DataFrame, sounds: np.ndarray | None, coloured: dict[str, tuple]) -> None:
    """Each clip in the colour of the artist that it is given to."""
    strokes_per_clip = 20  # strokes for a clip
    given = clips.dropna().idxmax(axis=1).reindex(clips.index)
    of_clips = [SILENCE if pd.isna(artist) else coloured.get(artist, OTHERS) for artist in given]
    sounds = np.zeros((len(clips), strokes_per_clip), np.int16) if sounds is None else sounds
    strokes = sounds.reshape(len(sounds), strokes_per_clip, -1) / FULL_SCALE
    starts = np.add.outer(clips.index.to_numpy(), np.arange(strokes_per_clip) * CLIP_SECONDS / strokes_per_clip).ravel()
    ends = (strokes.min(axis=-1).ravel(), strokes.max(axis=-1).ravel())
    ax.vlines(starts, *ends, colors=[colour for colour in of_clips for _ in range(strokes_per_clip)], linewidth=1)
    ax.set(ylim=(-1, 1), ylabel="waveform\n(full scale = 1)")


def save_verdict(
    folder: Path, name: str, text: str, answer: Verdict, sounds: np.ndarray | None, artists: Iterable[str]
) -> None:
    """Draw the answer for a song into a folder, see `verdict`; ``artists`` are all whom the model can name."""
    use_style()
    figure = verdict(name, text, answer, sounds, artist_colours(artists))
    with atomic_write(folder / suffixed(name, ".png")) as path:
        figure.savefig(path)


def show_player(root: Path, song: str, clips: int = 3) -> None:
    """Show a player for so many clips in the middle of a song, or say that its clips are gone."""
    paths = clip_paths(root, song)
    start = max(len(paths) - clips, 0) // 2
    gone = f"{printable(song)}: its clips are no longer there to be played; mp3_split.py cuts them again."
    if can_be(bool(paths), gone):
        sound = np.concatenate([soundfile.read(path)[0] for path in paths[start : start + clips]])
        from IPython.display import Audio, display

        display(Audio(sound, rate=SAMPLE_RATE, normalize=False))
