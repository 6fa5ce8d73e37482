"""A song is one table: all that is known of it, computed in one pass over its samples and kept in one Parquet file.

``features/<path>.parquet`` has a row for each clip: ``clip``, ``start`` (s), ``silent``, ``features`` (a list in the
order of `features.COLUMNS`), a column of lists for each network, under its name: the embedding of the window that
starts with this clip, null where none does; and ``vocals``, how probable each of `vocals.COLUMNS` is. Lists, because a
table of five hundred columns and a hundred rows is mostly names. The notes say what each column was made from (see
`library.fresh`), so that a new network is one column more.
"""

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from soundalike.audio import CLIP_SECONDS, FULL_SCALE, Clips, Decoder, file_keys, is_of_file, is_silent
from soundalike.features import COLUMNS, MADE_BY, SONG_FEATURES, clip_features
from soundalike.features.spectra import Spectra, WholeSong
from soundalike.library import GOOD, atomic_write, fresh, made_from, read_notes, record_of, table_path
from soundalike.messages import Problem, Reason, SongError, UserError
from soundalike.networks import NETWORKS, Network, column_made_by
from soundalike.networks.vocals import COLUMNS as VOCAL_COLUMNS
from soundalike.networks.vocals import VOCALS, vocal_probabilities

KEYS = ["clip", "start", "silent"]  # columns that all tables have
FEATURES = "features"  # the column of the feature table, beside those of networks
STACK = 16  # clips whose features are computed together; more do not fit a processor's cache
BATCH = 8  # windows that a network embeds together
READERS = os.cpu_count() or 1  # threads that read tables


class Song(NamedTuple):
    """All that is known of a song."""

    record: dict  # see `audio.Decoder`
    table: pa.Table  # see the module; of the columns of lists, those that were asked for
    sound: np.ndarray | None = None  # its clips [shape=(clips, CLIP_SAMPLES), dtype=int16], if they were kept

    @property
    def start(self) -> np.ndarray:
        """Seconds [shape=(clips,)]."""
        return self.table["start"].to_numpy()

    @property
    def loud(self) -> np.ndarray:
        """Whether clips are not silent [shape=(clips,), dtype=bool]."""
        return ~self.table["silent"].to_numpy()

    @property
    def features(self) -> np.ndarray:
        """Features of each clip [shape=(clips, len(COLUMNS)), dtype=float32]."""
        return _rows(self.table[FEATURES], len(COLUMNS))

    @property
    def vocals(self) -> np.ndarray:
        """How probable each of `vocals.COLUMNS` is in each clip [shape=(clips, 2)]; NaN if not searched for."""
        if VOCALS not in self.table.column_names:
            return np.full((len(self.table), len(VOCAL_COLUMNS)), np.float32(np.nan))
        return _rows(self.table[VOCALS], len(VOCAL_COLUMNS))

    @property
    def singing(self) -> np.ndarray:
        """How probable it is that somebody sings in each clip [shape=(clips,)], see `vocals`."""
        return self.vocals[:, VOCAL_COLUMNS.index("singing")]

    def embeddings(self, network: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the middles of a network's windows (s) [shape=(windows,)], and its embeddings of them.

        They are none where the network was not asked, or all windows are silent.
        """
        width, length = NETWORKS[network].dims, NETWORKS[network].clips * CLIP_SECONDS
        if network not in self.table.column_names:
            return np.empty(0), np.empty((0, width), np.float32)
        column = self.table[network]
        return self.start[column.is_valid().to_numpy()] + length / 2, _rows(column, width)


def _rows(lists: pa.ChunkedArray, width: int) -> np.ndarray:
    """Values of a column of lists, without null ones [shape=(lists, width)]."""
    return lists.combine_chunks().flatten().to_numpy().reshape(-1, width)


Sound = Decoder | Clips  # a song that is read: in its file, or as it was cut


def analyse(sound: Sound, spacings: Mapping[str, int], *, features: bool = True, keep_sound: bool = False) -> Song:
    """Find out all that is to be known of a song, in one pass over its samples; memory does not grow with it.

    Parameters
    ----------
    sound : Sound
        The song.
    spacings : dict of str to int
        The networks that embed its windows, and clips from the start of one window to the next; `VOCALS`, if that is
        to be found. Silent windows are passed over; of a song that is shorter than a window, all of it is one.
    features : bool
        Whether features are computed.
    keep_sound : bool
        Whether its samples are kept, for a picture.

    Raises
    ------
    SongError
        See `Decoder` and `Clips`.
    UserError
        If the weights of a network are not there.
    """
    silent: list[np.ndarray] = []
    vocals: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    whole, clips = WholeSong(), iter(sound)
    embedders = {name: _Embedder(NETWORKS[name], every) for name, every in spacings.items() if name in NETWORKS}
    # On one thread, as in the workers: how sums are shared out among threads changes their last digits.
    with threadpool_limits(1):
        while stack := list(islice(clips, STACK)):
            y = np.stack(stack) / np.float32(FULL_SCALE)
            silent.append(is_silent(y))
            if features:
                spectra = Spectra(y)
                rows.append(clip_features(spectra))
                whole.add(spectra)
            for embedder in embedders.values():
                embedder.add(y)
            if VOCALS in spacings:
                vocals.append(vocal_probabilities(y))
            kept += stack if keep_sound else []
        count = sum(map(len, silent))
        clip = np.arange(count)
        columns = {
            "clip": clip,
            "start": clip * float(CLIP_SECONDS),
            "silent": np.concatenate([*silent, np.empty(0, bool)]),
        }
        if features and count:
            of_song = np.array([feature.compute(whole) for feature in SONG_FEATURES.values()], np.float32)
            columns[FEATURES] = list_column(
                np.hstack([np.concatenate(rows), np.tile(of_song, (count, 1))]), clip, count
            )
        for name, embedder in embedders.items():
            columns[name] = list_column(*embedder.finish(), count)
        if VOCALS in spacings:
            columns[VOCALS] = list_column(np.concatenate([*vocals, np.empty((0, len(VOCAL_COLUMNS)))]), clip, count)
    return Song(sound.record, pa.table(columns), np.stack(kept) if kept else None)


class _Embedder:
    """Embeds the windows of a song by one network while its clips pass, some windows at a time."""

    def __init__(self, network: Network, every: int) -> None:
        self.network, self.every, self.clips = network, every, 0
        self.recent: deque[np.ndarray] = deque(maxlen=network.clips)
        self.starts: list[int] = []  # the first clips of the windows that are not silent
        self.waiting: list[np.ndarray] = []
        self.embeddings = [np.empty((0, network.dims), np.float32)]

    def add(self, y: np.ndarray) -> None:
        """Take the next clips [shape=(clips, CLIP_SAMPLES)]."""
        for clip in y:
            self.recent.append(clip)
            self.clips += 1
            start = self.clips - self.network.clips
            if start >= 0 and start % self.every == 0:
                self._take_window(start)
            if len(self.waiting) == BATCH:
                self._embed()

    def _take_window(self, start: int) -> None:
        if not is_silent(np.stack(self.recent)).all():
            self.starts.append(start)
            self.waiting.append(np.concatenate(self.recent))

    def _embed(self) -> None:
        self.embeddings.append(self.network.embed(np.stack(self.waiting)))
        self.waiting = []

    def finish(self) -> tuple[np.ndarray, list[int]]:
        """Return all embeddings, and the first clips of their windows."""
        if 0 < self.clips < self.network.clips:
            self._take_window(0)
        if self.waiting:
            self._embed()
        return np.concatenate(self.embeddings), self.starts


def list_column(values: np.ndarray, places: Iterable[int], count: int) -> pa.ListArray:
    """Make a column of lists: one row of values for each of these places, null for the others."""
    filled = np.zeros(count, bool)
    filled[list(places)] = True
    offsets = np.concatenate([[0], np.cumsum(filled) * values.shape[1]]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel(), pa.float32()), mask=pa.array(~filled))


def decode(path: str | Path, spacings: Mapping[str, int], *, keep_sound: bool = False) -> Song:
    """Analyse a file that may be in no library, see `analyse`.

    Raises
    ------
    SongError
        If it is no usable song.
    """
    if not os.path.exists(path):  # which, unlike Path's, raises nothing
        raise SongError(Reason.NO_FILE)
    song = analyse(Decoder(Path(path)), spacings, keep_sound=keep_sound)
    if song.record["status"] not in GOOD:
        raise SongError(Reason.AS_RECORDED, status=song.record["status"], reason=song.record["reason"])
    return song


# --- on disk ---------------------------------------------------------------------------------


def missing_columns(notes: dict, digest: str, spacings: Mapping[str, int]) -> list[str]:
    """List the columns of lists that a song's table lacks, or that other samples or other code made.

    Parameters
    ----------
    notes : dict
        Of the table, see `library.read_notes`.
    digest : str
        The hash of the song's samples.
    spacings : dict of str to int
        See `analyse`.
    """
    return [name for name, made_by in columns_made_by(spacings).items() if not fresh(notes, digest, made_by, part=name)]


def columns_made_by(spacings: Mapping[str, int]) -> dict[str, list]:
    """Return by what each column of lists is made, beside the samples."""
    return {FEATURES: MADE_BY} | {name: column_made_by(name, every) for name, every in spacings.items()}


def known_description(song: str, *, songs: Path, root: Path, spacings: Mapping[str, int]) -> dict | None:
    """Return the record of a song whose table is up to date with its file, or None; see `describe_file`."""
    notes = read_notes(table_path(root, song))
    record = record_of(notes)
    if not record or not is_of_file(notes, songs / song) or missing_columns(notes, record["hash"], spacings):
        return None
    return record


def describe_clips(song: str, *, root: Path, spacings: Mapping[str, int]) -> dict:
    """Bring the table of a song that was cut up to date: only what `missing_columns` lists is computed.

    Parameters
    ----------
    song : str
        The song.
    root : Path
        Of the library.
    spacings : dict of str to int
        See `analyse`.

    Returns
    -------
    dict
        Its record.

    Raises
    ------
    SongError
        If clips are missing or damaged.
    """
    clips = Clips(song, root)
    return _update(song, clips, clips.record, clips.keys, spacings, root)


def describe_file(
    song: str, *, songs: Path, root: Path, spacings: Mapping[str, int], max_hours: float, wanted: str = ""
) -> dict:
    """Bring the table of a song up to date straight from its file, see `describe_clips`; returns its record.

    Silent, too short and rejected songs have no table, so nothing of them is kept: they are decoded again next time.

    Parameters
    ----------
    song, songs, root, spacings
        See `describe_clips`; the folder of songs.
    max_hours : float
        Longer songs are refused.
    wanted : str
        The hash that its samples must have, if one is known.

    Raises
    ------
    SongError
        See `audio.Decoder`; or if its samples have another hash.
    """
    file, notes = songs / song, read_notes(table_path(root, song))
    keys, known = file_keys(file), record_of(notes) if is_of_file(notes, file, "content") else {}
    return _update(song, Decoder(file, max_hours), known, keys, spacings, root, wanted)


def _update(
    song: str,
    sound: Sound,
    known: dict,
    keys: dict[str, str],
    spacings: Mapping[str, int],
    root: Path,
    wanted: str = "",
) -> dict:
    """Analyse what is missing, and write it beside what stays of the table; returns the song's record.

    Parameters
    ----------
    song, sound, root
        The song.
    known : dict
        Its record, if that is known before it is decoded.
    keys : dict of str to str
        Of its file, see `audio.file_keys`.
    spacings : dict of str to int
        See `analyse`.
    """
    path, columns = table_path(root, song), {}  # type: Path, dict[str, pa.Array]
    notes: dict = {"made_from": {}, "spacings": {}, "record": {}}
    with contextlib.suppress(SongError):  # there is no table, or it is damaged: then all is missing
        old = read_table(song, root).table
        columns, notes = dict(zip(old.column_names, old.columns, strict=True)), read_notes(path)
    record, missing = known, missing_columns(notes, known.get("hash", ""), spacings)
    if missing:
        wanted_networks = {name: every for name, every in spacings.items() if name in missing}
        record, table, _ = analyse(sound, wanted_networks, features=FEATURES in missing)
        if known and record["hash"] != known["hash"]:  # another ffmpeg decodes it otherwise
            return _update(song, sound, {}, keys, spacings, root, wanted)
        if record["status"] not in GOOD and wanted in ("", record["hash"]):
            return record
        if notes["record"].get("hash") != record["hash"]:  # of other samples nothing stays
            notes, columns = {"made_from": {}, "spacings": {}}, {}
        columns |= dict(zip(table.column_names, table.columns, strict=True))
        makers = columns_made_by(spacings)
        keys = keys | {name: made_from(record["hash"], makers[name]) for name in missing}
    if wanted not in ("", record["hash"]):
        raise SongError(Reason.OTHER_SAMPLES)
    notes = {
        "made_from": notes["made_from"] | keys,
        "spacings": notes["spacings"] | spacings,
        "record": record,
    }
    write_table(song, pa.table(columns), notes, root)
    return record


def write_table(song: str, table: pa.Table, notes: dict, root: Path) -> None:
    """Write a song's table with its notes: the keys of `library.fresh`, ``spacings`` of networks, and ``record``."""
    with atomic_write(table_path(root, song), room=root / "features") as path:
        with_notes = table.replace_schema_metadata({"notes": json.dumps(notes)})
        pq.write_table(with_notes, path, use_dictionary=False, write_statistics=False)


def read_table(song: str, root: Path, columns: Iterable[str] | None = None) -> Song:
    """Read a song's table.

    Parameters
    ----------
    song : str
        The song.
    root : Path
        Of the library.
    columns : iterable of str, optional
        The columns of lists to read, of those that are there and by the networks of today; by default all.

    Raises
    ------
    SongError
        If there is no table, it is damaged, or a number in it is not finite.
    """
    path = table_path(root, song)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        with pq.ParquetFile(path) as file:
            notes = json.loads(file.metadata.metadata[b"notes"])
            names = [name for name in file.schema_arrow.names if name in (*KEYS, FEATURES) or spacing_of(notes, name)]
            wanted = names if columns is None else [*KEYS, *(name for name in columns if name in names)]
            table = file.read(wanted, use_threads=False)
        if table.column_names[: len(KEYS)] != KEYS or FEATURES not in names:
            raise KeyError
        values = [table[name].combine_chunks().flatten().to_numpy() for name in table.column_names[len(KEYS) :]]
        in_order = table["clip"].to_pylist() == list(range(len(table)))
        if in_order and all(np.isfinite(column).all() for column in values):
            return Song(notes["record"], table)
    raise SongError(Reason.TABLE_DAMAGED if path.exists() else Reason.NO_TABLE, path=path)


def spacing_of(notes: dict, name: str) -> int:
    """From the start of one window of a network, or of `VOCALS`, to the next, in clips, by a table's notes.

    0 where the table has no such column, or one by another version.
    """
    every = notes["spacings"].get(name, 0)
    return every if every and fresh(notes, notes["record"]["hash"], column_made_by(name, every), part=name) else 0


def read_tables(
    root: Path, songs: Iterable[str], columns: Iterable[str] | None = None, left_out: dict[str, SongError] | None = None
) -> Iterator[tuple[str, Song]]:
    """Read the tables of some songs, in their order, see `read_table`; the next ones are read in the meantime.

    Parameters
    ----------
    root, songs, columns
        See `read_table`.
    left_out : dict of str to SongError, optional
        Takes the songs that cannot be read, and why; without it, one of them ends the reading.

    Raises
    ------
    UserError
        If a song cannot be read.
    """
    with ThreadPoolExecutor(READERS) as pool:
        readings = ((name, pool.submit(read_table, name, root, columns)) for name in songs)
        ahead = deque(islice(readings, 2 * READERS))  # of very many songs, only some are under way
        while ahead:
            name, reading = ahead.popleft()
            ahead.extend(islice(readings, 1))
            try:
                yield name, reading.result()
            except SongError as error:
                if left_out is None:
                    raise UserError(Problem.TABLE, song=name, error=error) from None
                left_out[name] = error
