"""The whole review classifier: a ten-epoch fit here, in Keras on JAX and TensorFlow, and in torch.

`python benchmarks/bench_imdb.py [DATA] [--seeds 5] [--epochs 10]`. DATA is an imdb.npz; without one, reviews of the
same shape are invented. Each fit runs alone in a process of its own, one after the other, on the same arrays.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import Report, finish, options
from reviews import padded

SECONDS = 150
WORKER = Path(__file__).parent / "imdb_workers.py"


def fit(library: str, data: str, seed: int, epochs: int) -> dict:
    backend = "torch" if library in ("strop", "torch") else library
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(WORKER), library, data, str(seed), str(epochs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{library} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    given = options(parser, __file__)
    report = Report("imdb")
    quick = report.settings.quick
    seeds, epochs = (1, 1) if quick else (given.seeds, given.epochs)
    arrays, source = padded(given.data, 10_000, quick)
    print(
        f"  {len(arrays['x_train']):,} {source}; {epochs} epoch{'s' * (epochs > 1)} with validation, batch 32",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "imdb.npz")
        np.savez(data, **arrays)
        ours = []
        for seed in range(seeds):
            ours.append(fit("strop", data, seed, epochs))
            run = ours[-1]
            print(f"  {f'strop, seed {seed}':<24}{run['seconds']:>8.2f} s{'':9} ", end="")
            print(f"test accuracy {run['accuracy']:.4f}", flush=True)
        best = min(run["seconds"] for run in ours)
        report.rows.append({"case": f"fit, {epochs} epochs", "data": source, "strop": ours})
        for name in report.settings.peers:
            if name == "numpy":
                continue
            label = name if name == "torch" else f"keras on {name}"
            run = fit(name, data, 0, epochs)
            ratio = run["seconds"] / best
            print(f"  {label:<24}{run['seconds']:>8.2f} s{ratio:>8.1f}x ", end="")
            print(f"test accuracy {run['accuracy']:.4f}", flush=True)
            report.rows.append({"case": f"against {label}", "peer": run, "ratio": round(ratio, 2)})
    finish(report)


if __name__ == "__main__":
    main()
