//! Evaluates the rules.

use chrono::TimeDelta;

use super::Spec;
use crate::watch;

/// The rules.
pub(super) const SPEC: Spec = Spec {
    name: "rules",
    what: "Judges spend, failures and credit by the rules",
    timeout: TimeDelta::minutes(10),
    attempts: 3,
    run: |context| Box::pin(async move { watch::evaluate(&context).await }),
};
