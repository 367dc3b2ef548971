"""Objects as JSON and back: settings by class name, the user's own by a name that comes back as an object.

Nothing is imported or called by a name found in a file: a name is looked up in strop's own registries, or in the
`custom_objects` that the caller passes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from ._names import to_config


def described(value: Any) -> Any:
    """A setting as JSON: None, `{"class_name": ..., "config": ...}`, or `{"custom": name}` for a function.

    Example:
        >>> described(None), described(len)
        (None, {'custom': 'len'})
    """
    if value is None or isinstance(value, str | dict):  # a dict is described already
        return value
    function = getattr(value, "function", value)
    if hasattr(value, "fused") and function is value:  # an activation: its name, or name and settings
        return {"name": value.name, **value.settings} if value.settings else value.name
    if function is not value or not hasattr(value, "get_config"):
        return {"custom": getattr(function, "__name__", type(function).__name__)}
    return to_config(value)


def restored(config: Any, custom_objects: Mapping[str, Any], op: str) -> Any:
    """The same structure with the user's own objects in their places.

    Raises:
        ValueError: a custom name is not in custom_objects; the message lists all that are missing.

    Example:
        >>> restored({"loss": {"custom": "mine"}}, {"mine": len}, "load_model")
        {'loss': <built-in function len>}
    """
    missing = sorted({name for name in _custom_names(config) if name not in custom_objects})
    if missing:
        raise ValueError(
            f"{op}: custom_objects must have {', '.join(map(repr, missing))}; got {sorted(custom_objects)}"
        )
    return _replace(config, custom_objects)


def _custom_names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if set(config) == {"custom"} and isinstance(config["custom"], str):
            yield config["custom"]
        else:
            for value in config.values():
                yield from _custom_names(value)
    elif isinstance(config, list):
        for value in config:
            yield from _custom_names(value)


def _replace(config: Any, custom: Mapping[str, Any]) -> Any:
    if isinstance(config, list):
        return [_replace(value, custom) for value in config]
    if not isinstance(config, dict):
        return config
    if set(config) == {"custom"}:
        return custom[config["custom"]]
    if set(config) == {"class_name", "config"} and config["class_name"] in custom:
        found: Any = custom[config["class_name"]]
        make = getattr(found, "from_config", None) if inspect.isclass(found) else None
        return make(config["config"]) if make else found
    return {key: _replace(value, custom) for key, value in config.items()}
