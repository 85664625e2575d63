BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE breakers (
	application TEXT NOT NULL, 
	code TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	position TEXT NOT NULL, 
	pause_s INTEGER NOT NULL, 
	until BIGINT NOT NULL, 
	probe BIGINT, 
	CONSTRAINT pk_breakers PRIMARY KEY (application, code, scope)
);
CREATE TABLE checkpoints (
	journal VARCHAR(36) NOT NULL, 
	position BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_checkpoints PRIMARY KEY (journal)
);
INSERT INTO "checkpoints" VALUES('eaea33c5-ccff-4833-9f48-3cd0fc7c7b1a',23,1796060404329451);
CREATE TABLE idempotency (
	owner TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	request TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	answer TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (owner, "key")
);
CREATE TABLE messages (
	id INTEGER NOT NULL, 
	application TEXT NOT NULL, 
	sms_msg_id TEXT NOT NULL, 
	send TEXT, 
	registered BOOLEAN NOT NULL, 
	registered_at BIGINT, 
	state TEXT NOT NULL, 
	final BOOLEAN NOT NULL, 
	"conflict" BOOLEAN NOT NULL, 
	code TEXT, 
	org_code TEXT, 
	source SMALLINT, 
	category TEXT, 
	to_text TEXT, 
	to_number TEXT, 
	from_number TEXT, 
	country TEXT, 
	extend TEXT, 
	reference TEXT, 
	template_id TEXT, 
	total INTEGER NOT NULL, 
	sent_at BIGINT, 
	occurred_at BIGINT NOT NULL, 
	first_report_at BIGINT, 
	last_report_at BIGINT, 
	delivered_at BIGINT, 
	failed_at BIGINT, 
	trust TEXT NOT NULL, retry_of TEXT, 
	CONSTRAINT pk_messages PRIMARY KEY (id)
);
INSERT INTO "messages" VALUES(1,'default','pad-1','{"sms_msg_id": "pad-1", "status": "000000", "to": "15500005171", "sender": "106900000001", "sent_at": 1795161600000000, "total": null, "country": null, "extend": null, "reference": "order-1", "template_id": null, "text_length": null, "retry_of": null}',1,1796060401642916,'pending',0,0,NULL,NULL,NULL,NULL,'15500005171','+8615500005171','106900000001','CN',NULL,'order-1',NULL,1,1795161600000000,1795161600000000,NULL,NULL,NULL,NULL,'open',NULL);
INSERT INTO "messages" VALUES(2,'default','pad-1 ',NULL,0,NULL,'delivered',1,0,'DELIVRD',NULL,2,'delivered',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,1796060401942992,1796060401942992,1796060401942992,1795161660000000,NULL,'token',NULL);
INSERT INTO "messages" VALUES(3,'default','pad-2 ','{"sms_msg_id": "pad-2 ", "status": "000000", "to": "15500005172", "sender": null, "sent_at": null, "total": null, "country": null, "extend": null, "reference": " order-2 ", "template_id": null, "text_length": null, "retry_of": null}',1,1796060401955683,'pending',0,0,NULL,NULL,NULL,NULL,'15500005172','+8615500005172',NULL,'CN',NULL,' order-2 ',NULL,1,NULL,1796060401955683,NULL,NULL,NULL,NULL,'open',NULL);
INSERT INTO "messages" VALUES(4,'default','pad-2',NULL,0,NULL,'failed',1,0,'UNDELIV ',NULL,NULL,'handset-unreachable',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,1796060402186743,1796060402186743,1796060402186743,NULL,1796060402186743,'token',NULL);
INSERT INTO "messages" VALUES(5,'default','	pad-3',NULL,0,NULL,'failed',1,0,'UNDELIV',NULL,NULL,'handset-unreachable',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,1796060402383474,1796060402383474,1796060402383474,NULL,1796060402383474,'token',NULL);
INSERT INTO "messages" VALUES(6,'default','enc-4',NULL,0,NULL,'failed',1,0,'UNDELIV',NULL,NULL,'handset-unreachable',NULL,NULL,NULL,NULL,'����1',NULL,NULL,1,NULL,1796060402798475,1796060402798475,1796060402798475,NULL,1796060402798475,'token',NULL);
INSERT INTO "messages" VALUES(7,'default','flt-1',NULL,0,NULL,'delivered',1,0,'DELIVRD',NULL,NULL,'delivered',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,1796060403470263,1796060403470263,1796060403470263,NULL,NULL,'token',NULL);
INSERT INTO "messages" VALUES(8,'default','dt-1',NULL,0,NULL,'delivered',1,0,'DELIVRD',NULL,NULL,'delivered',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,1796060403634963,1796060403634963,1796060403634963,1795996800000000,NULL,'token',NULL);
INSERT INTO "messages" VALUES(9,'default','short-1','{"sms_msg_id": "short-1", "status": "000000", "to": "10086", "sender": null, "sent_at": null, "total": null, "country": null, "extend": null, "reference": null, "template_id": null, "text_length": null, "retry_of": null}',1,1796060403650696,'delivered',1,0,'DELIVRD',NULL,NULL,'delivered','10086','+8610086',NULL,'CN',NULL,NULL,NULL,1,NULL,1796060403650696,1796060403736829,1796060403736829,NULL,NULL,'token',NULL);
INSERT INTO "messages" VALUES(10,'default','moj-1',NULL,0,NULL,'failed',1,0,'UNDELIV',NULL,NULL,'handset-unreachable',NULL,NULL,NULL,NULL,'è®¢å',NULL,NULL,1,NULL,1796060404210420,1796060404210420,1796060404210420,NULL,1796060404210420,'token',NULL);
INSERT INTO "messages" VALUES(11,'default','plain-1',NULL,0,NULL,'delivered',1,0,'DELIVRD',NULL,2,'delivered',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,1796060404316886,1796060404316886,1796060404316886,1795161660000000,NULL,'token',NULL);
CREATE TABLE quarantine (
	id INTEGER NOT NULL, 
	application TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	peer TEXT NOT NULL, 
	trust TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	headers TEXT NOT NULL, 
	body BLOB NOT NULL, 
	size INTEGER NOT NULL, 
	CONSTRAINT pk_quarantine PRIMARY KEY (id)
);
INSERT INTO "quarantine" VALUES(1,'default','unusable','The JSON is not UTF-8.','127.0.0.1','open',1796060403819014,'content-type: application/json',X'7B227374617475735265706F72744C697374223A5B7B22736D734D73674964223A2267626B2D6A736F6E222C22737461747573223A22554E44454C4956222C2273746174757344657363223A22BAC5C2EBB4EDCEF3227D5D7D',89);
CREATE TABLE reclassifications (
	id INTEGER NOT NULL, 
	policy TEXT NOT NULL, 
	since BIGINT, 
	position BIGINT NOT NULL, 
	upto BIGINT NOT NULL, 
	examined BIGINT NOT NULL, 
	changed BIGINT NOT NULL, 
	changes TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	finished_at BIGINT, 
	CONSTRAINT pk_reclassifications PRIMARY KEY (id)
);
CREATE TABLE reports (
	id INTEGER NOT NULL, 
	message_id BIGINT NOT NULL, 
	sequence SMALLINT NOT NULL, 
	status TEXT NOT NULL, 
	update_time TEXT NOT NULL, 
	updated_at BIGINT, 
	total SMALLINT, 
	source SMALLINT, 
	status_desc TEXT, 
	org_code TEXT, 
	extend TEXT, 
	to_text TEXT, 
	trust TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	last_received_at BIGINT NOT NULL, 
	redeliveries INTEGER NOT NULL, 
	raw TEXT NOT NULL, 
	CONSTRAINT pk_reports PRIMARY KEY (id), 
	CONSTRAINT fk_reports_message_id FOREIGN KEY(message_id) REFERENCES messages (id)
);
INSERT INTO "reports" VALUES(1,2,1,'DELIVRD','2026-11-20T08:01:00Z',1795161660000000,1,2,NULL,NULL,NULL,NULL,'token',1796060401942992,1796060401942992,0,'{"smsMsgId": "pad-1 ", "status": "DELIVRD", "total": "1", "sequence": "1", "updateTime": "2026-11-20T08:01:00Z", "source": "2"}');
INSERT INTO "reports" VALUES(2,4,1,'UNDELIV ','',NULL,1,NULL,NULL,NULL,NULL,NULL,'token',1796060402186743,1796060402186743,0,'{"smsMsgId": "pad-2", "status": "UNDELIV ", "total": "1", "sequence": "1"}');
INSERT INTO "reports" VALUES(3,5,1,'UNDELIV','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'token',1796060402383474,1796060402383474,0,'{"smsMsgId": "\tpad-3", "status": "UNDELIV"}');
INSERT INTO "reports" VALUES(4,6,1,'UNDELIV','',NULL,NULL,NULL,'��������',NULL,'����1',NULL,'token',1796060402798475,1796060402798475,0,'{"smsMsgId": "enc-4", "status": "UNDELIV", "statusDesc": "\udcba\udcc5\udcc2\udceb\udcb4\udced\udcce\udcf3", "extend": "\udcb6\udca9\udcb5\udca51"}');
INSERT INTO "reports" VALUES(5,7,1,'DELIVRD','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'token',1796060403470263,1796060403470263,0,'{"smsMsgId": "flt-1", "status": "DELIVRD", "total": 2.0, "sequence": 1.0}');
INSERT INTO "reports" VALUES(6,8,1,'DELIVRD','2026-11-30',1795996800000000,1,NULL,NULL,NULL,NULL,NULL,'token',1796060403634963,1796060403634963,0,'{"smsMsgId": "dt-1", "status": "DELIVRD", "total": "1", "sequence": "1", "updateTime": "2026-11-30"}');
INSERT INTO "reports" VALUES(7,9,1,'DELIVRD','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'token',1796060403736829,1796060403736829,0,'{"smsMsgId": "short-1", "status": "DELIVRD"}');
INSERT INTO "reports" VALUES(8,10,1,'UNDELIV','',NULL,NULL,NULL,NULL,NULL,'è®¢å',NULL,'token',1796060404210420,1796060404210420,0,'{"smsMsgId": "moj-1", "status": "UNDELIV", "extend": "\u00e8\u00ae\u00a2\u00e5\u008d\u0095"}');
INSERT INTO "reports" VALUES(9,11,1,'DELIVRD','2026-11-20T08:01:00Z',1795161660000000,NULL,2,NULL,NULL,NULL,NULL,'token',1796060404316886,1796060404316886,0,'{"smsMsgId": "plain-1", "status": "DELIVRD", "updateTime": "2026-11-20T08:01:00Z", "source": "2"}');
CREATE TABLE retries (
	message_id BIGINT NOT NULL, 
	application TEXT NOT NULL, 
	state TEXT NOT NULL, 
	planned_for BIGINT NOT NULL, 
	due_at BIGINT NOT NULL, 
	reason TEXT, 
	lease TEXT, 
	lease_until BIGINT, 
	claims INTEGER NOT NULL, 
	next_id TEXT, 
	updated_at BIGINT, 
	CONSTRAINT pk_retries PRIMARY KEY (message_id), 
	CONSTRAINT fk_retries_message_id FOREIGN KEY(message_id) REFERENCES messages (id)
);
CREATE TABLE rhythms (
	application TEXT NOT NULL, 
	heard BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	gaps TEXT NOT NULL, 
	CONSTRAINT pk_rhythms PRIMARY KEY (application)
);
INSERT INTO "rhythms" VALUES('default',9,1796060404316886,'{"20787": 671788}');
CREATE TABLE statistics (
	hours SMALLINT NOT NULL, 
	start BIGINT NOT NULL, 
	application TEXT NOT NULL, 
	registered BOOLEAN NOT NULL, 
	state TEXT NOT NULL, 
	category TEXT NOT NULL, 
	code TEXT NOT NULL, 
	country TEXT NOT NULL, 
	template_id TEXT NOT NULL, 
	from_number TEXT NOT NULL, 
	delivery_class SMALLINT NOT NULL, 
	messages BIGINT NOT NULL, 
	CONSTRAINT pk_statistics PRIMARY KEY (hours, start, application, registered, state, category, code, country, template_id, from_number, delivery_class)
)
 WITHOUT ROWID

;
INSERT INTO "statistics" VALUES(1,1795161600000000,'default',1,'pending','','','CN','','106900000001',-1,1);
INSERT INTO "statistics" VALUES(1,1796058000000000,'default',0,'delivered','delivered','DELIVRD','','','',-1,4);
INSERT INTO "statistics" VALUES(1,1796058000000000,'default',0,'failed','handset-unreachable','UNDELIV','','','',-1,3);
INSERT INTO "statistics" VALUES(1,1796058000000000,'default',0,'failed','handset-unreachable','UNDELIV ','','','',-1,1);
INSERT INTO "statistics" VALUES(1,1796058000000000,'default',1,'delivered','delivered','DELIVRD','CN','','',-1,1);
INSERT INTO "statistics" VALUES(1,1796058000000000,'default',1,'pending','','','CN','','',-1,1);
INSERT INTO "statistics" VALUES(24,1795132800000000,'default',1,'pending','','','CN','','106900000001',-1,1);
INSERT INTO "statistics" VALUES(24,1795996800000000,'default',0,'delivered','delivered','DELIVRD','','','',-1,4);
INSERT INTO "statistics" VALUES(24,1795996800000000,'default',0,'failed','handset-unreachable','UNDELIV','','','',-1,3);
INSERT INTO "statistics" VALUES(24,1795996800000000,'default',0,'failed','handset-unreachable','UNDELIV ','','','',-1,1);
INSERT INTO "statistics" VALUES(24,1795996800000000,'default',1,'delivered','delivered','DELIVRD','CN','','',-1,1);
INSERT INTO "statistics" VALUES(24,1795996800000000,'default',1,'pending','','','CN','','',-1,1);
CREATE TABLE suppression_changes (
	id INTEGER NOT NULL, 
	number TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	application TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	suppressed BOOLEAN NOT NULL, 
	"by" TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	until BIGINT, 
	overrides BOOLEAN NOT NULL, 
	CONSTRAINT pk_suppression_changes PRIMARY KEY (id)
);
INSERT INTO "suppression_changes" VALUES(1,'+8695588','','',1796060403981086,1,'default','hot line',NULL,0);
CREATE TABLE suppressions (
	id INTEGER NOT NULL, 
	application TEXT NOT NULL, 
	number TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	suppressed BOOLEAN NOT NULL, 
	source TEXT NOT NULL, 
	source_id TEXT NOT NULL, 
	decided_at BIGINT NOT NULL, reason TEXT, until BIGINT, overrides BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_suppressions PRIMARY KEY (id)
);
INSERT INTO "suppressions" VALUES(1,'default','+8668849','106900000001',1,'uplink','sc-1',1796060402943187,NULL,NULL,0);
INSERT INTO "suppressions" VALUES(2,'','+8695588','',1,'hand','default',1796060403981086,'hot line',NULL,0);
CREATE TABLE uplinks (
	id INTEGER NOT NULL, 
	application TEXT NOT NULL, 
	sms_msg_id TEXT NOT NULL, 
	from_text TEXT NOT NULL, 
	from_number TEXT, 
	to_number TEXT NOT NULL, 
	body TEXT NOT NULL, 
	original_body TEXT, 
	created_at BIGINT, 
	trust TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	last_received_at BIGINT NOT NULL, 
	redeliveries INTEGER NOT NULL, 
	raw TEXT NOT NULL, intent TEXT, 
	CONSTRAINT pk_uplinks PRIMARY KEY (id)
);
INSERT INTO "uplinks" VALUES(1,'default','enc-1','+8615500003001','+8615500003001','106900000001','�˶�',NULL,NULL,'token',1796060402570518,1796060402570518,0,'{"from": "+8615500003001", "to": "106900000001", "smsMsgId": "enc-1", "body": "\udccd\u02f6\udca9"}',NULL);
INSERT INTO "uplinks" VALUES(2,'default','enc-2','+8615500003002','+8615500003002','106900000001','�R',NULL,NULL,'token',1796060402687110,1796060402687110,0,'{"from": "+8615500003002", "to": "106900000001", "smsMsgId": "enc-2", "body": "\u0000R"}',NULL);
INSERT INTO "uplinks" VALUES(3,'default','sc-1','68849','+8668849','106900000001','R',NULL,NULL,'token',1796060402943187,1796060402943187,0,'{"from": "68849", "to": "106900000001", "smsMsgId": "sc-1", "body": "R"}','opt-out');
INSERT INTO "uplinks" VALUES(4,'default','oo-1','+8615500006001','+8615500006001','106900000001','STOP 🙏',NULL,NULL,'token',1796060403073870,1796060403073870,0,'{"from": "+8615500006001", "to": "106900000001", "smsMsgId": "oo-1", "body": "STOP \ud83d\ude4f"}',NULL);
INSERT INTO "uplinks" VALUES(5,'default','oo-2','+8615500006002','+8615500006002','106900000001','STOP�',NULL,NULL,'token',1796060403251386,1796060403251386,0,'{"from": "+8615500006002", "to": "106900000001", "smsMsgId": "oo-2", "body": "STOP\u0000"}',NULL);
INSERT INTO "uplinks" VALUES(6,'default','oo-3','+8615500006003','+8615500006003','106900000001','拒收',NULL,NULL,'token',1796060403368936,1796060403368936,0,'{"from": "+8615500006003", "to": "106900000001", "smsMsgId": "oo-3", "body": "\u62d2\u6536"}',NULL);
INSERT INTO "uplinks" VALUES(7,'default','same-1','+8615500004001','+8615500004001','106900000001','Hello',NULL,NULL,'token',1796060403898207,1796060403970244,1,'{"from": "+8615500004001", "to": "106900000001", "smsMsgId": "same-1", "body": "Hello"}',NULL);
INSERT INTO "uplinks" VALUES(8,'default',' pad-up ','+8615500006004','+8615500006004','106900000001','STOP !❤️',NULL,NULL,'token',1796060404087920,1796060404087920,0,'{"smsMsgId": " pad-up ", "from": "+8615500006004", "to": "106900000001", "body": "STOP !\u2764\ufe0f"}',NULL);
CREATE UNIQUE INDEX uq_messages_sms_msg_id_application ON messages (sms_msg_id, application);
CREATE INDEX ix_uplinks_from_number ON uplinks (from_number, id);
CREATE INDEX ix_uplinks_to_number ON uplinks (to_number, id);
CREATE UNIQUE INDEX uq_uplinks_sms_msg_id_application ON uplinks (sms_msg_id, application);
CREATE UNIQUE INDEX uq_reports_key ON reports (message_id, sequence, status, update_time);
CREATE INDEX ix_statistics_empty ON statistics (start) WHERE messages = 0;
CREATE INDEX ix_messages_to_number ON messages (to_number, occurred_at, id);
CREATE INDEX ix_messages_occurred_at ON messages (occurred_at, id);
CREATE INDEX ix_messages_state ON messages (state, occurred_at, id) WHERE state <> 'delivered';
CREATE INDEX ix_messages_code ON messages (code, occurred_at, id) WHERE state <> 'delivered';
CREATE INDEX ix_messages_category ON messages (category, occurred_at, id) WHERE state <> 'delivered';
CREATE INDEX ix_messages_extend ON messages (extend, occurred_at, id) WHERE extend IS NOT NULL;
CREATE INDEX ix_messages_reference ON messages (reference, occurred_at, id) WHERE reference IS NOT NULL;
CREATE INDEX ix_messages_orphans ON messages (occurred_at, id) WHERE NOT registered;
CREATE INDEX ix_messages_retry_of ON messages (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX ix_retries_due ON retries (state, due_at, message_id) WHERE state IN ('waiting', 'claimed');
CREATE INDEX ix_retries_lease_until ON retries (lease_until) WHERE state = 'claimed';
CREATE INDEX ix_retries_updated_at ON retries (updated_at);
CREATE INDEX ix_idempotency_created_at ON idempotency (created_at);
CREATE UNIQUE INDEX uq_suppressions_word ON suppressions (number, channel, application, source);
CREATE INDEX ix_suppressions_source_until ON suppressions (source, until) WHERE suppressed;
CREATE UNIQUE INDEX uq_suppression_changes_key ON suppression_changes (number, at, channel, application);
COMMIT;
