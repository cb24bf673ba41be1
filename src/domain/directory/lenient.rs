//! How a platform's own serializer may write a field: nothing as `null`, an id as a number.

use serde::{Deserialize, Deserializer};

/// The default for `null`.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// None for a blank text.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.trim().is_empty()))
}

/// A text, or a whole number.
///
/// # Errors
/// When it is anything else.
pub fn id<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Id::deserialize(from)?.into())
}

/// The same, where there may be none.
///
/// # Errors
/// When it is anything else.
pub fn id_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Id>::deserialize(from)?.map(String::from))
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an id is a text or a whole number")]
enum Id {
    Text(String),
    Whole(i64),
    Large(u64),
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        match id {
            Id::Text(text) => text,
            Id::Whole(number) => number.to_string(),
            Id::Large(number) => number.to_string(),
        }
    }
}
