"""The parts of `python -m strop`."""
