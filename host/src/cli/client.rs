//! Talks to a running host.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, anyhow};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// A client of one host.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    /// Whether the host has answered once.
    reached: AtomicBool,
}

/// What ended a command, with its exit code and how to mend it.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) exit: u8,
    /// The API's code; empty where there is none.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: String,
    /// The HTTP status, if there was an answer.
    status: u16,
    /// Whether nothing can have reached the host.
    unsent: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// The command was used in a wrong way.
    pub(crate) fn usage(message: &str, hint: &str) -> anyhow::Error {
        anyhow!(Self { exit: 2, message: message.to_owned(), hint: hint.to_owned(), ..Self::default() })
    }

    /// It was done, and found something to be wrong.
    pub(crate) fn failed(message: &str, hint: &str) -> anyhow::Error {
        anyhow!(Self { exit: 1, message: message.to_owned(), hint: hint.to_owned(), ..Self::default() })
    }

    /// The host did not do it.
    pub(crate) fn by_host(message: &str, hint: &str) -> anyhow::Error {
        anyhow!(Self { exit: 4, message: message.to_owned(), hint: hint.to_owned(), ..Self::default() })
    }
}

impl Client {
    pub(crate) fn new(url: &str, token: Option<&str>) -> anyhow::Result<Self> {
        // A host is named by an address, and tests and operators must not be led elsewhere by a proxy of the environment.
        let http = reqwest::Client::builder().no_proxy().build().context("cannot make an HTTP client")?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, token: token.map(str::to_owned), reached: AtomicBool::new(false) })
    }

    /// Whether an error may pass by itself, so that it is worth trying again: the host said so, or the answer was lost, or a host that
    /// was there is gone. A host that never was there is not waited for.
    pub(crate) fn passes(&self, error: &anyhow::Error) -> bool {
        let is_lost = |refused: &Refused| !refused.unsent || self.reached.load(Ordering::Relaxed);
        error.downcast_ref::<Refused>().is_some_and(|refused| match refused.exit {
            3 => is_lost(refused),
            _ => matches!(refused.status, 429 | 503),
        })
    }

    /// A request for a path whose parts are encoded.
    pub(crate) fn request(&self, method: Method, parts: &[&str]) -> RequestBuilder {
        let path: String = parts.iter().map(|part| format!("/{}", encode(part))).collect();
        let request = self.http.request(method, format!("{}/v1{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|error| self.unreached(&error))?;
        self.reached.store(true, Ordering::Relaxed);
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let error = serde_json::from_str::<Value>(&text).unwrap_or_default()["error"].clone();
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let message = match part("message") {
            message if message.is_empty() => {
                format!("the host answered {status}: {}", text.chars().take(300).collect::<String>())
            }
            message => message,
        };
        let hint = match status {
            StatusCode::UNAUTHORIZED => "give the host's token with --token, or better in QUEST_HOST_TOKEN".to_owned(),
            _ => part("hint"),
        };
        Err(anyhow!(Refused { exit: 4, code: part("code"), message, hint, status: status.as_u16(), unsent: false }))
    }

    /// Sends a request and reads its JSON answer.
    pub(crate) async fn json(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let bytes = self.send(request).await?.bytes().await.map_err(|error| self.unreached(&error))?;
        serde_json::from_slice(&bytes).context("the host's answer is not JSON")
    }

    /// GET of a path.
    pub(crate) async fn get(&self, parts: &[&str]) -> anyhow::Result<Value> {
        self.json(self.request(Method::GET, parts)).await
    }

    /// The error of a stream that came to its end.
    pub(crate) fn ended(&self) -> anyhow::Error {
        let message = format!("the host at {} stopped", self.url);
        anyhow!(Refused { exit: 3, message, hint: "what happened since is not shown".to_owned(), ..Refused::default() })
    }

    /// The error of a request that got no whole answer.
    pub(crate) fn unreached(&self, error: &reqwest::Error) -> anyhow::Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if error.is_builder() {
            return Refused::usage(
                &format!("{} with this token cannot be asked: {cause}", self.url),
                "--url is like http://127.0.0.1:7766",
            );
        }
        let hint = "start one with `quest-host run`, or name another with --url";
        let message = format!("no host reached at {}: {cause}", self.url);
        let unsent = error.is_connect();
        anyhow!(Refused { exit: 3, message, hint: hint.to_owned(), unsent, ..Refused::default() })
    }
}

/// A part of a path: everything but letters, digits and a few marks is percent-encoded.
fn encode(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:@".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
