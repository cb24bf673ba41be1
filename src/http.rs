//! The HTTP side: pages for people, figures for Prometheus, health for whoever restarts the daemon.

mod access;
mod alerts;
mod allowance;
mod balances;
mod body;
mod classify;
mod directory;
mod estimate;
mod executions;
mod keys;
mod models;
mod ops;
mod overview;
mod pages;
mod preferences;
pub mod server;
mod spend;
mod traces;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde_json::{Value, json};

use crate::allowance::Allowances;
use crate::gauges::Gauges;
use crate::ingest::{Ingest, Refusal};
use crate::job::Context;
use crate::job::runner::Runner;
use crate::market::Market;
use crate::store;

const FULL: &str = "too many executions wait to be written; send them again in a second";
const NOT_NOW: &str = "the executions were not taken; send them again soon";

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct Site {
    context: Arc<Context>,
    runner: Arc<Runner>,
    gauges: Arc<Gauges>,
    pages: Arc<view::Pages>,
    ingest: Ingest,
    market: Arc<Market>,
    keyring: Arc<access::Keyring>,
    allowances: Arc<Allowances>,
}

/// The address of the client, as the server puts it into each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);

impl Site {
    /// A site over the parts it shows.
    #[must_use]
    pub fn new(context: Arc<Context>, runner: Arc<Runner>, ingest: Ingest, market: Arc<Market>) -> Self {
        let (gauges, pages, keyring) = (Arc::default(), Arc::default(), Arc::default());
        Self { context, runner, gauges, pages, ingest, market, keyring, allowances: Arc::default() }
    }

    /// The routes.
    pub fn router(self) -> Router {
        let pages = Router::new()
            .route("/", get(overview::show))
            .route("/mails", get(pages::mails))
            .route("/mails/{id}", get(pages::mail))
            .route("/mails/{id}/html", get(pages::mail_html))
            .route("/models/{*id}", get(pages::model))
            .layer(middleware::from_fn_with_state(self.clone(), access::guard_pages));
        Router::new()
            .merge(pages)
            .route("/m/{token}", get(preferences::show).post(preferences::change))
            .route("/v1/executions", post(executions::post))
            .route("/v1/traces", post(traces::post).put(traces::post))
            .route("/v1/directory", post(directory::post))
            .route("/v1/balances", post(balances::post))
            .route("/v1/models/{*id}", get(models::get))
            .route("/v1/estimate", post(estimate::post))
            .route("/v1/users/{id}/allowance", get(allowance::get))
            .route("/v1/users/{id}/keys", get(keys::list))
            .route("/v1/users/{id}/keys/{label}", put(keys::put).delete(keys::delete))
            .route("/v1/classify", post(classify::post))
            .route("/v1/spend", get(spend::all))
            .route("/v1/users/{id}/spend", get(spend::of_user))
            .route("/v1/alerts", get(alerts::list))
            .route("/v1/alerts/{id}/acknowledge", post(alerts::acknowledge))
            .route("/v1/alerts/{id}/silence", post(alerts::silence))
            .route("/v1/silences", get(alerts::silences).post(alerts::add_silence))
            .route("/v1/silences/{id}", delete(alerts::end_silence))
            .route("/openapi.json", get(ops::openapi))
            .route("/metrics", get(ops::metrics))
            .route("/livez", get(ops::livez))
            .route("/readyz", get(ops::readyz))
            .fallback(|| async { Error::NotFound("there is nothing at this address") })
            .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
            .layer(middleware::from_fn_with_state(self.clone(), measure))
            .with_state(self)
    }
}

/// Measures each request by its route, never by its path: the series stay few.
async fn measure(State(site): State<Site>, request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status();
    let labels = [route.as_str(), method.as_str(), status.as_str()];
    site.context.metrics.http_duration.with_label_values(&labels).observe(began.elapsed().as_secs_f64());
    response
}

/// Why a request was not served; its cause is logged, never shown.
#[derive(Debug)]
pub(crate) enum Error {
    /// Nothing is there.
    NotFound(&'static str),
    /// Not with this method.
    MethodNotAllowed,
    /// A token is missing or wrong; whether a browser should ask for it.
    Unauthorized(bool),
    /// The token is good for something else; for what it would have to be.
    Forbidden(String),
    /// The body is too large.
    TooLarge(String),
    /// The body is of a type that is not taken.
    UnsupportedMedia(&'static str),
    /// The body or a parameter cannot be read.
    Unreadable(String),
    /// A key is not stored: the code, and why.
    Key(&'static str, String),
    /// Executions were not taken.
    Refused(Refusal),
    /// The store failed.
    Store(store::Error),
    /// A page could not be rendered.
    Page(minijinja::Error),
    /// Something else went wrong.
    Internal(anyhow::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<crate::keys::Error> for Error {
    fn from(error: crate::keys::Error) -> Self {
        use crate::keys::Error as Reason;
        use crate::vault::Error::Store;
        match error {
            Reason::Slot(reason) => Self::Unreadable(reason),
            Reason::Shape(_) => Self::Key("not_a_key", error.to_string()),
            Reason::Refused => Self::Key("key_refused", error.to_string()),
            Reason::Vault(Store(error)) => Self::Store(error),
            Reason::Vault(error) => Self::Internal(error.into()),
            Reason::Other(error) => error.into(),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<store::Error>() {
            Ok(error) => Self::Store(error),
            Err(error) => Self::Internal(error),
        }
    }
}

impl Error {
    /// What cannot be read, and why.
    pub(crate) fn unreadable(reason: impl Into<String>) -> Self {
        Self::Unreadable(reason.into())
    }

    fn parts(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "not_found", what),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take the method")
            }
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized", "a token is missing or not valid"),
            Self::Store(error) if error.is_transient() => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the database cannot be reached; try again soon")
            }
            Self::Forbidden(reason) => (StatusCode::FORBIDDEN, "forbidden", reason),
            Self::TooLarge(reason) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason),
            Self::UnsupportedMedia(reason) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", reason),
            Self::Unreadable(reason) => (StatusCode::UNPROCESSABLE_ENTITY, "unreadable", reason),
            Self::Key(code, reason) => (StatusCode::UNPROCESSABLE_ENTITY, code, reason),
            Self::Refused(Refusal::Full) => (StatusCode::SERVICE_UNAVAILABLE, "full", FULL),
            Self::Refused(Refusal::Unavailable | Refusal::Stopping) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", NOT_NOW)
            }
            Self::Refused(Refusal::Failed) | Self::Store(_) | Self::Page(_) | Self::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong; the log says what")
            }
        }
    }

    fn body(&self) -> Value {
        let (_, code, message) = self.parts();
        json!({ "error": { "code": code, "message": message, "details": null } })
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Self::Store(error) => tracing::warn!(%error, "a request failed"),
            Self::Page(error) => tracing::error!(%error, "a page could not be rendered"),
            Self::Internal(error) => tracing::error!(error = format!("{error:#}"), "a request failed"),
            _ => {}
        }
        let mut response = (self.parts().0, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(true) => {
                headers.insert(
                    "www-authenticate",
                    axum::http::HeaderValue::from_static("Basic realm=\"openrouter-monitor\""),
                );
            }
            Self::Unauthorized(false) => {
                headers.insert("www-authenticate", axum::http::HeaderValue::from_static("Bearer"));
            }
            Self::Refused(Refusal::Full) => {
                headers.insert("retry-after", axum::http::HeaderValue::from_static("1"));
            }
            Self::Refused(_) => {
                headers.insert("retry-after", axum::http::HeaderValue::from_static("5"));
            }
            Self::Store(error) if error.is_transient() => {
                headers.insert("retry-after", axum::http::HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}
