//! `tail`, `query`, `sql`, `dead-letters`: what people and programs see.

use super::*;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn positions(lines: &str) -> Vec<i64> {
    lines
        .lines()
        .map(|line| json(line)["position"].as_i64().unwrap())
        .collect()
}

#[test]
fn tail_shows_lines_that_people_read_and_no_payload_steers_the_terminal() {
    let house = House::new();
    let expected = "\
2026-11-20 02:38:47  wildlife.sighted           camera/driveway           Fox at Driveway
2026-11-20 02:47:07  pet.sighted                camera/hallway            Biscuit seen at Hallway
2026-11-20 02:57:07  log.written                log/heron/sshd            heron sshd: Failed password for ␛[31mroot␛[0m␍␊from 203.0.113.9
";
    let ran = house.run(&["tail", "--after", "5", "--until", "03:00"]);
    assert_eq!((ran.out.as_str(), ran.code), (expected, Exit::Ok));
    let flagged = house.run(&[
        "tail", "--kind", "sensor.*", "--grep", "FRONT", "--until", "2d",
    ]);
    assert_eq!(flagged.out, "", "{}", flagged.out);
    let flagged = house.run(&["tail", "--kind", "sensor.*", "--until", "-1d"]);
    assert!(
        flagged.out.ends_with("Front door closed  [retained]\n"),
        "{}",
        flagged.out
    );
}

#[test]
fn tail_colours_by_severity_and_only_with_its_own_escapes() {
    let house = House::new();
    let ran = house.run(&["tail", "-n", "7", "--color", "always"]);
    assert!(
        ran.out.contains("\u{1b}[33mFox at Driveway\u{1b}[0m"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("  Biscuit seen at Hallway\n"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("\u{1b}[31mroot"), "{}", ran.out);
    assert!(!house.run(&["tail"]).out.contains('\u{1b}'));
}

#[test]
fn tail_filters_by_kind_level_text_time_and_number() {
    let house = House::new();
    for (args, expected) in [
        (&["--kind", "sensor.*"][..], &[1, 2, 3, 5][..]),
        (&["--kind", "pet.sighted", "--kind", "wild*"], &[6, 7]),
        (&["--level", "warning"], &[6, 8, 9, 10]),
        (&["--level", "alert"], &[]),
        (&["--grep", "front DOOR"], &[1, 3, 5]),
        (&["--grep", "vigilar/camera/hall"], &[7, 12]),
        (&["--grep", "203.0.113.9"], &[8]),
        (&["--since", "-1h"], &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (&["--since", "1h", "--until", "02:30"], &[3, 4, 5]),
        (&["--since", "02:30", "-n", "2"], &[11, 12]),
        (&["-n", "2", "--kind", "sensor.*"], &[3, 5]),
        (&["-n", "0"], &[]),
        (&["-n", "99"], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (&["--after", "10"], &[11, 12]),
        (&["--after", "3", "-n", "1", "--kind", "sensor.*"], &[5]),
        (&["--after", "12"], &[]),
    ] {
        let ran = house.run(&[&["tail", "--jsonl"], args].concat());
        assert_eq!(ran.code, Exit::Ok, "{args:?} {}", ran.error);
        assert_eq!(positions(&ran.out), expected, "{args:?}");
    }
    for args in [
        &["--since", "1h", "--until", "2h"][..],
        &["--since", "soon"],
        &["--kind", "sensors.*"],
        &["--after", "13"],
        &["--after", "-1"],
        &["--json", "-f"],
    ] {
        let ran = house.run(&[&["tail"], args].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Exit::Usage, ""), "{args:?}");
    }
}

#[test]
fn tail_finds_the_last_of_a_rare_kind_far_back_and_shows_nothing_twice() {
    let house = House::new();
    let beats = (0..3_000).map(|_| {
        event(
            1,
            "camera/yard",
            "vigilar/camera/yard/heartbeat",
            HeartbeatReceived::default(),
        )
    });
    house.store(beats.collect());
    let rare = house.run(&["tail", "--jsonl", "-n", "2", "--kind", "*.sighted"]);
    assert_eq!(positions(&rare.out), [6, 7]);
    let all = house.run(&["tail", "--jsonl", "--after", "0"]);
    assert_eq!(positions(&all.out), (1..=3_012).collect::<Vec<_>>());
    assert_eq!(all.messages, "");
}

#[test]
fn tail_gives_programs_the_whole_event() {
    let house = House::new();
    let rows = json(
        &house
            .run(&["tail", "--json", "--after", "7", "-n", "5"])
            .out,
    );
    let line = &rows["rows"][0];
    assert_eq!(line["position"], 8);
    assert_eq!(line["kind"], "log.written");
    assert_eq!(line["level"], "warning");
    assert_eq!(line["occurred_at"], "2026-11-20T02:57:07.000Z");
    assert_eq!(line["stream"], "log/heron/sshd");
    assert_eq!(line["topic"], "vigilar/log/heron/sshd");
    assert_eq!(line["data"]["host"], "heron");
    let text = line["text"].as_str().unwrap();
    assert!(
        text.starts_with("Failed password for \u{1b}[31mroot"),
        "{text}"
    );
    let id = line["event_id"].as_str().unwrap();
    assert_eq!(uuid::Uuid::try_parse(id).unwrap().get_version_num(), 8);
    let payload = rows["rows"][1]["data"]["payload"].as_str().unwrap();
    assert!(payload.starts_with("{\"ts\": \u{1b}]0;owned"), "{payload}");
    let bytes = rows["rows"][2]["data"]["payload_base64"].as_str().unwrap();
    assert!(bytes.starts_with("AAECAwQF"), "{bytes}");
    assert_eq!(rows["rows"][3]["data"]["path"], "driveway/clip-1.mp4");
    assert_eq!(
        json(&house.run(&["tail", "--json", "-n", "0"]).out)["rows"],
        json("[]")
    );
}

/// Takes what `tail -f` writes and lets a test wait for it.
#[derive(Clone, Default)]
struct Watched(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Watched {
    fn wait_for_lines(&self, lines: usize) -> String {
        let (text, news) = &*self.0;
        let enough = |text: &mut Vec<u8>| text.split(|b| *b == b'\n').count() <= lines;
        let guard = text.lock().unwrap();
        let (text, timeout) = news
            .wait_timeout_while(guard, Duration::from_mins(1), enough)
            .unwrap();
        assert!(!timeout.timed_out(), "{}", String::from_utf8_lossy(&text));
        String::from_utf8(text.clone()).unwrap()
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.0.lock().unwrap().extend_from_slice(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn tail_follows_by_position_until_it_is_stopped() {
    let house = House::new();
    let (watched, shutdown) = (Watched::default(), Shutdown::new());
    let (mut out, stop, path) = (watched.clone(), shutdown.clone(), house.path().to_owned());
    let follower = std::thread::Builder::new().spawn(move || {
        let args = ["tail", "-f", "-n", "1", "--jsonl", "--kind", "camera.*"];
        run_to(&path, "", &args, &mut out, stop)
    });
    assert_eq!(positions(&watched.wait_for_lines(1)), [12]);
    let beat = || {
        event(
            0,
            "camera/yard",
            "vigilar/camera/yard/heartbeat",
            HeartbeatReceived::default(),
        )
    };
    house.store(vec![beat(), contact(0, "front_door", "open"), beat()]);
    assert_eq!(positions(&watched.wait_for_lines(3)), [12, 13, 15]);
    house.store(vec![beat()]);
    assert_eq!(positions(&watched.wait_for_lines(4)), [12, 13, 15, 16]);
    shutdown.stop();
    let (code, error, messages) = follower.unwrap().join().unwrap();
    assert_eq!(
        (code, error, messages),
        (Exit::Ok, String::new(), String::new())
    );
}

#[test]
fn a_body_that_cannot_be_read_is_shown_as_such_and_stops_nothing() {
    let mut house = House::new();
    house.change(&[
        "DROP TRIGGER event_log_no_update",
        "UPDATE event_log SET body = x'ff' WHERE position = 5",
        "UPDATE event_log SET kind = 9999 WHERE position = 6",
    ]);
    let ran = house.run(&["tail", "-n", "8"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 8, "{}", ran.out);
    let bad = "2026-11-20 02:25:27  sensor.reported                                      cannot be shown: ";
    assert!(lines[0].starts_with(bad), "{}", lines[0]);
    assert!(
        lines[1].contains("?    ") && lines[1].contains("cannot be shown"),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].ends_with("Biscuit seen at Hallway"),
        "{}",
        lines[2]
    );
    let lines = house.run(&["tail", "--jsonl", "--after", "4", "-n", "8"]);
    let line = json(lines.out.lines().next().unwrap());
    assert!(
        line["unreadable"]
            .as_str()
            .unwrap()
            .contains("sensor.reported")
    );
    assert_eq!(line["position"], 5);
    assert_eq!(house.run(&["status"]).code, Exit::Ok);
}

#[test]
fn a_hole_in_the_event_log_is_told_on_stderr() {
    let mut house = House::new();
    house.change(&[
        "DROP TRIGGER event_log_no_delete",
        "DELETE FROM event_log WHERE position IN (4, 5, 7)",
    ]);
    let ran = house.run(&["tail", "--jsonl"]);
    assert_eq!(positions(&ran.out), [1, 2, 3, 6, 8, 9, 10, 11, 12]);
    assert!(
        ran.messages.contains("skipped: positions 4 to 5 "),
        "{}",
        ran.messages
    );
    assert!(
        ran.messages.contains("skipped: positions 7 to 7 "),
        "{}",
        ran.messages
    );
}

#[test]
fn every_view_answers_in_every_format() {
    let house = House::new();
    for view in crate::read_model::views() {
        let names: Vec<_> = view.columns.iter().map(|column| column.name).collect();
        let csv = house.run(&["query", view.name, "--csv"]);
        assert_eq!(csv.out.lines().next(), Some(names.join(",").as_str()));
        let rows = json(&house.run(&["query", view.name, "--json"]).out);
        let rows = rows["rows"].as_array().unwrap();
        let lines = house.run(&["query", view.name, "--jsonl"]);
        assert_eq!(lines.out.lines().count(), rows.len());
        for (row, line) in rows.iter().zip(lines.out.lines()) {
            assert_eq!(row, &json(line));
            assert!(names.iter().all(|name| row.get(name).is_some()), "{row}");
        }
        let table = house.run(&["query", view.name]);
        assert_eq!((table.code, table.messages.as_str()), (Exit::Ok, ""));
        let lines = if rows.is_empty() { 1 } else { rows.len() + 1 };
        assert_eq!(table.out.lines().count(), lines, "{}", table.out);
        let about = format!("  {}\n", view.about);
        assert!(house.run(&["query"]).out.contains(&about), "{}", view.name);
    }
}

#[test]
fn query_shows_the_newest_rows_of_a_time_and_says_when_there_are_more() {
    let house = House::new();
    let expected = "\
timestamp            type               severity  source_type  source_id   message            position  acknowledged_at  acknowledged_by
2026-11-20 02:38:47  WILDLIFE_NUISANCE  WARNING   camera       driveway    Fox at Driveway           6  –                –
2026-11-20 02:25:27  CONTACT_CLOSED     INFO      sensor       front_door  Front door closed         5  –                –
";
    let args = [
        "query", "events", "--since", "02:20", "--until", "02:40", "--limit", "2",
    ];
    let ran = house.run(&args);
    assert_eq!(ran.out, expected);
    assert!(ran.messages.contains("--limit"), "{}", ran.messages);
    let rows = json(&house.run(&[&args[..], &["--json"]].concat()).out);
    assert_eq!(rows["more"], true);
    assert_eq!(rows["rows"][0]["timestamp"], "2026-11-20T02:38:47.000Z");
    let typo = house.run(&["query", "evnts"]);
    assert_eq!(typo.code, Exit::Usage);
    assert!(
        typo.error.contains("did you mean `events`?"),
        "{}",
        typo.error
    );
    let recordings = house.run(&["query", "recordings", "--csv"]);
    assert!(
        recordings
            .out
            .contains(",12.5,,,found,,,,driveway/clip-1.mp4,5,h264,,,,,,11\n"),
        "{}",
        recordings.out
    );
}

#[test]
fn sql_answers_questions_and_never_writes() {
    let house = House::new();
    let ran = house.run(&[
        "sql",
        "SELECT id, x'00ff' AS b, NULL AS n, 1.50 AS r FROM pets",
    ]);
    assert_eq!(
        ran.out,
        "id       b        n    r\nBiscuit  x'00ff'  –  1.5\n"
    );
    let rows = json(
        &house
            .run(&["sql", "--json", "SELECT x'00ff' AS b, 'a' AS b, 2 AS b"])
            .out,
    );
    assert_eq!(rows["rows"][0], json(r#"{"b":"00ff","b_2":"a","b_3":2}"#));
    let stdin = run_in(
        house.path(),
        "SELECT count(*) AS n\nFROM event_log;\n",
        &["sql", "--csv", "-"],
    );
    assert_eq!(stdin.out, "n\n12\n");
    let none = house.run(&["sql", "SELECT 1 AS a WHERE 0"]);
    assert_eq!((none.out.as_str(), none.code), ("no rows\n", Exit::Ok));
    for (statement, says) in [
        ("DELETE FROM events", "only statements that read"),
        ("UPDATE pets SET name = 'x'", "only statements that read"),
        ("ATTACH 'x.db' AS x", ""),
        ("PRAGMA user_version = 9", ""),
        ("SELECT 1; DELETE FROM events", "Multiple statements"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM no_such", "no such table"),
        ("SELECT ?1", ""),
    ] {
        let ran = house.run(&["sql", "--json", statement]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (Exit::BadData, ""),
            "{statement}"
        );
        assert!(ran.error.contains(says), "{statement}: {}", ran.error);
    }
    assert_eq!(house.run(&["sql", "  "]).code, Exit::Usage);
    let left = house.run(&["sql", "--csv", "SELECT count(*) FROM events"]);
    assert!(left.out.ends_with("\n5\n"), "{}", left.out);
}

#[test]
fn a_long_answer_is_cut_for_people_only() {
    let house = House::new();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
                SELECT i FROM n";
    let table = house.run(&["sql", many]);
    assert_eq!(table.out.lines().count(), 1_001);
    assert!(
        table.messages.contains("first 1000 rows"),
        "{}",
        table.messages
    );
    assert_eq!(
        house.run(&["sql", "--csv", many]).out.lines().count(),
        2_501
    );
}

#[test]
fn dead_letters_are_listed_and_shown_as_what_they_are() {
    let house = House::new();
    let list = house.run(&["dead-letters", "list", "--csv"]);
    assert_eq!(list.out.lines().count(), 3, "{}", list.out);
    let text = house.run(&["dead-letters", "show", "9"]);
    assert!(
        text.out.contains("reason      expected value at line 1"),
        "{}",
        text.out
    );
    assert!(
        text.out
            .ends_with("\n{\"ts\": ␛]0;owned␇ oops\nsecond line\n"),
        "{}",
        text.out
    );
    let dump = house.run(&["dead-letters", "show", "10"]);
    let line = "00000010  10 11 12 13 14 15 16 17  18 19 1a 1b 1c 1d 1e 1f  |................|\n";
    assert!(dump.out.contains(line), "{}", dump.out);
    let mut raw = Vec::new();
    run_to(
        house.path(),
        "",
        &["dead-letters", "show", "10", "--raw"],
        &mut raw,
        Shutdown::new(),
    );
    assert_eq!(raw, (0..=255).collect::<Vec<u8>>());
    let object = json(&house.run(&["dead-letters", "show", "9", "--json"]).out);
    assert_eq!(object["topic"], "vigilar/sensor/attic/motion");
    assert_eq!(
        object["payload"],
        "{\"ts\": \u{1b}]0;owned\u{7} oops\nsecond line"
    );
    let none = house.run(&["dead-letters", "show", "3"]);
    assert_eq!(none.code, Exit::NoInput);
    assert!(none.error.contains("dead-letters list"), "{}", none.error);
}

#[test]
fn a_long_letter_is_cut_for_people_and_whole_when_raw() {
    let house = House::empty();
    let payload = "ü".repeat(5_000).into_bytes();
    let letter = Undecodable {
        payload: payload.clone(),
    };
    house.store(vec![
        event(0, "ingest", "vigilar/x", letter).with_text("too long"),
    ]);
    let shown = house.run(&["dead-letters", "show", "1"]);
    assert!(
        shown.out.ends_with("… 5.8 KiB more; --raw gives all\n"),
        "{}",
        shown.out
    );
    let mut raw = Vec::new();
    run_to(
        house.path(),
        "",
        &["dead-letters", "show", "1", "--raw"],
        &mut raw,
        Shutdown::new(),
    );
    assert_eq!(raw, payload);
}

/// Breaks like a pipe whose reader has gone, after some bytes.
struct Broken(usize);

impl Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const READING: &[&[&str]] = &[
    &["status"],
    &["status", "--json"],
    &["tail"],
    &["tail", "-f"],
    &["tail", "--json"],
    &["query", "events"],
    &["query", "events", "--json"],
    &["query", "events", "--csv"],
    &["sql", "SELECT * FROM event_log"],
    &["sql", "--jsonl", "SELECT * FROM event_log"],
    &["check"],
    &["check", "--json"],
    &["rebuild", "--check"],
    &["dead-letters", "list"],
    &["dead-letters", "show", "9"],
    &["dead-letters", "show", "9", "--raw"],
];

#[test]
fn a_reader_that_goes_away_ends_every_verb_quietly() {
    let house = House::new();
    for args in READING {
        for bytes in [0, 1, 20] {
            let mut pipe = Broken(bytes);
            let (code, error, messages) =
                run_to(house.path(), "", args, &mut pipe, Shutdown::new());
            assert_eq!(
                (code, error.as_str(), messages.as_str()),
                (Exit::Ok, "", ""),
                "{args:?}"
            );
        }
    }
}

#[test]
fn without_a_database_every_verb_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    for args in READING.iter().chain(&[&["rebuild"][..]]) {
        let ran = run_in(folder.path(), "", args);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (Exit::NoInput, ""),
            "{args:?}"
        );
        let path = folder.path().join("nightjar.db").display().to_string();
        assert!(
            ran.error.contains(&path) && ran.error.contains("--dir"),
            "{}",
            ran.error
        );
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn every_help_begins_with_examples() {
    use clap::CommandFactory as _;
    let mut command = Cli::command();
    let help = command.render_long_help().to_string();
    assert!(help.starts_with("Examples:\n"), "{help}");
    for verb in command.get_subcommands_mut() {
        let name = verb.get_name().to_owned();
        if name == "help" {
            continue;
        }
        let own = verb.render_long_help().to_string();
        assert!(own.starts_with("Examples:\n"), "{own}");
        // The main help may name two verbs in one example.
        let spoken = format!("nightjar {name}");
        let example = format!("  nightjar {name}");
        assert!(help.contains(&spoken) && own.contains(&example), "{name}");
    }
    command.debug_assert();
}

#[test]
fn completions_know_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran = run_in(folder.path(), "", &["completions", shell]);
        assert!(ran.out.contains("dead-letters"), "{shell}");
    }
    let (code, error, _) = run_to(
        folder.path(),
        "",
        &["completions", "bash"],
        &mut Broken(9),
        Shutdown::new(),
    );
    assert_eq!((code, error), (Exit::Ok, String::new()));
}
