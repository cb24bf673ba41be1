//! The database: reached, of this program's schema, writable, undamaged.

use std::time::Duration;

use super::{ANSWERS_WITHIN, Doctor, Finding, told};
use crate::store::platform::Platform;
use crate::store::{self, Db, directory, health};

const PART: &str = "database";
/// A check that reads the whole file takes longer when it is large; it is then left to its owner.
const CHECKED_WITHIN: Duration = Duration::from_secs(20);

impl Doctor {
    /// What is found, and the database if the rest can be asked of it.
    pub(super) async fn database(&self) -> (Vec<Finding>, Option<Db>) {
        let (url, name) = (self.config.store_url(), self.config.store_name());
        let file = health::sqlite_file(&url);
        if file.as_ref().is_some_and(|file| !file.exists()) {
            let finding = Finding::warn(PART, format!("{name} is not there yet"), "the first start makes it");
            return (vec![finding], None);
        }
        let connect = async {
            if file.is_none() {
                // Pools try again and again; a single connection says at once what is wrong.
                Platform::connect(&url).await?.close().await;
            }
            Db::connect(&url, self.metrics.clone()).await
        };
        let connected = tokio::time::timeout(ANSWERS_WITHIN, connect).await;
        let reason = match connected {
            Ok(Ok(db)) => return self.connected(db, &name).await,
            Ok(Err(error)) => told(&error),
            Err(_) => format!("no answer within {} s", ANSWERS_WITHIN.as_secs()),
        };
        let mend = "see that it runs, and that store.url has its address, user and password";
        (vec![Finding::fail(PART, format!("{name}: {reason}"), mend)], None)
    }

    async fn connected(&self, db: Db, name: &str) -> (Vec<Finding>, Option<Db>) {
        let (schema, admins) = tokio::join!(schema(&db, name), self.admins(&db));
        let is_current = schema.state == super::State::Ok;
        if !is_current {
            return (vec![schema], None);
        }
        let (wrote, integrity) = tokio::join!(try_to_write(&db), integrity(&db));
        let mut found = vec![wrote.unwrap_or(schema)];
        found.extend(integrity);
        found.extend(admins);
        (found, Some(db))
    }

    /// Whether anybody gets what admins get.
    async fn admins(&self, db: &Db) -> Option<Finding> {
        let mut tx = db.read().await.ok()?;
        let known = directory::admins(&mut tx).await.ok()?;
        (known.is_empty() && self.config.mail.admins.is_empty()).then(|| {
            let said = "nobody gets what is for admins";
            Finding::warn("admins", said, "set mail.admins, or mark users as admins in the directory")
        })
    }
}

async fn schema(db: &Db, name: &str) -> Finding {
    let read = async {
        let mut tx = db.read().await?;
        health::schema(&mut tx).await
    };
    let newest = health::newest();
    match tokio::time::timeout(ANSWERS_WITHIN, read).await {
        Ok(Ok(version)) if version == newest => Finding::ok(PART, format!("{name}, schema {version}")),
        Ok(Ok(version)) if version < newest => {
            let said = format!("{name}: its schema is {version}, this program's {newest}");
            Finding::warn(PART, said, "`openrouter-monitor migrate`; the daemon does so when it starts")
        }
        Ok(Ok(version)) => {
            let said = format!("{name}: a newer program made its schema ({version}, this one knows {newest})");
            Finding::fail(PART, said, "install the newer program")
        }
        Ok(Err(error)) => Finding::fail(PART, format!("{name}: {}", told(&error)), "see the database's own log"),
        Err(_) => Finding::fail(PART, format!("{name} does not answer"), "see the database's own log"),
    }
}

async fn try_to_write(db: &Db) -> Option<Finding> {
    let write = async { health::try_to_write(db.write().await?).await };
    match tokio::time::timeout(ANSWERS_WITHIN, write).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let said = format!("it cannot be written to: {}", told(&error));
            Some(Finding::fail(PART, said, "see that its disk has room, and that its files are the daemon's user's"))
        }
        Err(_) => Some(Finding::fail(PART, "another process holds its write lock", "end what else writes to it")),
    }
}

async fn integrity(db: &Db) -> Option<Finding> {
    const PART: &str = "integrity";
    if db.engine() != "sqlite" {
        return None;
    }
    let check = async {
        let mut tx = db.read().await?;
        health::damage(&mut tx).await
    };
    Some(match tokio::time::timeout(CHECKED_WITHIN, check).await {
        Ok(Ok(damage)) if damage.is_empty() => Finding::ok(PART, "the file is undamaged"),
        Ok(Ok(damage)) => Finding::fail(PART, damage.join("; "), RESTORE),
        Ok(Err(error @ store::Error::Database(_))) => Finding::fail(PART, told(&error), RESTORE),
        Ok(Err(error)) => Finding::fail(PART, told(&error), "try again"),
        Err(_) => {
            let said = format!("the file is too large to be checked within {} s", CHECKED_WITHIN.as_secs());
            Finding::warn(PART, said, "`sqlite3 monitor.db 'PRAGMA quick_check'` when there is time")
        }
    })
}

const RESTORE: &str = "stop the daemon, copy the files, and restore a backup, or try `sqlite3 monitor.db .recover`";
