"""A small Keras network on features, as scikit-learn knows estimators."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from soundalike.dataset.splits import SEED
from soundalike.features.quiet_keras import import_keras

# On a processor, compiling costs more than it saves, and so does going back to Python after each batch.
QUICK = {"jit_compile": False, "steps_per_execution": 32}


class DenseNet(ClassifierMixin, BaseEstimator):
    """Two hidden layers with dropout; it scales its inputs by the rows it is trained on.

    Keras is imported by `fit`: to list the models takes none of it.

    Parameters
    ----------
    epochs : int
        How often all rows are seen.
    batch_size : int
        Rows for each step.
    """

    def __init__(self, epochs: int = 30, batch_size: int = 256) -> None:
        self.epochs = epochs
        self.batch_size = batch_size

    def fit(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None, validation: tuple | None = None
    ) -> "DenseNet":
        """Train, always from the same start; ``history_`` has a number for each epoch, of ``validation`` too."""
        keras = import_keras()
        keras.utils.set_random_seed(SEED)
        self.classes_, target = np.unique(y, return_inverse=True)
        scale = keras.layers.Normalization()
        scale.adapt(X)
        layers = [keras.Input(X.shape[1:]), scale]
        for units in (128, 64):
            layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.4)]
        net = keras.Sequential([*layers, keras.layers.Dense(len(self.classes_), activation="softmax")])
        net.compile(
            optimizer=keras.optimizers.Adam(2e-3),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            **QUICK,
        )
        if validation:
            validation = validation[0], np.searchsorted(self.classes_, validation[1])
        self.net_: Any = net
        self.history_ = net.fit(
            X,
            target,
            sample_weight=sample_weight,
            validation_data=validation,
            epochs=self.epochs,
            batch_size=self.batch_size,
            verbose=0,
        ).history
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The probability of each class [shape=(rows, classes)]."""
        return self.net_.predict(X, batch_size=1024, verbose=0)
