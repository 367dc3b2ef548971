"""The libraries that strop is measured against, where they are installed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
from collections.abc import Iterable

from .._names import nearest

#: Name on the command line: what has to be installed for it, and what one types to get it.
PEERS = {
    "numpy": (("numpy",), "numpy"),
    "torch": (("torch",), "torch"),
    "jax": (("jax", "keras"), "keras jax"),
    "tensorflow": (("tensorflow", "keras"), "keras tensorflow-cpu"),
}


def installed() -> list[str]:
    """The peers that are here.

    Example:
        >>> "numpy" in installed()
        True
    """
    return [name for name, (modules, _) in PEERS.items() if all(map(importlib.util.find_spec, modules))]


def choose(names: Iterable[str] | None) -> list[str]:
    """The peers to run: those named, or all that are installed.

    Raises:
        ValueError: a name is unknown, or what it needs is not installed.

    Example:
        >>> choose(["numpy"])
        ['numpy']
    """
    if names is None:
        return installed()
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in PEERS:
            known = ", ".join(PEERS)
            raise ValueError(f"bench: peers must be among {known}; got {name!r}{nearest(name, PEERS)}")
        if name not in installed():
            raise ValueError(f"bench: peers must be installed; got {name!r}; pip install {PEERS[name][1]}")
    return chosen


def absent_lines() -> list[str]:
    """A line for each peer that is not here, with how to add it."""
    here = installed()
    return [f"{name} is not installed: pip install {PEERS[name][1]}" for name in PEERS if name not in here]


def versions() -> dict[str, str]:
    """The version of every library behind the peers, without importing it.

    Example:
        >>> isinstance(versions(), dict)
        True
    """
    found = {}
    for module, *others in (("torch",), ("keras",), ("jax",), ("tensorflow", "tensorflow-cpu")):
        for name in (module, *others):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[module] = importlib.metadata.version(name)
    return found
