"""The map one can click: all songs of a library on one page that is opened from disk, see ``page/``.

It plays the user's own files, finds songs that sound alike, and saves playlists, without a server or a network. It
computes with the points of the index in half precision; what songs have in common is computed here, for those that are
nearest to each, in 256 steps.
"""

import base64
import hashlib
import html
import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import to_hex
from threadpoolctl import threadpool_limits

from soundalike import similarity
from soundalike.library import FRONT, atomic_write, read_note, songs_folder
from soundalike.messages import Notice, counted, in_unicode, note, progress
from soundalike.playlists import ON_THE_WAY
from soundalike.plots import artist_colours, artist_markers
from soundalike.seeds import Seed
from soundalike.traits import EVERY_TAG

PARTS = Path(__file__).parent / "page"
SCRIPTS = ("data", "lists", "plane", "colours", "chosen", "playlist", "main")  # in the order in which they are run
WHY = 20  # songs nearest to each, for which the page says in what they are alike, and plays it
LONGEST = 1000  # characters of a title
PLACED_BY = 3  # songs on the map between which one lies that is not laid out itself
PLACES = "report/map_places.json"  # in the root: where songs lie, so that they stay there
NEW = 0.25  # of the songs, from which on all are laid out anew
# Regions of the map: songs of one, at least; how many there are, at least and at most; the share by one artist from
# which on it is the artist's; standard deviations by which a word tells it from the others.
IN_REGION, LEAST_REGIONS, MOST_REGIONS, MIXED, TELLS = 6, 3, 24, 0.6, 0.8
TAG_COLOURS = [to_hex(colour) for colour in sns.color_palette("colorblind", 10)]
STEPS = 255  # of what an aspect adds, from 0 to 1


class QuerySong(NamedTuple):
    """A song that was asked about, to be shown among those of the library."""

    seed: Seed
    closest: str  # artist
    answer: str  # in words


def write_map(
    index: similarity.Index, root: Path, path: Path, queries: Sequence[QuerySong] = (), *, anew: bool = False
) -> None:
    """Write the page.

    Parameters
    ----------
    index : Index
        The library.
    root : Path
        Of the library.
    path : Path
        Of the page.
    queries : sequence of QuerySong
        Songs to be shown among the others.
    anew : bool
        Whether all songs are laid out anew, see `places_of`.
    """
    script = "\n".join((PARTS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    data = json.dumps(_collect(index, root, queries, anew), separators=(",", ":"))
    data = data.replace("<", "\\u003c")  # so that no name can end the script
    _write_page(path, "page", SCRIPT=script, SCRIPT_HASH=_hash(script), DATA=data)


def write_front_page(root: Path, title: str, lines: Sequence[str], answers: Sequence[Sequence]) -> None:
    """Write the page that leads to the map and the reports.

    Parameters
    ----------
    root : Path
        Of the library.
    title : str
        Of the page.
    lines : sequence of str
        How the run went.
    answers : sequence of (str, str, str, bool)
        Artist, song and answer of each song that was held out, and whether it names the artist.
    """
    rows = [
        f"<tr{'' if named else ' class=other'}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        for *cells, named in answers
    ]
    texts = "\n".join(f"<p>{html.escape(line)}</p>" for line in lines)
    _write_page(root / FRONT, "index", TITLE=html.escape(title), LINES=texts, ANSWERS="\n".join(rows))


def _write_page(path: Path, name: str, **parts: str) -> None:
    """Fill in the template of a page, and its style, and write it."""
    style = (PARTS / f"{name}.css").read_text(encoding="utf-8")
    template = string.Template((PARTS / f"{name}.html").read_text(encoding="utf-8"))
    with atomic_write(path) as target:
        target.write_text(template.substitute(parts, STYLE=style, STYLE_HASH=_hash(style)), encoding="utf-8")


def _hash(text: str) -> str:
    """Hash a script or a style, for the page's policy to allow it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _collect(index: similarity.Index, root: Path, queries: Sequence[QuerySong], anew: bool) -> dict:
    """Collect everything that the page holds."""
    placed, names, own = places_of(index, root, anew=anew), sorted(set(index.songs["artist"])), len(index.songs)
    if queries:
        index, placed = _add_queries(index, placed, queries)
    colours, markers = artist_colours(names), artist_markers(names)
    near, shares, named = _common(index, own)
    segments = zip(index.starts, index.segments, near, strict=True)
    moments = [similarity.moments_alike(index, *of_song) for of_song in segments]
    return {
        "songs": _songs(index.songs, songs_folder(root), names),
        "answers": [query.answer for query in queries],  # of the last songs
        "artists": [
            {"name": name[:LONGEST], "colour": to_hex(colours[name]), "marker": markers[name]} for name in names
        ],
        "dims": index.points.shape[1],
        "ears": [[own.start, 1 / len(index.embedding.ears)] for own in index.embedding.dimensions()],
        "points": _packed(index.points, "<f2"),
        "x": _packed(placed[:, 0], "<f4"),
        "y": _packed(placed[:, 1], "<f4"),
        "near": _packed(near, "<u2" if len(near) <= 2**16 else "<u4"),
        "shares": _packed(shares, "u1"),
        "moments": _packed(np.stack(moments), "<u2"),
        "aspects": named,
        "worth": similarity.WORTH_NAMING,
        "onTheWay": ON_THE_WAY,
        "likeness": {
            "levels": [[name, index.likeness[name]] for name in (similarity.ALBUM, similarity.ARTIST)],
            "different": index.likeness[similarity.DIFFERENT],
        },
        "regions": find_regions(index.songs[:own], placed[:own]),
        "tagColours": TAG_COLOURS,
        "note": read_note(root),
    }


def _packed(values: np.ndarray, kind: str) -> str:
    """Numbers as text."""
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _songs(songs: pd.DataFrame, folder: Path, names: list[str]) -> dict[str, list]:
    """Return columns, and a row for each song: traits rounded as they are shown; None where one is not known."""
    rows = pd.DataFrame({
        "title": songs["title"].str[:LONGEST],
        "artist": np.maximum(pd.Index(names).get_indexer(songs["artist"]), 0),  # of queries none is shown
        "album": songs["album"].str[:LONGEST],
        "seconds": songs["seconds"].astype(float).round(),
        "recording": pd.factorize(songs["sound"])[0],
        "tempo": songs["tempo"].astype(float).round(),
        "loudness": songs["loudness_db"].astype(float).round(1),
        "brightness": songs["brightness_hz"].astype(float).round(-1),
        "kind": songs["kind"],
        "tags": songs["tags"],
        "file": [(folder / song).as_uri() for song in songs["song"]],
    })  # fmt: skip
    return json.loads(rows.to_json(orient="split", index=False))


def find_regions(songs: pd.DataFrame, places: np.ndarray) -> list[dict]:
    """Find regions of the map where artists mix, and name each by what distinguishes its songs from the others.

    Parameters
    ----------
    songs : pd.DataFrame
        Of the index.
    places : np.ndarray [shape=(songs, 2)]
        Where they lie.

    Returns
    -------
    list of dict
        ``name``, ``x`` and ``y``, the middle, and ``songs``, how many; the largest first.
    """
    if len(songs) < LEAST_REGIONS * IN_REGION:
        return []
    from sklearn.cluster import KMeans  # which takes long, and the map alone needs it

    count = int(np.clip(len(songs) / (2 * IN_REGION), LEAST_REGIONS, MOST_REGIONS))
    with threadpool_limits(1):
        part = KMeans(count, n_init=4, random_state=0).fit_predict(places)
    signs = _signs(songs)
    regions = []
    for number in range(count):
        own = part == number
        common = songs["artist"][own].value_counts()
        if own.sum() < IN_REGION or common.iloc[0] > MIXED * own.sum():
            continue
        effects = (signs[own].mean() - signs[~own].mean()) / np.sqrt(signs.var() + 0.05)
        telling = effects[effects > TELLS].sort_values(ascending=False)
        tagged = telling.index.isin(EVERY_TAG)
        words = [*telling.index[~tagged][:2], *telling.index[tagged][:2]][:3]  # tags say much the same
        if words:
            x, y = np.median(places[own], axis=0).tolist()
            regions.append({"name": ", ".join(words), "x": x, "y": y, "songs": int(own.sum())})
    return sorted(regions, key=lambda region: -region["songs"])


def _signs(songs: pd.DataFrame) -> pd.DataFrame:
    """Return what may be said of each song of a region: how far it is so."""
    measured = songs[["tempo", "loudness_db", "brightness_hz"]].astype(float)
    ranks = measured.rank(pct=True).fillna(0.5)
    signs = {"fast": ranks["tempo"], "loud": ranks["loudness_db"], "bright": ranks["brightness_hz"]}
    signs |= {"slow": 1 - ranks["tempo"], "quiet": 1 - ranks["loudness_db"], "dark": 1 - ranks["brightness_hz"]}
    signs |= {kind: (songs["kind"] == kind).astype(float) for kind in ("sung", "instrumental")}
    tags = songs["tags"].explode().dropna()
    tagged = {tag: songs.index.isin(own.index).astype(float) for tag, own in tags.groupby(tags)}
    return pd.DataFrame(signs | tagged, index=songs.index)


def places_of(index: similarity.Index, root: Path, *, anew: bool = False) -> np.ndarray:
    """Return where each song lies in the plane [shape=(songs, 2)].

    Songs stay where they lay, and new ones come between those most like them, until a quarter is new.

    Parameters
    ----------
    index, root
        The library.
    anew : bool
        Whether all are laid out anew.
    """
    songs, key = index.songs["song"], [similarity.VERSION, *index.embedding.ears]
    known = {} if anew else _read_places(root, key)
    places = np.array([known.get(song, (np.nan, np.nan)) for song in songs])
    new = np.isnan(places[:, 0])
    if new.mean() >= NEW:
        if known:
            note(Notice.LAID_OUT_ANEW, new=counted(int(new.sum()), "new song"))
        laid_out = similarity.map_positions(index)  # but for some songs of a large library
        places = np.full((len(songs), 2), np.nan)
        places[laid_out.index] = laid_out[["x", "y"]]
        if laid_out.empty:  # too few to be laid out: on a circle
            angles = np.linspace(0, 2 * np.pi, len(songs), endpoint=False)
            places = np.column_stack([np.cos(angles), np.sin(angles)])
    for place in np.flatnonzero(np.isnan(places[:, 0])):
        places[place] = _between(index, index.points[place], places)
    with atomic_write(root / PLACES) as path:
        content = {"key": key, "places": dict(zip(songs, places.round(4).tolist(), strict=True))}
        path.write_text(json.dumps(content), encoding="utf-8")
    return places


def _read_places(root: Path, key: list) -> dict[str, tuple[float, float]]:
    """Read where songs lay when the map was last written; none where that was by other points."""
    try:
        content = json.loads((root / PLACES).read_text(encoding="utf-8"))
        return (
            {song: (float(x), float(y)) for song, (x, y) in content["places"].items()} if content["key"] == key else {}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _between(index: similarity.Index, point: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Place a song that was not laid out: in the middle of the songs most like it that have a place."""
    distances = np.where(np.isnan(places[:, 0]), np.inf, index.embedding.distances(index.points, point))
    return places[np.argsort(distances, kind="stable")[:PLACED_BY]].mean(axis=0)


def _add_queries(
    index: similarity.Index, places: np.ndarray, queries: Sequence[QuerySong]
) -> tuple[similarity.Index, np.ndarray]:
    """Put queries at the end of the index, and on the map."""
    seeds, songs = [query.seed for query in queries], index.songs
    described = np.stack([seed.described for seed in seeds])
    starts, segments = (np.stack(parts) for parts in zip(*(seed.segments for seed in seeds), strict=True))
    sounds = [songs["sound"][seed.itself].tolist() for seed in seeds]
    rows = [
        {
            "song": in_unicode(query.seed.entry.file),
            "artist": query.closest,
            "album": "",
            "title": in_unicode(query.seed.entry.label),
            "seconds": query.seed.entry.seconds,
            "sound": (sounds[n] or [f"\0{n}"])[0],  # one that is no song's name, where the library has no copy
        }
        | query.seed.traits
        for n, query in enumerate(queries)
    ]
    points = index.embedding.points(described)
    query_places = np.stack([_between(index, point, places) for point in points])
    return index._replace(
        songs=pd.concat([index.songs, pd.DataFrame(rows)], ignore_index=True),
        described=np.concatenate([index.described, described]),
        points=np.concatenate([index.points, points]),
        starts=np.concatenate([index.starts, starts]),
        segments=np.concatenate([index.segments, segments]),
    ), np.concatenate([places, query_places])


def _common(index: similarity.Index, in_library: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the songs nearest to each, what each aspect adds to their cosines, and the names of the aspects.

    After the library's ``in_library`` songs come queries: they are not named, and others are for them.
    """
    count = len(index.songs)
    most = min(WHY, in_library - (count == in_library))
    nearest = np.zeros((count, most), np.uint32)
    shares: list[np.ndarray] = []
    named: list[str] = []
    with progress(count, "Drawing the map", "songs") as bar:
        for place in range(count):
            distances = index.embedding.distances(index.points, index.points[place])
            distances[[place, *range(in_library, count)]] = np.inf
            nearest[place] = np.argsort(distances, kind="stable")[:most]
            reasons = similarity.say_why(
                index, np.asarray(index.described[place]), nearest[place], distances[nearest[place]]
            )
            named = similarity.aspects(reasons)
            shares.append(np.rint(STEPS * reasons[named].to_numpy(float).clip(0, 1)).astype(np.uint8))
            bar.update()
    return nearest, np.array(shares), named
