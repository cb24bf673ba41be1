//! Executions, users and resources read from a platform's own PostgreSQL.

use openrouter_monitor::store::{directory, executions};
use secrecy::SecretString;
use sqlx::{Connection, PgConnection};

use crate::harness::World;
use crate::harness::database::fresh_postgres;

const EXECUTIONS: &str = "SELECT id::text, json_build_object('id', id, 'at', '2026-06-08T03:00:00Z', 'user', user_id, 'model', model, \
    'cost_usd', cost)::text FROM runs WHERE id > COALESCE(NULLIF($1, ''), '0')::bigint ORDER BY id LIMIT 2";
const DIRECTORY: &str = "SELECT id, json_build_object('user', json_build_object('id', id, 'email', email))::text FROM people \
    WHERE id > $1 ORDER BY id LIMIT 2";

#[tokio::test]
#[ignore = "needs a PostgreSQL server in TEST_POSTGRES_URL"]
async fn what_the_queries_give_is_taken_once_and_the_cursor_goes_on() {
    let url = fresh_postgres().await;
    let mut platform = PgConnection::connect(&url).await.unwrap();
    let set_up = "CREATE TABLE runs (id BIGINT, user_id TEXT, model TEXT, cost NUMERIC); \
        INSERT INTO runs SELECT n, 'u1', CASE n WHEN 3 THEN '' ELSE 'a/b' END, 0.1 FROM generate_series(1, 5) n; \
        CREATE TABLE people (id TEXT, email TEXT); INSERT INTO people VALUES ('u1', 'u1@platform.example')";
    sqlx::raw_sql(set_up).execute(&mut platform).await.unwrap();
    let world = World::with(|config| {
        config.pull.url = Some(SecretString::from(url));
        config.pull.executions = Some(EXECUTIONS.to_owned());
        config.pull.directory = Some(DIRECTORY.to_owned());
    })
    .await;
    assert_eq!(
        world.run("pull").await,
        "1 rows of directory, 0 of them not usable; 5 rows of executions, 1 of them not usable"
    );
    world.clock.advance(chrono::TimeDelta::minutes(1));
    assert_eq!(
        world.run("pull").await,
        "0 rows of directory, 0 of them not usable; 0 rows of executions, 0 of them not usable"
    );
    sqlx::raw_sql("INSERT INTO runs VALUES (6, 'u2', 'a/b', 1)").execute(&mut platform).await.unwrap();
    world.clock.advance(chrono::TimeDelta::minutes(1));
    assert!(world.run("pull").await.ends_with("1 rows of executions, 0 of them not usable"));
    let mut tx = world.context.db.read().await.unwrap();
    assert_eq!(executions::count(&mut tx).await.unwrap(), 5);
    assert_eq!(directory::count(&mut tx).await.unwrap(), (2, 1, 0));
}

#[tokio::test]
async fn without_a_database_nothing_is_read_and_nothing_is_due() {
    let world = World::new().await;
    assert_eq!(world.run("pull").await, "no database is named");
    assert!(world.context.settings.get().schedule("pull").is_none());
}
