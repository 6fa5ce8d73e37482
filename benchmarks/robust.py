"""Measure whether answers depend on the music or on the file: unseen songs are re-encoded, artists differ by encoding.

    python benchmarks/robust.py --library DIR          # a library through which the three scripts went
    python benchmarks/robust.py --library DIR --keep   # results go to results/ and into README.md here

All songs are altered and described, which takes longest (half an hour for 126 songs); that is kept in the library's
folder benchmarks/. Settings are chosen and probabilities calibrated on inner folds, as in modeling.ipynb.
"""

import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd
from joblib import delayed

from soundalike import cli, parallel
from soundalike.audio.decoding import CLIP_SECONDS, is_silent
from soundalike.dataset import duplicates, segments, splits, whitening
from soundalike.dataset.windows import Windows
from soundalike.evaluation import crossval, metrics
from soundalike.evaluation.study import in_parallel
from soundalike.features import nuisance
from soundalike.features.networks import NETWORKS, describe_windows
from soundalike.features.nuisance import ALTERATIONS, PLAIN, Alteration
from soundalike.features.table import CLIP_COLUMNS
from soundalike.library.catalogue import good_songs, songs_folder
from soundalike.library.errors import SongError
from soundalike.library.storage import atomic_write, hash_of
from soundalike.models import specs
from soundalike.models.fusion import ears_of, fuse
from soundalike.models.training import fit_all
from soundalike.similarity import index

MP3_64, MP3_96, MP3_128, V0 = "MP3, 64 kbit/s", "MP3, 96 kbit/s", "MP3, 128 kbit/s", "MP3, V0"
TWICE = "MP3, 128 kbit/s, then V0"
OTHERS = {
    MP3_128: Alteration(".mp3", "libmp3lame", ("-b:a", "128k")),
    V0: Alteration(".mp3", "libmp3lame", ("-q:a", "0")),
    "Vorbis, lowest quality": Alteration(".ogg", "libvorbis", ("-q:a", "-1")),
    "low-pass 11 kHz": Alteration(sound="lowpass=f=11000"),
}
NEVER = [*OTHERS, TWICE]  # no model has seen what these change
FOR_NETWORKS = [PLAIN, MP3_64, "Opus, 64 kbit/s", "compressed", "low-pass 9 kHz"]  # by the networks, which take long
PLANTED = [MP3_64, MP3_96, MP3_128, V0]  # one for each artist, in turn

SPACINGS = {name: network.every for name, network in NETWORKS.items()}

Views = dict[str, segments.Examples]  # the same songs, altered


class Given(Windows):
    """Windows that are in memory, see `windows.Windows`."""

    def __init__(self, tables: dict[str, dict[str, pd.DataFrame]]) -> None:
        self.names, self.tables = list(NETWORKS), tables

    def read(self, name: str, songs: list[str]) -> dict[str, pd.DataFrame]:
        """Return the windows of some songs."""
        return {song: self.tables[song][name] for song in songs}


# --- songs as other files --------------------------------------------------------------------


def alter_song(song: str, *, songs: Path) -> pd.DataFrame:
    """Describe all clips of a song: as it is, and in every way altered."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as second:
        files = nuisance.write_altered(songs / song, {PLAIN: Alteration()} | ALTERATIONS | OTHERS, Path(folder))
        again = nuisance.write_altered(files[MP3_128], {TWICE: OTHERS[V0]}, Path(second))
        clips = nuisance.read_clips(files) | nuisance.read_clips(again)
    found = nuisance.join_clips({name: nuisance.describe_clips(values) for name, values in clips.items()}, song=song)
    return found.assign(silent=np.concatenate([is_silent(values) for values in clips.values()]))


def embed_song(song: str, *, songs: Path) -> pd.DataFrame:
    """Describe a song by the networks, altered in the ways of `FOR_NETWORKS`."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = {PLAIN: Alteration()} | {name: ALTERATIONS[name] for name in FOR_NETWORKS[1:]}
        clips = nuisance.read_clips(nuisance.write_altered(songs / song, kinds, Path(folder)))
    rows = [
        table.to_pandas().assign(network=network, alteration=name)
        for name, values in clips.items()
        for network, table in describe_windows(SPACINGS, values).items()
    ]
    return pd.concat(rows, ignore_index=True).assign(song=song)


def plant(song: tuple[str, str, float], *, songs: Path) -> pd.DataFrame:
    """Encode a song as its artist's are, then alter an excerpt of that file as step 2 does."""
    name, kind, seconds = song
    with tempfile.TemporaryDirectory() as folder:
        (file,) = nuisance.write_altered(songs / name, {kind: (ALTERATIONS | OTHERS)[kind]}, Path(folder)).values()
        found = nuisance.describe_altered((file.name, seconds), songs=Path(folder), names=list(ALTERATIONS))
    return nuisance.join_clips(found, song=name)


def kept(folder: Path, function: Callable, songs: list, label: str) -> pd.DataFrame:
    """Join the tables that a function makes of each song, or read them from an earlier call with the same settings."""
    path = folder / f"{label.lower()}_{hash_of([nuisance.MADE_BY, OTHERS, songs])[:12]}.parquet"
    if not path.exists():
        rows = []
        for _, outcome in parallel.run(function, songs, label=label):
            if isinstance(outcome, SongError):
                raise outcome
            rows.append(outcome)
        with atomic_write(path) as written:
            pd.concat(rows).to_parquet(written)
    return pd.read_parquet(path)


# --- models ----------------------------------------------------------------------------------


def predict_views(learned: segments.Examples, views: Views, songs: pd.DataFrame, fold: splits.Fold, seed: int) -> dict:
    """Train the kept model on one side of a fold; predict the songs of the other in each view, by each ear and all."""
    train, test = songs.iloc[fold[0]], songs["place"].iloc[fold[1]]
    networks = list(learned.networks)
    model, *_ = fit_all(specs.specs(networks), specs.ears(networks), learned, train, seed=seed)
    found = {}
    for name, view in views.items():
        logs = model.predict_each(view.rows(test))[1]
        found[name] = crossval.by_name(fuse(logs, model.fusion), songs)
        ears = ears_of(logs, model.fusion) if networks else {}
        found |= {f"{name}: {ear}": crossval.by_name(own, songs) for ear, own in ears.items()}
    return found


def predict_all(
    learned: segments.Examples,
    views: Views,
    songs: pd.DataFrame,
    repeats: int,
    label: str,
    by: str = crossval.UNSEEN_SONGS,
) -> dict[str, list[crossval.Predictions]]:
    """Predict every song, held out, in each view: one for each repeat of the split."""
    tasks = [(fold, seed) for seed in range(repeats) for fold in splits.folds(songs, by=by, seed=seed)]
    found = dict(in_parallel([delayed(predict_views)(learned, views, songs, *task) for task in tasks], label))
    seeds = [seed for _, seed in tasks]
    made: dict[str, list] = {name: [] for name in found[0]}
    for repeat in range(repeats):
        parts = [found[n] for n, seed in enumerate(seeds) if seed == repeat]
        for name in made:
            made[name].append(crossval.predictions_of(pd.concat([part[name] for part in parts])))
    return made


def same_answers(one: list[crossval.Predictions], other: list[crossval.Predictions]) -> float:
    """Return the share of songs that get the same artist."""
    pairs = [(a.songs.idxmax(axis=1), b.songs.idxmax(axis=1)) for a, b in zip(one, other, strict=True)]
    return float(np.mean([(a == b.loc[a.index]).mean() for a, b in pairs]))


def compare(
    learned: dict[str, segments.Examples], views: Views, songs: pd.DataFrame, repeats: int, label: str
) -> list[dict]:
    """Make a row for each view: scores before and after, and against those of the first view."""
    found = {way: predict_all(examples, views, songs, repeats, f"{label}, {way}") for way, examples in learned.items()}
    first, rows = next(iter(views)), []
    for name in views:
        row: dict = {"songs are": name}
        for way, made in found.items():
            row[way] = metrics.score(made[name], songs)
            row[f"{way}, worse by"] = metrics.difference(made[first], made[name], songs)
            row[f"{way}, same answers"] = same_answers(made[first], made[name])
        row["after, better by"] = metrics.difference(found["after"][name], found["before"][name], songs)
        rows.append(row)
    return rows


def compare_ears(learned: segments.Examples, views: Views, songs: pd.DataFrame, repeats: int) -> list[dict]:
    """Make a row for each ear and for all: scores of the songs as they are, and what each alteration changes."""
    made = predict_all(learned, views, songs, repeats, "Ears")
    rows = []
    for ear in ("", *(f": {name}" for name in specs.ears(list(learned.networks)))):
        plain = made[f"{PLAIN}{ear}"]
        row: dict = {"ear": ear.removeprefix(": ") or "fused", PLAIN: metrics.score(plain, songs)}
        for name in FOR_NETWORKS[1:]:
            other = made[f"{name}{ear}"]
            row[name] = {"lost": metrics.difference(plain, other, songs), "same answers": same_answers(plain, other)}
        rows.append(row)
    return rows


def find_copies(plain: pd.DataFrame, copies: pd.DataFrame, altered: pd.DataFrame, asked: list[str]) -> dict[str, float]:
    """Measure how often recommend.py finds the original of a copy first, and next the song that is nearest to it.

    Parameters
    ----------
    plain, copies : pd.DataFrame
        The clips of all songs, and of all copies.
    altered : pd.DataFrame
        From `nuisance.read_altered`; empty: nothing is shrunk.
    asked : list of str
        Songs whose copies are looked for.
    """
    described = [index.song_descriptions(clips[~clips["silent"]]) for clips in (plain, copies)]
    space = whitening.fit_space(described[0].to_numpy(), index.find_song_shifts(altered))
    own, other = (space.points(rows.to_numpy()) for rows in described)
    near, of_copies = own @ own.T, other @ own.T
    first = of_copies.argmax(axis=1) == np.arange(len(own))
    for cosine in (near, of_copies):
        np.fill_diagonal(cosine, -np.inf)
    same = near.argmax(axis=1) == of_copies.argmax(axis=1)
    counted = described[0].index.isin(asked)
    return {"first": float(first[counted].mean()), "same next": float(same[counted].mean())}


def measure_ears(
    room: Path, source: Path, songs: pd.DataFrame, tables: dict[str, pd.DataFrame], altered: pd.DataFrame, repeats: int
) -> list[dict]:
    """Let the networks describe the songs, too, and compare all ears.

    Parameters
    ----------
    room, source : Path
        Where the networks' tables are kept, and where the songs lie.
    tables : dict
        The clips of all songs by alteration.
    altered : pd.DataFrame
        From `nuisance.read_altered`, by which the features are shrunk.
    """
    embedded = kept(room, functools.partial(embed_song, songs=source), list(songs.index), "Embedding")

    def with_windows(name: str, **more: pd.DataFrame) -> segments.Examples:
        """Gather clips, and the windows that networks have of the same files."""
        own = embedded[embedded["alteration"] == name].groupby(["song", "network"])
        windows = {song: {network: own.get_group((song, network)) for network in NETWORKS} for song in songs.index}
        rows = tables[name]
        rows = rows.assign(start=CLIP_SECONDS * rows.groupby("song").cumcount())
        return segments.gather([rows], songs=songs, columns=CLIP_COLUMNS, windows=Given(windows), **more)

    views = {name: with_windows(name) for name in FOR_NETWORKS}
    return compare_ears(with_windows(PLAIN, altered=altered), views, songs, repeats)


def measure_planted(
    tables: dict[str, pd.DataFrame], kinds: dict[str, str], moved: pd.DataFrame, songs: pd.DataFrame, repeats: int
) -> list[dict]:
    """Compare where each artist's songs are encoded in one way.

    Parameters
    ----------
    tables : dict
        The clips of all songs by alteration.
    kinds : dict
        The alteration of each artist.
    moved : pd.DataFrame
        The changes by alterations in songs that are encoded so.
    """
    gather = functools.partial(segments.gather, songs=songs, columns=CLIP_COLUMNS)
    mixed = pd.concat([rows[rows["song"].map(songs["artist"]).map(kinds) == name] for name, rows in tables.items()])
    mixed = mixed.sort_values("song", kind="stable").reset_index(drop=True)
    learned = {"before": gather([mixed]), "after": gather([mixed], altered=moved)}
    views = {"encoded as their artist's": learned["before"]} | {name: gather([tables[name]]) for name in PLANTED}
    return compare(learned, views, songs, repeats, "An encoding for each artist")


def measure(root: Path, repeats: int) -> dict:
    """Do all experiments."""
    frame, files, source = pd.read_parquet(root / "df_music.parquet"), good_songs(root), songs_folder(root)
    songs, _ = splits.song_table(duplicates.resolve_duplicates([frame], files, root))
    room = root / "benchmarks"
    tables = kept(room, functools.partial(alter_song, songs=source), list(songs.index), "Altering")
    altered = nuisance.read_altered(root)
    tables = {name: rows.reset_index(drop=True) for name, rows in tables.groupby("alteration")}
    gather = functools.partial(segments.gather, songs=songs, columns=CLIP_COLUMNS)
    views = {name: gather([tables[name]]) for name in [PLAIN, *ALTERATIONS, *OTHERS, TWICE] if name != MP3_128}
    plain = {"before": views[PLAIN], "after": gather([tables[PLAIN]], altered=altered)}
    by = crossval.UNSEEN_ALBUMS
    albums = {
        way: metrics.score(
            predict_all(examples, {PLAIN: views[PLAIN]}, songs, 1, f"Unseen albums, {way}", by)[PLAIN], songs, by=by
        )
        for way, examples in plain.items()
    }
    kinds = {artist: PLANTED[n % len(PLANTED)] for n, artist in enumerate(sorted(songs["artist"].unique()))}
    seconds = files.set_index("song")["seconds"]
    chosen = [song for song in altered["song"].unique() if song in songs.index]
    asked = [(song, kinds[songs.loc[song, "artist"]], float(seconds[song])) for song in chosen]
    moved = kept(room, functools.partial(plant, songs=source), asked, "Planting")
    others = [song for song in songs.index if song not in chosen]
    return {
        "songs": len(songs),
        "artists": len(kinds),
        "altered songs": len(chosen),
        "repeats": repeats,
        "unseen songs": compare(plain, views, songs, repeats, "Unseen songs"),
        "ears": measure_ears(room, source, songs, tables, altered, repeats),
        "planted": measure_planted(tables, kinds, moved, songs, repeats),
        "unseen albums": albums,
        "copies": {
            way: find_copies(tables[PLAIN], tables[MP3_64], some, others)
            for way, some in (("before", altered[:0]), ("after", altered))
        },
    }


def ears_rows(ears: list[dict]) -> list[dict]:
    """Put what `compare_ears` found in words."""
    return [
        {"ear": row["ear"], PLAIN: f"{row[PLAIN]['balanced_accuracy']:.2f}"}
        | {name: f"{cli.signed(*row[name]['lost'])}, {row[name]['same answers']:.0%}" for name in FOR_NETWORKS[1:]}
        for row in ears
    ]


def table(figures: dict) -> str:
    """Write the page."""

    def rows_of(rows: list[dict]) -> list[dict]:
        return [
            {
                "unseen songs": row["songs are"] + (" (never fitted)" if row["songs are"] in NEVER else ""),
                "before": f"{row['before']['balanced_accuracy']:.2f}",
                "same answers": f"{row['before, same answers']:.0%}",
                "after": f"{row['after']['balanced_accuracy']:.2f}",
                "same answers after": f"{row['after, same answers']:.0%}",
                "lost after": cli.signed(*row["after, worse by"]) if n else "",
            }
            for n, row in enumerate(rows)
        ]

    first = figures["unseen songs"][0]
    lost = [row["after, worse by"][0] for row in figures["unseen songs"][1:]]
    albums = {way: f"{score['balanced_accuracy']:.2f}" for way, score in figures["unseen albums"].items() if score}
    before, after = figures["copies"]["before"], figures["copies"]["after"]
    return "\n\n".join([
        f"{figures['songs']} songs by {figures['artists']} artists; step 2 re-encoded {figures['altered songs']}. "
        f"Balanced accuracy of our features alone, {figures['repeats']} repeats. Before: nothing is shrunk. After: as "
        "it is today. *Lost* is paired, against the songs as they are.",
        page.markdown(rows_of(figures["unseen songs"])),
        f"Mean of what is lost: {np.mean(lost):+.3f}, at worst {max(lost):+.3f}. The songs as they are: after against "
        f"before {cli.signed(*first['after, better by'])}, log-loss {first['before']['log_loss']:.2f} before and "
        f"{first['after']['log_loss']:.2f} after. Unseen albums: {albums.get('before', '')} before, "
        f"{albums.get('after', '')} after (too few albums for an interval).",
        f"Of the other {figures['songs'] - figures['altered songs']} songs at 64 kbit/s, recommend.py finds the "
        f"original first for {before['first']:.0%} before and {after['first']:.0%} after; the song next to it is "
        f"the same as without re-encoding for {before['same next']:.0%} and {after['same next']:.0%}.",
        "The loss of each ear by it, and how many answers stay the same:",
        page.markdown(ears_rows(figures["ears"])),
        f"Each artist's songs in one of {', '.join(PLANTED)}:",
        page.markdown(rows_of(figures["planted"])) + "\n",
    ])  # fmt: skip


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    parser = cli.parser(__doc__)
    parser.add_argument("--repeats", type=cli.positive, default=5, metavar="N", help="of the split (default: 5)")
    parser.add_argument("--keep", action="store_true", help="keep the results as those of README.md here")
    args = parser.parse_args(argv)
    figures = measure(args.library, args.repeats)
    return page.show("robust", figures, table(figures), kept=args.keep)


if __name__ == "__main__":
    sys.exit(main())
