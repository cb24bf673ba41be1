//! Renders a mail: one view, three templates (subject, text, HTML), compiled in.

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::text::wrapped;
use crate::template::{environment, templates};

/// The longest subject that mail programs show.
const SUBJECT_CHARS_MAX: usize = 180;

const TEMPLATES: &[(&str, &str)] = templates!["templates/":
    "base.html", "base.txt", "macros.html", "macros.txt",
    "alert.subject.txt", "alert.txt", "alert.html",
    "admin_digest.subject.txt", "admin_digest.txt", "admin_digest.html",
    "bulk_event.subject.txt", "bulk_event.txt", "bulk_event.html",
    "model_date_changed.subject.txt", "model_date_changed.txt", "model_date_changed.html",
    "model_deprecated.subject.txt", "model_deprecated.txt", "model_deprecated.html",
    "model_notice.subject.txt", "model_notice.txt", "model_notice.html",
    "model_removed.subject.txt", "model_removed.txt", "model_removed.html",
    "model_returned.subject.txt", "model_returned.txt", "model_returned.html",
    "monitor_trouble.subject.txt", "monitor_trouble.txt", "monitor_trouble.html",
    "user_digest.subject.txt", "user_digest.txt", "user_digest.html",
    "report.txt", "report.html",
    "weekly_report.subject.txt", "weekly_report.txt", "weekly_report.html",
    "admin_report.subject.txt", "admin_report.txt", "admin_report.html",
    "test.subject.txt", "test.txt", "test.html",
];

/// The three parts of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// A template and its view do not fit, which a test of every template excludes.
#[derive(Debug, thiserror::Error)]
#[error("template: {0:#}")]
pub struct Error(#[from] minijinja::Error);

/// The compiled templates.
#[derive(Debug)]
pub struct Renderer(Environment<'static>);

impl Default for Renderer {
    fn default() -> Self {
        Self(environment(TEMPLATES))
    }
}

impl Renderer {
    /// Renders the templates of `name` with a view.
    ///
    /// # Errors
    /// When a template needs what the view does not have.
    pub fn render(&self, name: &str, view: &impl Serialize) -> Result<Rendered, Error> {
        let view = minijinja::Value::from(Serde(view));
        let part = |ending: &str| self.0.get_template(&format!("{name}.{ending}"))?.render(view.clone());
        let subject = part("subject.txt")?;
        let subject: String =
            subject.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SUBJECT_CHARS_MAX).collect();
        Ok(Rendered { subject, text: wrapped(&part("txt")?), html: part("html")? })
    }
}
