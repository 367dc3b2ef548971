"""What a callback is, and the list that calls each hook only where it is overridden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from .._names import Constructor

Logs = dict[str, Any]
Hook = Callable[..., None]

HOOKS = (
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_predict_begin",
    "on_predict_end",
    "on_predict_batch_begin",
    "on_predict_batch_end",
)

#: Hooks that older scripts call otherwise.
OLD_NAMES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class Callback(metaclass=Constructor):
    """Code that runs at points of `fit`, `evaluate` and `predict`. A hook costs nothing unless overridden.

    Attributes:
        model: the model; `model.stop_training = True` ends the fit after the batch.
        params: `verbose`, `epochs`, `steps` of this call.
        log_names: the values that this fit produces, in the order of the history.
        callbacks: all callbacks of this call, this one among them.

    Example:
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, logs)
        >>> CallbackList([Shout()]).on_epoch_end(0, {"loss": 0.5})
        0 {'loss': 0.5}
    """

    # On the class, so that a subclass whose __init__ does not call this one's works too.
    model: Any = None
    params: Mapping[str, Any] = {}
    log_names: tuple[str, ...] = ()
    callbacks: Sequence[Callback] = ()

    #: A callback that records logs runs behind those that add to them.
    records = False

    #: A callback that keeps the state of the others runs last of all.
    keeps_others = False

    #: The attributes that make up the state of this callback: what the next epochs depend on.
    state_attributes: ClassVar[tuple[str, ...]] = ()

    def set_model(self, model: Any) -> None:
        """Remember the model."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Remember the settings of this call."""
        self.params = params

    def get_state(self) -> dict[str, Any]:
        """What `BackupAndRestore` keeps: numbers, texts and arrays, alone or in lists and dicts."""
        return {name: getattr(self, name) for name in self.state_attributes}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` gave; called after `on_train_begin`."""
        for name in self.state_attributes:
            setattr(self, name, state[name])

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch; the first is 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; what is added to logs is in the history."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """The old name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The old name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step; logs has the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation, also the one within fit."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of a prediction."""


class Display(Protocol):
    """A progress display that must be out of the way before callbacks print."""

    def clear(self) -> None:
        """Take what is drawn off the screen."""


def overrides(callback: Callback, hook: str) -> bool:
    """Whether the callback has a hook of its own, perhaps by its old name."""
    return any(
        name in vars(callback) or getattr(type(callback), name) is not getattr(Callback, name)
        for name in (hook, OLD_NAMES.get(hook, hook))
    )


def _check(argument: str, value: object) -> None:
    if isinstance(value, Callback):
        return
    got = type(value).__name__
    if isinstance(value, type):
        got = f"the class {value.__name__}"
        if issubclass(value, Callback):
            got += f"; write {value.__name__}()"
    raise TypeError(f"{argument} must be a Callback; got {got}")


class CallbackList:
    """Callbacks of one call, each hook with the list of those that override it.

    Args:
        callbacks: in the order they run, those with `records` and then those with `keeps_others` last.
        model: given to each.
        params: `verbose`, `epochs`, `steps`; given to each.
        log_names: the values that this fit produces.
        progress: its `clear` runs before `on_epoch_end`, so that printed lines start on a line of their own.
        op: the function that messages begin with.

    Raises:
        TypeError: something is not a Callback.
    """

    def __init__(
        self,
        callbacks: Iterable[Callback] | Callback | None = None,
        *,
        model: Any = None,
        params: Mapping[str, Any] | None = None,
        log_names: Iterable[str] = (),
        progress: Display | None = None,
        op: str = "fit",
    ) -> None:
        given = [] if callbacks is None else [callbacks] if isinstance(callbacks, Callback) else callbacks
        self.callbacks: list[Callback] = list(given)
        self._progress = progress
        for i, each in enumerate(self.callbacks):
            _check(f"{op}: callbacks[{i}]", each)
        self.callbacks.sort(key=lambda callback: (callback.keeps_others, callback.records))
        for callback in self.callbacks:
            callback.callbacks = self.callbacks
            callback.log_names = tuple(log_names)
            callback.set_params(dict(params or {}))
            callback.set_model(model)
        self._hooks: dict[str, list[Hook]] = {
            hook: [getattr(callback, hook) for callback in self.callbacks if overrides(callback, hook)]
            for hook in HOOKS
        }

    def wants(self, hook: str) -> bool:
        """Whether any callback overrides the hook; a loop asks once, before its steps."""
        return bool(self._hooks[hook])

    def _run(self, hook: str, *args: Any) -> None:
        for call in self._hooks[hook]:
            call(*args)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""
        self._run("on_train_begin", logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""
        self._run("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch."""
        self._run("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch; all get the same dict, so that one may add to it."""
        if self._progress is not None:
            self._progress.clear()
        self._run("on_epoch_end", epoch, {} if logs is None else logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step."""
        self._run("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step."""
        self._run("on_train_batch_end", batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation."""
        self._run("on_test_begin", logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""
        self._run("on_test_end", logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of an evaluation."""
        self._run("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of an evaluation."""
        self._run("on_test_batch_end", batch, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before a prediction."""
        self._run("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After a prediction."""
        self._run("on_predict_end", logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of a prediction."""
        self._run("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of a prediction."""
        self._run("on_predict_batch_end", batch, logs)
