"""Late fusion: each ear has its own models, and their log-probabilities are averaged by weights that songs choose.

An *ear* is a family of descriptions: the feature table, and each published network. Side by side in one model they do
as well (benchmarks/README.md), but an ear may be absent for a song, and a person can be shown what each predicts.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from soundalike.models.calibration import apply_temperature, fit_temperature, losses

STEPS = 8  # weights are eighths


class Fusion(NamedTuple):
    """How models are averaged to one."""

    ears: dict[str, list[str]]  # the models of each, which count the same
    weights: dict[str, float]  # of the ears: from 0, and 1 together
    temperature: float = 1.0


def equal(ears: dict[str, list[str]]) -> Fusion:
    """Let all ears count the same."""
    return Fusion(ears, dict.fromkeys(ears, 1 / len(ears)))


def average(logs: Mapping[str, pd.DataFrame], weights: Mapping[str, float], temperature: float = 1.0) -> pd.DataFrame:
    """Average log-probabilities for the same rows, by weights.

    Where some are missing, for a row or for an artist, the weights of the others count. A model without weight counts
    where there is nothing else.
    """
    rows = next(iter(logs.values())).index
    artists = sorted(set().union(*(of_one.columns for of_one in logs.values())))
    values = np.stack([of_one.reindex(index=rows, columns=artists).to_numpy(float) for of_one in logs.values()])
    weight = np.array([max(weights[name], 1e-9) for name in logs])[:, None, None] * np.isfinite(values)
    with np.errstate(invalid="ignore"):  # of a row that is missing in all: missing
        means = (weight * np.nan_to_num(values)).sum(axis=0) / weight.sum(axis=0)
    return apply_temperature(pd.DataFrame(means, rows, artists), temperature)


def fuse(logs: Mapping[str, pd.DataFrame], fusion: Fusion) -> pd.DataFrame:
    """Average the log-probabilities of models to those of ears, and these to those of all."""
    return average(ears_of(logs, fusion), fusion.weights, fusion.temperature)


def ears_of(logs: Mapping[str, pd.DataFrame], fusion: Fusion) -> dict[str, pd.DataFrame]:
    """Average the log-probabilities of models to those of the ears that have any."""
    found = {}
    for ear, names in fusion.ears.items():
        own = {name: logs[name] for name in names if name in logs}
        if own:
            found[ear] = average(own, dict.fromkeys(own, 1 / len(own)))
    return found


def choose(ears: dict[str, list[str]], logs: Mapping[str, pd.DataFrame], artist: pd.Series) -> Fusion:
    """Choose the weights of ears, and one temperature.

    Parameters
    ----------
    ears : dict of str to list of str
        The models of each.
    logs : Mapping of str to pd.DataFrame
        Log-probabilities, by model, of songs that it was not trained on; some models may be missing.
    artist : pd.Series
        The truth, under the same index.

    Returns
    -------
    Fusion
        With the weights, in steps of 1 / `STEPS`, of the lowest log-loss at their best temperature; equal ones where
        there is nothing to choose by.
    """
    found = ears_of(logs, equal(ears))
    if len(found) < len(ears):
        return equal(ears)
    best, least = equal(ears), np.inf
    for steps in itertools.product(range(STEPS + 1), repeat=len(ears)):
        if sum(steps) != STEPS:
            continue
        weights = dict(zip(ears, (step / STEPS for step in steps), strict=True))
        mixed = average(found, weights)
        mixed = mixed.fillna(-np.log(mixed.shape[1]))  # of a song that none of these ears has: chance
        truth = artist.loc[mixed.index]
        temperature = fit_temperature(mixed, truth)
        lost = losses(apply_temperature(mixed, temperature), truth).mean()
        if lost < least:
            best, least = Fusion(ears, weights, temperature), lost
    return best
