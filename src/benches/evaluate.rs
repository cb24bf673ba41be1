//! What an evaluation of all rules costs: how long, how much memory, and whether it grows with history.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openrouter_monitor::clock::{Clock, SystemClock};
use openrouter_monitor::domain::rollup::{Measures, quarter_of};
use sqlx::{Connection, SqliteConnection};

/// Days of history at first, and then.
const DAYS: [i64; 2] = [10, 100];
const QUARTERS_PER_DAY: i64 = 96;
const EVALUATIONS: usize = 3;
/// Of the active users, one in so many is told something a day that is over by now.
const TOLD: i64 = 50;
/// And the balance of one in so many is read.
const READ: i64 = 10;
const DAY_MICROS: i64 = 86_400_000_000;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Evaluates with history, and with ten times as much.
#[expect(clippy::print_stdout, reason = "the result")]
pub(crate) async fn evaluate(url: &str, active: i64, models: (i64, i64)) {
    let mut first = None;
    let mut from = 1;
    for days in DAYS {
        remember(url, active, models, (from, days)).await;
        from = days + 1;
        // The first one learns what is over.
        run(url);
        let mut runs: Vec<(Duration, u64)> = (0..EVALUATIONS).map(|_| run(url)).collect();
        runs.sort();
        let (time, memory) = runs[EVALUATIONS / 2];
        let first = *first.get_or_insert(time);
        println!(
            "rules: {days} days of history: {:.2} s with the start of the process, {} MB, {:.2} times the first",
            time.as_secs_f64(),
            memory / 1024,
            time.as_secs_f64() / first.as_secs_f64()
        );
    }
}

/// The days from `days.0` to `days.1` ago, each like today, and three more quarters of the last hour that cost next to
/// nothing, for each active user: nobody is to be told anything. What was told on those days is over.
async fn remember(url: &str, active: i64, models: (i64, i64), days: (i64, i64)) {
    let quarter = quarter_of(SystemClock.now());
    let today = quarter.div_euclid(QUARTERS_PER_DAY);
    let names = Measures::NAMES.join(", ");
    let zeros = ", 0".repeat(Measures::NAMES.len() - 2);
    let insert = |table: &str, from: i64, until: i64, slot: &str, cost: &str| {
        format!(
            "WITH RECURSIVE u(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM u WHERE i < {active}), \
            d(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM d WHERE i < {until}) \
            INSERT INTO {table} (slot, user_no, resource_no, key_no, model_no, provider, {names}) \
            SELECT {slot}, u.i, 0, 0, {} + u.i % {}, 1, 40, {cost}{zeros} FROM d, u WHERE true \
            ON CONFLICT DO NOTHING",
            models.0, models.1
        )
    };
    let now = SystemClock.now().timestamp_micros();
    let others = |one_in: i64| {
        format!(
            "WITH RECURSIVE u(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM u WHERE i < {}), \
            d(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM d WHERE i < {})",
            active / one_in,
            days.0,
            days.1
        )
    };
    let told = format!(
        "{} INSERT INTO incidents (id, rule, subject_kind, subject, user_id, phase, detail, finding, opened_at, fired_at, resolved_at) \
        SELECT d.i || '-' || u.i, 'budget', 'user', 'user-' || u.i, 'user-' || u.i, 'resolved', '', '{}', \
        {now} - d.i * {DAY_MICROS}, {now} - d.i * {DAY_MICROS}, {now} - d.i * {DAY_MICROS} + 3600000000 FROM d, u",
        others(TOLD),
        "x".repeat(400)
    );
    let balances = format!(
        "{} INSERT INTO balances (account, at, balance) SELECT 'user-' || u.i, {now} - d.i * {DAY_MICROS}, 100000000000 FROM d, u",
        others(READ)
    );
    let mut connection = SqliteConnection::connect(url).await.expect("a store");
    for sql in [
        told,
        balances,
        insert("usage_days", days.0, days.1, &format!("{today} - d.i"), "1000000 * u.i"),
        insert("usage_quarters", days.0, days.1, &format!("{quarter} - {QUARTERS_PER_DAY} * d.i"), "1000000 * u.i"),
        insert("usage_quarters", 0, 3, &format!("{quarter} - d.i"), "1000"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a store");
    }
    // So many rows never come at once: what they leave in the log is moved into the file, as it is over the days.
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.expect("a store");
}

/// Runs the job in a process of its own; gives how long it took and the kilobytes that it held at most.
fn run(url: &str) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_openrouter-monitor"))
        .args(["job", "run", "rules"])
        .env("OPENROUTER_MONITOR__STORE__URL", url)
        .env("OPENROUTER_MONITOR__STORE__STATE_DIRECTORY", std::env::temp_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let held = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = std::cmp::max(peak, held.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a process") {
            assert!(status.success(), "the job failed");
            return (began.elapsed(), peak);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
