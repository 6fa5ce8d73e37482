"""Figures that are drawn in more than one place, their style, and one colour for each artist."""

import base64
import html
import io
import textwrap
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns
import soundfile
from IPython.display import Audio, Markdown, display
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.patches import Patch
from plotly.offline import get_plotlyjs

from soundalike import cli
from soundalike.audio.decoding import CLIP_SAMPLES, CLIP_SECONDS, FULL_SCALE, SAMPLE_RATE
from soundalike.features.filters import HOP_LENGTH, N_FFT, N_MELS
from soundalike.library.errors import printable
from soundalike.library.paths import clip_paths

ARTISTS_SHOWN, SONGS_SHOWN, CLIPS_SHOWN = 4, 4, 30  # songs of each artist, clips of each song: in `split_picture`
OTHERS, SILENCE = (0.3, 0.3, 0.3), (0.85, 0.85, 0.85)  # no artist has these greys
# For names that DejaVu Sans cannot write, where one of them is installed.
OTHER_SCRIPTS = (
    "Noto Sans CJK JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
PLAY = Path(__file__).with_name("page") / "play.js"
PLOTLY = {"o": "circle", "^": "triangle-up", "s": "square", "D": "diamond", "v": "triangle-down", "P": "cross"}
# Of a figure that answers to a pointer: legible on a phone, too.
BELOW: dict[str, Any] = {"margin": dict.fromkeys("lrtb", 30), "legend": {"orientation": "h", "y": -0.06}}


def use_style() -> None:
    """Set up figures that are legible in a notebook, on a phone and in print."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams |= {
        "figure.dpi": 80,
        "savefig.bbox": "tight",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.parse_math": False,  # an artist may be called Joey Bada$$
        "font.family": ["DejaVu Sans", *(font for font in OTHER_SCRIPTS if font in get_font_names())],
    }
    warnings.filterwarnings("ignore", message="Glyph .* missing from font")


def markdown_safe(name: str) -> str:
    """Return a name as it may stand in Markdown: none of its characters is taken for markup or HTML."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in printable(name))


def can_be(condition: bool, otherwise: str) -> bool:
    """Return the condition; where it does not hold, say below the cell of a notebook why something is not shown."""
    if not condition:
        print(otherwise)
    return condition


def _label(name: str) -> str:
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


def verdict(title: str, said: Any, sounds: np.ndarray | None, colours: dict[str, tuple]) -> Figure:
    """Draw what a model says of a song over time: the waveform in the colours of the artists, probabilities below.

    Parameters
    ----------
    title : str
        The title.
    said : verdict.Verdict
        The model's answer.
    sounds : np.ndarray [shape=(clips, samples), dtype=int16], optional
        The clips; without them there is no waveform.
    colours : dict of str to tuple
        From `artist_colours`.
    """
    figure = Figure(figsize=(11, 5), layout="constrained")
    wave, parts = figure.subplots(2, 1, sharex=True, height_ratios=[2, 3])
    shown = {artist: colours[artist] for artist in said.song.index[:4]}
    _waveform(wave, said.clips, sounds, shown)
    sung = said.clips.index[said.sung].tolist()
    if sung:
        ends = [start + CLIP_SECONDS for start in sung]
        wave.hlines([-0.95] * len(sung), sung, ends, "black", linewidth=5, label="somebody sings")
        wave.legend(loc="lower left", bbox_to_anchor=(1.01, 0), frameon=False)
    _probabilities(parts, said.clips, shown)
    parts.set(xlabel="time in the song (min:s)", ylabel="probability around each clip", ylim=(0, 1))
    parts.set(xlim=(0, said.clips.index[-1] + CLIP_SECONDS))
    parts.xaxis.set_major_formatter(lambda seconds, _: cli.clock(seconds))
    parts.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    wave.set_title("\n".join(textwrap.wrap(str(said), 120)), fontsize="medium", loc="left")
    figure.suptitle(printable(title, 100), x=0.01, ha="left", weight="bold")
    return figure


def _waveform(ax: Axes, clips: pd.DataFrame, sounds: np.ndarray | None, shown: dict[str, tuple]) -> None:
    """Each clip in the colour of the artist that it is given to."""
    each = 20  # strokes for a clip
    given = clips.dropna().idxmax(axis=1).reindex(clips.index)
    of_clips = [SILENCE if pd.isna(artist) else shown.get(artist, OTHERS) for artist in given]
    sounds = np.zeros((len(clips), each), np.int16) if sounds is None else sounds
    strokes = sounds.reshape(len(sounds), each, -1) / FULL_SCALE
    starts = np.add.outer(clips.index.to_numpy(), np.arange(each) * CLIP_SECONDS / each).ravel()
    ends = (strokes.min(axis=-1).ravel(), strokes.max(axis=-1).ravel())
    ax.vlines(starts, *ends, colors=[colour for colour in of_clips for _ in range(each)], linewidth=1)
    ax.set(ylim=(-1, 1), ylabel="waveform\n(full scale = 1)")


def _probabilities(ax: Axes, clips: pd.DataFrame, shown: dict[str, tuple]) -> None:
    """Draw the probabilities of each clip, one above the other."""
    rows = [(_label(artist), clips[artist], colour) for artist, colour in shown.items()]
    if clips.shape[1] > len(shown):
        rows.append(("others", 1 - clips[[*shown]].sum(axis=1, skipna=False), OTHERS))
    bottom = np.zeros(len(clips))
    for label, values, colour in rows:
        ax.bar(clips.index, values, CLIP_SECONDS, bottom, align="edge", color=colour, linewidth=0, label=label)
        bottom += values.to_numpy()


def song_map(songs: pd.DataFrame, colours: dict[str, tuple]) -> None:
    """Show songs in the plane: a pointer that rests on one shows its name, and a click plays it.

    Parameters
    ----------
    songs : pd.DataFrame
        From `index.map_positions`.
    colours : dict of str to tuple
        From `artist_colours`; songs of artists who are not in it are grey.
    """
    still = Figure(figsize=(9, 7), layout="constrained")
    ax = still.subplots()
    live = go.Figure(layout={"height": 650, "template": "plotly_white", **BELOW})
    parts = [(_label(artist), songs["artist"] == artist, colours[artist]) for artist in colours]
    parts.append(("others", ~songs["artist"].isin(list(colours)), OTHERS))
    markers = [*artist_markers(colours).values(), "o"]
    for (label, which, colour), marker in zip(parts, markers, strict=True):
        own = songs[which]
        if own.empty:
            continue
        ax.scatter(own["x"], own["y"], s=30, color=colour, marker=marker, label=label)
        names = own["title"] + own["album"].map(lambda album: f" ({album})" if album else "")
        live.add_scatter(
            x=own["x"],
            y=own["y"],
            mode="markers",
            name=html.escape(label),
            text=[f"{html.escape(printable(name))}<br>{html.escape(label)}" for name in names],
            customdata=[
                (printable(artist, 40), song, max(clips // 2 - 1, 0), min(clips, 3))
                for artist, song, clips in zip(own["artist"], own["song"], own["seconds"] // CLIP_SECONDS, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            marker={"size": 9, "color": _rgb(colour), "symbol": PLOTLY[marker]},
        )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks([])
    ax.set(xlabel="no unit: near means alike", ylabel="no unit: near means alike")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, ncols=1 + len(colours) // 30)
    live.update_xaxes(showticklabels=False, title="no unit: near means alike")
    live.update_yaxes(showticklabels=False, title="no unit: near means alike")
    show_figure(still, live, PLAY.read_text(encoding="utf-8"))


def song_dots(clips: pd.DataFrame, labels: dict[str, str], colours: dict[str, tuple]) -> None:
    """Draw the mean of each song as a dot, in a row for its artist, for up to six features.

    Parameters
    ----------
    clips : pd.DataFrame
        Rows of a frame.
    labels : dict of str to str
        Its columns, and what stands at their axes.
    colours : dict of str to tuple
        From `artist_colours`.
    """
    by_song = clips.groupby(["artist", "song"])[list(labels)].mean().reset_index()
    _, axes = plt.subplots(2, 3, figsize=(10, 2.5 + 0.45 * len(colours)), sharey=True, layout="constrained")
    settings: dict[str, Any] = {"order": list(colours), "palette": colours, "size": 4, "jitter": 0.25, "legend": False}
    for ax, (name, label) in zip(axes.flat, labels.items(), strict=False):
        sns.stripplot(by_song, x=name, y="artist", hue="artist", ax=ax, **settings)
        ax.set(xlabel=label.replace(" (", "\n("), ylabel="")
    axes[0, 0].set_yticks(range(len(colours)), [_label(artist) for artist in colours])
    for ax in axes.flat[len(labels) :]:
        ax.set_visible(False)


def split_picture(found: dict[str, pd.DataFrame], titles: dict[str, str]) -> Figure:
    """Draw the clips of some songs as cells in a row, for two ways to split: whose the nearest training clip is.

    Parameters
    ----------
    found : dict of str to pd.DataFrame
        From `explain.nearest_clips`.
    titles : dict of str to str
        The title of each.
    """
    colours = ["0.88", "C1", "C0", "0.15"]
    rows = _rows_of_splits(list(found.values())[-1])
    names = next(iter(found.values()))["nearest"].cat.categories
    figure = Figure(figsize=(11, 1.6 + 0.19 * len(rows)), layout="constrained")
    axes = figure.subplots(1, len(found), sharey=True)
    for ax, (by, clips) in zip(axes, found.items(), strict=True):
        numbered = clips.assign(code=clips["nearest"].cat.codes, number=clips.groupby("song").cumcount() + 1)
        shown = numbered[numbered["number"] <= CLIPS_SHOWN]
        cells = shown.pivot(index="song", columns="number", values="code").reindex(rows.index)
        ax.pcolormesh(
            cells.columns,
            np.arange(len(rows)),
            cells,
            cmap=ListedColormap(colours),
            vmin=-0.5,
            vmax=len(colours) - 0.5,
            edgecolor="white",
            linewidth=0.5,
            shading="nearest",
        )
        ax.set(xlabel="clips of the song, in order")
        ax.set_title(titles[by], fontsize="medium", loc="left")
        ax.grid(visible=False)
        for row in np.flatnonzero(rows.to_numpy()[1:] != rows.to_numpy()[:-1]):
            ax.axhline(row + 0.5, color="white", linewidth=6)
    places = pd.Series(np.arange(len(rows))).groupby(rows.to_numpy()).mean()
    axes[0].set_yticks(places, [_label(artist) for artist in places.index])
    axes[0].set(ylim=(len(rows) - 0.5, -0.5), ylabel="songs of")
    handles = [Patch(color=colour, label=name) for name, colour in zip(names, colours, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _rows_of_splits(clips: pd.DataFrame) -> pd.Series:
    """Choose songs to show, test songs of each artist first: the artist of each [index: song]."""
    songs = clips.assign(test=clips["nearest"].cat.codes > 0).groupby(["artist", "song"])
    songs = songs.agg(test=("test", "first"), clips=("clip", "size")).reset_index()
    songs = songs.sort_values(["test", "clips"], ascending=False, kind="stable")
    most = songs["artist"].value_counts(sort=False).nlargest(ARTISTS_SHOWN).index
    songs = songs[songs["artist"].isin(most)]
    number = songs.groupby(["artist", "test"]).cumcount()
    shown = songs[number < SONGS_SHOWN / 2].sort_values(["artist", "test"], ascending=[True, False], kind="stable")
    return shown.set_index("song")["artist"]


def in_space(clips: pd.DataFrame, labels: dict[str, str], colours: dict[str, tuple]) -> None:
    """Show clips by three features in a figure that can be turned.

    Parameters
    ----------
    clips : pd.DataFrame
        Rows of a frame.
    labels : dict of str to str
        Three of its columns, and what stands at their axes.
    colours : dict of str to tuple
        From `artist_colours`.
    """
    still = Figure(figsize=(9, 6.5))
    ax = still.add_subplot(projection="3d")
    live = go.Figure(layout={"height": 650, **BELOW})
    markers = artist_markers(colours)
    for artist, own in clips.groupby("artist"):
        places = own[list(labels)].to_numpy().T
        ax.scatter(*places, color=colours[artist], marker=markers[artist], label=_label(artist), s=10, alpha=0.6)
        point = {"size": 3, "color": _rgb(colours[artist])}
        name = html.escape(printable(artist, 40))
        live.add_scatter3d(**dict(zip("xyz", places, strict=True)), mode="markers", name=name, marker=point)
    for axis, label in zip((ax.xaxis, ax.yaxis, ax.zaxis), labels.values(), strict=True):
        axis.set_label_text(label)
        axis.set_major_locator(plt.MaxNLocator(5))
        axis.labelpad = 10
    ax.set_box_aspect(None, zoom=0.85)
    ax.legend(loc="upper left", bbox_to_anchor=(1.08, 0.9), markerscale=2, frameon=False, ncols=1 + len(colours) // 25)
    live.update_scenes({f"{axis}axis_title_text": label for axis, label in zip("xyz", labels.values(), strict=True)})
    live.update_layout(legend_itemsizing="constant", scene_camera_eye={"x": 1.6, "y": 1.6, "z": 0.9})
    show_figure(still, live)


def _rgb(colour: tuple) -> str:
    return f"rgb({','.join(str(round(255 * part)) for part in colour)})"


def enable_live_figures() -> None:
    """Bring along, once for a notebook, what makes `show_figure` answer to a pointer without a network."""
    display({"text/html": f"<script>{get_plotlyjs()}</script>", "text/plain": "live figures"}, raw=True)


def show_figure(still: Figure, live: go.Figure, script: str | None = None) -> None:
    """Show a figure that answers to a pointer, and where that cannot be, its still; a script may answer to clicks."""
    config = {"displaylogo": False, "responsive": True}
    page = live.to_html(include_plotlyjs=False, full_html=False, config=config, post_script=script)
    display({"image/png": _png(still), "text/html": page, "text/plain": "a figure"}, raw=True)


def _png(figure: Figure) -> str:
    """Return a figure as Jupyter keeps it; left to itself, it draws none before pyplot has drawn one."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return base64.b64encode(picture.getvalue()).decode()


def middle_of(root: Path, song: str, clips: int) -> tuple[np.ndarray, float]:
    """Read so many clips in the middle of a song, and where they start (s); empty if its clips are gone."""
    paths = clip_paths(root, song)
    start = max(len(paths) - clips, 0) // 2
    sounds = [soundfile.read(path, dtype="float32")[0] for path in paths[start : start + clips]]
    return np.concatenate(sounds or [np.zeros(0, np.float32)]), float(CLIP_SECONDS * start)


def clips_of(root: Path, song: str, count: int) -> np.ndarray | None:
    """Return the clips of a song [shape=(clips, samples), dtype=int16]; None if one of them is gone."""
    sound, _ = middle_of(root, song, count)
    if len(sound) < count * CLIP_SAMPLES:
        return None
    return np.round(FULL_SCALE * sound).astype(np.int16).reshape(count, -1)


def show_player(root: Path, song: str, clips: int = 3) -> None:
    """Show a player for the middle of a song, or say that its clips are gone."""
    sound, _ = middle_of(root, song, clips)
    if len(sound):
        display(Audio(sound, rate=SAMPLE_RATE, normalize=False))
    else:
        display(
            Markdown(
                f"{markdown_safe(song)}: its clips are no longer there to be played; mp3_split.py cuts them again."
            )
        )


def show_sound(root: Path, song: str, title: str, clips: int = 5) -> None:
    """Show the middle of a song with a player: waveform, spectrogram, pitches and beats.

    Beats are found by librosa in these seconds alone.
    """
    y, start = middle_of(root, song, clips)
    if len(y):
        settings: dict[str, Any] = {"sr": SAMPLE_RATE, "n_fft": N_FFT, "hop_length": HOP_LENGTH}
        mel = librosa.power_to_db(librosa.feature.melspectrogram(y=y, n_mels=N_MELS, **settings), ref=np.max)
        chroma = librosa.feature.chroma_stft(y=y, tuning=0, **settings)
        onset = librosa.onset.onset_strength(y=y, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
        _, beats = librosa.beat.beat_track(
            onset_envelope=onset, sr=SAMPLE_RATE, hop_length=HOP_LENGTH, units="time", sparse=True
        )
        times = librosa.times_like(onset, sr=SAMPLE_RATE, hop_length=HOP_LENGTH)
        figure = Figure(figsize=(9, 6.5), layout="constrained")
        axes = figure.subplots(4, 1, sharex=True, height_ratios=[2, 3, 3, 2])
        librosa.display.waveshow(y, sr=SAMPLE_RATE, ax=axes[0], color="C0")
        shown: dict[str, Any] = {"sr": SAMPLE_RATE, "hop_length": HOP_LENGTH, "x_axis": "time", "rasterized": True}
        of_mel = librosa.display.specshow(mel, y_axis="mel", ax=axes[1], **shown)
        of_chroma = librosa.display.specshow(chroma, y_axis="chroma", ax=axes[2], cmap="cividis", **shown)
        axes[3].plot(times, onset, color="C0", linewidth=1)
        axes[3].vlines(beats, 0, onset.max(), color="C1", linestyle=":", label="beats")
        figure.colorbar(of_mel, ax=axes[1], label="dB")
        figure.colorbar(of_chroma, ax=axes[2], label="strength")
        for ax, label in zip(axes, ("full scale = 1", "Hz (mel)", "pitch class", "onsets (dB)"), strict=True):
            ax.set(xlabel="", ylabel=label)
        axes[3].set(xlim=(0, len(y) / SAMPLE_RATE))
        axes[3].set_xlabel(f"seconds (from {cli.clock(start)} in the song)")
        axes[3].legend(loc="upper right")
        figure.suptitle(printable(title, 90), x=0.01, ha="left")
        display({"image/png": _png(figure), "text/plain": "a figure"}, raw=True)
    show_player(root, song, clips)
