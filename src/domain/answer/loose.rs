//! What can be read off a text that is neither JSON nor an event stream: a page of some proxy, a line of a log, an
//! answer with its headers before it.

use serde_json::Value;

use super::json::head;

/// Where in a text a status would stand.
const LONGEST_PREFIX: usize = 64;
/// How much of a page is looked at for what it says.
const LONGEST_PAGE: usize = 16_384;
/// What a page says, as opposed to what its links and scripts do.
const SAYING: [&str; 2] = ["<title", "<h1"];
/// Headers that say when to try again.
const WAITS: [&str; 3] = ["retry-after", "retry-after-ms", "x-ratelimit-reset"];

/// The object that a text quotes, and what stands before it.
pub(super) fn object_within(text: &str) -> Option<(&str, Value)> {
    let start = text.find('{')?;
    let object = text.get(start..=text.rfind('}')?)?;
    let object = serde_json::from_str(object).ok().filter(Value::is_object)?;
    Some((&text[..start], object))
}

/// The first number at the beginning of a text that can be the status of an error; parts of times are none.
pub(super) fn status_within(text: &str) -> Option<u16> {
    let line = head(text.trim_start(), LONGEST_PREFIX).lines().next()?;
    let mut before = "";
    line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| {
        let is_part = before.ends_with([':', ',', '.']) && before.starts_with(|c: char| c.is_ascii_digit());
        before = word;
        let number = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).parse().ok();
        number.filter(|status| !is_part && (400..600).contains(status))
    })
}

/// Title and heading of an HTML page; `None` if it is no page or has neither.
pub(super) fn page(text: &str) -> Option<String> {
    if !text.starts_with('<') {
        return None;
    }
    // Lower-casing ASCII leaves every character where it is.
    let page = head(text, LONGEST_PAGE);
    let lower = page.to_ascii_lowercase();
    let said = SAYING.iter().filter_map(|tag| {
        let tag = lower.find(tag)?;
        let start = tag + lower[tag..].find('>')? + 1;
        let end = start + lower[start..].find("</")?;
        let words: Vec<&str> = page[start..end].split_whitespace().collect();
        Some(words.join(" ")).filter(|said| !said.is_empty())
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("\n"))
}

/// The headers that stand before a body and say when to try again.
pub(super) fn waits(before: &str) -> Vec<(String, String)> {
    let headers = before.lines().filter_map(|line| line.split_once(':'));
    let is_wait = |(name, _): &(&str, &str)| WAITS.iter().any(|wait| name.trim().eq_ignore_ascii_case(wait));
    headers.filter(is_wait).map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_no_part_of_a_time() {
        for (text, expected) in [
            ("HTTP/1.1 429 Too Many Requests", Some(429)),
            ("openrouter.ai | 520: Web server is returning an unknown error", Some(520)),
            ("Error code: 404 - ", Some(404)),
            ("status:503", Some(503)),
            ("13:07:06,429 - ERROR - request timed out", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 512", None),
            ("", None),
        ] {
            assert_eq!(status_within(text), expected, "{text}");
        }
    }

    #[test]
    fn a_page_says_what_its_title_and_heading_do() {
        let html =
            "<!DOCTYPE html><html><TITLE>502\n Bad</TITLE><h1 class=\"x\">Sorry</h1><a href=\"/privacy\">privacy</a>";
        assert_eq!(page(html).as_deref(), Some("502 Bad\nSorry"));
        for none in ["<html>privacy</html>", "no page", "<title>", "<title></title>"] {
            assert_eq!(page(none), None, "{none}");
        }
    }
}
