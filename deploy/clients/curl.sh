#!/bin/sh
# What a platform says to openrouter-monitor and asks it, as bare calls. URL and TOKEN (scope ingest) come from outside:
#   URL=http://127.0.0.1:9787 TOKEN=$(openrouter-monitor token create --scope ingest) sh curl.sh
# READ_TOKEN (scope read) is needed for the last call only. Always name a Content-Type: curl's own means a form.
set -eu
: "${URL:=http://127.0.0.1:9787}" "${TOKEN:?a token of the scope ingest}"
call() { path=$1; shift; curl -sS --fail-with-body -H "Authorization: Bearer $TOKEN" "$@" "$URL$path"; echo; }
json='Content-Type: application/json' lines='Content-Type: application/x-ndjson' now=$(date -u +%Y-%m-%dT%H:%M:%SZ)

# Who the users are, and what they run.
call /v1/directory -H "$lines" --data-binary @- <<'LINES'
{"user":{"id":"u-42","email":"ada@example.org","timezone":"Europe/Vienna","daily_limit_usd":"2"}}
{"resource":{"id":"summary-bot","user":"u-42","name":"Summaries","model":"openai/gpt-5"}}
LINES

# Before a run: may the user, is the model there, what will it cost?
call /v1/users/u-42/allowance
call /v1/models/openai/gpt-5
call /v1/estimate -H "$json" -d '{"model":"openai/gpt-5","input_tokens":1200,"output_tokens":300}' || true  # 404: unknown

# After it: what came of it. The same id again is a duplicate, so send again whatever was not answered.
row="{\"id\":\"example-1\",\"at\":\"$now\",\"user\":\"u-42\",\"resource\":\"summary-bot\",\"model\":\"openai/gpt-5\",\"status\":200,\"cost_usd\":\"0.0045\"}"
call /v1/executions -H "$json" -d "$row"
printf '%s\n' "$row" | gzip | call /v1/executions -H "$lines" -H 'Content-Encoding: gzip' --data-binary @-

# What does an error mean, and what to tell the user?
call '/v1/classify?status=429' -H "$json" -d '{"error":{"code":429,"message":"Rate limit exceeded"}}'

# What was spent, day by day.
[ -z "${READ_TOKEN:-}" ] || TOKEN=$READ_TOKEN call '/v1/spend?by=user&per=day&tz=Europe/Vienna'
