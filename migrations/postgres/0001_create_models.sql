-- Times are microseconds since 1970 (UTC), days are YYYY-MM-DD, JSON is text.

-- Every distinct list, compressed, under the digest of what it says.
CREATE TABLE lists (
    digest TEXT PRIMARY KEY,
    body BYTEA NOT NULL
);

-- Every fetch, believed or refused; the newest believed one is the list in force.
CREATE TABLE fetches (
    at BIGINT PRIMARY KEY,
    digest TEXT REFERENCES lists (digest),
    listed BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    refused TEXT
);

CREATE TABLE models (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    entry TEXT NOT NULL,
    expires_on TEXT,
    expiry_since BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    missing_since BIGINT,
    missing_fetches BIGINT NOT NULL,
    bulk BOOLEAN NOT NULL,
    removed_at BIGINT,
    successor TEXT
);

CREATE TABLE changes (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    model_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    digested_at BIGINT
);

CREATE INDEX changes_by_time ON changes (at);
CREATE INDEX changes_by_model ON changes (model_id, at);
CREATE INDEX changes_undigested ON changes (id) WHERE digested_at IS NULL;
