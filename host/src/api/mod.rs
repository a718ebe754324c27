//! The HTTP API over the service. Described for machines in `openapi.json`.
//!
//! Must not know: stores, the engine, wasmtime.

mod guard;
mod routes;
mod streams;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

pub(crate) use streams::view;

use axum::{
    Json, Router,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    dispatcher::Status,
    service::{Error, Kind, Service},
    wasm::Registry,
};

/// Bytes that a request's body may have.
pub const BODY_BYTES_MAX: usize = 16 << 20;

/// The API's description.
pub const OPENAPI: &str = include_str!("openapi.json");

/// What the handlers share.
#[derive(Clone)]
pub struct Api {
    /// What is asked.
    pub service: Service,
    /// What is served, and what is not.
    pub registry: Arc<Registry>,
    /// One line about the store, and what it promises.
    pub store: Arc<Value>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// How the dispatcher is doing.
    pub status: Status,
    /// Entries of existing producers that could not be understood.
    pub rejected: Arc<AtomicU64>,
    /// When the host started.
    pub started: Instant,
    /// Ends streams when the host stops.
    pub stop: CancellationToken,
}

/// Who may ask.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The token that every request must carry, if there is one.
    pub token: Option<String>,
    /// Whether the API is on a loopback address: then only requests for it by such a name are taken.
    pub loopback: bool,
}

/// The API's routes.
pub fn router(api: Api) -> Router {
    let context = "/v1/contexts/{context}";
    let quest = "/v1/contexts/{context}/quests/{quest}";
    Router::new()
        .route("/v1/health", get(routes::health))
        .route("/v1/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .route("/v1/quests", get(routes::quests))
        .route("/v1/events", post(routes::send))
        .route("/v1/instances", get(routes::instances))
        .route("/v1/timers", get(routes::timers))
        .route("/v1/messages", get(streams::messages))
        .route("/v1/tail", get(streams::tail))
        .route("/v1/dead", get(routes::dead))
        .route("/v1/dead/{id}", get(routes::dead_letter).delete(routes::drop_dead))
        .route("/v1/dead/{id}/retry", post(routes::retry_dead))
        .route("/v1/outcomes/{context}/{id}", get(routes::outcome))
        .route(context, get(routes::context).delete(routes::forget))
        .route(&format!("{context}/variables"), get(routes::variables))
        .route(&format!("{context}/timers"), get(routes::timers_of))
        .route(quest, post(routes::add).delete(routes::remove))
        .route(&format!("{quest}/actions/{{action}}"), post(routes::call))
        .route(&format!("{quest}/queries/{{query}}"), get(routes::query).post(routes::query_with))
        .route(&format!("{quest}/timers/{{timer}}"), post(routes::change_timer).delete(routes::cancel_timer))
        .fallback(|| async {
            Failure(
                Error::new(Kind::NotFound, "no-such-path", "there is no such path")
                    .hint("GET /v1/openapi.json lists all"),
            )
        })
        .method_not_allowed_fallback(|| async {
            let error = Error::new(Kind::Invalid, "no-such-method", "this path does not take this method");
            (StatusCode::METHOD_NOT_ALLOWED, Failure(error).body())
        })
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(api.clone(), guard::check))
        .with_state(api)
}

/// Serves until `stop`.
pub async fn serve(listener: tokio::net::TcpListener, api: Api, stop: CancellationToken) -> std::io::Result<()> {
    let router = router(api).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// An error as the API answers it.
pub(crate) struct Failure(pub(crate) Error);

impl Failure {
    fn body(&self) -> Json<Value> {
        let Error { code, message, hint, .. } = &self.0;
        Json(json!({ "error": { "code": code, "message": message, "hint": hint } }))
    }

    fn status(&self) -> StatusCode {
        match self.0.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Full => StatusCode::TOO_MANY_REQUESTS,
            Kind::Failed => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status(), self.body()).into_response()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}
