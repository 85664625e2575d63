"""`[retry]`: when a failed message may be sent again."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, field_validator, model_validator

from receiver.domain.catalogue.entries import Category
from receiver.domain.retries.windows import Hours, any_left, blocked_hours, read_hours
from receiver.domain.retries.zones import is_zone
from receiver.settings.fields import A_YEAR_S, MANY, Section

# Of retry classes, those that may be sent again without anybody's help.
RetriedClass = Literal["retry-soon", "retry-later", "next-day"]
KindName = Literal["code", "notification", "promotional"]

_DAY_S = 86_400
_MOST_ATTEMPTS = 50  # a chain is followed no further


def _check_hours(text: str) -> str:
    read_hours(text)
    return text


def _check_hours_if_any(text: str) -> str:
    return _check_hours(text) if text else text


def _check_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("must be the name of a time zone, for example Asia/Shanghai")
    return name


HoursText = Annotated[str, AfterValidator(_check_hours)]
HoursIfAny = Annotated[str, AfterValidator(_check_hours_if_any)]  # empty: none
ZoneName = Annotated[str, AfterValidator(_check_zone)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]

_Wait = Annotated[int, Field(ge=0, le=A_YEAR_S)]
_Span = Annotated[int, Field(ge=1, le=A_YEAR_S)]
_Factor = Annotated[float, Field(ge=1, le=100)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Attempts = Annotated[int, Field(ge=1, le=_MOST_ATTEMPTS)]
_Sends = Annotated[int, Field(ge=0, le=MANY)]  # 0: as many as one likes


def hours_of(text: str | None) -> Hours | None:
    """Read the hours of a setting; None where it is empty or absent."""
    return read_hours(text) if text else None


def _refuse_no_hour(send_window: str, quiet_hours: str) -> None:
    if not any_left(blocked_hours(hours_of(send_window), hours_of(quiet_hours))):
        raise ValueError(
            "send_window and quiet_hours leave no time of day to send; shorten quiet_hours "
            "or widen send_window"
        )


class ClassSettings(Section):
    """What a retry class says about a rule; nothing by default."""

    factor: _Factor | None = None
    jitter: _Share | None = None
    cap_seconds: _Span | None = None
    attempts: _Attempts | None = None
    window_seconds: _Span | None = None


class CategorySettings(ClassSettings):
    """What a category says about a rule."""

    delay_seconds: _Wait | None = None


class KindSettings(Section):
    """What holds for a kind of SMS; 0 or an empty text: no bound."""

    delay_seconds: _Wait | None = None
    attempts: _Attempts | None = None
    max_age_seconds: _Wait = 0
    retry_duplicates: bool = True
    send_window: HoursIfAny = ""
    quiet_hours: HoursIfAny = ""
    per_minute: _Sends = 0
    per_hour: _Sends = 0
    per_day: _Sends = 0

    @model_validator(mode="after")
    def _check_hours_left(self) -> Self:
        _refuse_no_hour(self.send_window, self.quiet_hours)
        return self


class CodeSettings(KindSettings):
    """What holds for verification codes."""

    delay_seconds: _Wait | None = 60
    max_age_seconds: _Wait = 300
    retry_duplicates: bool = False
    per_minute: _Sends = 2
    per_day: _Sends = 50


class NotificationSettings(KindSettings):
    """What holds for notifications."""

    per_minute: _Sends = 10
    per_day: _Sends = 50


class PromotionalSettings(KindSettings):
    """What holds for promotional SMSs."""

    send_window: HoursIfAny = "08:00-22:00"
    per_hour: _Sends = 4
    per_day: _Sends = 10


class KindsSettings(Section):
    """What holds for each kind of SMS."""

    code: CodeSettings = CodeSettings()
    notification: NotificationSettings = NotificationSettings()
    promotional: PromotionalSettings = PromotionalSettings()

    def of(self, kind: KindName) -> KindSettings:
        """Return what holds for a kind."""
        by_name: dict[KindName, KindSettings] = {
            "code": self.code,
            "notification": self.notification,
            "promotional": self.promotional,
        }
        return by_name[kind]


class OverrideSettings(CategorySettings):
    """What holds for one template, or for references that begin alike."""

    template_id: str | None = Field(default=None, min_length=1, max_length=64)
    reference_prefix: str | None = Field(default=None, min_length=1, max_length=256)
    kind: KindName | None = None
    max_age_seconds: _Span | None = None
    retry_duplicates: bool | None = None
    send_window: HoursText | None = None
    quiet_hours: HoursText | None = None

    @model_validator(mode="after")
    def _check_subject(self) -> Self:
        if (self.template_id is None) == (self.reference_prefix is None):
            raise ValueError(
                "template_id or reference_prefix is required: set the one that the rule applies to"
            )
        return self


class BudgetSettings(Section):
    """How many retries an application may have on a day of UTC."""

    share: _Share = 0.5
    floor: int = Field(default=100, ge=0, le=MANY)
    pause_seconds: _Span = 900


class BreakerSettings(Section):
    """When the retries of a code wait because its failures have jumped."""

    recent_seconds: int = Field(default=900, ge=60, le=_DAY_S)
    baseline_seconds: int = Field(default=_DAY_S, ge=3600, le=30 * _DAY_S)
    failures: int = Field(default=20, ge=1, le=MANY)
    share: _Share = 0.3
    factor: _Factor = 3.0
    pause_seconds: _Span = 300
    cap_seconds: _Span = 3600
    probe_seconds: _Span = 600

    @model_validator(mode="after")
    def _check_cap(self) -> Self:
        if self.cap_seconds < self.pause_seconds:
            raise ValueError("cap_seconds must not be less than pause_seconds")
        return self


_CLASSES: dict[RetriedClass, ClassSettings] = {
    # The limits of a day lift after a day, when a window of a day is over.
    "next-day": ClassSettings(factor=1.0, cap_seconds=2 * _DAY_S, window_seconds=3 * _DAY_S),
}
_CATEGORIES: dict[Category, CategorySettings] = {
    # A phone comes back within minutes, hours or the night: after 0.5, 2 and 6.5 hours by these.
    Category.HANDSET_UNREACHABLE: CategorySettings(factor=3.0, attempts=4),
}


class RetrySettings(Section):
    """How soon, how often and how long failed messages are sent again."""

    soon_seconds: _Wait = 60
    later_seconds: _Wait = 1800
    next_day_seconds: _Wait = _DAY_S
    factor: _Factor = 2.0
    jitter: _Share = 0.1
    cap_seconds: _Span = 21_600
    attempts: _Attempts = 3
    window_seconds: _Span = _DAY_S
    kind: KindName = "notification"
    zone: ZoneName = "Asia/Shanghai"
    trust_open: Literal["advise", "queue"] = "advise"
    limited_countries: list[Country] = Field(default=["CN"])
    identical_per_minute: _Sends = 2
    identical_per_hour: _Sends = 5
    classes: dict[RetriedClass, ClassSettings] = Field(default=_CLASSES)
    categories: dict[Category, CategorySettings] = Field(default=_CATEGORIES)
    kinds: KindsSettings = KindsSettings()
    overrides: list[OverrideSettings] = Field(default=[])
    budget: BudgetSettings = BudgetSettings()
    breaker: BreakerSettings = BreakerSettings()

    @field_validator("classes")
    @classmethod
    def _complete_classes(
        cls, told: dict[RetriedClass, ClassSettings]
    ) -> dict[RetriedClass, ClassSettings]:
        """Keep what is built in about a class where the user says nothing else."""
        return _CLASSES | {
            name: _over(_CLASSES.get(name, ClassSettings()), one) for name, one in told.items()
        }

    @field_validator("categories")
    @classmethod
    def _complete_categories(
        cls, told: dict[Category, CategorySettings]
    ) -> dict[Category, CategorySettings]:
        """Keep what is built in about a category where the user says nothing else."""
        return _CATEGORIES | {
            name: _over(_CATEGORIES.get(name, CategorySettings()), one)
            for name, one in told.items()
        }

    @model_validator(mode="after")
    def _check_overrides(self) -> Self:
        for number, override in enumerate(self.overrides):
            of_kind = self.kinds.of(override.kind or self.kind)
            try:
                _refuse_no_hour(
                    override.send_window or of_kind.send_window,
                    override.quiet_hours or of_kind.quiet_hours,
                )
            except ValueError as error:
                raise ValueError(f"overrides.{number}: {error}") from None
        return self


_S = TypeVar("_S", bound=ClassSettings)


def _over(below: _S, above: _S) -> _S:
    return below.model_copy(update=above.model_dump(exclude_none=True))
