//! X-Ray's documents as received. Its own API is in `vendor-apis`.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::value::RawValue;
use service::Problem;

use super::traces::parse_trace_id;
use super::{Api, unreadable};

#[derive(Serialize)]
struct Documents {
    trace_id: String,
    xray_trace_id: String,
    segments: Vec<Segment>,
}

#[derive(Serialize)]
struct Segment {
    id: String,
    received_unix_nano: i64,
    in_progress: bool,
    document: Box<RawValue>,
}

pub(super) async fn documents(api: Data<Api>, trace_id: Path<String>) -> Result<HttpResponse, Problem> {
    let id = parse_trace_id(&trace_id)?;
    let documents = api.reader.documents(id).await.map_err(|error| unreadable(&error))?;
    let documents = documents.ok_or_else(|| Problem::not_found("nothing of this trace has arrived"))?;
    let segments = documents.into_iter().map(|stored| Segment {
        id: stored.segment_id.to_string(),
        received_unix_nano: stored.received,
        in_progress: stored.is_in_progress,
        document: RawValue::from_string(stored.text).expect("only documents that could be read are written"),
    });
    let answer =
        Documents { trace_id: id.to_w3c(), xray_trace_id: id.to_string(), segments: segments.collect() };
    Ok(HttpResponse::Ok().json(answer))
}
