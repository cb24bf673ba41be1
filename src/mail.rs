//! Mails: what they say ([`notice`], [`admin`], [`user_digest`]), how they look ([`render`]), how they travel ([`compose`], [`transport`]).

pub mod admin;
pub mod alert;
pub mod compose;
pub mod figures;
pub mod notice;
mod parts;
pub mod preview;
pub mod render;
pub mod report;
mod smtp;
pub mod text;
pub mod transport;
pub mod user_digest;
