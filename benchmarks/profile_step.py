"""Where the microseconds of a training step go: Python's share, and every kernel's.

`python benchmarks/profile_step.py [--quick]`. The review classifier trains twice on the same batches: by its step
program, one C++ call for up to 64 steps, as `fit` does it; and by its step plan, one call from Python for each kernel,
which shows what each of them takes. Time in the extension is measured around every call into it; the rest is Python's.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import strop
from bench_scale import Clock
from common import Report, finish, options
from reviews import LENGTH, WORDS, invented
from strop import _cpu
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.training import turns

SAMPLES, BATCH, EPOCHS = 20_000, 32, 8


class Calls:
    """Seconds spent in the extension, by function."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args, **kwargs):
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - start
                self.counts[name] += 1

        return measured

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Measure around every function of the extension and every method of its classes.

        Modules that keep a function under a name of their own have it replaced there too.
        """
        changed = []
        holders = [module for name, module in sys.modules.items() if name.partition(".")[0] == "strop"]
        for name, value in list(vars(_cpu).items()):
            if isinstance(value, type):
                for method, call in list(vars(value).items()):
                    if not method.startswith("_") and callable(call):
                        changed.append((value, method, call))
                        setattr(value, method, self.timed(f"{name}.{method}", call))
            elif callable(value):
                for module in holders:
                    for own, held in list(vars(module).items()):
                        if held is value:
                            changed.append((module, own, value))
                            setattr(module, own, self.timed(name, value))
        try:
            yield
        finally:
            for owner, name, value in changed:
                setattr(owner, name, value)


@contextmanager
def by_plan() -> Iterator[None]:
    """No step program: each kernel is called from Python."""
    made, turns.training_program = turns.training_program, lambda plan, optimizer: None
    try:
        yield
    finally:
        turns.training_program = made


def model() -> strop.Sequential:
    strop.utils.set_random_seed(0)
    made = strop.Sequential(
        [
            Embedding(WORDS, 16, input_length=LENGTH),
            GlobalAveragePooling1D(),
            Dense(24, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    made.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return made


def epoch(made: strop.Sequential, x, y) -> float:
    """Seconds of one epoch."""
    clock = Clock()
    made.fit(x, y, batch_size=BATCH, epochs=1, callbacks=[clock], verbose=0)
    return clock.seconds[0]


def profile(x, y, epochs: int) -> dict[str, Any]:
    """Microseconds of a step: all, by function of the extension, and Python's rest."""
    steps = -(-len(x) // BATCH)
    made = model()
    epoch(made, x, y)  # what only a first epoch pays for
    best, whole = Calls(), math.inf
    for _ in range(epochs):
        calls = Calls()
        with calls.watch():
            seconds = epoch(made, x, y)
        if seconds < whole:
            best, whole = calls, seconds
    us = {name: 1e6 * s / steps for name, s in sorted(best.seconds.items(), key=lambda item: -item[1])}
    return {
        "step_us": round(1e6 * whole / steps, 2),
        "python_us": round(1e6 * whole / steps - sum(us.values()), 2),
        "us": {name: round(value, 3) for name, value in us.items()},
        "calls_per_step": {name: round(best.counts[name] / steps, 3) for name in us},
    }


def show(title: str, found: dict[str, Any]) -> None:
    whole = found["step_us"]
    print(f"\n  {title:<52}{'us a step':>10}{'share':>8}{'calls a step':>14}")
    for name, us in found["us"].items():
        if us / whole > 0.001:
            print(f"    {name:<50}{us:>10.2f}{us / whole:>8.1%}{found['calls_per_step'][name]:>14.2f}")
    print(f"    {'Python':<50}{found['python_us']:>10.2f}{found['python_us'] / whole:>8.1%}")
    print(f"    {'all':<50}{whole:>10.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, __file__)
    report = Report("profile_step")
    x, y = invented(20 * BATCH if report.settings.quick else SAMPLES)
    epochs = 1 if report.settings.quick else EPOCHS
    print(f"  {len(x):,} invented reviews of {LENGTH} ids, batch {BATCH}, {WORDS:,} words, width 16, Adam")
    found = profile(x, y, epochs)
    show("by the step program, as fit trains", found)
    report.rows.append({"case": "program", **found})
    with by_plan():
        found = profile(x, y, epochs)
    show("by the step plan, a call for each kernel", found)
    report.rows.append({"case": "plan", **found})
    finish(report)


if __name__ == "__main__":
    main()
