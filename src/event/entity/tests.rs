#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use unicode_normalization::is_nfc;

use super::EntityType::{Camera, Domain, FilePath, Host, Ip, Person, Pet, Process, Sensor, User};
use super::*;

#[test]
fn ids_are_those_that_other_programs_compute() {
    for (kind, raw, id) in [
        (Ip, "10.0.0.1", "6df9e3ad-af86-5520-8743-84dc81c690c2"),
        (Ip, "::1", "1f20d1de-5958-5c3f-baa8-8c9c891a9d53"),
        (User, "alice", "de55a190-318e-51b1-a2f8-e85dfa8091c2"),
        (User, "CORP\\Alice", "ed35bbb7-013d-5850-8875-130f03660b49"),
        (User, "alice@corp", "ed35bbb7-013d-5850-8875-130f03660b49"),
        (Host, "WEB-01.", "82feccae-4dec-52cb-98dc-5192a014d769"),
        (
            Domain,
            "Example.COM.",
            "8b22b68f-4317-5756-8bda-7e00236738e1",
        ),
        (
            FilePath,
            "/etc/passwd",
            "577af02a-e36c-5a68-9563-8e3b94656be3",
        ),
    ] {
        let entity = Entity::new(kind, raw).unwrap();
        assert_eq!(entity.uuid().to_string(), id, "{entity}");
    }
    // RFC 9562 §5.5 by another implementation: the namespace of code 10 ends in `a` twice.
    let pet = Entity::new(Pet, "biscuit").unwrap().uuid().to_string();
    assert_eq!(pet, "e4fad03e-7eda-50b1-86ea-3951720b7518");
    let person = Entity::new(Person, "12").unwrap().uuid().to_string();
    assert_eq!(person, "d2a10036-ac21-54bd-9d66-083b0c8406e0");
}

#[test]
fn one_thing_has_one_form() {
    for (kind, raw, canonical) in [
        (User, "Alice", "alice"),
        (User, "corp:alice", "corp:alice"),
        (User, "alice@Corp.Example.", "corp.example:alice"),
        (User, "john smith", "john smith"),
        (User, "E\u{301}milie", "\u{e9}milie"),
        (Ip, " 192.0.2.1 ", "192.0.2.1"),
        (Ip, "2001:DB8::7", "2001:0db8:0000:0000:0000:0000:0000:0007"),
        (Ip, "::ffff:192.0.2.1", "192.0.2.1"),
        (
            Ip,
            "fe80::1%eth0",
            "fe80:0000:0000:0000:0000:0000:0000:0001",
        ),
        (Host, "Heron", "heron"),
        (Host, "B\u{dc}ro.Example", "b\u{fc}ro.example"),
        (Host, "2212", "2212"),
        (
            Domain,
            "_mqtt._tcp.Heron.Example",
            "_mqtt._tcp.heron.example",
        ),
        (Process, "sshd[123]", "sshd"),
        (Process, "/usr/sbin/sshd[123]:", "sshd"),
        (Process, "NetworkManager", "networkmanager"),
        (Process, "postfix/smtpd[7]", "postfix/smtpd"),
        (Process, "(sd-pam)", "(sd-pam)"),
        (Process, "a[b]", "a[b]"),
        (FilePath, "/etc//ssh/./sshd_config", "/etc/ssh/sshd_config"),
        (FilePath, "/var/log/", "/var/log"),
        (FilePath, "/", "/"),
        (FilePath, "/home/Mara/..hidden", "/home/Mara/..hidden"),
        (Camera, "Front_Door", "Front_Door"),
        (Sensor, "Ku\u{308}che", "K\u{fc}che"),
    ] {
        let entity = Entity::new(kind, raw).unwrap();
        assert_eq!(entity.value(), canonical, "{raw}");
        assert_eq!(entity.kind(), kind);
    }
}

#[test]
fn what_names_nothing_is_refused_with_the_reason() {
    let long = "a".repeat(VALUE_MAX_BYTES + 1);
    let grows = "\u{130}".repeat(VALUE_MAX_BYTES / 2);
    let label = format!("{}.example", "a".repeat(64));
    let labels = "a.".repeat(127) + "a";
    for (kind, raw, error) in [
        (User, "", EntityError::Empty),
        (Pet, " \u{2003}", EntityError::Empty),
        (Process, "[12]", EntityError::Empty),
        (Process, "/", EntityError::Empty),
        (User, &*long, EntityError::TooLong),
        (User, &*grows, EntityError::TooLong),
        (User, "a\nb", EntityError::ControlCharacter),
        (Camera, "a\u{9b}", EntityError::ControlCharacter),
        (FilePath, "/tmp/\0", EntityError::ControlCharacter),
        (Ip, "010.000.000.001", EntityError::NotAnAddress),
        (Ip, "10.0.0.256", EntityError::NotAnAddress),
        (Ip, "10.0.0.1:22", EntityError::NotAnAddress),
        (Ip, "10.0.0.1%eth0", EntityError::NotAnAddress),
        (Ip, "fe80::1%", EntityError::NotAnAddress),
        (Ip, "heron", EntityError::NotAnAddress),
        (Host, "10.0.0.1", EntityError::NotAHostName),
        (Host, "::1", EntityError::NotAHostName),
        (Host, "-a", EntityError::NotAHostName),
        (Host, "a..b", EntityError::NotAHostName),
        (Host, "a b", EntityError::NotAHostName),
        (Host, ".", EntityError::NotAHostName),
        (Host, &*label, EntityError::NotAHostName),
        (Host, &*labels, EntityError::NotAHostName),
        (Domain, "com", EntityError::NotAHostName),
        (User, "\\alice", EntityError::NotAUser),
        (User, "alice@", EntityError::NotAUser),
        (User, "a@b@c", EntityError::NotAUser),
        (User, "corp\\a:b", EntityError::NotAUser),
        (FilePath, "etc/passwd", EntityError::NotAbsolute),
        (FilePath, "/etc/../shadow", EntityError::Climbs),
    ] {
        assert_eq!(Entity::new(kind, raw), Err(error), "{kind} {raw}");
    }
}

#[test]
fn types_are_known_by_name_and_by_code() {
    for (at, kind) in EntityType::ALL.iter().copied().enumerate() {
        assert_eq!(usize::from(kind.code()), at + 1);
        assert_eq!(EntityType::from_code(kind.code()), Some(kind));
        assert_eq!(kind.to_string().parse(), Ok(kind));
        let list = UnknownEntityType.to_string();
        assert!(list.contains(kind.name()), "{kind} stands in: {list}");
    }
    assert_eq!(EntityType::from_code(0), None);
    assert_eq!("User".parse::<EntityType>(), Err(UnknownEntityType));
}

fn any_type() -> impl Strategy<Value = EntityType> {
    proptest::sample::select(EntityType::ALL)
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-cA-C.:@/%\\\\\\[\\]0-2 \u{e9}\u{301}\u{130}\u{3a3}_-]{0,24}",
        any::<std::net::IpAddr>().prop_map(|ip| ip.to_string()),
    ]
}

proptest! {
    #[test]
    fn a_canonical_value_is_its_own_canonical_form(kind in any_type(), raw in any_value()) {
        if let Ok(entity) = Entity::new(kind, &raw) {
            prop_assert!(is_nfc(entity.value()));
            prop_assert!(!entity.value().is_empty() && entity.value().len() <= VALUE_MAX_BYTES);
            prop_assert_eq!(Entity::new(kind, entity.value()), Ok(entity));
        }
    }

    #[test]
    fn case_tells_no_users_hosts_or_addresses_apart(
        kind in proptest::sample::select(&[User, Ip, Host, Process, Domain][..]),
        raw in "[a-cA-C.:@/\\\\0-2_-]{0,16}",
    ) {
        prop_assert_eq!(Entity::new(kind, &raw), Entity::new(kind, &raw.to_uppercase()));
    }
}
