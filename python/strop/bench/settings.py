"""The options of every benchmark, on the command line and in a script."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from . import peers

T = TypeVar("T")

SECONDS, QUICK_SECONDS = 0.4, 0.02


@dataclass(frozen=True)
class Settings:
    """How long, against whom, on which cases, and where results go."""

    seconds: float = SECONDS
    quick: bool = False
    peers: list[str] = field(default_factory=peers.installed)
    output: Path = Path("bench-output")
    shapes: Path | None = None
    machine: Path | None = None

    def cases(self, given: Sequence[T], quick: int = 1) -> Sequence[T]:
        """The cases to run: all, or the first `quick` of them in a quick run.

        Example:
            >>> Settings(quick=True).cases([1, 2, 3])
            [1]
        """
        return given[:quick] if self.quick else given


def add_arguments(parser: argparse.ArgumentParser, output: Path = Settings.output) -> None:
    """The options that all benchmarks share."""
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the first case of each list, for a moment, NumPy as the only peer: shows that all runs, not how fast",
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help=f"time for a case and its peers together ({SECONDS})"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        metavar="PEER",
        help=f"of {', '.join(peers.PEERS)} (default: all that are installed; nothing after it: none)",
    )
    parser.add_argument(
        "--output", type=Path, default=output, metavar="DIR", help="where results are written (%(default)s)"
    )
    parser.add_argument(
        "--shapes",
        type=Path,
        metavar="DIR",
        help="a folder of lists of shapes, such as gemm.json, in place of those that are built in",
    )
    parser.add_argument("--machine", type=Path, help=argparse.SUPPRESS)


def from_options(options: argparse.Namespace) -> Settings:
    """The settings that parsed options ask for.

    Raises:
        ValueError: a value is out of range, a peer unknown or absent, or a folder is not there.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_arguments(parser)
        >>> from_options(parser.parse_args(["--quick"])).peers
        ['numpy']
    """
    seconds = options.seconds
    if seconds is not None and not (math.isfinite(seconds) and 0 < seconds <= 3600):
        raise ValueError(f"bench: seconds must lie in (0, 3600]; got {seconds:g}")
    if options.shapes is not None and not options.shapes.is_dir():
        raise ValueError(f"bench: shapes must be a folder; got {str(options.shapes)!r}")
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f"bench: output must be a folder; got the file {str(options.output)!r}")
    named = ["numpy"] if options.quick and options.peers is None else options.peers
    return Settings(
        seconds=seconds or (QUICK_SECONDS if options.quick else SECONDS),
        quick=options.quick,
        peers=peers.choose(named),
        output=options.output,
        shapes=options.shapes,
        machine=options.machine,
    )


def as_arguments(settings: Settings) -> list[str]:
    """The options that give the same settings to a benchmark in a process of its own.

    Example:
        >>> as_arguments(Settings(seconds=1, peers=["numpy"]))
        ['--seconds', '1', '--output', 'bench-output', '--peers', 'numpy']
    """
    words = ["--seconds", f"{settings.seconds:g}", "--output", str(settings.output)]
    for name in ("shapes", "machine"):
        if (path := getattr(settings, name)) is not None:
            words += [f"--{name}", str(path)]
    return [*words, *(["--quick"] if settings.quick else []), "--peers", *settings.peers]
