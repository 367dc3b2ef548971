"""What every learning-rate schedule is."""

from __future__ import annotations

from typing import Any

from .._names import Constructor, check_number


class LearningRateSchedule(metaclass=Constructor):
    """Base of the schedules: a function of the step, with a config.

    Subclasses set their settings as attributes and name them in `settings`.
    """

    settings: tuple[str, ...] = ()

    def __call__(self, step: int) -> float:
        """The learning rate of the update after `step` updates."""
        raise NotImplementedError(f"{type(self).__name__}: a schedule must have a __call__(step)")

    def get_config(self) -> dict[str, Any]:
        """The settings, as `from_config` takes them."""
        return {name: getattr(self, name) for name in self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """The schedule that `get_config` described."""
        return cls(**config)

    def _set(self, name: str | None, flags: dict[str, bool] | None = None, **numbers: float) -> None:
        """Keep the settings: numbers that are finite, those of steps above 0, and flags."""
        op = type(self).__name__
        for key, value in numbers.items():
            check_number(op, key, value)
            setattr(self, key, value)
            if "decay_steps" in key and not value > 0:
                raise ValueError(f"{op}: {key} must be above 0; got {value}")
        for key, flag in (flags or {}).items():
            setattr(self, key, bool(flag))
        #: For people.
        self.name = name
