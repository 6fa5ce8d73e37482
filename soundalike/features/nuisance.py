"""Excerpts of some songs, encoded and mastered otherwise: features change, and the music stays.

Models should not use what these differences consist of; `soundalike.dataset.invariance` shrinks it. The excerpts lie
in a temporary folder; what is kept of them is one table, ``altered.parquet`` in the root.
"""

import argparse
import functools
import math
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from soundalike import cli, parallel
from soundalike.audio.decoding import (
    CLIP_SAMPLES,
    CLIP_SECONDS,
    FULL_SCALE,
    QUIET,
    SAMPLE_RATE,
    complaint,
    ffmpeg,
    input_arguments,
    is_silent,
    read_header,
)
from soundalike.features.extraction import clip_features, stack_clips
from soundalike.features.table import CLIP_COLUMNS, FEATURE_SETTINGS
from soundalike.library.catalogue import good_songs, songs_folder
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import table_path
from soundalike.library.storage import atomic_write, hash_of, locked

if TYPE_CHECKING:  # worker processes do without it
    import pandas as pd

SONGS = 24  # that are altered, evenly over the artists
FEWEST = 8  # good songs; of fewer, too little could be learned
TABLE = "altered.parquet"
LABELS = ["song", "hash", "alteration"]
TYPES = dict.fromkeys(CLIP_COLUMNS, np.float32)  # the types of the other columns
SECONDS = 20  # of each song
SHORTEST = 4  # clips that are not silent: as many as a segment has
LIMIT = 120  # s that ffmpeg may take for one song; it takes about three


class Alteration(NamedTuple):
    """One way to make another file of the same music: an encoder, or a filter of ffmpeg's on samples."""

    suffix: str = ".s16"  # samples as clips have them
    encoder: str = "pcm_s16le"
    options: tuple[str, ...] = ("-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE))
    sound: str = ""


PLAIN = "as it is"
ALTERATIONS = {
    "MP3, 64 kbit/s": Alteration(".mp3", "libmp3lame", ("-b:a", "64k")),
    "MP3, 96 kbit/s": Alteration(".mp3", "libmp3lame", ("-b:a", "96k")),
    "Opus, 64 kbit/s": Alteration(".opus", "libopus", ("-b:a", "64k")),
    "6 dB softer": Alteration(sound="volume=-6dB"),
    "brighter": Alteration(sound="volume=-3dB,bass=g=-3:f=300,treble=g=3:f=3000"),
    "darker": Alteration(sound="volume=-3dB,bass=g=3:f=300,treble=g=-3:f=3000"),
    "compressed": Alteration(sound="acompressor=threshold=-24dB:ratio=4:makeup=9dB,alimiter=limit=0.9"),
    "low-pass 9 kHz": Alteration(sound="lowpass=f=9000"),
}
MADE_BY = hash_of([SECONDS, ALTERATIONS, FEATURE_SETTINGS])  # changes when tables have to be made again


# --- one song --------------------------------------------------------------------------------


def write_altered(
    path: Path, alterations: dict[str, Alteration], folder: Path, *, start: float = 0, seconds: float | None = None
) -> dict[str, Path]:
    """Write a song, or an excerpt of it, altered in several ways.

    Parameters
    ----------
    path : Path
        An audio file.
    alterations : dict of str to Alteration
        That this ffmpeg has the encoders for.
    folder : Path
        Where the files are written.
    start, seconds : float
        Of the excerpt; by default all of the song.

    Returns
    -------
    dict of str to Path
        The files, by the names of the alterations.

    Raises
    ------
    SongError
        If ffmpeg fails.
    """
    cut = [*("-ss", f"{start:.3f}"), *([] if seconds is None else ["-t", str(seconds)])]
    # Filters need a sample rate of twice their frequency, and not all encoders take more than two channels.
    surround = (read_header(path)["channels"] or 2) > 2
    first = "aresample=44100,aformat=channel_layouts=stereo" if surround else "aresample=44100"
    command, files = input_arguments(path, cut), {}
    for n, (name, made) in enumerate(alterations.items()):
        files[name] = folder / f"{n}{made.suffix}"
        sound = ",".join(filter(None, [first, made.sound]))
        command += ["-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1", "-af", sound]
        command += ["-c:a", made.encoder, *made.options, str(files[name])]
    _run_ffmpeg(command, path)
    return files


def read_clips(files: dict[str, Path]) -> dict[str, np.ndarray]:
    """Read the clips of altered songs: samples between -1 and 1 [shape=(clips, CLIP_SAMPLES), dtype=float32]."""
    plain = Alteration()
    encoded = [path for path in files.values() if path.suffix != plain.suffix]
    command = [part for path in encoded for part in input_arguments(path)]
    for n, path in enumerate(encoded):
        command += ["-map", f"{n}:a:0", *plain.options, str(path.with_suffix(plain.suffix))]
    if encoded:
        _run_ffmpeg(command, encoded[0])
    samples = {name: np.fromfile(path.with_suffix(plain.suffix), "<i2") for name, path in files.items()}
    whole = {name: values[: len(values) // CLIP_SAMPLES * CLIP_SAMPLES] for name, values in samples.items()}
    return {name: values.reshape(-1, CLIP_SAMPLES) / np.float32(FULL_SCALE) for name, values in whole.items()}


def _run_ffmpeg(arguments: list[str], path: Path) -> None:
    """Run ffmpeg on a file, and say what it says if it fails."""
    try:
        done = subprocess.run(
            [ffmpeg(), *QUIET, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise SongError(f"re-encoding took longer than {LIMIT} s") from None
    if done.returncode:
        raise SongError(f"ffmpeg: {complaint(done.stderr.decode(errors='replace'), path) or 'it was stopped'}")


def describe_clips(clips: np.ndarray) -> np.ndarray:
    """Describe clips [shape=(clips, CLIP_SAMPLES)] as step 2 does [shape=(clips, len(CLIP_COLUMNS)), dtype=float32]."""
    with threadpool_limits(1):
        return np.concatenate([clip_features(stack) for stack in stack_clips(clips)])


def describe_altered(song: tuple[str, float], *, songs: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Describe the excerpt of a song that starts there (s), as it is and altered; the arrays are of equal lengths."""
    path, start = songs / song[0], song[1]
    if not os.path.exists(path):  # which, unlike Path's, raises nothing where a disk is gone
        raise SongError("its file is gone")
    alterations = {PLAIN: Alteration()} | {name: ALTERATIONS[name] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        clips = read_clips(
            write_altered(path, alterations, Path(folder), start=start, seconds=SECONDS + 0.2)
        )  # the last clip, too
    count = min(map(len, clips.values()))  # encoders may lose the end
    loud = np.flatnonzero(~is_silent(clips[PLAIN][:count]))
    if len(loud) < SHORTEST:
        raise SongError(f"too little of its excerpt is not silent: {cli.counted(len(loud), 'clip')}")
    return {name: describe_clips(values[loud]) for name, values in clips.items()}


def join_clips(found: dict[str, np.ndarray], **labels: str) -> "pd.DataFrame":
    """Join the features of a song's clips under each alteration to one table, with the labels of that song."""
    import pandas as pd

    tables = [pd.DataFrame(values, columns=CLIP_COLUMNS).assign(alteration=name) for name, values in found.items()]
    return pd.concat(tables, ignore_index=True).assign(**labels)


# --- all songs -------------------------------------------------------------------------------


def choose(good: "pd.DataFrame", known: set[str], root: Path) -> dict[str, float]:
    """Choose `SONGS` songs to alter, and where their excerpts start: those that were before, then evenly over artists.

    Parameters
    ----------
    good : pd.DataFrame
        Rows of songs.csv.
    known : set of str
        Songs that were altered before.
    root : Path
        Of the library.

    Returns
    -------
    dict of str to float
        The starts, in seconds.
    """
    usable = good[good["clips"] - good["silent_clips"] >= SHORTEST]
    if len(usable) < FEWEST:
        return {}
    usable = usable.assign(new=~usable["song"].isin(known)).sort_values(["new", "hash"])
    usable["turn"] = usable.groupby("artist").cumcount()
    chosen: dict[str, float] = {}
    for _, song in usable.sort_values(["new", "turn", "hash"], kind="stable").iterrows():
        if not math.isnan(start := find_excerpt(song, root)):
            chosen[song["song"]] = start
        if len(chosen) == SONGS:
            break
    return chosen


def find_excerpt(song: "pd.Series", root: Path) -> float:
    """Find where the excerpt of a song starts: in its middle, or nearest to it where most is not silent.

    Parameters
    ----------
    song : pd.Series
        A row of songs.csv.
    root : Path
        Of the library.

    Returns
    -------
    float
        In seconds; NaN where fewer than `SHORTEST` clips in a row of so many seconds are not silent.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    middle = max(0.0, (song["seconds"] - SECONDS) / 2)
    if not song["silent_clips"]:
        return middle
    try:
        silent = pq.read_table(table_path(root, song["song"]), columns=["silent"])["silent"].to_numpy()
    except (OSError, pa.ArrowException):  # it was not described, or its table is damaged
        return math.nan
    loud = np.convolve(~silent, np.ones(min(SECONDS // CLIP_SECONDS, len(silent))), "valid")
    starts = CLIP_SECONDS * np.flatnonzero(loud == loud.max())
    return float(starts[np.abs(starts - middle).argmin()]) if loud.max() >= SHORTEST else math.nan


def encoders() -> set[str]:
    """Ask ffmpeg which encoders it has.

    Raises
    ------
    UserError
        If it does not answer.
    """
    asked = subprocess.run([ffmpeg(), *QUIET, "-encoders"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if asked.returncode:
        raise UserError(f"{printable(ffmpeg())} does not say which encoders it has. Install ffmpeg again.")
    return {line.split()[1] for line in asked.stdout.decode(errors="replace").splitlines() if len(line.split()) > 1}


def altered_hash(root: Path) -> str:
    """Read what the table of altered songs was made of; empty if it is missing, damaged or was made otherwise."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        notes = pq.read_metadata(root / TABLE).metadata or {}
    except (OSError, pa.ArrowException):
        return ""
    return notes.get(b"songs", b"").decode() if notes.get(b"settings", b"").decode() == MADE_BY else ""


def read_altered(root: Path) -> "pd.DataFrame":
    """Read the altered songs of a library.

    Returns
    -------
    pd.DataFrame
        ``song``, ``hash`` (of its sound), ``alteration`` (`PLAIN` or one of `ALTERATIONS`) and `CLIP_COLUMNS`; one row
        for each clip, the same clips of a song in the same order for each alteration. Empty if there is no such table,
        or one that is damaged or was made with other settings.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        if altered_hash(root):
            return pd.read_parquet(root / TABLE)
    except (OSError, pa.ArrowException):
        pass
    return pd.DataFrame(columns=[*LABELS, *CLIP_COLUMNS]).astype(TYPES)


def write_altered_table(root: Path, altered: "pd.DataFrame") -> None:
    """Write the table of altered songs, with what it was made of."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    notes = {"settings": MADE_BY, "songs": hash_of(altered[LABELS].drop_duplicates().to_numpy().tolist())}
    table = pa.Table.from_pandas(altered, preserve_index=False)
    with atomic_write(root / TABLE) as path:
        pq.write_table(table.replace_schema_metadata(notes), path)


class Altered(NamedTuple):
    """The outcome of altering songs."""

    songs: int  # that are in the table now
    failed: dict[str, str]  # songs that could not be altered, and why
    missing: list[str]  # alterations that this ffmpeg has no encoder for


def alter_songs(args: argparse.Namespace) -> Altered:
    """Alter and describe some songs of a library, if they have not been.

    Parameters
    ----------
    args : argparse.Namespace
        See `cli.add_worker_arguments`.
    """
    import pandas as pd

    root, good = args.library, good_songs(args.library)
    hashes = good.set_index("song")["hash"]
    with locked(root):
        there = encoders()
        names = [name for name, made in ALTERATIONS.items() if made.encoder in there]
        before = read_altered(root)
        earlier = before[before["hash"] == before["song"].map(hashes)]
        alterations = earlier.groupby("song")["alteration"].nunique() - 1  # one is none
        chosen = choose(good, set(alterations.index), root)
        pending = [song for song in chosen if alterations.get(song, 0) < len(names)]
        describe = functools.partial(describe_altered, songs=songs_folder(root), names=names)
        done: dict[str, pd.DataFrame] = {}
        failed = {}
        for (song, _), outcome in parallel.run(
            describe,
            [(song, chosen[song]) for song in pending],
            label="Re-encoding",
            jobs=args.jobs,
            scheduler=args.scheduler,
        ):
            if isinstance(outcome, SongError):
                failed[song] = str(outcome)
                continue
            done[song] = join_clips(outcome, song=song, hash=hashes[song])
        rows = [earlier[earlier["song"].isin(chosen) & ~earlier["song"].isin(done)], *done.values()]
        altered = pd.concat(rows, ignore_index=True)[[*LABELS, *CLIP_COLUMNS]].astype(TYPES)
        altered = altered.sort_values("song", kind="stable", ignore_index=True)
        if done or len(altered) < len(before):
            write_altered_table(root, altered)
    return Altered(altered["song"].nunique(), failed, [name for name in ALTERATIONS if name not in names])


def print_altered(altered: Altered) -> None:
    """Print how many songs were altered, see `alter_songs`."""
    if altered.missing:
        print(f"This ffmpeg cannot write {', '.join(altered.missing)}; models may use what that changes.")
    if altered.failed:
        song, reason = min(altered.failed.items())
        count = cli.counted(len(altered.failed), "song")
        print(f"Could not be re-encoded: {count} ({printable(song)}: {printable(reason)}).")
    if altered.songs:
        print(f"Also described re-encoded, equalised and compressed: {cli.counted(altered.songs, 'song')}.")
    else:
        few = "" if altered.failed else f" (that takes {FEWEST} songs of {SHORTEST * CLIP_SECONDS} s or more)"
        print(f"No song was re-encoded{few}: answers may depend on how the files were made.")
