//! What AWS's refusals mean, whichever service says them.

use super::report::Trouble;

/// `actions` are the permissions that the call needs.
pub(super) fn explain(told: &str, actions: &str, otherwise: impl FnOnce() -> Trouble) -> Trouble {
    const SET: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the task or instance a role";
    let has = |words: &[&str]| words.iter().any(|word| told.contains(word));
    // A place that has some and does not give them: a profile with a fault, a metadata service that refuses.
    if has(&["error occurred while loading credentials"]) {
        return Trouble::new(format!("no AWS credentials can be loaded: {told}"), SET);
    }
    if has(&[
        "no AWS credentials",
        "no credentials found in chain",
        "no providers in chain provided credentials",
        "CredentialsNotLoaded",
    ]) {
        return Trouble::new("no AWS credentials are found", SET);
    }
    if has(&["RequestTimeTooSkewed", "Signature expired", "Signature not yet current", "RequestExpired"]) {
        return Trouble::new(
            format!("this machine's clock is more than 5 min off: {told}"),
            "set the clock (`timedatectl set-ntp true`)",
        );
    }
    if has(&["ExpiredToken"]) {
        return Trouble::new(
            format!("the session token has expired: {told}"),
            "sign in again, and set AWS_SESSION_TOKEN with its keys anew",
        );
    }
    if has(&[
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "security token included in the request is invalid",
    ]) {
        return Trouble::new(
            format!("AWS does not know the access key: {told}"),
            "correct AWS_ACCESS_KEY_ID (and AWS_SESSION_TOKEN, which temporary keys need)",
        );
    }
    if has(&["InvalidSignature", "SignatureDoesNotMatch", "signature we calculated does not match"]) {
        return Trouble::new(
            format!("the secret does not belong to the access key: {told}"),
            "correct AWS_SECRET_ACCESS_KEY",
        );
    }
    if has(&["AccessDenied", "not authorized to perform"]) {
        // "User: arn:.. is not authorized to perform: logs:PutLogEvents on resource: .."
        let missing = told.split("perform: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        return Trouble::new(
            format!("the credentials may not do this: {told}"),
            format!("allow {} to this user or role", missing.unwrap_or(actions)),
        );
    }
    otherwise()
}
