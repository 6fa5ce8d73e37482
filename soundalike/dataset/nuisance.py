"""Nuisance attenuation: models and recommendations depend on the music, not on how its file was made.

The directions in which features move when a song is encoded or mastered otherwise were learned once, by
benchmarks/nuisance.py from songs that were re-encoded, and come with the package: as in speaker recognition, they are a
property of the features and not of a library.
"""

import functools
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "nuisance.npz"
STRENGTH = 3.0
LEAST = 0.05  # directions that would shrink by less are left as they are


@functools.cache
def shipped_shifts() -> np.ndarray:
    """Read how features move while the music stays.

    Returns
    -------
    np.ndarray [shape=(shifts, 2 * len(CLIP_COLUMNS)), dtype=float32]
        Of the means and deviations of a segment, in the units of the features: N, the mean outer product of shifts
        by re-encoding, is the sum of their outer products.
    """
    with np.load(FILE, allow_pickle=False) as arrays:
        return arrays["factors"].astype(np.float32) * arrays["scale"]


def find_directions(shifts: np.ndarray, scale: np.ndarray, strength: float = STRENGTH) -> tuple[np.ndarray, np.ndarray]:
    """Find the directions in which songs move while their music stays, and how much of each is to be removed.

    Rows are to be multiplied by (I + strength N)^-½: within-class covariance normalisation, with the versions of a
    song as the class (Hatch, Kajarekar and Stolcke, "Within-class covariance normalization for SVM-based speaker
    recognition", 2006). As strength grows it becomes nuisance attribute projection, which removes these directions,
    and with them more of what distinguishes artists.

    Parameters
    ----------
    shifts : np.ndarray [shape=(shifts, columns)]
        See `shipped_shifts`.
    scale : np.ndarray [shape=(columns,)]
        Standard deviations of the features; infinite for those that are to count for nothing.
    strength : float
        Not negative; 0 changes nothing.

    Returns
    -------
    directions : np.ndarray [shape=(directions, columns)]
        Orthonormal.
    removed : np.ndarray [shape=(directions,)]
        From 0, nothing, to 1, all.
    """
    _, lengths, directions = np.linalg.svd(shifts / scale, full_matrices=False)
    removed = 1 - 1 / np.sqrt(1 + strength * lengths**2)
    return directions[removed > LEAST], removed[removed > LEAST]
