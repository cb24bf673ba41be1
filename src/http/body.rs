//! The body of a request: within its limits, unpacked, of a type that is taken.

use std::io::Read;
use std::time::Duration;

use axum::body::Bytes;
use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use flate2::read::MultiGzDecoder;

use super::Error;

/// A body as it travels.
const BYTES_MAX: usize = 16 << 20;
/// A body arrives within this time, or not at all.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// A body as it is read: a hundred thousand rows.
const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// Smaller bodies are worked on where they are: that takes less than handing them over.
const WORKED_HERE_MAX: usize = 64 << 10;

/// Reads a body.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    let read = tokio::time::timeout(ARRIVES_WITHIN, to_bytes(body, BYTES_MAX)).await;
    let packed =
        read.map_err(|_| Error::unreadable("the body did not arrive in time"))?.map_err(|error| broken(&error))?;
    match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()).as_deref() {
        None | Some(b"identity" | b"") => Ok(packed),
        Some(b"gzip" | b"x-gzip") => work(packed, |packed| unpack(&packed)).await,
        Some(_) => Err(Error::UnsupportedMedia("Content-Encoding: only gzip is taken; send it plain or as gzip")),
    }
}

/// Works on a body; on a long one where it holds up nobody else.
pub(super) async fn work<T: Send + 'static>(
    body: Bytes,
    work: impl FnOnce(Bytes) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if body.len() <= WORKED_HERE_MAX {
        return work(body);
    }
    let worked = tokio::task::spawn_blocking(move || work(body)).await;
    worked.unwrap_or_else(|error| Err(Error::Internal(error.into())))
}

fn unpack(packed: &[u8]) -> Result<Bytes, Error> {
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(packed).take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut unpacked);
    read.map_err(|error| Error::unreadable(format!("the body is no gzip: {error}")))?;
    if unpacked.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(too_large(UNPACKED_BYTES_MAX));
    }
    Ok(unpacked.into())
}

/// A body that is longer than is read, or that broke off.
fn broken(error: &axum::Error) -> Error {
    let is_limit = std::error::Error::source(error).is_some_and(|cause| cause.to_string().contains("length limit"));
    if is_limit { too_large(BYTES_MAX as u64) } else { Error::unreadable("the body broke off") }
}

fn too_large(limit: u64) -> Error {
    Error::TooLarge(format!("the body is larger than {} MiB; send it in parts", limit >> 20))
}

/// What the sender says the body is; `None` when it does not say.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Refuses what says that it is no JSON: forms and files sent by mistake.
pub(super) fn expect_json(headers: &HeaderMap) -> Result<(), Error> {
    let json = |media: &str| {
        ["json", "ndjson", "jsonl", "x-jsonlines", "octet-stream", "text/plain"].iter().any(|end| media.ends_with(end))
    };
    match media_type(headers) {
        Some(media) if !json(&media) => {
            Err(Error::UnsupportedMedia("Content-Type: send application/json or application/x-ndjson"))
        }
        _ => Ok(()),
    }
}

/// The rows of a body: an array's elements, a lone object, or the lines of NDJSON; each with its index.
pub(super) fn rows(body: &str) -> Result<Vec<(usize, &str)>, Error> {
    use serde_json::value::RawValue;
    let text = body.trim_start_matches('\u{feff}').trim();
    if text.starts_with('[') {
        let rows: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|error| Error::unreadable(format!("the array is not readable: {error}")))?;
        return Ok(rows.into_iter().map(RawValue::get).enumerate().collect());
    }
    // A lone object may span lines; anything else is read line by line, so that one bad line spoils no other.
    if text.contains('\n') && serde_json::from_str::<&RawValue>(text).is_ok() {
        return Ok(vec![(0, text)]);
    }
    Ok(text
        .lines()
        .enumerate()
        .map(|(index, line)| (index, line.trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect())
}

/// A body as text.
pub(super) fn text(body: &Bytes) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|error| Error::unreadable(format!("the body is not UTF-8: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_array_an_object_or_lines() {
        let check = |body: &str, expected: &[(usize, &str)]| assert_eq!(rows(body).unwrap(), expected, "{body}");
        check(r#"[{"a":1}, {"b":2}]"#, &[(0, r#"{"a":1}"#), (1, r#"{"b":2}"#)]);
        check(r#"{"a":1}"#, &[(0, r#"{"a":1}"#)]);
        check("{\n \"a\": 1\n}\n", &[(0, "{\n \"a\": 1\n}")]);
        check("{\"a\":1}\n\nbad\r\n{\"b\":2}", &[(0, r#"{"a":1}"#), (2, "bad"), (3, r#"{"b":2}"#)]);
        check("\u{feff}[]", &[]);
        check("", &[]);
        assert!(rows("[{").is_err());
    }

    #[test]
    fn a_gzip_bomb_is_refused() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&vec![b' '; 65 << 20]).unwrap();
        assert!(matches!(unpack(&encoder.finish().unwrap()), Err(Error::TooLarge(_))));
        assert!(matches!(unpack(b"no gzip"), Err(Error::Unreadable(_))));
    }
}
