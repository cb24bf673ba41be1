-- Texts that many rows repeat (users, resources, keys, models, servers), by the number that stands for them.
CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- Every execution once. The day is the one its id names (0: none), a function of the id alone: so the key is as unique
-- as (id, user_no), ids that come in time order are appended, and what is old lies together.
CREATE TABLE executions (
    day INTEGER NOT NULL,
    id TEXT NOT NULL,
    user_no INTEGER NOT NULL,
    at INTEGER NOT NULL,
    resource_no INTEGER,
    key_no INTEGER,
    model_no INTEGER NOT NULL,
    served_model_no INTEGER,
    served_by_no INTEGER,
    provider INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    status INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    cost INTEGER,
    estimated INTEGER NOT NULL,
    latency_ms INTEGER,
    PRIMARY KEY (day, id, user_no)
) STRICT, WITHOUT ROWID;

-- Sums by quarter of an hour (UTC, counted from 1970), kept up with every execution. Costs are nano-dollars.
CREATE TABLE usage_quarters (
    slot INTEGER NOT NULL,
    user_no INTEGER NOT NULL,
    resource_no INTEGER NOT NULL,
    key_no INTEGER NOT NULL,
    model_no INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    executions INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    estimated_cost INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    limited_account INTEGER NOT NULL,
    limited_upstream INTEGER NOT NULL,
    limited_free INTEGER NOT NULL,
    out_of_credit INTEGER NOT NULL,
    unavailable INTEGER NOT NULL,
    upstream_failures INTEGER NOT NULL,
    other_failures INTEGER NOT NULL,
    bad_outputs INTEGER NOT NULL,
    charged_failures INTEGER NOT NULL,
    charged_failure_cost INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    PRIMARY KEY (slot, user_no, resource_no, key_no, model_no, provider)
) STRICT, WITHOUT ROWID;

-- Sums by day (UTC, counted from 1970), kept up with every execution. Costs are nano-dollars.
CREATE TABLE usage_days (
    slot INTEGER NOT NULL,
    user_no INTEGER NOT NULL,
    resource_no INTEGER NOT NULL,
    key_no INTEGER NOT NULL,
    model_no INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    executions INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    estimated_cost INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    limited_account INTEGER NOT NULL,
    limited_upstream INTEGER NOT NULL,
    limited_free INTEGER NOT NULL,
    out_of_credit INTEGER NOT NULL,
    unavailable INTEGER NOT NULL,
    upstream_failures INTEGER NOT NULL,
    other_failures INTEGER NOT NULL,
    bad_outputs INTEGER NOT NULL,
    charged_failures INTEGER NOT NULL,
    charged_failure_cost INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    PRIMARY KEY (slot, user_no, resource_no, key_no, model_no, provider)
) STRICT, WITHOUT ROWID;
