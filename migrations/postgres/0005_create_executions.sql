-- Texts that many rows repeat (users, resources, keys, models, servers), by the number that stands for them.
CREATE TABLE names (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
);

-- Every execution once. The day is the one its id names (0: none), a function of the id alone: so the key is as unique
-- as (id, user_no), ids that come in time order are appended, and what is old lies together.
-- Columns in the order of their width; partitions are made by the daemon, ahead of their days.
CREATE TABLE executions (
    at BIGINT NOT NULL,
    cost BIGINT,
    day INTEGER NOT NULL,
    user_no INTEGER NOT NULL,
    resource_no INTEGER,
    key_no INTEGER,
    model_no INTEGER NOT NULL,
    served_model_no INTEGER,
    served_by_no INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    latency_ms INTEGER,
    provider SMALLINT NOT NULL,
    outcome SMALLINT NOT NULL,
    status SMALLINT,
    estimated BOOLEAN NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (day, id, user_no) WITH (fillfactor = 100)
) PARTITION BY RANGE (day);

CREATE TABLE executions_other PARTITION OF executions DEFAULT;

-- Sums by quarter of an hour (UTC, counted from 1970), kept up with every execution. Costs are nano-dollars.
-- The room in each page lets a sum be updated where it lies: in half the time, and without growing.
CREATE TABLE usage_quarters (
    slot BIGINT NOT NULL,
    user_no BIGINT NOT NULL,
    resource_no BIGINT NOT NULL,
    key_no BIGINT NOT NULL,
    model_no BIGINT NOT NULL,
    provider BIGINT NOT NULL,
    executions BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    estimated_cost BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    limited_account BIGINT NOT NULL,
    limited_upstream BIGINT NOT NULL,
    limited_free BIGINT NOT NULL,
    out_of_credit BIGINT NOT NULL,
    unavailable BIGINT NOT NULL,
    upstream_failures BIGINT NOT NULL,
    other_failures BIGINT NOT NULL,
    bad_outputs BIGINT NOT NULL,
    charged_failures BIGINT NOT NULL,
    charged_failure_cost BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    timed BIGINT NOT NULL,
    PRIMARY KEY (slot, user_no, resource_no, key_no, model_no, provider)
) WITH (fillfactor = 70);

-- Sums by day (UTC, counted from 1970), kept up with every execution. Costs are nano-dollars.
CREATE TABLE usage_days (
    slot BIGINT NOT NULL,
    user_no BIGINT NOT NULL,
    resource_no BIGINT NOT NULL,
    key_no BIGINT NOT NULL,
    model_no BIGINT NOT NULL,
    provider BIGINT NOT NULL,
    executions BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    estimated_cost BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    limited_account BIGINT NOT NULL,
    limited_upstream BIGINT NOT NULL,
    limited_free BIGINT NOT NULL,
    out_of_credit BIGINT NOT NULL,
    unavailable BIGINT NOT NULL,
    upstream_failures BIGINT NOT NULL,
    other_failures BIGINT NOT NULL,
    bad_outputs BIGINT NOT NULL,
    charged_failures BIGINT NOT NULL,
    charged_failure_cost BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    timed BIGINT NOT NULL,
    PRIMARY KEY (slot, user_no, resource_no, key_no, model_no, provider)
) WITH (fillfactor = 70);
