//! One test body, two engines: `on_every_db!` gives each test a SQLite and a PostgreSQL twin.

use openrouter_monitor::metrics::Metrics;
use openrouter_monitor::store::Db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

/// Names a PostgreSQL server where the tests may create databases; without it the PostgreSQL twins are ignored.
pub(crate) const POSTGRES_URL: &str = "TEST_POSTGRES_URL";

/// A fresh database.
pub(crate) struct TestDb {
    pub(crate) db: Db,
    _folder: Option<tempfile::TempDir>,
}

impl TestDb {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("test.db");
        let db = Db::scratch(&file, Metrics::default()).await.expect("a scratch database");
        Self { db, _folder: Some(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        let db = Db::open(&fresh_postgres().await, Metrics::default()).await.expect("a fresh database");
        Self { db, _folder: None }
    }
}

/// The address of a fresh database.
pub(crate) async fn fresh_postgres() -> String {
    let server: PgConnectOptions =
        std::env::var(POSTGRES_URL).expect("the address of a server").parse().expect("an address");
    let name = format!("t{:016x}", fastrand::u64(..));
    let mut connection = PgConnection::connect_with(&server).await.expect("a server that runs");
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.expect("the right to create");
    server.database(&name).to_url_lossy().to_string()
}

/// Defines tests that run on both engines from one body.
macro_rules! on_every_db {
    ($(async fn $name:ident($db:ident) $body:block)*) => { $(
        mod $name {
            use super::*;
            use crate::harness::database::TestDb;

            async fn body($db: &TestDb) $body

            #[tokio::test]
            async fn sqlite() {
                body(&TestDb::sqlite().await).await;
            }

            #[tokio::test]
            #[ignore = "needs a PostgreSQL server in TEST_POSTGRES_URL"]
            async fn postgres() {
                body(&TestDb::postgres().await).await;
            }
        }
    )* };
}
pub(crate) use on_every_db;
