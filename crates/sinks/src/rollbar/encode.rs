//! An item as Rollbar's JSON, small enough to be taken.

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::frames::frames;
use super::item::{Item, Person, Process, Request};
use super::scrub::Scrubber;
use super::{Config, Destination};

/// What rollbar.js and pyrollbar cut items to; Rollbar itself has been said to take 1 MB.
pub(super) const MAX_ITEM_BYTES: usize = 512 * 1024;
/// The steps of rollbar.js 3.1.0: of a stack the first and the last frames, of a string so many bytes.
const ENDS_OF_STACK: usize = 30;
const STRINGS: [usize; 3] = [1024, 512, 256];
/// The message is what people read: it is cut to this and no shorter. It stands three times in an item at most.
const MAX_MESSAGE: usize = 32 * 1024;
const MAX_ENVIRONMENT: usize = 255;
const MAX_TITLE: usize = 255;
const MAX_CONTEXT: usize = 255;
const MAX_NAME: usize = 255;
const MAX_CODE_VERSION: usize = 40;
const MAX_PERSON_ID: usize = 40;

/// What is the same in all items of a process.
pub(super) struct Encoder {
    process: Process,
    config: Config,
    scrubber: Scrubber,
}

impl Encoder {
    pub(super) fn new(process: Process, config: Config) -> Self {
        Self { scrubber: Scrubber::new(&config.scrub, &config.headers), process, config }
    }

    pub(super) fn destinations(&self) -> &[Destination] {
        &self.config.destinations
    }

    pub(super) fn item(&self, item: &Item) -> Vec<u8> {
        let text = |text: &str| self.scrubber.text(text);
        let mut data = Map::new();
        data.insert("environment".to_owned(), cut(&self.config.environment, MAX_ENVIRONMENT).into());
        data.insert("level".to_owned(), item.level.as_str().into());
        let time = item.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        data.insert("timestamp".to_owned(), time.as_secs().into());
        data.insert("uuid".to_owned(), item.uuid.to_string().into());
        data.insert("platform".to_owned(), std::env::consts::OS.into());
        data.insert("language".to_owned(), "rust".into());
        data.insert("framework".to_owned(), "actix-web".into());
        data.insert("code_version".to_owned(), self.code_version().into());
        data.insert("fingerprint".to_owned(), item.fingerprint.as_str().into());
        data.insert("title".to_owned(), cut(&text(&item.title()), MAX_TITLE).into());
        data.insert("notifier".to_owned(), notifier());
        data.insert("server".to_owned(), self.server());
        if let Some(route) = &item.route {
            data.insert("context".to_owned(), cut(route, MAX_CONTEXT).into());
        }
        if let Some(request) = &item.request {
            data.insert("request".to_owned(), self.request(request));
        }
        if let Some(person) = &item.person {
            data.insert("person".to_owned(), self.person(person));
        }
        data.insert("attributes".to_owned(), attributes(item));
        data.insert("custom".to_owned(), self.custom(item));
        data.insert("body".to_owned(), self.body(item));
        fit(json!({ "data": data }))
    }

    /// An item that came from a browser through our door; its `environment` is ours.
    pub(super) fn relayed(&self, mut data: Map<String, Value>) -> Vec<u8> {
        data.insert("environment".to_owned(), cut(&self.config.environment, MAX_ENVIRONMENT).into());
        for (key, value) in &mut data {
            match (key.as_str(), value) {
                ("request", value) => {
                    for key in ["url", "query_string"] {
                        if let Some(Value::String(url)) = value.get_mut(key) {
                            *url =
                                if key == "url" { self.scrubber.url(url) } else { self.scrubber.query(url) };
                        }
                    }
                    if let Some(Value::String(ip)) = value.get_mut("user_ip") {
                        *ip = anonymous(ip);
                    }
                    self.scrubber.value(value);
                }
                // Words of the page; the stack below it has keys of Rollbar's own.
                ("custom" | "body", value) => self.scrubber.value(value),
                _ => {}
            }
        }
        if let Some(trace_id) = data.get("custom").and_then(|it| it["trace_id"].as_str()).map(str::to_owned)
            && let Some(Value::Object(custom)) = data.get_mut("custom")
        {
            let service = custom.get("service").and_then(Value::as_str).unwrap_or_default().to_owned();
            custom.extend(self.places(&trace_id, &service));
        }
        fit(json!({ "data": data }))
    }

    pub(super) fn deploy(&self, status: &str, comment: &str) -> Vec<u8> {
        let deploy = json!({
            "environment": cut(&self.config.environment, MAX_ENVIRONMENT),
            "revision": self.code_version(),
            "comment": comment,
            "local_username": self.process.service,
            "status": status,
        });
        deploy.to_string().into_bytes()
    }

    fn code_version(&self) -> &str {
        cut(&self.process.code_version, MAX_CODE_VERSION)
    }

    fn server(&self) -> Value {
        json!({ "host": self.config.host, "code_version": self.code_version(), "service": self.process.service })
    }

    fn request(&self, request: &Request) -> Value {
        let mut told = Map::new();
        told.insert("method".to_owned(), request.method.as_str().into());
        told.insert("url".to_owned(), self.scrubber.url(&request.url).into());
        if let Some((_, query)) = request.url.split_once('?') {
            told.insert("query_string".to_owned(), self.scrubber.query(query).into());
        }
        let headers: Map<_, _> =
            self.scrubber.headers(request).map(|(name, value)| (name.to_owned(), value.into())).collect();
        told.insert("headers".to_owned(), headers.into());
        if let Some(peer) = &request.peer {
            told.insert("user_ip".to_owned(), anonymous(peer).into());
        }
        if let Some(status) = request.status {
            told.insert("status".to_owned(), status.into());
        }
        told.into()
    }

    fn person(&self, person: &Person) -> Value {
        let mut told = Map::new();
        told.insert("id".to_owned(), cut(&person.id, MAX_PERSON_ID).into());
        for (asked, key, value) in [
            (self.config.username, "username", &person.username),
            (self.config.email, "email", &person.email),
        ] {
            if let Some(value) = value.as_ref().filter(|_| asked) {
                told.insert(key.to_owned(), cut(value, MAX_NAME).into());
            }
        }
        told.into()
    }

    fn custom(&self, item: &Item) -> Value {
        let mut fields = Value::Object(item.fields.clone());
        self.scrubber.value(&mut fields);
        let mut custom = Map::new();
        if let Value::Object(fields) = fields {
            custom.extend(fields);
        }
        custom.insert("service".to_owned(), self.process.service.as_str().into());
        custom.insert("target".to_owned(), item.target.as_str().into());
        if let Some(trace_id) = &item.trace_id {
            custom.extend(self.places(trace_id, &self.process.service));
        }
        if let Some(span_id) = &item.span_id {
            custom.insert("span_id".to_owned(), span_id.as_str().into());
        }
        if item.suppressed > 0 {
            custom.insert("suppressed".to_owned(), item.suppressed.into());
        }
        custom.into()
    }

    /// Both spellings of the id, and where the trace can be looked at.
    fn places(&self, trace_id: &str, service: &str) -> Vec<(String, Value)> {
        let xray = match trace_id.split_at_checked(8) {
            Some((epoch, random)) => format!("1-{epoch}-{random}"),
            None => String::new(),
        };
        let links = self.config.links.to(trace_id, &xray, service);
        let links: Map<_, _> = links.into_iter().map(|(name, url)| (name.to_owned(), url.into())).collect();
        vec![
            ("trace_id".to_owned(), trace_id.into()),
            ("xray_trace_id".to_owned(), xray.into()),
            ("links".to_owned(), links.into()),
        ]
    }

    fn body(&self, item: &Item) -> Value {
        let message = |text: &str| {
            let text = self.scrubber.text(text);
            Value::from(cut(&text, MAX_MESSAGE))
        };
        let frames = item.backtrace.as_ref().map(frames).unwrap_or_default();
        let mut causes: Vec<_> = item
            .causes
            .iter()
            .map(|cause| {
                let exception = json!({ "class": cause.class, "message": message(&cause.message) });
                // The stack is that of the place where the error was handled; its causes left none.
                json!({ "frames": [], "exception": exception })
            })
            .collect();
        match causes.as_mut_slice() {
            [] if frames.is_empty() => json!({ "message": { "body": message(&item.message) } }),
            [] => json!({ "trace": {
                "frames": frames,
                "exception": { "class": item.target, "message": message(&item.message) },
            }}),
            [caught, rest @ ..] => {
                caught["frames"] = json!(frames);
                caught["exception"]["description"] = message(&item.message);
                if rest.is_empty() {
                    json!({ "trace": causes.pop() })
                } else {
                    json!({ "trace_chain": causes })
                }
            }
        }
    }
}

fn notifier() -> Value {
    json!({ "name": "throughline", "version": env!("CARGO_PKG_VERSION") })
}

/// As rollbar.js 3 and pyrollbar 1.4 name them.
fn attributes(item: &Item) -> Value {
    let known = [("trace_id", &item.trace_id), ("span_id", &item.span_id)];
    let told =
        known.into_iter().filter_map(|(key, value)| Some(json!({ "key": key, "value": value.as_ref()? })));
    told.collect()
}

/// An address without the part that names a household: `10.1.2.0`, `2001:db8:1::`. What rollbar.js calls `anonymize`.
pub(super) fn anonymous(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V4(v4)) => std::net::Ipv4Addr::from_bits(v4.to_bits() & !0xff).to_string(),
        Ok(std::net::IpAddr::V6(v6)) => {
            std::net::Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).to_string()
        }
        Err(_) => String::new(),
    }
}

/// Bytes that Rollbar takes: what people need least goes first, and the message stays.
pub(super) fn fit(mut item: Value) -> Vec<u8> {
    let fits = |item: &Value| {
        let bytes = item.to_string().into_bytes();
        (bytes.len() <= MAX_ITEM_BYTES).then_some(bytes)
    };
    if let Some(bytes) = fits(&item) {
        return bytes;
    }
    shorten_stacks(&mut item["data"]["body"]);
    if let Some(bytes) = fits(&item) {
        return bytes;
    }
    for most in STRINGS {
        shorten_strings(&mut item, most, "");
        if let Some(bytes) = fits(&item) {
            return bytes;
        }
    }
    // Not the strings then, but how many of them there are.
    for (path, key) in
        [("/data/body", "telemetry"), ("/data", "request"), ("/data", "client"), ("/data", "person")]
    {
        if let Some(Value::Object(members)) = item.pointer_mut(path) {
            members.remove(key);
        }
        if let Some(bytes) = fits(&item) {
            return bytes;
        }
    }
    if let Some(Value::Object(custom)) = item.pointer_mut("/data/custom") {
        custom.retain(|key, _| {
            ["service", "trace_id", "xray_trace_id", "links", "suppressed"].contains(&key.as_str())
        });
    }
    if let Some(bytes) = fits(&item) {
        return bytes;
    }
    let data = &item["data"];
    let kept =
        ["environment", "level", "timestamp", "uuid", "fingerprint", "title", "context", "code_version"];
    let mut last: Map<_, _> =
        kept.iter().filter_map(|key| Some(((*key).to_owned(), data.get(key)?.clone()))).collect();
    let message = cut(message_of(&data["body"]), MAX_MESSAGE).to_owned();
    last.insert("body".to_owned(), json!({ "message": { "body": message, "truncated": true } }));
    json!({ "data": last }).to_string().into_bytes()
}

fn shorten_stacks(body: &mut Value) {
    let chain = body["trace_chain"].as_array().map_or(0, Vec::len);
    let traces = (0..chain).map(|i| format!("/trace_chain/{i}/frames")).chain(["/trace/frames".to_owned()]);
    for path in traces {
        if let Some(Value::Array(frames)) = body.pointer_mut(&path)
            && frames.len() > 2 * ENDS_OF_STACK
        {
            frames.drain(ENDS_OF_STACK..frames.len() - ENDS_OF_STACK);
        }
    }
}

/// Keys that Rollbar looks up stay as they are, and so does the message.
fn shorten_strings(value: &mut Value, most: usize, key: &str) {
    match value {
        Value::String(text) => {
            let most = if matches!(key, "message" | "body") { MAX_MESSAGE } else { most };
            if text.len() > most {
                *text = [cut(text, most - 3), "..."].concat();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten_strings(item, most, key)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, value)| shorten_strings(value, most, key));
        }
        _ => {}
    }
}

fn message_of(body: &Value) -> &str {
    ["/message/body", "/trace/exception/message", "/trace_chain/0/exception/message"]
        .iter()
        .find_map(|path| body.pointer(path)?.as_str())
        .unwrap_or("an item that was too large")
}

/// At most `limit` bytes, and no half character.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn whatever_is_too_large_fits_in_the_end_and_keeps_its_message() {
        let frame = json!({"filename": "f".repeat(300), "method": "m".repeat(300)});
        let many =
            |n: usize| (0..n).map(|i| (format!("key{i}"), json!("v".repeat(100)))).collect::<Map<_, _>>();
        let check = |what: &str, body: Value, custom: Value| {
            let item = json!({"data": {"environment": "e", "uuid": "u", "body": body, "custom": custom}});
            let bytes = fit(item);
            assert!(bytes.len() <= MAX_ITEM_BYTES, "{what}: {}", bytes.len());
            let item: Value = serde_json::from_slice(&bytes).unwrap();
            assert!(message_of(&item["data"]["body"]).starts_with("why it broke"), "{what}");
            assert_eq!(
                (&item["data"]["environment"], &item["data"]["uuid"]),
                (&json!("e"), &json!("u")),
                "{what}"
            );
        };
        let trace = |frames: usize, message: &str| {
            let frames = vec![frame.clone(); frames];
            json!({"trace": {"frames": frames, "exception": {"class": "E", "message": message}}})
        };
        check("small", trace(1, "why it broke"), json!({}));
        check("a deep stack", trace(5_000, "why it broke"), json!({}));
        check("a long message", trace(1, &["why it broke", &"\u{1}é".repeat(1_000_000)].concat()), json!({}));
        check("a long string", trace(1, "why it broke"), json!({"dump": "é".repeat(1_000_000)}));
        check("many keys", trace(1, "why it broke"), many(20_000).into());
        let cause = |message: &str| json!({"frames": [], "exception": {"class": "E", "message": message}});
        let mut chain = vec![cause("why it broke")];
        chain.extend(vec![cause(&"\u{1}".repeat(100_000)); 16]);
        check("a chain of novels", json!({"trace_chain": chain}), json!({}));
        let mut deep = json!("why");
        for _ in 0..100 {
            deep = json!({"x".repeat(10_000): deep});
        }
        check("long keys", json!({"message": {"body": "why it broke"}}), deep);
    }

    #[test]
    fn addresses_name_no_household() {
        let check = |address: &str, expect: &str| assert_eq!(anonymous(address), expect);
        check("10.1.2.3", "10.1.2.0");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1::");
        check("unix", "");
    }
}
