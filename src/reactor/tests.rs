//! What the tests of the reactors share.

pub(crate) mod bench;
