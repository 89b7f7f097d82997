//! Where patterns begin and end, and how many people are told of.

use super::*;

fn sweeps(house: &House) -> usize {
    let found = patterns(house);
    let of_name = |one: &&String| one.starts_with("ip_sweep user/root");
    found.iter().filter(of_name).count()
}

#[test]
fn a_name_is_looked_into_again_when_its_last_tries_are_all_of_one_address() {
    let house = house();
    let tried = |seconds: i64, host: i64| failed(seconds, &format!("198.51.100.{host}"), "root");
    tell(&house, (1..=5).map(|host| tried(host, host)).collect());
    tell(
        &house,
        (1..=5).map(|host| tried(3_400 + host, host)).collect(),
    );
    assert_eq!(sweeps(&house), 1, "told within the hour");
    // From here on another could be told, but no address is new to the name.
    tell(&house, vec![tried(3_700, 5)]);
    tell(
        &house,
        (0..197).map(|step| tried(3_701 + step, 5)).collect(),
    );
    tell(&house, vec![tried(3_900, 4)]);
    assert_eq!(sweeps(&house), 1, "seen as the 200th");
    tell(&house, vec![tried(3_901, 5), tried(3_902, 1)]);
    assert_eq!(sweeps(&house), 2, "beyond what is looked through");
}

#[test]
fn the_mean_is_asked_for_at_the_20th_the_40th_and_the_80th_error() {
    // Errors at even times for a day, each minute, half minute or quarter: 5, 10, 20 in a window.
    for (step, in_window, severity) in [(60, 20, 70), (30, 40, 90), (15, 80, 100)] {
        let house = house();
        let usual = (0..=86_400 / step).map(|number| error(number * step - 86_400, "odd"));
        tell(&house, usual.collect());
        let before = patterns(&house).len();
        // All in the second after one that was traced, so that none of them is.
        let more = in_window - 300 / step;
        tell(&house, (1..more).map(|_| error(1, "odd")).collect());
        assert_eq!(patterns(&house).len(), before, "{in_window}");
        tell(&house, vec![error(1, "odd")]);
        assert_eq!(
            patterns(&house)[before..],
            [format!("error_burst jupiter/shop {in_window} {severity}")]
        );
    }
}

#[test]
fn what_a_timer_starts_every_minute_is_nothing_that_people_are_called_for() {
    let house = house();
    let started = |seconds: i64| {
        let fields = json!({"action": action::SERVICE_STARTED, "service": "backup"});
        line(seconds, "syslog", Level::Info, fields, "Started")
    };
    tell(&house, (0..30).map(|minute| started(minute * 60)).collect());
    assert_eq!(patterns(&house), ["restart_loop jupiter/backup 4 50"]);
    assert_eq!(moments(&house), ["RESTART_LOOP 3 service jupiter/backup"]);
    assert_eq!(alerts(&house), Vec::<String>::new());
}

#[test]
fn many_attackers_are_one_alert() {
    let house = house();
    let tries = (0..100).map(|step| {
        let ip = format!("198.51.100.{}", step % 20);
        failed(step, &ip, &format!("u{step}"))
    });
    tell(&house, tries.collect());
    let told = house.rows("SELECT pattern_type, count(*) FROM patterns GROUP BY pattern_type");
    assert_eq!(told, ["brute_force 20", "ip_sweep 20"]);
    let told = house.rows("SELECT alert_type, dedup_key, dedup_count FROM alerts");
    assert_eq!(told, ["BRUTE_FORCE BRUTE_FORCE:jupiter 20"]);
}

fn tries(seconds: impl Iterator<Item = i64>) -> Vec<NewEvent> {
    seconds.map(|at| failed(at, GUEST, "root")).collect()
}

#[test]
fn a_brute_force_is_told_again_as_the_same_whenever_it_has_doubled() {
    let house = house();
    // An old acquaintance: what it did before says nothing of now.
    tell(&house, tries((0..60).map(|step| step - 90_000)));
    let before = patterns(&house).len();
    tell(&house, tries((0..39).map(|step| step * 10)));
    assert_eq!(
        patterns(&house)[before..],
        ["brute_force 203.0.113.9 20 100"]
    );
    tell(&house, tries([390].into_iter()));
    assert_eq!(
        patterns(&house)[before..],
        ["brute_force 203.0.113.9 40 100"]
    );
    let told = house.rows(
        "SELECT t.description, t.duration FROM trace_patterns t JOIN patterns p ON p.id = t.id \
         WHERE p.grown IS NOT NULL ORDER BY t.id DESC LIMIT 1",
    );
    assert_eq!(
        told,
        ["40 logins from 203.0.113.9 failed within 6 min as root 390"]
    );
    // No more than can be counted.
    tell(&house, tries((400..2_400).map(|step| step.min(2_000))));
    assert_eq!(
        patterns(&house)[before..],
        ["brute_force 203.0.113.9 640 100"]
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn what_grows_is_no_further_alert_within_the_hour() {
    let house = house();
    let alerts = || house.rows("SELECT alert_type, dedup_count FROM alerts ORDER BY alert_id");
    tell(&house, tries(0..5));
    assert_eq!(alerts(), ["BRUTE_FORCE 1"]);
    house.wait(1_200);
    tell(&house, tries(1_200..1_215));
    assert_eq!(alerts(), ["BRUTE_FORCE 3"]);
    let other = (1_215..1_220).map(|at| failed(at, "198.51.100.4", "root"));
    tell(&house, other.collect());
    assert_eq!(alerts(), ["BRUTE_FORCE 3", "BRUTE_FORCE 1"], "a new one");
}

#[test]
fn people_are_told_of_a_slow_brute_force_when_it_has_grown_grave() {
    let house = house();
    tell(&house, tries((0..9).map(|step| step * 400)));
    assert_eq!(alerts(&house), Vec::<String>::new());
    tell(&house, tries([3_600].into_iter()));
    assert_eq!(patterns(&house), ["brute_force 203.0.113.9 10 75"]);
    assert_eq!(
        moments(&house),
        ["BRUTE_FORCE 3 host jupiter", "BRUTE_FORCE 4 host jupiter"]
    );
    assert_eq!(alerts(&house), ["BRUTE_FORCE"]);
}

#[test]
fn a_brute_force_grows_the_same_however_its_lines_came_in_batches() {
    let events = || -> Vec<_> {
        let old = tries((0..30).map(|step| step - 90_000));
        let own = tries((0..45).map(|step| step * 20));
        let other = (0..45).map(|step| failed(step * 20 + 7, "198.51.100.4", "ada"));
        let both = own.into_iter().zip(other);
        old.into_iter()
            .chain(both.flat_map(<[NewEvent; 2]>::from))
            .collect()
    };
    let grown = |cut: usize| {
        let house = house();
        for piece in events().chunks(cut) {
            tell(&house, piece.to_vec());
        }
        house.rows(
            "SELECT subject, event_count, severity, started_at, ended_at FROM patterns \
             WHERE pattern_type = 'brute_force' ORDER BY ended_at, subject",
        )
    };
    let together = grown(1_000);
    assert_eq!(together.len(), 3, "{together:?}");
    for cut in [1, 2, 7, 31] {
        assert_eq!(grown(cut), together, "{cut}");
    }
}
