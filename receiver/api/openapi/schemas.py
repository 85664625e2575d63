"""The schemas of bodies, built from the terms of the domain."""

from receiver.api.openapi.types import (
    ANYTHING,
    NUMBER,
    TEXT,
    TIME,
    TRUTH,
    WHOLE,
    Schema,
    array,
    counts_of,
    nullable,
    object_,
    one_of,
    ref,
    request_object,
    with_more,
)
from receiver.api.statistics import DIMENSIONS
from receiver.domain.catalogue.entries import Category, Rank, RetryClass
from receiver.domain.effects import RetryEffect, SuppressionEffect
from receiver.domain.explanation.explanation import ReportOutcome
from receiver.domain.inputs import Trust
from receiver.domain.messages.anomalies import Anomaly
from receiver.domain.messages.state import State
from receiver.domain.replies import MatchRule
from receiver.domain.retries.decision import Decision
from receiver.domain.retries.items import ItemState
from receiver.domain.retries.policy import MessageKind
from receiver.domain.statistics import AGES
from receiver.domain.suppressions.opt_outs import Intent
from receiver.domain.suppressions.suppression import Source
from receiver.domain.verdict import Action
from receiver.http.problems import Problem
from receiver.privacy.retention import PurgePhase
from receiver.projector.reclassifier import RunPhase

_REASON = with_more(rule=TEXT, text=TEXT)  # and the facts that the rule was applied to
_BY_AGE = counts_of(age.name for age in AGES)
_ENTRY = {
    "code": TEXT, "origin": TEXT, "scope": TEXT, "category": one_of(Category),
    "retry": one_of(RetryClass), "retry_after_s": nullable(WHOLE), "billable": nullable(TRUTH),
    "meaning": TEXT, "cause": TEXT, "suggestion": TEXT, "source": TEXT,
    "rank": one_of(rank.name.lower() for rank in Rank),
}  # fmt: skip
_REPORT = {
    "sequence": nullable(WHOLE), "total": nullable(WHOLE), "status": TEXT,
    "source": nullable(WHOLE),
    "updated_at": nullable(TIME), "org_code": nullable(TEXT), "received_at": TIME,
    "redeliveries": WHOLE,
}  # fmt: skip
_TALLY = {
    "messages": WHOLE, "states": counts_of(State), "delivered_share": nullable(NUMBER),
    "delivery_seconds": object_(
        count=WHOLE, p50=nullable(NUMBER), p90=nullable(NUMBER), p99=nullable(NUMBER)
    ),
}  # fmt: skip
_SERIES = {"series": array(object_(start=TIME, **_TALLY))}  # where an interval was asked for
_RECIPIENT = {
    "number": TEXT, "country": nullable(TEXT), "channel": nullable(TEXT),
    "application": nullable(TEXT),
    "kind": one_of(MessageKind), "may_send": TRUTH, "until": nullable(TIME), "why": array(_REASON),
}  # fmt: skip
_WORD = {
    "channel": nullable(TEXT), "application": nullable(TEXT), "suppressed": TRUTH, "holds": TRUTH,
    "source": one_of(Source), "source_id": TEXT, "reason": nullable(TEXT), "since": TIME,
    "until": nullable(TIME),
}  # fmt: skip
_RETRY = {
    "decision": one_of(Decision), "reason": nullable(TEXT), "text": nullable(TEXT),
    "not_before": nullable(TIME), "deadline": nullable(TIME), "next_attempt": nullable(WHOLE),
}  # fmt: skip
_OF_CLASS = object_(state=one_of(State), category=nullable(one_of(Category)))

NAMED: dict[str, Schema] = {
    "Problem": with_more(
        type=one_of(f"urn:receiver:problem:{problem.slug}" for problem in Problem), title=TEXT,
        status=WHOLE, detail=TEXT,
    ),
    "Send": request_object(
        sms_msg_id=TEXT, status=nullable(TEXT), to=nullable(TEXT), from_=nullable(TEXT),
        sent_at=nullable(TIME),
        total=nullable(WHOLE), country=nullable(TEXT), extend=nullable(TEXT),
        reference=nullable(TEXT),
        template_id=nullable(TEXT), text_length=nullable(WHOLE), retry_of=nullable(TEXT),
    ),
    # The values of a later registration that contradict what stands; null: erased.
    "RegistrationConflict": request_object(
        ["registered_at"], registered_at=nullable(TIME), status=TEXT, to=nullable(TEXT), from_=TEXT,
        sent_at=TIME, total=WHOLE, country=TEXT, extend=TEXT, reference=TEXT, template_id=TEXT,
        text_length=WHOLE, retry_of=TEXT,
    ),
    "Rejected": object_(index=WHOLE, reason=TEXT),
    "Ignored": object_(index=nullable(WHOLE),
        reason=TEXT),  # without index: it stood beside the sends
    "Verdict": object_(
        action=one_of(Action), category=nullable(one_of(Category)), meaning=TEXT, cause=TEXT,
        suggestion=TEXT, retryable=TRUTH, not_before=nullable(TIME), suppress_recipient=TRUTH,
        billable=nullable(TRUTH), duplicate_risk=TRUTH, why=_REASON, catalogue=TEXT,
    ),
    "Retry": object_(**_RETRY),
    "Refusal": object_(code=TEXT, verdict=ref("Verdict")),
    "Registered": object_(
        application=TEXT, registered=WHOLE, rejected=array(ref("Rejected")),
        ignored=array(ref("Ignored")),
        refused=array(
            object_(sms_msg_id=TEXT, code=TEXT, verdict=ref("Verdict"), retry=ref("Retry"))
        ),
        request=nullable(ref("Refusal")),
    ),
    "Report": object_(
        **_REPORT, status_desc=nullable(TEXT), extend=nullable(TEXT), to=nullable(TEXT),
        trust=one_of(Trust),
        last_received_at=TIME, raw=ANYTHING,
    ),
    "Part": object_(
        sequence=nullable(WHOLE), expected=TRUTH, state=one_of(State), code=nullable(TEXT),
        source=nullable(WHOLE), updated_at=nullable(TIME), conflict=TRUTH, reports=WHOLE,
        first_report_at=nullable(TIME), last_report_at=nullable(TIME),
    ),
    "Event": request_object(
        ["at", "event", "code"], at=nullable(TIME), event=one_of(("sent", "refused", "report")),
        code=TEXT, sequence=nullable(WHOLE), decides=TRUTH,
    ),
    "Message": object_(
        sms_msg_id=TEXT, application=TEXT, state=one_of(State), final=TRUTH, conflict=TRUTH,
        code=nullable(TEXT), org_code=nullable(TEXT), status_desc=nullable(TEXT), to=nullable(TEXT),
        from_=nullable(TEXT), country=nullable(TEXT), extend=nullable(TEXT),
        reference=nullable(TEXT),
        template_id=nullable(TEXT), text_length=nullable(WHOLE), registered=TRUTH,
        sent_at=nullable(TIME),
        delivered_at=nullable(TIME), delivery_seconds=nullable(NUMBER),
        first_report_at=nullable(TIME),
        last_report_at=nullable(TIME), total=WHOLE, parts=array(ref("Part")),
        anomalies=array(one_of(Anomaly)),
        registration_conflicts=array(ref("RegistrationConflict")),
        registration_conflicts_omitted=TRUTH,
        reports=array(ref("Report")), timeline=array(ref("Event")),
        verdict=ref("Verdict"), retry=ref("Retry"),
        attempts=object_(
            previous=nullable(TEXT), next=nullable(TEXT), count=WHOLE, outcome=one_of(State)
        ),
        trust=one_of(Trust),
    ),
    "Uplink": object_(
        sms_msg_id=TEXT, application=TEXT, from_=TEXT, to=TEXT, body=TEXT,
        original_body=nullable(TEXT), created_at=nullable(TIME), received_at=TIME,
        redeliveries=WHOLE,
        trust=one_of(Trust), intent=nullable(one_of(Intent)),
        answers=nullable(
            object_(
                sms_msg_id=TEXT, reference=nullable(TEXT), extend=nullable(TEXT),
                rule=one_of(MatchRule),
                ambiguous=TRUTH, candidates=array(TEXT),
            )
        ),
    ),
    "Explanation": object_(
        sms_msg_id=TEXT, application=TEXT, registered=TRUTH,
        reports=array(
            with_more(
                part=nullable(WHOLE), place=WHOLE, outcome=one_of(ReportOutcome), rule=TEXT,
                text=TEXT,
                **_REPORT,
            )
        ),
        parts=with_more(
            expected=WHOLE, missing=array(WHOLE), extra=array(WHOLE), rule=TEXT, text=TEXT
        ),
        state=with_more(state=one_of(State), final=TRUTH, rule=TEXT, text=TEXT),
        code=nullable(with_more(code=TEXT, part=nullable(WHOLE), rule=TEXT, text=TEXT)),
        catalogue=object_(
            version=TEXT, why=_REASON, rows=array(object_(decides=TRUTH, looked_up=TEXT, **_ENTRY))
        ),
        policy=array(_REASON),
        retry=object_(**_RETRY, steps=array(_REASON)),
        verdict=ref("Verdict"), anomalies=array(object_(name=one_of(Anomaly), text=TEXT)),
    ),
    "Attempts": object_(
        application=TEXT, outcome=one_of(State),
        attempts=array(
            object_(
                attempt=WHOLE, sms_msg_id=TEXT, retry_of=nullable(TEXT), state=one_of(State),
                code=nullable(TEXT), sent_at=nullable(TIME),
            )
        ),
    ),
    "Entry": object_(**_ENTRY),
    "Match": object_(rule=TEXT, looked_up=TEXT, action=one_of(Action), why=TEXT, **_ENTRY),
    "SeenCode": object_(
        code=TEXT, org_code=nullable(TEXT), refused=TRUTH, messages=WHOLE, first_at=TIME,
        last_at=TIME,
        example=object_(sms_msg_id=TEXT, application=TEXT),
    ),
    "RetryItem": object_(
        id=WHOLE, sms_msg_id=TEXT, application=TEXT, state=one_of(ItemState), due_at=TIME,
        to=nullable(TEXT), code=nullable(TEXT), category=nullable(one_of(Category)),
        reference=nullable(TEXT),
        template_id=nullable(TEXT), reason=nullable(TEXT), claims=WHOLE, lease_until=nullable(TIME),
        next=nullable(TEXT), retry=ref("Retry"),
    ),
    "Claimed": object_(
        id=WHOLE, lease=TEXT, lease_until=TIME, sms_msg_id=TEXT, application=TEXT,
        to=nullable(TEXT),
        from_=nullable(TEXT), extend=nullable(TEXT), reference=nullable(TEXT),
        template_id=nullable(TEXT),
        kind=one_of(MessageKind), attempt=WHOLE, deadline=TIME, verdict=ref("Verdict"),
    ),
    "Word": object_(**_WORD),
    "Suppression": object_(number=TEXT, **_WORD),
    "Change": object_(
        at=TIME, action=one_of(("suppressed", "lifted")), by=TEXT, source=one_of(Source),
        reason=nullable(TEXT),
        channel=nullable(TEXT), application=nullable(TEXT), until=nullable(TIME),
        override_opt_out=TRUTH,
    ),
    "Recipient": object_(**_RECIPIENT),
    "CheckedRecipient": object_(asked=TEXT, **_RECIPIENT),
    "KnownRecipient": object_(
        **_RECIPIENT,
        limits=array(object_(limit=TEXT, within_seconds=WHOLE, allowed=WHOLE, sent=WHOLE)),
        words=array(ref("Word")),
        messages=array(
            object_(
                sms_msg_id=TEXT, application=TEXT, at=TIME, state=one_of(State),
                code=nullable(TEXT),
                from_=nullable(TEXT), template_id=nullable(TEXT), reference=nullable(TEXT),
            )
        ),
    ),
    "Quarantined": request_object(
        [
            "id", "application", "kind", "reason", "received_at", "peer", "trust", "size",
            "truncated",
        ],
        id=WHOLE, application=TEXT, kind=TEXT, reason=TEXT, received_at=TIME, peer=TEXT,
        trust=one_of(Trust), size=WHOLE, truncated=TRUTH, body=TEXT,
        body_base64={**TEXT, "contentEncoding": "base64"},
    ),
    "Run": object_(
        phase=one_of(RunPhase), rules=TEXT, since=nullable(TIME), started_at=TIME, updated_at=TIME,
        finished_at=nullable(TIME), share=NUMBER, examined=WHOLE, changed=WHOLE,
        changes=array(
            object_(from_=_OF_CLASS, to=_OF_CLASS, messages=WHOLE, examples=array(TEXT))
        ),
        reread=counts_of(("messages", "uplinks", "opt_outs", "suppressions", "recovered")),
        retries=array(
            object_(
                effect=one_of(RetryEffect), reason=TEXT, messages=WHOLE, examples=array(TEXT)
            )
        ),
        suppressions=array(
            object_(
                effect=one_of(SuppressionEffect), code=nullable(TEXT), category=nullable(TEXT),
                reason=TEXT, numbers=WHOLE, in_force=WHOLE,
            )
        ),
        undo=nullable(object_(at=TIME, restored=WHOLE, lifted=WHOLE, kept=WHOLE)),
    ),
    "Purge": object_(
        phase=one_of(PurgePhase), dry_run=TRUTH,
        before=object_(
            messages=nullable(TIME), numbers=nullable(TIME), texts=nullable(TIME),
            raw=nullable(TIME),
            quarantine=nullable(TIME),
        ),
        counts=counts_of(
            ("messages", "reports", "uplinks", "numbers", "texts", "raw", "quarantine", "spared")
        ),
        started_at=TIME, updated_at=TIME, finished_at=nullable(TIME),
    ),
    "Group": request_object(
        _TALLY, **{**dict.fromkeys(DIMENSIONS, nullable(TEXT)), "registered": TRUTH}, **_TALLY,
        **_SERIES,
    ),
    "Statistics": request_object(
        ["since", "until", "by", "interval", *_TALLY, "groups", "omitted"],
        since=TIME, until=TIME, by=array(TEXT), interval=nullable(TEXT), **_TALLY, **_SERIES,
        groups=array(ref("Group")), omitted=object_(groups=WHOLE, messages=WHOLE),
    ),
    "Silence": object_(
        at=TIME, since=TIME,
        applications=array(
            object_(
                application=TEXT,
                pending=object_(messages=WHOLE, states=counts_of(), by_age=_BY_AGE),
                orphans=object_(messages=WHOLE, by_age=_BY_AGE),
                oldest_pending=nullable(object_(sms_msg_id=TEXT, since=TIME, age_seconds=WHOLE)),
                last_report_at=nullable(TIME), gap_seconds=nullable(WHOLE),
                usual_gap_seconds=nullable(WHOLE), alarm_after_seconds=nullable(WHOLE),
                alarm=nullable(TRUTH),
            )
        ),
    ),
}  # fmt: skip
