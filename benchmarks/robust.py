"""Measure whether answers depend on the music or on the file: unseen songs are re-encoded, artists differ by encoding.

    python benchmarks/robust.py --library DIR --shifts OTHER.npz          # a library through which the scripts went
    python benchmarks/robust.py --library DIR --shifts OTHER.npz --keep sung   # keep the results, in README.md here

The directions are those of other songs (`nuisance.py --out OTHER.npz`), as they are for a user; without --shifts, those
that come with the package. The middle of each song is altered and described, which is kept in the library's folder
benchmarks/.
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
from joblib import Parallel, delayed
from nuisance import ALTERATIONS, PLAIN, Alteration, describe_clips, read_clips, write_altered

from soundalike import embedding, evaluation, pool, splits, terminal
from soundalike.audio import CLIP_SECONDS, is_silent
from soundalike.features import CLIP_COLUMNS
from soundalike.frame import read_library
from soundalike.library import atomic_write, made_from, songs_folder
from soundalike.messages import SongError
from soundalike.song import FEATURES

MP3_64, MP3_96, MP3_128, V0 = "MP3, 64 kbit/s", "MP3, 96 kbit/s", "MP3, 128 kbit/s", "MP3, V0"
TWICE = "MP3, 128 kbit/s, then V0"
OTHERS = {
    MP3_128: Alteration(".mp3", "libmp3lame", ("-b:a", "128k")),
    V0: Alteration(".mp3", "libmp3lame", ("-q:a", "0")),
    "Vorbis, lowest quality": Alteration(".ogg", "libvorbis", ("-q:a", "-1")),
    "low-pass 11 kHz": Alteration(sound="lowpass=f=11000"),
}
NEVER = [*OTHERS, TWICE]  # no directions were learned of what these change
PLANTED = [MP3_64, MP3_96, MP3_128, V0]  # one for each artist, in turn
SHOWN = [PLAIN, MP3_64, "Opus, 64 kbit/s", "compressed", "Vorbis, lowest quality", TWICE, V0]

Views = dict[str, embedding.Segments]  # the same songs, altered


SECONDS = 48  # of each song, from its middle


def alter_song(asked: tuple[str, float], *, songs: Path) -> pd.DataFrame:
    """Describe the clips around the middle of a song (s) that are not silent: as it is, and in every way altered."""
    song, middle = asked
    cut = {"start": max(0.0, middle - SECONDS / 2), "seconds": SECONDS + 0.2}  # the last clip, too
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as second:
        files = write_altered(songs / song, {PLAIN: Alteration()} | ALTERATIONS | OTHERS, Path(folder), **cut)
        again = write_altered(files[MP3_128], {TWICE: OTHERS[V0]}, Path(second))
        clips = read_clips(files) | read_clips(again)
    tables = []
    for name, values in clips.items():
        loud = np.flatnonzero(~is_silent(values))
        described = pd.DataFrame(describe_clips(values[loud]), columns=CLIP_COLUMNS)
        tables.append(described.assign(alteration=name, start=loud * float(CLIP_SECONDS)))
    return pd.concat(tables, ignore_index=True).assign(song=song)


def kept(folder: Path, songs: list[tuple[str, float]], source: Path) -> dict[str, pd.DataFrame]:
    """Alter all songs, or read that from an earlier call; a table for each alteration."""
    path = folder / f"altered_{made_from(sorted(ALTERATIONS | OTHERS), SECONDS, songs)[:12]}.parquet"
    if not path.exists():
        rows = []
        for _, outcome in pool.run(functools.partial(alter_song, songs=source), songs, label="Altering"):
            if isinstance(outcome, SongError):
                raise outcome
            rows.append(outcome)
        with atomic_write(path) as written:
            pd.concat(rows).to_parquet(written)
    return {str(name): rows for name, rows in pd.read_parquet(path).groupby("alteration")}


def gather(table: pd.DataFrame) -> embedding.Segments:
    """Describe the segments of altered songs."""
    parts = {
        song: embedding.feature_rows(rows[CLIP_COLUMNS].to_numpy(np.float32)) for song, rows in table.groupby("song")
    }
    names = [np.full(len(of_song), song, dtype=object) for song, of_song in parts.items()]
    return embedding.Segments({FEATURES: np.concatenate([*parts.values()])}, np.concatenate(names))


def ask_views(study: evaluation.Study, views: Views, fold: splits.Fold, shifts: Path) -> dict[str, evaluation.Asked]:
    """Train on one side of a fold; answer for the songs of the other in each view."""
    embedding.NUISANCE_FILE = shifts
    embedding.shipped_shifts.cache_clear()
    model, test = evaluation.train_on(study, study.songs.iloc[fold[0]]), study.songs.index[fold[1]]
    found = {}
    for name, view in views.items():
        points = model.embedding.segment_points(view.rows)
        scores = model.scores(model.embedding.song_means(points, view.song).loc[test].to_numpy()).set_axis(test)
        found[name] = evaluation.Asked(scores, pd.Series(0.0, test))
    return found


def answer_views(
    learned: embedding.Segments,
    views: Views,
    songs: pd.DataFrame,
    repeats: int,
    shifts: Path,
    by: str = "song",
) -> dict[str, pd.DataFrame]:
    """Answer for every song, held out, in each view, in each repeat of the split."""
    study, found = evaluation.Study(songs, learned), {name: [] for name in views}  # type: ignore[var-annotated]
    for repeat in range(repeats):
        work = (delayed(ask_views)(study, views, fold, shifts) for fold in splits.folds(songs, by=by, seed=repeat))
        parts = Parallel(n_jobs=-1)(work)
        for name in views:
            answers = evaluation.answer_folds([part[name] for part in parts], songs)
            found[name].append(answers.assign(repeat=repeat))
    return {name: pd.concat(of, ignore_index=True) for name, of in found.items()}


def same_answers(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return the share of songs that get the same artist."""
    both = one.merge(other, on=["song", "repeat"])
    return float((both["closest_x"] == both["closest_y"]).mean())


def compare(
    learned: embedding.Segments, views: Views, songs: pd.DataFrame, repeats: int, ways: dict[str, Path]
) -> list[dict]:
    """Make a row for each view: scores before and after, and against those of the first view."""
    found = {way: answer_views(learned, views, songs, repeats, shifts) for way, shifts in ways.items()}
    first, rows = next(iter(views)), []
    for name in views:
        row: dict = {"songs are": name}
        for way, made in found.items():
            row[way] = evaluation.score(made[name])
            row[f"{way}, worse by"] = evaluation.difference(made[first], made[name])
            row[f"{way}, same answers"] = same_answers(made[first], made[name])
        row["after, better by"] = evaluation.difference(found["after"][name], found["before"][name])
        rows.append(row)
    return rows


def write_nothing(path: Path) -> Path:
    """Write directions that change nothing."""
    width = 2 * len(CLIP_COLUMNS)
    np.savez(path, factors=np.zeros((1, width), np.float16), scale=np.ones(width, np.float32))
    return path


def plant(tables: dict[str, pd.DataFrame], songs: pd.DataFrame) -> pd.DataFrame:
    """Take each artist's songs in an encoding of the artist's own."""
    kinds = {artist: PLANTED[n % len(PLANTED)] for n, artist in enumerate(sorted(songs["artist"].unique()))}
    kind = songs["artist"].map(kinds)
    mixed = pd.concat(rows[rows["song"].map(kind) == name] for name, rows in tables.items())
    return mixed.sort_values("song", kind="stable")


def measure(root: Path, repeats: int, shifts: Path) -> dict:
    """Do all experiments."""
    library = read_library(root).set_index("song", drop=False)
    songs, _ = splits.song_table(library.reset_index(drop=True))
    middles = list((library.loc[songs.index, "seconds"] / 2).items())
    tables = kept(root / "benchmarks", middles, songs_folder(root))
    names = [name for name in [PLAIN, *ALTERATIONS, *OTHERS, TWICE] if name != MP3_128]
    views = {name: gather(tables[name]) for name in names}
    ways = {"before": write_nothing(root / "benchmarks" / "nothing.npz"), "after": shifts}
    plain, albums = {PLAIN: views[PLAIN]}, {}
    if (splits.album_counts(songs) > 1).any():
        for way, path in ways.items():
            found = answer_views(views[PLAIN], plain, songs, 1, path, by="album")[PLAIN]
            albums[way] = evaluation.score(found, by="album")
    planted = gather(plant(tables, songs))
    of_planted = {"encoded as their artist's": planted} | {name: gather(tables[name]) for name in PLANTED}
    return {
        "songs": len(songs),
        "artists": int(songs["artist"].nunique()),
        "repeats": repeats,
        "unseen songs": compare(views[PLAIN], views, songs, repeats, ways),
        "planted": compare(planted, of_planted, songs, repeats, ways),
        "unseen albums": albums,
    }


def table(sets: dict[str, dict]) -> str:
    """Write the page: a row for each alteration."""

    def cells(name: str, row: dict) -> dict[str, str]:
        lost, low, high = (round(value, 2) + 0.0 for value in row["after, worse by"])  # no -0.00
        return {
            f"{name}: not attenuated": f"{row['before']['balanced_accuracy']:.2f}",
            f"{name}: attenuated": f"{row['after']['balanced_accuracy']:.2f}",
            f"{name}: lost": f"{lost:+.2f} ({low:+.2f} to {high:+.2f})",
        }

    def rows_of(kind: str, name_of: Callable[[str], str]) -> list[dict]:
        return [
            {"altered": name_of(row["songs are"])}
            | {key: cell for name, of in sets.items() for key, cell in cells(name, of[kind][n]).items()}
            for n, row in enumerate(next(iter(sets.values()))[kind])  # of all sets in the same order
            if not n or row["songs are"] in SHOWN
        ]

    rows = [
        *rows_of("unseen songs", lambda name: name + " (never learned)" * (name in NEVER)),
        *rows_of(
            "planted",
            lambda name: f"artists encoded otherwise; asked {f'at {name}' if name in SHOWN else 'as encoded'}",
        ),
    ]
    return page.markdown(rows)


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    parser = page.parser_of_set(__doc__)
    parser.add_argument("--repeats", type=terminal.positive, default=5, metavar="N", help="of the split")
    parser.add_argument(
        "--shifts", type=Path, default=embedding.NUISANCE_FILE, metavar="FILE.npz", help="the directions"
    )
    args = parser.parse_args(argv)
    figures = measure(args.library, args.repeats, args.shifts.absolute())
    return page.show_sets("robust", args.keep, figures, table)


if __name__ == "__main__":
    sys.exit(main())
