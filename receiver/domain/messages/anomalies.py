"""Anomalies of a message: pure, and independent of the order of arrival.

Nothing here is an error of the receiver or changes a state. Each says what somebody can look into:
the platform, the channel, the application that sends, or a clock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from receiver.domain.inputs import UNREADABLE_SEQUENCE, UNREADABLE_TOTAL, Send, StatusReport
from receiver.domain.messages.durations import CLOCK_AHEAD
from receiver.domain.messages.precedence import MADE_BY_PLATFORM, Weight, weigh
from receiver.domain.messages.state import (
    StoredReport,
    by_part,
    contradict,
    count_parts,
    first_sequence,
)
from receiver.domain.numbers import MASK, normalise
from receiver.domain.times import SECOND
from receiver.domain.whole_numbers import is_given
from receiver.domain.wording.languages import Spoken

LATEST_REPORT = 72 * 3600 * SECOND  # the platform reports by then at the latest (sms_05_0003)


class Anomaly(StrEnum):
    """An anomaly of a message."""

    CONTRADICTION = "contradiction"
    EXTEND_DIFFERS = "extend_differs"
    LATE = "late"
    RECIPIENT_DIFFERS = "recipient_differs"
    REFUSED_BUT_REPORTED = "refused_but_reported"
    REGISTRATIONS_DIFFER = "registrations_differ"
    SEQUENCE_BEYOND_TOTAL = "sequence_beyond_total"
    SEQUENCE_FROM_ZERO = "sequence_from_zero"
    SEQUENCE_MISSING = "sequence_missing"
    SEQUENCE_UNREADABLE = "sequence_unreadable"
    SOURCE_UNREADABLE = "source_unreadable"
    TIME_BEFORE_SEND = "time_before_send"
    TIME_IN_FUTURE = "time_in_future"
    TIME_MISSING = "time_missing"
    TOTAL_CHANGED = "total_changed"
    TOTAL_UNREADABLE = "total_unreadable"


WORDS: Mapping[Anomaly, Spoken] = {
    Anomaly.CONTRADICTION: Spoken(
        "One report states that a part was delivered, another that it failed. A resend "
        "may reach the recipient twice; if many messages are affected, ask the account "
        "manager.",
        "同一分段既有送达报告又有失败报告：重发可能造成重复；此类短信较多时，请咨询客户经理。",
    ),
    Anomaly.EXTEND_DIFFERS: Spoken(
        "The `extend` of a report differs from that of the registered send. Check that "
        "the application registers the value that it sends.",
        "状态报告中的extend与登记的发送记录不同：请检查应用登记的值与发送时的值是否一致。",
    ),
    Anomaly.LATE: Spoken(
        "A report arrived more than 72 hours after the message was sent, later than the "
        "platform reports. Check whether this receiver was reachable all the time.",
        "状态报告在发送72小时之后才到达，超过了平台的最长上报期限：请检查平台的推送是否一直能到达本服务。",
    ),
    Anomaly.RECIPIENT_DIFFERS: Spoken(
        "The recipient of a report differs from that of the registered send. Check that "
        "the application registers each id with its own number.",
        "状态报告中的接收号码与登记的发送记录不同：请检查应用登记的短信ID与号码是否对应。",
    ),
    Anomaly.REFUSED_BUT_REPORTED: Spoken(
        "The platform refused the send, but reports arrived. Check that the application "
        "registers the response entry that belongs to this id.",
        "平台已拒绝发送，却收到了状态报告：请检查应用登记的响应条目与该短信ID是否对应。",
    ),
    Anomaly.REGISTRATIONS_DIFFER: Spoken(
        "A later registration of this send contradicts an earlier one, which is kept; "
        "`registration_conflicts` of the message lists the values. Check that the "
        "application registers each id with its own data.",
        "后来的登记与先前的登记矛盾，以先前的登记为准；矛盾的值见短信的`registration_conflicts`："
        "请检查应用登记的短信ID与数据是否对应。",
    ),
    Anomaly.SEQUENCE_BEYOND_TOTAL: Spoken(
        "The part number of a report is greater than the number of parts. The report is "
        "shown and counted, but no further parts are expected.",
        "状态报告的分段序号大于分段总数：该分段会显示并计入状态，但不会等待其他分段。",
    ),
    Anomaly.SEQUENCE_FROM_ZERO: Spoken(
        "The reports count the parts from 0 instead of 1: part 0 is shown as part 1, and so on.",
        "状态报告的分段序号从0开始而不是从1开始：序号0显示为第1段，以此类推。",
    ),
    Anomaly.SEQUENCE_MISSING: Spoken(
        "A report of a long SMS does not state its part. It counts for part 1, so "
        "another part may appear to be missing.",
        "长短信的状态报告没有可用的分段序号，按第1段计算；因此可能显示其他分段缺失。",
    ),
    Anomaly.SEQUENCE_UNREADABLE: Spoken(
        "The part number of a report is not an integer from 0 to 255. If the message "
        "has several parts, the report cannot make it final. `raw` shows the original "
        "value.",
        "状态报告的分段序号不是0到255的整数：多段短信不会据此得出最终结果；原始内容见`raw`。",
    ),
    Anomaly.SOURCE_UNREADABLE: Spoken(
        "The `source` of a report is not 1, 2 or 3. The report is treated as if it had "
        "none. `raw` shows the original value.",
        "状态报告的source不是1、2或3，按没有该字段处理；原始内容见`raw`。",
    ),
    Anomaly.TIME_BEFORE_SEND: Spoken(
        "The time of a report is before the time of sending, so there may be no "
        "delivery time. If the application sets the time of sending, check its clock.",
        "状态报告的时间早于发送时间，因此可能没有送达时长：如发送时间由应用自行记录，请检查应用的时钟。",
    ),
    Anomaly.TIME_IN_FUTURE: Spoken(
        "The time of a report is more than 10 minutes after its arrival. Check the "
        "clock of this host.",
        "状态报告的时间比到达本服务的时间晚10分钟以上：请检查本机时钟。",
    ),
    Anomaly.TIME_MISSING: Spoken(
        "A report has no time although it should, or an invalid one, such as a date "
        "without a time of day. It ranks below reports with a time and gives no "
        "delivery time.",
        "本应带有时间的状态报告没有时间或时间无法识别（例如只有日期）：其优先级低于有时间的报告，也不计算送达时长。",
    ),
    Anomaly.TOTAL_CHANGED: Spoken(
        "The send and the reports state different numbers of parts. The largest counts.",
        "发送记录与各状态报告中的分段总数不一致，以最大的为准。",
    ),
    Anomaly.TOTAL_UNREADABLE: Spoken(
        "The number of parts in a report is not an integer from 1 to 255. The message "
        "does not become final until a report or the send states a valid number. `raw` "
        "shows the original value.",
        "状态报告的分段总数不是1到255的整数：在状态报告或发送记录给出可识别的总数之前，短信没有最终结果；"
        "原始内容见`raw`。",
    ),
}


def anomalies(send: Send | None, reports: Sequence[StoredReport]) -> tuple[Anomaly, ...]:
    """Name what is odd about a message, sorted."""
    return tuple(sorted(found for found, is_so in _CHECKS.items() if is_so(send, reports)))


def _contradiction(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    return any(map(contradict, by_part(reports, count_parts(send, reports)).values()))


def _refused_but_reported(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    return send is not None and send.refused and bool(reports)


def _registrations_differ(send: Send | None, _: Sequence[StoredReport]) -> bool:
    return send is not None and bool(send.conflicts)


def _recipient_differs(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    named = {stored.report.to for stored in reports} | {send.to if send else None}
    return len({normalise(number) for number in named if number and MASK not in number}) > 1


def _extend_differs(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    told = {stored.report.extend for stored in reports} | {send.extend if send else None}
    return len(told - {None}) > 1


def _sequence_beyond_total(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    last = count_parts(send, reports) + first_sequence(reports) - 1
    return any(stored.report.sequence > last for stored in reports)


def _sequence_from_zero(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    return count_parts(send, reports) > 1 and first_sequence(reports) == 0


def _sequence_missing(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    if count_parts(send, reports) == 1:
        return False
    raws = (report.raw for report in _plain(reports))
    return any(raw and not is_given(raw.get("sequence")) for raw in raws)  # empty: erased


def _sequence_unreadable(_: Send | None, reports: Sequence[StoredReport]) -> bool:
    return any(report.sequence == UNREADABLE_SEQUENCE for report in _plain(reports))


def _source_unreadable(_: Send | None, reports: Sequence[StoredReport]) -> bool:
    return any(
        report.source is None and is_given(report.raw.get("source")) for report in _plain(reports)
    )


def _total_changed(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    told = {stored.report.total for stored in reports} | {send.total if send else None}
    return len(told - {None, UNREADABLE_TOTAL}) > 1


def _total_unreadable(_: Send | None, reports: Sequence[StoredReport]) -> bool:
    return any(report.total == UNREADABLE_TOTAL for report in _plain(reports))


def _time_missing(_: Send | None, reports: Sequence[StoredReport]) -> bool:
    return any(
        report.updated_at is None and not _needs_no_time(report) for report in _plain(reports)
    )


def _needs_no_time(report: StatusReport) -> bool:
    """Return whether the platform made a report itself: those come without a time (sms_05_0003)."""
    made_here = report.source in MADE_BY_PLATFORM and weigh(report) is not Weight.DELIVERED
    return made_here and not report.update_time


def _time_in_future(_: Send | None, reports: Sequence[StoredReport]) -> bool:
    return any(
        stored.report.updated_at is not None
        and stored.report.updated_at > stored.received_at + CLOCK_AHEAD
        for stored in reports
    )


def _time_before_send(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    sent_at = send.sent_at if send else None
    if sent_at is None:
        return False
    known = (report.updated_at for report in _plain(reports))
    return any(moment is not None and moment < sent_at for moment in known)


def _late(send: Send | None, reports: Sequence[StoredReport]) -> bool:
    sent_at = send.sent_at if send else None
    if sent_at is None:
        return False
    return any(stored.received_at > sent_at + LATEST_REPORT for stored in reports)


def _plain(reports: Iterable[StoredReport]) -> Iterable[StatusReport]:
    return (stored.report for stored in reports)


_CHECKS: Mapping[Anomaly, Callable[[Send | None, Sequence[StoredReport]], bool]] = {
    Anomaly.CONTRADICTION: _contradiction,
    Anomaly.EXTEND_DIFFERS: _extend_differs,
    Anomaly.LATE: _late,
    Anomaly.RECIPIENT_DIFFERS: _recipient_differs,
    Anomaly.REFUSED_BUT_REPORTED: _refused_but_reported,
    Anomaly.REGISTRATIONS_DIFFER: _registrations_differ,
    Anomaly.SEQUENCE_BEYOND_TOTAL: _sequence_beyond_total,
    Anomaly.SEQUENCE_FROM_ZERO: _sequence_from_zero,
    Anomaly.SEQUENCE_MISSING: _sequence_missing,
    Anomaly.SEQUENCE_UNREADABLE: _sequence_unreadable,
    Anomaly.SOURCE_UNREADABLE: _source_unreadable,
    Anomaly.TIME_BEFORE_SEND: _time_before_send,
    Anomaly.TIME_IN_FUTURE: _time_in_future,
    Anomaly.TIME_MISSING: _time_missing,
    Anomaly.TOTAL_CHANGED: _total_changed,
    Anomaly.TOTAL_UNREADABLE: _total_unreadable,
}
