-- A mail, rendered. due_at is when somebody must look at it next: the next attempt, or the end of a lease;
-- nobody has to once it is sent or dead.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dedup_key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    user_id TEXT,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    text_body TEXT NOT NULL,
    html_body TEXT NOT NULL,
    message_id TEXT NOT NULL,
    thread_ids TEXT NOT NULL,
    unsubscribe_url TEXT,
    about TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_by_state ON outbox (state, id);
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

-- What a user was last told of a model: the end they expect, the absence they know of.
CREATE TABLE told_models (
    user_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    expires_on TEXT,
    gone_since INTEGER,
    PRIMARY KEY (user_id, model_id)
) STRICT;

CREATE INDEX told_models_by_model ON told_models (model_id);

-- For every date ever told: the last milestone told of it, in days before.
CREATE TABLE told_dates (
    user_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    expires_on TEXT NOT NULL,
    milestone INTEGER NOT NULL,
    PRIMARY KEY (user_id, model_id, expires_on)
) STRICT;
