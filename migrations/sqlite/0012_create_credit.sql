-- When each key is asked next what it spent, and what is known from the answers so far, as JSON; the platform's own
-- management key is under no user and no label. replaced_at: which key of the slot this is about. is_notable: a rule
-- may tell something of it. answered_at: its last good answer.
CREATE TABLE key_polls (
    user_id TEXT NOT NULL,
    label TEXT NOT NULL,
    replaced_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    is_notable INTEGER NOT NULL,
    answered_at INTEGER,
    state TEXT NOT NULL,
    PRIMARY KEY (user_id, label)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_polls_answered ON key_polls (answered_at) WHERE answered_at IS NOT NULL;
CREATE INDEX key_polls_due ON key_polls (due_at);
CREATE INDEX key_polls_notable ON key_polls (user_id, label) WHERE is_notable = 1;

-- What OpenRouter counted on a key, and from when to when it was seen so. Nano-dollars.
CREATE TABLE key_usage (
    user_id TEXT NOT NULL,
    label TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    usage INTEGER NOT NULL,
    PRIMARY KEY (user_id, label, at)
) STRICT, WITHOUT ROWID;

CREATE INDEX key_usage_by_time ON key_usage (at);

-- What is known of a user's credit, or of the platform's under the empty id: what was last read of it, by what (a
-- limit's amount beside it), and how long it lasts. Nano-dollars and seconds.
CREATE TABLE accounts (
    account TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    balance INTEGER NOT NULL,
    purse INTEGER,
    runway_s INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_by_balance ON accounts (balance);

-- What was recorded of an account on a day (UTC), and what OpenRouter charged it. Nano-dollars.
CREATE TABLE captures (
    account TEXT NOT NULL,
    day TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX captures_by_day ON captures (day);
