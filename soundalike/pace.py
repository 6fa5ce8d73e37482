"""How long a run will take: what was measured on one machine, and how fast this one is against it."""

from collections.abc import Collection
from pathlib import Path

from soundalike.library import good_songs, table_path

# Measured on two cores of 2.6 GHz. Seconds of one core for each second of sound; then of the machine for frame, model,
# map and two reports: for all songs, and for each.
SPLITTING, FEATURES, NETWORKS = 0.003, 0.002, 0.015
REST, REST_EACH = 60, 0.35
# Bytes for each second of sound, where it is not decoded yet: of files that lose nothing, and of others.
LOSSLESS, LOSSY = 100_000, 22_000
START, TELLING = 2.0, 10.0  # s that splitting takes to begin; and in all, from which on it says how fast a machine is


class Pace:
    """An estimate, and what it rests on.

    Parameters
    ----------
    root, songs : Path
        The library, and the folder of its songs.
    found : collection of str
        All songs.
    cores : int
        That describe songs.
    networks : bool
        Whether networks do so, too.
    """

    def __init__(self, root: Path, songs: Path, found: Collection[str], cores: int, networks: bool) -> None:
        self.root, self.songs, self.cores = root, len(found), cores
        self.describing = FEATURES + NETWORKS * networks
        self.new = {song for song in found if not table_path(root, song).exists()}
        self.sound = sum(_seconds(songs / song) for song in self.new)
        self.slowness = 1.0

    def of_all(self) -> float:
        """Return how many seconds all steps will take."""
        return self._left(SPLITTING + self.describing)

    def after_splitting(self, took: float) -> float:
        """Return how many seconds the others will take, where splitting took so many."""
        good = good_songs(self.root)
        self.sound = float(good["seconds"][good["song"].isin(self.new)].sum())
        if took > TELLING and self.sound:
            self.slowness = (took - START) * self.cores / (self.sound * SPLITTING)
        return self._left(self.describing)

    def _left(self, each_second: float) -> float:
        return self.slowness * (self.sound * each_second / self.cores + REST + REST_EACH * self.songs)


def _seconds(song: Path) -> float:
    """Guess the length of a song by its size: to read thousands of headers takes long."""
    try:
        return song.stat().st_size / (LOSSLESS if song.suffix.lower() in (".wav", ".flac") else LOSSY)
    except OSError:
        return 0.0
