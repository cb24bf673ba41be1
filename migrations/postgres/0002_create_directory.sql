CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT,
    name TEXT,
    timezone TEXT,
    plan_usd_per_month TEXT,
    daily_limit_usd TEXT,
    monthly_limit_usd TEXT,
    admin BOOLEAN NOT NULL,
    mail_token TEXT NOT NULL UNIQUE,
    updated_at BIGINT NOT NULL
);

CREATE TABLE resources (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    name TEXT,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    fallbacks TEXT NOT NULL,
    url TEXT,
    updated_at BIGINT NOT NULL
);

CREATE INDEX resources_by_user ON resources (user_id);

-- The rows of OpenRouter's list that a resource depends on: its model at position 0, then its fallbacks.
CREATE TABLE resource_rows (
    resource_id TEXT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    PRIMARY KEY (resource_id, position)
);

CREATE INDEX resource_rows_by_model ON resource_rows (model_id, user_id);
CREATE INDEX resource_rows_by_user ON resource_rows (user_id);
