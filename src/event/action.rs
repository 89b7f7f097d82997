//! What a log line tells that somebody or something did: the words in [`LogWritten::ACTION`].
//!
//! One thing counts once. Where a program writes several lines about one attempt, the line that
//! tells its outcome has the action that is counted ([`FAILED_LOGIN`], [`BAN`],
//! [`SERVICE_FAILED`]); the others have a word of their own.
//!
//! [`LogWritten::ACTION`]: super::system::LogWritten::ACTION

/// A login that failed.
pub const FAILED_LOGIN: &str = "failed_login";
/// A name that the host does not know; the failed login follows if there is one.
pub const INVALID_USER: &str = "invalid_user";
/// PAM refused; the program's own line about the failed login stands beside it.
pub const AUTHENTICATION_FAILURE: &str = "authentication_failure";
/// Somebody logged in.
pub const LOGIN: &str = "login";
/// Somebody who had logged in is gone.
pub const LOGOUT: &str = "logout";
/// A session began that is no login of its own: cron, sudo, su, a seat.
pub const SESSION_OPENED: &str = "session_opened";
/// The end of such a session.
pub const SESSION_CLOSED: &str = "session_closed";
/// A client connected.
pub const CONNECTED: &str = "connected";
/// A client is gone, whether it had logged in or not.
pub const DISCONNECTED: &str = "disconnected";
/// A packet that the firewall did not let through.
pub const BLOCKED: &str = "blocked";
/// A client asked too often.
pub const RATE_LIMITED: &str = "rate_limited";
/// An address was banned.
pub const BAN: &str = "ban";
/// A ban ended.
pub const UNBAN: &str = "unban";
/// A failure was counted towards a ban.
pub const FOUND: &str = "found";
/// A ban was put in force again after a restart.
pub const RESTORE_BAN: &str = "restore_ban";
/// Somebody tried what they may not.
pub const UNAUTHORIZED: &str = "unauthorized";
/// A command was run for somebody.
pub const COMMAND: &str = "command";
/// A user, a group or a password was changed.
pub const ACCOUNT_CHANGED: &str = "account_changed";
/// A web server answered.
pub const HTTP_REQUEST: &str = "http_request";
/// A service started.
pub const SERVICE_STARTED: &str = "service_started";
/// A service that runs once came to its end.
pub const SERVICE_FINISHED: &str = "service_finished";
/// A service stopped.
pub const SERVICE_STOPPED: &str = "service_stopped";
/// A service failed.
pub const SERVICE_FAILED: &str = "service_failed";
/// A service could not be started; that it failed is told by a line of its own.
pub const SERVICE_START_FAILED: &str = "service_start_failed";
/// A service that failed will be started again.
pub const SERVICE_RESTARTING: &str = "service_restarting";
/// The kernel killed a process for its memory.
pub const OUT_OF_MEMORY: &str = "out_of_memory";
/// A process crashed.
pub const CRASHED: &str = "crashed";
/// A device could not be read or written.
pub const IO_ERROR: &str = "io_error";
/// A file system is damaged.
pub const FILESYSTEM_ERROR: &str = "filesystem_error";
/// A network link came up.
pub const LINK_UP: &str = "link_up";
/// A network link went down.
pub const LINK_DOWN: &str = "link_down";

/// All of them.
pub const ALL: &[&str] = &[
    FAILED_LOGIN,
    INVALID_USER,
    AUTHENTICATION_FAILURE,
    LOGIN,
    LOGOUT,
    SESSION_OPENED,
    SESSION_CLOSED,
    CONNECTED,
    DISCONNECTED,
    BLOCKED,
    RATE_LIMITED,
    BAN,
    UNBAN,
    FOUND,
    RESTORE_BAN,
    UNAUTHORIZED,
    COMMAND,
    ACCOUNT_CHANGED,
    HTTP_REQUEST,
    SERVICE_STARTED,
    SERVICE_FINISHED,
    SERVICE_STOPPED,
    SERVICE_FAILED,
    SERVICE_START_FAILED,
    SERVICE_RESTARTING,
    OUT_OF_MEMORY,
    CRASHED,
    IO_ERROR,
    FILESYSTEM_ERROR,
    LINK_UP,
    LINK_DOWN,
];
