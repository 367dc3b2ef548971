"""A thinc model: only the import of its optimizer changes.

pip install thinc
python examples/thinc_model.py [steps] [width]
"""

import sys
import time

import numpy as np
import thinc.api
from thinc.api import Relu, Softmax, chain, fix_random_seed

import strop.adapters.thinc

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
width = int(sys.argv[2]) if len(sys.argv) > 2 else 1024


def train(Adam):
    fix_random_seed(0)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10, 784), np.float32)
    model = chain(Relu(width), Relu(width), Softmax(10))
    model.initialize(centres, np.eye(10, dtype=np.float32))
    optimizer = Adam(0.001)
    losses, in_optimizer, start = [], 0.0, time.perf_counter()
    for _ in range(steps):
        label = rng.integers(0, 10, 64)
        x = np.float32(0.2) * centres[label] + rng.standard_normal((64, 784), np.float32)
        guess, backpropagate = model.begin_update(x)
        losses.append(-float(np.log(guess[np.arange(64), label]).mean()))
        backpropagate((guess - np.eye(10, dtype=np.float32)[label]) / np.float32(64))
        begin = time.perf_counter()
        model.finish_update(optimizer)
        in_optimizer += time.perf_counter() - begin
    return losses, in_optimizer, time.perf_counter() - start


runs = {
    "before": train(thinc.api.Adam),  # from thinc.api import Adam
    "after": train(strop.adapters.thinc.Adam),  # from strop.adapters.thinc import Adam
}
for name, (losses, in_optimizer, total) in runs.items():
    print(f"{name:7} loss {losses[-1]:.6f}, {in_optimizer:.2f} s in the optimizer, {total:.2f} s in all")
difference = np.abs(np.subtract(runs["before"][0], runs["after"][0])).max()
ratio = runs["before"][1] / runs["after"][1]
print(f"the optimizer is {ratio:.1f} times as fast; no loss differs by more than {difference:.0e}")
