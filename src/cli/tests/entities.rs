//! `entity` and `graph`, as people run them, after a night with a visitor.

use super::*;
use crate::event_log::dedupe::Delivery;
use crate::store::entity::{EntityStore as _, EntityStoreError, SqlEntityStore, TimelineQuery};
use crate::store::graph_store::{GraphStore as _, SqlGraphStore};
use crate::writer::{Receipt, Reply, Submission};

const STRANGER: &str = "203.0.113.9";

fn sshd(ago_s: i64, level: Level, text: &str, fields: &[(&str, &str)]) -> NewEvent {
    let fields = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    let line = LogWritten {
        host: "heron".into(),
        source: "sshd".into(),
        level,
        fields: fields.collect::<Extra>().into(),
    };
    event(ago_s, "log/heron/sshd", "vigilar/log/heron/sshd", line).with_text(text)
}

fn failed(ago_s: i64, user: &str, ip: &str) -> NewEvent {
    let text = format!("Failed password for {user} from {ip} port 4711 ssh2");
    let fields = [
        ("action", "failed_login"),
        ("user", user),
        ("ip_address", ip),
    ];
    sshd(ago_s, Level::Warning, &text, &fields)
}

fn accepted(ago_s: i64, user: &str, ip: &str) -> NewEvent {
    let text = format!("Accepted password for {user} from {ip} port 4711 ssh2");
    let fields = [("action", "login"), ("user", user), ("ip_address", ip)];
    sshd(ago_s, Level::Info, &text, &fields)
}

fn seen(ago_s: i64, pet: &str, camera: &str) -> NewEvent {
    let sighted = PetSighted {
        camera: camera.into(),
        pet_id: Some(pet.into()),
        species: "dog".into(),
        confidence: 0.9,
        bbox: None,
        crop_path: None,
        location: None,
        extra: Extra::default(),
    };
    event(ago_s, &format!("pet/{pet}"), "vigilar/pets/seen", sighted)
        .from_source(format!("camera/{camera}"))
}

/// A stranger tries two names and gets in; the dog is at the porch, a process is called as a host.
fn story() -> House {
    let house = House::empty();
    house.store(vec![
        seen(7_200, "rex", "porch"),
        accepted(5_000, "mara", "192.0.2.10"),
        failed(3_600, "root", STRANGER),
        failed(3_590, "MARA", STRANGER),
        accepted(3_580, "mara", STRANGER),
        sshd(
            60,
            Level::Critical,
            "heron wrote /etc/shadow for db.example.com",
            &[("service", "heron")],
        ),
        contact(30, "porch", "open"),
    ]);
    house
}

fn json(ran: &Ran) -> serde_json::Value {
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

#[test]
fn an_address_is_told_in_short() {
    let house = story();
    let ran = house.run(&["entity", STRANGER]);
    let expected = "\
ip          203.0.113.9
uuid        UUID
first seen  2026-11-20 02:12:07
last seen   2026-11-20 02:12:27
events      3

Related to
last_seen            direction  rel_type            type  value  event_count
2026-11-20 02:12:27  outgoing   reached             host  heron            3
2026-11-20 02:12:27  incoming   authenticated_from  user  mara             1
2026-11-20 02:12:17  incoming   failed_from         user  mara             1
2026-11-20 02:12:07  incoming   failed_from         user  root             1

What happened
at                   severity  source_type  source_id   message                                                  kind
2026-11-20 02:12:07  WARNING   log          heron/sshd  Failed password for root from 203.0.113.9 port 4711 ssh2    log.written
2026-11-20 02:12:17  WARNING   log          heron/sshd  Failed password for MARA from 203.0.113.9 port 4711 ssh2    log.written
2026-11-20 02:12:27  INFO      log          heron/sshd  Accepted password for mara from 203.0.113.9 port 4711 ssh2  log.written
";
    let uuid = crate::event::entity::Entity::new("ip".parse().unwrap(), STRANGER)
        .unwrap()
        .uuid()
        .to_string();
    let written: Vec<_> = ran
        .out
        .lines()
        .map(|line| line.replace(&uuid, "UUID"))
        .collect();
    // How wide a column is, is the grid's affair.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected: Vec<_> = expected.lines().map(words).collect();
    assert_eq!(
        written.iter().map(|line| words(line)).collect::<Vec<_>>(),
        expected
    );
    let object = json(&house.run(&["entity", &uuid, "--json"]));
    assert_eq!(object["value"], STRANGER);
    assert_eq!(object["related"]["rows"][1]["value"], "mara");
    assert_eq!(object["timeline"]["rows"][2]["position"], 5);
    assert_eq!(object["timeline"]["more"], false);
}

#[test]
fn a_timeline_is_cut_at_its_old_end_and_filtered() {
    let house = story();
    let positions = |args: &[&str]| -> Vec<i64> {
        let args = [&["entity", "host/heron", "--timeline", "--json"], args].concat();
        let rows = json(&house.run(&args));
        let rows = rows["rows"].as_array().unwrap();
        rows.iter()
            .map(|row| row["position"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(positions(&[]), [2, 3, 4, 5, 6]);
    assert_eq!(positions(&["--severity", "warning"]), [3, 4, 6]);
    assert_eq!(positions(&["--severity", "5"]), [6]);
    assert_eq!(positions(&["--source-type", "camera"]), [0; 0]);
    assert_eq!(positions(&["--source-type", "log", "--limit", "2"]), [5, 6]);
    // From the third on, before the fifth.
    let range = [
        "--since",
        "2026-11-20T02:12:07Z",
        "--until",
        "2026-11-20T02:12:27Z",
    ];
    assert_eq!(positions(&range), [3, 4]);
    let cut = house.run(&[
        "entity",
        "host/heron",
        "--timeline",
        "--limit",
        "2",
        "--csv",
    ]);
    assert_eq!(cut.out.lines().count(), 3);
    assert!(
        cut.messages.contains("the newest 2 of more"),
        "{}",
        cut.messages
    );
    let empty = house.run(&["entity", "host/heron", "--since", "now", "--until", "2h"]);
    assert_eq!(empty.code, Exit::Usage);
    assert!(empty.error.contains("not after"), "{}", empty.error);
    let word = house.run(&["entity", "host/heron", "--severity", "7"]);
    assert!(word.error.contains("0 to 6"), "{}", word.error);
}

#[test]
fn a_sensor_has_a_timeline_too() {
    let house = story();
    let rows = json(&house.run(&["entity", "sensor/porch", "--timeline", "--json"]));
    let row = &rows["rows"][0];
    assert_eq!(row["source_type"], "sensor");
    assert_eq!(row["kind"], "sensor.reported");
    assert_eq!(row["message"], "Porch opened");
    let dog = json(&house.run(&["entity", "rex", "--related", "--json"]));
    assert_eq!(dog["rows"][0]["value"], "porch");
    assert_eq!(dog["rows"][0]["direction"], "incoming");
}

#[test]
fn a_name_of_several_and_of_nobody_says_what_to_do() {
    let house = story();
    let several = house.run(&["entity", "HERON"]);
    assert_eq!(several.code, Exit::Usage);
    for known in ["host/heron  (5 events)", "process/heron  (1 events)"] {
        assert!(several.error.contains(known), "{}", several.error);
    }
    let typed = json(&house.run(&["entity", "HERON.", "--type", "host", "--json"]));
    assert_eq!(typed["value"], "heron");
    let nobody = house.run(&["entity", "nobody"]);
    assert_eq!(nobody.code, Exit::NoInput);
    assert!(
        nobody.error.contains("nightjar query entities"),
        "{}",
        nobody.error
    );
    let unknown = house.run(&["entity", "6df9e3ad-af86-5520-8743-84dc81c690c2"]);
    assert_eq!(unknown.code, Exit::NoInput);
    let wrong = house.run(&["entity", "010.000.000.001", "--type", "ip"]);
    assert_eq!(wrong.code, Exit::Usage);
    assert!(
        wrong.error.contains("it is no IP address"),
        "{}",
        wrong.error
    );
    let sort = house.run(&["entity", "x", "--type", "planet"]);
    assert!(
        sort.error.contains("expected user, ip, host"),
        "{}",
        sort.error
    );
    let csv = house.run(&["entity", STRANGER, "--csv"]);
    assert!(csv.error.contains("--timeline"), "{}", csv.error);
}

#[test]
fn neighbours_paths_and_drawings() {
    let house = story();
    let values = |args: &[&str]| -> Vec<String> {
        let rows = json(&house.run(&[&["graph"], args, &["--json"]].concat()));
        let rows = rows["rows"].as_array().unwrap();
        let value = |row: &serde_json::Value| row["value"].as_str().unwrap().to_owned();
        rows.iter().map(value).collect()
    };
    assert_eq!(values(&["neighbors", STRANGER]), ["heron", "mara", "root"]);
    let over = ["neighbors", STRANGER, "--rel", "failed_from"];
    assert_eq!(values(&over), ["mara", "root"]);
    let far = values(&["neighbors", "root", "--depth", "2"]);
    assert_eq!(far, [STRANGER, "heron", "mara"]);
    assert_eq!(
        values(&["path", "root", "192.0.2.10"]),
        ["root", STRANGER, "heron", "192.0.2.10"]
    );
    assert_eq!(values(&["path", "root", "ROOT"]), ["root"]);
    let none = house.run(&["graph", "path", "root", "rex"]);
    assert_eq!(none.code, Exit::NoInput);
    assert!(
        none.error.contains("nothing connects root and rex"),
        "{}",
        none.error
    );
    let typo = house.run(&["graph", "neighbors", "root", "--rel", "saww"]);
    assert!(
        typo.error.contains("a similar value exists: 'saw'"),
        "{}",
        typo.error
    );
    // A sensor is known, and connected with nothing.
    assert_eq!(values(&["neighbors", "sensor/porch"]), [""; 0]);
    let alone = house.run(&["graph", "subgraph", "sensor/porch"]);
    assert_eq!(alone.code, Exit::NoInput);

    let around = json(&house.run(&["graph", "subgraph", "rex", "--json"]));
    assert_eq!(around["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(around["edges"][0]["rel_type"], "saw");
    let dot = house.run(&["graph", "subgraph", "rex", "--dot"]).out;
    assert!(dot.starts_with("digraph entities {"), "{dot}");
    assert!(dot.contains("saw ×1"), "{dot}");
    let edges = house.run(&["graph", "subgraph", "rex", "--csv"]).out;
    assert!(
        edges
            .lines()
            .nth(1)
            .unwrap()
            .contains("camera,porch,saw,pet,rex,1"),
        "{edges}"
    );
}

#[test]
fn a_redelivery_at_another_time_is_no_second_row_of_the_timeline() {
    let house = story();
    let handle = house.handle.as_ref().unwrap();
    let delivery = |dup| Delivery {
        family: "log",
        session: uuid::Uuid::from_u128(7),
        packet_id: 4,
        dup,
        hash: [9; 16],
    };
    let tell = |ago_s, dup| {
        let (sender, answer) = crossbeam_channel::bounded(1);
        let submission = Submission {
            events: vec![failed(ago_s, "ilse", STRANGER)],
            delivery: Some(delivery(dup)),
            opening: (!dup).then(|| writer::SessionOpening {
                family: "log",
                uuid: uuid::Uuid::from_u128(7),
                filters: String::new(),
                replaces_lost: false,
            }),
            reply: Reply::Once(sender),
            ..Submission::default()
        };
        handle.submit(submission).unwrap();
        answer.recv().unwrap()
    };
    assert!(matches!(tell(20, false), Receipt::Stored(_)));
    assert!(matches!(tell(10, true), Receipt::Duplicate(_)));
    let rows = json(&house.run(&["entity", "ilse", "--timeline", "--json"]));
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn the_stores_refuse_what_makes_no_sense_and_include_both_ends() {
    let house = story();
    let open = || folder::open_reader(house.path()).unwrap();
    let mut store = SqlEntityStore::new(open());
    let heron = store.named("heron", "host".parse().ok()).unwrap().remove(0);
    let (first, last) = (heron.first_seen, heron.last_seen);
    let mut ask = |since, until, severity_min, limit| {
        let query = TimelineQuery {
            since,
            until,
            source_type: None,
            severity_min,
            limit,
        };
        store.get_timeline(heron.node.uuid, &query)
    };
    let whole = ask(first, last, None, usize::MAX).unwrap();
    assert_eq!((whole.events.len(), whole.cut), (5, false));
    let edges = ask(first, first, None, 10).unwrap();
    assert_eq!(edges.events[0].at, first);
    let none = ask(first, last, None, 0).unwrap();
    assert_eq!((none.events.len(), none.cut), (0, true));
    assert!(matches!(
        ask(last, first, None, 10),
        Err(EntityStoreError::EmptyRange)
    ));
    assert!(matches!(
        ask(first, last, Some(7), 10),
        Err(EntityStoreError::Severity(7))
    ));
    let nobody = uuid::Uuid::from_u128(1);
    assert!(matches!(
        store.get_related(nobody),
        Err(EntityStoreError::Unknown(_))
    ));

    let mut graph = SqlGraphStore::new(open());
    let (edges, cut) = graph.load_edges().unwrap();
    assert!(!cut);
    assert_eq!(edges.len(), 10);
    assert!(edges.is_sorted_by_key(|edge| std::cmp::Reverse(edge.last_seen)));
    assert!(graph.get_neighbors(nobody, None, 1).is_err());
    assert_eq!(
        graph.get_subgraph(heron.node.uuid, 1).unwrap().nodes.len(),
        6
    );
    // What came since is there after it was asked for.
    house.store(vec![accepted(5, "ilse", "192.0.2.77")]);
    assert_eq!(
        graph.get_subgraph(heron.node.uuid, 1).unwrap().nodes.len(),
        6
    );
    graph.reload().unwrap();
    assert_eq!(
        graph.get_subgraph(heron.node.uuid, 1).unwrap().nodes.len(),
        8
    );
}
