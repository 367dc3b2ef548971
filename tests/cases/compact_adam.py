"""Shapes from the code's edges: the run of 16, the block of 256, the chunk of 64 blocks; as for Adam else."""

KINDS = ["bfloat16", "8bit"]

#: At least 4,096 elements, rows of at least 8: what is smaller keeps float32.
SHAPES = [
    (4096,),
    (4097,),
    (16_385,),
    (100_003,),
    (512, 8),
    (500, 9),
    (300, 15),
    (300, 16),
    (300, 17),
    (41, 100),
    (17, 255),
    (17, 256),
    (17, 257),
    (9, 512),
    (9, 530),
    (40, 3, 50),
]

SETTINGS = {
    "keras": {"eps": 1e-7, "eps_mode": "hat"},
    "torch": {"eps": 1e-8, "eps_mode": "torch"},
    "decay": {"weight_decay": 0.01},
    "coupled": {"l2": 0.05, "grad_scale": -0.5},
    "textbook": {"bias_correction": False},
}

#: A table of words, one of features, and a vector beyond every cache.
BENCH_SHAPES = [(88_587, 16), (262_144, 64), (16_777_216,)]

#: A table and the rows of a batch.
BENCH_ROWS = ((1_000_000, 64), 10_000)
