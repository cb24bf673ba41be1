-- A run of a job is the slot it was due at; claiming the row is the lock. due_at is the end of the lease of a
-- running one, or the time of the next attempt.
CREATE TABLE job_runs (
    job TEXT NOT NULL,
    slot INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    due_at INTEGER,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    summary TEXT,
    PRIMARY KEY (job, slot)
) STRICT;

CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;

-- At most one incident of a rule is open on a subject.
CREATE UNIQUE INDEX incidents_open ON incidents (rule, subject) WHERE resolved_at IS NULL;

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    label TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
