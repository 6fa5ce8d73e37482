"""Published networks: which windows of a song each describes, and the tables of what it makes of them.

One table for each song and network, below ``networks/`` in the root: one row for each window.
"""

import argparse
import functools
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from soundalike import cli, parallel
from soundalike.audio.decoding import CLIP_SECONDS, FULL_SCALE, Decoder, is_silent
from soundalike.features import musicnn, voice
from soundalike.features.extraction import read_clip
from soundalike.features.song_tables import is_up_to_date, read_notes
from soundalike.features.weights import Package
from soundalike.library.catalogue import good_songs, read_record, songs_folder
from soundalike.library.errors import SongError, UserError
from soundalike.library.paths import clip_paths, suffixed, table_path
from soundalike.library.storage import atomic_write, hash_of, locked

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = "numbers"  # the column of tables that holds what a network makes of a window
BATCH = 8  # windows that a network looks at together


class Network(NamedTuple):
    """A published network."""

    package: Package  # that its weights come in
    columns: list[str]  # the numbers by which it describes a window
    clips: int  # in a window
    every: int  # clips from the start of one window to the next, unless another share of a song is asked for
    embed: Callable[[np.ndarray], np.ndarray]  # windows [shape=(windows, samples)] -> numbers
    aspect: str  # what songs that are alike by it have in common
    version: int  # raise it when a number would come out otherwise

    def spacing(self, share: float | None) -> int:
        """From the start of one window to the next, in clips, for windows to be this share of a song."""
        return self.every if share is None else max(self.clips, round(self.clips / share))

    @property
    def made_by(self) -> str:
        """By what its numbers are known."""
        return f"{self.package.name} {self.package.version}, {self.version}"


MUSICNN, VOICE = "musicnn", "voice"
NETWORKS = {
    MUSICNN: Network(musicnn.PACKAGE, musicnn.COLUMNS, 1, 4, musicnn.embed, "style", 1),
    VOICE: Network(voice.PACKAGE, voice.COLUMNS, 3, 8, voice.embed, "lead sound", 2),
}


def named(asked: str | None) -> list[str]:
    """List the networks that an option names; by default both."""
    return {"none": [], "both": list(NETWORKS)}.get(asked or "both", [str(asked)])


def choose(asked: str | None) -> list[str]:
    """Choose the networks to use.

    Parameters
    ----------
    asked : {"none", "both"} or str, optional
        Or the name of one; by default those whose weights are here, and it is said which are not.

    Raises
    ------
    UserError
        If one that was asked for has no weights here.
    """
    chosen: list[str] = []
    for name in named(asked):
        try:
            NETWORKS[name].package.find()
            chosen.append(name)
        except UserError as error:
            if asked is not None:
                raise
            print(f"Going on without {name}. {error}")
    return chosen


def column_lines() -> list[str]:
    """Return a line for every kind of column: name and meaning."""
    meanings = {
        "musicnn_mtt_mean_001": "music: means of its layers (753 of mtt, MagnaTagATune; 753 of msd, Million Song)",
        "musicnn_mtt_guitar": "music: probability that it would tag the window so (50 tags of each)",
        "voice_001": "voice: CAM++ distinguishes speakers by these (192)",
    }
    return [
        "Of windows, in tables beside these, what the published networks make of them:",
        *(f"{name:22}  {meaning}" for name, meaning in meanings.items()),
    ]


# --- one song --------------------------------------------------------------------------------


class _Collector:
    """The windows of a song while its clips pass, and what a network makes of them."""

    def __init__(self, network: Network, every: int) -> None:
        self.network, self.every, self.first = network, every, 0
        self.window: list[np.ndarray] = []
        self.batch: list[np.ndarray] = []
        self.firsts: list[int] = []
        self.rows = [np.empty((0, len(network.columns)), np.float32)]

    def add(self, number: int, clip: np.ndarray) -> None:
        """Take a clip, or leave it."""
        if number % self.every == 0:
            self.first = number
        if number - self.first < self.network.clips:
            self.window.append(clip)
        if len(self.window) == self.network.clips:
            self._close()

    def _close(self) -> None:
        if not is_silent(np.stack(self.window)).all():
            self.batch.append(np.concatenate(self.window))
            self.firsts.append(self.first)
        self.window = []
        if len(self.batch) == BATCH:
            self._embed()

    def _embed(self) -> None:
        with threadpool_limits(1):
            self.rows.append(self.network.embed(np.stack(self.batch)))
        self.batch = []

    def table(self) -> pa.Table:
        """Return what the network makes of the windows. The rest at the end is a window only if there is no other."""
        if self.window and not self.firsts:
            self._close()
        if self.batch:
            self._embed()
        return _table(np.array(self.firsts, np.int64), np.concatenate(self.rows))


def _table(first: np.ndarray, numbers: np.ndarray) -> pa.Table:
    """Put the first clips of windows, and what a network makes of these, into a table."""
    # One column of lists: a thousand columns of a few rows take seconds to read and write.
    lists = pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel(), pa.float32()), numbers.shape[1])
    return pa.table({"clip": first, "start": first * float(CLIP_SECONDS), NUMBERS: lists})


def numbers_of(windows: "pd.DataFrame") -> np.ndarray:
    """Take what a network makes of some windows, at least one, from their table [shape=(windows, columns)]."""
    return np.stack(windows[NUMBERS].to_list())


def describe_windows(spacings: dict[str, int], clips: Iterable[np.ndarray]) -> dict[str, pa.Table]:
    """Let networks describe the windows of a song.

    Parameters
    ----------
    spacings : dict of str to int
        For each of some `NETWORKS`, from the start of one window to the next, in clips.
    clips : iterable of np.ndarray [shape=(CLIP_SAMPLES,), dtype=float32]
        All clips of the song, in order.

    Returns
    -------
    dict of str to pa.Table
        For each network ``clip`` (the first of each window), ``start`` (s) and ``numbers``, a list in the order of the
        network's columns. A song that is shorter than a window is one; silent windows are passed over.
    """
    collectors = Collectors(spacings)
    deque(collectors.pass_on(clips), maxlen=0)
    return collectors.tables()


class Collectors:
    """The windows of a song for several networks, collected while its clips pass, see `describe_windows`."""

    def __init__(self, spacings: dict[str, int]) -> None:
        self.collectors = {name: _Collector(NETWORKS[name], every) for name, every in spacings.items()}

    def pass_on(self, clips: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass the clips of the song on, in order."""
        for number, clip in enumerate(clips):
            for collector in self.collectors.values():
                collector.add(number, clip)
            yield clip

    def tables(self) -> dict[str, pa.Table]:
        """Return what each network makes of the song, once all clips have passed."""
        return {name: collector.table() for name, collector in self.collectors.items()}


def clips_of_file(path: Path, max_hours: float = cli.MAX_HOURS, *, digest: str | None = None) -> Iterator[np.ndarray]:
    """Decode a file to clips [shape=(CLIP_SAMPLES,), dtype=float32].

    Raises
    ------
    SongError
        See `Decoder`; or, once all are through, if they have another hash.
    """
    decoder = Decoder(path, max_hours)
    yield from (clip / np.float32(FULL_SCALE) for clip in decoder)
    if digest not in (None, decoder.record["hash"]):
        raise SongError("its file has changed; run mp3_split.py, or --from-songs, again")


# --- tables ----------------------------------------------------------------------------------


def network_path(root: Path, name: str, song: str) -> Path:
    """Return the table of what a network makes of a song."""
    return root / "networks" / name / suffixed(song, ".parquet")


def origin(name: str, samples_hash: str) -> str:
    """Hash what a table is made from: the hash of a song's samples, and the network."""
    return hash_of([samples_hash, NETWORKS[name].made_by])


def noted_spacing(root: Path, name: str, song: str, samples_hash: str) -> int:
    """From the start of one window to the next, in the table that there is of these samples; 0 without one."""
    notes = read_notes(network_path(root, name, song))
    return int(notes.get("every", 0)) if notes.get("made_by") == origin(name, samples_hash) else 0


def _has_table(root: Path, name: str, song: str, samples_hash: str, every: int) -> bool:
    """Whether there is a table of these samples that holds the windows of this spacing, and maybe others."""
    noted = noted_spacing(root, name, song, samples_hash)
    return noted > 0 and every % noted == 0


def write_network_table(root: Path, name: str, song: str, table: pa.Table, samples_hash: str, every: int) -> None:
    """Write what a network makes of a song, and with it what it was made from and how."""
    notes = {"made_by": origin(name, samples_hash), "every": str(every)}
    with atomic_write(network_path(root, name, song), room=root / "networks") as path:
        pq.write_table(table.replace_schema_metadata(notes), path, use_dictionary=False, write_statistics=False)


def _earlier_table(root: Path, song: str, samples_hash: str, every: int) -> pa.Table | None:
    """Take what version 1 had musicnn make of every clip, from the song's table of features."""
    notes = read_notes(table_path(root, song))
    if notes.get("embeddings") != f"musicnn {musicnn.PACKAGE.version}, 1" or not is_up_to_date(notes, samples_hash):
        return None
    try:
        table = pq.read_table(table_path(root, song), columns=["clip", "silent", *musicnn.COLUMNS], use_threads=False)
    except (OSError, ValueError, pa.ArrowException):
        return None
    first = table["clip"].to_numpy()
    taken = (first % every == 0) & ~table["silent"].to_numpy()
    numbers = np.column_stack([table[name].to_numpy() for name in musicnn.COLUMNS])
    return _table(first[taken], numbers[taken])


# --- all songs -------------------------------------------------------------------------------


def describe_song(
    asked: tuple[str, str],
    *,
    root: Path,
    songs: Path,
    names: list[str],
    share: float | None,
    max_hours: float = cli.MAX_HOURS,
) -> int:
    """Write the tables that a song has not; returns how many windows were described.

    Parameters
    ----------
    asked : (str, str)
        The song, and the hash of its samples.
    root, songs : Path
        Of the library, and of the music.
    names : list of str
        Of `NETWORKS`.
    share : float, optional
        See `Network.spacing`.
    """
    song, digest = asked
    spacings = {name: NETWORKS[name].spacing(share) for name in names}
    missing = {name: every for name, every in spacings.items() if not _has_table(root, name, song, digest, every)}
    tables = {}
    if MUSICNN in missing and (earlier := _earlier_table(root, song, digest, missing[MUSICNN])):
        tables[MUSICNN] = earlier
    record, paths = read_record(root, song) or {}, clip_paths(root, song)
    whole = record.get("hash") == digest and record.get("clips") == len(paths)
    clips = map(read_clip, paths) if whole else clips_of_file(songs / song, max_hours, digest=digest)
    try:
        if left := {name: every for name, every in missing.items() if name not in tables}:
            tables |= describe_windows(left, clips)
    except UserError as error:
        raise UserError(f"On {socket.gethostname()}: {error}") from None
    for name, table in tables.items():
        write_network_table(root, name, song, table, digest, spacings[name])
    return sum(map(len, tables.values()))


class Embedded(NamedTuple):
    """The outcome for the songs that networks were to describe."""

    songs: int  # described by this run
    windows: int
    failed: dict[str, str]  # songs, and why


def describe_songs(args: argparse.Namespace, names: list[str], share: float | None = None) -> Embedded:
    """Write the tables of all good songs that have none, or one that is out of date.

    Parameters
    ----------
    args : argparse.Namespace
        See `cli.add_worker_arguments`.
    names : list of str
        Of `NETWORKS`; their weights are here.
    share : float, optional
        See `Network.spacing`.
    """
    root, good = args.library, good_songs(args.library)
    failed, count, done = {}, 0, 0
    with locked(root):
        pending = [
            (song, digest)
            for song, digest in zip(good["song"], good["hash"], strict=True)
            if not all(_has_table(root, name, song, digest, NETWORKS[name].spacing(share)) for name in names)
        ]
        work = functools.partial(
            describe_song, root=root, songs=songs_folder(root), names=names, share=share, max_hours=args.max_hours
        )
        for (song, _), outcome in parallel.run(
            work, pending, label="Networks", jobs=args.jobs, scheduler=args.scheduler
        ):
            if isinstance(outcome, SongError):
                failed[song] = str(outcome)
            else:
                done, count = done + 1, count + outcome
    return Embedded(done, count, failed)


def print_embedded(embedded: Embedded, names: list[str]) -> None:
    """Print how many songs networks described, see `describe_songs`."""
    if not names:
        return
    print(
        f"Songs described now by {' and '.join(names)}: {embedded.songs:,} ({cli.counted(embedded.windows, 'window')})."
    )
    cli.print_left_out(embedded.failed, "Not described by them")
