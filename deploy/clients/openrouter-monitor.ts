/**
 * Tells openrouter-monitor what a platform runs, and asks it before it does. Needs fetch only (Node 18+); copy it.
 *
 *   const monitor = new Monitor("http://127.0.0.1:9787", TOKEN)    // a token of the scope ingest
 *
 *   if ((await monitor.allowance(user))?.verdict === "deny") …     // undefined: no answer; you decide
 *   const began = Date.now()
 *   const answer = await fetch("https://openrouter.ai/api/v1/chat/completions", …)
 *   monitor.record(execution({ user, model, resource: "summary-bot", status: answer.status,
 *     response: await answer.json(), latency_ms: Date.now() - began }))
 *
 * record() never waits and never throws. Rows go out in batches, and again when they were not acknowledged: a row keeps
 * its id, so none counts twice. Until then they live in memory. What is left goes out when Node runs out of work, not
 * on process.exit() or a signal: `await monitor.close()` before. What was given up is logged and in `monitor.dropped`.
 */

type Json = Record<string, any>
/** One call of a model, as /openapi.json of the daemon describes it. */
export type Execution = {
  id: string; at: string; user: string | number; model: string
  resource?: string; key?: string; provider?: "openrouter" | "anthropic"; served_model?: string; served_by?: string
  status?: number; error?: unknown; usage?: Json; cost_usd?: string | number; response?: unknown; sse?: string
  latency_ms?: number; output_valid?: boolean
}

/** A row from an answer's JSON, an error (body, text, exception) or an event stream's text. Its id is the provider's,
 *  so that a call which Broadcast reports too counts once; else a new UUIDv7. */
export function execution(call: Omit<Execution, "id" | "at"> & { id?: string; at?: string }): Execution {
  const given = (call.response as Json | undefined)?.id
  const id = call.id ?? (typeof given === "string" ? given : /"id"\s*:\s*"([^"\\]+)"/.exec(call.sse ?? "")?.[1])
  const error = call.error instanceof Error ? `${call.error.name}: ${call.error.message}` : call.error
  return { ...call, error, id: id || uuid7(), at: call.at ?? new Date().toISOString() }
}

function uuid7(): string {
  const hex = (digits: number) => Array.from({ length: digits }, () => ((Math.random() * 16) | 0).toString(16)).join("")
  const time = Date.now().toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-${"89ab"[(Math.random() * 4) | 0]}${hex(3)}-${hex(12)}`
}

const LIMITS = { batch: 500, batchChars: 4 << 20, everyMs: 1000, capacity: 20_000, timeoutMs: 10_000, closeMs: 10_000 }

export class Monitor {
  accepted = 0; duplicates = 0; dropped = 0
  private readonly limits: typeof LIMITS
  private rows: string[] = []
  private sending?: Promise<void>
  private deadline = Infinity
  private wake = { full: () => {}, end: () => {} }

  constructor(private readonly url: string, private readonly token: string, limits: Partial<typeof LIMITS> = {}) {
    this.limits = { ...LIMITS, ...limits }
    ;(globalThis as Json).process?.once?.("beforeExit", () => this.close())
  }

  /** Takes a row to send; false when it had to be given up. */
  record(row: Execution): boolean {
    try {
      if (this.deadline < Infinity || this.rows.length >= this.limits.capacity) throw new Error("closed, or full")
      this.rows.push(JSON.stringify({ ...row }))
      if (this.rows.length === this.limits.batch) this.wake.full()
      this.sending ??= this.run()
      return true
    } catch (error) {
      return this.drop(1, error)
    }
  }

  /** Takes no more, and sends what is left for at most closeMs. */
  async close(): Promise<void> {
    this.deadline = Math.min(this.deadline, Date.now() + this.limits.closeMs)
    this.wake.end()
    await this.sending
  }

  /** May the user run something now? Undefined when there is no answer, as of all three: unknown, or no connection. */
  allowance = (user: string | number) => this.ask(`/v1/users/${encodeURIComponent(user)}/allowance`)
  /** Does a model exist, what does it cost, how long does it stay? */
  model = (id: string) => this.ask(`/v1/models/${encodeURIComponent(id)}`)
  /** What would a run cost? */
  estimate = (run: { model: string; input_tokens: number; output_tokens?: number; max_output_tokens?: number }) =>
    this.ask("/v1/estimate", JSON.stringify(run))

  private ask(path: string, body?: string): Promise<Json | undefined> {
    return this.call(path, body, {}, 2000).then(answer => answer.ok ? answer.json() : undefined).catch(() => undefined)
  }

  private async call(path: string, body: BodyInit | undefined, more: Json, timeoutMs: number): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/x-ndjson", ...more }
    const method = body === undefined ? "GET" : "POST"
    return fetch(this.url.replace(/\/$/, "") + path, { method, body, headers, signal: AbortSignal.timeout(timeoutMs) })
  }

  private async run(): Promise<void> {
    while (this.rows.length > 0) {
      if (this.rows.length < this.limits.batch) await this.pause(this.limits.everyMs, true)
      let chars = 0
      const fit = this.rows.slice(0, this.limits.batch).findIndex(row => (chars += row.length) > this.limits.batchChars)
      await this.deliver(this.rows.splice(0, fit < 0 ? this.limits.batch : Math.max(fit, 1)))
    }
    this.sending = undefined
  }

  private async deliver(lines: string[]): Promise<void> {
    for (let waitMs = 500, refusals = 0; ; waitMs = Math.min(2 * waitMs, this.deadline < Infinity ? 500 : 60_000)) {
      let reason: unknown, status = 0, afterMs = 0
      try {
        const packed = new Blob([lines.join("\n")]).stream().pipeThrough(new CompressionStream("gzip"))
        const body = await new Response(packed).arrayBuffer()
        const answer = await this.call("/v1/executions", body, { "content-encoding": "gzip" }, this.limits.timeoutMs)
        const taken: Json = await answer.json().catch(() => ({}))
        if (answer.ok && taken.rejected) {
          this.accepted += taken.accepted
          this.duplicates += taken.duplicates
          for (const row of taken.rejected) this.drop(1, `${row.id}: ${row.reason}`)
          return
        }
        ;[status, reason] = [answer.status, `${answer.status} ${taken.error?.message ?? ""}`]
        afterMs = Math.min(Number(answer.headers.get("retry-after")) || 0, 300) * 1000
      } catch (error) {
        reason = error // without an answer they may have been taken: the ids tell
      }
      if ([413, 422, 500].includes(status)) refusals++
      if (status === 413 || status === 422 || refusals > 3) { // not these rows together: half of them may pass
        if (lines.length === 1) return void this.drop(1, reason)
        await this.deliver(lines.splice(0, lines.length >> 1))
        return this.deliver(lines)
      }
      if (Date.now() > this.deadline) return void this.drop(lines.length + this.rows.splice(0).length, reason)
      await this.pause(Math.max(afterMs, waitMs * (0.5 + Math.random() / 2)), false)
    }
  }

  /** Waits, without keeping the process alive: when nothing else does, close() comes and ends the wait. */
  private pause(ms: number, isIdle: boolean): Promise<void> {
    const closing = this.deadline < Infinity
    return new Promise(resolve => {
      const timer: any = setTimeout(resolve, closing && isIdle ? 0 : ms)
      if (!closing) timer.unref?.()
      const end = () => { clearTimeout(timer); resolve() }
      this.wake = { full: isIdle ? end : () => {}, end }
    })
  }

  private drop(count: number, reason: unknown): false {
    console.error(`openrouter-monitor: ${count} executions were given up: ${reason}`)
    this.dropped += count
    return false
  }
}
