//! Watches the models, the spend and the credit of a platform built on OpenRouter, and tells the right person in
//! time, once.
//!
//! Data flows one way: what comes in ([`openrouter`], [`feeds`], [`directory`], [`http`]) meets the pure heart
//! ([`domain`]) in a [`job`], and leaves through the [`store`]'s outbox as a [`mail`] or, to admins' other channels, by
//! [`notify`].
//!
//! ```text
//!    in                         heart (pure)                     out
//! openrouter ─▶ job::models ─▶ domain: catalog, diff,  ─▶ store::outbox ─▶ job::deliver ─▶ mail, notify
//! directory  ─▶ store          lifecycle, news             store::models ─▶ http, gauges ─▶ metrics
//! scheduler  ─▶ job::runner ─▶ domain::schedule
//! ```
//!
//! What always holds (a test reads the source to keep it so):
//!
//! 1. `domain` does no I/O, awaits nothing, and asks nobody the time.
//! 2. SQL, and the crate that speaks it, stand only in `store`.
//! 3. `http` fetches nothing from outside and sends no mail ([`keys`] asks OpenRouter about a key that a user stores);
//!    jobs never see a request.
//! 4. A mail exists only because the transaction that changed some state also enqueued it, by [`store::post`], which
//!    minds what its recipient wants.
//! 5. Only [`clock::SystemClock`] reads the time.
//! 6. A run of a job is a slot claimed in the database; the [`scheduler`] only wakes the [`job::runner`].

pub mod allowance;
pub mod app;
pub mod balances;
pub mod classify;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod directory;
pub mod doctor;
pub mod domain;
pub mod feeds;
pub mod gauges;
pub mod http;
pub mod ingest;
pub mod job;
pub mod keys;
pub mod mail;
pub mod market;
pub mod metrics;
pub mod notify;
pub mod openrouter;
pub mod otlp;
pub mod replay;
pub mod scheduler;
pub mod spend;
pub mod store;
mod template;
mod turns;
pub mod vault;
pub mod watch;
