"""The Keras networks that learn here: one on features, one that listens to the clips themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from soundalike.audio.decoding import CLIP_SAMPLES, FULL_SCALE, SAMPLE_RATE
from soundalike.dataset.splits import SEED
from soundalike.features.extraction import read_clip
from soundalike.features.quiet_keras import import_keras
from soundalike.library.errors import SongError, UserError, printable
from soundalike.library.paths import clip_folder

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

EPOCHS = 15
N_MELS = 64
MEL_N_FFT = 1024  # samples in a frame: 46 ms
MEL_HOP = 512  # samples from one frame to the next: 23 ms
MEL_RANGE = (30, 10_000)  # Hz

# On a processor, compiling costs more than it saves, and so does going back to Python after each batch.
QUICK = {"jit_compile": False, "steps_per_execution": 8}


def is_network(model: Any) -> bool:
    """Whether a model is Keras's, or one of Keras's wrappers."""
    return type(model).__module__.startswith("keras.")


def dense_net() -> "BaseEstimator":
    """A small network on features, by Keras's own scikit-learn wrapper."""
    return _wrapped(_build_dense_net, batch_size=64)


def listening_net(epochs: int = EPOCHS) -> "BaseEstimator":
    """A small short-chunk CNN on the log-mel spectrograms of clips; train it on `log_mels`.

    The design follows Won et al., "Evaluation of CNN-based automatic music tagging models", 2020:
    blocks of convolution, normalisation and pooling, then one vector for the clip.
    """
    return _wrapped(_build_listening_net, batch_size=32, epochs=epochs)


def _wrapped(build: Callable, *, batch_size: int, epochs: int = EPOCHS) -> "BaseEstimator":
    """A network as scikit-learn knows estimators."""
    keras = import_keras()
    return keras.wrappers.SKLearnClassifier(
        build,
        fit_kwargs={"epochs": epochs, "batch_size": batch_size, "verbose": 0},
    )


def _build_dense_net(X: np.ndarray, y: np.ndarray) -> Any:
    """The network for these features and one-hot artists; it scales by what it is trained on."""
    keras = import_keras()
    keras.utils.set_random_seed(SEED)
    scale = keras.layers.Normalization()
    scale.adapt(X)
    layers = [keras.Input(X.shape[1:]), scale]
    for units in (128, 64):
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.4)]
    return _compiled([*layers, keras.layers.Dense(y.shape[1], activation="softmax")])


def _build_listening_net(X: np.ndarray, y: np.ndarray) -> Any:
    """The network for these spectrograms and one-hot artists; it scales each band by what it is trained on."""
    keras = import_keras()
    keras.utils.set_random_seed(SEED)
    scale = keras.layers.Normalization(axis=1)
    spectrograms = X.reshape(len(X), N_MELS, -1)
    scale.adapt(spectrograms)
    shape = spectrograms.shape[1:]
    layers = [keras.Input(X.shape[1:]), keras.layers.Reshape(shape), scale, keras.layers.Reshape((*shape, 1))]
    for channels in (16, 32, 64, 64):
        layers += [
            keras.layers.Conv2D(channels, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(2),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.3)]
    return _compiled([*layers, keras.layers.Dense(y.shape[1], activation="softmax")])


def _compiled(layers: list) -> Any:
    """A network that is ready to be trained."""
    keras = import_keras()
    net = keras.Sequential(layers)
    adam = keras.optimizers.Adam(1e-3)
    net.compile(optimizer=adam, loss="categorical_crossentropy", metrics=["accuracy"], **QUICK)
    return net


def ear() -> Any:
    """The layers that turn clips into log-mel spectrograms; they learn nothing.

    Returns
    -------
    keras.Sequential
        int16 samples [shape=(clips, CLIP_SAMPLES)] -> dB [shape=(clips, N_MELS * frames)]: rows, as
        Keras's scikit-learn wrapper wants them.
    """
    layers = import_keras().layers
    low, high = MEL_RANGE
    mel = layers.MelSpectrogram(
        fft_length=MEL_N_FFT,
        sequence_stride=MEL_HOP,
        sampling_rate=SAMPLE_RATE,
        num_mel_bins=N_MELS,
        min_freq=low,
        max_freq=high,
    )
    first = import_keras().Input((CLIP_SAMPLES,), dtype="int16")
    return import_keras().Sequential([first, layers.Rescaling(1 / FULL_SCALE), mel, layers.Flatten()])


def with_ear(net: Any) -> Any:
    """A trained `listening_net` that takes int16 samples: so it is saved, and nothing can drift."""
    return import_keras().Sequential([*ear().layers, *net.layers])


def log_mels(frame: pd.DataFrame, root: Path) -> np.ndarray:
    """The log-mel spectrograms of a frame's clips, in order, from the library's clips.

    Returns
    -------
    np.ndarray [shape=(clips, N_MELS * frames), dtype=float32]
        About 22 kB for each clip.
    """
    listen = ear()
    mels = np.empty((len(frame), *listen.output_shape[1:]), np.float32)
    for song, places in frame.groupby("song").indices.items():
        clips = (clip_folder(root, song) / f"{number:04d}.wav" for number in frame["clip"].iloc[places])
        try:
            mels[places] = listen.predict(np.stack([_samples(clip) for clip in clips]), batch_size=64, verbose=0)
        except SongError as error:
            raise UserError(f"{printable(song)}: {printable(error)}") from None
    return mels


def _samples(clip: Path) -> np.ndarray:
    return np.round(read_clip(clip) * FULL_SCALE).astype(np.int16)
