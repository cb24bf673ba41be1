//! Raw server-sent events, as forgiving as transcripts are careless.

use serde_json::Value;

use super::Hints;
use super::gather::Gathered;
use crate::domain::reading::Reading;

/// Reads a transcript; `None` if it is none, such as a page, whose scripts and styles may look like one. Comments,
/// unknown fields and events that are no JSON are skipped. Blank lines between events may be missing, as may `data:`
/// before JSON.
pub(super) fn read(transcript: &str, hints: &Hints) -> Option<Reading> {
    if transcript.starts_with('<') {
        return None;
    }
    let mut gathered = Gathered::new(hints, true);
    let mut events = Events { transcript: false, bare: 0, event: None, data: String::new() };
    for line in transcript.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')) {
        events.line(line, &mut gathered);
    }
    events.dispatch(&mut gathered);
    // One object alone is a body behind some other text.
    (events.transcript || events.bare > 1).then(|| gathered.read())
}

/// The event that is being put together.
struct Events<'a> {
    /// Whether anything was an event stream's.
    transcript: bool,
    /// Lines that are objects, without `data:`.
    bare: usize,
    event: Option<&'a str>,
    data: String,
}

impl<'a> Events<'a> {
    fn line(&mut self, line: &'a str, gathered: &mut Gathered) {
        if line.starts_with(':') {
            self.transcript = true;
        }
        // Transcripts are pasted with their indentation.
        let line = line.trim_start();
        if line.is_empty() {
            self.dispatch(gathered);
        } else if let Some(data) = line.strip_prefix("data:") {
            self.transcript = true;
            self.data(data.trim(), gathered);
        } else if let Some(event) = line.strip_prefix("event:") {
            self.transcript = true;
            self.event = Some(event.trim());
        } else if line.starts_with('{') {
            self.bare += usize::from(self.document(line, gathered));
        }
    }

    /// One line of data is mostly a whole event; if not, it is kept until the blank line.
    fn data(&mut self, data: &str, gathered: &mut Gathered) {
        if data == "[DONE]" {
            gathered.close();
        } else if !self.document(data, gathered) {
            self.data.push_str(data);
            self.data.push('\n');
        }
    }

    fn dispatch(&mut self, gathered: &mut Gathered) {
        let data = std::mem::take(&mut self.data);
        if !data.is_empty() {
            self.document(&data, gathered);
        }
        self.event = None;
    }

    fn document(&self, data: &str, gathered: &mut Gathered) -> bool {
        let Ok(document @ Value::Object(_)) = serde_json::from_str(data) else { return false };
        gathered.absorb(&document, self.event);
        true
    }
}
