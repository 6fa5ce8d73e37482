"""Describe a clip by a network of music: musicnn, trained in 2019 to tag songs.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", 2019. The
weights are those in their package (PyPI, ISC licence, Universitat Pompeu Fabra), which is optional; of
its code nothing runs. There are two sets: learned from MagnaTagATune (mtt), whose tags name
instruments and sounds, and from the Million Song Dataset (msd), whose tags name genres and moods.
"""

import functools
from typing import Any

import numpy as np

from soundalike.audio import resample
from soundalike.features.filters import hann, mel_filters
from soundalike.networks.weights import Package, import_keras, import_tensorflow

INPUT_RATE = 16_000  # Hz; this and the next three are as the networks were trained
INPUT_N_FFT = 512  # samples in a frame: 32 ms
INPUT_HOP = 256  # samples from one frame to the next: 16 ms
INPUT_MELS = 96

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
FOLDERS = {"mtt": "MTT_musicnn", "msd": "MSD_musicnn"}  # of the weights, in the package
PACKAGE = Package(
    "musicnn",
    "0.1.0",
    {
        "MTT_musicnn/.data-00000-of-00001": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
        "MTT_musicnn/.index": "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
        "MSD_musicnn/.data-00000-of-00001": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
        "MSD_musicnn/.index": "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    },
)
FRONT = ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv2d_4")  # the convolutions that look at the spectrogram
POOLED, HIDDEN = 753, 200  # numbers in the means of all layers over time, and in the last layer but one
DIMS = sum(POOLED + len(tags) for tags in TAGS.values())


def spectrograms(y: np.ndarray) -> np.ndarray:
    """Compute what the networks see.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, samples), dtype=float32]
        Samples between -1 and 1, at `audio.SAMPLE_RATE`.

    Returns
    -------
    np.ndarray [shape=(clips, frames, INPUT_MELS), dtype=float32]
        Logarithms of mel power.
    """
    side = INPUT_N_FFT // 2
    y = np.pad(resample(y, INPUT_RATE), ((0, 0), (side, side)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(y, INPUT_N_FFT, axis=1)[:, ::INPUT_HOP]
    power = np.abs(np.fft.rfft(frames * hann(INPUT_N_FFT).astype(np.float32), axis=2)) ** 2
    mel = power.astype(np.float32) @ mel_filters(INPUT_RATE, INPUT_N_FFT, INPUT_MELS)[0].T
    return np.log10(10_000 * mel + 1)


def embed(y: np.ndarray) -> np.ndarray:
    """Describe each of a stack of clips by both networks.

    Parameters
    ----------
    y : np.ndarray [shape=(clips, samples), dtype=float32]
        See `spectrograms`.

    Returns
    -------
    np.ndarray [shape=(clips, DIMS), dtype=float32]
        Of each network in `TAGS` the means of its layers, then its probabilities.

    Raises
    ------
    UserError
        If the weights are not there, or are others.
    """
    seen = spectrograms(y)
    return np.concatenate([compiled(net)(seen).numpy() for net in TAGS], axis=1)


def tags_of(embeddings: np.ndarray) -> dict[str, float]:
    """Average how probable the networks find each tag (0 to 1), the most probable first.

    Of a tag that both networks have, the higher one counts.

    Parameters
    ----------
    embeddings : np.ndarray [shape=(windows, DIMS)]
        See `embed`.
    """
    means = np.mean(embeddings, axis=0).reshape(len(TAGS), -1)[:, POOLED:]
    tags: dict[str, float] = {}
    for names, probabilities in zip(TAGS.values(), means.tolist(), strict=True):
        for name, probability in zip(names, probabilities, strict=True):
            tags[name.lower()] = max(probability, tags.get(name.lower(), 0.0))
    return dict(sorted(tags.items(), key=lambda tag: -tag[1]))


@functools.cache
def compiled(net: str) -> Any:
    """Compile a network once for any number of clips, where Keras would do it again for each number."""
    tf = import_tensorflow()
    return tf.function(network(net), input_signature=[tf.TensorSpec((None, None, INPUT_MELS), tf.float32)])


@functools.cache
def network(net: str) -> Any:
    """Build a network with its weights.

    Parameters
    ----------
    net : {"mtt", "msd"}
        The network.

    Returns
    -------
    keras.Model
        `spectrograms` -> one row for each clip: the means of all layers over time, and the probabilities of its `TAGS`.
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
    """Build the network without weights; its layers are called as in the published files.

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
    return keras.Model(seen, ops.concatenate([mean, tags], axis=-1))


def weights(net: str) -> dict[str, np.ndarray]:
    """Read the published weights of a network, by the names of its layers.

    Raises
    ------
    UserError
        See `Package.find`.
    """
    folder = next(path.parent for path in PACKAGE.find() if path.parent.name == FOLDERS[net])
    tf = import_tensorflow()
    # The file beside them that says where they lie names a folder of its author's: so not tf.train.load_checkpoint.
    reader = tf.compat.v1.train.NewCheckpointReader(f"{folder}/")
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "/" in name}
