//! Mails: what they say ([`notice`], [`admin`]), how they look ([`render`]), how they travel ([`compose`], [`transport`]).

pub mod admin;
pub mod alert;
pub mod compose;
pub mod figures;
pub mod notice;
pub mod preview;
pub mod render;
mod smtp;
pub mod text;
pub mod transport;
