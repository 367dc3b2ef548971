"""Every tolerance of the tests, each with its reason.

Tolerances are relative to the terms added, not to the result: a parameter near zero is a difference of
larger terms, and its last bits are theirs.
"""

from __future__ import annotations

import numpy as np

#: Unit roundoff: half the distance from 1 to the next number.
UNIT = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}


def ulps(count: float, dtype: object) -> float:
    """`count` roundings of `dtype`, as a relative tolerance."""
    return count * UNIT[np.dtype(dtype)]


#: One optimizer step is under ten roundings per element, each of a term no larger than the scale used.
OPTIMIZER_ROUNDINGS = 16


def assert_close(got: object, want: object, *, scale: object, roundings: float, what: str = "") -> None:
    """|got - want| <= roundings * unit * scale, elementwise; NaN and infinities must agree exactly."""
    got = np.asarray(got)
    want = np.asarray(want, np.float64)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, wanted {want.shape}"
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite].astype(got.dtype), err_msg=what)
    bound = np.broadcast_to(np.asarray(scale, np.float64), want.shape) * ulps(roundings, got.dtype)
    error = np.abs(got.astype(np.float64) - want)
    bad = finite & ~(error <= bound)
    if bad.any():
        at = tuple(np.argwhere(bad)[0])
        raise AssertionError(
            f"{what}: {bad.sum()} of {bad.size} differ; at {at} got {got[at]!r}, wanted {want[at]!r}, "
            f"error {error[at]:.3g} over bound {bound[at]:.3g}"
        )


#: sigmoid, tanh and their kind: the polynomial's 2 ulp, and a few operations on top.
ACTIVATION_ROUNDINGS = 12

#: A sum of terms in lanes and a tree: the depth of the tree, with room.
SUM_ROUNDINGS = 24


#: A bag of n ids: four chains of n / 4 additions, a product for each run, a division.
def bag_roundings(ids: int) -> float:
    """Roundings of one sum over a bag of `ids` ids."""
    return ids / 4 + 8


#: thinc's Adam takes 1 - beta2 in float32: for 0.999 it is 4.7e-5 too large, and a move half as much too small.
THINC_ADAM = 3e-5

#: A layer's float32 numbers on a GPU against the CPU's, of numbers around 1: sums of some tens of terms in another
#: order, polynomials with FMA and without.
LAYER_ON_GPU = 2e-5

#: Numbers of a model after some ten steps of training on a GPU against the CPU's. Rules that divide by a root of a
#: square lose some digits more: a gradient near 0 gives a step of full length with the sign of a rounding.
TRAINED_ON_GPU = {"float64": 1e-8, "float32": 1e-4}


def assert_near_cpu(got: object, want: object, tolerance: float = LAYER_ON_GPU) -> None:
    """Equal within a tolerance, relative for numbers above 1."""
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def recurrent_roundings(steps: int, terms: int) -> float:
    """Roundings of a recurrent cell behind `steps` steps with sums of `terms` terms per gate.

    A gate's sum has a rounding per term, a third of them in the end where signs are random, and the slopes of
    four gates are below 1 together; an error stays in the state for some steps: 4 at most.
    """
    return 16 * min(steps + 1, 4) * (4 + terms**0.5)
