"""How well misfiled songs are found, and songs by artists who are not in the library are grouped.

    python benchmarks/tidy.py --library DIR                # a library that went through make run
    python benchmarks/tidy.py --library DIR --keep sung    # results go to results/ and README.md here

Labels of 5% and 15% of a library's songs are swapped for those of other artists, ten times each; then, without labels,
two or more artists are left out, ten times.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd

from soundalike import evaluation, similarity, terminal, tidy
from soundalike.embedding import fit_embedding
from soundalike.frame import current_notes, read_library
from soundalike.recogniser import choose, give_words
from soundalike.splits import song_table
from soundalike.training import study_of

DRAWS = 10
SWAPPED = (0.0, 0.05, 0.15)  # of the songs
LEFT_OUT = 1 / 3  # of the artists


def held_out_answers(study: evaluation.Study) -> pd.DataFrame:
    """Answer for each song as training does, in one repeat [index: song], see `tidy.find_suspects`."""
    answers, _ = evaluation.answers(study, repeats=1)
    _, others = choose(answers)
    known = give_words(answers, others).query("known").set_index("song")
    return known.assign(artist_probability=np.exp(-known["loss"])).rename(
        columns={"word": "answer", "closest": "predicted"}
    )


def swap(songs: pd.DataFrame, share: float, draw: np.random.Generator) -> pd.Series:
    """Give some songs the artist of another song; returns the artists."""
    artist = songs["artist"].copy()
    for song in draw.choice(songs.index, round(share * len(songs)), replace=False):
        artist[song] = draw.choice(artist[artist != artist[song]].unique())
    return artist


def measure_suspects(study: evaluation.Study, index: similarity.Index, share: float) -> dict:
    """Swap labels, and look for them: of the first k named, as many as were swapped, and of the first ten."""
    hits, tens, clear, clear_hits = [], [], [], []
    for number in range(1 if share == 0 else DRAWS):
        artist = swap(study.songs, share, np.random.default_rng(number))
        swapped = set(artist.index[artist != study.songs["artist"]])
        other = study._replace(songs=study.songs.assign(artist=artist))
        labels = index.songs.assign(artist=artist.reindex(index.songs["song"]).fillna(index.songs["artist"]).to_numpy())
        suspects = tidy.find_suspects(held_out_answers(other), index._replace(songs=labels))
        found = suspects["song"].isin(swapped)
        hits.append(found[: len(swapped)].sum() / max(len(swapped), 1))
        tens.append(found[:10].sum())
        clear.append(suspects["clear"].sum())
        clear_hits.append((suspects["clear"] & found).sum())
    return {
        "swapped": round(share * len(study.songs)),
        "of the first k": np.mean(hits),
        "of the first ten": np.mean(tens),
        "named after a run": np.mean(clear),
        "of these swapped": np.mean(clear_hits),
    }


def measure_families(study: evaluation.Study, index: similarity.Index) -> dict:
    """Leave artists out, fit the space without them, and group their songs."""
    songs, rows = study.songs, []
    artists = songs["artist"].unique()
    for number in range(DRAWS):
        draw = np.random.default_rng(number)
        out = draw.choice(artists, max(2, round(LEFT_OUT * len(artists))), replace=False)
        rest = ~songs["artist"].isin(out)
        used = pd.Index(study.segments.song).isin(songs.index[rest])
        embedding = fit_embedding({ear: of_ear[used] for ear, of_ear in study.segments.rows.items()})
        described = {}
        for song in songs.index:
            own = study.segments.song == song
            described[song] = embedding.describe({ear: of_ear[own] for ear, of_ear in study.segments.rows.items()})
        known = index.songs[index.songs["song"].isin(songs.index[rest])].reset_index(drop=True)
        points = embedding.points(np.stack([described[song] for song in known["song"]]))
        likeness = similarity.measure_likeness(points, known, embedding)
        unknown, of = songs[~rest], songs["artist"]
        asked = {song: tidy.Unknown(described[song]) for song in unknown.index}
        groups = tidy.find_families(asked, index._replace(embedding=embedding, likeness=likeness))
        grouped = sum(map(len, groups))
        majority = sum(of[group].value_counts().iloc[0] for group in groups)
        rows.append({
            "artists": len(out),
            "songs": len(unknown),
            "groups": len(groups),
            "purity": majority / grouped if grouped else np.nan,
            "alone": (len(unknown) - grouped) / len(unknown),
        })  # fmt: skip
    return pd.DataFrame(rows).mean().to_dict()


def measure(root: Path) -> dict:
    """Measure one library."""
    songs, _ = song_table(read_library(root))
    study, *_ = study_of(root, songs, current_notes(root)["networks"])
    index = similarity.load_index(root)
    suspects = [measure_suspects(study, index, share) for share in SWAPPED]
    return {"suspects": suspects, "families": measure_families(study, index)}


def table(sets: dict[str, dict]) -> str:
    """Write the page."""
    suspects = [
        {
            "set": name,
            "swapped": one["swapped"],
            "of the first k": f"{one['of the first k']:.0%}" if one["swapped"] else "",
            "of the first ten": f"{one['of the first ten']:.1f}" if one["swapped"] else "",
            "named at the end of a run": f"{one['named after a run']:.1f}",
            "of these swapped": f"{one['of these swapped']:.1f}",
        }
        for name, figures in sets.items()
        for one in figures["suspects"]
    ]
    families = "; ".join(
        "{name}: {songs:.0f} songs by {artists:.0f} artists come to {groups:.1f} groups, {purity:.1%} of the songs are "
        "by the artist of most in their group, {alone:.0%} are alone".format(name=name, **figures["families"])
        for name, figures in sets.items()
    )
    return f"Grouped: {families}.\n\n{page.markdown(suspects)}"


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    args = page.parser_of_set(__doc__).parse_args(argv)
    return page.show_sets("tidy", args.keep, measure(args.library), table)


if __name__ == "__main__":
    sys.exit(main())
