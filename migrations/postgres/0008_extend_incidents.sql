-- What rules evaluate: the incident as it stands. Times are microseconds since 1970 (UTC).
DROP INDEX incidents_open;
ALTER TABLE incidents ADD COLUMN subject_kind TEXT NOT NULL DEFAULT 'account';
ALTER TABLE incidents ADD COLUMN aspect TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN phase TEXT NOT NULL DEFAULT 'firing';
ALTER TABLE incidents ADD COLUMN severity TEXT NOT NULL DEFAULT 'warning';
ALTER TABLE incidents ADD COLUMN user_id TEXT;
ALTER TABLE incidents ADD COLUMN finding TEXT;
ALTER TABLE incidents ADD COLUMN fired_at BIGINT;
ALTER TABLE incidents ADD COLUMN last_found_at BIGINT;
ALTER TABLE incidents ADD COLUMN told_at BIGINT;
ALTER TABLE incidents ADD COLUMN told_level BIGINT;
ALTER TABLE incidents ADD COLUMN told_times BIGINT;
ALTER TABLE incidents ADD COLUMN acknowledged_at BIGINT;
ALTER TABLE incidents ADD COLUMN acknowledged_by TEXT;

-- At most one incident of a rule is open on an aspect of a subject.
CREATE UNIQUE INDEX incidents_open ON incidents (rule, subject_kind, subject, aspect) WHERE resolved_at IS NULL;
CREATE INDEX incidents_by_time ON incidents (opened_at);
CREATE INDEX incidents_resolved ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- What covers these (empty: any) is not told from one time to another: a silence, or a maintenance window to come.
CREATE TABLE silences (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    comment TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);

CREATE INDEX silences_by_end ON silences (ends_at);

-- What is usual for somebody by hour and by day, as bytes that the program reads; and what the days that are over of
-- their last month (counted from year 0) cost.
CREATE TABLE baselines (
    subject_kind BIGINT NOT NULL,
    subject_no BIGINT NOT NULL,
    hours BYTEA NOT NULL,
    days BYTEA NOT NULL,
    month BIGINT NOT NULL,
    month_cost BIGINT NOT NULL,
    PRIMARY KEY (subject_kind, subject_no)
);

-- What all users spent on a day that is over, and how many they were.
CREATE TABLE active_days (
    day BIGINT PRIMARY KEY,
    cost BIGINT NOT NULL,
    users BIGINT NOT NULL
);

-- How many outputs of a model could not be used on a day that is over, and of how many.
CREATE TABLE model_days (
    day BIGINT NOT NULL,
    model_no BIGINT NOT NULL,
    executions BIGINT NOT NULL,
    bad_outputs BIGINT NOT NULL,
    PRIMARY KEY (day, model_no)
);

-- What accounts hold: a user's, or the platform's under the empty id. Nano-dollars.
CREATE TABLE balances (
    account TEXT NOT NULL,
    at BIGINT NOT NULL,
    balance BIGINT NOT NULL,
    PRIMARY KEY (account, at)
);

CREATE INDEX balances_by_time ON balances (at);

ALTER TABLE users ADD COLUMN low_credit_usd TEXT;
