"""A busy machine: what a second thread costs when every core is taken by another process, here and in torch.

`python benchmarks/bench_busy.py`. Two models train, the review classifier (small kernels) and a wide perceptron (large
products), with 1 and with all threads, on a quiet machine and beside one spinning process per core; every run in a
process of its own. The last column is what matters: time with all threads by time with one, both busy. 1.00 is fair.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from common import Report, finish, options
from reviews import invented

SECONDS = 75
WORDS, LENGTH, WIDTH = 20_000, 500, 1024
STEPS = {"reviews": 100, "wide": 20}
BATCH = {"reviews": 32, "wide": 256}
REPEATS = 5
LEAST_SECONDS = 0.5  # many slices of the scheduler


def data(model: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    count = steps * BATCH[model]
    if model == "reviews":
        return invented(count, length=LENGTH, vocabulary=WORDS)
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, WIDTH)).astype(np.float32), rng.integers(0, 2, count)


def strop_epoch(model: str, steps: int):
    """A function that trains for one epoch."""
    from strop import Sequential
    from strop.layers import Dense, Embedding, GlobalAveragePooling1D

    x, y = data(model, steps)
    body = (
        [Embedding(WORDS, 16, input_length=LENGTH), GlobalAveragePooling1D(), Dense(24, "relu")]
        if model == "reviews"
        else [Dense(WIDTH, "relu"), Dense(WIDTH, "relu")]
    )
    made = Sequential([*body, Dense(1, "sigmoid")])
    made.compile(optimizer="adam", loss="binary_crossentropy")
    return lambda: made.fit(x, y, batch_size=BATCH[model], epochs=1, verbose=0)


def torch_epoch(model: str, steps: int):
    """The same in torch, in its best form."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["STROP_NUM_THREADS"]))
    x, y = data(model, steps)
    x, y = torch.from_numpy(x), torch.from_numpy(y).float()[:, None]
    body = (
        [nn.EmbeddingBag(WORDS, 16, mode="mean"), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 1)]
        if model == "reviews"
        else [nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)]
    )
    made = nn.Sequential(*body)
    optimizer = torch.optim.Adam(made.parameters(), fused=True)
    loss_of = nn.BCEWithLogitsLoss()

    def epoch() -> None:
        for rows in torch.randperm(len(x)).split(BATCH[model]):
            loss = loss_of(made(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return epoch


def worker(library: str, model: str, steps: int, repeats: int, least: float) -> None:
    """Print the seconds of an epoch, `repeats` times the mean over `least` seconds of them."""
    epoch = (strop_epoch if library == "strop" else torch_epoch)(model, steps)
    epoch()
    means = []
    for _ in range(repeats):
        start, count = time.perf_counter(), 0
        while not count or time.perf_counter() - start < least:
            epoch()
            count += 1
        means.append((time.perf_counter() - start) / count)
    print(json.dumps(means))


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """So many processes that do nothing but take a core each."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.3 if count else 0)
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def measure(library: str, model: str, threads: int, busy: bool, quick: bool) -> float:
    """Median seconds of an epoch in a process of its own."""
    names = ["STROP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    plan = (2, 1, 0) if quick else (STEPS[model], REPEATS, LEAST_SECONDS)
    command = [sys.executable, __file__, "--worker", library, model, *map(str, plan)]
    with spinning(len(os.sched_getaffinity(0)) if busy else 0):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{library} failed:\n{done.stderr[-2000:]}")
    return statistics.median(json.loads(done.stdout.splitlines()[-1]))


def run(report: Report) -> None:
    quick, threads = report.settings.quick, len(os.sched_getaffinity(0))
    libraries = ["strop", *(["torch"] if "torch" in report.settings.peers else [])]
    titles = [f"{state}, {count}" for state in ("quiet", "busy") for count in (1, threads)]
    print(f"\n  {'seconds of an epoch; threads':<34}" + "".join(f"{t:>12}" for t in titles), end="")
    print(f"{f'busy, {threads} by 1':>16}")
    for model in report.cases(("reviews", "wide")):
        for library in libraries:
            times = {}
            print(f"  {f'{model}, {library}':<34}", end="", flush=True)
            for busy in (False, True):
                for count in dict.fromkeys([1, threads]):
                    key = f"{'busy' if busy else 'quiet'}, {count}"
                    times[key] = round(measure(library, model, count, busy, quick), 5)
                    print(f"{times[key]:>12.4f}", end="", flush=True)
            price = times[f"busy, {threads}"] / times["busy, 1"]
            print(f"{price:>15.2f}x", flush=True)
            report.rows.append(
                {
                    "case": f"{model}, {library}",
                    "threads": threads,
                    "epoch_s": times,
                    "busy_price": round(price, 3),
                }
            )


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        library, model, steps, repeats, least = sys.argv[2:]
        return worker(library, model, int(steps), int(repeats), float(least))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, __file__)
    report = Report("busy")
    run(report)
    return finish(report)


if __name__ == "__main__":
    main()
