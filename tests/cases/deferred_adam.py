"""Betas, forms of epsilon and schedules under which the deferred update must equal the dense one."""

import numpy as np

SETTINGS = {
    "keras": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "eps_mode": "hat", "weight_decay": 0.0},
    "torch": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "eps_mode": "torch", "weight_decay": 0.0},
    "keras decay": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "eps_mode": "hat", "weight_decay": 0.01},
    "torch decay": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "eps_mode": "torch", "weight_decay": 0.01},
    "slow": {"beta1": 0.95, "beta2": 0.999, "eps": 1e-7, "eps_mode": "hat", "weight_decay": 0.0},
    "long": {"beta1": 0.9, "beta2": 0.9999, "eps": 1e-8, "eps_mode": "torch", "weight_decay": 0.01},
    "short": {"beta1": 0.5, "beta2": 0.999, "eps": 1e-7, "eps_mode": "hat", "weight_decay": 0.0},
    "degree 8": {"beta1": 0.9, "beta2": 0.99, "eps": 1e-7, "eps_mode": "hat", "weight_decay": 0.0},
}


def schedule(name: str, steps: int) -> np.ndarray:
    """Learning rates of the steps 1, 2, ...: constant, warm-up and cosine, with stretches of 0, random."""
    n = np.arange(steps)
    if name == "cosine":
        return 1e-3 * np.minimum(1, (n + 1) / 100) * 0.5 * (1 + np.cos(np.pi * n / steps))
    if name == "pauses":
        return np.where(n // 150 % 3 == 1, 0.0, 1e-3)
    if name == "random":
        return np.random.default_rng(1).uniform(0, 2e-3, steps)
    return np.full(steps, 1e-3)


SCHEDULES = ["constant", "cosine", "pauses", "random"]

#: Rows, width and rows touched per step of the benchmark: the tutorial's table, then ten million rows.
BENCH_CASES = [(88_587, 16, 3062), (10_000_000, 16, 3062)]
