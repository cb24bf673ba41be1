-- When each feed of vendors' announcements was last good, and what it had then.
CREATE TABLE feeds (
    name TEXT PRIMARY KEY,
    good_at BIGINT NOT NULL,
    announcements BIGINT NOT NULL,
    rejected BIGINT NOT NULL
);

-- Everything that a feed ever said. What it no longer says has a time in gone_since.
CREATE TABLE announcements (
    feed TEXT NOT NULL,
    provider TEXT NOT NULL,
    vendor_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    dated_at BIGINT NOT NULL,
    gone_since BIGINT,
    PRIMARY KEY (feed, provider, vendor_id)
);

-- The announcement that ends each model: a row of OpenRouter's list, or the id that a resource on Anthropic writes.
CREATE TABLE vendor_ends (
    model_id TEXT PRIMARY KEY,
    expires_on TEXT NOT NULL,
    entry TEXT NOT NULL
);

-- What runs on Anthropic directly depended on nothing so far.
INSERT INTO resource_rows (resource_id, position, user_id, model_id)
SELECT id, 0, user_id, TRIM(model) FROM resources WHERE provider = 'anthropic' AND model NOT LIKE '%/%';
