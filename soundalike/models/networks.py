"""A small Keras network on features, with the interface of scikit-learn."""

import functools
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler

from soundalike.dataset.splits import SEED
from soundalike.features.quiet_keras import import_keras

LEARNING_RATE = 2e-3
STEPS = 32  # in an epoch, however many rows there are


@functools.lru_cache(maxsize=4)
def _compiled(columns: int, classes: int) -> Any:
    """Return a network to train again and again: to trace one takes Keras longer than to train it on a few songs."""
    net = _built(columns, classes)
    net.compile(
        optimizer=import_keras().optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        # On a processor, compiling costs more than it saves, and so does going back to Python after each step.
        jit_compile=False,
        steps_per_execution=STEPS,
    )
    return net


def _built(columns: int, classes: int) -> Any:
    keras = import_keras()
    layers = [keras.Input((columns,))]
    for units in (128, 64):
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.4)]
    return keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])


class DenseNet(ClassifierMixin, BaseEstimator):
    """Two hidden layers with dropout; it scales its inputs by the rows it is trained on.

    Keras is imported by `fit`: to list the models takes none of it.

    Parameters
    ----------
    epochs : int
        Each of `STEPS` steps, which together see as many rows as there are, or a few more.
    """

    def __init__(self, epochs: int = 15) -> None:
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> "DenseNet":
        """Train, always from the same start."""
        self.scaler_ = StandardScaler().fit(X)
        self.classes_, target = np.unique(y, return_inverse=True)
        net = self._net()
        import_keras().utils.set_random_seed(SEED)
        import tensorflow

        for old, new in zip(net.variables, _built(X.shape[1], len(self.classes_)).variables, strict=True):
            old.assign(new)
        for moment in net.optimizer.variables:
            moment.assign(np.zeros(moment.shape))
        net.optimizer.learning_rate = LEARNING_RATE
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        rows = [tensorflow.constant(values) for values in (self.scaler_.transform(X), target, weight)]
        # Without an end, or Keras would set the data up again in each epoch, which takes longer than to train.
        order = tensorflow.data.Dataset.range(len(X)).shuffle(len(X), seed=SEED).repeat().batch(-(-len(X) // STEPS))
        endless = order.map(lambda batch: tuple(tensorflow.gather(values, batch) for values in rows))
        net.fit(endless, epochs=self.epochs, steps_per_epoch=STEPS, shuffle=False, verbose=0)
        self.weights_ = net.get_weights()
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each class [shape=(rows, classes)]."""
        net = self._net()
        net.set_weights(self.weights_)
        return net.predict(self.scaler_.transform(X), batch_size=1024, verbose=0)

    def _net(self) -> Any:
        """Return the network of this size, which others of it share: its weights must be set."""
        return _compiled(self.scaler_.n_features_in_, len(self.classes_))
