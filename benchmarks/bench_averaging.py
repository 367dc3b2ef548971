"""The moving average of weights, and the norm and clipping of gradients, against NumPy and torch.

An average reads itself and the parameter and writes itself, 12 bytes per float; a norm reads 4, clipping moves 8 more.
"""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import optim

SECONDS = 40
DECAY = 0.999
SIZES = {
    "4 tensors, 51k": [50176, 64, 640, 10],
    "100 from 10k to 1M": np.geomspace(1e4, 1e6, 100).round().astype(int).tolist(),
    "25M": [25_000_000],
}


def averages(report: Report, case: str, params: list[np.ndarray]) -> None:
    ours, theirs = optim.ExponentialMovingAverage(params, DECAY), [p.copy() for p in params]
    ours.update()

    def in_numpy():
        for mean, param in zip(theirs, params, strict=True):
            mean *= DECAY
            mean += (1 - DECAY) * param

    calls = {"strop": ours.update, "numpy": in_numpy}
    for param in params:
        param += 1
    for call in calls.values():
        call()
    for got, want in zip(ours.averaged(), theirs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    if torch := peer("torch"):
        means, weights = ([torch.from_numpy(p.copy()) for p in params] for _ in range(2))
        update = torch.optim.swa_utils.get_ema_multi_avg_fn(DECAY)
        calls["torch"] = lambda: update(means, weights, 1)
    report.compare(f"average, {case}", calls, moved=12.0 * sum(p.size for p in params))


def clipping(report: Report, case: str, grads: list[np.ndarray]) -> None:
    floats = float(sum(grad.size for grad in grads))
    ours, theirs = ([grad.copy() for grad in grads] for _ in range(2))
    #: So near to 1 that gradients stay what they are however often they are scaled.
    factor = 0.999999

    def norm_in_numpy():
        return np.sqrt(sum(np.square(grad).sum() for grad in grads))

    def scale_in_numpy():
        for grad in theirs:
            grad *= np.float32(factor)

    measure = {"strop": lambda: optim.get_total_norm(grads), "numpy": norm_in_numpy}
    scale = {"strop": lambda: optim.clip_grads_with_norm_(ours, factor, 1 - 1e-6), "numpy": scale_in_numpy}
    assert abs(measure["strop"]() / norm_in_numpy() - 1) < 1e-5
    scale["strop"](), scale_in_numpy()
    for got, want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    if torch := peer("torch"):
        tensors = [torch.from_numpy(grad.copy()) for grad in grads]
        weights = [torch.nn.Parameter(tensor.clone()) for tensor in tensors]
        for weight, tensor in zip(weights, tensors, strict=True):
            weight.grad = tensor
        norm = torch.tensor(1 - 1e-6)
        measure["torch"] = lambda: torch.nn.utils.get_total_norm(tensors)
        scale["torch"] = lambda: torch.nn.utils.clip_grads_with_norm_(weights, factor, norm)
    report.compare(f"norm, {case}", measure, moved=4 * floats)
    report.compare(f"scale, {case}", scale, moved=8 * floats)


def run(report: Report) -> None:
    rng = np.random.default_rng(0)
    for case, counts in report.cases(list(SIZES.items())):
        arrays = [rng.standard_normal(n, np.float32) for n in counts]
        averages(report, case, arrays)
        clipping(report, case, arrays)


if __name__ == "__main__":
    main(run, __file__)
