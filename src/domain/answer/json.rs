//! Lenient access to JSON that somebody else wrote.

use serde_json::Value;

/// A string that says something.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// An object that holds something.
pub(super) fn object<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|inner| inner.is_object() && gives(inner))
}

/// The items of an array; nothing if it is none.
pub(super) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether there is something in it: a text, an item, a field.
pub(super) fn gives(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}

/// A count, written as a whole number, as a float without a fraction or as a string of digits.
pub(super) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| number.to_string().strip_suffix(".0")?.parse().ok()),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// At most the first `limit` characters.
pub(super) fn head(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_read_in_any_notation() {
        let check = |value: Value, expected: Option<u64>| assert_eq!(count(&value), expected, "{value}");
        check(json!(12), Some(12));
        check(json!(12.0), Some(12));
        check(json!("12"), Some(12));
        check(json!(-1), None);
        check(json!(1.5), None);
        check(json!(null), None);
    }

    #[test]
    fn a_head_ends_between_characters() {
        assert_eq!(head("äöü", 2), "äö");
        assert_eq!(head("äöü", 9), "äöü");
    }
}
