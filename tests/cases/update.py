"""Rules that work element by element: their states, settings, and sizes from the code's edges.

Sizes: lanes of 4, 8 and 16, 4,096 from where a tensor is cut at a cache line, the chunk of 16,384, the threading
threshold.
"""

from typing import Any

SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 1000, 4096, 4097, 16_384, 16_385, 100_003]

#: States of each rule and what is in them before the first step.
STATES: dict[str, dict[str, float]] = {
    "adadelta_step": {"mean_square": 0.0, "mean_square_move": 0.0},
    "adagrad_step": {"sum_square": 0.1},
    "adamax_step": {"moment1": 0.0, "max_grad": 0.0},
    "lion_step": {"moment1": 0.0},
    "nadam_step": {"moment1": 0.0, "moment2": 0.0},
    "radam_step": {"moment1": 0.0, "moment2": 0.0},
    "rmsprop_step": {"mean_square": 0.0},
    "rprop_step": {"previous_grad": 0.0, "step_size": 0.01},
}

#: Those whose formula depends on the number of the step.
COUNTED = {"adamax_step", "nadam_step", "radam_step"}

#: States that a setting asks for beside those above.
OPTIONAL = {"momentum": "velocity", "centered": "mean_grad"}

#: What every rule but Rprop takes.
DECAYS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.1},
    {"l2": 0.05, "grad_scale": -1.0},
    {"weight_decay": 0.01, "l2": 0.01, "grad_scale": 0.25},
]

TORCH = {"dialect": "torch", "eps": 1e-8}

#: Settings of each rule; "centered" is a state, not an argument.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "adadelta_step": [{}, {"rho": 0.9, "eps": 1e-6}],
    "adagrad_step": [{}, {"dialect": "torch", "eps": 1e-10}],
    "adamax_step": [{}, TORCH, {"beta1": 0.3, "beta2": 0.5}],
    "lion_step": [{}, {"beta1": 0.95, "beta2": 0.98}],
    "nadam_step": [{}, {"momentum_decay": 4e-3, "eps": 1e-8}, {"beta1": 0.0, "beta2": 0.9}],
    "radam_step": [{}, {"beta1": 0.4, "beta2": 0.5}],
    "rmsprop_step": [
        {},
        TORCH | {"rho": 0.99},
        {"momentum": 0.9},
        TORCH | {"momentum": 0.9},
        {"centered": True},
        TORCH | {"centered": True, "rho": 0.4},
        TORCH | {"centered": True, "momentum": 0.9},
    ],
    "rprop_step": [{}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.05), "grad_scale": -1.0}],
}

#: p = 1, learning rate 0.1, gradients 0.1, -0.2, 0.3 in float64: the numbers of Keras 3.15 and of torch 2.13.
GOLDEN: list[tuple[str, dict[str, Any], list[float]]] = [
    ("rmsprop_step", {}, [0.6837880442, 0.9694994145, 0.7104365003]),
    ("rmsprop_step", TORCH | {"rho": 0.99}, [0.0000010000, 0.8953235613, 0.0918192825]),
    ("adagrad_step", {}, [0.9698488792, 1.0214886400, 0.9602514092]),
    (
        "adagrad_step",
        {"dialect": "torch", "eps": 1e-10, "sum_square": 0.0},
        [0.9000000001, 0.9894427192, 0.9092643466],
    ),
    ("adadelta_step", {}, [0.9998585928, 1.0000383668, 0.9998219414]),
    ("adadelta_step", {"rho": 0.9, "eps": 1e-6}, [0.9996839302, 1.0000878491, 0.9996010887]),
    ("adamax_step", {}, [0.9000001000, 0.9289474539, 0.9042242150]),
    ("adamax_step", TORCH, [0.9000000100, 0.9289473770, 0.9042241306]),
    ("nadam_step", {}, [0.8937213259, 0.9818878441, 0.8987155832]),
    ("nadam_step", {"momentum_decay": 4e-3, "eps": 1e-8}, [0.8943548314, 0.9850105753, 0.8966539091]),
    ("radam_step", {}, [0.99, 0.9957894737, 0.9883724995]),
    ("rprop_step", {"step_size": 0.1}, [0.9, 0.9, 0.85]),
    ("lion_step", {}, [0.9, 1.0, 0.9]),
    ("lion_step", {"weight_decay": 0.1}, [0.89, 0.9811, 0.871289]),
]

#: A table of 10,000 parameters, one in the second-level cache, one beyond every cache.
BENCH_SIZES = [10_000, 131_072, 25_000_000]

#: Tensors of one step: 10 thousand to a million floats.
BENCH_TENSORS = [int(10 ** (4 + 2 * i / 99)) for i in range(100)]


def start(rule: str, settings: dict[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """The states of a run with what is in them first, and the arguments of its calls."""
    states = STATES[rule] | {state: 0.0 for name, state in OPTIONAL.items() if settings.get(name)}
    states |= {name: value for name, value in settings.items() if name in states}
    arguments = {name: value for name, value in settings.items() if name != "centered" and name not in states}
    return states, arguments if rule == "rprop_step" else {"learning_rate": 0.01} | arguments
