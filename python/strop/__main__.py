"""The command line: `python -m strop info`, `bench`, `train imdb`, `predict`."""

from __future__ import annotations

import argparse
import sys

from . import config
from .commands import bench, predict, train


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors of the user's making are one line."""
    parser = argparse.ArgumentParser(prog="strop", description="Neural networks on NumPy arrays.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, instruction sets, threads, extras")
    bench.add_arguments(
        commands.add_parser("bench", help="measure kernels and models beside other libraries")
    )
    train.add_arguments(commands.add_parser("train", help="train the review classifier"))
    predict.add_arguments(commands.add_parser("predict", help="classify sentences with a trained model"))
    options = parser.parse_args(arguments)
    if options.command == "info":
        print(config.show())
        return 0
    try:
        if options.command == "bench":
            return 1 if bench.run(options) else 0
        (train if options.command == "train" else predict).run(options)
    except (OSError, ValueError) as error:
        print(f"strop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
