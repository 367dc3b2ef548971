"""Names and settings: looked up in a closed registry, with the nearest real name in the message."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self, TypeVar

T = TypeVar("T")

#: Keywords of Keras that choose how its back end runs; they mean nothing here and change nothing.
IGNORED_KEYWORDS = frozenset(
    {"jit_compile", "run_eagerly", "steps_per_execution", "auto_scale_loss", "use_cudnn", "unroll"}
)


def snake_case(name: str) -> str:
    """The class name as a string identifier.

    Example:
        >>> snake_case("GlorotUniform"), snake_case("L1L2"), snake_case("KLDivergence")
        ('glorot_uniform', 'l1l2', 'kl_divergence')
    """
    name = re.sub(r"([a-z0-9])([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", name).lower()


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean '...'` with the nearest known name, or nothing.

    Example:
        >>> nearest("binary_crossentropi", ["mse", "binary_crossentropy"])
        "; did you mean 'binary_crossentropy'"
        >>> nearest("elephant", ["mse", "binary_crossentropy"])
        ''
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}" if found else ""


def resolve(registry: Mapping[str, T], name: str, op: str, what: str) -> T:
    """The registry's entry for a name.

    Args:
        registry: names and what they stand for.
        name: the name as the user wrote it.
        op: the function that was called, as messages begin.
        what: the argument and what it must be, as in `loss must be a known name, a Loss or a callable`.

    Raises:
        ValueError: the name is not in the registry; the message has the nearest one that is.

    Example:
        >>> resolve({"relu": 1, "tanh": 2}, "tanh", "Dense", "activation must be a known name")
        2
    """
    if name in registry:
        return registry[name]
    raise ValueError(f"{op}: {what}; got {name!r}{nearest(name, registry)}")


def check_kwargs(op: str, given: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse keywords that are neither known nor of the kind that is accepted and ignored.

    Raises:
        TypeError: a keyword is unknown; the message has the nearest real one.

    Example:
        >>> check_kwargs("compile", {"jit_compile": True}, ["optimizer", "metrics"])
    """
    known = list(known)
    for name in given:
        if name not in known and name not in IGNORED_KEYWORDS:
            raise TypeError(f"{op}: keywords must be known ones; got {name!r}{nearest(name, known)}")


def unique_names(names: Iterable[str]) -> list[str]:
    """The names with `_1`, `_2` ... behind every repetition, unique within the list.

    Example:
        >>> unique_names(["precision", "recall", "precision"])
        ['precision', 'recall', 'precision_1']
    """
    names = list(names)
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        chosen, count = name, 0
        while chosen in seen or (count and chosen in taken):
            count += 1
            chosen = f"{name}_{count}"
        seen.add(chosen)
        result.append(chosen)
    return result


class Constructor(type):
    """Metaclass of what people construct: layers, losses, metrics, optimizers, callbacks and their kind.

    Only a call that Python refuses costs anything. A class may name keywords in `ignored` that Keras has and that
    change nothing here.

    Example:
        >>> from strop.layers import Dense
        >>> Dense()
        Traceback (most recent call last):
        TypeError: Dense: units must be given; got no value
    """

    #: Keywords that are accepted and dropped.
    ignored: frozenset[str] = frozenset()

    if not TYPE_CHECKING:  # type checkers read the constructor itself

        def __call__(cls, *args: Any, **settings: Any) -> Any:
            try:
                return super().__call__(*args, **settings)
            except TypeError:
                kept = fitting(cls, args, settings)
                if kept == settings:
                    raise  # not the call, but what a constructor says of a value
            return super().__call__(*args, **kept)

    @property
    def __signature__(cls) -> inspect.Signature:
        """That of the constructor; `inspect` would give the metaclass's."""
        if cls.__init__ is object.__init__:  # type: ignore[misc]
            return inspect.Signature()
        return inspect.Signature(list(inspect.signature(cls.__init__).parameters.values())[1:])  # type: ignore[misc]


def fitting(cls: Constructor, args: tuple[Any, ...], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a call less those that are ignored.

    Raises:
        TypeError: the class cannot be called so; the message says why.
    """
    op, parameters = cls.__name__, cls.__signature__.parameters.values()
    kinds = {p.kind for p in parameters}
    placed = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    known = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if inspect.Parameter.VAR_POSITIONAL not in kinds and len(args) > len(placed):
        taken = f"at most {len(placed)} ({', '.join(placed)})" if placed else "none"
        raise TypeError(f"{op}: values without a keyword must be {taken}; got {len(args)}")
    for name in placed[: len(args)]:
        if name in settings:
            raise TypeError(f"{op}: {name} must be given once; got a value without a keyword, and {name}=")
    kept = dict(settings)
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        kept = {
            name: value
            for name, value in settings.items()
            if name in known or name not in cls.ignored | IGNORED_KEYWORDS
        }
        check_kwargs(op, {name: None for name in kept if name not in known}, known)
    given = {*placed[: len(args)], *kept}
    for p in parameters:
        if (
            p.default is p.empty
            and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            and p.name not in given
        ):
            raise TypeError(f"{op}: {p.name} must be given; got no value")
    return kept


class Configurable(metaclass=Constructor):
    """An object whose settings are the arguments of its constructor, kept under the same names.

    Example:
        >>> class Pair(Configurable):
        ...     def __init__(self, a=1, b=2):
        ...         self.a, self.b = a, b
        >>> Pair(b=5).get_config(), Pair.from_config({"a": 7}).a
        ({'a': 1, 'b': 5}, 7)
    """

    def get_config(self) -> dict[str, Any]:
        """The settings of the constructor."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Self:
        """The object that `get_config` described."""
        return cls(**settings)


def from_config(registry: Mapping[str, type[T]], config: Mapping[str, Any], op: str, what: str) -> T:
    """An object from `{"class_name": ..., "config": {...}}`, its class taken from the registry alone.

    Raises:
        ValueError: the class is unknown or refuses the settings.

    Example:
        >>> from strop.regularizers import L2, registry
        >>> from_config(registry, to_config(L2(0.5)), "load_model", "regularizer must be known").l2
        0.5
    """
    name, settings = config.get("class_name"), config.get("config", {})
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        raise ValueError(f"{op}: {what}; got a dict without class_name and config")
    cls: Any = resolve(registry, name, op, what)
    try:
        made: T = cls.from_config(dict(settings))
        return made
    except (TypeError, ValueError) as error:
        raise ValueError(f"{op}: settings of {name} must be those of its get_config; {error}") from error


def to_config(value: object) -> dict[str, Any]:
    """`{"class_name": ..., "config": {...}}` of an object with `get_config`, as `from_config` reads it."""
    return {"class_name": type(value).__name__, "config": value.get_config()}  # type: ignore[attr-defined]


def check_number(op: str, argument: str, value: object, *, low: float = -math.inf) -> float:
    """The value as a float, if it is a finite number of at least `low`.

    Raises:
        TypeError: the value is no number.
        ValueError: it is not finite or below `low`.

    Example:
        >>> check_number("L2", "l2", 0.01, low=0)
        0.01
    """
    bound = "" if low == -math.inf else f" of at least {low:g}"
    if isinstance(value, bool | str) or not hasattr(value, "__float__") or getattr(value, "ndim", False):
        raise TypeError(f"{op}: {argument} must be a number{bound}; got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:  # an int beyond float64
        number = math.inf
    except (TypeError, ValueError):  # an array of several
        raise TypeError(f"{op}: {argument} must be a number{bound}; got {type(value).__name__}") from None
    if not math.isfinite(number) or number < low:
        raise ValueError(f"{op}: {argument} must be a finite number{bound}; got {number}")
    return number


def check_share(op: str, argument: str, value: object) -> float:
    """The value as a float, if it is a number in [0, 1].

    Raises:
        TypeError: the value is no number.
        ValueError: it lies outside [0, 1], or is NaN.

    Example:
        >>> check_share("Dropout", "rate", 0.5)
        0.5
    """
    if not isinstance(value, str | list | tuple) and getattr(value, "ndim", 0) == 0:
        try:
            if 0 <= value <= 1:  # type: ignore[operator]
                return float(value)  # type: ignore[arg-type]
        except TypeError:
            pass
        else:
            raise ValueError(f"{op}: {argument} must lie in [0, 1]; got {value}")
    raise TypeError(f"{op}: {argument} must be a number in [0, 1]; got {type(value).__name__}")


def check_whole(op: str, argument: str, value: object, low: int) -> None:
    """Refuse what is no whole number of at least `low`.

    Raises:
        ValueError: the value is another one, or no whole number.

    Example:
        >>> check_whole("StepLR", "step_size", 3, 1)
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(f"{op}: {argument} must be a whole number from {low}; got {value!r}")
