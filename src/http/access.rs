//! Who may see what: pages show users' mails, so they are for this machine, or for who has the admin token.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::{Error, Peer, Site};
use crate::store::tokens::{self, Scope, Token};

/// How long tokens that were read are good for.
const TOKENS_FRESH_FOR: Duration = Duration::from_secs(5);

/// Lets through who sits at this machine, or has the admin token (as password, or as bearer token).
pub(super) async fn guard_pages(State(site): State<Site>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    // Who names an address for users has a proxy on this machine, and everybody would look local through it.
    let is_alone = site.context.settings.get().http.public_url.is_none() && request.version() > Version::HTTP_10;
    if is_alone && peer.is_some_and(|peer| is_local(peer, request.headers())) {
        return next.run(request).await;
    }
    match is_admin(&site, request.headers()).await {
        Ok(true) => next.run(request).await,
        Ok(false) => Error::Unauthorized(true).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Whether a request comes from this machine itself: not through a proxy that runs on it, and not from a web page
/// that made a browser ask for it under another name.
fn is_local(Peer(peer): Peer, headers: &HeaderMap) -> bool {
    let is_proxys = |name: &str| ["forwarded", "via", "x-real-ip"].contains(&name) || name.starts_with("x-forwarded-");
    let proxied = headers.keys().any(|name| is_proxys(name.as_str()));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    peer.ip().is_loopback()
        && !proxied
        && ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| name.eq_ignore_ascii_case(local))
}

async fn is_admin(site: &Site, headers: &HeaderMap) -> Result<bool, Error> {
    Ok(tokens_of(site, headers).await?.iter().any(|(_, scope)| *scope == Scope::Admin))
}

/// Lets through who has a token of one of the scopes, or an admin's; gives its number.
pub(super) async fn require(site: &Site, headers: &HeaderMap, any_of: &[Scope]) -> Result<i64, Error> {
    let tokens = tokens_of(site, headers).await?;
    if let Some((id, _)) = tokens.iter().find(|(_, scope)| any_of.contains(scope) || *scope == Scope::Admin) {
        Ok(*id)
    } else if tokens.is_empty() {
        Err(Error::Unauthorized(false))
    } else {
        let needed: Vec<&str> = any_of.iter().map(|scope| scope.as_str()).collect();
        Err(Error::Forbidden(format!("this needs a token of the scope {}", needed.join(" or "))))
    }
}

/// The id that an address names.
pub(super) fn id(path: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    let Path(id) = path.map_err(|_| Error::NotFound("the address is not UTF-8"))?;
    if id.contains('\0') { Err(Error::NotFound("no id has a NUL character")) } else { Ok(id) }
}

/// The ids that an address with two of them names.
pub(super) fn ids(path: Result<Path<(String, String)>, PathRejection>) -> Result<(String, String), Error> {
    let Path((first, second)) = path.map_err(|_| Error::NotFound("the address is not UTF-8"))?;
    Ok((id(Ok(Path(first)))?, id(Ok(Path(second)))?))
}

/// Number and scope of the presented token.
async fn tokens_of(site: &Site, headers: &HeaderMap) -> Result<Vec<(i64, Scope)>, Error> {
    let Some(token) = presented(headers) else { return Ok(Vec::new()) };
    let hash = tokens::hash(&token);
    let tokens = site.keyring.tokens(site).await?;
    // All are compared, whichever it is.
    Ok(tokens.iter().filter(|known| same(&known.hash, &hash)).map(|known| (known.id, known.scope)).collect())
}

/// The tokens in force, at hand; a revoked one is refused a few seconds later.
#[derive(Debug, Default)]
pub(crate) struct Keyring(RwLock<Option<(Instant, Arc<Vec<Token>>)>>);

impl Keyring {
    async fn tokens(&self, site: &Site) -> Result<Arc<Vec<Token>>, Error> {
        let at_hand = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let former = match at_hand {
            Some((read_at, tokens)) if read_at.elapsed() < TOKENS_FRESH_FOR => return Ok(tokens),
            former => former.map(|(_, tokens)| tokens),
        };
        let read = async {
            let mut tx = site.context.db.read().await?;
            tokens::in_force(&mut tx).await
        };
        let tokens = match (read.await, former) {
            (Ok(tokens), _) => Arc::new(tokens),
            // While the database is away the tokens stay what they were.
            (Err(error), Some(former)) if error.is_transient() => former,
            (Err(error), _) => return Err(error.into()),
        };
        let fresh = Some((Instant::now(), Arc::clone(&tokens)));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(tokens)
    }
}

/// The token of a bearer header, or the password of a basic one.
fn presented(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| base64_decoded(rest.trim()))??;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

fn base64_decoded(text: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    String::from_utf8(bytes).ok()
}

/// Lets a scrape through when the metrics are open or it has their token.
pub(super) fn may_scrape(site: &Site, headers: &HeaderMap) -> bool {
    let config = site.context.settings.get();
    let Some(expected) = &config.http.metrics_token else { return true };
    presented(headers).is_some_and(|token| same(&tokens::hash(expected.expose_secret()), &tokens::hash(&token)))
}

/// Compares in a time that does not depend on where two hashes differ.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_this_machine_itself_is_local() {
        let check = |peer: &str, pairs: &[(&'static str, &str)], local: bool| {
            assert_eq!(is_local(Peer(peer.parse().unwrap()), &headers(pairs)), local, "{peer} {pairs:?}");
        };
        check("127.0.0.1:1", &[("host", "localhost:9787")], true);
        check("[::1]:1", &[("host", "[::1]:9787")], true);
        check("[::1]:1", &[("host", "[::1]")], true);
        check("127.0.0.1:1", &[("host", "evil.example:9787")], false);
        check("127.0.0.1:1", &[("host", "localhost"), ("x-forwarded-for", "203.0.113.9")], false);
        check("127.0.0.1:1", &[("host", "localhost"), ("forwarded", "for=203.0.113.9")], false);
        check("127.0.0.1:1", &[("host", "localhost"), ("x-real-ip", "203.0.113.9")], false);
        check("127.0.0.1:1", &[("host", "LOCALHOST:9787")], true);
        check("203.0.113.9:1", &[("host", "localhost")], false);
        check("127.0.0.1:1", &[], false);
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_password() {
        let token = |value: &str| presented(&headers(&[("authorization", value)]));
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("Basic YWRtaW46czpjcmV0").as_deref(), Some("s:cret"));
        assert_eq!(token("Basic !!!"), None);
        assert_eq!(token("Digest x"), None);
    }
}
