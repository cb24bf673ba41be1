-- What of a model has held for long enough to be believed, as JSON.
ALTER TABLE models ADD COLUMN settled TEXT NOT NULL DEFAULT '{}';

-- Since when a resource depends on a row; what was there before has been for ever.
ALTER TABLE resource_rows ADD COLUMN since BIGINT NOT NULL DEFAULT 0;

-- Changes of prices, abilities and context that held. The users of the model have all been gone through at judged_at.
CREATE TABLE settled_changes (
    model_id TEXT NOT NULL,
    what TEXT NOT NULL,
    since BIGINT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    judged_at BIGINT,
    PRIMARY KEY (model_id, what, since)
);

CREATE INDEX settled_changes_unjudged ON settled_changes (model_id) WHERE judged_at IS NULL;

-- What a user was last told of a model: since when it has the price, what it lost and since when (JSON), and since when
-- it is missing.
ALTER TABLE told_models ADD COLUMN price_since BIGINT;
ALTER TABLE told_models ADD COLUMN lost TEXT NOT NULL DEFAULT '{}';
ALTER TABLE told_models ADD COLUMN missing_since BIGINT;

-- The longest executions of a user on a model in spans of 30 days, counted from 1970: what a model must take.
CREATE TABLE usage_peaks (
    user_no BIGINT NOT NULL,
    model_no BIGINT NOT NULL,
    span BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    PRIMARY KEY (user_no, model_no, span)
);

-- What OpenRouter offered in place of a model when it refused one, as JSON.
CREATE TABLE offered_models (
    model_id TEXT PRIMARY KEY,
    models TEXT NOT NULL,
    at BIGINT NOT NULL
);
