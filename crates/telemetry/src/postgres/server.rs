//! What this server lets us ask: learned once, when the pool opens.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{Error, Row as _};

use super::plan;

/// SQLSTATE `insufficient_privilege`.
const REFUSED: &str = "42501";

/// Which settings a sampled transaction adds to its first message.
#[derive(Debug)]
pub(super) struct Server {
    /// auto_explain sends the plan of each statement. Off after the server refused it once.
    plans: AtomicBool,
    /// The durations of parse, bind and execute, and long waits for locks.
    durations: bool,
}

/// Nothing here can fail in a session without auto_explain: `true` asks for a setting that may not exist.
/// `pg_settings` does not list settings that a library has yet to define.
const PROBE: &str = "
    select current_setting('server_version_num')::int as version,
        current_user::text as role,
        exists (select from pg_settings where name = 'auto_explain.log_min_duration') as loaded,
        coalesce(current_setting('auto_explain.log_format', true), '') as format,
        coalesce(current_setting('auto_explain.log_level', true), '') as level,
        coalesce(current_setting('auto_explain.log_analyze', true), '') as analyze,
        current_setting('is_superuser') = 'on' as superuser";
/// Since 15.
const GRANTS: &str = "
    select has_parameter_privilege('auto_explain.log_min_duration', 'set') as plans,
        has_parameter_privilege('log_min_duration_statement', 'set')
            and current_setting('log_parameter_max_length') = '0' as durations";

impl Server {
    /// Never an error: without plans a trace ends at its query, as everywhere else. One warning says what to do.
    pub(super) async fn probe(connection: &mut PgConnection) -> Self {
        let asked = ask(connection).await;
        let (plans, durations) = match asked {
            Ok(durations) => (true, durations),
            Err(Missing { what, remedy }) => {
                tracing::warn!("the plans of sampled statements are not shown: {what}; {remedy}");
                (false, false)
            }
        };
        if durations {
            plan::want_logs();
        }
        Self { plans: AtomicBool::new(plans), durations }
    }

    pub(super) fn plans(&self) -> bool {
        self.plans.load(Ordering::Relaxed)
    }

    /// Constants, each with the word that begins it: `SET LOCAL` within a transaction, `SET` for a whole session.
    pub(super) fn settings(&self) -> &'static [&'static str] {
        const DURATIONS: usize = 1;
        const ALL: [&str; 3] =
            ["auto_explain.log_min_duration=0", "client_min_messages=log", "log_min_duration_statement=0"];
        match (self.plans(), self.durations) {
            (false, _) => &[],
            (true, false) => &ALL[..DURATIONS],
            (true, true) => &ALL,
        }
    }

    /// Whether `error` says that a setting was refused: somebody took back the grant since the probe. From now on
    /// they are left out.
    pub(super) fn refused(&self, error: &Error) -> bool {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let refused = code.as_deref() == Some(REFUSED);
        if refused && self.plans.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "the plans of sampled statements are no longer shown: the server refuses the settings"
            );
        }
        refused
    }
}

/// Why there are no plans, and what helps.
struct Missing {
    what: String,
    remedy: String,
}

/// Whether durations may be asked for as well.
async fn ask(connection: &mut PgConnection) -> Result<bool, Missing> {
    let failed = |error: Error| Missing {
        what: format!("the server did not say what it can do ({error})"),
        remedy: "the next start asks again".to_owned(),
    };
    let row = sqlx::query(PROBE).persistent(false).fetch_one(&mut *connection).await.map_err(failed)?;
    let missing = |what: &str, remedy: String| Err(Missing { what: what.to_owned(), remedy });
    let (version, role): (i32, String) = (row.get("version"), row.get("role"));
    if !row.get::<bool, _>("loaded") {
        return missing(
            "auto_explain is not loaded",
            "a superuser runs `alter database .. set session_preload_libraries = 'auto_explain'`".to_owned(),
        );
    }
    for (setting, value) in [("format", "json"), ("level", "notice"), ("analyze", "on")] {
        if row.get::<&str, _>(setting) != value {
            return missing(
                &format!("auto_explain.log_{setting} is not {value}"),
                format!("a superuser runs `alter database .. set auto_explain.log_{setting} = '{value}'`"),
            );
        }
    }
    if version < 150_000 {
        return if row.get("superuser") {
            Ok(false)
        } else {
            missing(
                "this Postgres lets superusers only ask for plans",
                "15 and later can grant it to a role".to_owned(),
            )
        };
    }
    let grants = sqlx::query(GRANTS).persistent(false).fetch_one(connection).await.map_err(failed)?;
    if !grants.get::<bool, _>("plans") {
        return missing(
            &format!("the role {role} may not ask for them"),
            format!("a superuser runs `grant set on parameter auto_explain.log_min_duration to {role}`"),
        );
    }
    Ok(grants.get("durations"))
}
