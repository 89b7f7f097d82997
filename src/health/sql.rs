//! Every statement of the module, by name, so that a test can ask the engine how it runs them.
//!
//! `?1` and `?2` are the range of time (from inclusive, to exclusive). Of the statements over log
//! lines, `?3` is the machine and `?4` the source or program, NULL for all.

/// The lines `l` within the range, with the name `n` of their source. Lines come first: their index
/// finds the range, and a name is one look-up.
macro_rules! lines {
    ($columns:literal, $which:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM log_lines l CROSS JOIN names n ON n.id = l.source WHERE ",
            $which,
            " AND l.at >= ?1 AND l.at < ?2 \
             AND (?3 IS NULL OR substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) = ?3) \
             AND (?4 IS NULL OR substr(n.name, 5 + instr(substr(n.name, 5), '/')) = ?4 \
                  OR l.service = ?4) ",
            $rest
        )
    };
}

/// The machines of a table with an index that begins with the machine: one look-up each.
macro_rules! hosts {
    ($table:literal) => {
        concat!(
            "WITH RECURSIVE known (host) AS (SELECT min(host) FROM ",
            $table,
            " UNION ALL SELECT (SELECT min(host) FROM ",
            $table,
            " WHERE host > known.host) FROM known WHERE known.host IS NOT NULL) \
             SELECT host FROM known WHERE host IS NOT NULL"
        )
    };
}

macro_rules! statements {
    ($($(#[$about:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$about])* pub const $name: &str = $sql;)*

        /// All of them with their names.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

statements! {
    /// Failed logins, oldest first.
    FAILED_LOGINS = lines!(
        "l.at, l.ip, l.user, coalesce(l.service, substr(n.name, 5 + instr(substr(n.name, 5), '/')))",
        "l.action = 'failed_login'",
        "ORDER BY l.at"
    );
    /// How often each notable thing happened.
    ACTIONS = lines!(
        "l.action, count(*)",
        "l.action IN ('failed_login', 'login', 'ban', 'unban', 'unauthorized')",
        "GROUP BY l.action"
    );
    /// Bans, the newest first; `?5` at most.
    BANS = lines!(
        "l.at, l.ip, l.service, substr(n.name, 5, instr(substr(n.name, 5), '/') - 1), l.position",
        "l.action = 'ban'",
        "ORDER BY l.at DESC LIMIT ?5"
    );
    /// What somebody tried that they may not, the newest first; `?5` at most.
    UNAUTHORIZED = lines!(
        "l.at, l.ip, l.user, l.service, \
         substr(n.name, 5, instr(substr(n.name, 5), '/') - 1), \
         (SELECT e.text FROM event_log e WHERE e.position = l.position), l.position",
        "l.action = 'unauthorized'",
        "ORDER BY l.at DESC LIMIT ?5"
    );
    /// Whether any line was written at all.
    ANY_LINE = lines!("1", "1", "LIMIT 1");
    /// Bad lines of level `?5` at least, the newest first; `?6` at most.
    BAD_LINES = lines!(
        "l.at, l.level, substr(n.name, 5, instr(substr(n.name, 5), '/') - 1), \
         substr(n.name, 5 + instr(substr(n.name, 5), '/')), l.service, l.position, \
         (SELECT substr(e.text, 1, 1000) FROM event_log e WHERE e.position = l.position)",
        "l.level >= 2 AND l.level >= ?5",
        "ORDER BY l.at DESC LIMIT ?6"
    );
    /// Bad lines by level.
    LEVELS = lines!("l.level, count(*)", "l.level >= 2", "GROUP BY l.level");
    /// What traces of errors found out, by type; `?5` at most.
    ERROR_TYPES =
        "SELECT r.error_type, r.error_category, count(*), count(DISTINCT t.host), \
         max(t.severity_score), min(r.at), max(r.at), max(t.id) \
         FROM trace_errors r CROSS JOIN traces t ON t.id = r.trace_id \
         WHERE r.at >= ?1 AND r.at < ?2 AND (?3 IS NULL OR t.host = ?3) \
         AND (?4 IS NULL OR t.service = ?4) \
         GROUP BY r.error_type, r.error_category ORDER BY count(*) DESC, r.error_type LIMIT ?5";

    /// Addresses whose stored score is `?1` at least.
    THREATS =
        "SELECT ip, type, is_whitelisted, is_blacklisted, threat_score, first_seen_at, \
         last_seen_at, total_events, failed_logins, bans, successful_logins, country_code, city, \
         asn, updated_at FROM ip_reputations WHERE threat_score >= ?1";
    /// One address.
    ADDRESS =
        "SELECT ip, type, is_whitelisted, is_blacklisted, threat_score, first_seen_at, \
         last_seen_at, total_events, failed_logins, bans, successful_logins, country_code, city, \
         asn, updated_at FROM ip_reputations WHERE ip = ?1";
    /// The newest lines that name one address; `?2` at most.
    ADDRESS_LINES =
        "SELECT l.at, l.action, l.user, l.service, \
         (SELECT e.text FROM event_log e WHERE e.position = l.position), l.position \
         FROM log_lines l WHERE l.ip = ?1 ORDER BY l.at DESC LIMIT ?2";

    /// The machines that told of their processor and memory.
    SYSTEM_HOSTS = hosts!("system_samples");
    /// The machines that told of their network.
    NETWORK_HOSTS = hosts!("network_samples");
    /// Samples of the machine `?3`, oldest first.
    SYSTEM_SAMPLES =
        "SELECT at, cpu_percent, memory_percent, disk_percent, disk_used, disk_total, load_1min \
         FROM system_samples WHERE host = ?3 AND at >= ?1 AND at < ?2 ORDER BY at, id";
    /// The same of its network.
    NETWORK_SAMPLES =
        "SELECT at, bytes_sent, bytes_recv, packets_sent, packets_recv, errors_in, errors_out, \
         drops_in, drops_out, connections_established, connections_listen, connections_time_wait \
         FROM network_samples WHERE host = ?3 AND at >= ?1 AND at < ?2 ORDER BY at, id";
    /// The last samples of the network of the machine `?2` before `?1`, the newest first; `?3` at most.
    NETWORK_BEFORE =
        "SELECT at, bytes_sent, bytes_recv, packets_sent, packets_recv, errors_in, errors_out, \
         drops_in, drops_out, connections_established, connections_listen, connections_time_wait \
         FROM network_samples WHERE host = ?2 AND at < ?1 ORDER BY at DESC, id DESC LIMIT ?3";

    /// The sums of the quarters of an hour, all machines or the machine `?3`.
    QUARTERS =
        "SELECT quarter_at, host, cpu_samples, cpu_sum, cpu_max, memory_samples, memory_sum, \
         memory_max, disk_samples, disk_sum, bytes_sent, bytes_recv, packets_sent, packets_recv, \
         log_events, failed_logins, bans, errors, warnings FROM host_rollups \
         WHERE quarter_at >= ?1 AND quarter_at < ?2 AND (?3 IS NULL OR host = ?3) \
         ORDER BY quarter_at, host";
    /// Who was banned and who failed to log in.
    UNIQUES =
        "SELECT quarter_at, what, value, host FROM host_uniques \
         WHERE quarter_at >= ?1 AND quarter_at < ?2 AND (?3 IS NULL OR host = ?3) \
         ORDER BY quarter_at, what, value, host";
    /// Every line, as the sums see it.
    SUMMED_LINES =
        "SELECT l.at, substr(n.name, 5, instr(substr(n.name, 5), '/') - 1), l.level, l.action, \
         l.ip, l.user FROM log_lines l CROSS JOIN names n ON n.id = l.source \
         WHERE l.at >= ?1 AND l.at < ?2 ORDER BY l.at";
    /// Up to when rows of the tables of which the sums are made went.
    CUTS =
        "SELECT table_name, before FROM retention_cuts WHERE table_name IN \
         ('log_lines', 'system_samples', 'network_samples', 'host_rollups', 'host_uniques')";

    /// Pages and bytes of every table and index, and the entries of their trees: those of the leaves
    /// are the rows of a table; in a tree that is sorted by its own key the nodes hold entries too.
    SIZES =
        "SELECT s.name, s.type, s.tbl_name, coalesce(t.wr, 0), sum(d.pgsize), sum(d.unused), \
         sum(CASE WHEN d.pagetype = 'leaf' OR s.type = 'index' OR t.wr = 1 THEN d.ncell ELSE 0 END) \
         FROM sqlite_schema s CROSS JOIN dbstat d ON d.name = s.name \
         LEFT JOIN pragma_table_list t ON t.name = s.name AND t.schema = 'main' \
         WHERE s.rootpage > 0 GROUP BY s.name ORDER BY sum(d.pgsize) DESC, s.name";
    /// How large the file is, and how much of it is free, bytes.
    FILE =
        "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size), \
         (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)";
    /// Events per day of UTC since `?1` and before `?2`.
    EVENTS_PER_DAY =
        "SELECT bucket_at, sum(count) FROM event_counts_daily \
         WHERE bucket_at >= ?1 AND bucket_at < ?2 GROUP BY bucket_at ORDER BY bucket_at";

    /// Traces within the range, the newest first: `?3` trigger, `?4` least severity, `?5` address,
    /// `?6` machine, `?7` only those before this one, `?8` at most.
    TRACES =
        "SELECT t.id, t.at, t.trigger, t.severity_score, t.subject, t.host, t.service, t.user, \
         t.ip, t.root_cause FROM traces t WHERE t.at >= ?1 AND t.at < ?2 \
         AND (?3 IS NULL OR t.trigger = ?3) AND t.severity_score >= ?4 \
         AND (?5 IS NULL OR t.ip = ?5) AND (?6 IS NULL OR t.host = ?6) \
         AND (?7 IS NULL OR (t.at, t.id) < ((SELECT b.at FROM traces b WHERE b.id = ?7), ?7)) \
         ORDER BY t.at DESC, t.id DESC LIMIT ?8";
    /// One trace.
    TRACE =
        "SELECT t.id, t.at, t.traced_at, t.cause, t.trigger, t.subject, t.host, \
         t.severity_score, t.action, t.service, t.user, t.ip, t.root_cause, t.causality_chain, \
         t.related_services, (SELECT e.text FROM event_log e WHERE e.position = t.line), \
         (SELECT e.text FROM event_log e WHERE e.position = t.id) FROM traces t WHERE t.id = ?1";
    /// The line or the sample at one position, as it was written.
    CAUSE =
        "SELECT e.position, e.occurred_at, n.name, e.text FROM event_log e \
         JOIN names n ON n.id = e.stream WHERE e.position = ?1";
    /// What ran when a trace was made.
    TRACE_PROCESSES =
        "SELECT pid, name, state, parent_pid, memory_rss, threads, cpu_utime + cpu_stime, cmdline \
         FROM trace_processes WHERE trace_id = ?1 ORDER BY number";
    /// Who was connected when a trace was made.
    TRACE_CONNECTIONS =
        "SELECT protocol, state, local_ip, local_port, remote_ip, remote_port \
         FROM trace_connections WHERE trace_id = ?1 ORDER BY number";
    /// What an error turned out to be.
    TRACE_ERROR =
        "SELECT error_type, error_category, exception_type, severity, file_path, line_number, \
         error_code, has_stacktrace, root_cause_hints, recovery_suggestions \
         FROM trace_errors WHERE trace_id = ?1";
    /// Patterns within the range, the newest first; `?3` type, `?4` at most.
    PATTERNS =
        "SELECT p.id, p.detected_at, p.pattern_type, p.severity, p.event_count, p.started_at, \
         p.ended_at, p.name, p.subject, p.services, p.ips, p.root_cause, p.recommendations, \
         (SELECT e.text FROM event_log e WHERE e.position = p.id) \
         FROM patterns p WHERE p.detected_at >= ?1 AND p.detected_at < ?2 \
         AND (?3 IS NULL OR p.pattern_type = ?3) ORDER BY p.detected_at DESC, p.id DESC LIMIT ?4";
}
