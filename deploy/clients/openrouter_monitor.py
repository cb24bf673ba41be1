"""Tells openrouter-monitor what a platform runs, and asks it before it does. Python 3.9+, standard library; copy it.

    monitor = Monitor("http://127.0.0.1:9787", TOKEN)     # a token of the scope ingest; one Monitor a process

    if (monitor.allowance(user) or {}).get("verdict") == "deny": ...     # None: no answer; you decide
    began = time.monotonic()
    answer = requests.post("https://openrouter.ai/api/v1/chat/completions", ...)
    monitor.record(execution(user, model, resource="summary-bot", status=answer.status_code,
                             response=answer.json(), latency_ms=(time.monotonic() - began) * 1000))

record() never waits for the network and never raises. A thread sends in batches, and sends again what was not
acknowledged: a row keeps its id, so none counts twice. Rows live in memory until then; close() sends what is left,
by itself when Python exits, but not when a signal ends the process (let SIGTERM raise SystemExit). What had to be
given up is logged and counted in `monitor.dropped`.
"""

import atexit, collections, gzip, json, logging, os, random, re, threading, time, urllib.parse, urllib.request, uuid
from datetime import datetime, timezone

log = logging.getLogger("openrouter_monitor")
BATCH_BYTES = 8 << 20  # the daemon takes 16 MiB as sent


def execution(user, model, *, response=None, error=None, sse=None, status=None, id=None, at=None, **more):
    """One call of a model: its answer's JSON, its error (body, text or exception) or its raw event stream.

    More fields: resource, key, provider, served_model, served_by, usage, cost_usd, latency_ms, output_valid.
    The id is the provider's, so that a call which Broadcast reports too counts once; else a new UUIDv7.
    """
    error = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else error
    response, error, sse = (v.decode(errors="replace") if isinstance(v, bytes) else v for v in (response, error, sse))
    found = re.search(r'"id"\s*:\s*"([^"\\]+)"', str(sse or ""))
    id = id or (response.get("id") if isinstance(response, dict) else found and found.group(1))
    row = {"id": id or _uuid7(), "at": at or datetime.now(timezone.utc).isoformat(), "user": user, "model": model,
           "status": status, "response": response, "error": error, "sse": sse, **more}
    return {name: value for name, value in row.items() if value is not None}


def _uuid7():
    bits = int(time.time() * 1000) << 80 | 7 << 76 | random.SystemRandom().getrandbits(76)
    return str(uuid.UUID(int=bits & ~(3 << 62) | 2 << 62))


class Monitor:
    def __init__(self, url, token, *, batch=500, every_s=1.0, capacity=20_000, timeout_s=10.0, close_s=10.0):
        self.url, self.token, self.batch, self.every_s = url.rstrip("/"), token, batch, every_s
        self.capacity, self.timeout_s, self.close_s = capacity, timeout_s, close_s
        self._begin()
        atexit.register(self.close)
        getattr(os, "register_at_fork", lambda **_: None)(after_in_child=self._begin)  # the parent's rows stay its own

    def _begin(self):
        self.accepted = self.duplicates = self.dropped = 0
        self._rows, self._changed, self._thread, self._deadline = collections.deque(), threading.Condition(), None, None

    def record(self, row):
        """Takes a row to send; true, unless it had to be given up."""
        try:
            line = json.dumps(row, separators=(",", ":")).encode()
            with self._changed:
                if self._deadline or len(self._rows) >= self.capacity:
                    raise OverflowError("closed" if self._deadline else "too many wait")
                self._rows.append(line)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="openrouter-monitor", daemon=True)
                    self._thread.start()
                if len(self._rows) in (1, self.batch):
                    self._changed.notify_all()
            return True
        except Exception as error:
            return self._drop(1, error)

    def close(self):
        """Takes no more, and sends what is left for at most close_s seconds."""
        with self._changed:
            self._deadline = self._deadline or time.monotonic() + self.close_s
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self.close_s + self.timeout_s)
        if self._rows:
            self._drop(len(self._rows), "no time was left")

    def allowance(self, user):
        """The answer, as of model() and estimate(), or None: an unknown user, an unknown model, no connection."""
        return self._ask(f"/v1/users/{urllib.parse.quote(str(user), safe='')}/allowance")

    def model(self, id):
        return self._ask(f"/v1/models/{urllib.parse.quote(str(id), safe='/')}")

    def estimate(self, model, input_tokens, output_tokens=None, max_output_tokens=None):
        asked = {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
        return self._ask("/v1/estimate", {**asked, "max_output_tokens": max_output_tokens})

    def _ask(self, path, body=None):
        try:
            return json.loads(self._call(path, body and json.dumps(body).encode(), 2.0, {}))
        except Exception as error:
            log.info("%s was not answered: %s", path, error)

    def _call(self, path, body, timeout_s, headers):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/x-ndjson", **headers}
        request = urllib.request.Request(self.url + path, body, headers)
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.read()

    def _run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._rows or self._deadline)
                self._changed.wait_for(lambda: len(self._rows) >= self.batch or self._deadline, self.every_s)
                lines, size = [], 0
                while self._rows and len(lines) < self.batch and (not lines or size + len(self._rows[0]) < BATCH_BYTES):
                    lines.append(self._rows.popleft())
                    size += len(lines[-1])
            if not lines:
                return
            self._deliver(lines)

    def _deliver(self, lines):
        wait_s, refusals = 0.5, 0
        while True:
            try:
                body = gzip.compress(b"\n".join(lines), 5)
                taken = json.loads(self._call("/v1/executions", body, self.timeout_s, {"Content-Encoding": "gzip"}))
                self.accepted += taken["accepted"]
                self.duplicates += taken["duplicates"]
                for row in taken["rejected"]:
                    self._drop(1, f"{row['id']}: {row['reason']}")
                return
            except Exception as error:  # without an answer they may have been taken: the ids tell
                reason, status = error, getattr(error, "code", 0)
                after = status and error.headers.get("Retry-After") or ""
            refusals += status in (413, 422, 500)
            if status in (413, 422) or refusals > 3:  # not these rows together: half of them may pass
                if len(lines) == 1:
                    return self._drop(1, reason)
                self._deliver(lines[: len(lines) // 2])
                return self._deliver(lines[len(lines) // 2 :])
            log.warning("%d executions wait: %s", len(lines), reason)
            if self._deadline and time.monotonic() > self._deadline:
                return self._drop(len(lines), reason)
            after_s = min(float(after), 300.0) if after.isdecimal() else 0.0
            pause_s, closing = max(after_s, wait_s * random.uniform(0.5, 1)), bool(self._deadline)
            with self._changed:  # close() ends a wait that began before it
                self._changed.wait_for(lambda: self._deadline and not closing, pause_s)
            wait_s = 0.5 if self._deadline else min(2 * wait_s, 60.0)

    def _drop(self, count, reason):
        self.dropped += count
        log.error("%d executions were given up: %s", count, reason)
