-- What rules evaluate: the incident as it stands. Times are microseconds since 1970 (UTC).
DROP INDEX incidents_open;
ALTER TABLE incidents ADD COLUMN subject_kind TEXT NOT NULL DEFAULT 'account';
ALTER TABLE incidents ADD COLUMN phase TEXT NOT NULL DEFAULT 'firing';
ALTER TABLE incidents ADD COLUMN severity TEXT NOT NULL DEFAULT 'warning';
ALTER TABLE incidents ADD COLUMN user_id TEXT;
ALTER TABLE incidents ADD COLUMN finding TEXT;
ALTER TABLE incidents ADD COLUMN fired_at INTEGER;
ALTER TABLE incidents ADD COLUMN last_found_at INTEGER;
ALTER TABLE incidents ADD COLUMN told_at INTEGER;
ALTER TABLE incidents ADD COLUMN told_level INTEGER;
ALTER TABLE incidents ADD COLUMN told_times INTEGER;
ALTER TABLE incidents ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE incidents ADD COLUMN acknowledged_by TEXT;

-- At most one incident of a rule is open on a subject.
CREATE UNIQUE INDEX incidents_open ON incidents (rule, subject_kind, subject) WHERE resolved_at IS NULL;
CREATE INDEX incidents_by_time ON incidents (opened_at);
CREATE INDEX incidents_resolved ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- What covers these (empty: any) is not told from one time to another: a silence, or a maintenance window to come.
CREATE TABLE silences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    comment TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;

CREATE INDEX silences_by_end ON silences (ends_at);

-- What is usual for a user (1), a resource (2), a model (3), a key (4) or all together (0), as bytes that the
-- program reads; hour and day are the last slots that were taken in.
CREATE TABLE baselines (
    subject_kind INTEGER NOT NULL,
    subject_no INTEGER NOT NULL,
    hours BLOB NOT NULL,
    days BLOB NOT NULL,
    PRIMARY KEY (subject_kind, subject_no)
) STRICT, WITHOUT ROWID;

-- What accounts hold: a user's, or the platform's under the empty id. Nano-dollars.
CREATE TABLE balances (
    account TEXT NOT NULL,
    at INTEGER NOT NULL,
    balance INTEGER NOT NULL,
    PRIMARY KEY (account, at)
) STRICT, WITHOUT ROWID;

ALTER TABLE users ADD COLUMN low_credit_usd TEXT;
