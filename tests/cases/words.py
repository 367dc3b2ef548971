"""Texts: empty ones, every width of a code point, words around 8 and 16 bytes, ends at the edges of blocks of 64."""

from __future__ import annotations

import random

ENDS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n '


def _lengths() -> list[str]:
    return [" ".join("x" * n + end for n in range(1, 40) for end in "ab"), "y" * 70_000]


def _blocks() -> list[str]:
    """A word that ends, and one that begins, at each place around 64 and 128 characters."""
    return ["a" * n + " " + "b" * (130 - n) + tail for n in range(60, 131) for tail in ("", " ", " c")]


def _random(letters: str, count: int, longest: int) -> list[str]:
    draw = random.Random(count)
    return ["".join(draw.choices(letters, k=draw.randrange(longest))) for _ in range(count)]


#: name -> (texts, delimiters)
CASES = {
    "nothing": ([], ENDS),
    "empty": (["", "", "a", ""], ENDS),
    "only ends": (["  ,, \n", " "], ENDS),
    "repeated": (["b a b", "a c", "b b"], ENDS),
    "no delimiter at all": (["a b", "A B", ""], ""),
    "lengths": (_lengths(), ENDS),
    "blocks": (_blocks(), ENDS),
    "zeros": (["a\0b \0 \0\0 a\0b", "\0", "\0\0 a a\0"], ENDS),
    "zeros end words": (["a\0b \0c\0", "b"], "\0 "),
    "latin-1": (["Été À LA café", "été ÿ ß µ × ÷ Þ þ", "\xa0é\xa0"], ENDS),
    "delimiters of latin-1": (["aéb À", "É"], " é"),
    "wide": (["Привет, МИР! привет", "мир café \u0100 A", "café a"], ENDS),
    "wide delimiters": (["你好,世界。你 好", "世界 a。b", "x"], " ,。\U0001f600"),
    "astral": (["a \U0001f600\U00010400 b \U0001f600", "\U00010400 \U00010428", "\U0001f600"], ENDS),
    "surrogates": (["\ud800 a \udfff\ud800", "\ud800", "a\udfff"], ENDS),
    "sigma": (["ΟΔΟΣ ΟΔΟΣ. ΣΑΣ Σ", "οδος"], ENDS),
    "longer when lowered": (["İstanbul İ", "i\u0307stanbul", "K Å ẞ"], ENDS),
    "one word in four widths": (["cafe é", "cafe é п", "cafe é п \U0001f600", "cafe"], ENDS),
    "every letter of latin-1": (["".join(map(chr, range(256))), " ".join(map(chr, range(256)))], ENDS),
    "random narrow": (_random("ab ,A\0É\xff", 3000, 60), ENDS),
    "random of all widths": (_random("aB ,\0ÉΣİ\ud800\U0001f600。", 3000, 40), ENDS + "。"),
    "many distinct": ([" ".join(f"w{i * i}" for i in range(n, n + 700)) for n in range(0, 9000, 500)], ENDS),
}

#: (words of the vocabulary, texts, words of a text)
BENCH_CASES = [(1000, 1, 10), (10_000, 100, 200), (90_000, 2000, 240)]
