"""A step of the torch dialect over 100 tensors, over 25 million floats, and of a table's rows, against NumPy and torch.

Every rule has a floor, the bytes that a step must move by the machine's copy rate: each parameter, gradient and state
is read once, and all but the gradient written once. torch is its fused step where the rule has one, else its foreach.
"""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from numpy_rules import RULES
from strop import RowGrad, optim

SECONDS = 180


def sizes(quick: bool) -> dict[str, list[int]]:
    """The tensors of each case: of many sizes as the layers of a model, small ones, a large one."""
    if quick:
        return {"10 x 1,000": [1000] * 10}
    many = np.geomspace(1e4, 1e6, 100).round().astype(int).tolist()
    return {"100 from 10k to 1M": many, "100 x 10k": [10_000] * 100, "25M": [25_000_000]}


def torch_step(torch, rule, params, grads):
    """The step of torch's rule; None where it has no such rule."""
    cls = getattr(torch.optim, rule.name, None)
    if cls is None:
        return None
    weights = [torch.nn.Parameter(torch.from_numpy(p.copy())) for p in params]
    for weight, grad in zip(weights, grads, strict=True):
        weight.grad = torch.from_numpy(grad)
    try:
        return cls(weights, **rule.settings, fused=True).step
    except (TypeError, RuntimeError):  # RMSprop among others has no fused step
        return cls(weights, **rule.settings, foreach=True).step


def check(name, params, wanted):
    for got, want in zip(params, wanted, strict=True):
        assert np.abs(got - want).max() < 1e-5, f"{name} gives wrong numbers"


def dense(report: Report, case: str, counts: list[int]) -> None:
    torch = peer("torch")
    rng = np.random.default_rng(0)
    start, grads = ([rng.standard_normal(n, np.float32) for n in counts] for _ in range(2))
    for rule in RULES:
        plain, careful, params = ([p.copy() for p in start] for _ in range(3))
        optimizer = getattr(optim, rule.name)(params, **rule.settings)
        calls = {
            "strop": lambda o=optimizer: o.step(grads),
            "numpy in place": rule.stepper(careful, grads, careful=True),
            "numpy": rule.stepper(plain, grads, careful=False),
        }
        for _ in range(3):
            for call in calls.values():
                call()
        check(f"strop.optim.{rule.name}", params, plain)
        check(f"careful {rule.name}", careful, plain)
        if torch and (step := torch_step(torch, rule, start, grads)):
            calls["torch"] = step
        row = report.compare(f"{rule.name}, {case}", calls, moved=4.0 * rule.passes * sum(counts))
        ours = row["us"]["strop"]
        row["ratios"] = {name: round(time / ours, 2) for name, time in row["us"].items() if name != "strop"}
        print(f"{'':38}" + ", ".join(f"{ratio:.2f}x {name}" for name, ratio in row["ratios"].items()))


def rows(report: Report, length: int, width: int, touched: int) -> None:
    """A table of which every step reads, and then moves, some rows at random: dense Adam's result for their cost."""
    torch = peer("torch")
    rng = np.random.default_rng(0)
    shape = (length, width)
    batches = [rng.choice(length, touched, replace=False) for _ in range(100)]
    values = [rng.standard_normal((touched, width), np.float32) for _ in range(8)]
    table = np.ones(shape, np.float32)
    optimizer = optim.Adam([table], sparse="exact")
    turn = 0

    def step(optimizer=optimizer, table=table):
        nonlocal turn
        ids, grad = batches[turn % len(batches)], values[turn % len(values)]
        turn += 1
        optimizer.catch_up(0, ids)  # as one must before reading table[ids]
        optimizer.step([RowGrad(ids, grad, shape)])

    wanted = np.ones(shape, np.float32)
    every_row = optim.Adam([wanted], sparse="dense")
    for _ in range(3):
        step()
    turn = 0
    for _ in range(3):
        step(every_row, wanted)
    optimizer.flush()
    assert np.abs(table - wanted).max() < 1e-6, "sparse='exact' gives other numbers than dense Adam"
    del wanted, every_row
    calls = {"strop": step}
    if torch:
        weight = torch.nn.Parameter(torch.ones(shape))
        rule = torch.optim.SparseAdam([weight], lr=1e-3)
        indices = [torch.from_numpy(ids)[None] for ids in batches]
        tensors = [torch.from_numpy(grad) for grad in values]

        def torch_step():
            nonlocal turn
            at, grad = indices[turn % len(batches)], tensors[turn % len(values)]
            turn += 1
            weight.grad = torch.sparse_coo_tensor(at, grad, shape, is_coalesced=True, check_invariants=False)
            rule.step()

        calls["torch SparseAdam"] = torch_step
    report.compare(f"Adam, {touched:,} rows of {length:,} x {width}", calls)


def run(report: Report) -> None:
    for case, counts in sizes(report.settings.quick).items():
        dense(report, case, counts)
    rows(report, *((1000, 8, 10) if report.settings.quick else (1_000_000, 64, 10_000)))


if __name__ == "__main__":
    main(run, __file__)
