"""What a published network hears in a clip: musicnn, trained in 2019 to tag music.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019. The
weights are those in their package (PyPI, ISC licence, Universitat Pompeu Fabra), which is optional; of
its code nothing runs. There are two sets: learned from MagnaTagATune (mtt), whose tags name
instruments and sounds, and from the Million Song Dataset (msd), whose tags name genres and moods.
"""

import functools
import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import librosa
import numpy as np

from soundalike.audio.decoding import SAMPLE_RATE
from soundalike.features.quiet_keras import import_keras
from soundalike.library.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

INPUT_RATE = 16_000  # Hz; this and the next three are as the networks were trained
INPUT_N_FFT = 512  # samples in a frame: 32 ms
INPUT_HOP = 256  # samples from one frame to the next: 16 ms
INPUT_MELS = 96

PACKAGE_VERSION = "0.1.0"
NETWORK_VERSION = (
    f"musicnn {PACKAGE_VERSION}, 1"  # what tables are known by: raise its end when a number would come out otherwise
)
INSTALL = f".venv/bin/pip install --no-deps musicnn=={PACKAGE_VERSION}"

TAGS = {
    "mtt": (
        *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano"),
        *("ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals"),
        *("no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft"),
        *("sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal"),
        *("beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral"),
    ),
    "msd": (
        *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s"),
        *("alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul"),
        *("indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies"),
        *("blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop", "70s"),
        *("party", "country", "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal"),
        *("Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy"),
    ),
}
# Where the weights lie in the package, in two files, and the SHA-256 of these: so another version and damage are known.
WEIGHTS = {
    "mtt": ("MTT_musicnn", "7e2794c9cea7a35c96141f9bfc61b9babe5ef4abbd122793fbc584cebcee8a5c"),
    "msd": ("MSD_musicnn", "041c827105910b6c2c8d68dc6251219078a5c35483c53ed2a873f2d91cc36dff"),
}
FILES = (".data-00000-of-00001", ".index")
FRONT = ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv2d_4")  # the convolutions that look at the spectrogram
POOLED, HIDDEN = 753, 200  # numbers in the means of all layers over time, and in the last layer but one

TAG_COLUMNS = {f"musicnn_{net}_{tag.lower().replace(' ', '_')}": tag for net, tags in TAGS.items() for tag in tags}
NETWORK_COLUMNS = [
    column
    for net in TAGS
    for column in (
        *(f"musicnn_{net}_mean_{n + 1:03d}" for n in range(POOLED)),
        *(f"musicnn_{net}_hidden_{n + 1:03d}" for n in range(HIDDEN)),
        *(column for column in TAG_COLUMNS if column.startswith(f"musicnn_{net}_")),
    )
]

LAST_COLUMNS = [column for column in NETWORK_COLUMNS if "_mean_" not in column]  # what is nearest to their answer


def column_lines() -> list[str]:
    """Return a line for every kind of column: name and meaning."""
    meanings = {
        "musicnn_mtt_mean_001": f"mean over time of each of its layers ({POOLED} of each network)",
        "musicnn_mtt_hidden_001": f"last layer but one ({HIDDEN} of each)",
        "musicnn_mtt_guitar": "probability that it would tag the clip so (50 tags of each)",
    }
    return [
        "With --embeddings musicnn also, of the networks trained on MagnaTagATune (mtt) and Million Song (msd):",
        *(f"{name:20}  {meaning}" for name, meaning in meanings.items()),
    ]


def spectrograms(y: np.ndarray) -> np.ndarray:
    """What the networks look at.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, samples), dtype=float32]
        Samples between -1 and 1, at `decoding.SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(clips, frames, N_MELS), dtype=float32]
        Logarithms of mel power.
    """
    y = librosa.resample(y, orig_sr=SAMPLE_RATE, target_sr=INPUT_RATE)
    mel = librosa.feature.melspectrogram(
        y=y, sr=INPUT_RATE, n_fft=INPUT_N_FFT, hop_length=INPUT_HOP, n_mels=INPUT_MELS, pad_mode="reflect"
    )
    return np.log10(10_000 * mel + 1).transpose(0, 2, 1)


def embed(y: np.ndarray) -> np.ndarray:
    """What both networks hear in each of a stack of clips.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, samples), dtype=float32]
        See `spectrograms`.

    Returns
    -------
    np.ndarray [shape=(clips, len(COLUMNS)), dtype=float32]

    Raises
    ------
    UserError
        If the weights are not there, or are not those of `PACKAGE_VERSION`.
    """
    seen = spectrograms(y)
    return np.concatenate([network(net).predict_on_batch(seen) for net in TAGS], axis=1)


def tags_of(clips: "pd.DataFrame") -> "pd.Series":
    """How surely the networks would tag clips, on average, with each tag (0 to 1), the surest first.

    Of a tag that both networks know, the surer one counts.

    Parameters
    ----------
    clips : pd.DataFrame
        With `TAG_COLUMNS`.
    """
    means = clips[[*TAG_COLUMNS]].mean().rename(lambda column: TAG_COLUMNS[column].lower())
    return means.groupby(level=0).max().sort_values(ascending=False)


def top_tags(clips: "pd.DataFrame", count: int = 5) -> list[str]:
    """The surest of `tags_of`."""
    return list(tags_of(clips).index[:count])


@functools.cache
def network(net: str) -> Any:
    """A network with its weights.

    Parameters
    ----------
    net : {"mtt", "msd"}
        Which.

    Returns
    -------
    keras.Model
        `spectrograms` -> one row for each clip: the means of all layers over time, the last layer but one, and
        the probabilities of its `TAGS`.
    """
    saved = weights(net)
    # Where normalisation turns a channel upside down, its highest value comes from its lowest.
    sides = [np.where(saved[f"batch_normalization_{n + 1}/gamma"] < 0, -1, 1) for n in range(5)]
    model = build_network(sides)
    for layer in model.layers:
        if not layer.weights:
            continue
        values = [saved[f"{layer.name}/{part.name}"].reshape(part.shape) for part in layer.weights]
        if layer.name in FRONT:
            values = [value * sides[FRONT.index(layer.name)] for value in values]
        layer.set_weights(values)
    return model


def build_network(sides: list[np.ndarray]) -> Any:
    """The network without weights; its layers are called as in the published files.

    A spectrogram is looked at for timbres (7 frames of some pitches) and for rhythms (half a second to
    two of one pitch), wherever in pitch they are; then along time, three times; then as a whole.

    Parameters
    ----------
    sides : list of np.ndarray
        For each of the convolutions that look at the spectrogram, 1 or -1 for each channel: what the channel
        is multiplied by before, and again after, the highest of its values in all pitches is taken.
        That is done before normalisation, not after: of sixty values one is left to normalise.
    """
    keras = import_keras()
    layers, ops = keras.layers, keras.ops

    def normalise(number: int, x: Any) -> Any:
        return layers.BatchNormalization(name=f"batch_normalization_{number}".removesuffix("_0"))(x)

    def look(number: int, image: Any, shape: tuple[int, int], padding: str = "same") -> Any:
        found = layers.Conv2D(len(sides[number]), shape, padding=padding, name=FRONT[number])(image)
        found = layers.Rescaling(sides[number].tolist())(ops.max(found, axis=2))
        return normalise(number + 1, ops.relu(found))

    def along_time(number: int, x: Any) -> Any:
        return normalise(
            number + 1, layers.Conv1D(64, 7, padding="same", activation="relu", name=f"conv2d_{number}")(x)
        )

    seen = keras.Input((None, INPUT_MELS))
    image = normalise(0, ops.expand_dims(seen, -1))
    wide = layers.ZeroPadding2D((3, 0))(image)
    timbres = [look(0, wide, (7, 38), "valid"), look(1, wide, (7, 67), "valid")]
    rhythms = [look(n, image, (frames, 1)) for n, frames in ((2, 128), (3, 64), (4, 32))]
    front = ops.concatenate([*timbres, *rhythms], axis=-1)
    first = along_time(5, front)
    second = along_time(6, first) + first
    third = along_time(7, second) + second
    layers_out = ops.concatenate([front, first, second, third], axis=-1)
    mean = ops.mean(layers_out, axis=1)
    pooled = ops.reshape(ops.stack([ops.max(layers_out, axis=1), mean], axis=-1), (-1, 2 * POOLED))
    hidden = layers.Dense(HIDDEN, activation="relu", name="dense")(normalise(9, pooled))
    hidden = normalise(10, hidden)
    tags = layers.Dense(50, activation="sigmoid", name="dense_1")(hidden)
    return keras.Model(seen, ops.concatenate([mean, hidden, tags], axis=-1))


def weights(net: str) -> dict[str, np.ndarray]:
    """The published weights of a network, by the names of its layers.

    Raises
    ------
    UserError
        See `check_weights`.
    """
    path = _find(net)
    import_keras()  # which keeps TensorFlow quiet
    import tensorflow as tf

    # The file beside them that says where they lie names a folder of its author's: so not tf.train.load_checkpoint.
    reader = tf.compat.v1.train.NewCheckpointReader(f"{path}/")
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "/" in name}


def check_weights() -> None:
    """See that the weights are there and whole, before anything begins.

    Raises
    ------
    UserError
        If the package is not installed, or its files are not those of its one version.
    """
    for net in WEIGHTS:
        _find(net)


def _find(net: str) -> Path:
    """The folder of the weights of a net, if they are those that are meant."""
    package = importlib.util.find_spec("musicnn")  # looks for it, and runs nothing of it
    if package is None or not package.submodule_search_locations:
        raise UserError(
            f"The weights of musicnn are not installed. To have them: make run EMBEDDINGS=musicnn, or {INSTALL}."
        )
    folder, wanted = WEIGHTS[net]
    path = Path(package.submodule_search_locations[0]) / folder
    try:
        found: str | None = hashlib.sha256(b"".join((path / name).read_bytes() for name in FILES)).hexdigest()
    except OSError as error:
        found = error.strerror
    if found != wanted:
        raise UserError(
            f"The weights in {path} are not those of musicnn {PACKAGE_VERSION}: another version, or damaged. "
            f"To install them again: {INSTALL} --force-reinstall."
        )
    return path
