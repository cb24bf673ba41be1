//! The integration tests: one binary, so that it links once. Each module says what it proves; [`harness`] holds the
//! parts they share. Tests that need something beside this repository are ignored unless asked for, and say what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "some tests tell their figures")]

mod account;
mod api;
mod architecture;
mod canary;
mod captured;
mod captured_account;
mod captured_answers;
mod captured_feeds;
mod captured_prices;
mod captured_traces;
mod crash;
mod credit;
mod credit_load;
mod delivery;
mod deploy;
mod doctor;
mod executions;
mod feeds;
mod harness;
mod http;
mod keys;
mod missing;
mod mocked;
mod models;
mod news;
mod notify;
mod polls;
mod post;
mod process;
mod pull;
mod real_smtp;
mod replacement;
mod replay;
mod reports;
mod rules;
mod scheduling;
mod snapshots;
mod store;
mod vault;
