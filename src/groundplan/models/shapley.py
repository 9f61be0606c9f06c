"""The Shapley values of one leaf: a product of one factor for each feature of its path.

In the path-dependent game of Tree SHAP (Lundberg et al., From local explanations to global
understanding with explainable AI for trees, 2020) a leaf of value v gives a coalition S

    v * product over i in S of o_i * product over i not in S of z_i,

where o_i says whether the row meets all of feature i's conditions on the path, and z_i is the
share of the training rows that passed them. The weights of the Shapley value are integrals,
s!(D-1-s)!/D! = the integral of t^s (1-t)^(D-1-s) from 0 to 1, so the value of feature j is

    v * (o_j - z_j) * integral over t of product over i != j of (z_i (1-t) + o_i t).

The integrand is a polynomial of degree D-1 in t, and Gauss-Legendre quadrature with ceil(D/2)
points is exact for it. Every factor is positive, so nothing cancels.
"""

from functools import cache

import numpy as np

from groundplan.models.scorer import Floats


def values(value: Floats, shares: Floats, met: Floats) -> Floats:
    """Shapley values of n leaves (or of n states of leaves) at once.

    The leaves stand along the last axis of every array, where NumPy is fastest.

    Args:
        value: float64[n], the leaf's value.
        shares: float64[D, n], in (0, 1]: z, the share of the training rows.
        met: float64[D, n], 0 or 1: o, whether the row meets the conditions. A feature with
            share 1 and met 1 plays no part.

    Returns:
        float64[D, n], in the unit of the value.
    """
    answer = np.zeros_like(shares)
    for point, weight in zip(*quadrature(len(shares)), strict=True):
        factors = shares * (1 - point) + met * point
        answer += factors.prod(axis=0) * weight / factors
    answer *= (met - shares) * value
    return answer


def tables(value: Floats, shares: Floats) -> Floats:
    """Shapley values of n leaves for each of the 2^D ways to meet their D features.

    Args:
        value: float64[n].
        shares: float64[D, n].

    Returns:
        float64[n, D, 2^D]; bit i of the last index says whether feature i is met.
    """
    width, leaves = shares.shape
    ways = 1 << width
    met = (np.arange(ways) >> np.arange(width)[:, None] & 1).astype(np.float64)
    flat = values(
        np.repeat(value, ways), np.repeat(shares, ways, axis=1), np.tile(met, (1, leaves))
    )
    return flat.reshape(width, leaves, ways).swapaxes(0, 1)


@cache
def quadrature(width: int) -> tuple[Floats, Floats]:
    """Points and weights on (0, 1) that integrate polynomials of degree width - 1 exactly."""
    points, weights = np.polynomial.legendre.leggauss(max(1, (width + 1) // 2))
    return (points + 1) / 2, weights / 2
