"""`python -m strop bench`: measure kernels and models beside the libraries that are installed."""

from __future__ import annotations

import argparse

from ..bench import catalogue, runner, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.epilog = "example: strop bench adam matmul --peers numpy torch"
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="benchmarks as --list shows them, or kernels or models for all of a kind (default: everything)",
    )
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are, and stop")
    settings.add_arguments(parser)
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads for strop and its peers (default: each one's own)"
    )
    parser.add_argument(
        "--draw", action="store_true", help="measure nothing; sum up and draw what --output holds"
    )


def run(options: argparse.Namespace) -> int:
    """Measure; the number of benchmarks that failed.

    Raises:
        ValueError: an option is out of range or unknown.
        FileNotFoundError: the benchmarks are not part of this installation.
    """
    if options.threads is not None and not 1 <= options.threads <= 1024:
        raise ValueError(f"bench: threads must lie in [1, 1024]; got {options.threads}")
    chosen, asked = catalogue.choose(options.names), settings.from_options(options)
    if options.list:
        for b in chosen:
            print(f"{b.group[:-1]:<8}{b.name:<16}{b.title}; about {runner.duration(b.seconds)}")
        return 0
    if options.draw:
        runner.print_summary(runner.load(asked.output, [b.name for b in chosen]))
        runner.draw(asked.output)
        return 0
    return runner.run(chosen, asked, options.threads)
