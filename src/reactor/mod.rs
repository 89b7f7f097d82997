//! What the house concludes from what happens: the logic, without its hands.
//!
//! Each file is one question with all that its answer depends on as arguments: whether a moment lies
//! in a window, when the sun sets, whether a PIN is right, what the alarm does next, who is at home.
//! Nothing here reads a clock or a file, draws a random number, or remembers anything between two
//! calls; so every answer can be asked again, in a test or after a restart, and comes out the same.

pub mod alarm;
pub mod household;
pub mod pin;
pub mod sun;
pub mod time_window;
