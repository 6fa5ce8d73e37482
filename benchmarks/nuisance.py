"""Learn the directions in which features move when a file is made otherwise, and its music stays.

    python benchmarks/nuisance.py --library DIR --library DIR2                 # writes soundalike/nuisance.npz
    python benchmarks/nuisance.py --library DIR --out other.npz                # of one library, to measure with another

Of each library that the three scripts went through, 24 songs, evenly over its artists, are re-encoded, equalised and
compressed: an excerpt from the middle of each. The result is one array for all libraries; see
`soundalike.embedding`, and benchmarks/README.md for what it helps.
"""

import argparse
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from soundalike import embedding, pool, splits, terminal
from soundalike.audio import (
    CLIP_SAMPLES,
    FULL_SCALE,
    QUIET,
    SAMPLE_RATE,
    complaint,
    ffmpeg,
    input_arguments,
    is_silent,
    read_header,
)
from soundalike.features import clip_features
from soundalike.frame import read_library
from soundalike.library import atomic_write, songs_folder
from soundalike.messages import Reason, SongError, counted
from soundalike.song import FEATURES

SONGS = 24  # that are altered, evenly over the artists
SECONDS = 20  # of each
KEPT = 80  # directions
LIMIT = 120  # s that ffmpeg may take for one song; it takes about three
STACK = 16  # clips described at once


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
        raise SongError(Reason.COMPLAINT, complaint=f"re-encoding took longer than {LIMIT} s") from None
    if done.returncode:
        raise SongError(
            Reason.COMPLAINT,
            complaint=f"ffmpeg: {complaint(done.stderr.decode(errors='replace'), path) or 'it was stopped'}",
        )


def describe_clips(clips: np.ndarray) -> np.ndarray:
    """Describe clips [shape=(clips, CLIP_SAMPLES)] as step 2 does [shape=(clips, len(CLIP_COLUMNS)), dtype=float32]."""
    with threadpool_limits(1):
        return np.concatenate([clip_features(clips[n : n + STACK]) for n in range(0, len(clips), STACK)])


def describe_altered(song: tuple[str, float], *, songs: Path) -> dict[str, np.ndarray]:
    """Describe the excerpt of a song that starts there (s), as it is and altered; the arrays are of equal lengths."""
    path, start = songs / song[0], song[1]
    if not os.path.exists(path):  # which, unlike Path's, raises nothing where a disk is gone
        raise SongError(Reason.COMPLAINT, complaint="its file is gone")
    with tempfile.TemporaryDirectory() as folder:
        # The last clip, too, takes some samples more.
        made = {PLAIN: Alteration()} | ALTERATIONS
        clips = read_clips(write_altered(path, made, Path(folder), start=start, seconds=SECONDS + 0.2))
    count = min(map(len, clips.values()))  # encoders may lose the end
    loud = np.flatnonzero(~is_silent(clips[PLAIN][:count]))
    if len(loud) < embedding.SEGMENT_CLIPS:
        raise SongError(
            Reason.COMPLAINT, complaint=f"too little of its excerpt is not silent: {counted(len(loud), 'clip')}"
        )
    return {name: describe_clips(values[loud]) for name, values in clips.items()}


# --- what is learned -------------------------------------------------------------------------


def choose(library: pd.DataFrame) -> list[tuple[str, float]]:
    """Choose `SONGS` songs, evenly over artists, and where their excerpts start: in the middle (s)."""
    enough = library[library["seconds"] >= SECONDS].sort_values("hash")
    turn = enough.groupby("artist").cumcount()
    chosen = enough.loc[turn.sort_values(kind="stable").index][:SONGS]
    return list(zip(chosen["song"], (chosen["seconds"] - SECONDS) / 2, strict=True))


def find_shifts(described: dict[str, np.ndarray]) -> np.ndarray:
    """Find how far each alteration moves the segments of a song, on average [shape=(alterations, columns)]."""
    means = {name: embedding.feature_rows(clips).mean(axis=0) for name, clips in described.items()}
    return np.array([means[name] - means[PLAIN] for name in means if name != PLAIN])


def learn(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Learn from one library.

    Returns
    -------
    factors : np.ndarray [shape=(shifts, columns)]
        In units of ``scale``: the sum of their outer products is the mean outer product of shifts, each weighing as
        much as it is long; for to encode a file at 64 kbit/s moves it little if it has been before.
    scale : np.ndarray [shape=(columns,)]
        The standard deviations of the segments of the library.
    """
    library = read_library(root)
    describe = functools.partial(describe_altered, songs=songs_folder(root))
    shifts = []
    for _, outcome in pool.run(describe, choose(library), label="Re-encoding"):
        if isinstance(outcome, SongError):
            raise outcome
        shifts.append(find_shifts(outcome))
    songs, _ = splits.song_table(library)
    scale = embedding.read_segments(root, songs.index, [FEATURES]).rows[FEATURES].std(axis=0, dtype=np.float64)
    moved = np.divide(np.concatenate(shifts), scale, out=np.zeros((sum(map(len, shifts)), len(scale))), where=scale > 0)
    weight = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.sqrt(weight / weight.sum()) * moved, scale


def write(path: Path, learned: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Write what was learned from some libraries, each counting the same: the `KEPT` strongest directions."""
    factors = np.concatenate([own / np.sqrt(len(learned)) for own, _ in learned])
    scale = np.sqrt(np.mean([own**2 for _, own in learned], axis=0))
    _, lengths, directions = np.linalg.svd(factors, full_matrices=False)
    kept = (lengths[:, None] * directions)[:KEPT]
    print(f"{len(factors)} shifts; {kept.shape[0]} directions hold {(kept**2).sum() / (factors**2).sum():.1%} of them.")
    with atomic_write(path) as unfinished:
        np.savez_compressed(unfinished, factors=kept.astype(np.float16), scale=scale.astype(np.float32))


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Learn from each library, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=terminal.folder, action="append", required=True, metavar="DIR")
    parser.add_argument(
        "--out", type=terminal.output(".npz"), default=embedding.NUISANCE_FILE, metavar="FILE", help="written"
    )
    args = parser.parse_args(argv)
    write(args.out, [learn(root) for root in args.library])
    return terminal.ALL_GOOD


if __name__ == "__main__":
    sys.exit(main())
