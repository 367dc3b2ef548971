"""A state that comes from outside, checked whole against the optimizer that is to take it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._backend import on_gpu
from .._device import device_of, to_device, to_host
from .._memory import zeros_beside
from .._tensors import StoredTensor
from ..optimizers.parameters import is_plain
from .settings import FLAGS

if TYPE_CHECKING:
    from .groups import ParamGroups

Array = NDArray[Any]

#: The deferred tables count steps in int32.
MAX_STEPS = 2**31 - 1


def checked(optimizer: ParamGroups, state_dict: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The settings of each group and the state of each parameter, in copies.

    Raises:
        ValueError: the structure, a name, a shape or a dtype is not that of the optimizer's parameters, or a setting
            is out of range.
    """
    given, states = _parts(optimizer, state_dict)
    place_of = _places(optimizer, given)
    groups = [_settings(optimizer, i, group) for i, group in enumerate(given)]
    unknown = [key for key in states if key not in place_of]
    if unknown:
        raise _misfit(optimizer, f"be of these params alone; got one for {repr(unknown[0])[:40]}")
    fresh: list[dict[str, Any]] = [{} for _ in optimizer.state]
    for key, state in states.items():
        place = place_of[key]
        fresh[place] = _state(optimizer, place, state, groups[optimizer._group_of[place]])
    return groups, fresh


def _misfit(optimizer: ParamGroups, what: str) -> ValueError:
    return ValueError(f"{optimizer.op}: state must {what}")


def _parts(optimizer: ParamGroups, state_dict: Any) -> tuple[Sequence[Mapping[str, Any]], Mapping[Any, Any]]:
    """Groups and states, if there are as many as the optimizer has."""
    groups = state_dict.get("param_groups") if isinstance(state_dict, Mapping) else None
    states = state_dict.get("state") if isinstance(state_dict, Mapping) else None
    if not isinstance(groups, list | tuple) or not isinstance(states, Mapping):
        raise _misfit(optimizer, "be a dict with 'state', a dict, and 'param_groups', a list; got none")
    own = optimizer.param_groups
    if len(groups) != len(own):
        raise _misfit(optimizer, f"have as many groups as the optimizer ({len(own)}); got {len(groups)}")
    for i, (group, mine) in enumerate(zip(groups, own, strict=True)):
        keys = group.get("params") if isinstance(group, Mapping) else None
        if not isinstance(keys, list | tuple) or len(keys) != len(mine["params"]):
            found = len(keys) if isinstance(keys, list | tuple) else "none"
            raise _misfit(
                optimizer,
                f"have as many params in group {i} as the optimizer ({len(mine['params'])}); got {found}",
            )
    return groups, states


def _places(optimizer: ParamGroups, groups: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
    """The place among our parameters of each key in the state: by name, if both have names."""
    places: dict[Any, int] = {}
    first = 0
    for i, (group, own) in enumerate(zip(groups, optimizer.param_groups, strict=True)):
        names, own_names = group.get("param_names"), own.get("param_names")
        order = list(range(len(own["params"])))
        if names is not None and own_names is not None:
            if not isinstance(names, list | tuple) or sorted(map(str, names)) != sorted(own_names):
                raise _misfit(
                    optimizer, f"have the param_names {own_names} in group {i}; got {str(names)[:200]}"
                )
            order = [own_names.index(str(name)) for name in names]
        for key, at in zip(group["params"], order, strict=True):
            if not isinstance(key, int | str) or key in places:
                raise _misfit(optimizer, f"name each of its params once; got {repr(key)[:40]}")
            places[key] = first + at
        first += len(own["params"])
    return places


def _settings(optimizer: ParamGroups, number: int, group: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a group: ours checked, those of others, such as a scheduler's, as they are."""
    settings = {key: copy.deepcopy(v) for key, v in group.items() if key not in ("params", "param_names")}
    for name, default in optimizer.defaults.items():
        if name in FLAGS:  # states of older versions of torch lack some
            settings.setdefault(name, default)
    try:
        settings.update(optimizer.plain_settings(settings))
    except (TypeError, ValueError) as error:
        raise _misfit(optimizer, f"have the settings of {optimizer.op} in group {number}; {error}") from error
    own = optimizer.param_groups[number]
    if "param_names" in own:
        settings["param_names"] = own["param_names"]
    return settings


def _state(optimizer: ParamGroups, place: int, state: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The state of one parameter as the optimizer keeps it."""
    label = optimizer._labels[place]
    if not isinstance(state, Mapping):
        raise _misfit(optimizer, f"hold a dict for params{label}; got {type(state).__name__}")
    given = {key: value for key, value in state.items() if value is not None}
    if not given:
        return {}
    numbers, names = optimizer.new_numbers(), optimizer.slots(settings)
    missing = [name for name in (*numbers, *names) if name not in given]
    unknown = [name for name in given if name not in numbers and name not in optimizer.every_slot]
    if missing or unknown:
        wanted = ", ".join([*numbers, *names])
        got = f"no {missing[0]!r}" if missing else f"{str(unknown[0])[:40]!r} too"
        raise _misfit(optimizer, f"hold {wanted} for params{label}; got {got}")
    return {
        name: _number(optimizer, name, value, numbers[name], label)
        if name in numbers
        else _array(optimizer, name, value, place, label)
        for name, value in given.items()
    }


def _number(optimizer: ParamGroups, name: str, value: Any, like: float, label: str) -> float:
    """A number of the kind that the optimizer keeps; torch has tensors of one element."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise _misfit(
            optimizer, f"have a number as {name!r} of params{label}; got {type(value).__name__}"
        ) from None
    whole = isinstance(like, int)
    good = number.is_integer() and 0 <= number < MAX_STEPS if whole else 0 <= number <= 1
    if not good:
        bounds = f"a whole number in [0, {MAX_STEPS})" if whole else "a number in [0, 1]"
        raise _misfit(optimizer, f"have {bounds} as {name!r} of params{label}; got {number}")
    return int(number) if whole else number


def _array(optimizer: ParamGroups, name: str, value: Any, place: int, label: str) -> Array:
    """A copy of a state array, or a stored one; nothing is read before its shape and dtype are known to fit."""
    shape, dtype = optimizer.slot_spec(name, optimizer._arrays[place])
    if isinstance(value, np.ndarray) and not is_plain(value):
        raise _misfit(optimizer, f"have an array as {name!r} of params{label}; got {type(value).__name__}")
    if on_gpu(value):
        value = to_host(value)
    if not isinstance(value, StoredTensor):
        try:
            value = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise _misfit(
                optimizer, f"have an array as {name!r} of params{label}; got {type(value).__name__}"
            ) from error
    if value.shape != shape or value.dtype != dtype:
        raise _misfit(
            optimizer,
            f"have {name!r} of params{label} as {dtype} of shape {shape}; got {value.dtype} {value.shape}",
        )
    if isinstance(value, StoredTensor):
        return to_device(np.asarray(value), device_of(optimizer._arrays[place]))
    result = zeros_beside(np.broadcast_to(np.zeros((), dtype), shape))
    result[...] = value
    return to_device(result, device_of(optimizer._arrays[place]))
