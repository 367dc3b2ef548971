"""A model with autograd's gradients: its loop takes strop's Adam in place of autograd's own.

pip install autograd
python examples/autograd_model.py [steps] [width]
"""

import sys
import time
from itertools import pairwise

import autograd.numpy as np
from autograd import value_and_grad
from autograd.misc.optimizers import adam

import strop

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
width = int(sys.argv[2]) if len(sys.argv) > 2 else 512


# ---- the model, as its owner wrote it: nothing here changes
def init_params():
    rng = np.random.RandomState(0)
    sizes = [784, width, width, 10]
    return [(rng.randn(m, n) / np.sqrt(m), np.zeros(n)) for m, n in pairwise(sizes)]


def loss(params, inputs, label):
    for weight, bias in params[:-1]:
        inputs = np.tanh(np.dot(inputs, weight) + bias)
    logits = np.dot(inputs, params[-1][0]) + params[-1][1]
    largest = np.max(logits, axis=1, keepdims=True)
    log_sum = largest + np.log(np.sum(np.exp(logits - largest), axis=1, keepdims=True))
    return -np.mean((logits - log_sum)[np.arange(len(label)), label])


def batch(i):
    rng = np.random.RandomState(1000 + i)
    label = rng.randint(0, 10, 64)
    centres = np.random.RandomState(1).randn(10, 784)
    return 0.1 * centres[label] + rng.randn(64, 784), label


losses, in_gradients = [], 0.0


def gradient(params, i):
    global in_gradients
    start = time.perf_counter()
    value, grads = value_and_grad(loss)(params, *batch(i))
    in_gradients += time.perf_counter() - start
    losses.append(float(value))
    return grads


# ---- training
def before(params):
    adam(gradient, params, step_size=1e-3, num_iters=steps)


def after(params):
    optimizer = strop.optim.Adam(params, lr=1e-3)
    for i in range(steps):
        optimizer.step(gradient(params, i))


runs = {}
for name, train in {"before": before, "after": after}.items():
    losses, in_gradients = [], 0.0
    start = time.perf_counter()
    train(init_params())
    total = time.perf_counter() - start
    runs[name] = losses, total - in_gradients
    print(
        f"{name:7} loss {losses[-1]:.6f}, {total - in_gradients:.2f} s in the optimizer, {total:.2f} s in all"
    )
difference = max(abs(a - b) for a, b in zip(runs["before"][0], runs["after"][0], strict=True))
ratio = runs["before"][1] / runs["after"][1]
print(f"the optimizer is {ratio:.1f} times as fast; no loss differs by more than {difference:.0e}")
