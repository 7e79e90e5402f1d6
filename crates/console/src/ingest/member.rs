//! One attribute of a span, read where it lies. Nearly all of them are a key and a plain value, and a message of its own for
//! each, with its texts copied, took a third of decoding.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::{DecodeError, Message};
use serde::{Serialize, Serializer};

use super::decode::{Attribute, serialize_double};

/// A value as it lies in the request.
#[derive(Debug)]
pub(super) enum Member<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Other(Option<AnyValue>),
}

/// A `KeyValue` in protobuf.
pub(super) fn member(bytes: &[u8]) -> Result<(Cow<'_, str>, Member<'_>), DecodeError> {
    if let Some((key, value)) = plain_member(bytes) {
        return Ok((Cow::Borrowed(key), value));
    }
    let KeyValue { key, value, .. } = KeyValue::decode(bytes)?;
    Ok((Cow::Owned(key), Member::Other(value)))
}

/// The same of what every encoder writes for a plain value: the key, then the value, nothing twice, nothing else. `None`
/// leaves everything unusual to `prost`.
fn plain_member(bytes: &[u8]) -> Option<(&str, Member<'_>)> {
    const TEXT_1: u8 = 1 << 3 | 2;
    const MESSAGE_2: u8 = 2 << 3 | 2;
    const BOOL_2: u8 = 2 << 3;
    const INT_3: u8 = 3 << 3;
    const DOUBLE_4: u8 = 4 << 3 | 1;
    let (key, rest) = delimited(bytes.strip_prefix(&[TEXT_1])?)?;
    let (value, rest) = delimited(rest.strip_prefix(&[MESSAGE_2])?)?;
    let (tag, content) = value.split_first()?;
    let member = match *tag {
        TEXT_1 => {
            let (text, rest) = delimited(content)?;
            rest.is_empty().then_some(Member::Text(std::str::from_utf8(text).ok()?))?
        }
        BOOL_2 => match content {
            [0] => Member::Bool(false),
            [1] => Member::Bool(true),
            _ => return None,
        },
        INT_3 => {
            let (number, rest) = varint(content)?;
            rest.is_empty().then_some(Member::Int(number as i64))?
        }
        DOUBLE_4 => Member::Double(f64::from_le_bytes(content.try_into().ok()?)),
        _ => return None,
    };
    rest.is_empty().then_some((std::str::from_utf8(key).ok()?, member))
}

/// What has its length before it, and what follows.
fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Of at most nine bytes, the tenth of which would say whether it is too large.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (place * 7);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[place + 1..]));
        }
    }
    None
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Double(number) => serialize_double(*number, serializer),
            Self::Other(value) => Attribute(value.as_ref()).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::ArrayValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Option<AnyValue>> {
        let plain = prop_oneof![
            any::<String>().prop_map(Any::StringValue),
            any::<bool>().prop_map(Any::BoolValue),
            any::<i64>().prop_map(Any::IntValue),
            (0_i64..300).prop_map(Any::IntValue),
            any::<f64>().prop_map(Any::DoubleValue),
            "[a-z]{120,140}".prop_map(Any::StringValue),
            prop::collection::vec(any::<u8>(), 0..4).prop_map(Any::BytesValue),
            Just(Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: None }] })),
        ];
        prop::option::of(prop::option::of(plain).prop_map(|value| AnyValue { value }))
    }

    fn check(bytes: &[u8]) {
        let ours =
            member(bytes).map(|(key, value)| (key.into_owned(), serde_json::to_string(&value).unwrap()));
        let theirs = KeyValue::decode(bytes)
            .map(|it| (it.key, serde_json::to_string(&Attribute(it.value.as_ref())).unwrap()));
        assert_eq!(ours.ok(), theirs.ok(), "{bytes:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_comes_is_read_as_prost_reads_it(
            key in ".{0,6}",
            value in value(),
            harms in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            length in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut bytes = KeyValue { key, value, ..KeyValue::default() }.encode_to_vec();
            check(&bytes);
            for (place, byte) in harms {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    bytes[place] = byte;
                }
            }
            bytes.truncate(length.map_or(bytes.len(), |length| length.index(bytes.len() + 1)));
            check(&bytes);
        }
    }
}
