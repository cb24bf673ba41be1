//! What can be read off a text that is neither JSON nor an event stream: a page of some proxy, a line of a log, an
//! answer with its headers before it.

use serde_json::Value;

use super::json::head;

/// Where in a text a status would stand.
const LONGEST_PREFIX: usize = 64;
/// How much of a page is looked at for what it says.
const LONGEST_PAGE: usize = 16_384;
/// What a page says, as opposed to what its links and scripts do.
const SAYING: [(&str, &str); 2] = [("<title", "</title"), ("<h1", "</h1")];
/// Headers that say when to try again.
const WAITS: [&str; 3] = ["retry-after", "retry-after-ms", "x-ratelimit-reset"];

/// The object that a text quotes, and what stands before it: headers may have braces too, so a body behind a blank line
/// goes first.
pub(super) fn object_within(text: &str) -> Option<(&str, Value)> {
    let behind_blank = ["\n\n{", "\n\r\n{"].iter().filter_map(|gap| Some(text.find(gap)? + gap.len() - 1)).min();
    behind_blank.into_iter().chain(text.find('{')).find_map(|start| {
        let object = text.get(start..=text.rfind('}')?)?;
        let object = serde_json::from_str(object).ok().filter(Value::is_object)?;
        Some((&text[..start], object))
    })
}

/// The status that a text begins with: its first number that can be one, if that is an error's. Of several answers in a
/// row the last one counts; parts of times are no statuses.
pub(super) fn status_within(text: &str) -> Option<u16> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let answer = lines().rfind(|line| line.starts_with("HTTP/"));
    answer.or_else(|| lines().next()).and_then(|line| first_status(line, |_| true))
}

/// The same of a text before an object, which may well have other numbers: a status is announced there.
pub(super) fn announced_status(before: &str) -> Option<u16> {
    let words = ["http", "status", "code", "error", "exception", ":"];
    let announces = |before: &str| before.is_empty() || words.iter().any(|word| before.ends_with(word));
    let answer = before.lines().rfind(|line| line.starts_with("HTTP/"));
    match answer {
        Some(answer) => first_status(answer, |_| true),
        None => first_status(before.trim_start().lines().next()?, announces),
    }
}

/// The first number of a line from 100 on, if it is an error's status and what is before it fits.
fn first_status(line: &str, fits: impl Fn(&str) -> bool) -> Option<u16> {
    let line = head(line.trim_start(), LONGEST_PREFIX);
    let is_digit = |c: char| c.is_ascii_digit();
    let mut rest = line;
    while let Some(start) = rest.find(is_digit) {
        let (before, number) = rest.split_at(start);
        let end = number.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(number.len());
        rest = &number[end..];
        // Digits that go on from letters, or a time's, are parts of something else.
        let place = line.len() - rest.len() - end;
        let is_part = before.ends_with(|c: char| c.is_ascii_alphanumeric())
            || line[..place].trim_end_matches([':', ',', '.']).ends_with(is_digit) && !before.contains(' ');
        let status = number[..end].parse::<u16>().ok().filter(|status| !is_part && (100..600).contains(status));
        if let Some(status) = status {
            let announcement = before.trim_end_matches([' ', '(']).to_ascii_lowercase();
            return Some(status).filter(|status| *status >= 400 && fits(&announcement));
        }
    }
    None
}

/// Title and heading of an HTML page, a line each; `None` if it is no page or has neither.
pub(super) fn page(text: &str) -> Option<String> {
    if !text.starts_with('<') {
        return None;
    }
    // Lower-casing ASCII leaves every character where it is.
    let page = head(text, LONGEST_PAGE);
    let lower = page.to_ascii_lowercase();
    let said = SAYING.iter().filter_map(|(open, close)| {
        let tag = lower.find(open)?;
        let start = tag + lower[tag..].find('>')? + 1;
        let end = start + lower[start..].find(close)?;
        Some(words_of(&page[start..end])).filter(|said| !said.is_empty())
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("\n"))
}

/// The words between tags.
fn words_of(html: &str) -> String {
    let texts = html.split('<').enumerate().filter_map(|(place, part)| match place {
        0 => Some(part),
        _ => part.split_once('>').map(|(_, text)| text),
    });
    texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
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
    fn the_first_number_that_can_be_a_status_decides() {
        for (text, expected) in [
            ("HTTP/1.1 429 Too Many Requests", Some(429)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many Requests", Some(429)),
            ("openrouter.ai | 520: Web server is returning an unknown error", Some(520)),
            ("status:503", Some(503)),
            ("13:07:06,429 - ERROR - request timed out", None),
            ("got 200 in 450 ms", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 512", None),
            ("", None),
        ] {
            assert_eq!(status_within(text), expected, "{text}");
        }
    }

    #[test]
    fn before_an_object_a_status_is_announced() {
        for (text, expected) in [
            ("Error code: 404 - ", Some(404)),
            ("API error (402): ", Some(402)),
            ("BadRequestError: 400 ", Some(400)),
            ("POST \"https://openrouter.ai/api/v1\": 402 Payment Required ", Some(402)),
            ("HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 503\r\nage: 1\r\n\r\n", Some(503)),
            ("[pid 512] response: ", None),
            ("got 200 in 450 ms: ", None),
        ] {
            assert_eq!(announced_status(text), expected, "{text}");
        }
    }

    #[test]
    fn a_body_stands_behind_the_headers() {
        let text = "HTTP/2 402\nnel: {\"report_to\":\"cf-nel\"}\n\n{\"error\":{\"code\":402}}";
        let (before, object) = object_within(text).unwrap();
        assert_eq!((before.lines().count(), object["error"]["code"].as_u64()), (3, Some(402)));
        assert_eq!(object_within("said {\"a\":1}, then left").map(|(before, _)| before), Some("said "));
        assert_eq!(object_within("no {object}"), None);
    }

    #[test]
    fn a_page_says_what_its_title_and_heading_do() {
        let html = "<!DOCTYPE html><html><TITLE>502\n Bad</TITLE><h1 class=\"x\"><b>Sorry</b>, später</h1>\
            <a href=\"/privacy\">privacy</a>";
        assert_eq!(page(html).as_deref(), Some("502 Bad\nSorry , später"));
        for none in ["<html>privacy</html>", "no page", "<title>", "<title></title>"] {
            assert_eq!(page(none), None, "{none}");
        }
    }
}
