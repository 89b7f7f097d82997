//! What a log line tells that happened: the words that stand in its field `action`.

/// Somebody failed to log in.
pub const FAILED_LOGIN: &str = "failed_login";
/// Somebody logged in.
pub const LOGIN: &str = "login";
/// An address was banned.
pub const BAN: &str = "ban";
/// fail2ban found a failure of an address.
pub const FOUND: &str = "found";
/// Somebody did what they may not.
pub const UNAUTHORIZED: &str = "unauthorized";
/// A service was started.
pub const SERVICE_STARTED: &str = "service_started";
