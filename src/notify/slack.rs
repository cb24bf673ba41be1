//! What a Slack incoming webhook takes, and Mattermost, Rocket.Chat and Discord's `/slack` address with it.

use serde_json::{Value, json};

use super::Notice;

/// A longer text is cut by Slack, in the middle of whatever stands there.
const TEXT_CHARS_MAX: usize = 2_900;

/// A line that says what it is, and what happened below it.
pub(super) fn body(notice: &Notice) -> Value {
    let label = if notice.ended_at.is_some() { "Resolved" } else { label(notice) };
    let mut text = format!("*{label}: {}*\n{}", escaped(&one_line(&notice.title)), escaped(&notice.text));
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    if let Some(url) = &notice.url {
        text.extend(["\n<", &escaped(url), "|Open the alert>"]);
    }
    json!({ "text": text, "unfurl_links": false })
}

fn label(notice: &Notice) -> &'static str {
    match (notice.step, notice.severity.as_str()) {
        ("reminder", _) => "Still so",
        ("escalated", _) => "Worse",
        (_, "critical") => "Critical",
        (_, "info") => "Info",
        _ => "Warning",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Slack reads `<!channel>` and links out of angle brackets; these three are all that must be escaped.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::spike;
    use super::*;

    #[test]
    fn nobody_can_call_the_whole_channel_by_a_name() {
        let notice = Notice { title: "<!channel>\n*x*".to_owned(), url: None, ..spike() };
        let body = body(&notice);
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("*Warning: &lt;!channel&gt; *x**\nToday"), "{text}");
    }

    #[test]
    fn the_end_is_named_and_a_long_text_is_cut() {
        let notice =
            Notice { ended_at: Some(spike().started_at), step: "resolved", text: "é".repeat(5000), ..spike() };
        let body = body(&notice);
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with("*Resolved: u-17") && text.contains("…\n<https://monitor.example/alerts/1|Open"));
    }
}
