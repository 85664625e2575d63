"""The rules of fold and policy as text, in each language, with placeholders in braces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from receiver.domain.messages.precedence import PrecedenceRule
from receiver.domain.wording.languages import Spoken


class ReportRule(StrEnum):
    """Why a report decides its part, or does not, where no other report outranks it."""

    ONLY_REPORT = "only-report"
    LATE_DELIVERY = "late-delivery"


class PartsRule(StrEnum):
    """What determines the number of parts."""

    TOLD_BY_BOTH = "told-by-send-and-reports"
    TOLD_BY_SEND = "told-by-send"
    TOLD_BY_REPORTS = "told-by-reports"
    LARGEST_SEQUENCE = "largest-sequence"
    ONE_ASSUMED = "one-assumed"
    UNREADABLE = "parts-unreadable"


class StateRule(StrEnum):
    """How the state follows from the parts."""

    NOTHING_HEARD = "nothing-heard"
    SEND_REFUSED = "send-refused"
    ALL_DELIVERED = "all-delivered"
    ALL_FAILED = "all-failed"
    PARTS_DIFFER = "parts-differ"
    PARTS_OPEN = "parts-open"
    ACCEPTED = "accepted"
    NETWORK_UNKNOWN = "network-unknown"
    OVERDUE = "overdue"


class CodeRule(StrEnum):
    """Whose code stands for the message."""

    SEND_RESPONSE = "send-response"
    ONLY_PART = "only-part"
    WORST_PART = "worst-part"


class PolicyRule(StrEnum):
    """A step of the policy."""

    LATE_DELIVERED_WINS = "late-delivered-wins"
    LATE_DELIVERED_IGNORED = "late-delivered-ignored"
    ACTION_OF_STATE = "action-of-state"
    ACTION_OF_ROW = "action-of-row"
    ACTION_OF_NO_ROW = "action-of-no-row"
    OVERDUE_MARKED = "overdue-marked"
    OVERDUE_AT = "overdue-at"
    NEVER_OVERDUE = "never-overdue"


AnyRule = PrecedenceRule | ReportRule | PartsRule | StateRule | CodeRule | PolicyRule


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that was applied, and to what."""

    rule: StrEnum  # of `AnyRule`, or of what another module explains in the same way
    words: Spoken
    facts: Mapping[str, str | int] = field(default_factory=dict)


def reason(rule: AnyRule, **facts: str | int) -> Reason:
    """Return the sentence of a rule, with its placeholders filled from the facts."""
    return Reason(rule, SENTENCES[rule].filled(**facts), facts)


SENTENCES: Mapping[AnyRule, Spoken] = {
    PrecedenceRule.DELIVERED_OVER_FAILURE: Spoken(
        "a delivery takes precedence over every failure", "送达的报告优先于任何失败的报告"
    ),
    PrecedenceRule.CARRIER_OVER_PLATFORM: Spoken(
        "a failure of the carrier takes precedence over one that the platform generated",
        "运营商上报的失败优先于平台自行生成的失败",
    ),
    PrecedenceRule.FINAL_OVER_OPEN: Spoken(
        "a final report takes precedence over one that is not final",
        "最终的状态报告优先于非最终的状态报告",
    ),
    PrecedenceRule.ACCEPTED_OVER_UNKNOWN: Spoken(
        "ACCEPTD is more specific than UNKNOWN", "ACCEPTD（已接收）比UNKNOWN（未知）更明确"
    ),
    PrecedenceRule.TIME_OVER_NONE: Spoken(
        "among equal reports, one with the platform's time takes precedence over one without",
        "同等的报告中，带有平台时间的优先",
    ),
    PrecedenceRule.LATER_TIME: Spoken(
        "among equal reports, the later one by the platform's time takes precedence",
        "同等的报告中，平台时间较晚的优先",
    ),
    PrecedenceRule.CONTENT_ORDER: Spoken(
        "the reports are equal in everything that counts, including their times; a "
        "fixed order of their content decides, with the same result each time",
        "各报告在判定依据上（包括时间）完全相同，按内容的固定顺序决定，每次结果一致",
    ),
    ReportRule.ONLY_REPORT: Spoken(
        "it is the only report about this part", "它是该分段唯一的状态报告"
    ),
    ReportRule.LATE_DELIVERY: Spoken(
        'with `late_delivered = "ignored"`, a delivery that arrives after the first '
        "failure of its part does not count",
        '设置`late_delivered = "ignored"`规定：晚于该分段首个失败报告的送达报告不计',
    ),
    PartsRule.TOLD_BY_BOTH: Spoken(
        "the send and the reports state {expected} as the largest number of parts",
        "发送记录和状态报告给出的最大分段总数均为{expected}",
    ),
    PartsRule.TOLD_BY_SEND: Spoken(
        "the send states {expected} as the number of parts, the largest one stated",
        "发送记录给出的分段总数{expected}最大，以此为准",
    ),
    PartsRule.TOLD_BY_REPORTS: Spoken(
        "a report states {expected} as the number of parts, the largest one stated",
        "状态报告给出的分段总数{expected}最大，以此为准",
    ),
    PartsRule.LARGEST_SEQUENCE: Spoken(
        "the number of parts was not stated; the largest part number reported is {expected}",
        "没有给出分段总数；收到的最大分段序号为{expected}",
    ),
    PartsRule.ONE_ASSUMED: Spoken(
        "the number of parts was not stated, so there is one", "没有给出分段总数，按1段处理"
    ),
    PartsRule.UNREADABLE: Spoken(
        "a part number or the number of parts is unreadable and stated nowhere else, so "
        "there may be more parts than {expected}",
        "分段序号或分段总数无法识别，且没有其他来源给出，因此分段可能多于{expected}",
    ),
    StateRule.NOTHING_HEARD: Spoken(
        "the send is registered and no report has arrived", "发送已登记，尚未收到状态报告"
    ),
    StateRule.SEND_REFUSED: Spoken(
        "the platform refused this send, and no final report contradicts it",
        "平台拒绝了该发送，且没有与此矛盾的最终状态报告",
    ),
    StateRule.ALL_DELIVERED: Spoken("every part was delivered", "所有分段均已送达"),
    StateRule.ALL_FAILED: Spoken("every part failed", "所有分段均失败"),
    StateRule.PARTS_DIFFER: Spoken(
        "every part has a final report, but with different results",
        "所有分段都有最终结果，但结果不一致",
    ),
    StateRule.PARTS_OPEN: Spoken(
        "some parts have a final report and others do not, or are unknown, so the "
        "message is not final",
        "部分分段还没有最终结果或无法确定，因此整条短信也没有最终结果",
    ),
    StateRule.ACCEPTED: Spoken(
        "it was accepted, and no report is final yet", "已被接收，尚无最终状态报告"
    ),
    StateRule.NETWORK_UNKNOWN: Spoken(
        "the network reported only that the state is unknown", "网络只上报了状态未知"
    ),
    StateRule.OVERDUE: Spoken(
        "no final report arrived within the time in which the platform reports",
        "在平台上报的期限内没有收到最终状态报告",
    ),
    CodeRule.SEND_RESPONSE: Spoken(
        "the code is that of the send response, which refused the message",
        "状态码来自拒绝该短信的发送响应",
    ),
    CodeRule.ONLY_PART: Spoken(
        "only one part was reported, and its deciding report determines the message",
        "只有一个分段有状态报告，由决定该分段的报告代表整条短信",
    ),
    CodeRule.WORST_PART: Spoken(
        "the worst part determines the message, so that no failure is hidden: failed "
        "before unknown before accepted before delivered, and among equal parts the "
        "first",
        "由结果最差的分段代表整条短信，以免掩盖失败：失败、未知、已接收、送达依次优先，相同时取第一个",
    ),
    PolicyRule.LATE_DELIVERED_WINS: Spoken(
        'reports about a part contradict each other; with `late_delivered = "wins"`, a '
        "delivery counts even if it is late",
        '同一分段的状态报告互相矛盾；设置`late_delivered = "wins"`规定：送达报告无论多晚都有效',
    ),
    PolicyRule.LATE_DELIVERED_IGNORED: Spoken(
        'reports about a part contradict each other; with `late_delivered = "ignored"`, '
        "a delivery counts only if it arrived before the first failure",
        '同一分段的状态报告互相矛盾；设置`late_delivered = "ignored"`规定：'
        "送达报告早于首个失败报告才有效",
    ),
    PolicyRule.ACTION_OF_STATE: Spoken(
        "a message in state `{state}` has the action `{action}`",
        "状态为`{state}`的短信，处理动作为`{action}`",
    ),
    PolicyRule.ACTION_OF_ROW: Spoken(
        "the retry class of the row is `{retry}` ({meaning}), which by itself means `{action}`",
        "该行的重发类别为`{retry}`（{meaning}），仅就状态码而言处理动作为`{action}`",
    ),
    PolicyRule.ACTION_OF_NO_ROW: Spoken(
        "the code is not explained by any row, so it is never retried: the action is `{action}`",
        "没有任何条目能解释该状态码，因此不建议重发：处理动作为`{action}`",
    ),
    PolicyRule.OVERDUE_MARKED: Spoken(
        "the last input arrived at {heard_at}, without a final report in the {hours} "
        "hours since; the next report ends this state",
        "最后一次得知该短信的时间是{heard_at}，此后{hours}小时内没有最终状态报告；收到新的报告即解除",
    ),
    PolicyRule.OVERDUE_AT: Spoken(
        "the last input arrived at {heard_at}; without a further report it is overdue "
        "{hours} hours later, at {overdue_at}",
        "最后一次得知该短信的时间是{heard_at}；如无新的报告，{hours}小时后（{overdue_at}）视为逾期",
    ),
    PolicyRule.NEVER_OVERDUE: Spoken(
        "its send is not registered, so it never becomes overdue", "发送未登记，因此不会视为逾期"
    ),
}

# The field of a row that holds its own wait.
WAIT_OF_ROW = "retry_after_s"
