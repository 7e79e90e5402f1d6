//! A span's attributes on disk: values without their keys. Spans of one kind have the same keys, and those are more than
//! half of the bytes; a list of keys is stored once, as a shape.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Two JSON arrays in the same order: the keys, and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(super) keys: String,
    pub(super) values: String,
}

impl Attributes {
    /// `None` when there are none.
    pub(crate) fn new<'a, V: Serialize>(pairs: impl Iterator<Item = (&'a str, V)> + Clone) -> Option<Self> {
        pairs.clone().next()?;
        let keys = array(pairs.clone().map(|(key, _)| key));
        Some(Self { keys, values: array(pairs.map(|(_, value)| value)) })
    }

    /// The JSON object that they are.
    pub(crate) fn to_object(&self) -> String {
        join(&self.keys, &self.values)
    }
}

/// The JSON object of what is stored: `stored` are values if there are `keys`, else it is the object.
pub(crate) fn object<'a>(keys: Option<&str>, stored: &'a str) -> Cow<'a, str> {
    keys.map_or(Cow::Borrowed(stored), |keys| Cow::Owned(join(keys, stored)))
}

/// The same apart, without the way round by an object: what is in `keys`, which many spans have,
pub(crate) fn keys(keys: &str) -> Vec<String> {
    serde_json::from_str(keys).unwrap_or_default()
}

/// and what each has to them.
pub(crate) fn values(values: &str) -> Vec<&RawValue> {
    serde_json::from_str(values).unwrap_or_default()
}

fn array<T: Serialize>(items: impl Iterator<Item = T>) -> String {
    let mut json = Vec::with_capacity(128);
    serde_json::Serializer::new(&mut json)
        .collect_seq(items)
        .expect("text and finite numbers are always JSON");
    String::from_utf8(json).expect("JSON is text")
}

fn join(keys: &str, values: &str) -> String {
    let parse = |array| serde_json::from_str::<Vec<&RawValue>>(array).unwrap_or_default();
    let mut object = String::with_capacity(keys.len() + values.len());
    object.push('{');
    for (key, value) in parse(keys).into_iter().zip(parse(values)) {
        if object.len() > 1 {
            object.push(',');
        }
        object.push_str(key.get());
        object.push(':');
        object.push_str(value.get());
    }
    object.push('}');
    object
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn apart_and_together() {
        let check = |pairs: &[(&str, Value)], keys: &str, values: &str, whole: &str| {
            let attributes = Attributes::new(pairs.iter().map(|(key, value)| (*key, value))).unwrap();
            assert_eq!((attributes.keys.as_str(), attributes.values.as_str()), (keys, values));
            assert_eq!(attributes.to_object(), whole);
            assert_eq!(object(Some(keys), values), whole);
            let members: Vec<_> = self::keys(keys)
                .into_iter()
                .zip(self::values(values).iter().map(|value| value.get().to_owned()))
                .collect();
            let expect: Vec<_> =
                pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
            assert_eq!(members, expect);
        };
        check(&[("a", json!(1))], r#"["a"]"#, "[1]", r#"{"a":1}"#);
        check(
            &[("\"ä\n", json!("x,]")), ("", json!(null)), ("k", json!({"b": [1, {}]}))],
            r#"["\"ä\n","","k"]"#,
            r#"["x,]",null,{"b":[1,{}]}]"#,
            r#"{"\"ä\n":"x,]","":null,"k":{"b":[1,{}]}}"#,
        );
        // A key that comes twice comes out twice, as it went in.
        check(&[("a", json!(1)), ("a", json!(2))], r#"["a","a"]"#, "[1,2]", r#"{"a":1,"a":2}"#);
        assert_eq!(Attributes::new(std::iter::empty::<(&str, Value)>()), None);
        assert_eq!(object(None, r#"{"as":"it was"}"#), r#"{"as":"it was"}"#);
    }
}
