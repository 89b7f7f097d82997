//! Every statement of the module, by name, so that a test can ask the engine how it runs them.
//!
//! `?1` and `?2` are the range of time (from inclusive, to exclusive). Of the statements over log
//! lines, `?3` is the machine and `?4` the source or program, NULL for all.

/// The lines `l` within the range, with the name `n` of their source. Lines come first: their index
/// finds the range, and a name is one look-up.
macro_rules! lines {
    ($columns:expr, $which:literal, $rest:literal) => {
        lines!($columns, "log_lines l", $which, $rest)
    };
    ($columns:expr, $from:literal, $which:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $from,
            " CROSS JOIN names n ON n.id = l.source WHERE ",
            $which,
            " AND l.at >= ?1 AND l.at < ?2 \
             AND (?3 IS NULL OR substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) = ?3) \
             AND (?4 IS NULL OR substr(n.name, 5 + instr(substr(n.name, 5), '/')) = ?4 \
                  OR l.service = ?4) ",
            $rest
        )
    };
}

/// The lines `l` that name the entity `?6`, as [`lines!`] otherwise.
macro_rules! lines_of_address {
    ($columns:expr, $which:literal, $rest:literal) => {
        lines!(
            $columns,
            "entity_blocks b CROSS JOIN entity_events v ON v.block = b.block AND v.entity = ?6 \
             CROSS JOIN json_each('[' || v.positions || ']') p \
             CROSS JOIN log_lines l ON l.position = b.block * 1024 + CAST (p.value AS INTEGER) \
             AND b.last_ns >= ?1 AND b.first_ns < ?2",
            $which,
            $rest
        )
    };
}

/// How often a line `l` tells that it happened, as `LogWritten::times` has it.
macro_rules! times {
    () => {
        "CASE json_type(l.metadata, '$.count') WHEN 'integer' \
         THEN min(max(CAST(json_extract(l.metadata, '$.count') AS INTEGER), 1), 1000) ELSE 1 END"
    };
}

/// Whether the line at a position is of a machine. The event log tells: the tables let lines go.
macro_rules! of_host {
    ($line:literal, $host:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM event_log o JOIN names n ON n.id = o.stream WHERE o.position = ",
            $line,
            " AND substr(n.name, 1, 4) = 'log/' \
             AND substr(n.name, 5, instr(substr(n.name, 5), '/') - 1) = ",
            $host,
            ")"
        )
    };
}

/// Whether the line at a position is of a source.
macro_rules! of_source {
    ($line:literal, $source:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM event_log o JOIN names n ON n.id = o.stream WHERE o.position = ",
            $line,
            " AND substr(n.name, 1, 4) = 'log/' \
             AND substr(n.name, 5 + instr(substr(n.name, 5), '/')) = ",
            $source,
            ")"
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
    /// Failed logins by address, and of each address oldest first. Sorted rather than read in the
    /// order of an index: that one holds every address of every day.
    FAILED_TIMES = lines!(
        concat!("l.ip, l.at, ", times!()),
        "l.action = 'failed_login' AND l.ip IS NOT NULL",
        "ORDER BY +l.ip, l.at"
    );
    /// How many names the address `?5`, entity `?6`, tried.
    NAMES_TRIED_BY = lines_of_address!(
        "count(DISTINCT l.user)",
        "l.ip = ?5 AND l.action = 'failed_login'",
        ""
    );
    /// The programs that refused the address `?5`, entity `?6`.
    SERVICES_TRIED_BY = lines_of_address!(
        "DISTINCT coalesce(l.service, substr(n.name, 5 + instr(substr(n.name, 5), '/'))) AS service",
        "l.ip = ?5 AND l.action = 'failed_login'",
        "ORDER BY service"
    );
    /// The names with which logins failed, the most frequent first; `?5` at most.
    TRIED_USERS = lines!(
        concat!("l.user, sum(", times!(), "), count(DISTINCT l.ip), max(l.at)"),
        "l.action = 'failed_login' AND l.user IS NOT NULL",
        "GROUP BY +l.user ORDER BY 2 DESC, l.user LIMIT ?5"
    );
    /// How often each notable thing happened.
    ACTIONS = lines!(
        concat!(
            "l.action, sum(CASE WHEN l.action = 'failed_login' THEN ",
            times!(),
            " ELSE 1 END)"
        ),
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
    ANY_LINE = lines!("1", "TRUE", "LIMIT 1");
    /// Bad lines of level `?5` at least, the newest first; `?6` at most.
    BAD_LINES = lines!(
        "l.at, coalesce(l.service, substr(n.name, 5 + instr(substr(n.name, 5), '/'))), \
         (SELECT substr(e.text, 1, 1000) FROM event_log e WHERE e.position = l.position)",
        "l.level >= 2 AND l.level >= ?5",
        "ORDER BY l.at DESC LIMIT ?6"
    );
    /// How many of them are in each bucket of `?6` nanoseconds, of those that have any.
    BAD_BUCKETS = lines!(
        "CAST((l.at - ?1) / ?6 AS INTEGER), count(*)",
        "l.level >= 2 AND l.level >= ?5",
        "GROUP BY 1 ORDER BY 1"
    );
    /// The same by source, the most frequent first; `?6` at most.
    BAD_SOURCES = lines!(
        "substr(n.name, 5, instr(substr(n.name, 5), '/') - 1), \
         substr(n.name, 5 + instr(substr(n.name, 5), '/')), count(*), sum(l.level >= 3), max(l.at)",
        "l.level >= 2 AND l.level >= ?5",
        "GROUP BY +l.source, n.name ORDER BY count(*) DESC, n.name LIMIT ?6"
    );
    /// Bad lines by level.
    LEVELS = lines!("l.level, count(*)", "l.level >= 2", "GROUP BY l.level");
    /// What traces of errors found out, by type; `?5` at most.
    ERROR_TYPES = concat!(
        "SELECT r.error_type, r.error_category, count(*), count(DISTINCT t.host), \
         max(t.severity_score), min(r.at), max(r.at), max(t.id) \
         FROM trace_errors r CROSS JOIN traces t ON t.id = r.trace_id \
         WHERE r.at >= ?1 AND r.at < ?2 AND (?3 IS NULL OR t.host = ?3) \
         AND (?4 IS NULL OR t.service = ?4 OR ",
        of_source!("t.line", "?4"),
        ") GROUP BY r.error_type, r.error_category ORDER BY count(*) DESC, r.error_type LIMIT ?5"
    );

    /// Addresses whose stored score is `?5` at least; of one machine or source only those that a
    /// line of it names within the range.
    THREATS = concat!(
        "SELECT r.ip, r.type, r.is_whitelisted, r.is_blacklisted, r.threat_score, \
         r.first_seen_at, r.last_seen_at, r.total_events, r.failed_logins, r.bans, \
         r.successful_logins, r.country_code, r.city, r.asn \
         FROM ip_reputations r WHERE r.threat_score >= ?5 \
         AND (coalesce(?3, ?4) IS NULL OR r.ip IN (",
        lines!("l.ip", "l.ip IS NOT NULL", ""),
        "))"
    );
    /// One address.
    ADDRESS =
        "SELECT ip, type, is_whitelisted, is_blacklisted, threat_score, first_seen_at, \
         last_seen_at, total_events, failed_logins, bans, successful_logins, country_code, city, \
         asn FROM ip_reputations WHERE ip = ?1";
    /// Of the positions `?3`, a JSON array, the lines of one address, the newest first; `?2` at most.
    ADDRESS_LINES =
        "SELECT l.at, l.action, l.user, l.service, \
         (SELECT e.text FROM event_log e WHERE e.position = l.position), l.position \
         FROM json_each(?3) p CROSS JOIN log_lines l ON l.position = CAST (p.value AS INTEGER) \
         WHERE l.ip = ?1 ORDER BY l.at DESC, l.position DESC LIMIT ?2";

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

    /// Where the counters of the machine `?1` stood in its samples that are gone.
    NETWORK_BASE =
        "SELECT bytes_sent, bytes_recv, packets_sent, packets_recv FROM network_bases \
         WHERE host = ?1";

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
    SUMMED_LINES = concat!(
        "SELECT l.at, substr(n.name, 5, instr(substr(n.name, 5), '/') - 1), l.level, l.action, \
         l.ip, l.user, ",
        times!(),
        " FROM log_lines l CROSS JOIN names n ON n.id = l.source \
         WHERE l.at >= ?1 AND l.at < ?2 ORDER BY l.at"
    );
    /// Up to when rows of the tables of which the sums are made went.
    CUTS =
        "SELECT before FROM retention_cuts WHERE table_name IN \
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
    /// When the first event was stored, and how many since `?1`. Reads all batches: they have no
    /// index by time, and who asks reads the whole file anyway.
    STORED =
        "SELECT (SELECT committed_at FROM batches ORDER BY first_position LIMIT 1), \
         sum(last_position - first_position + 1) FROM batches WHERE committed_at >= ?1";

    /// Traces within the range, the newest first: `?3` trigger, `?4` least severity, `?5` address,
    /// `?6` machine, `?7` only those before this one, `?8` at most, `?9` source or program.
    ///
    /// When the one of `?7` was is told by the event log, which keeps what the table has let go.
    TRACES = concat!(
        "SELECT t.id, t.at, t.trigger, t.severity_score, t.subject, t.host, t.service, t.user, \
         t.ip, t.root_cause FROM traces t WHERE t.at >= ?1 AND t.at < ?2 \
         AND (?3 IS NULL OR t.trigger = ?3) AND t.severity_score >= ?4 \
         AND (?5 IS NULL OR t.ip = ?5) AND (?6 IS NULL OR t.host = ?6) \
         AND (?7 IS NULL OR (t.at, t.id) < \
              ((SELECT e.occurred_at FROM event_log e WHERE e.position = ?7), ?7)) \
         AND (?9 IS NULL OR t.service = ?9 OR ",
        of_source!("t.line", "?9"),
        ") ORDER BY t.at DESC, t.id DESC LIMIT ?8"
    );
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
    /// Patterns within the range, the newest first: `?3` type, `?4` at most, `?5` machine, `?6`
    /// source or program: those of the line with which a pattern was complete.
    PATTERNS = concat!(
        "SELECT p.id, p.detected_at, p.pattern_type, p.severity, p.event_count, p.started_at, \
         p.ended_at, p.name, p.subject, p.services, p.ips, p.root_cause, p.recommendations, \
         (SELECT e.text FROM event_log e WHERE e.position = coalesce(p.grown, p.id)) \
         FROM patterns p WHERE p.detected_at >= ?1 AND p.detected_at < ?2 \
         AND (?3 IS NULL OR p.pattern_type = ?3) \
         AND (?5 IS NULL OR ",
        of_host!("(SELECT e.cause FROM event_log e WHERE e.position = p.id)", "?5"),
        ") AND (?6 IS NULL \
         OR EXISTS (SELECT 1 FROM json_each(p.services) s WHERE s.value = ?6) OR ",
        of_source!("(SELECT e.cause FROM event_log e WHERE e.position = p.id)", "?6"),
        ") ORDER BY p.detected_at DESC, p.id DESC LIMIT ?4"
    );
}
