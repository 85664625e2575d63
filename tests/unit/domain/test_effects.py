"""What a reclassification does to retries and suppressions is counted by effect and reason."""

import pytest

from receiver.domain.effects import (
    MOST_EXAMPLES,
    Effects,
    PlannedItem,
    RetryEffect,
    RetryLine,
    RetryMove,
    Review,
    SuppressionEffect,
    SuppressionLine,
    effect_on_retry,
)
from receiver.domain.retries.items import ItemState

WAITING = PlannedItem(ItemState.WAITING, 1)
LATER = PlannedItem(ItemState.WAITING, 2)
CLAIMED = PlannedItem(ItemState.CLAIMED, 1)
CANCELLED = PlannedItem(ItemState.CANCELLED, 1)
ENDED = PlannedItem(ItemState.ENDED, 1)
COMPLETED = PlannedItem(ItemState.COMPLETED, 1)

LIFTED = Review(SuppressionEffect.LIFTED, "X", "routing", "catalogue row X no longer suppresses")
MADE = Review(SuppressionEffect.MADE, "Y", "blocked-recipient", "catalogue row Y suppresses")


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        pytest.param(None, None, None, id="never queued"),
        pytest.param(None, WAITING, RetryEffect.QUEUED, id="new"),
        pytest.param(WAITING, WAITING, None, id="as planned"),
        pytest.param(WAITING, LATER, RetryEffect.REPLANNED, id="another time"),
        pytest.param(WAITING, None, RetryEffect.WITHDRAWN, id="gone"),
        pytest.param(CLAIMED, CLAIMED, None, id="still claimed"),
        pytest.param(CLAIMED, CANCELLED, RetryEffect.WITHDRAWN, id="claimed, not to be sent"),
        pytest.param(CANCELLED, WAITING, RetryEffect.QUEUED, id="to be sent after all"),
        pytest.param(ENDED, LATER, RetryEffect.QUEUED, id="ended, planned again"),
        pytest.param(ENDED, ENDED, None, id="ended"),
        pytest.param(COMPLETED, COMPLETED, None, id="sent again long ago"),
    ],
)
def test_an_item_tells_what_became_of_it(
    before: PlannedItem | None, after: PlannedItem | None, effect: RetryEffect | None
) -> None:
    """Only what a claimer would notice is an effect."""
    assert effect_on_retry(before, after) == effect


def test_retries_are_counted_by_effect_and_reason() -> None:
    """Stretches add up, and each line keeps its first examples."""
    moves = [RetryMove(RetryEffect.QUEUED, "timeout", f"m{number}") for number in range(5)]
    moves.append(RetryMove(RetryEffect.WITHDRAWN, "account", "n"))

    whole = Effects().with_retries(moves)

    assert Effects().with_retries(moves[:2]).with_retries(moves[2:]) == whole
    assert whole.retries == (
        RetryLine(RetryEffect.QUEUED, "timeout", 5, ("m0", "m1", "m2")[:MOST_EXAMPLES]),
        RetryLine(RetryEffect.WITHDRAWN, "account", 1, ("n",)),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param(
            [SuppressionLine(LIFTED, 1, 0), SuppressionLine(LIFTED, 1, 1)],
            (SuppressionLine(LIFTED, 2, 1),),
            id="the same reason",
        ),
        pytest.param(
            [SuppressionLine(MADE, 1, 1), SuppressionLine(LIFTED, 1, 1)],
            (SuppressionLine(LIFTED, 1, 1), SuppressionLine(MADE, 1, 1)),
            id="lifted before made",
        ),
        pytest.param(
            [SuppressionLine(MADE, 1, 1), SuppressionLine(MADE, -1, -1)], (), id="taken back"
        ),
    ],
)
def test_suppressions_are_counted_by_reason(
    lines: list[SuppressionLine], expected: tuple[SuppressionLine, ...]
) -> None:
    """What a later stretch takes back is not counted."""
    counted = Effects()
    for line in lines:
        counted = counted.with_suppressions([line])

    assert counted.suppressions == expected
    assert Effects().with_suppressions(lines) == counted
