"""Where a run takes place: on a device through CuPy, or on the kernels as fibres, which tests every line but no time.

torch and JAX are the peers' and optional; their arrays share the memory of ours. On a device CuPy works on torch's
stream, so that one pair of events serves both; JAX has streams of its own and is timed by the host's clock.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
BLOCK = 1 << 20  # values drawn; longer arrays repeat them


def _optional(name: str) -> Any | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception as error:  # a peer that does not load is absent, whatever the reason
        print(f"  {name}: absent ({type(error).__name__}: {error})", flush=True)
        return None


class Place:
    """A device, or its stand-in, and the arrays there."""

    simulated = False

    def __init__(self, peers: bool = True) -> None:
        self.torch = _optional("torch") if peers else None
        if self.torch is not None and not self.torch.cuda.is_available():
            print("  torch: has no CUDA device here")
            self.torch = None
        self.cupy = importlib.import_module("cupy")
        self.torch_device = "cuda"
        if self.torch is not None:
            stream = self.torch.cuda.Stream()
            self.torch.cuda.set_stream(stream)
            self.stream = self.cupy.cuda.ExternalStream(stream.cuda_stream)
        else:
            self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.stream.use()
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.jax = _optional("jax") if peers else None
        if self.jax is not None and self.jax.default_backend() != "gpu":
            print(f"  jax: its back end here is {self.jax.default_backend()}")
            self.jax = None
        self._flushing = self.cupy.empty(2 << 30, "uint8")

    # ---- arrays

    def array(self, values: np.ndarray) -> Any:
        return self.cupy.asarray(values)

    def random(self, shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> Any:
        """Normal numbers, float32; after BLOCK of them they come again."""
        block = (scale * np.random.default_rng(seed).standard_normal(BLOCK)).astype(np.float32)
        size = int(np.prod(shape))
        out = self.cupy.empty(size, "float32")
        given = self.array(block)
        for begin in range(0, size, BLOCK):
            part = min(BLOCK, size - begin)
            out[begin : begin + part] = given[:part]
        return out.reshape(shape)

    def zeros(self, shape: tuple[int, ...]) -> Any:
        return self.cupy.zeros(shape, "float32")

    def host(self, array: Any) -> np.ndarray:
        return array.get() if hasattr(array, "get") else np.asarray(array)

    def to_torch(self, array: Any) -> Any:
        """The same memory as a tensor."""
        return self.torch.from_dlpack(array)

    def to_jax(self, array: Any) -> Any:
        return self.jax.dlpack.from_dlpack(array)

    # ---- time

    def synchronize(self) -> None:
        self.cupy.cuda.Device().synchronize()

    def mark(self) -> Any:
        event = self.cupy.cuda.Event()
        event.record()
        return event

    def between(self, begin: Any, end: Any) -> float:
        """Seconds from one mark to the other."""
        end.synchronize()
        return float(self.cupy.cuda.get_elapsed_time(begin, end)) / 1e3

    def give_back(self) -> None:
        """Memory that nobody uses, from CuPy's pool and torch's."""
        self.cupy.get_default_memory_pool().free_all_blocks()
        if self.torch is not None and self.torch.cuda.is_available():
            self.torch.cuda.empty_cache()

    def flush(self) -> None:
        """2 GB written: nothing else is in the caches, and the host gets half a millisecond ahead."""
        self._flushing.data.memset_async(0, self._flushing.nbytes)

    @contextlib.contextmanager
    def capturing(self) -> Iterator[list[Any]]:
        """What is launched in the block, as a graph: the one item of the list afterwards."""
        with self.cupy.cuda.Stream(non_blocking=True) as stream:
            found: list[Any] = []
            stream.begin_capture()
            try:
                yield found
            finally:
                found.append(stream.end_capture())

    def replay(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """The launches of `call` as a graph."""
        call()
        self.synchronize()
        with self.capturing() as found:
            call()
        return found[0].launch

    def about(self) -> dict[str, Any]:
        """Of the device: name, multiprocessors, memory, L2, versions of driver and runtime."""
        runtime = self.cupy.cuda.runtime
        facts = runtime.getDeviceProperties(self.cupy.cuda.Device().id)
        return {
            "device": facts["name"].decode(),
            "multiprocessors": facts["multiProcessorCount"],
            "memory_gb": round(facts["totalGlobalMem"] / 1e9, 1),
            "l2_mb": round(facts["l2CacheSize"] / 1e6, 1),
            "capability": f"{facts['major']}.{facts['minor']}",
            "cuda_driver": runtime.driverGetVersion(),
            "cuda_runtime": runtime.runtimeGetVersion(),
        }


class SimulatedPlace(Place):
    """The kernels as fibres. Peers run on the CPU; times are the host's and mean nothing."""

    simulated = True

    def __init__(self, peers: bool = True) -> None:
        sys.path.insert(0, str(ROOT / "tests"))
        gpu = importlib.import_module("gpu")
        self._open = gpu.simulated()
        self.cupy = self._open.__enter__().cupy
        atexit.register(self._open.__exit__, None, None, None)
        self.torch = _optional("torch") if peers else None
        self.torch_device = "cpu"
        self.jax = _optional("jax") if peers else None

    def to_torch(self, array: Any) -> Any:
        return self.torch.from_numpy(array.get())

    def to_jax(self, array: Any) -> Any:
        return self.jax.numpy.asarray(array.get())

    def random(self, shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> Any:
        values = np.random.default_rng(seed).standard_normal(shape)
        return self.array((scale * values).astype(np.float32))

    def synchronize(self) -> None:
        pass

    def mark(self) -> float:
        return time.perf_counter()

    def between(self, begin: float, end: float) -> float:
        return end - begin

    def flush(self) -> None:
        pass

    def about(self) -> dict[str, Any]:
        return {"device": "simulated", "multiprocessors": 0, "l2_mb": 50.0}
