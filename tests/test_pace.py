import numpy as np
import pytest

from soundalike.library import write_songs
from soundalike.pace import Pace


@pytest.fixture
def library(tmp_path):
    """Ten songs of a megabyte, of which three were described before."""
    songs = tmp_path / "songs"
    found = [f"a/{n}.mp3" for n in range(10)]
    for song in found:
        (songs / song).parent.mkdir(parents=True, exist_ok=True)
        (songs / song).write_bytes(bytes(1_000_000))
    for n in range(3):
        table = tmp_path / f"root/features/a/{n}.mp3.parquet"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.touch()
    return tmp_path / "root", songs, found


def test_songs_that_are_described_already_take_no_time(library):
    root, songs, found = library
    pace = Pace(root, songs, found, 2, networks=True)
    assert pace.new == set(found[3:])
    assert pace.of_all() < Pace(root / "other", songs, found, 2, networks=True).of_all()


def test_networks_take_longer_and_cores_shorten(library):
    pace = Pace(*library, 2, networks=True)
    assert Pace(*library, 2, networks=False).of_all() < pace.of_all()
    assert Pace(*library, 8, networks=True).of_all() < pace.of_all()


@pytest.mark.parametrize("times", [1, 3])
def test_a_slower_machine_takes_so_many_times_as_long(library, times):
    root, songs, found = library
    rows = [
        {"song": song, "artist": "a", "status": "ok", "seconds": 2000.0, "clips": 1000, "hash": song} for song in found
    ]
    write_songs(root, rows)
    pace = Pace(root, songs, found, 1, networks=False)
    left = pace.after_splitting(5)  # so short a time tells nothing
    assert pace.after_splitting(2 + 14_000 * 0.003 * times) == pytest.approx(times * left)
    assert np.isfinite(left)
