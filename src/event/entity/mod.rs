//! Entities: who and what events are about, under one name each, however it was written.
//!
//! [`Entity::new`] is the only way to one, so that equal entities have equal values and ids.
//! `canonical` holds the rules of each type, [`mentions`] finds entities in a line of text.

mod canonical;
pub mod mentions;
pub mod of_event;
mod top_level;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

/// Longest value, as written and in canonical form, bytes.
pub const VALUE_MAX_BYTES: usize = 1_024;

/// The namespaces of ids; a type's code stands in the last digits of their second and last groups.
const NAMESPACES: u128 = 0xa1b2_c3d4_0000_0000_0000_0000_0000_0000;

macro_rules! entity_types {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal;)*) => {
        /// What sort of thing an entity is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EntityType { $($(#[$doc])* $variant,)* }

        impl EntityType {
            /// Every type, by code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// As stored and sent.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// As stored where bytes count; part of every id, and therefore never changed.
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

entity_types! {
    /// An account's name: `alice`, or `corp:alice` within a domain.
    User = 1 "user";
    /// An IP address, the IPv6 ones written out.
    Ip = 2 "ip";
    /// A machine's name.
    Host = 3 "host";
    /// A program's name, without its path and number.
    Process = 4 "process";
    /// A file or folder by its absolute path.
    FilePath = 5 "file";
    /// A domain name of the DNS.
    Domain = 6 "domain";
    /// A camera's id.
    Camera = 7 "camera";
    /// A sensor's id.
    Sensor = 8 "sensor";
    /// A pet's id.
    Pet = 9 "pet";
    /// A person: the number of a face's profile, or a member of the household.
    Person = 10 "person";
}

impl EntityType {
    /// The type with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EntityType {
    type Err = UnknownEntityType;

    fn from_str(name: &str) -> Result<Self, UnknownEntityType> {
        let found = Self::ALL.iter().copied().find(|kind| kind.name() == name);
        found.ok_or(UnknownEntityType)
    }
}

/// A word that is the name of no type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "no type of entity; expected user, ip, host, process, file, domain, camera, sensor, pet or \
     person"
)]
pub struct UnknownEntityType;

/// Why a text names no entity of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntityError {
    /// Nothing is left.
    #[error("it is empty")]
    Empty,
    /// Longer than [`VALUE_MAX_BYTES`].
    #[error("it is longer than {VALUE_MAX_BYTES} bytes")]
    TooLong,
    /// A line end, an escape, a zero byte.
    #[error("it holds a control character")]
    ControlCharacter,
    /// Neither IPv4 (four numbers without leading zeros) nor IPv6.
    #[error("it is no IP address")]
    NotAnAddress,
    /// Not the name of a host or a domain (RFC 1123 §2.1).
    #[error("it is no name of a host or a domain")]
    NotAHostName,
    /// More than a domain and a name, or one without the other.
    #[error("it is no user's name, with or without one domain")]
    NotAUser,
    /// A relative path.
    #[error("it is no absolute path")]
    NotAbsolute,
    /// Where `..` leads to, only the file system knows.
    #[error("it holds ..")]
    Climbs,
}

/// One thing that events are about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    kind: EntityType,
    value: String,
}

impl Entity {
    /// The entity that `raw` names, whichever way it is written.
    pub fn new(kind: EntityType, raw: &str) -> Result<Self, EntityError> {
        let value = canonical::of(kind, raw)?;
        Ok(Self { kind, value })
    }

    /// Its type.
    pub const fn kind(&self) -> EntityType {
        self.kind
    }

    /// Its name in canonical form.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Its id: the `UUIDv5` (RFC 9562 §5.5) of its value in the namespace of its type,
    /// `a1b2c3d4-000N-0000-0000-00000000000N` with the type's code for N (hex). Other programs that
    /// name entities this way give the same.
    pub fn uuid(&self) -> Uuid {
        let code = u128::from(self.kind.code());
        let namespace = Uuid::from_u128(NAMESPACES | code << 80 | code);
        Uuid::new_v5(&namespace, self.value.as_bytes())
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.value)
    }
}

#[cfg(test)]
mod tests;
