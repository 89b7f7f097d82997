use proptest::prelude::*;

use super::EntityType::{Domain, FilePath, Ip, User};
use super::*;
use crate::event::entity::Entity;

fn found(text: &str) -> Vec<(EntityType, &str)> {
    let mut all = Vec::new();
    mentions(text, &mut |kind, name| all.push((kind, name)));
    all
}

#[test]
fn addresses_are_found_however_they_are_written() {
    for (text, ip) in [
        ("192.0.2.1", "192.0.2.1"),
        ("cannot reach 192.0.2.1.", "192.0.2.1"),
        ("cannot reach 192.0.2.1: no route", "192.0.2.1"),
        ("from 192.0.2.1:52014 on port 1883", "192.0.2.1"),
        ("client 192.0.2.1#5353 (x)", "192.0.2.1"),
        ("SRC=192.0.2.1 DPT=22", "192.0.2.1"),
        ("{\"ip\":\"192.0.2.1\"}", "192.0.2.1"),
        ("[192.0.2.1]:22", "192.0.2.1"),
        ("git@192.0.2.1", "192.0.2.1"),
        ("rtsp://viewer:xxx@192.0.2.1:554/live", "192.0.2.1"),
        ("from 2001:db8:0:7::1f port 51132", "2001:db8:0:7::1f"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("https://[2001:db8::1]/", "2001:db8::1"),
        (
            "from fe80::5054:ff:fe12:3456%enp1s0 port 1",
            "fe80::5054:ff:fe12:3456",
        ),
        ("to ::1: refused", "::1"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("64:ff9b::c000:201", "64:ff9b::c000:201"),
        ("net 2001:db8:: gone", "2001:db8::"),
    ] {
        assert_eq!(found(text), [(Ip, ip)], "{text}");
    }
}

#[test]
fn files_are_found_from_a_root_folder_on() {
    for (text, path) in [
        ("open /etc/passwd", "/etc/passwd"),
        (
            "cannot open /etc/nginx/nginx.conf: denied",
            "/etc/nginx/nginx.conf",
        ),
        (
            "/etc/nginx/nginx.conf:12:5: unknown directive",
            "/etc/nginx/nginx.conf",
        ),
        ("in \"/home/mara/Videos\" now", "/home/mara/Videos"),
        (
            "path=/var/lib/nightjar/nightjar.db, full",
            "/var/lib/nightjar/nightjar.db",
        ),
        ("running (/usr/sbin/sshd)", "/usr/sbin/sshd"),
        ("removed /tmp/.X11-unix/.", "/tmp/.X11-unix/"),
        ("opened /srv/Füchse/a.mp4", "/srv/Füchse/a.mp4"),
    ] {
        assert_eq!(found(text), [(FilePath, path)], "{text}");
    }
}

#[test]
fn domains_are_found() {
    for (text, domain) in [
        ("lookup of db.example.com failed", "db.example.com"),
        ("cannot reach heron.example:8883.", "heron.example"),
        ("host=WWW.EXAMPLE.COM", "WWW.EXAMPLE.COM"),
        ("mail to <mara@mail.example.org>", "mail.example.org"),
        (
            "GET https://cams.heron.example/live.m3u8?x=1",
            "cams.heron.example",
        ),
        ("wss://nas.attic:9001", "nas.attic"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ] {
        assert_eq!(found(text), [(Domain, domain)], "{text}");
    }
}

#[test]
fn users_are_found_where_a_name_must_stand() {
    for (text, user) in [
        ("user=alice", "alice"),
        ("USER=root ; COMMAND=x", "root"),
        ("login ok user=\"alice\" via tty", "alice"),
        ("{\"username\": \"alice\", \"n\":1}", "alice"),
        ("{\"user\":\"alice\"}", "alice"),
        ("user=CORP\\alice,", "CORP\\alice"),
        ("user=alice@corp.example", "alice@corp.example"),
        (
            "Failed password for invalid user backup.svc from x",
            "backup.svc",
        ),
        ("Accepted publickey for mara from x", "mara"),
        ("session opened for user mara(uid=1000) by (uid=0)", "mara"),
        ("New session 5 of user mara.", "mara"),
        ("change for user 'mara' done", "mara"),
        (
            "closed by authenticating user root x port 5"
                .replace('x', "on")
                .leak(),
            "root",
        ),
    ] {
        assert_eq!(found(text), [(User, user)], "{text}");
    }
}

#[test]
fn what_may_be_something_else_is_nothing() {
    for text in [
        "",
        "at 12:30:01 and 2026-11-21T17:58:01.123456+01:00, 2026:11:21 17:58",
        "version 1.2.3.4, release: 1.2.3.4; 1.2.3 and v1.2.3.4 and Chrome/120.0.0.0",
        "mac aa:bb:cc:dd:ee:ff on eth0:1, aa:bb:cc:dd:ee:ff:00:11",
        "10.0.0.0/24 mask 255.255.255.0 any 0.0.0.0:80 and [::]:80, 010.000.000.001",
        "cafe::bad a::b std::fmt ::ffff dead::beef ::",
        "nginx.service main.rs x.py a.sh libfoo.so.1 nightjar.conf day.log.gz clip.mp4 a.vge",
        "run.timer dbus.socket home.mount user.slice a.jpg b.png c.json d.txt e.js f.ts g.tf",
        "fail2ban.filter django.request org.example.dev com.example.Main(x) log.info user.id",
        "host.name=x {\"process.io\":1} e.g. i.e. U.S. 9.am done.It socket.io(x)",
        "GET /home/index.html HTTP/1.1",
        "\"POST /var/x HTTP/1.1\" 404",
        "GET /x?file=/etc/passwd&f=/etc/shadow",
        "and/or 3 km/h /etc /login /api/v1/users //etc/x /etc/../shadow /etc//x ./a",
        "\"/home/mara/My Videos/a.mp4\" '/home/mara/a",
        "user=0.0.0.0\\mara user=x\\7 user=root: user=a.",
        "/dev/disk/by-path/pci-0000:00:1f.2 /usr/x*.log /tmp/a%20b /tmp/$x /mnt/a,b /mnt/a=b",
        "user space, user not found, user agent, for user authentication failed, the user",
        "waiting for reply from server, user: bob, user=1000 user=- user=unknown user=",
        "Failed password for invalid user  from x, Failed none for  from from x",
        "user=a@b@c user=alice's ruser= logname= user=@x",
        "getty@tty1.service x@y a@@example.com @example.com",
        "unix:///run/x.sock file:///etc/passwd",
        "\u{0}\u{7f}\u{85}é.ü …/etc",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_line_of_sshd_names_who_and_from_where() {
    let line = "Nov 21 17:58:01 heron sshd[2212]: Failed password for invalid user admin from \
                203.0.113.77 port 51000 ssh2";
    assert_eq!(found(line), [(User, "admin"), (Ip, "203.0.113.77")]);
}

#[test]
fn a_long_line_costs_what_its_beginning_costs() {
    let many = "192.0.2.1 ".repeat(100);
    assert_eq!(found(&many).len(), MENTIONS_MAX);
    let far = "x".repeat(READ_MAX_BYTES) + " 192.0.2.1";
    assert_eq!(found(&far), []);
    // The last word may be cut and is not read.
    let cut = " ".repeat(READ_MAX_BYTES - 9) + "192.0.2.123";
    assert_eq!(found(&cut), []);
    let fits = " ".repeat(READ_MAX_BYTES - 11) + "192.0.2.123";
    assert_eq!(found(&fits), [(Ip, "192.0.2.123")]);
}

fn any_line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[ -~é\u{85}]{0,12}",
        any::<core::net::IpAddr>().prop_map(|ip| ip.to_string()),
        proptest::sample::select(
            &[
                "/etc/",
                "/home/mara",
                "user=",
                "user ",
                "for ",
                "invalid ",
                "password ",
                " from ",
                "://",
                "example.com",
                "@",
                ":",
                "::",
                "\"",
                "'",
                "%eth0",
                "..",
                "\\",
            ][..]
        )
        .prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn each_mention_stands_in_the_text_and_is_an_entity(line in any_line()) {
        let all = found(&line);
        prop_assert!(all.len() <= MENTIONS_MAX);
        let mut rest = &*line;
        for (kind, name) in all {
            let at = rest.find(name);
            prop_assert!(at.is_some(), "{} in order", name);
            rest = &rest[at.unwrap_or_default() + name.len()..];
            let entity = Entity::new(kind, name);
            prop_assert!(entity.is_ok(), "{kind} {name}: {entity:?}");
        }
    }

    #[test]
    fn every_address_of_a_host_is_found(ip in any::<core::net::Ipv4Addr>(), port in any::<u16>()) {
        let usual = !matches!(ip.octets()[0], 0 | 255);
        let expected = if usual { vec![(Ip, ip.to_string())] } else { vec![] };
        let line = format!("connection from {ip}:{port} closed");
        let all: Vec<_> = found(&line).into_iter().map(|(kind, name)| (kind, name.to_owned())).collect();
        prop_assert_eq!(all, expected);
    }
}
