//! Messages that became no event of their own, and events that no projection could take.

use serde::{Deserialize, Serialize};

/// The bytes of a message that cannot be decoded; the event's text says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undecodable {
    /// The payload as it came, secrets taken out where they could be found.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
}

/// The bytes of a message for whose topic there is no rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unmapped {
    /// The payload as it came.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
}

/// The event at `cause`, right before this one, could not be folded and is skipped by all
/// projections; the event's text says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The projection that refused it.
    pub projection: String,
}

/// A publisher gave two contents one id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdConflicted {
    /// The id.
    pub id: String,
    /// Position of the first message with it.
    pub first_position: i64,
}

/// A byte string in CBOR (not an array of numbers).
pub mod bytes {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    /// Writes a byte string.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads a byte string, or an array of numbers as JSON has it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }

    struct BytesVisitor;

    impl<'de> Visitor<'de> for BytesVisitor {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

/// An optional byte string.
pub mod opt_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes a byte string or null.
    pub fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_bytes(bytes),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a byte string or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "super::bytes")] Vec<u8>);
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
    }
}
