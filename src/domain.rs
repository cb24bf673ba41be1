//! The pure heart: what happened to a model, who must hear of it, when a job is due.
//!
//! Nothing here does I/O, awaits, reads a clock or knows SQL; what needs the time takes `now`.

pub mod alert;
pub mod catalog;
pub mod change;
pub mod diff;
pub mod directory;
pub mod lifecycle;
pub mod model;
pub mod model_id;
pub mod news;
pub mod price;
pub mod schedule;
