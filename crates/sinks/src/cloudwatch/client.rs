//! A sender over AWS's SDK, which lives on its queue's own thread with a runtime of its own.
//!
//! The SDK's own retries are off: the queue knows better what else waits. Nothing of what it does is traced or logged: its
//! lines would be sent by the next call, which writes the next lines.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudwatchlogs::config::http::HttpResponse;
use aws_sdk_cloudwatchlogs::config::{Region, SharedHttpClient};
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};
use aws_sdk_cloudwatchlogs::{Client, Config};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use delivery::{Answer, Attempt, Limits, Queue, Reason, Sender};
use opentelemetry::Context;
use tokio::runtime::{self, Runtime};
use tracing::subscriber::{NoSubscriber, with_default};

use crate::cloudwatch::config::{Destination, Names, Spooling};
use crate::cloudwatch::encode::events;

/// Below the five seconds after which actix-web closes an idle connection (AWS waits longer): a request on a closed one fails.
const MAX_IDLE: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn queue(destination: &Destination, names: &Names, spool: Option<&Spooling>) -> io::Result<Queue> {
    // One request at a time keeps the lines in order; 10,000 of them a round trip are enough.
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let (to, stream) = (destination.clone(), destination.stream.expand(names));
    let client = move || CloudWatch { destination: to.clone(), stream: stream.clone(), connection: None };
    match spool {
        None => Queue::start(&destination.name, limits, client),
        Some(spool) => {
            let folder = spool.folder.join(&names.service).join(&destination.name);
            Queue::start_spooled(&destination.name, limits, &folder, spool.max_bytes, client)
        }
    }
}

/// Whether one of the last lines of this process's stream holds `text`, or why nobody knows. Blocks. What was just accepted may
/// not be there for some seconds.
pub fn read_back(destination: &Destination, names: &Names, text: &str) -> Result<bool, String> {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    with_default(NoSubscriber::default(), || {
        let Connection { runtime, client } = connect(destination).map_err(|error| error.to_string())?;
        let call = client
            .get_log_events()
            .log_group_name(&destination.group)
            .log_stream_name(destination.stream.expand(names))
            .start_from_head(false);
        let output = runtime.block_on(call.send()).map_err(|error| Problem::of(&error).text)?;
        Ok(output.events().iter().any(|event| event.message().is_some_and(|it| it.contains(text))))
    })
}

struct CloudWatch {
    destination: Destination,
    stream: String,
    /// Made for the first batch: a process that writes no line needs no client.
    connection: Option<Connection>,
}

struct Connection {
    runtime: Runtime,
    client: Client,
}

impl Sender for CloudWatch {
    fn send(&mut self, attempt: &Attempt) -> Answer {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        with_default(NoSubscriber::default(), || {
            let connection = match self.connection.take().map_or_else(|| connect(&self.destination), Ok) {
                Ok(connection) => self.connection.insert(connection),
                Err(error) => {
                    return Answer::Retry { after: None, problem: format!("no thread to send on: {error}") };
                }
            };
            connection.runtime.block_on(put(&connection.client, &self.destination, &self.stream, attempt))
        })
    }
}

fn connect(destination: &Destination) -> io::Result<Connection> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let region = Region::new(destination.region.clone());
    let credentials = match &destination.credentials {
        Some(it) => SharedCredentialsProvider::new(Credentials::new(
            &it.access_key_id,
            it.secret_access_key.expose(),
            it.session_token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "environment",
        )),
        // A profile, a process, a web identity, ECS or IMDS, in AWS's order; asked for the first time by the first call.
        None => SharedCredentialsProvider::new(
            runtime.block_on(DefaultCredentialsChain::builder().region(region.clone()).build()),
        ),
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(destination.timeout))
        .operation_timeout(destination.timeout)
        .build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client())
        .region(region)
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // The operation's timeout does this, and names the limit.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = &destination.endpoint {
        config = config.endpoint_url(endpoint);
    }
    Ok(Connection { client: Client::from_conf(config.build()), runtime })
}

/// The SDK's own but for idle connections; like it, it asks no proxy.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(MAX_IDLE)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https()
}

async fn put(client: &Client, to: &Destination, stream: &str, attempt: &Attempt) -> Answer {
    match put_once(client, to, stream, attempt).await {
        Err(problem) if problem.is(NOT_FOUND) => {}
        answer => return answer.unwrap_or_else(Problem::into_answer),
    }
    let warning = match create(client, to, stream).await {
        Ok(warning) => warning,
        Err(problem) => return problem.into_answer(),
    };
    match put_once(client, to, stream, attempt).await {
        // What was just made may not be found for a moment yet.
        Err(problem) if problem.is(NOT_FOUND) => Answer::Retry { after: None, problem: problem.text },
        Ok(Answer::Delivered { rejected: 0, message: None }) => {
            Answer::Delivered { rejected: 0, message: warning }
        }
        answer => answer.unwrap_or_else(Problem::into_answer),
    }
}

async fn put_once(
    client: &Client,
    to: &Destination,
    stream: &str,
    attempt: &Attempt,
) -> Result<Answer, Problem> {
    let events: Vec<_> = attempt.payloads().flat_map(|payload| events(&payload.body)).map(event).collect();
    let count = events.len() as u64;
    let call = client.put_log_events().log_group_name(&to.group).log_stream_name(stream);
    let output = call.set_log_events(Some(events)).send().await.map_err(|error| Problem::of(&error))?;
    let rejected = output.rejected_log_events_info().map(|info| rejected(info, count));
    let (rejected, message) = rejected.unwrap_or_default();
    // What cannot be read again is lost as well; it never happened.
    let unread = attempt.items().saturating_sub(count);
    Ok(Answer::Delivered { rejected: rejected + unread, message: (!message.is_empty()).then_some(message) })
}

fn event((milliseconds, message): (i64, &str)) -> InputLogEvent {
    InputLogEvent::builder()
        .timestamp(milliseconds)
        .message(message)
        .build()
        .expect("an event with time and message is whole")
}

/// How many of `count` events CloudWatch did not keep, although it said 200, and why. Too new are those from an index on, too
/// old and expired are those before one.
pub(super) fn rejected(info: &RejectedLogEventsInfo, count: u64) -> (u64, String) {
    let index = |index: Option<i32>| index.map_or(0, |it| u64::try_from(it).unwrap_or(0).min(count));
    let too_new = info.too_new_log_event_start_index().map_or(0, |it| count - index(Some(it)));
    let too_old = index(info.too_old_log_event_end_index());
    let expired = index(info.expired_log_event_end_index());
    let told = [
        (too_old, "older than 14 days"),
        (expired, "older than the group's retention"),
        (too_new, "more than two hours ahead"),
    ];
    let told: Vec<_> = told.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}")).collect();
    ((too_old.max(expired) + too_new).min(count), told.join(", "))
}

/// The stream, and the group first where that is missing too: a process that may only make streams needs no more. Retention
/// is set on a group that we made, since one that exists is somebody else's; without it lines are kept for ever, which is
/// worth a warning and no line.
async fn create(client: &Client, to: &Destination, stream: &str) -> Result<Option<String>, Problem> {
    match create_stream(client, to, stream).await {
        Err(problem) if problem.is(NOT_FOUND) => {}
        answer => return answer.map(|()| None),
    }
    let group = client.create_log_group().log_group_name(&to.group).send().await;
    let warning = match (group.map_err(|error| Problem::of(&error)), to.retention_days) {
        (Ok(_), Some(days)) => {
            let call = client.put_retention_policy().log_group_name(&to.group).retention_in_days(days);
            call.send()
                .await
                .map_err(|error| Problem::of(&error))
                .err()
                .map(|it| format!("no retention: {}", it.text))
        }
        (Err(problem), _) if !problem.is(EXISTS) => return Err(problem),
        _ => None,
    };
    create_stream(client, to, stream).await.map(|()| warning)
}

async fn create_stream(client: &Client, to: &Destination, stream: &str) -> Result<(), Problem> {
    let call = client.create_log_stream().log_group_name(&to.group).log_stream_name(stream);
    match call.send().await.map_err(|error| Problem::of(&error)) {
        Err(problem) if !problem.is(EXISTS) => Err(problem),
        _ => Ok(()),
    }
}

const NOT_FOUND: &str = "ResourceNotFoundException";
const EXISTS: &str = "ResourceAlreadyExistsException";

/// A call that failed: what AWS calls it, its status, and the receiver's wish. Without a status there was no answer.
#[derive(Debug)]
struct Problem {
    code: Option<String>,
    status: Option<u16>,
    after: Option<Duration>,
    text: String,
}

impl Problem {
    fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let after = response
            .and_then(|it| it.headers().get("retry-after"))
            .and_then(|it| delivery::retry_after(it, std::time::SystemTime::now()));
        let status = response.map(|it| it.status().as_u16());
        let code = error.code().map(str::to_owned);
        let text = match (&code, status) {
            (Some(code), Some(status)) => format!("{status} {code}: {}", error.message().unwrap_or_default()),
            (None, Some(status)) => format!("{status} without a reason"),
            // The chain ends with what happened: a name that is not known, a connection that was refused, no credentials.
            _ => chain(error),
        };
        Self { code, status, after, text }
    }

    fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// API reference, "Common errors": what may pass, and what would be refused again.
    fn into_answer(self) -> Answer {
        const PASSING: [&str; 10] = [
            "ThrottlingException",
            "Throttling",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "LimitExceededException",
            "ServiceUnavailableException",
            "ServiceUnavailable",
            "OperationAbortedException",
            // The next call has newer ones, or a clock that the SDK has corrected.
            "ExpiredTokenException",
            "RequestTimeTooSkewed",
        ];
        let code = self.code.as_deref().unwrap_or_default();
        let reason = match self.status {
            None | Some(429 | 500..) => None,
            Some(_) if PASSING.contains(&code) => None,
            // Stored already, by an emulator of before 2023.
            Some(_) if code == "DataAlreadyAcceptedException" => {
                return Answer::Delivered { rejected: 0, message: None };
            }
            Some(401 | 403) => Some(Reason::Unauthorized),
            Some(_) => Some(match code {
                "UnrecognizedClientException"
                | "AccessDeniedException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "MissingAuthenticationTokenException"
                | "OptInRequired"
                | "IncompleteSignature" => Reason::Unauthorized,
                NOT_FOUND => Reason::WrongAddress,
                "InvalidParameterException" | "ValidationException" | "SerializationException" => {
                    Reason::BadRequest
                }
                _ if self.status == Some(404) => Reason::WrongAddress,
                _ if self.status == Some(413) => Reason::TooLarge,
                _ => Reason::OtherStatus,
            }),
        };
        match reason {
            None => Answer::Retry { after: self.after, problem: self.text },
            Some(reason) => Answer::Refused { reason, problem: self.text },
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += ": ";
            text += &cause_text;
        }
        next = cause.source();
    }
    text
}
