//! What only a superuser may do, once per service.

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use url::Url;

use crate::Error;

/// Settings of a database whose sampled transactions may ask what the server does for them (`GRANTED`, off unless
/// they do). `notice` sends a plan to the client that ran the statement, not to the server's log.
const PLANS: &[(&str, &str)] = &[
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_level", "notice"),
    ("auto_explain.log_format", "json"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_nested_statements", "on"),
    ("auto_explain.log_buffers", "on"),
    ("auto_explain.log_triggers", "on"),
    ("track_io_timing", "on"),
    // The texts are read by a program.
    ("lc_messages", "C"),
    // Durations of parse, bind and execute, and long waits for locks. They are messages of the level LOG, which would
    // go to the server's log as well, a kilobyte a statement: so nothing of these sessions goes there (`log_level`),
    // unless somebody reads it. Their errors are in the service's own log and in the trace.
    ("log_lock_waits", "on"),
    ("log_parameter_max_length", "0"),
];
/// The messages of these sessions that go to the server's log. In this setting LOG is above ERROR: one cannot have the
/// errors and not the durations.
const fn log_level(server_log: bool) -> (&'static str, &'static str) {
    ("log_min_messages", if server_log { "warning" } else { "fatal" })
}
/// What a sampled transaction sets.
const GRANTED: &str = "auto_explain.log_min_duration, log_min_duration_statement";
/// Since 16.
const PLANS_16: &[(&str, &str)] = &[
    // Keeps bind values out of the plans.
    ("auto_explain.log_parameter_max_length", "0"),
    // A plan names its statement by the id of `pg_stat_statements`; it takes 10 to 25 % longer then.
    ("auto_explain.log_verbose", "on"),
    ("compute_query_id", "on"),
];

/// A service's database and the role that owns it.
pub struct Service<'a> {
    /// Lower-case letters, digits and underscores.
    pub database: &'a str,
    /// As above.
    pub role: &'a str,
    pub password: &'a str,
    /// Whether the server's log is to have what its sessions say ([`crate::Options::server_log`]).
    pub server_log: bool,
}

/// Makes the role and the database if they are missing, keeps everyone else out, and prepares plans where
/// `auto_explain` is there (a warning says where it is not). Works on any server: `superuser` says which.
pub async fn bootstrap(superuser: &PgConnectOptions, service: &Service<'_>) -> Result<(), Error> {
    let Service { database, role, .. } = *service;
    let mut connection = superuser.connect().await.map_err(Error::sql("connecting as superuser"))?;
    let done = prepare(&mut connection, service).await;
    let _ = connection.close().await;
    done.map_err(Error::sql(format!("preparing database {database} for role {role}")))
}

/// The same, by URLs: `superuser` says who makes things, `service` which database, role and password.
pub async fn bootstrap_url(superuser: &str, service: &str) -> Result<(), Error> {
    let bad =
        |what: &'static str| Error::sql(what)(sqlx::Error::Configuration("is no postgres:// URL".into()));
    let superuser: PgConnectOptions = superuser.parse().map_err(|_| bad("the superuser's URL"))?;
    let url = Url::parse(service).map_err(|_| bad("the service's URL"))?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (role, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let database = decoded(url.path().trim_start_matches('/'));
    bootstrap(
        &superuser,
        &Service { database: &database, role: &role, password: &password, server_log: false },
    )
    .await
}

async fn prepare(connection: &mut PgConnection, service: &Service<'_>) -> Result<(), sqlx::Error> {
    let (database, role) = (identifier(service.database)?, identifier(service.role)?);
    let password = literal(service.password);

    if !exists(connection, "select 1 from pg_roles where rolname = $1", service.role).await? {
        run(connection, format!("create role {role}")).await?;
    }
    // Nothing but logging in; stated anew each time, so that a role made by hand ends up the same.
    let rights = "login nosuperuser nocreatedb nocreaterole noreplication nobypassrls";
    run(connection, format!("alter role {role} with {rights} password {password}")).await?;

    if !exists(connection, "select 1 from pg_database where datname = $1", service.database).await? {
        run(connection, format!("create database {database} owner {role}")).await?;
    }
    // By default every role may connect to every database.
    for shared in [database.as_str(), "postgres", "template1"] {
        run(connection, format!("revoke all on database {shared} from public")).await?;
    }
    plans(connection, &database, &role, service.server_log).await
}

/// Asked before it is set: a database that preloads a missing library refuses every connection.
async fn plans(
    connection: &mut PgConnection,
    database: &str,
    role: &str,
    server_log: bool,
) -> Result<(), sqlx::Error> {
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await?;
    if version < 150_000 {
        tracing::warn!(
            "Postgres {} cannot grant a setting to a role (15 can): no plan spans",
            version / 10_000
        );
        return Ok(());
    }
    if let Err(error) = run(connection, "load 'auto_explain'".to_owned()).await {
        tracing::warn!("auto_explain is not installed with this Postgres: no plan spans ({error})");
        return Ok(());
    }
    let since_16 = if version >= 160_000 { PLANS_16 } else { &[] };
    for (name, value) in PLANS.iter().chain([&log_level(server_log)]).chain(since_16) {
        run(connection, format!("alter database {database} set {name} = '{value}'")).await?;
    }
    run(connection, format!("grant set on parameter {GRANTED} to {role}")).await
}

async fn exists(connection: &mut PgConnection, sql: &'static str, name: &str) -> Result<bool, sqlx::Error> {
    Ok(sqlx::query(sql).bind(name).fetch_optional(connection).await?.is_some_and(|row| row.len() == 1))
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Statements of this kind take no parameters, so names are checked rather than quoted with care.
fn identifier(name: &str) -> Result<String, sqlx::Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
        return Err(sqlx::Error::Configuration(format!("{name:?} is no name of a database or role").into()));
    }
    Ok(format!("\"{name}\""))
}

/// `standard_conforming_strings` is on unless somebody turned it off: only the quote has a meaning.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_or_refused() {
        assert_eq!(identifier("users_2").unwrap(), "\"users_2\"");
        for name in ["", "Users", "a\"; drop", "a b", "a-b", &"x".repeat(64)] {
            assert!(identifier(name).is_err(), "{name:?}");
        }
    }
}
