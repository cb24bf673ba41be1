-- The master key that wraps all data keys, by its id, with a value that only it opens. It binds while there are any.
CREATE TABLE vault (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    master TEXT NOT NULL,
    check_value BLOB NOT NULL,
    bound_at INTEGER NOT NULL
) STRICT;

-- What seals a user's keys, wrapped by the master key.
CREATE TABLE data_keys (
    user_id TEXT PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Users' keys at OpenRouter. added_at: when the label was first used; replaced_at: since when it has the key it has.
CREATE TABLE keys (
    user_id TEXT NOT NULL,
    label TEXT NOT NULL,
    sealed BLOB NOT NULL,
    last_four TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    replaced_at INTEGER NOT NULL,
    checked_at INTEGER,
    expires_at INTEGER,
    PRIMARY KEY (user_id, label)
) STRICT;

-- Few need care: they are counted at each scrape.
CREATE INDEX keys_in_doubt ON keys (status) WHERE status <> 'ok';

-- Who had a key in hand, when, and what for.
CREATE TABLE key_access (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    label TEXT NOT NULL,
    purpose TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;

CREATE INDEX key_access_by_time ON key_access (at);
CREATE INDEX key_access_by_user ON key_access (user_id, at);
