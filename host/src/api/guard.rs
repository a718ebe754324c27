//! Who may ask: a token where one is set; and no web page that a browser was led to.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Access, Api, extract::Refusal};

/// Lets a request through, or says why not.
pub(super) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    match refused(&api.access, request.headers()) {
        None => next.run(request).await,
        Some((status, code, message)) => Refusal::new(status, code, message).into_response(),
    }
}

fn refused(access: &Access, headers: &HeaderMap) -> Option<(StatusCode, &'static str, &'static str)> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A page of another site names itself in Origin; a name that was made to point here shows in Host.
    if let Some(origin) = text(header::ORIGIN) {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        if Some(host) != text(header::HOST) {
            return Some((StatusCode::FORBIDDEN, "foreign-origin", "requests of another site's pages are not taken"));
        }
    }
    if access.loopback && !text(header::HOST).is_some_and(is_loopback) {
        return Some((StatusCode::FORBIDDEN, "foreign-host", "this API is reached by a loopback name only"));
    }
    let token = access.token.as_deref()?;
    let given = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let same = given.is_some_and(|given| blake3::hash(given.as_bytes()) == blake3::hash(token.as_bytes()));
    (!same).then_some((
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "the header `Authorization: Bearer TOKEN` is missing or wrong",
    ))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(access: &Access, pairs: &[(header::HeaderName, &str)]) -> Option<u16> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header"))).collect();
        refused(access, &headers).map(|(status, _, _)| status.as_u16())
    }

    #[test]
    fn pages_of_other_sites_and_names_that_point_here_are_refused() {
        let open = Access { token: None, loopback: true };
        for host in ["127.0.0.1:7766", "localhost", "[::1]:7766"] {
            assert_eq!(status(&open, &[(header::HOST, host)]), None, "{host}");
        }
        assert_eq!(status(&open, &[(header::HOST, "evil.example:7766")]), Some(403));
        assert_eq!(status(&open, &[(header::HOST, "localhost"), (header::ORIGIN, "https://evil.example")]), Some(403));
        assert_eq!(status(&open, &[(header::HOST, "localhost:1"), (header::ORIGIN, "http://localhost:1")]), None);
        assert_eq!(status(&open, &[]), Some(403));
    }

    #[test]
    fn a_token_is_asked_for_where_one_is_set() {
        let access = Access { token: Some("s3cret".to_owned()), loopback: false };
        assert_eq!(status(&access, &[]), Some(401));
        assert_eq!(status(&access, &[(header::AUTHORIZATION, "Bearer wrong")]), Some(401));
        assert_eq!(status(&access, &[(header::AUTHORIZATION, "Bearer s3cret")]), None);
    }
}
