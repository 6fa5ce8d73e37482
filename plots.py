"""What the figures of both notebooks share: their style, and one colour for each artist."""

import matplotlib.pyplot as plt
import seaborn as sns

from library import printable


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
