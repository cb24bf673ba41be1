//! The schema's history, compiled in: the same numbers and names for both engines.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Pool, Result};

macro_rules! migrations {
    ($($version:literal $name:literal,)*) => {
        /// Number and name of each migration, with its text for SQLite and for PostgreSQL.
        pub const MIGRATIONS: &[(i64, &str, &str, &str)] = &[$((
            $version,
            $name,
            include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        ),)*];
    };
}

migrations! {
    1 "0001_create_models",
    2 "0002_create_directory",
    3 "0003_create_outbox",
    4 "0004_create_operations",
    5 "0005_create_executions",
    6 "0006_create_mail_stops",
    7 "0007_create_cursors",
    8 "0008_extend_incidents",
    9 "0009_create_feeds",
    10 "0010_extend_outbox",
    11 "0011_create_keys",
    12 "0012_create_credit",
    13 "0013_settle_changes",
}

pub(super) async fn run(pool: &Pool) -> Result<()> {
    match pool {
        Pool::Sqlite { write, .. } => migrator(|(.., sqlite, _)| sqlite).run(write).await?,
        Pool::Postgres(pool) => migrator(|(.., postgres)| postgres).run(pool).await?,
    }
    Ok(())
}

type Row = (i64, &'static str, &'static str, &'static str);

fn migrator(text: impl Fn(Row) -> &'static str) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|row| Migration::new(row.0, row.1.into(), MigrationType::Simple, SqlStr::from_static(text(*row)), false));
    Migrator::with_migrations(migrations.collect())
}
