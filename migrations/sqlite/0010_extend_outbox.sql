-- channel: by which way a row travels. waits_since: from when it waits, if that is later than created_at: the end of
-- a user's quiet hours, or the next repetition. counts_on: the user's own day on which a mail counts towards their
-- daily number; a mail that is folded, suppressed or a digest counts on none.
ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail';
ALTER TABLE outbox ADD COLUMN waits_since INTEGER;
ALTER TABLE outbox ADD COLUMN counts_on TEXT;

DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (channel, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_held ON outbox (waits_since) WHERE state = 'held';
CREATE INDEX outbox_by_day ON outbox (user_id, counts_on) WHERE counts_on IS NOT NULL;

-- How a user wants their mails: "22:00-07:00" by the clocks of a zone, which else is the directory's.
CREATE TABLE mail_preferences (
    user_id TEXT PRIMARY KEY,
    quiet_hours TEXT,
    timezone TEXT,
    updated_at INTEGER NOT NULL
) STRICT;

-- Addresses that a mail server knows nobody at, in lower case: nothing is sent there.
CREATE TABLE mail_suppressions (
    address TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    suppressed_at INTEGER NOT NULL
) STRICT;
