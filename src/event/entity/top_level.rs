//! Which last part makes a name with dots a domain name.
//!
//! A log is full of names with dots that are none: files, loggers, keys, units. So this is no copy of
//! the root zone but a selection from it (IANA, and the names that RFC 6761, RFC 6762 and RFC 7686
//! set apart): what is also the end of a file (`.sh`, `.py`, `.so`) or of a key (`user.id`,
//! `log.info`) is left out, since a wrong domain is worse than a missed one.

/// Those of countries, without `ac am as bz cc cf do id in is la mc md mk ml mm mo pl pm ps py rs sh
/// so tf to`.
const COUNTRIES: &str = "ad ae af ag ai al ao aq ar at au aw ax az ba bb bd be bf bg bh bi bj bm \
    bn bo br bs bt bw by ca cd cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm dz ec ee \
    eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm \
    hn hr ht hu ie il im io iq ir it je jm jo jp ke kg kh ki km kn kp kr kw ky kz lb lc li lk lr \
    ls lt lu lv ly ma me mg mh mn mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr \
    nu nz om pa pe pf pg ph pk pn pr pt pw qa re ro ru rw sa sb sc sd se sg si sk sl sm sn sr ss \
    st sv sx sy sz tc td tg th tj tk tl tm tn tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn \
    vu wf ws ye yt za zm zw";

/// The longest one that is known, bytes.
const MAX_BYTES: usize = 11;

/// One bit per second letter, by first letter.
const COUNTRY_BITS: [u32; 26] = {
    let mut bits = [0; 26];
    let names = COUNTRIES.as_bytes();
    let mut at = 0;
    while at < names.len() {
        bits[(names[at] - b'a') as usize] |= 1 << (names[at + 1] - b'a');
        at += 3;
    }
    bits
};

/// Whether a name may end so; its case does not matter.
pub(super) fn is_known(label: &str) -> bool {
    let mut lower = [0; MAX_BYTES];
    let Some(lower) = lower.get_mut(..label.len()) else {
        return false;
    };
    lower.copy_from_slice(label.as_bytes());
    lower.make_ascii_lowercase();
    match *lower {
        [first @ b'a'..=b'z', second @ b'a'..=b'z'] => {
            COUNTRY_BITS[usize::from(first - b'a')] >> (second - b'a') & 1 == 1
        }
        _ => matches!(
            &*lower,
            b"com"
                | b"net"
                | b"org"
                | b"edu"
                | b"gov"
                | b"mil"
                | b"biz"
                | b"xyz"
                | b"icu"
                | b"dev"
                | b"box"
                | b"lan"
                | b"arpa"
                | b"tech"
                | b"cloud"
                | b"local"
                | b"onion"
                | b"online"
                | b"website"
                | b"example"
                | b"internal"
                | b"localdomain"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn ends_of_domains_are_told_from_ends_of_files_and_keys() {
        for known in [
            "com",
            "COM",
            "de",
            "uk",
            "ad",
            "zw",
            "arpa",
            "example",
            "localdomain",
        ] {
            assert!(is_known(known), "{known}");
        }
        for other in [
            "",
            "a",
            "c",
            "sh",
            "py",
            "rs",
            "so",
            "gz",
            "id",
            "info",
            "conf",
            "service",
            "d1",
            "é",
            "localdomains",
            "zz",
        ] {
            assert!(!is_known(other), "{other}");
        }
    }
}
