//! Case files: evidence around one incident in a single file.
//!
//! What works on pictures is here without a database, a clock or files: pictures come in, pictures
//! go out.

pub mod consensus;
pub mod frames;
pub mod ocr;
pub mod pipeline;
pub mod sniff;
