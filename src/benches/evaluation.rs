//! Detectors, and how they fare in a simulated world.

pub(crate) mod detector;
pub(crate) mod explain;
pub(crate) mod forecast;
pub(crate) mod ours;
pub(crate) mod rivals;
pub(crate) mod score;
