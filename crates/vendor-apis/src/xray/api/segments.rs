//! `PutTraceSegments`.

use ::xray::limits::MAX_DOCUMENTS_PER_CALL;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use crate::xray::counters::{Via, code_name};
use crate::xray::error::ApiError;
use crate::xray::store::Received;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutTraceSegments {
    trace_segment_documents: Vec<String>,
}

impl Api {
    /// 200 whatever the documents are; those that are not taken are named in the answer.
    pub(super) async fn put_trace_segments(&self, request: PutTraceSegments) -> Result<Value, ApiError> {
        let documents = request.trace_segment_documents;
        if documents.len() > MAX_DOCUMENTS_PER_CALL {
            return Err(ApiError::invalid(format!("at most {MAX_DOCUMENTS_PER_CALL} documents in one call")));
        }
        let mut unprocessed = Vec::new();
        let mut accepted = Vec::new();
        for document in &documents {
            self.counters.received(Via::Api);
            if let Some(upstream) = &self.upstream {
                upstream.document(document);
            }
            match Received::read(document) {
                Ok(received) => accepted.push(received),
                Err(rejected) => {
                    self.counters.rejected(&rejected);
                    let mut item =
                        json!({ "ErrorCode": code_name(rejected.code), "Message": rejected.to_string() });
                    if let Some(id) = rejected.id {
                        item["Id"] = id.into();
                    }
                    unprocessed.push(item);
                }
            }
        }
        let count = accepted.len();
        // A caller that is told so comes back with all of them.
        let outcome = self.store.put(accepted).await.inspect_err(|_| self.counters.unavailable(count))?;
        self.counters.put(outcome);
        Ok(json!({ "UnprocessedTraceSegments": unprocessed }))
    }
}
