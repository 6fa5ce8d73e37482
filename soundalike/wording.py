"""Results in sentences: what became of songs, answers and their worth, songs that sound alike, the outcome of a run.

Functions take data and return lines; `terminal.say` prints them. Sentences about what is wrong stand in `messages`.
"""

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundalike.answer import NAMED, Verdict
from soundalike.audio import CLIP_SECONDS
from soundalike.features import COLUMNS
from soundalike.frame import Status, Written
from soundalike.groups import Portrait
from soundalike.library import FRONT, GOOD, PROJECT, folder_labels
from soundalike.messages import clock, counted, first_of, printable
from soundalike.networks.vocals import VOCALS
from soundalike.playlists import End, Rules
from soundalike.recogniser import CLOSEST, EITHER, PRIOR, PROBABLY, SURE, UNKNOWN, OpenSet
from soundalike.seeds import Seed
from soundalike.similarity import ALBUM, ARTIST, DIFFERENT, Index, in_common, is_far
from soundalike.splits import CONFLICT, COPY, MIN_SCORED, TOO_FEW
from soundalike.survey import Described

SHOWN = 20  # songs that are left out are named on the screen, at most
ALIKE = 4  # songs that are left out for one reason are named; more are counted in a line
CHANGES = 5  # answers that changed, at most
MARKS, NOTE = "█▒·", "♪"  # of a song's timeline: the closest artist, the next, the others; and below, singing
BAR = 60  # cells of a song's timeline, at most
NAME_WIDTH = 44  # characters of a song's name in a table
SPEAKS = 0.1  # of all that aspects add to the log-odds, from which on an aspect is named
FEW_SONGS = 30  # with fewer, what songs have in common may be chance
NAMES = {SURE: "sure", PROBABLY: "probably", EITHER: "A or B", CLOSEST: "closest"}  # of the words that name artists


def with_interval(score: Mapping) -> str:
    """``0.71 (95% CI 0.64–0.79)``: a balanced accuracy; or why it has no interval."""
    if score["low"] is None:
        return f"{score['balanced_accuracy']:.2f} (too few albums for an interval)"
    return f"{score['balanced_accuracy']:.2f} (95% CI {score['low']:.2f}–{score['high']:.2f})"


def command(script: str, root: Path) -> str:
    """Return the command line that runs a script on a library."""
    return shlex.join(map(printable, (Path(sys.executable), PROJECT / script, "--library", root)))


def _listed(names: Sequence[str], word: str = "and") -> str:
    """Join names: a, b and c."""
    return f" {word} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


# --- the three steps -------------------------------------------------------------------------


def songs_lines(table: pd.DataFrame, processed: int, folder: Path, music: Path) -> list[str]:
    """Say what became of every song.

    Parameters
    ----------
    table : pd.DataFrame
        The rows of songs.csv.
    processed : int
        The number of songs that were processed now.
    folder, music : Path
        Of their clips or tables, in the root; of the songs.
    """
    counts = table["status"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    good, bad = table[table["status"].isin(GOOD)], table[~table["status"].isin(GOOD)]
    lines = [
        f"{counted(len(table), 'song')}: {', '.join(f'{n:,} {status}' for status, n in counts.items())}",
        f"{counted(int(good['clips'].sum()), 'clip')} in {printable(folder)} "
        f"({int(good['silent_clips'].sum()):,} silent; {good['dropped'].sum():,.1f} s at songs' ends filled no clip). "
        f"Songs processed now: {processed:,}.",
    ]
    loose = good[good["song"].map(lambda song: not folder_labels(song)[0]).astype(bool)]
    if len(loose):
        lines.append(f"{counted(len(loose), 'song')} in no artist's folder: labelled by the artist tag.")
    if (loose["artist"].str.casefold() == music.name.casefold()).any():
        lines.append(
            f"{printable(music.name)} is the artist of some of these songs: are the folders in it albums? "
            f"Then name the folder above (--songs DIR): {printable(music.parent)}"
        )
    lines += table_lines(bad, folder.parent / "songs.csv")
    if "rejected" in counts:
        lines.append(
            "Rejected songs are tried again the next time: fix or replace them, and run the same command again."
        )
    if good.empty and bad["hash"].notna().all() and bad["hash"].duplicated(keep=False).all():
        lines.append("All songs here are copies of one another, under several artists. Add others, and run this again.")
    return lines


def table_lines(rows: pd.DataFrame, file: Path, title: str = "Left out") -> list[str]:
    """Name the songs that songs.csv, or left_out.csv of a model, says are left out; copies are counted together."""
    texts = rows["status"] + (": " + rows["reason"]).where(rows["reason"] != "", "")
    others = ~rows["status"].isin(["duplicate", COPY])
    groups = texts.where(others, rows["status"] + ": the same recording as another")
    named = dict(zip(rows["song"], texts, strict=True))
    return left_out_lines(named, title, groups=groups.tolist(), rest=f": see {printable(file)}")


def left_out_lines(
    left_out: Mapping[Any, object], title: str = "Left out", *, groups: Iterable[str] | None = None, rest: str = ""
) -> list[str]:
    """Name the songs that were left out, each with its reason.

    Parameters
    ----------
    left_out : mapping of str to object
        Songs, and why: an error or a sentence.
    title : str
        What is said of them all.
    groups : iterable of str, optional
        What many songs of one kind are counted under, in the same order; by default their reasons.
    rest : str
        Where the others are.
    """
    if not left_out:
        return []
    table = pd.DataFrame({"song": list(left_out), "reason": list(map(str, left_out.values()))})
    table = table.assign(group=table["reason"] if groups is None else list(groups)).sort_values("song")
    many = table.groupby("group")["song"].transform("size") > ALIKE
    lines = [f"{title} ({counted(len(table), 'song')}):"]
    for group, rows in table[many].groupby("group", sort=False):
        lines.append(f"  {counted(len(rows), 'song')}, such as {printable(rows['song'].iloc[0])}: {printable(group)}")
    single = table[~many]
    lines += [f"  {printable(row.song)}: {printable(row.reason, 2000)}" for row in single.head(SHOWN).itertuples()]
    if len(single) > SHOWN:
        lines.append(f"  … and {len(single) - SHOWN:,} more{rest}")
    elif many.any() and rest:
        lines.append(f"  All of them{rest}")
    return lines


def described_lines(described: Described, spacings: Mapping[str, int], root: Path) -> list[str]:
    """Say how many songs are described, and by what."""
    by = "".join(f" and by {name}" for name in spacings if name != VOCALS)
    by += ", and searched for singing," if VOCALS in spacings else ""
    return [
        f"{counted(described.songs, 'song')} described by {len(COLUMNS)} features{by} in "
        f"{printable(root / 'features')}.",
        f"Songs described now: {described.now:,} ({counted(described.clips, 'clip')}).",
        *left_out_lines(described.left_out),
    ]


def frame_lines(written: Written, root: Path) -> list[str]:
    """Say what is in the frame."""
    count = counted(len(written.songs), "song")
    lines = [f"The frame in {printable(root)} is up to date: {count}."]
    if written.now:
        lines = [
            f"{counted(written.clips, 'clip')} of {count} by {counted(written.songs['artist'].nunique(), 'artist')}, "
            f"{len(COLUMNS):,} features each, in {printable(root / 'df_music.parquet')}"
            f"{' and df_music.pkl' if written.pickled else ''}."
        ]
        if not written.pickled:
            lines.append(
                f"No df_music.pkl: it would take {written.gigabytes:,.1f} GB, and several times that in memory. Use "
                "df_music.parquet, or raise --pickle-limit."
            )
    rest = f" of {len(written.songs):,}; to describe the others, run feature_extraction.py"
    for name, songs in written.networks.items():
        lines.append(f"{name} describes {counted(songs, 'song')}{'' if songs == len(written.songs) else rest}.")
    if written.searched not in (0, len(written.songs)):
        lines.append(f"Singing was searched for in {counted(written.searched, 'song')}{rest}.")
    lines += left_out_lines(written.left_out)
    if written.left_out:
        lines.append(f"To make missing tables: {command('feature_extraction.py', root)}, then this again.")
    return lines


def status_lines(status: Status) -> list[str]:
    """Say how far the three steps are."""
    music = printable(status.music)
    lines = [f"songs:      {music} is not there"]
    if status.songs is not None:
        lines = [f"songs:      {status.songs:,} in {music}; {status.refused:,} that cannot become songs"]
    lines += [f"decoded:    {status.cut:,} (none with --from-songs)", f"described:  {status.described:,}"]
    if status.good is not None:
        lines.append(f"songs.csv:  {status.good:,} good, {status.left_out:,} left out, when it was last written")
    if status.in_frame is not None:
        lines.append(f"frame:      {counted(status.in_frame, 'song')}, {counted(status.clips, 'clip')}")
    return [*lines, "A run is at work here now." if status.busy else "Nothing is at work here now."]


def not_learned_lines(left_out: pd.DataFrame, files: pd.DataFrame, root: Path) -> list[str]:
    """Name the songs and artists that the model was not trained on, why, and what to do.

    Parameters
    ----------
    left_out : pd.DataFrame
        See `model.read_left_out`.
    files : pd.DataFrame
        Rows of songs.csv.
    root : Path
        Of the library.
    """
    unique = ~files["song"].isin(left_out["song"][left_out["status"].isin([COPY, CONFLICT])])
    usable = (files["status"].isin(GOOD) & unique).groupby(files["artist"]).any()
    songs, where = files["artist"].value_counts(), root / "model" / "left_out.csv"
    sentences = [
        f"{artist}: {counted(songs[artist], 'song')}, all left out; songs.csv and left_out.csv say why"
        for artist in usable.index[~usable]
        if artist
    ]
    too_few = left_out["status"] == TOO_FEW
    sentences += left_out.loc[too_few, "reason"].unique().tolist()
    lines = [f"No model learns from {printable(sentence, 2000)}." for sentence in sentences[:SHOWN]]
    if len(sentences) > SHOWN:
        lines.append(f"Nor from {counted(len(sentences) - SHOWN, 'other artist')}: see {printable(where)}")
    return lines + table_lines(left_out[~too_few], where, "The model was not trained on")


# --- answers ---------------------------------------------------------------------------------


def in_words(word: str, names: Sequence[str], artists: int = 0) -> str:
    """Say an answer: its word, and the artists that it names, the closest first; maybe of how many it is."""
    closest, *others = map(printable, names)
    return {
        SURE: f"sure: {closest}",
        PROBABLY: f"probably {closest}" + (f" (or {others[0]})" if others else ""),
        EITHER: _listed([closest, *others], "or"),
        UNKNOWN: f"unknown artist? closest {closest}",
        CLOSEST: f"closest of your {artists} artists: {closest}" if artists else f"closest: {closest}",
    }[word]


def headline(verdict: Verdict) -> str:
    """Say who a song is by, and how surely."""
    names = verdict.probabilities.index[: 1 if verdict.probabilities.iloc[1] < NAMED else 2]
    if verdict.known:  # no word: none was measured on such songs
        have = f"you have this song, as {printable(verdict.copy_of)}; the model learned from it"
        return f"{printable(names[0])}, but {have}, so this proves nothing"
    return in_words(verdict.word, verdict.either if verdict.word == EITHER else names, len(verdict.probabilities))


def answer_lines(verdict: Verdict, filed: pd.Series | None, *, numbers: bool = False) -> list[str]:
    """Say an answer in full.

    Parameters
    ----------
    verdict : Verdict
        The answer.
    filed : pd.Series or None
        What the library has of this song, see `answer.look_up`.
    numbers : bool
        Whether the numbers behind the words are said, too.
    """
    lines = [headline(verdict), timeline(verdict), *sung_line(verdict), *reason_lines(verdict)]
    if numbers:
        shown = ", ".join(f"{printable(artist)} {p:.2f}" for artist, p in verdict.probabilities.iloc[:3].items())
        agree = f"{verdict.agreeing} of {counted(verdict.loud, 'clip')} agree"
        added = ", ".join(f"{aspect} {value:+.2f}" for aspect, value in verdict.aspects.items())
        lines.append(f"{shown}; {agree}; nearness {verdict.nearness:.2f}")
        lines.append(f"log-odds of the first against the second: {added}")
    if tag := other_tag(verdict):
        lines.append(f"Its tag names {tag}.")
    if filed is not None and not (verdict.known and filed["artist"] == verdict.probabilities.index[0]):
        unknown = "" if filed["artist"] in verdict.probabilities else ", on whom the model was not trained"
        lines.append(f"In your library it is filed under {printable(filed['artist'])}{unknown}.")
    if filed is not None and verdict.known and not pd.isna(filed["answer"]):
        lines.append(f"When it was held out of training, the answer was {prediction_in_words(filed)}.")
    return [f"  {line}" for line in lines]


def answer_row(name: str, verdict: Verdict) -> str:
    """Say an answer in one line: the song, the word with the artist, and the next."""
    closest, following = map(printable, verdict.probabilities.index[:2])
    likely = verdict.word == PROBABLY and verdict.probabilities.iloc[1] >= NAMED
    named = verdict.known or verdict.word == EITHER or likely
    says = f"{closest} (you have it)" if verdict.known else headline(verdict)
    more = "" if named else f"   next: {following}"
    if verdict.word == UNKNOWN and (tag := other_tag(verdict)):
        more = f"   its tag: {tag}"
    return f"{printable(name, NAME_WIDTH):{NAME_WIDTH}}  {says}{more}"


def other_tag(verdict: Verdict) -> str:
    """Return the artist that a song's tag names, if that is another than the closest."""
    same = verdict.tag.casefold() == verdict.probabilities.index[0].casefold()
    return "" if same else printable(verdict.tag, 60)


def family_lines(families: Sequence[Sequence[Path]]) -> list[str]:
    """Say which songs by unknown artists may belong together."""
    named = ["; ".join(printable(song.name) for song in family) for family in families]
    sizes = map(len, families)
    return [
        f"These {size} may be by one artist you do not have: {names}." for size, names in zip(sizes, named, strict=True)
    ]


def suspect_lines(suspects: pd.DataFrame, asked: int) -> list[str]:
    """Name songs that may be filed under the wrong artist, see `tidy.find_suspects`."""
    lines = ["Songs that sound less like the artist they are filed under than like another, most suspicious first:"]
    for number, (_, row) in enumerate(suspects.head(SHOWN).iterrows(), start=1):
        lines.append(f"{number:3}. {printable(row['song'])}")
        said = prediction_in_words(row)
        lines.append(f"     held out of training: {said}; most like {printable(row['alike'])}")
    if not asked:
        return ["No song was held out of training here, so none can be suspected."]
    if suspects.empty:
        return ["When held out of training, each song was named after the artist that it is filed under."]
    if len(suspects) > SHOWN:
        lines.append(f"  … and {len(suspects) - SHOWN:,} more, less suspicious")
    return lines


def misfiled_line(suspects: pd.DataFrame, root: Path) -> list[str]:
    """Say after a run which songs may be filed under the wrong artist; nothing where none is clear."""
    clear = suspects.loc[suspects["clear"], "song"].tolist()
    named = first_of(clear, ALIKE)
    ask = f"(more: {command('predict.py', root)} --audit)"
    return [f"{counted(len(clear), 'song')} may be filed under the wrong artist: {named} {ask}"] if len(clear) else []


def reason_lines(verdict: Verdict) -> list[str]:
    """Say what a person can check: songs of the artist that sound alike, in what and when, and tags."""
    closest, following = map(printable, verdict.probabilities.index[:2])
    lines = []
    if verdict.alike:
        lines.append(
            f"most like these by {closest}: {', '.join(printable(title, 60) for title in verdict.alike.values())}"
        )
    sounds = pd.Series(verdict.aspects, dtype=float).drop(PRIOR).sort_values(key=abs, ascending=False)
    spoken = sounds[sounds.abs() >= max(SPEAKS * sounds.abs().sum(), 1e-12)]
    parts = []
    if (spoken > 0).any():
        parts.append(f"more like {closest} than {following} in {_listed(spoken.index[spoken > 0].tolist())}")
    if (spoken < 0).any():
        parts.append(f"more like {following} in {_listed(spoken.index[spoken < 0].tolist())}")
    prior = verdict.aspects[PRIOR]
    if abs(prior) >= max(SPEAKS * sounds.abs().sum(), 1e-12):
        parts.append(f"before a note is heard, {closest if prior > 0 else following} is the likelier")
    lines.append("; ".join([*parts, f"most like {closest} at {clock(verdict.moment)}"]))
    if verdict.traits["tags"]:
        lines.append(f"musicnn calls it: {', '.join(verdict.traits['tags'])}")
    return lines


def timeline(verdict: Verdict) -> str:
    """Return a song in a line: who each stretch of it is given to, blank where it is silent."""
    rank = {artist: min(place, len(MARKS) - 1) for place, artist in enumerate(verdict.probabilities.index)}
    stretches = verdict.by_clip.groupby(_cells(verdict)).mean()
    line = "".join(" " if row.isna().any() else MARKS[rank[row.idxmax()]] for _, row in stretches.iterrows())
    names = [*map(printable, verdict.probabilities.index[: len(MARKS) - 1]), "others"]
    legend = "  ".join(f"{mark} {name}" for mark, name in zip(MARKS, names, strict=False) if mark in line)
    return f"0:00 {line} {clock(CLIP_SECONDS * len(verdict.by_clip))}   {legend}"


def sung_line(verdict: Verdict) -> list[str]:
    """Return the line below the timeline that shows where somebody sings; none where nobody does."""
    line = "".join(NOTE if part >= 0.5 else " " for part in pd.Series(verdict.sung).groupby(_cells(verdict)).mean())
    end = " " * len(clock(CLIP_SECONDS * len(verdict.by_clip)))
    return [f"     {line} {end}   {NOTE} somebody sings"] if line.strip() else []


def _cells(verdict: Verdict) -> np.ndarray:
    """Return in which cell of the timeline each clip is."""
    return np.arange(len(verdict.by_clip)) * min(BAR, len(verdict.by_clip)) // len(verdict.by_clip)


def prediction_in_words(row: pd.Series) -> str:
    """Say a row of predictions.csv."""
    return in_words(row["answer"], row["either"] if row["answer"] == EITHER else [row["predicted"]])


def explain_words(info: dict, *, strict: bool = False) -> list[str]:
    """Say what the words of answers are worth, or why a word is not used.

    Parameters
    ----------
    info : dict
        The content of ``model.json``.
    strict : bool
        Whether more artists were called unknown than these figures say.
    """
    shipped, words = info["scores"]["as_shipped"], OpenSet(**info["words"])
    others = shipped and shipped["unknown"]
    lines = []
    if others and words.sure_from is not None:
        sure, asked = round(others["called_sure"] * others["songs"]), counted(others["songs"], "song")
        lines.append(f"{sure:,} of {asked} were wrongly called sure when their artist was left out of training.")
    if shipped:
        lines.append(
            f"How often answers were right for songs held out of training{', without --strict' if strict else ''}:"
        )
        for word, name in NAMES.items():
            if shipped[word]["songs"]:
                among = " had the artist among those named" if word == EITHER else ""
                lines.append(f"  {name}: {shipped[word]['right']} of {counted(shipped[word]['songs'], 'song')}{among}")
    else:
        lines.append(
            f"How often answers are right is not measured: that takes two artists with {MIN_SCORED} songs each."
        )
    if words.unknown_below is None:
        lines.append(
            f"One of the {len(info['classes'])} artists is always named, also for songs by others: too few songs were "
            "held out, or songs by unknown artists get no other answers."
        )
    elif others:
        lines.append(
            f"  unknown artist?: said of {shipped['known']['unknown']:.0%} of these songs, and of "
            f"{others['refused']:.0%} when the artist was left out"
        )
    if words.sure_from is None:
        lines.append("No answer is called sure: that takes some twenty songs that stand out from all other artists.")
    return lines


def outcome_lines(
    failed: Mapping[Path, str], songs: int, written: Sequence[Path], info: dict, *, strict: bool = False
) -> list[str]:
    """Say which of so many songs have no answer, what was written, and what the words are worth."""
    where = f": see {printable(written[0])}" if written and written[0].suffix in (".csv", ".json") else ""
    lines = left_out_lines(failed, "No verdict", rest=where)
    if len(failed) < songs:
        lines += [*(f"Written: {printable(path)}" for path in written), *explain_words(info, strict=strict)]
    return lines


# --- songs and artists that sound alike ------------------------------------------------------


def how_alike(distance: float, likeness: dict) -> str:
    """Say how alike songs at this distance are, by `similarity.measure_likeness`; nothing if that is too little."""
    percentiles = likeness[DIFFERENT]
    if not percentiles:
        return ""
    for name in (ALBUM, ARTIST):
        if likeness[name] is not None and distance <= likeness[name]:
            return f"as alike as songs of {name}"
    if is_far(distance, likeness):
        return "no more alike than songs of different artists"
    return f"more alike than {100 - np.searchsorted(percentiles, distance):.0f}% of songs by different artists"


def alike_lines(
    names: Sequence[str],
    less: Sequence[str],
    songs: pd.DataFrame,
    why: End,
    rules: Rules,
    index: Index,
    *,
    numbers: bool = False,
) -> list[str]:
    """Name the songs that sound most like some songs, each with how alike it is, in what, and when.

    Parameters
    ----------
    names, less : sequence of str
        The songs that were asked about, and those that others are to be unlike.
    songs, why, rules
        See `playlists.fill`, and `playlists.add_moments`.
    index : Index
        The library.
    numbers : bool
        Whether distances are said, too.
    """
    lines, unlike = [], f", and unlike {_listed(less)}," if less else ""
    if len(songs):
        verb = "sounds" if len(names) == 1 else "together sound"
        lines.append(f"{_listed(names)}{unlike} {verb} most like")
    for number, (_, song) in enumerate(songs.iterrows(), start=1 + rules.again):
        lines.append(f"{number:3}. {_title(song)}{_distance(song['distance'], shown=numbers)}")
        common, level = ", ".join(in_common(song)), how_alike(song["distance"], index.likeness)
        if common or level:
            lines.append(f"     {level or 'alike'}{common and f', in {common}'}")
        at = song["moment"]
        seed = f"{clock(at['of_seed'])} of {printable(at['seed'], 60)}"
        lines.append(f"     hear {seed}, {clock(at['of_song'])} of this")
    if len(songs) < rules.most:
        rest = "The next are" if len(songs) else f"Nothing here sounds much like {_listed(names)}: all are"
        lines.append({
            End.FAR: f"{rest} no more alike than songs of different artists usually are; --far names them, too.",
            End.ARTISTS: f"All others are by these artists; --per-artist {rules.per_artist + 1} names more of each.",
            End.ALL: "There are no others.",
        }[why])  # fmt: skip
    lines += [quality_in_words(index.quality), *_meaning(index, shown=numbers)]
    if len(index.songs) < FEW_SONGS:
        lines.append(f"With {counted(len(index.songs), 'song')} to compare, none of this says much.")
    return lines


def way_lines(
    stops: Sequence[Seed], legs: Sequence[tuple[pd.DataFrame, np.ndarray]], index: Index, *, numbers: bool = False
) -> list[str]:
    """Name the songs on the way from one song to others, see `playlists.find_ways`."""
    lines, number = [f"From {stops[0]}"], 0
    for stop, (songs, steps) in zip(stops[1:], legs, strict=True):
        for (_, song), step in zip(songs.iterrows(), steps[:-1], strict=True):
            number += 1
            lines.append(f"{number:3}. {_title(song)}{_distance(step, shown=numbers)}")
        lines.append(f"  to {stop}{_distance(steps[-1], shown=numbers)}")
        if songs.empty:
            lines.append("No song lies between them.")
        elif is_far(steps.max(), index.likeness):
            lines.append("One step of it is as large as between songs of different artists.")
    return lines + _meaning(index, shown=numbers)


def filter_lines(counts: Mapping[str, int], left: int) -> list[str]:
    """Say how many songs filters leave, each alone and all together."""
    lines = [f"{name} leaves {counted(count, 'song')}." for name, count in counts.items()]
    return [*lines, f"Together they leave {left:,}."] if len(counts) > 1 else lines


def tag_lines(counts: pd.Series) -> list[str]:
    """Name tags, and how many songs have each, see `traits.tag_counts`."""
    used = counts[counts > 0]
    return [
        "Tags as a network (musicnn) gives them; each song has the five that are most probable.",
        *(f"{count:6,}  {tag}" for tag, count in used.items()),
        *[f"None has: {', '.join(counts.index[counts == 0])}."] * bool((counts == 0).any()),
    ]


def group_lines(portraits: Iterable[Portrait], index: Index, *, numbers: bool = False) -> list[str]:
    """Say which artists, or albums, sound alike, and with which song to start."""
    titles, lines = index.songs["title"].map(lambda title: printable(title, 60)).to_numpy(), []
    for portrait in portraits:
        about = [counted(portrait.songs, "song")]
        if portrait.oddest is not None:
            about += [f"most typical: {titles[portrait.typical]}", f"oddest: {titles[portrait.oddest]}"]
        lines.append(f"{printable(portrait.name)} ({'; '.join(about)}) sounds most like")
        for number, pair in enumerate(portrait.alike, start=1):
            one, two = (titles[place] for place in pair.songs)
            lines.append(f"{number:3}. {printable(pair.other)}{_distance(pair.distance, shown=numbers)}")
            lines.append(f"     start with {two}, which is most like {one}")
    return lines


def playlist_lines(songs: int, left_out: Mapping[str, object], path: Path, *, added: int | None = None) -> list[str]:
    """Say what is in a playlist; of one that was extended also how many songs were added."""
    more = "" if added is None else f", {added} of them new; as it was at first: {printable(path.name)}.bak"
    return [f"{counted(songs, 'song')} in {printable(path)}{more}.", *left_out_lines(left_out, "Not in the playlist")]


def quality_in_words(quality: dict) -> str:
    """Say how good recommendations are, see `similarity.measure_quality`."""
    which = "on another album is" if quality["albums"] else "(of any album, for no artist has two) is"
    sure = "too few albums for an interval"
    if quality["low"] is not None:
        sure = f"95% CI {100 * quality['low']:.0f}–{100 * quality['high']:.0f}%"
    return (
        f"In this library the most similar song {which} by the same artist for {100 * quality['right']:.0f}% of "
        f"{counted(quality['songs'], 'song')} ({sure}; at random {100 * quality['chance']:.0f}%)."
    )


def _title(song: pd.Series) -> str:
    """Return artist, title and album of a song."""
    album = f" ({printable(song['album'], 60)})" if song["album"] else ""
    return f"{printable(song['artist'], 60)} - {printable(song['title'], 80)}{album}"


def _distance(distance: float, *, shown: bool) -> str:
    return f"  {distance:.2f}" if shown else ""


def _meaning(index: Index, *, shown: bool) -> list[str]:
    """Say what distances mean, where they are shown."""
    percentiles = index.likeness[DIFFERENT]
    usual = f"; between songs of different artists usually {percentiles[50]:.2f}" if percentiles else ""
    return [f"The numbers are distances: 0 the same, about 1 nothing in common, 2 the opposite{usual}."] * shown


# --- a run of all steps ----------------------------------------------------------------------


def summary_lines(
    root: Path, info: dict, notes: dict, files: pd.DataFrame, left_out: pd.DataFrame, seconds: float
) -> list[str]:
    """Say what came out of all steps, but for the lines of `closing_lines`.

    Parameters
    ----------
    root : Path
        Of the library.
    info : dict
        The content of ``model.json``.
    notes : dict
        Of the frame, see `frame.current_notes`.
    files, left_out : pd.DataFrame
        Rows of songs.csv, and of `model.read_left_out`.
    seconds : float
        The time that all steps took.
    """
    left_out_of_frame = len(files) - notes["songs"]
    lab = "make lab" + ("" if root == PROJECT / "data" else f" LIBRARY={shlex.quote(printable(root))}")
    return [
        f"\n--- done in {seconds / 60:.1f} minutes",
        f"{counted(len(files), 'song')}, {left_out_of_frame:,} left out (see {printable(root / 'songs.csv')})",
        counted(notes["clips"], "clip"),
        *score_lines(info)[1:],
        *not_learned_lines(left_out, files, root),
        f"To look at the reports in Jupyter: {lab}",
        f'Songs that sound like one: {command("recommend.py", root)} "SONG.mp3"',
    ]


def pace_line(songs: int, new: int, seconds: float) -> str:
    """Say how long a run will take."""
    of_them = f", {new:,} of them new" if new < songs else ""
    return f"{counted(songs, 'song')}{of_them}: {duration(seconds)}."


def duration(seconds: float) -> str:
    """Say about how long something takes."""
    minutes = round(seconds / 60)
    if minutes <= 1:
        return "about a minute"
    return f"about {minutes} minutes" if minutes < 100 else f"about {round(minutes / 60)} hours"


def closing_lines(root: Path, info: dict) -> list[str]:
    """Say how it went, where to look, and how to ask."""
    return [
        score_lines(info)[0],
        f"Open this page: {printable(root / FRONT)}",
        f'Ask about a song: {command("predict.py", root)} "SONG.mp3"',
    ]


def score_lines(info: dict) -> list[str]:
    """Say how good a model is on unseen songs."""
    scores, more = info["scores"], info["more_songs"]
    if scores["unseen_songs"] is None:
        return [f"How good the model is cannot be measured: that takes two artists with {MIN_SCORED} songs or more."]
    lines = [shipped_in_words(scores["as_shipped"])] if scores["as_shipped"] else []
    lines.append(
        f"Balanced accuracy on unseen songs: {with_interval(scores['unseen_songs'])}; chance level "
        f"{scores['chance']:.2f}."
    )
    if scores["unseen_albums"]:
        lines.append(f"On unseen albums: {with_interval(scores['unseen_albums'])}.")
    if more:
        lines.append(
            f"More songs would help: with {more['more']} more by {printable(more['artist'])}, about {more['then']:.2f} "
            f"of this artist's songs would be named rightly, not {more['now']:.2f}."
        )
    if info["no_cohort"]:
        lines.append(f"Unknown artists are told without music by others: {info['no_cohort']}.")
    return lines


def shipped_in_words(shipped: dict) -> str:
    """Say what users get, see `recogniser.as_shipped`."""
    known, others = shipped["known"], shipped["unknown"]
    sentence = (
        f"Of {counted(known['songs'], 'song')} held out of training {known['right']:.0%} were named rightly "
        f"({known['right_by_artist']:.0%} where every artist counts the same) and {known['wrong']:.0%} wrongly"
    )
    if known["either"]:
        sentence += f"; of {known['either']:.0%} two or three artists were named"
    if others and (known["unknown"] or others["refused"]):
        sentence += (
            f'; {known["unknown"]:.0%} were called "unknown artist?", and so were {others["refused"]:.0%} of songs by '
            "artists who were left out"
        )
    return f"{sentence}."


def answer_rows(predictions: pd.DataFrame, songs: pd.DataFrame) -> list[tuple[str, str, str, bool]]:
    """Return artist, title and answer of each song that was held out, and whether it names the artist alone."""
    names = _names(songs)
    named = (predictions["predicted"] == predictions["artist"]) & predictions["answer"].isin([SURE, PROBABLY, CLOSEST])
    return [
        (*names.get(song, ("", song)), prediction_in_words(row), named[song]) for song, row in predictions.iterrows()
    ]


def _names(songs: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Return artist and title of each song of songs.csv."""
    return {row.song: (row.artist, row.title) for row in songs.itertuples()}


def change_lines(before: pd.DataFrame, after: pd.DataFrame, songs: pd.DataFrame) -> list[str]:
    """Say which answers for held-out songs differ from those of the last run.

    Parameters
    ----------
    before, after : pd.DataFrame
        See `answer.read_predictions`.
    songs : pd.DataFrame
        Rows of songs.csv.
    """
    names = {song: f"{artist} - {title}" for song, (artist, title) in _names(songs).items()}
    both = before.index.intersection(after.index)
    if both.empty:
        return []
    answers = {song: [prediction_in_words(table.loc[song]) for table in (before, after)] for song in both}
    changed = [
        f"  {printable(names.get(song, song))}: {was}, now {now}" for song, (was, now) in answers.items() if was != now
    ]
    lines = [f"Since the last run, {len(changed)} of {counted(len(both), 'held-out answer')} changed."]
    more = [f"  … and {len(changed) - CHANGES:,} more"] * (len(changed) > CHANGES)
    return [*lines, *changed[:CHANGES], *more]
