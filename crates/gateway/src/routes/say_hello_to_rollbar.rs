/// The original's way to see one warning arrive at Rollbar.
pub(super) async fn say_hello_to_rollbar() -> &'static str {
    tracing::warn!(target: telemetry::ROLLBAR, "Hello World!");
    "Hello World!"
}
