-- Times are microseconds since 1970 (UTC), days are YYYY-MM-DD, JSON is text.

-- Every distinct list, compressed, under the digest of what it says.
CREATE TABLE lists (
    digest TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Every fetch, believed or refused; the newest believed one is the list in force.
CREATE TABLE fetches (
    at INTEGER PRIMARY KEY,
    digest TEXT REFERENCES lists (digest),
    listed INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    refused TEXT
) STRICT;

CREATE TABLE models (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    entry TEXT NOT NULL,
    expires_on TEXT,
    expiry_since INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    missing_since INTEGER,
    missing_fetches INTEGER NOT NULL,
    bulk INTEGER NOT NULL,
    removed_at INTEGER,
    successor TEXT
) STRICT;

CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    model_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    digested_at INTEGER
) STRICT;

CREATE INDEX changes_by_time ON changes (at);
CREATE INDEX changes_by_model ON changes (model_id, at);
CREATE INDEX changes_undigested ON changes (id) WHERE digested_at IS NULL;
