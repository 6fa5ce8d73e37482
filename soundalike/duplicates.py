"""Songs that a library holds more than once: copies, versions, and songs over one backing.

A *copy* is the same recording again, encoded otherwise, softer, or with another beginning: by its sound alone. One file
of it is learned from and recommended. Songs that share a *recording* (copies, live and studio versions, two singers
over one backing) are all learned from but for copies, and stay on one side of every split.
"""

import itertools
import math
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from soundalike.audio import CLIP_SAMPLES, FULL_SCALE, SAMPLE_RATE, SILENCE_DBFS, Clips, Decoder, is_silent
from soundalike.features import COLUMNS
from soundalike.features.filters import N_FFT, mel_filters
from soundalike.features.spectra import Spectra
from soundalike.library import clip_folder, preferred_first, songs_folder
from soundalike.messages import Problem, Reason, SongError, UserError, progress
from soundalike.song import FEATURES, Song, Sound, read_tables

# Measured by benchmarks/duplicates.py, see benchmarks/README.md.
SAME_SOUND = 0.95  # similarity of copies, of nearly all that are encoded again; songs over one backing reach 0.93
SHARED = 0.6  # agreement of songs over one backing; different songs reach 0.50
# Agreement of versions, which also have one title, and of copies, at least: a copy that begins half a clip later may
# agree no better. 99% of an artist's different songs are below 0.28.
SAME_VERSION = 0.3

LAGS = 5  # clips that one of two copies may begin later
LEAST_CLIPS = 8  # that must overlap; fewer agree by accident
RIVALS = 20  # songs most like a song on average, or beside it in a list of one title, that it is compared with
LONGEST = 60  # clips of a song that are decoded to compare it
BANDS, TOP = 64, 6000  # mel bands; those up to so many Hz are compared, which encoders leave alone
FLOOR = 1e-6  # of the power of the loudest band: levels stop there

# Columns of the feature table: means of timbre without level, and of harmony.
CONTOUR_PLACES = [n for n, name in enumerate(COLUMNS) if re.fullmatch(r"(mfcc_(?!01)\d\d|chroma_\d\d)_mean", name)]

# Words that say which version of a song it is, in brackets or after a dash.
VERSION_WORDS = (
    "live remaster remastered remix mix version edit demo acoustic unplugged instrumental karaoke mono stereo session "
    "sessions extended radio single bonus alternate take outtake rehearsal cover feat featuring ft explicit reprise "
    "remake rework dub vivo directo acustico concert konzert ライブ リミックス リマスター 现场 現場 концерт "
    "ремикс ремастер"
)
NO_TITLE = "track untitled unknown title song part pt intro outro interlude titel piste"  # alone they name no song
ROMAN = re.compile("[ivx]+")


def mark_duplicates(songs: pd.DataFrame, root: Path, left_out: dict[str, SongError]) -> pd.DataFrame:
    """Find which songs are copies, and which are versions of one recording.

    Parameters
    ----------
    songs : pd.DataFrame
        Rows of songs.csv.
    root : Path
        Of the library, whose clips or songs are decoded where songs may be copies.
    left_out : dict of str to SongError
        Takes songs whose tables are unusable, and why.

    Returns
    -------
    pd.DataFrame
        The others, with ``sound`` (a name that copies share), ``recording`` (a name that copies, versions and songs
        over one backing share: `splits.folds` keeps them on one side), ``copy_of`` (the song that is kept of some
        copies, or empty) and ``conflict`` (the same sound under another artist, or empty: one label is wrong, and it is
        unknown which).

    Raises
    ------
    UserError
        If no table is usable.
    """
    means, contours = read_contours(read_tables(root, songs["song"], [FEATURES], left_out))
    if not contours:
        raise UserError(Problem.NO_USABLE_TABLE, error=next(iter(left_out.values())))
    songs = songs[songs["song"].isin(contours)].set_index("song", drop=False).rename_axis(None)
    pairs = find_pairs(means, contours, songs, root)
    sound, recording = linked(songs["song"], pairs[pairs["copy"]]), linked(songs["song"], pairs)
    songs = songs.assign(sound=sound, recording=recording, copy_of="", conflict="")
    for _, copies in songs[sound.duplicated(keep=False)].groupby("sound"):
        kept = preferred_first(copies).iloc[0]
        if copies["artist"].nunique() == 1:
            songs.loc[copies.index.drop(kept["song"]), "copy_of"] = kept["song"]
            continue
        for song, artist in copies["artist"].items():
            songs.loc[song, "conflict"] = copies["song"][copies["artist"] != artist].iloc[0]
    return songs.reset_index(drop=True)


def read_contours(songs: Iterable[tuple[str, Song]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read how the timbre and harmony of songs move.

    Parameters
    ----------
    songs : iterable of (str, Song)
        With their features.

    Returns
    -------
    means : np.ndarray [shape=(songs, features)]
        Timbre and harmony of each song, in units of the deviation over all clips.
    contours : dict of str to np.ndarray [shape=(clips, features), dtype=float32]
        Of each song: how its clips that are not silent differ from its mean, which encoding hardly changes; in the
        same units.
    """
    values = {song: table.features[table.loud][:, CONTOUR_PLACES] for song, table in songs}
    count = sum(len(contour) for contour in values.values())
    centre = sum(contour.sum(axis=0, dtype=float) for contour in values.values()) / max(count, 1)
    spread = np.sqrt(sum(((contour - centre) ** 2).sum(axis=0) for contour in values.values()) / max(count, 1))
    means = np.array([contour.mean(axis=0, dtype=float) for contour in values.values()])
    for contour, mean in zip(values.values(), means, strict=True):
        contour -= mean
        contour /= np.maximum(spread, 1e-9)
    return (means - centre) / np.maximum(spread, 1e-9), values


def find_pairs(means: np.ndarray, contours: dict[str, np.ndarray], songs: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Find songs that are copies, share a backing, or are versions of one song.

    Parameters
    ----------
    means, contours
        From `read_contours`.
    songs : pd.DataFrame
        Rows of songs.csv.
    root : Path
        See `mark_duplicates`.

    Returns
    -------
    pd.DataFrame
        One row for each pair: ``song``, ``other``, and whether they are a ``copy``.
    """
    titles = songs.assign(title=songs["title"].map(plain_title)).sort_values("song")
    same_title = set()
    for _, group in titles[titles["title"] != ""].groupby(["artist", "title"])["song"]:
        same = list(group)
        for n, song in enumerate(same):
            same_title |= {(song, other) for other in same[n + 1 : n + 1 + RIVALS]}
    candidates, rows = sorted({*_neighbours(means, list(contours)), *same_title}), []
    with progress(len(candidates), "Looking for duplicates", "pairs") as bar:
        for song, other in candidates:
            correlation = agreement(contours[song], contours[other])
            copy = correlation >= SAME_VERSION and is_copy(root, song, other)
            if copy or correlation >= (SAME_VERSION if (song, other) in same_title else SHARED):
                rows.append((song, other, copy))
            bar.update()
    return pd.DataFrame(rows, columns=["song", "other", "copy"]).astype({"copy": bool})


def linked(songs: pd.Series, pairs: pd.DataFrame) -> pd.Series:
    """Give songs that pairs link, over any number of steps, one name: that of the first of them.

    Parameters
    ----------
    songs : pd.Series
        Each song once.
    pairs : pd.DataFrame
        Some rows of `find_pairs`.

    Returns
    -------
    pd.Series
        Under the index of ``songs``.
    """
    names = pd.Index(songs)
    one, two = names.get_indexer(pairs["song"]), names.get_indexer(pairs["other"])
    graph = coo_array((np.ones(len(pairs)), (one, two)), shape=(len(names), len(names)))
    _, part = connected_components(graph, directed=False)
    return songs.groupby(part).transform("first")


def _neighbours(means: np.ndarray, names: list[str]) -> set[tuple[str, str]]:
    """Pairs of songs that are alike on average: only these are looked at closely."""
    spread = means.std(axis=0)
    values = (means - means.mean(axis=0)) / np.where(spread > 0, spread, 1)
    search = NearestNeighbors(n_neighbors=min(RIVALS + 1, len(means))).fit(values)
    neighbours = search.kneighbors(values, return_distance=False)
    return {tuple(sorted((names[k], names[j]))) for k, row in enumerate(neighbours) for j in row if j != k}


def agreement(contour: np.ndarray, other: np.ndarray) -> float:
    """Return how far two songs rise and fall together: their maximum normalised cross-correlation over some lags.

    Parameters
    ----------
    contour, other : np.ndarray [shape=(clips, features)]
        Of each song, from its own mean.

    Returns
    -------
    float
        From -1 to 1; NaN where fewer than `LEAST_CLIPS`, or than half of the shorter song, overlap.
    """
    correlations = []
    for lag in range(-LAGS, LAGS + 1):
        one, two = contour[max(lag, 0) :], other[max(-lag, 0) :]
        n = min(len(one), len(two))
        if n < max(LEAST_CLIPS, min(len(contour), len(other)) / 2):
            continue
        one, two = one[:n], two[:n]
        size = float(np.vdot(one, one)) * float(np.vdot(two, two))
        if size > 0:
            correlations.append(float(np.vdot(one, two)) / math.sqrt(size))
    return max(correlations, default=math.nan)


# --- by sound --------------------------------------------------------------------------------


def is_copy(root: Path, song: str | Path, other: str) -> bool:
    """Whether two songs are one recording; no where the sound of one cannot be had.

    Parameters
    ----------
    root : Path
        Of the library.
    song : str or Path
        Of the library, or a file.
    other : str
        Of the library.
    """
    try:
        return similarity(*(_read_sound(root, name) for name in (song, other))) >= SAME_SOUND
    except SongError:
        return False


def _read_sound(root: Path, song: str | Path) -> np.ndarray:
    """Read `LONGEST` clips of a song from where it is not silent any more [shape=(samples,)]."""
    cut = isinstance(song, str) and clip_folder(root, song).is_dir()
    sound: Sound = Clips(str(song), root) if cut else Decoder(songs_folder(root) / song)
    clips = (clip / np.float32(FULL_SCALE) for clip in sound)
    loud = list(itertools.islice(itertools.dropwhile(is_silent, clips), LONGEST))
    if not loud:
        raise SongError(Reason.SILENT, level=SILENCE_DBFS)
    return np.concatenate(loud)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Return how alike two recordings are where their waveforms match best: the correlation of their mel levels.

    Each band counts from its own mean, so that neither gain nor equalisation matters. The lag is found to the sample,
    which two clips side by side could not do: a copy that begins half a clip later agrees no better than a cover.

    Parameters
    ----------
    one, other : np.ndarray [shape=(samples,)]
        At `SAMPLE_RATE`.

    Returns
    -------
    float
        From -1 to 1.
    """
    size = len(one) + len(other)
    crossed = np.fft.irfft(np.fft.rfft(one, size) * np.fft.rfft(other, size).conj(), size)
    lags = np.arange(-LAGS * CLIP_SAMPLES, LAGS * CLIP_SAMPLES + 1)
    overlap = np.minimum(len(one), len(other) + lags) - np.maximum(lags, 0)
    lags = lags[overlap >= min(len(one), len(other)) / 2]
    lag = int(lags[np.abs(crossed[lags]).argmax()])
    stop = min(len(one), len(other) + lag)
    a, b = (_levels(y) for y in (one[max(lag, 0) : stop], other[max(-lag, 0) : stop - lag]))
    return float((a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum() or 1))


def _levels(y: np.ndarray) -> np.ndarray:
    """Levels of mel bands, from the mean of each over time (dB) [shape=(bands, frames)]."""
    weights, _, stops = mel_filters(n_mels=BANDS)
    power = weights[stops * SAMPLE_RATE / N_FFT < TOP] @ Spectra(y[None]).magnitude[0] ** 2
    levels = 10 * np.log10(np.maximum(power, FLOOR * power.max() + 1e-20))
    return levels - levels.mean(axis=1, keepdims=True)


# --- by title --------------------------------------------------------------------------------


def plain_title(title: str) -> str:
    """Return a title as all versions of a song have it; empty if it names no song, as ``Track 01``.

    Track numbers, capitals, accents, and words for a version in brackets or after a dash are taken off: ``03 - Déjà Vu
    (Live)`` is ``deja vu``. Numbers and other words in brackets stay: ``Theme (Town)`` is not ``Theme (Battle)``.
    """
    plain = re.sub(r"^[\W\d_]+(?=.*[^\W\d_])", "", _plain(title))
    plain = re.sub(r"[(\[][^)\]]*[)\]]", lambda found: _without_version(found[0], anywhere=True), plain)
    first, *others = re.split(r"\s[-–—]\s", plain)
    words = _words(" ".join([first, *map(_without_version, others)]))
    return "" if all(word in GENERIC or _is_number(word) for word in words) else " ".join(words)


def _without_version(piece: str, *, anywhere: bool = False) -> str:
    """Take off a piece of a title that says which version it is: all but its numbers.

    After a dash it must end so, or begin like "live at": ``Live Forever`` is a title.
    """
    words = _words(piece)
    last = next((word for word in reversed(words) if not _is_number(word)), "")
    is_one = last in VERSIONS or (words[:1] == ["live"] and words[1:2] in (["at"], ["in"], ["from"], ["on"]))
    return " ".join(filter(_is_number, words)) if is_one or (anywhere and VERSIONS.intersection(words)) else piece


def _plain(text: str) -> str:
    """Take off capitals and accents, and make spaces of underscores and brackets of all brackets."""
    spread = unicodedata.normalize("NFKD", text.casefold()).replace("_", " ")
    return "".join(c for c in spread if unicodedata.category(c) != "Mn").translate(
        str.maketrans("【「『】」』", "((()))")
    )


def _words(text: str) -> list[str]:
    """Split text into words, in any script."""
    return "".join(c if c.isalnum() or unicodedata.category(c) == "Mc" else " " for c in text).split()


def _is_number(word: str) -> bool:
    """Whether a word is a number: in digits or characters of any script, or Roman."""
    return word.isnumeric() or ROMAN.fullmatch(word) is not None


VERSIONS, GENERIC = (frozenset(_words(_plain(text))) for text in (VERSION_WORDS, NO_TITLE))
