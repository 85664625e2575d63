"""The steps of planning and admission as text, in each language."""

from collections.abc import Mapping
from enum import StrEnum

from receiver.domain.wording.languages import Spoken
from receiver.domain.wording.sentences import Reason


class NoRetry(StrEnum):
    """Why a message is not sent again."""

    DELIVERED = "delivered"
    CHAIN_DELIVERED = "chain-delivered"
    SUPERSEDED = "superseded"
    NO_FAILURE = "no-failure"
    ARRIVED = "arrived"
    NOT_RETRYABLE = "not-retryable"
    ORPHAN = "orphan"
    OPEN_TRUST = "open-trust"
    NO_NUMBER = "no-number"
    DUPLICATE_RISK = "duplicate-risk"
    ATTEMPTS_USED_UP = "attempts-used-up"
    TOO_OLD = "too-old"
    WINDOW_OVER = "window-over"
    NO_HOUR = "no-hour"
    ABANDONED = "abandoned"
    ENDED = "ended"


# The state or the code of the message itself rules out another send.
BY_CODE = frozenset({NoRetry.DELIVERED, NoRetry.NO_FAILURE, NoRetry.NOT_RETRYABLE})


class RetryStep(StrEnum):
    """A step of the arithmetic of a plan."""

    RULE = "retry-rule"
    DELAY = "retry-delay"
    LEAST = "retry-least"
    DUE = "retry-due"
    DEADLINE = "retry-deadline"
    HOURS = "retry-hours"
    PUT_OFF = "retry-put-off"


class HoldReason(StrEnum):
    """Why a due retry is not sent now."""

    SUPPRESSED = "suppressed"
    DEADLINE = "deadline"
    HOURS = "hours"
    NUMBER_LIMIT = "number-limit"
    BUDGET = "budget"
    BREAKER = "breaker"


class Went(StrEnum):
    """Why a retry is sent now."""

    ADMITTED = "admitted"
    PROBE = "probe"


class Suppressed(StrEnum):
    """Why a number is suppressed."""

    BY_HAND = "suppressed-by-hand"
    OPTED_OUT = "opted-out"
    BY_CODE = "suppressed-by-code"


AnyRetryRule = NoRetry | RetryStep | HoldReason | Went | Suppressed


def retry_reason(rule: AnyRetryRule, **facts: str | int) -> Reason:
    """Return the sentence of a rule, with its placeholders filled from the facts."""
    return Reason(rule, RETRY_SENTENCES[rule].filled(**facts), facts)


RETRY_SENTENCES: Mapping[AnyRetryRule, Spoken] = {
    NoRetry.DELIVERED: Spoken("it was delivered", "该短信已送达"),
    NoRetry.CHAIN_DELIVERED: Spoken(
        "another send of the same chain was delivered", "同一重发链中的另一次发送已送达"
    ),
    NoRetry.SUPERSEDED: Spoken(
        "it has already been sent again; the result of that send counts",
        "该短信已重发，以后一次发送的结果为准",
    ),
    NoRetry.NO_FAILURE: Spoken(
        "its state is `{state}`, which is not a failure", "状态为`{state}`，不是失败"
    ),
    NoRetry.ARRIVED: Spoken(
        "one of its reports states that it was delivered", "有状态报告表明该短信已送达"
    ),
    NoRetry.NOT_RETRYABLE: Spoken(
        "the action is `{action}`, not `retry`", "处理动作为`{action}`，不是`retry`"
    ),
    NoRetry.ORPHAN: Spoken(
        "its send is not registered, so its content is unknown",
        "发送未登记，不知道应重发什么内容",
    ),
    NoRetry.OPEN_TRUST: Spoken(
        "its report could have been sent by anyone who knows the callback URL, and "
        '`retry.trust_open = "advise"` makes the decision advice only',
        '知道回调地址的任何人都可能发送该报告；按照`retry.trust_open = "advise"`，结论仅供参考',
    ),
    NoRetry.NO_NUMBER: Spoken(
        "the full number of the recipient is unknown", "接收方的完整号码未知"
    ),
    NoRetry.DUPLICATE_RISK: Spoken(
        "`{code}` does not rule out delivery; a second SMS of the kind `{kind}` would "
        "confuse the recipient (a second verification code invalidates the first)",
        "`{code}`不能排除短信已送达；再发一条`{kind}`类短信会造成困扰（新的验证码会使前一个失效）",
    ),
    NoRetry.ATTEMPTS_USED_UP: Spoken(
        "it was sent {sends} times, and the rule allows {attempts} sends in total",
        "已发送{sends}次，规则共允许发送{attempts}次",
    ),
    NoRetry.TOO_OLD: Spoken(
        "it would be due at {due_at}, and it is useless after {deadline} (`max_age`)",
        "预定时间{due_at}晚于{deadline}，届时短信已失去意义（`max_age`）",
    ),
    NoRetry.WINDOW_OVER: Spoken(
        "it would be due at {due_at}, and the window ends at {deadline}",
        "预定时间{due_at}晚于重发期限{deadline}",
    ),
    NoRetry.NO_HOUR: Spoken(
        "nothing is sent at {hours} local time in {zone}, and no other hour is left "
        "before {deadline}",
        "{zone}时间{hours}不发送，{deadline}之前没有其他可发送的时间",
    ),
    NoRetry.ABANDONED: Spoken(
        "the application that claimed it abandoned it", "领取重发任务的一方已放弃重发"
    ),
    NoRetry.ENDED: Spoken(
        "when it was due it could not be sent (`{reason}`)", "到期时无法重发（`{reason}`）"
    ),
    RetryStep.RULE: Spoken(
        "its kind is `{kind}`; its rule is merged from `{rules}`, and later entries "
        "override earlier ones",
        "按`{kind}`类处理；规则依次取自`{rules}`，以最后给出的值为准",
    ),
    RetryStep.DELAY: Spoken(
        "send {attempt} of at most {attempts}: {delay_s} s x {factor}^{power}, at most {cap_s} s, "
        "make {grown_s} s",
        "第{attempt}次发送（最多{attempts}次）：{delay_s}秒×{factor}^{power}，上限{cap_s}秒，"
        "得{grown_s}秒",
    ),
    RetryStep.LEAST: Spoken(
        "before {least_s} s it would fail again, so that is the minimum wait",
        "早于{least_s}秒重发仍会失败，因此至少等待{least_s}秒",
    ),
    RetryStep.DUE: Spoken(
        "{failed_at} + {wait_s} s + {jitter_s} s (jitter of up to {jitter} of the wait) = {due_at}",
        "{failed_at}+{wait_s}秒+{jitter_s}秒（随机量，最多为等待时间的{jitter}倍）={due_at}",
    ),
    RetryStep.DEADLINE: Spoken(
        "it was first sent at {begun}; {life_s} s later, at {deadline}, its deadline ends",
        "首次发送时间{begun}，{life_s}秒之后即{deadline}为最后期限",
    ),
    RetryStep.HOURS: Spoken(
        "at {due_at} it is {wall} in {zone}, where nothing is sent at {hours}; it waits "
        "until {free_at}",
        "{due_at}在{zone}为{wall}，{hours}不发送，顺延至{free_at}",
    ),
    RetryStep.PUT_OFF: Spoken(
        "the queue has deferred it to {until}{why}", "队列已将其推迟至{until}{why}"
    ),
    HoldReason.SUPPRESSED: Spoken(
        "the number is suppressed ({why})", "该号码已被禁止发送（{why}）"
    ),
    Suppressed.BY_HAND: Spoken("the number was suppressed manually", "该号码由人工禁止发送"),
    Suppressed.OPTED_OUT: Spoken("the recipient opted out by SMS", "用户已通过短信退订"),
    Suppressed.BY_CODE: Spoken(
        "`{code}` means that no other message to the number will arrive",
        "`{code}`表明发往该号码的其他短信也无法送达",
    ),
    HoldReason.DEADLINE: Spoken("its deadline was {deadline}", "已过最后期限{deadline}"),
    HoldReason.HOURS: Spoken(
        "it is {wall} in {zone}, where nothing is sent at {hours}",
        "{zone}当地时间为{wall}，{hours}不发送",
    ),
    HoldReason.NUMBER_LIMIT: Spoken(
        "`{limit}` allows {sends} sends to the number within {within_s} s, and that many were sent",
        "`{limit}`规定{within_s}秒内最多向该号码发送{sends}次，现已达到",
    ),
    HoldReason.BUDGET: Spoken(
        "{retries} of the {allowed} retries allowed for today's {sends} sends were used",
        "今日{sends}次发送允许重发{allowed}次，已用{retries}次",
    ),
    HoldReason.BREAKER: Spoken(
        "failures with `{code}` have increased sharply ({scope}); retries wait until "
        "one probe has been sent",
        "`{code}`的失败突增（{scope}）；重发暂缓，先发送一条进行探测",
    ),
    Went.ADMITTED: Spoken("nothing prevents it", "没有暂缓的理由"),
    Went.PROBE: Spoken(
        "it is sent as the probe of a code whose failures have increased sharply",
        "作为失败突增状态码的探测发送",
    ),
}
