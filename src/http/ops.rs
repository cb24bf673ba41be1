//! `/metrics`, `/livez` and `/readyz`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Error, Site, access};
use crate::store;

const OPENAPI: &str = include_str!("openapi.json");

/// The text that Prometheus scrapes.
pub(super) async fn metrics(State(site): State<Site>, headers: HeaderMap) -> Response {
    if !access::may_scrape(&site, &headers) {
        return Error::Unauthorized(false).into_response();
    }
    site.gauges.refresh(&site.context).await;
    match site.context.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The API, described.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// The process lives: it answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// The daemon can work: its store answers, and it is not about to end.
pub(super) async fn readyz(State(site): State<Site>) -> Response {
    let store = async {
        let mut tx = site.context.db.read().await?;
        store::lists::last_accepted(&mut tx).await
    };
    let (store, list) = match store.await {
        Ok(fetch) => ("ok".to_owned(), fetch.map(|fetch| fetch.at)),
        Err(error) => (error.to_string(), None),
    };
    let ready = store == "ok" && !site.context.stop.is_cancelled();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(json!({ "ready": ready, "store": store, "list_accepted_at": list }))).into_response()
}
