"""Every rule that works element by element against torch: ns per parameter in cache, from memory and in 100 tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from common import Report, main, peer
from strop import ops, reference

#: Rule, our settings, the class of torch.optim and its settings (None: torch has no such rule).
RULES: list[tuple[str, dict[str, Any], str | None, dict[str, Any]]] = [
    ("rmsprop_step", {"dialect": "torch"}, "RMSprop", {"alpha": 0.9}),
    (
        "rmsprop_step",
        {"dialect": "torch", "centered": True, "momentum": 0.9},
        "RMSprop",
        {"alpha": 0.9, "centered": True, "momentum": 0.9},
    ),
    ("adagrad_step", {"dialect": "torch"}, "Adagrad", {"fused": True, "initial_accumulator_value": 0.1}),
    ("adadelta_step", {}, "Adadelta", {"rho": 0.95}),
    ("adamax_step", {"dialect": "torch"}, "Adamax", {}),
    ("nadam_step", {}, "NAdam", {"momentum_decay": 1.0}),
    ("radam_step", {}, "RAdam", {}),
    ("rprop_step", {}, "Rprop", {}),
    ("lion_step", {}, None, {}),
]


def plain_lion(param: Any, grad: Any, moment1: Any) -> None:
    """Lion as people write it in NumPy."""
    param -= 1e-3 * np.sign(0.9 * moment1 + 0.1 * grad)
    moment1[:] = 0.99 * moment1 + 0.01 * grad


def run(report: Report) -> None:
    from cases import update as cases

    torch = peer("torch")
    rng = np.random.default_rng(0)
    sets = [[size] for size in report.cases(cases.BENCH_SIZES)]
    for rule, settings, name, theirs in report.cases(RULES):
        states, arguments = cases.start(rule, settings)
        if "learning_rate" in arguments:
            arguments["learning_rate"] = 1e-3
        if rule in cases.COUNTED:
            arguments["step"] = 10
        if rule == "nadam_step":
            arguments["mu_product"] = 0.1
        for sizes in [*sets, cases.BENCH_TENSORS]:
            params, grads = ([rng.normal(size=n).astype(np.float32) for n in sizes] for _ in range(2))
            arrays = {
                state: [np.full(n, value, np.float32) for n in sizes] for state, value in states.items()
            }
            inputs = {"param": params[0], **{state: each[0] for state, each in arrays.items()}}
            want = getattr(reference, rule)(**inputs, grad=grads[0], **arguments)[0]
            getattr(ops, rule)(param=params, grad=grads, **arrays, **arguments)
            assert np.abs(params[0] - want).max() < 1e-6, f"{rule} gives wrong numbers"

            def ours(
                r: str = rule, p: Any = params, g: Any = grads, s: Any = arrays, a: Any = arguments
            ) -> None:
                getattr(ops, r)(param=p, grad=g, **s, **a)

            calls = {"strop": ours}
            if torch and name:
                weights = [torch.nn.Parameter(torch.from_numpy(param.copy())) for param in params]
                for weight, grad in zip(weights, grads, strict=True):
                    weight.grad = torch.from_numpy(grad)
                kind = getattr(torch.optim, name)
                calls["torch"] = kind(weights, lr=1e-3, **theirs).step
                if "fused" not in theirs:
                    calls["torch foreach"] = kind(weights, lr=1e-3, foreach=True, **theirs).step
            elif name is None and len(sizes) == 1:
                copies = [a.copy() for a in (params[0], grads[0], arrays["moment1"][0])]
                calls["numpy"] = lambda c=copies: plain_lion(*c)
            total = sum(sizes)
            text = rule.removesuffix("_step") + (" centered, momentum" if "centered" in settings else "")
            text += f", {len(sizes)} tensors" if len(sizes) > 1 else ""
            row = report.compare(f"{text}, {total:,}", calls, moved=4.0 * (3 + 2 * len(states)) * total)
            print(f"{'':38}{1e3 * row['us']['strop'] / total:.3f} ns per parameter")


if __name__ == "__main__":
    main(run, __file__)
