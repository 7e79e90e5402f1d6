//! The database of `DATABASE_URL`, through the handle that the services use.

use std::time::Duration;

use env::Env;
use telemetry::postgres::{Db, DbConfig};

use super::report::{Examination, Finding, Trouble};

const TIMEOUT: Duration = Duration::from_secs(5);

/// `None` when no database is configured.
pub(super) fn examine(env: &Env) -> Option<Vec<Finding>> {
    env.get("DATABASE_URL")?;
    let mut examination = Examination::of("postgres");
    let config = DbConfig::from_env(env);
    let wrong = config.as_ref().err().map(|error| Trouble::new(error.to_string(), "correct the variable"));
    if let Some(trouble) = wrong {
        examination.note("variables", Err(trouble));
        return Some(examination.findings);
    }
    if let Ok(config) = config {
        let config =
            DbConfig { acquire_timeout: TIMEOUT, max_connections: 1, traced_connections: 0, ..config };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let opened = runtime
            .expect("a runtime needs only memory")
            .block_on(async { Db::connect(&config).await.map(|_| ()) });
        examination.note(
            "session",
            opened.map(|()| "signed in".to_owned()).map_err(|error| explain(&error.to_string())),
        );
    }
    Some(examination.findings)
}

fn explain(told: &str) -> Trouble {
    let fix = if told.contains("password authentication failed") || told.contains("no password") {
        "correct user and password in DATABASE_URL"
    } else if told.contains("does not exist") {
        "create it (`throughline migrate`), or correct the name at the end of DATABASE_URL"
    } else if told.contains("pg_hba") {
        "allow this host in the server's pg_hba.conf, or add ?sslmode=require"
    } else if told.contains("SSL") || told.contains("TLS") || told.contains("certificate") {
        "add ?sslmode=require (or disable) to DATABASE_URL, as the server speaks"
    } else if told.contains("lookup") || told.contains("resolve") || told.contains("Name or service") {
        "correct the host in DATABASE_URL, or this machine's DNS"
    } else if told.contains("refused") {
        "start Postgres, or correct host and port in DATABASE_URL"
    } else if told.contains("too many") {
        "raise max_connections, or lower what others hold"
    } else {
        "look at the server's log"
    };
    Trouble::new(told, fix)
}
