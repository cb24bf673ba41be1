//! The database: one SQL text and one function body for SQLite and PostgreSQL.
//!
//! SQL lives only here and below. Every query takes a [`Tx`], so that a change of state and the mail it causes are
//! one transaction. Times are bound as microseconds from the caller's clock; SQL never reads a clock of its own.

pub mod accounts;
pub mod balances;
pub mod baselines;
pub mod changes;
pub mod directory;
pub mod executions;
pub mod feeds;
pub mod health;
pub mod incidents;
pub mod keys;
mod list;
pub mod lists;
mod migrate;
pub mod models;
pub mod names;
pub mod offers;
pub mod outbox;
pub mod partitions;
pub mod peaks;
pub mod platform;
pub mod polls;
pub mod post;
pub mod preferences;
pub mod prune;
pub mod reports;
pub mod rollups;
pub mod runs;
pub mod settled;
pub mod silences;
pub mod suppressions;
pub mod tokens;
pub mod told;

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Sqlite, Transaction};

use crate::metrics::Metrics;

pub use migrate::MIGRATIONS;

/// How long a caller waits for a connection before the store counts as unreachable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long SQLite waits for another process that writes (`job run` beside the daemon).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The writer's cache, negative for kibibytes as SQLite has it: 32 MiB, against 2 by default.
const WRITER_CACHE_KB: &str = "-32768";
/// Rows that SQLite reads ahead of who takes them: they take turns no more often than need be.
const ROWS_AHEAD: usize = 1024;
/// Statements that each connection to SQLite keeps prepared: as many as there are.
const STATEMENTS_KEPT: usize = 512;
/// Pages of 4 KiB in SQLite's log, from which on it is written into the file: 32 MiB, against 4 by default.
const CHECKPOINT_PAGES: &str = "8192";
/// What a log that once was long is cut to: 64 MiB.
const LOG_BYTES_KEPT: &str = "67108864";
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// A statement of ours takes milliseconds; one that takes this long is stuck.
const STATEMENT_TIMEOUT: &str = "30s";

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or cannot be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A stored value cannot be what this program wrote.
    #[error("the store holds an unreadable {what}: {value:?}")]
    Corrupt {
        /// Table and column.
        what: &'static str,
        /// What stands there.
        value: String,
    },
    /// Somebody else changed the row in the meantime.
    #[error("{what} was changed by somebody else")]
    Lost {
        /// The row.
        what: &'static str,
    },
    /// The address of the store is not one.
    #[error("store.url: {0}; write sqlite:PATH or postgres://USER@HOST/DATABASE")]
    Url(String),
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_),
            ) => true,
            Self::Database(sqlx::Error::Database(error)) => error.code().is_some_and(|code| is_transient_code(&code)),
            _ => false,
        }
    }
}

/// `PostgreSQL`: connection, rollback, resources, shutdown; SQLite: busy, locked, I/O, full.
fn is_transient_code(code: &str) -> bool {
    let sqlite = code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13)) && code.len() < 5;
    sqlite || ["08", "40", "53", "57", "25006"].iter().any(|class| code.len() == 5 && code.starts_with(class))
}

/// What store functions give.
pub type Result<T> = std::result::Result<T, Error>;

/// The pools.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool,
    metrics: Metrics,
    rehearsal: Option<Rehearsal>,
}

/// The one transaction of a rehearsal, while nobody works in it.
type Rehearsal = Arc<Mutex<Option<Engine>>>;

/// What a scratch database need not survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// A commit survives a power cut.
    Full,
    /// Nothing need survive.
    None,
}

#[derive(Clone, Debug)]
enum Pool {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

/// An open transaction; dropped without [`Tx::commit`], it never was.
#[derive(Debug)]
pub struct Tx {
    /// There until the transaction ends.
    engine: Option<Engine>,
    kind: &'static str,
    began: Instant,
    metrics: Metrics,
    rehearsal: Option<Rehearsal>,
}

const OPEN: &str = "a transaction is open until commit consumes it";

#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one expression on the connection of whichever engine the transaction is open on.
macro_rules! on {
    ($tx:expr, |$conn:ident| $body:expr) => {
        match $tx.engine() {
            $crate::store::Engine::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::store::Engine::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on;

impl Db {
    /// Connects to `sqlite:PATH` or `postgres://…` and brings the schema up to date.
    ///
    /// # Errors
    /// When the address is none, the database cannot be reached, or a migration fails.
    pub async fn open(url: &str, metrics: Metrics) -> Result<Self> {
        let db = Self::connect(url, metrics).await?;
        migrate::run(&db.pool).await?;
        Ok(db)
    }

    /// Connects, and leaves the schema as it is.
    ///
    /// # Errors
    /// When the address is none or the database cannot be reached.
    pub async fn connect(url: &str, metrics: Metrics) -> Result<Self> {
        let pool = if url.starts_with("sqlite:") {
            open_sqlite(url, Durability::Full).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url).await?
        } else {
            return Err(Error::Url("the scheme is not known".to_owned()));
        };
        Ok(Self { pool, metrics, rehearsal: None })
    }

    /// Opens a SQLite file that need not survive a crash: fast, for `replay`, `demo` and tests.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub async fn scratch(file: &std::path::Path, metrics: Metrics) -> Result<Self> {
        let pool = open_sqlite(&format!("sqlite:{}", file.display()), Durability::None).await?;
        migrate::run(&pool).await?;
        Ok(Self { pool, metrics, rehearsal: None })
    }

    /// The same store, in which everything from the first write on is one transaction that is never committed.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self { rehearsal: Some(Arc::default()), ..self.clone() }
    }

    /// Opens a transaction that reads one state of the database.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn read(&self) -> Result<Tx> {
        if let Some(engine) = self.rehearsed() {
            return self.began(Ok(engine), "read");
        }
        let engine = match &self.pool {
            Pool::Sqlite { read, .. } => read.begin_with("BEGIN").await.map(Engine::Sqlite),
            Pool::Postgres(pool) => {
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map(Engine::Postgres)
            }
        };
        let mut tx = self.began(engine, "read")?;
        tx.rehearsal = None;
        Ok(tx)
    }

    /// Opens a transaction that may write. On SQLite it takes the write lock at once.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn write(&self) -> Result<Tx> {
        if let Some(engine) = self.rehearsed() {
            return self.began(Ok(engine), "write");
        }
        let engine = match &self.pool {
            Pool::Sqlite { write, .. } => write.begin_with("BEGIN IMMEDIATE").await.map(Engine::Sqlite),
            Pool::Postgres(pool) => pool.begin_with("BEGIN").await.map(Engine::Postgres),
        };
        self.began(engine, "write")
    }

    /// The transaction of a rehearsal that has begun.
    fn rehearsed(&self) -> Option<Engine> {
        self.rehearsal.as_ref().and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    fn began(&self, engine: sqlx::Result<Engine>, kind: &'static str) -> Result<Tx> {
        if engine.is_err() {
            self.metrics.store_transactions.with_label_values(&[kind, "error"]).inc();
        }
        let (metrics, rehearsal) = (self.metrics.clone(), self.rehearsal.clone());
        Ok(Tx { engine: Some(engine?), kind, began: Instant::now(), metrics, rehearsal })
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        match self.pool {
            Pool::Sqlite { .. } => "sqlite",
            Pool::Postgres(_) => "postgres",
        }
    }

    /// Closes the pools once their transactions have ended.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect(OPEN)
    }

    /// Makes what was done durable; in a rehearsal, only visible to what follows in it.
    ///
    /// # Errors
    /// When it could not be; then nothing was done.
    ///
    /// # Panics
    /// Never: the transaction is open until this consumes it.
    pub async fn commit(mut self) -> Result<()> {
        if self.rehearsal.is_some() {
            return Ok(());
        }
        let done = match self.engine.take().expect(OPEN) {
            Engine::Sqlite(tx) => tx.commit().await,
            Engine::Postgres(tx) => tx.commit().await,
        };
        self.ended(if done.is_ok() { "ok" } else { "error" });
        Ok(done?)
    }

    /// Ends without having done anything, on purpose.
    pub fn abandon(mut self) {
        if self.rehearsal.is_none() {
            self.engine = None;
            self.ended("ok");
        }
    }

    fn ended(&self, result: &str) {
        self.metrics.store_transactions.with_label_values(&[self.kind, result]).inc();
        self.metrics.store_duration.with_label_values(&[self.kind]).observe(self.began.elapsed().as_secs_f64());
    }

    /// Holds others who ask for the same lock until this transaction ends. On SQLite the write lock does that.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn lock(&mut self, lock: Lock) -> Result<()> {
        if let Engine::Postgres(tx) = self.engine() {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock as i64).execute(&mut **tx).await?;
        }
        Ok(())
    }

    /// The size of the database in bytes.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn size(&mut self) -> Result<i64> {
        let (size,): (i64,) = match self.engine() {
            Engine::Sqlite(tx) => {
                const SQL: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
                sqlx::query_as(SQL).fetch_one(&mut **tx).await?
            }
            Engine::Postgres(tx) => {
                sqlx::query_as("SELECT pg_database_size(current_database())").fetch_one(&mut **tx).await?
            }
        };
        Ok(size)
    }
}

impl Drop for Tx {
    /// Gives the transaction of a rehearsal back to whoever works in it next. Who drops another that may write has
    /// met an error on the way; who reads needs no commit.
    fn drop(&mut self) {
        if let Some(slot) = &self.rehearsal {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = self.engine.take();
        } else if self.engine.is_some() {
            self.ended(if self.kind == "read" { "ok" } else { "error" });
        }
    }
}

/// What only one transaction may do at a time, among all replicas.
#[derive(Clone, Copy, Debug)]
pub enum Lock {
    /// Taking a list into what is known.
    Models = 0x6f72_6d01,
    /// Telling users and admins.
    Telling = 0x6f72_6d02,
    /// Making and dropping partitions.
    Partitions = 0x6f72_6d03,
    /// Sealing keys, and changing what seals them.
    Vault = 0x6f72_6d04,
    /// Taking keys to ask.
    Polls = 0x6f72_6d05,
}

async fn open_sqlite(url: &str, durability: Durability) -> Result<Pool> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| Error::Url(error.to_string()))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if durability == Durability::Full { SqliteSynchronous::Full } else { SqliteSynchronous::Off })
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .row_buffer_size(ROWS_AHEAD)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .disable_statement_logging();
    // A batch of executions touches some thousand pages: they are to stay in memory until the commit, and to travel from
    // the log into the file not after each one but together.
    let writing = options
        .clone()
        .pragma("cache_size", WRITER_CACHE_KB)
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", LOG_BYTES_KEPT);
    // A full disk makes SQLite roll back by itself, which the driver does not notice: such a connection could never
    // begin again.
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
    let write = writer.connect_with(writing).await?;
    let readers = SqlitePoolOptions::new().max_connections(SQLITE_READERS).acquire_timeout(ACQUIRE_TIMEOUT);
    let read = readers.test_before_acquire(false).connect_lazy_with(options.read_only(true).create_if_missing(false));
    Ok(Pool::Sqlite { read, write })
}

async fn open_postgres(url: &str) -> Result<Pool> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| Error::Url(error.to_string()))?
        .application_name("openrouter-monitor")
        .disable_statement_logging()
        .options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", STATEMENT_TIMEOUT),
        ]);
    let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(Pool::Postgres(pool.connect_with(options).await?))
}

/// A stored time.
fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// A stored day.
fn day(text: &str) -> Result<NaiveDate> {
    text.parse().map_err(|_| Error::Corrupt { what: "day", value: text.to_owned() })
}

/// Stored JSON.
fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt { what, value: format!("{error} in {text}") })
}
