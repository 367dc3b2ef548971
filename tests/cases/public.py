"""Real shapes of public benchmarks, a selection; each list stands under the file that it was taken from.

Keys: project, then its file. The benchmarks use these where no folder with whole lists is given.
"""

from typing import Any

#: (M, N, K, transpositions of A and B).
GEMM = {
    "baidu-research/DeepBench:code/kernels/gemm_problems.h": [
        (512, 1, 512, "NN"),
        (512, 16, 512, "NT"),
        (4608, 2, 1536, "NN"),
        (7680, 2, 2560, "NN"),
        (1760, 32, 1760, "NN"),
        (2048, 32, 2048, "TN"),
        (7680, 16, 2560, "TN"),
        (2560, 64, 2560, "TN"),
        (3072, 1500, 128, "NN"),
        (35, 8457, 2560, "NN"),
        (4096, 64, 4096, "NN"),
        (7680, 64, 2560, "NN"),
        (4096, 128, 4096, "TN"),
        (512, 3000, 2560, "NN"),
    ],
    "pytorch/benchmark:torchbenchmark/util/gemm_shapes.csv": [
        (1, 1280, 3584, "NN"),
        (8, 2304, 1024, "NN"),
        (32, 1280, 1024, "NN"),
        (8, 8192, 1024, "NN"),
        (1, 7168, 16384, "NN"),
        (32, 7168, 1024, "NN"),
        (32, 1280, 8192, "NN"),
        (32, 16384, 1024, "NN"),
        (128, 7168, 1024, "NN"),
        (32, 2304, 16384, "NN"),
    ],
    "google/XNNPACK:bench/models/mobilenet_v3_small_gemm.txt": [
        (1, 40, 144, "NN"),
        (1, 1001, 1024, "NN"),
    ],
    "google/XNNPACK:bench/models/mobilenet_v1_gemm.txt": [
        (784, 256, 128, "NN"),
        (49, 1024, 1024, "NN"),
    ],
    "google/XNNPACK:bench/models/resnet50_gemm.txt": [
        (784, 128, 128, "NN"),
        (3136, 64, 64, "NN"),
        (196, 1024, 256, "NN"),
    ],
    "google/XNNPACK:bench/models/vgg_gemm.txt": [
        (50176, 64, 27, "NN"),
        (784, 512, 2304, "NN"),
    ],
    "google/XNNPACK:bench/models/inception_v3_gemm.txt": [
        (1369, 48, 192, "NN"),
        (100, 384, 1152, "NN"),
    ],
    "google/XNNPACK:bench/models/squeezenet_v10_gemm.txt": [
        (169, 256, 64, "NN"),
        (3025, 128, 32, "NN"),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/matmul/shapes_converted_ip_inf_sb_dien": [
        (128, 2, 80, "NN"),
        (3328, 1, 40, "NN"),
        (640, 80, 144, "NN"),
        (5248, 40, 80, "NN"),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/matmul/shapes_converted_ip_inf_lb_dlrm": [
        (2048, 1, 256, "NN"),
        (2048, 512, 13, "NN"),
        (2048, 128, 256, "NN"),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/matmul/shapes_converted_ip_tr_rnn_t_bwd_d": [
        (896, 512, 29, "NN"),
        (896, 320, 1280, "NN"),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/matmul/shapes_converted_ip_inf_lb_vgg16": [
        (64, 4096, 4096, "NN"),
    ],
    "pytorch/FBGEMM:bench/GEMMsBenchmark.cc": [
        (128, 128, 128, "NN"),
        (64, 800, 320, "NN"),
        (1024, 1024, 1024, "NN"),
    ],
}

#: Shapes of logits, the classes last.
SOFTMAX = {
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/softmax/shapes_ci": [
        (1, 16, 2, 12),
        (2, 19, 17, 13),
        (255, 10),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/softmax/shapes_0d": [
        (256, 10),
        (96, 1000),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/softmax/shapes_3d": [
        (3, 17, 9, 37, 19),
        (96, 1024, 1, 1, 1),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/softmax/shapes_2d": [
        (448, 16, 28, 28),
        (96, 1000, 1, 1),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/softmax/shapes_nlp": [
        (4864, 38),
        (5248, 41),
        (6784, 53),
        (7424, 58),
    ],
}

#: (shape before, shape after).
REDUCTION = {
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/reduction/shapes_gpu_all": [
        ((128, 53, 17), (128, 1, 1)),
        ((16, 128, 4, 64), (16, 128, 1, 1)),
        ((2, 52, 128, 36), (2, 1, 128, 36)),
        ((36, 640, 4), (1, 1, 1)),
        ((4192, 17), (1, 1)),
        ((8000, 32), (1, 32)),
    ],
    "uxlfoundation/oneDNN:tests/benchdnn/inputs/reduction/shapes_ci": [
        ((15, 12, 3, 5), (15, 1, 1, 1)),
    ],
}

#: (rows of the table, width, bags, ids of a bag, how ids are drawn).
EMBEDDING = {
    "facebookresearch/dlrm:torchrec_dlrm/README.MD": [
        (976, 128, 2048, 1, "uniform"),
        (590152, 128, 2048, 10, "uniform"),
        (39060, 128, 2048, 2, "uniform"),
        (405282, 128, 2048, 8, "uniform"),
    ],
    "pytorch/FBGEMM:bench/EmbeddingSpMDMBenchmark.cc": [
        (4000, 128, 10, 100, "uniform"),
    ],
    "pytorch/FBGEMM:fbgemm_gpu/fbgemm_gpu/tbe/bench/benchmark_click_interface.py": [
        (100000, 128, 512, 20, "zipf alpha=1.0 (uniform)"),
    ],
}


def _gemm(source: str, m: int, n: int, k: int, transpositions: str) -> dict[str, Any]:
    a, b = (letter == "T" for letter in transpositions)
    return {"m": m, "n": n, "k": k, "ta": a, "tb": b, "source": source}


def _embedding(source: str, rows: int, dim: int, batch: int, length: int, ids: str) -> dict[str, Any]:
    return {"rows": rows, "dim": dim, "batch": batch, "avg_len": length, "ids": ids, "source": source}


#: By kind of operator, with the keys that whole lists have too.
SHAPES: dict[str, list[dict[str, Any]]] = {
    "gemm": [_gemm(source, *shape) for source, found in GEMM.items() for shape in found],
    "softmax": [{"shape": list(s), "source": source} for source, found in SOFTMAX.items() for s in found],
    "reduction": [
        {"shape_in": list(before), "shape_out": list(after), "source": source}
        for source, found in REDUCTION.items()
        for before, after in found
    ],
    "embedding": [_embedding(source, *shape) for source, found in EMBEDDING.items() for shape in found],
}
