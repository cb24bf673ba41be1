//! What happened to a model between two lists, as it is stored, shown and told to the admins.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::model_id::ModelId;
use super::price;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kinds of change. The names are part of the contract of `replay` and the metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ChangeKind { $($(#[$doc])* $variant,)* }

        impl ChangeKind {
            /// All kinds, for what must be exported as zero.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// The absence was concluded to be the end.
    Removed = "removed",
    /// A removed model is listed again.
    Returned = "returned",
    /// Another id took over the canonical slug.
    Renamed = "renamed",
    /// An expiration date was set.
    Deprecated = "deprecated",
    /// It was replaced by another.
    DeprecationMoved = "deprecation_moved",
    /// It was taken back.
    DeprecationCleared = "deprecation_cleared",
    /// A modality or feature went.
    CapabilityLost = "capability_lost",
    /// A modality or feature came.
    CapabilityGained = "capability_gained",
    /// The context length changed.
    ContextChanged = "context_changed",
    /// The price schedule changed.
    Repriced = "repriced",
    /// An alias follows another model.
    AliasRetargeted = "alias_retargeted",
    /// A new row.
    Added = "added",
}

impl ChangeKind {
    /// The kind of a stored name; `None` for a name from a newer version.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When the list was fetched that showed it.
    pub at: DateTime<Utc>,
    /// The model, by the id that its users know.
    pub model: ModelId,
    /// What happened.
    pub kind: ChangeKind,
    /// What was, as JSON; null where nothing was.
    pub before: Value,
    /// What is, as JSON; null where nothing is.
    pub after: Value,
}

impl Change {
    /// The change in words, without the model's name.
    #[must_use]
    pub fn describe(&self) -> String {
        let (before, after) = (plain(&self.before), plain(&self.after));
        match self.kind {
            ChangeKind::Removed => "no longer served".to_owned(),
            ChangeKind::Returned => "listed again".to_owned(),
            ChangeKind::Renamed => format!("now {after}"),
            ChangeKind::Deprecated => format!("will be withdrawn on {after}"),
            ChangeKind::DeprecationMoved => format!("withdrawal moved from {before} to {after}"),
            ChangeKind::DeprecationCleared => format!("withdrawal on {before} taken back"),
            ChangeKind::CapabilityLost => format!("lost {before}"),
            ChangeKind::CapabilityGained => format!("gained {after}"),
            ChangeKind::ContextChanged => format!("context {before} → {after} tokens"),
            ChangeKind::Repriced => describe_prices(&self.before, &self.after),
            ChangeKind::AliasRetargeted => format!("{before} → {after}"),
            ChangeKind::Added => "new".to_owned(),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        // What a vendor announced, and not OpenRouter.
        Value::Object(end) if end.contains_key("by") => {
            let part = |key: &str| end.get(key).and_then(Value::as_str).unwrap_or_default();
            format!("{} by {} ({})", part("on"), part("by"), part("source"))
        }
        other => other.to_string(),
    }
}

/// `prompt 1 → 2, completion 3 → 4 $/M` for the base prices that differ; schedules are only named.
fn describe_prices(before: &Value, after: &Value) -> String {
    let base = |prices: &Value, key: &str| prices.get("base").and_then(|base| base.get(key)?.as_str()).map(per_million);
    let mut parts = Vec::new();
    for key in ["prompt", "completion"] {
        let (old, new) = (base(before, key), base(after, key));
        if old != new {
            let show = |price: Option<String>| price.unwrap_or_else(|| "0".to_owned());
            parts.push(format!("{key} {} → {}", show(old), show(new)));
        }
    }
    if parts.is_empty() { "other prices or tiers changed".to_owned() } else { format!("{} $/M", parts.join(", ")) }
}

fn per_million(price: &str) -> String {
    price.parse().map_or_else(|_| price.to_owned(), price::per_million)
}
