//! The HTTP API over the service. Described for machines in `openapi.json`.
//!
//! Must not know: how stores work inside, the engine's decisions, wasmtime.

mod extract;
mod guard;
mod routes;
mod streams;
mod versions;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

pub(crate) use streams::view;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use extract::Refusal;

use crate::{
    dispatcher::Status,
    reload::Reloader,
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
    /// What keeps that as the files are, and knows its versions.
    pub reloader: Reloader,
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

/// The API's paths and what answers them. `openapi.json` describes the same ones.
fn routes() -> Vec<(&'static str, MethodRouter<Api>)> {
    vec![
        ("/v1/health", get(routes::health)),
        ("/v1/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) })),
        ("/v1/quests", get(routes::quests)),
        ("/v1/versions", get(versions::versions)),
        ("/v1/rollout", get(versions::rollout)),
        ("/v1/quests/{quest}/rollback", post(versions::roll_back)),
        ("/v1/quests/{quest}/upgrade-trial", post(versions::try_upgrade)),
        ("/v1/events", post(routes::send)),
        ("/v1/instances", get(routes::instances)),
        ("/v1/timers", get(routes::timers)),
        ("/v1/messages", get(streams::messages)),
        ("/v1/tail", get(streams::tail)),
        ("/v1/dead", get(routes::dead)),
        ("/v1/dead/{id}", get(routes::dead_letter).delete(routes::drop_dead)),
        ("/v1/dead/{id}/retry", post(routes::retry_dead)),
        ("/v1/outcomes/{context}/{id}", get(routes::outcome)),
        ("/v1/contexts/{context}", get(routes::context).delete(routes::forget)),
        ("/v1/contexts/{context}/variables", get(routes::variables)),
        ("/v1/contexts/{context}/timers", get(routes::timers_of)),
        ("/v1/contexts/{context}/patterns", get(routes::patterns_of)),
        ("/v1/contexts/{context}/zone", get(routes::zone).put(routes::set_zone).delete(routes::reset_zone)),
        ("/v1/contexts/{context}/quests/{quest}/patterns/{pattern}", delete(routes::cancel_pattern)),
        ("/v1/contexts/{context}/quests/{quest}", post(routes::add).delete(routes::remove)),
        ("/v1/contexts/{context}/quests/{quest}/actions/{action}", post(routes::call)),
        ("/v1/contexts/{context}/quests/{quest}/queries/{query}", get(routes::query).post(routes::query_with)),
        (
            "/v1/contexts/{context}/quests/{quest}/timers/{timer}",
            post(routes::fire_timer).put(routes::move_timer).delete(routes::cancel_timer),
        ),
    ]
}

/// The paths of the API, as `openapi.json` writes them.
pub fn paths() -> Vec<&'static str> {
    routes().into_iter().map(|(path, _)| path).collect()
}

/// The API's routes.
pub fn router(api: Api) -> Router {
    let served = routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    served
        .fallback(|| async {
            let error = Error::new(Kind::NotFound, "no-such-path", "there is no such path");
            Failure(error.hint("GET /v1/openapi.json lists all"))
        })
        .method_not_allowed_fallback(|| async {
            let message = "this path does not take this method";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", message)
        })
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(api.clone(), stopping))
        .layer(middleware::from_fn_with_state(api.clone(), guard::check))
        .with_state(api)
}

/// How long requests may still take when the host stops. By then everything that it accepted is committed.
const GRACE: Duration = Duration::from_millis(500);

/// A host that stops keeps nobody waiting for an answer that another host will have, and takes no more on a connection that it has.
async fn stopping(State(api): State<Api>, request: Request, next: Next) -> Response {
    tokio::select! {
        mut response = next.run(request) => {
            if api.stop.is_cancelled() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
        () = async { api.stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
            let message = "the host stops; what was asked is accepted and may still happen, or was not accepted";
            let error = Error::new(Kind::Unavailable, "stopping", message);
            Failure(error.hint("ask again, with the same id")).into_response()
        }
    }
}

/// Serves until `stop`.
pub async fn serve(listener: tokio::net::TcpListener, api: Api, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(api)).with_graceful_shutdown(stop.cancelled_owned()).await
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
