//! What a request carries, taken out of it. What does not fit is refused in the API's own form, never in the framework's plain text.
//!
//! Must not know: what the values mean.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{BODY_BYTES_MAX, Failure};
use crate::service::{Error, Kind};

/// Bytes that an id in a header may have; as many as one in an event.
const ID_BYTES_MAX: usize = 128;

/// A request that the handler never saw.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) Error);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self(status, Error::new(Kind::Invalid, code, message))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Failure(self.1).body()).into_response()
    }
}

/// The parts of a path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let refusal = |why: axum::extract::rejection::PathRejection| {
            Refusal::new(why.status(), "invalid-request", format!("the path: {}", why.body_text()))
        };
        path.map(|axum::extract::Path(path)| Self(path)).map_err(refusal)
    }
}

/// The parameters after the `?`.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let refusal = |why: axum::extract::rejection::QueryRejection| {
            Refusal::new(why.status(), "invalid-request", format!("the parameters: {}", why.body_text()))
        };
        query.map(|axum::extract::Query(query)| Self(query)).map_err(refusal)
    }
}

/// A body: JSON, or JSON lines where the content type says so.
pub(super) struct Body {
    bytes: Bytes,
    /// Whether it is JSON lines.
    pub(super) is_lines: bool,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let is_lines = is_lines(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|why| match why.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let message = format!("a body has at most {BODY_BYTES_MAX} bytes");
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
            }
            status => Refusal::new(status, "invalid-request", why.body_text()),
        })?;
        match is_lines {
            Some(is_lines) => Ok(Self { bytes, is_lines }),
            None if bytes.is_empty() => Ok(Self { bytes, is_lines: false }),
            None => Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-content-type",
                "a body is application/json, or application/x-ndjson where many events are sent",
            )),
        }
    }
}

impl Body {
    pub(super) fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.bytes).map_err(|error| invalid(format!("the body is not UTF-8: {error}")))
    }

    /// The JSON of the body; none if it is empty.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&self.bytes).map(Some).map_err(|error| invalid(format!("the body: {error}")))
    }

    /// The payload that the body is.
    pub(super) fn payload(&self) -> Result<Value, Failure> {
        Ok(self.json()?.unwrap_or_default())
    }
}

/// Whether the content type is JSON lines; none if it is nothing that is read here. What `curl -d` says unless told otherwise is taken as
/// JSON: a form is no JSON, and would be refused as that.
fn is_lines(headers: &HeaderMap) -> Option<bool> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Some(false) };
    let kind = kind.to_str().ok()?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Some(true),
        "application/json" | "application/x-www-form-urlencoded" | "text/plain" | "text/json" => Some(false),
        other => other.ends_with("+json").then_some(false),
    }
}

/// A header with an id; none if it is not there.
pub(super) fn id(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str() {
        Ok(id) if (1..=ID_BYTES_MAX).contains(&id.len()) => Ok(Some(id.to_owned())),
        _ => Err(invalid(format!("the header {name} has 1 to {ID_BYTES_MAX} visible ASCII characters"))),
    }
}

/// A header with a text; none if it is not there.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Failure> {
    let text = |value: &header::HeaderValue| value.to_str().map(str::to_owned);
    headers.get(name).map(text).transpose().map_err(|_| invalid(format!("the header {name} is not ASCII")))
}

/// A request that is wrong.
pub(super) fn invalid(message: String) -> Failure {
    Failure(Error::new(Kind::Invalid, "invalid-request", message))
}
