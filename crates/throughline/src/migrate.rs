//! `throughline migrate`: the databases made ready, on any Postgres; the one-shot of compose and Kubernetes.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use env::{ConfigError, Env};
use telemetry::postgres::{Db, DbConfig};
use users::DemoAccount;

use crate::role::{EXIT_CONFIGURATION, Role};

/// The services with a database, and the variable with its URL; the URL names the service's role and its password.
const DATABASES: [(Role, &str); 2] =
    [(Role::Users, "USERS_DATABASE_URL"), (Role::Activities, "ACTIVITIES_DATABASE_URL")];
/// A superuser, for what only one may do: roles, databases, the settings of `auto_explain`. Without it they must be there.
/// Each database may be on a server of its own (`USERS_DATABASE_ADMIN_URL`).
const ADMIN: &str = "DATABASE_ADMIN_URL";

#[derive(Args)]
pub(crate) struct Options {
    /// Fill empty databases with people and posts, and print who can sign in
    #[arg(long)]
    seed: bool,
}

/// What seeding made; the passwords are made then, and shown once.
pub(crate) struct Seeded {
    pub(crate) people: usize,
    pub(crate) posts: u64,
    accounts: Vec<DemoAccount>,
}

pub(crate) fn run(options: &Options, env: &Env) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs only memory");
    match runtime.block_on(migrate(options, env)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(format_args!("throughline migrate: {error:#}"));
            if error.is::<ConfigError>() { ExitCode::from(EXIT_CONFIGURATION) } else { ExitCode::FAILURE }
        }
    }
}

async fn migrate(options: &Options, env: &Env) -> anyhow::Result<()> {
    let mut log = telemetry::Config::from_env("migrate", &env.clone().with("OTEL_TRACES_EXPORTER", "none"))?;
    env!("THROUGHLINE_VERSION").clone_into(&mut log.service_version);
    let _lines = telemetry::init(log)?;

    let mut environments = Vec::new();
    for (role, variable) in DATABASES {
        let url: String =
            env.require(variable, &format!("postgres://{0}:secret@postgres:5432/{0}", role.name()))?;
        let own = variable.replace("DATABASE_URL", ADMIN);
        if let Some(admin) = env.secret(&own).or_else(|| env.secret(ADMIN)) {
            dev_postgres::bootstrap_url(admin.expose(), &url).await?;
        }
        environments.push(env.clone().with("DATABASE_URL", url));
    }
    let [for_users, for_activities] = &environments[..] else { unreachable!("one for each of DATABASES") };
    users::migrate(&DbConfig::from_env(for_users)?).await?;
    activities::migrate(&DbConfig::from_env(for_activities)?).await?;
    tracing::info!("the databases are up to date");

    if options.seed {
        let seeded = seed(for_users, for_activities).await?;
        tracing::info!(people = seeded.people, posts = seeded.posts, "seeded");
        write!(std::io::stdout().lock(), "{seeded}")?;
    }
    Ok(())
}

/// People and posts, made by the services' own code; databases that hold anything are left alone.
pub(crate) async fn seed(for_users: &Env, for_activities: &Env) -> anyhow::Result<Seeded> {
    let people = users::seed(&users::Config::from_env(for_users)?).await?;
    let authors: Vec<_> = people.users.iter().map(|user| user.id).collect();
    let db = Db::connect(&DbConfig::from_env(for_activities)?).await?;
    let posts = activities::seed(&db, &authors).await?;
    Ok(Seeded { people: authors.len(), posts, accounts: people.demo_accounts })
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accounts.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nYou can sign in as (shown this once):")?;
        for DemoAccount { handle, password } in &self.accounts {
            writeln!(f, "  {handle:13} {password}")?;
        }
        Ok(())
    }
}
