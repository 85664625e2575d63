"""What stands in the bodies, put together from the domain's own words."""

from receiver.domain.anomalies import Anomaly
from receiver.domain.answering import Rule
from receiver.domain.effects import RetryEffect, SuppressionEffect
from receiver.domain.entries import Category, Rank, RetryClass
from receiver.domain.events import Trust
from receiver.domain.explanation import Outcome
from receiver.domain.messages import State
from receiver.domain.optouts import Intent
from receiver.domain.retrying.deciding import Decision
from receiver.domain.retrying.items import ItemState
from receiver.domain.retrying.policy import Kind
from receiver.domain.suppression import Source
from receiver.domain.verdict import Action
from receiver.purger import Phase as PurgePhase
from receiver.reclassifier import Phase as RunPhase
from receiver.statistics import AGES
from receiver.web.openapi.building import (
    ANYTHING,
    NUMBER,
    TEXT,
    TIME,
    TRUTH,
    WHOLE,
    Schema,
    always,
    counts_of,
    many,
    maybe,
    one_of,
    ref,
    some,
    with_more,
)
from receiver.web.problems import Problem
from receiver.web.statistics import DIMENSIONS

_REASON = with_more(rule=TEXT, text=TEXT)  # and the facts that the rule was applied to
_BY_AGE = counts_of(age.name for age in AGES)
_ENTRY = {
    "code": TEXT, "origin": TEXT, "scope": TEXT, "category": one_of(Category),
    "retry": one_of(RetryClass), "retry_after_s": maybe(WHOLE), "billable": maybe(TRUTH),
    "meaning": TEXT, "cause": TEXT, "suggestion": TEXT, "source": TEXT,
    "rank": one_of(rank.name.lower() for rank in Rank),
}  # fmt: skip
_REPORT = {
    "sequence": maybe(WHOLE), "total": maybe(WHOLE), "status": TEXT, "source": maybe(WHOLE),
    "updated_at": maybe(TIME), "org_code": maybe(TEXT), "received_at": TIME, "redeliveries": WHOLE,
}  # fmt: skip
_TALLY = {
    "messages": WHOLE, "states": counts_of(State), "delivered_share": maybe(NUMBER),
    "delivery_seconds": always(
        count=WHOLE, p50=maybe(NUMBER), p90=maybe(NUMBER), p99=maybe(NUMBER)
    ),
}  # fmt: skip
_SERIES = {"series": many(always(start=TIME, **_TALLY))}  # where an interval was asked for
_RECIPIENT = {
    "number": TEXT, "country": maybe(TEXT), "channel": maybe(TEXT), "application": maybe(TEXT),
    "kind": one_of(Kind), "may_send": TRUTH, "until": maybe(TIME), "why": many(_REASON),
}  # fmt: skip
_WORD = {
    "channel": maybe(TEXT), "application": maybe(TEXT), "suppressed": TRUTH, "holds": TRUTH,
    "source": one_of(Source), "source_id": TEXT, "reason": maybe(TEXT), "since": TIME,
    "until": maybe(TIME),
}  # fmt: skip
_RETRY = {
    "decision": one_of(Decision), "reason": maybe(TEXT), "text": maybe(TEXT),
    "not_before": maybe(TIME), "deadline": maybe(TIME), "next_attempt": maybe(WHOLE),
}  # fmt: skip
_OF_CLASS = always(state=one_of(State), category=maybe(one_of(Category)))

NAMED: dict[str, Schema] = {
    "Problem": with_more(
        type=one_of(f"urn:receiver:problem:{problem.slug}" for problem in Problem), title=TEXT,
        status=WHOLE, detail=TEXT,
    ),
    "Send": some(
        sms_msg_id=TEXT, status=maybe(TEXT), to=maybe(TEXT), from_=maybe(TEXT), sent_at=maybe(TIME),
        total=maybe(WHOLE), country=maybe(TEXT), extend=maybe(TEXT), reference=maybe(TEXT),
        template_id=maybe(TEXT), text_length=maybe(WHOLE), retry_of=maybe(TEXT),
    ),
    # The values of a later registration that contradict what stands; null: erased.
    "RegistrationConflict": some(
        ["registered_at"], registered_at=maybe(TIME), status=TEXT, to=maybe(TEXT), from_=TEXT,
        sent_at=TIME, total=WHOLE, country=TEXT, extend=TEXT, reference=TEXT, template_id=TEXT,
        text_length=WHOLE, retry_of=TEXT,
    ),
    "Rejected": always(index=WHOLE, reason=TEXT),
    "Ignored": always(index=maybe(WHOLE), reason=TEXT),  # without index: it stood beside the sends
    "Verdict": always(
        action=one_of(Action), category=maybe(one_of(Category)), meaning=TEXT, cause=TEXT,
        suggestion=TEXT, retryable=TRUTH, not_before=maybe(TIME), suppress_recipient=TRUTH,
        billable=maybe(TRUTH), duplicate_risk=TRUTH, why=_REASON, catalogue=TEXT,
    ),
    "Retry": always(**_RETRY),
    "Refusal": always(code=TEXT, verdict=ref("Verdict")),
    "Registered": always(
        application=TEXT, registered=WHOLE, rejected=many(ref("Rejected")),
        ignored=many(ref("Ignored")),
        refused=many(
            always(sms_msg_id=TEXT, code=TEXT, verdict=ref("Verdict"), retry=ref("Retry"))
        ),
        request=maybe(ref("Refusal")),
    ),
    "Report": always(
        **_REPORT, status_desc=maybe(TEXT), extend=maybe(TEXT), to=maybe(TEXT), trust=one_of(Trust),
        last_received_at=TIME, raw=ANYTHING,
    ),
    "Part": always(
        sequence=maybe(WHOLE), expected=TRUTH, state=one_of(State), code=maybe(TEXT),
        source=maybe(WHOLE), updated_at=maybe(TIME), conflict=TRUTH, reports=WHOLE,
        first_report_at=maybe(TIME), last_report_at=maybe(TIME),
    ),
    "Event": some(
        ["at", "event", "code"], at=maybe(TIME), event=one_of(("sent", "refused", "report")),
        code=TEXT, sequence=maybe(WHOLE), decides=TRUTH,
    ),
    "Message": always(
        sms_msg_id=TEXT, application=TEXT, state=one_of(State), final=TRUTH, conflict=TRUTH,
        code=maybe(TEXT), org_code=maybe(TEXT), status_desc=maybe(TEXT), to=maybe(TEXT),
        from_=maybe(TEXT), country=maybe(TEXT), extend=maybe(TEXT), reference=maybe(TEXT),
        template_id=maybe(TEXT), text_length=maybe(WHOLE), registered=TRUTH, sent_at=maybe(TIME),
        delivered_at=maybe(TIME), delivery_seconds=maybe(NUMBER), first_report_at=maybe(TIME),
        last_report_at=maybe(TIME), total=WHOLE, parts=many(ref("Part")),
        anomalies=many(one_of(Anomaly)),
        registration_conflicts=many(ref("RegistrationConflict")),
        registration_conflicts_omitted=TRUTH,
        reports=many(ref("Report")), timeline=many(ref("Event")),
        verdict=ref("Verdict"), retry=ref("Retry"),
        attempts=always(
            previous=maybe(TEXT), next=maybe(TEXT), count=WHOLE, outcome=one_of(State)
        ),
        trust=one_of(Trust),
    ),
    "Uplink": always(
        sms_msg_id=TEXT, application=TEXT, from_=TEXT, to=TEXT, body=TEXT,
        original_body=maybe(TEXT), created_at=maybe(TIME), received_at=TIME, redeliveries=WHOLE,
        trust=one_of(Trust), intent=maybe(one_of(Intent)),
        answers=maybe(
            always(
                sms_msg_id=TEXT, reference=maybe(TEXT), extend=maybe(TEXT), rule=one_of(Rule),
                ambiguous=TRUTH, candidates=many(TEXT),
            )
        ),
    ),
    "Explanation": always(
        sms_msg_id=TEXT, application=TEXT, registered=TRUTH,
        reports=many(
            with_more(
                part=maybe(WHOLE), place=WHOLE, outcome=one_of(Outcome), rule=TEXT, text=TEXT,
                **_REPORT,
            )
        ),
        parts=with_more(
            expected=WHOLE, missing=many(WHOLE), extra=many(WHOLE), rule=TEXT, text=TEXT
        ),
        state=with_more(state=one_of(State), final=TRUTH, rule=TEXT, text=TEXT),
        code=maybe(with_more(code=TEXT, part=maybe(WHOLE), rule=TEXT, text=TEXT)),
        catalogue=always(
            version=TEXT, why=_REASON, rows=many(always(decides=TRUTH, looked_up=TEXT, **_ENTRY))
        ),
        policy=many(_REASON),
        retry=always(**_RETRY, steps=many(_REASON)),
        verdict=ref("Verdict"), anomalies=many(always(name=one_of(Anomaly), text=TEXT)),
    ),
    "Attempts": always(
        application=TEXT, outcome=one_of(State),
        attempts=many(
            always(
                attempt=WHOLE, sms_msg_id=TEXT, retry_of=maybe(TEXT), state=one_of(State),
                code=maybe(TEXT), sent_at=maybe(TIME),
            )
        ),
    ),
    "Entry": always(**_ENTRY),
    "Match": always(rule=TEXT, looked_up=TEXT, action=one_of(Action), why=TEXT, **_ENTRY),
    "SeenCode": always(
        code=TEXT, org_code=maybe(TEXT), refused=TRUTH, messages=WHOLE, first_at=TIME, last_at=TIME,
        example=always(sms_msg_id=TEXT, application=TEXT),
    ),
    "RetryItem": always(
        id=WHOLE, sms_msg_id=TEXT, application=TEXT, state=one_of(ItemState), due_at=TIME,
        to=maybe(TEXT), code=maybe(TEXT), category=maybe(one_of(Category)), reference=maybe(TEXT),
        template_id=maybe(TEXT), reason=maybe(TEXT), claims=WHOLE, lease_until=maybe(TIME),
        next=maybe(TEXT), retry=ref("Retry"),
    ),
    "Claimed": always(
        id=WHOLE, lease=TEXT, lease_until=TIME, sms_msg_id=TEXT, application=TEXT, to=maybe(TEXT),
        from_=maybe(TEXT), extend=maybe(TEXT), reference=maybe(TEXT), template_id=maybe(TEXT),
        kind=one_of(Kind), attempt=WHOLE, deadline=TIME, verdict=ref("Verdict"),
    ),
    "Word": always(**_WORD),
    "Suppression": always(number=TEXT, **_WORD),
    "Change": always(
        at=TIME, action=one_of(("suppressed", "lifted")), by=TEXT, source=one_of(Source),
        reason=maybe(TEXT),
        channel=maybe(TEXT), application=maybe(TEXT), until=maybe(TIME), override_opt_out=TRUTH,
    ),
    "Recipient": always(**_RECIPIENT),
    "CheckedRecipient": always(asked=TEXT, **_RECIPIENT),
    "KnownRecipient": always(
        **_RECIPIENT,
        limits=many(always(limit=TEXT, within_seconds=WHOLE, allowed=WHOLE, sent=WHOLE)),
        words=many(ref("Word")),
        messages=many(
            always(
                sms_msg_id=TEXT, application=TEXT, at=TIME, state=one_of(State), code=maybe(TEXT),
                from_=maybe(TEXT), template_id=maybe(TEXT), reference=maybe(TEXT),
            )
        ),
    ),
    "Quarantined": some(
        [
            "id", "application", "kind", "reason", "received_at", "peer", "trust", "size",
            "truncated",
        ],
        id=WHOLE, application=TEXT, kind=TEXT, reason=TEXT, received_at=TIME, peer=TEXT,
        trust=one_of(Trust), size=WHOLE, truncated=TRUTH, body=TEXT,
        body_base64={**TEXT, "contentEncoding": "base64"},
    ),
    "Run": always(
        phase=one_of(RunPhase), rules=TEXT, since=maybe(TIME), started_at=TIME, updated_at=TIME,
        finished_at=maybe(TIME), share=NUMBER, examined=WHOLE, changed=WHOLE,
        changes=many(
            always(from_=_OF_CLASS, to=_OF_CLASS, messages=WHOLE, examples=many(TEXT))
        ),
        reread=counts_of(("messages", "uplinks", "opt_outs", "suppressions", "recovered")),
        retries=many(
            always(
                effect=one_of(RetryEffect), reason=TEXT, messages=WHOLE, examples=many(TEXT)
            )
        ),
        suppressions=many(
            always(
                effect=one_of(SuppressionEffect), code=maybe(TEXT), category=maybe(TEXT),
                reason=TEXT, numbers=WHOLE, in_force=WHOLE,
            )
        ),
        undo=maybe(always(at=TIME, restored=WHOLE, lifted=WHOLE, kept=WHOLE)),
    ),
    "Purge": always(
        phase=one_of(PurgePhase), dry_run=TRUTH,
        before=always(
            messages=maybe(TIME), numbers=maybe(TIME), texts=maybe(TIME), raw=maybe(TIME),
            quarantine=maybe(TIME),
        ),
        counts=counts_of(
            ("messages", "reports", "uplinks", "numbers", "texts", "raw", "quarantine", "spared")
        ),
        started_at=TIME, updated_at=TIME, finished_at=maybe(TIME),
    ),
    "Group": some(
        _TALLY, **{**dict.fromkeys(DIMENSIONS, maybe(TEXT)), "registered": TRUTH}, **_TALLY,
        **_SERIES,
    ),
    "Statistics": some(
        ["since", "until", "by", "interval", *_TALLY, "groups", "omitted"],
        since=TIME, until=TIME, by=many(TEXT), interval=maybe(TEXT), **_TALLY, **_SERIES,
        groups=many(ref("Group")), omitted=always(groups=WHOLE, messages=WHOLE),
    ),
    "Silence": always(
        at=TIME, since=TIME,
        applications=many(
            always(
                application=TEXT,
                pending=always(messages=WHOLE, states=counts_of(), by_age=_BY_AGE),
                orphans=always(messages=WHOLE, by_age=_BY_AGE),
                oldest_pending=maybe(always(sms_msg_id=TEXT, since=TIME, age_seconds=WHOLE)),
                last_report_at=maybe(TIME), gap_seconds=maybe(WHOLE),
                usual_gap_seconds=maybe(WHOLE), alarm_after_seconds=maybe(WHOLE),
                alarm=maybe(TRUTH),
            )
        ),
    ),
}  # fmt: skip
