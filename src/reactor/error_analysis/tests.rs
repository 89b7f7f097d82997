//! Lines of real shapes, and what they are.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Type and lines that are of it.
const LINES: &[(&str, &[&str])] = &[
    (
        "db_corruption",
        &["sqlite3.DatabaseError: database disk image is malformed"],
    ),
    (
        "db_deadlock",
        &[
            "ERROR:  deadlock detected",
            "psycopg2.errors.DeadlockDetected: deadlock detected",
            "(1213, 'Deadlock found when trying to get lock; try restarting transaction')",
            "ORA-00060: deadlock while waiting for resource",
        ],
    ),
    (
        "db_lock_timeout",
        &[
            "sqlite3.OperationalError: database is locked",
            "Lock wait timeout exceeded; try restarting transaction",
        ],
    ),
    (
        "db_authentication",
        &[
            "FATAL:  password authentication failed for user \"shop\"",
            "Access denied for user 'shop'@'localhost' (using password: YES)",
        ],
    ),
    (
        "db_connection",
        &[
            "psycopg2.OperationalError: could not connect to server: Connection refused",
            "connection to server at \"db\" (192.0.2.7), port 5432 failed: Connection refused",
            "Can't connect to MySQL server on 'db' (111)",
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
            "FATAL:  sorry, too many clients already",
        ],
    ),
    (
        "db_query",
        &[
            "ERROR:  duplicate key value violates unique constraint \"orders_pkey\"",
            "ERROR:  relation \"orders\" does not exist at character 15",
            "sqlite3.OperationalError: no such table: orders",
            "django.db.utils.IntegrityError: NOT NULL constraint failed: shop_order.name",
            "SQLSTATE[42S22]: Column not found: 1054 Unknown column 'x' in 'field list'",
        ],
    ),
    (
        "out_of_memory",
        &[
            "Out of memory: Killed process 812 (postgres) total-vm:8388608kB, anon-rss:4194304kB",
            "mysqld invoked oom-killer: gfp_mask=0x140cca",
            "java.lang.OutOfMemoryError: Java heap space",
            "fork: Cannot allocate memory",
            "terminate called after throwing an instance of 'std::bad_alloc'",
        ],
    ),
    (
        "disk_full",
        &[
            "OSError: [Errno 28] No space left on device: '/var/lib/shop/upload'",
            "ERROR: could not extend file \"base/1/2\": No space left on device",
            "Error: ENOSPC: System limit for number of file watchers reached",
        ],
    ),
    (
        "too_many_files",
        &[
            "accept4() failed (24: Too many open files)",
            "OSError: [Errno 24] Too many open files",
        ],
    ),
    (
        "too_many_processes",
        &[
            "RuntimeError: can't start new thread",
            "-bash: fork: retry: Resource temporarily unavailable",
        ],
    ),
    (
        "read_only_filesystem",
        &[
            "EXT4-fs (sda1): Remounting filesystem read-only",
            "touch: cannot touch 'x': Read-only file system",
        ],
    ),
    (
        "filesystem_damaged",
        &["EXT4-fs error (device sda1): ext4_find_entry:1455: comm ls: reading directory lblock 0"],
    ),
    (
        "disk_io",
        &[
            "blk_update_request: I/O error, dev sda, sector 2048 op 0x0:(READ)",
            "Buffer I/O error on dev sdb1, logical block 0, async page read",
            "cp: error reading 'clip.mp4': Input/output error",
        ],
    ),
    (
        "segmentation_fault",
        &[
            "ffmpeg[812]: segfault at 0 ip 00007f1c error 4 in libavcodec.so[7f1c+1000]",
            "shop.service: Main process exited, code=dumped, status=11/SEGV",
        ],
    ),
    (
        "kernel_fault",
        &[
            "watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
            "INFO: task jbd2:812 blocked for more than 120 seconds.",
        ],
    ),
    (
        "assertion_failed",
        &[
            "shop: main.c:88: pay: Assertion `sum > 0' failed.",
            "AssertionError: 3 != 4",
        ],
    ),
    (
        "tls_failure",
        &[
            "SSL_do_handshake() failed (SSL: error:0A000086:SSL routines::certificate verify failed)",
            "x509: certificate signed by unknown authority",
            "OpenSSL Error[0]: error:0A000416:SSL routines::sslv3 alert certificate unknown; unknown ca",
        ],
    ),
    (
        "dns_failure",
        &[
            "curl: (6) Could not resolve host: example.org",
            "socket.gaierror: [Errno -3] Temporary failure in name resolution",
            "Error: getaddrinfo ENOTFOUND example.org",
        ],
    ),
    (
        "connection_refused",
        &[
            "connect() failed (111: Connection refused) while connecting to upstream",
            "ConnectionRefusedError: [Errno 111] Connection refused",
            "Error: connect ECONNREFUSED 127.0.0.1:8080",
        ],
    ),
    (
        "connection_timeout",
        &[
            "upstream timed out (110: Connection timed out) while reading response header",
            "dial tcp 192.0.2.7:443: i/o timeout",
            "context deadline exceeded",
        ],
    ),
    (
        "network_unreachable",
        &[
            "connect: Network is unreachable",
            "ssh: connect to host nas port 22: No route to host",
            "e1000e: eth0 NIC Link is Down",
        ],
    ),
    (
        "connection_reset",
        &[
            "recv() failed (104: Connection reset by peer)",
            "write: Broken pipe",
            "Error: socket hang up",
        ],
    ),
    (
        "address_in_use",
        &["bind() to 0.0.0.0:80 failed (98: Address already in use)"],
    ),
    (
        "authentication_failed",
        &[
            "pam_unix(sshd:auth): authentication failure; logname= uid=0",
            "Client <unknown> disconnected, not authorised.",
        ],
    ),
    (
        "permission_denied",
        &[
            "open() \"/srv/x\" failed (13: Permission denied)",
            "PermissionError: [Errno 13] Permission denied: '/dev/video0'",
            "audit: apparmor=\"DENIED\" operation=\"open\" profile=\"cupsd\"",
            "bo : user NOT in sudoers ; TTY=pts/0",
        ],
    ),
    (
        "file_not_found",
        &[
            "open() \"/srv/www/favicon.ico\" failed (2: No such file or directory)",
            "error while loading shared libraries: libx.so.1: cannot open shared object file",
            "Error: ENOENT, open 'config.json'",
        ],
    ),
    (
        "python_exception",
        &[
            "Traceback (most recent call last):\n  File \"shop/cart.py\", line 88, in pay\n    sum(x)\nKeyError: 'x'",
            "ValueError: invalid literal for int() with base 10: 'x'",
        ],
    ),
    (
        "java_exception",
        &[
            "Exception in thread \"main\" java.lang.IllegalStateException: closed\n\tat shop.Cart.pay(Cart.java:88)",
        ],
    ),
    (
        "rust_panic",
        &["thread 'main' panicked at src/main.rs:88:5:\nindex out of bounds"],
    ),
    (
        "go_panic",
        &["panic: runtime error: index out of range [3] with length 3"],
    ),
    (
        "node_exception",
        &[
            "TypeError: Cannot read properties of undefined (reading 'x')\n    at pay (/srv/shop/cart.js:88:5)",
        ],
    ),
    (
        "php_error",
        &[
            "PHP Fatal error:  Uncaught Error: Call to undefined function x() in /srv/shop/cart.php:88",
        ],
    ),
    (
        "service_failed",
        &[
            "Failed to start nginx.service - A high performance web server.",
            "shop.service: Failed with result 'exit-code'.",
        ],
    ),
    (
        "configuration_error",
        &["unknown directive \"listne\" in /etc/nginx/nginx.conf:12"],
    ),
    (
        "http_server_error",
        &[
            "203.0.113.9 - - [20/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 502 157",
            "Internal Server Error: /cart",
        ],
    ),
    ("unknown", &["something odd happened", ""]),
];

#[test]
fn lines_of_real_shapes_are_of_their_type() {
    for (name, lines) in LINES {
        for line in *lines {
            assert_eq!(error_type(line), *name, "{line}");
            assert_eq!(analyse(line).error_type, *name);
        }
    }
}

#[test]
fn every_type_has_a_line_a_known_category_and_advice() {
    let shown: BTreeSet<_> = LINES.iter().map(|(name, _)| *name).collect();
    let categories = [
        "application",
        "database",
        "resource",
        "network",
        "security",
        "filesystem",
        "system",
    ];
    let mut names = BTreeSet::new();
    for kind in table::types() {
        assert!(names.insert(kind.name), "{} twice", kind.name);
        assert!(shown.contains(kind.name), "{} has no line", kind.name);
        assert!(categories.contains(&kind.category), "{}", kind.name);
        assert!(!kind.hints.is_empty() && !kind.suggestions.is_empty());
        for word in kind.words.iter().copied().flatten() {
            assert_eq!(*word, word.to_ascii_lowercase(), "{}", kind.name);
        }
    }
}

#[test]
fn file_line_code_and_exception_are_picked_out() {
    type Expected<'e> = (
        &'e str,
        Option<&'e str>,
        Option<(&'e str, i64)>,
        Option<&'e str>,
        bool,
    );
    let cases: &[Expected<'_>] = &[
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 7, in x\n  File \"shop/b.py\", line 88, in y\nshop.errors.NoMoney: none",
            Some("NoMoney"),
            Some(("shop/b.py", 88)),
            None,
            true,
        ),
        (
            "OSError: [Errno 28] No space left on device",
            Some("OSError"),
            None,
            Some("ENOSPC"),
            false,
        ),
        (
            "connect() failed (111: Connection refused)",
            None,
            None,
            Some("ECONNREFUSED"),
            false,
        ),
        (
            "cannot open (os error 2)",
            None,
            None,
            Some("ENOENT"),
            false,
        ),
        (
            "SQLSTATE[42P01]: Undefined table",
            None,
            None,
            Some("42P01"),
            false,
        ),
        (
            "ERROR: x (SQLSTATE 40P01)",
            None,
            None,
            Some("40P01"),
            false,
        ),
        ("ORA-00060: deadlock", None, None, Some("ORA-00060"), false),
        (
            "Main process exited, code=killed, status=9/KILL",
            None,
            None,
            Some("9/KILL"),
            false,
        ),
        (
            "thread 'x' panicked at src/main.rs:88:5:",
            None,
            Some(("src/main.rs", 88)),
            None,
            false,
        ),
        (
            "java.lang.IllegalStateException: closed\n\tat shop.Cart.pay(Cart.java:88)",
            Some("IllegalStateException"),
            Some(("Cart.java", 88)),
            None,
            true,
        ),
        (
            "Warning: x in /srv/shop/my cart.php on line 12",
            None,
            Some(("/srv/shop/my cart.php", 12)),
            None,
            false,
        ),
        ("at 12:30:07 the Error was here: 7", None, None, None, false),
        ("EXTREME EVENTS", None, None, None, false),
    ];
    for (line, exception, place, code, has_stacktrace) in cases {
        let found = analyse(line);
        assert_eq!(found.exception.as_deref(), *exception, "{line}");
        assert_eq!(found.file.as_deref().zip(found.line), *place, "{line}");
        assert_eq!(found.code.as_deref(), *code, "{line}");
        assert_eq!(found.has_stacktrace, *has_stacktrace, "{line}");
    }
}

proptest! {
    #[test]
    fn no_line_is_too_odd(line in any::<String>(), pieces in "(\\(|: |File \"|, line |status=|\\[Errno |SQLSTATE|\\.rs:|ü|9{0,30}){0,12}") {
        for text in [&line, &pieces] {
            let found = analyse(text);
            for part in [found.exception, found.file] {
                prop_assert!(part.is_none_or(|part| text.contains(&part)));
            }
        }
    }
}
