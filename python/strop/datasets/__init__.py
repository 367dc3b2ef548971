"""Data sets: found on disk or downloaded, with a checked hash; nothing is fetched at import."""

from . import co2, diabetes, imdb, italy_power_demand, mnist, sms_spam, snippets, sunspots, tiny_shakespeare

__all__ = [
    "co2",
    "diabetes",
    "imdb",
    "italy_power_demand",
    "mnist",
    "sms_spam",
    "snippets",
    "sunspots",
    "tiny_shakespeare",
]
