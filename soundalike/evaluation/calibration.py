"""Right probabilities: a temperature fitted on songs that a model was not trained on."""

import numpy as np
import pandas as pd
from scipy.special import log_softmax


def fit_temperature(logits: pd.DataFrame, truth: pd.Series) -> float:
    """Fit the temperature at which logits are as confident as they are right.

    Guo et al., "On calibration of modern neural networks", 2017. One more item, by any artist, is counted in, as
    Platt did ("Probabilistic outputs for support vector machines", 1999): a few items, all of them right, are no
    reason to be certain.

    Parameters
    ----------
    logits : pd.DataFrame
        One row for each item, one column for each artist.
    truth : pd.Series
        The artist of each item, in the same order.

    Returns
    -------
    float
        Between 0.05 and 50.
    """
    from scipy.optimize import minimize_scalar  # which takes long, and to predict needs none of it

    values, places = logits.to_numpy(), logits.columns.get_indexer(truth)
    anybody = 1 / (len(values) + 1)

    def loss(log_temperature: float) -> float:
        logs = log_softmax(values / np.exp(log_temperature), axis=1)
        mean = np.where(np.isfinite(logs), logs, 0).sum(axis=1) / np.isfinite(logs).sum(
            axis=1
        )  # of those who may be named
        return -((1 - anybody) * logs[np.arange(len(logs)), places] + anybody * mean).mean()

    return float(np.exp(minimize_scalar(loss, bounds=np.log([0.05, 50]), method="bounded").x))


def apply_temperature(logs: pd.DataFrame, temperature: float = 1.0) -> pd.DataFrame:
    """Divide logits by a temperature and turn them into log-probabilities; hotter is less confident."""
    if logs.empty:
        return logs
    return pd.DataFrame(log_softmax(logs.to_numpy() / temperature, axis=1), index=logs.index, columns=logs.columns)


def losses(logs: pd.DataFrame, truth: pd.Series) -> pd.Series:
    """Take the negative log-probability of the truth for each row, in nats."""
    return pd.Series(-logs.to_numpy()[np.arange(len(logs)), logs.columns.get_indexer(truth)], logs.index)
