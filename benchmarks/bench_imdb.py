"""The whole classifier: the tutorial's ten-epoch fit here, in Keras on two back ends, and in torch.

`python benchmarks/bench_imdb.py [DATA] [--seeds 5] [--peers jax tensorflow torch]`. DATA is an imdb.npz. Each
fit runs alone in a process of its own, one after the other, on the same arrays.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import ROOT, Report
from strop.datasets import imdb
from strop.preprocessing.sequence import pad_sequences

WORKER = Path(__file__).parent / "imdb_workers.py"


def arrays(path: str | None) -> dict[str, np.ndarray]:
    source = {"path": path} if path else {}
    (x_train, y_train), (x_test, y_test) = imdb.load_data(**source, num_words=10_000)
    return {
        "x_train": pad_sequences(x_train, maxlen=500),
        "y_train": y_train,
        "x_test": pad_sequences(x_test, maxlen=500),
        "y_test": y_test,
    }


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
    default = ROOT.parent / "shared" / "data" / "imdb" / "imdb.npz"
    parser.add_argument("data", nargs="?", default=str(default) if default.exists() else None)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--peers", nargs="*", default=["jax", "tensorflow", "torch"])
    options = parser.parse_args()
    report = Report("imdb")
    peers = [name for name in options.peers if importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "imdb.npz")
        np.savez(data, **arrays(options.data))
        ours = [fit("strop", data, seed, options.epochs) for seed in range(options.seeds)]
        best = min(run["seconds"] for run in ours)
        for seed, run in enumerate(ours):
            print(
                f"  strop seed {seed}: {run['seconds']:.2f} s, test accuracy {run['accuracy']:.4f}",
                flush=True,
            )
        report.rows.append({"case": f"fit, {options.epochs} epochs", "strop": ours})
        for name in peers:
            run = fit(name, data, 0, options.epochs)
            ratio = run["seconds"] / best
            label = name if name == "torch" else f"keras on {name}"
            print(
                f"  {label}: {run['seconds']:.2f} s ({ratio:.1f}x), test accuracy {run['accuracy']:.4f}",
                flush=True,
            )
            report.rows.append({"case": f"against {label}", "peer": run, "ratio": round(ratio, 2)})
    report.write()


if __name__ == "__main__":
    main()
