//! What the configuration says of the house: its devices, rules, animals and people.

use super::{House, refused};
use crate::config::FirstRead;
use crate::event::animal::Threat;

/// Loading refuses `text` with a message in which `part` stands.
#[track_caller]
fn told(text: &str, part: &str) {
    let error = House::with(text).error();
    assert!(error.contains(part), "{text}\n{error}");
}

#[test]
fn a_camera_has_an_id_of_its_own_and_a_place_that_is_known() {
    told(
        "[[camera]]\nname = 'Yard'",
        "number 1: `id` must be what stands in its topics",
    );
    told(
        "[[camera]]\nid = 'a/b'",
        "number 1: `id` must be what stands in its topics",
    );
    told(
        "[[camera]]\nid = 'yard'\n[[camera]]\nid = 'yard'",
        "number 2: the id \"yard\" is taken already",
    );
    told("[[camera]]\nid = 'yard'\nlocation = 'GARDEN'", "EXTERIOR");
    told("[[camera]]\nid = 'yard'\ncolour = 'red'", "colour");
    let stream = "[[camera]]\nid = 'yard'\nsource_url = 'rtsp://mara:heather@192.0.2.9/stream'";
    let camera = House::with(stream).load().config.camera.remove(0);
    let kept = camera.source_url.unwrap();
    assert!(
        kept.contains("192.0.2.9/stream") && !kept.contains("heather"),
        "{kept}"
    );
}

#[test]
fn a_sensor_may_be_silent_for_a_while_or_for_ever() {
    let sensor =
        |silent_after: &str| format!("[[sensor]]\nid = 'door'\nsilent_after = '{silent_after}'");
    told(&sensor("soon"), "or write \"never\"");
    told(
        &sensor("1s"),
        "number 1: `silent_after` is 1s, but must be at least",
    );
    told(
        "[[sensor]]\nid = 'door'\n[[sensor]]\nid = 'door'",
        "number 2: the id \"door\" is taken already",
    );
    for good in ["never", "2h"] {
        House::with(&sensor(good)).load();
    }
    told("liveness.least = '1ms'", "liveness.least");
}

#[test]
fn a_rule_of_classification_names_a_kind_that_can_be_a_moment() {
    let rule = |rest: &str| format!("[[classification.rule]]\nid = 'x'\n{rest}");
    told(
        &rule("kind = 'sensor.reportd'\nseverity = 'INFO'"),
        "number 1: `kind` \"sensor.reportd\"",
    );
    told(
        &rule("kind = 'pet.sighted'\nkey = 'smoke'\nseverity = 'INFO'"),
        "are for sensor.reported only",
    );
    let twice = rule("kind = 'pet.sighted'\nseverity = 'INFO'");
    told(
        &format!("{twice}\n{twice}"),
        "number 2: `id` must be unique",
    );
    told(
        &rule("kind = 'pet.sighted'\nseverity = 'LOUD'"),
        "unknown variant `LOUD`",
    );
    told(&twice, "number 1 needs a `type`");
    House::with(&rule(
        "kind = 'pet.sighted'\nseverity = 'INFO'\ntype = 'PET_AT_DOOR'",
    ))
    .load();
}

#[test]
fn the_alarm_and_its_rules_are_refused_where_they_would_do_nothing() {
    told(
        "alarm.pin_hash = 'pbkdf2_sha256$12$34'",
        "`alarm.pin_hash` is no PIN's hash",
    );
    told(
        "[[rule]]\nid = 'x'\nactions = ['alert_all']",
        "number 1 must have 1 to",
    );
    told(
        "[[rule]]\nid = 'x'\nconditions = [{ type = 'camera_motion' }]\nactions = ['shout']",
        "\"shout\" is no action; there are \"alert_all\"",
    );
}

#[test]
fn a_recipient_can_be_reached_safely() {
    let recipient = |rest: &str| format!("[[alerts.recipient]]\nname = 'ada'\n{rest}");
    told(
        &recipient("webhook_url = 'https://example.org/hook'"),
        "`webhook_url` needs `webhook_secret_file`",
    );
    told(
        &recipient("webhook_url = 'ftp://example.org'\nwebhook_secret_file = '/s'"),
        "a URL must begin with https:// or http://",
    );
    told(
        &format!("{}\n{}", recipient(""), recipient("")),
        "`name` must be unique",
    );
}

#[test]
fn a_rule_may_not_publish_where_nightjar_listens() {
    let rule = |topic: &str| {
        format!(
            "mqtt.filters.sensor = ['zigbee2mqtt/+']\n[[rule]]\nid = 'x'\n\
             conditions = [{{ type = 'camera_motion' }}]\n\
             actions = [{{ type = 'publish', topic = '{topic}', payload = 'ON' }}]\n"
        )
    };
    for topic in [
        "vigilar/sensor/a/contact_open",
        "zigbee2mqtt/siren",
        "nightjar/home/alarm",
    ] {
        let error = House::with(&rule(topic)).error();
        assert!(
            error.contains(&format!("number 1: topic {topic:?} lies below")),
            "{error}"
        );
    }
    House::with(&rule("zigbee2mqtt/siren/set")).load();
}

#[test]
fn web_push_needs_a_key_and_a_contact() {
    let recipient = "[[alerts.recipient]]\nname = 'ada'\nweb_push = true\n";
    let error = House::with(recipient).error();
    assert!(
        error.contains("alerts.contact") && error.contains("alerts.vapid_key_file"),
        "{error}"
    );
    let all = "[alerts]\ncontact = 'mailto:ada@example.org'\nvapid_key_file = '/k'\n";
    House::with(&format!("{all}{recipient}")).load();
}

#[test]
fn a_wild_animal_has_one_threat() {
    refused(
        "wildlife.predators = ['Bear']",
        "1:22: `wildlife.predators` has \"Bear\"; a species is 1 to 128 characters in lower case, \
         without blanks around it",
    );
    refused(
        "wildlife.predators = ['fox']",
        "1:10: `wildlife.predators` and `wildlife.nuisances` both name \"fox\"; it is one or the \
         other",
    );
    let config = House::with("wildlife.nuisances = ['badger']").load().config;
    let threats = config.wildlife.threats();
    assert_eq!(threats.of("badger"), Threat::Nuisance);
    assert_eq!(threats.of("fox"), Threat::Passive);
    assert_eq!(threats.of("bear"), Threat::Predator);
}

#[test]
fn a_machine_is_sampled_as_often_as_makes_sense_and_has_a_name_for_topics() {
    for bad in ["999ms", "2h"] {
        told(
            &format!("host.interval = '{bad}'"),
            &format!("`host.interval` is {bad}, but must be from 1s to 1h"),
        );
    }
    let long = "n".repeat(129);
    for bad in ["", "up/stairs", "up+", "#", "tab\\t", &long] {
        told(
            &format!("host.name = \"{bad}\""),
            "`host.name` must have 1 to 128 bytes without `/`, `+` and `#`",
        );
    }
    told("host.colour = 'red'", "colour");
    let config = House::with("host = { name = 'heron', interval = '1h' }")
        .load()
        .config;
    assert_eq!(config.host.name(), "heron");
}

#[test]
fn a_log_file_has_a_whole_path_of_its_own_and_a_source() {
    let file = |path: &str, source: &str| {
        format!("[[log_file]]\npath = '{path}'\nsource = \"{source}\"\n")
    };
    told(
        &file("auth.log", "auth"),
        "number 1: `path` \"auth.log\" must begin with `/`",
    );
    told(
        &(file("/l/auth", "auth") + &file("/l/auth", "other")),
        "number 2: the path \"/l/auth\" is read already",
    );
    for bad in ["", "a+b", "#", "tab\\t", &"s".repeat(129)] {
        told(
            &file("/l/auth", bad),
            "number 1: `source` must say what the log is called",
        );
    }
    told("[[log_file]]\npath = '/l/auth'", "number 1: `source`");
    let odd = |rest: &str| file("/l/auth", "auth") + rest;
    told(&odd("time_zone = 'Mars/Olympus'"), "Mars/Olympus");
    told(&odd("first_read = 'middle'"), "unknown variant `middle`");
    told(&odd("colour = 'red'"), "colour");
    let many = |count: u32| -> String {
        (0..count)
            .map(|number| file(&format!("/l/{number}"), "auth"))
            .collect()
    };
    told(&many(257), "has more than 256 entries");
    House::with(&many(256)).load();
}

#[test]
fn a_log_file_takes_what_it_leaves_out_from_the_site_and_the_logs() {
    let text = "site.time_zone = 'Asia/Kathmandu'\nlogs.first_read = 'end'\n\
                [[log_file]]\npath = '/l/*.log'\nsource = 'nginx/access'\n\
                [[log_file]]\npath = '/l/auth'\nsource = 'auth'\ntime_zone = 'UTC'\nfirst_read = 'all'";
    let files = House::with(text).load().config.log_files();
    let zones = files.iter().map(|file| file.zone.iana_name().unwrap());
    assert_eq!(zones.collect::<Vec<_>>(), ["Asia/Kathmandu", "UTC"]);
    let first_reads = files.iter().map(|file| file.first_read);
    assert_eq!(
        first_reads.collect::<Vec<_>>(),
        [FirstRead::End.into(), FirstRead::All.into()]
    );
}
