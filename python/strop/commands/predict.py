"""`python -m strop predict`: classify sentences with a model that `train` saved."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..models import load_model
from .reviews import Words
from .train import classify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="sentences to classify")
    parser.add_argument("--model", type=Path, default=Path("demo-output"), help="folder that train wrote")


def run(options: argparse.Namespace) -> None:
    """Load model and words, print the verdicts."""
    model = load_model(options.model / "reviews.safetensors", compile=False)
    classify(model, Words.load(options.model / "words.json"), options.texts)
