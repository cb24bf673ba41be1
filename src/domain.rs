//! The pure heart: what happened to a model, who must hear of it, when a job is due.
//!
//! Nothing here does I/O, awaits, reads a clock or knows SQL; what needs the time takes `now`.

pub mod account;
pub mod alert;
pub mod announcement;
pub mod answer;
pub mod baseline;
pub mod catalog;
pub mod change;
pub mod channel;
pub mod detect;
pub mod diff;
pub mod directory;
pub mod execution;
pub mod finding;
pub mod incident;
pub mod key;
pub mod lifecycle;
pub mod mail_kind;
pub mod model;
pub mod model_id;
pub mod money;
pub mod news;
pub mod outcome;
pub mod period;
pub mod poll;
pub mod price;
pub mod price_book;
pub mod pricing;
pub mod provider;
pub mod quiet;
pub mod reading;
pub mod reconcile;
pub mod replacement;
pub mod rollup;
pub mod rule;
pub mod schedule;
pub mod silence;
pub mod vendor_end;
pub mod vendor_id;
pub mod week;
