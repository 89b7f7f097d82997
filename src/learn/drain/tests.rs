use super::*;

mod properties;

/// `template<TAB>line`: what the line's template is when all lines of the file have been mined.
const LINES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/templates/lines.tsv"
));

/// The reference: templates in a list, each with its leaf. Its ids are places in the list.
#[derive(Default)]
struct Miner {
    templates: Vec<(u64, Template)>,
}

impl Miner {
    fn id_of(&mut self, message: &str) -> usize {
        let tokens = Tokens::of(message);
        let key = leaf(&tokens);
        let ids: Vec<usize> = (0..self.templates.len())
            .filter(|id| self.templates[*id].0 == key)
            .collect();
        if let Some(place) = choose(ids.iter().map(|id| &self.templates[*id].1), &tokens) {
            self.templates[ids[place]].1.merge(&tokens);
            return ids[place];
        }
        self.templates.push((key, Template::of(&tokens)));
        self.templates.len() - 1
    }

    /// What a restart does: all that is kept is text.
    fn reloaded(&self) -> Self {
        let stored =
            |(key, template): &(u64, Template)| (*key, Template::parse(&template.to_string()));
        Self {
            templates: self.templates.iter().map(stored).collect(),
        }
    }

    fn texts(&self) -> Vec<String> {
        self.templates
            .iter()
            .map(|(_, template)| template.to_string())
            .collect()
    }
}

fn mined<'m>(messages: impl IntoIterator<Item = &'m str>) -> (Miner, Vec<usize>) {
    let mut miner = Miner::default();
    let ids = messages
        .into_iter()
        .map(|message| miner.id_of(message))
        .collect();
    (miner, ids)
}

fn golden() -> Vec<(&'static str, &'static str)> {
    LINES
        .lines()
        .map(|line| line.split_once('\t').expect("a template and a line"))
        .collect()
}

fn text_of(message: &str) -> String {
    Tokens::of(message).text().to_owned()
}

#[test]
fn lines_have_their_templates() {
    let golden = golden();
    let (miner, ids) = mined(golden.iter().map(|(_, line)| *line));
    let texts = miner.texts();
    for ((template, line), id) in golden.iter().zip(ids) {
        assert_eq!(texts[id], *template, "of {line}");
    }
}

#[test]
fn leaves_stay_the_same_for_ever() {
    let leaf_of = |message| leaf(&Tokens::of(message));
    assert_eq!(leaf_of(""), 0x141e_6ed9_594f_b134);
    assert_eq!(
        leaf_of("Nov 21 17:58:01 heron sshd[2212]: Failed password for root from 203.0.113.77"),
        0x1314_853d_b53d_8e24
    );
    assert_eq!(
        leaf_of(r#"{"event":"opened","gate":7}"#),
        0xf3df_f22d_66d1_0682
    );
}

#[test]
fn ten_thousand_compact_json_lines_of_one_kind_make_one_template() {
    let lines: Vec<String> = (0..10_000_u64)
        .map(|n| {
            let level = ["info", "warn", "error"][n as usize % 3];
            let value = ["null", "12", "\"x\"", "true", "[1,{}]"][n as usize % 5];
            format!(
                r#"{{"ts":"2026-11-21T17:58:{:02}.{n:06}Z","level":"{level}","msg":"request {n} of user{n} served in {n}.5ms","ip":"192.0.2.{}","id":"{:08x}-{n}","extra":{value}}}"#,
                n % 60,
                n % 250,
                n * 2_654_435_761 % 4_294_967_296,
            )
        })
        .collect();
    let (miner, _) = mined(lines.iter().map(String::as_str));
    assert_eq!(
        miner.texts(),
        [
            "{ extra=<*> id=<STR> ip=<STR> level=<*> msg=request <NUM> of <*> served in <NUM> ts=<STR> }"
        ]
    );
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let one = text_of(r#"{"a":1,"b":{"x":true,"y":"z"},"c":null}"#);
    assert_eq!(one, "{ a=<NUM> b.x=<BOOL> b.y=<STR> c=<NULL> }");
    assert_eq!(
        one,
        text_of(r#"{ "c" : null, "b" : {"y":"", "x":false}, "a" : -1.5e3 }"#)
    );
}

#[test]
fn the_order_of_lines_does_not_explode_the_count() {
    let mut lines: Vec<&str> = golden().into_iter().map(|(_, line)| line).collect();
    let forwards = mined(lines.iter().copied()).0.templates.len();
    lines.reverse();
    assert_eq!(mined(lines.iter().copied()).0.templates.len(), forwards);
    let again = mined(lines.iter().chain(&lines).copied()).0.templates.len();
    assert_eq!(again, forwards);
}

#[test]
fn json_that_is_none_is_running_text() {
    for broken in [
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        r#"{"a":}"#,
        r#"{"a":tru}"#,
        r#"{"a":"x}"#,
        r#"{"a":[1,2}"#,
        r#"{"a":1} and more"#,
        "{]",
        "[}",
    ] {
        assert!(!text_of(broken).starts_with("{ "), "{broken}");
    }
    assert_eq!(text_of(r#"{"a":1,"b":x}"#), r#"{"a":<NUM>, "b":x}"#);
}

#[test]
fn hostile_messages_stay_small() {
    let megabyte = 1_000_000;
    let messages = [
        "a".repeat(megabyte),
        "a ".repeat(megabyte / 2),
        "1,x".repeat(megabyte / 3),
        "1:".repeat(megabyte / 2),
        "\0".repeat(megabyte),
        "[".repeat(megabyte),
        "{".repeat(megabyte),
        "\"".repeat(megabyte),
        "\\".repeat(megabyte),
        "<*>".repeat(megabyte / 3),
        "é".repeat(megabyte / 2),
        "http://a/".repeat(megabyte / 9),
        r#"{"a":"#.repeat(megabyte / 5),
        r#" {"a":"#.repeat(600) + "}",
        format!(r#"{{"a":"{}"}}"#, "x".repeat(megabyte)),
        r#"{"a":"#.repeat(600) + "1" + &"}".repeat(600),
        format!("{{{}\"z\":1}}", r#""k":1,"#.repeat(500)),
        r#"{"msg":"\ud800\q\"#.to_owned(),
        r#"{"msg":"\ud800\q\u","a\"b=c d":1}"#.to_owned(),
    ];
    for message in &messages {
        let tokens = Tokens::of(message);
        let start: String = message.chars().take(20).collect();
        assert!(tokens.len() <= MAX_TOKENS + 1, "{start}");
        assert!(
            tokens.text().len() <= 17 * 1_024,
            "{start}: {}",
            tokens.text().len()
        );
        assert_eq!(
            Template::parse(tokens.text()).to_string(),
            tokens.text(),
            "{start}"
        );
        assert_eq!(
            choose(&[Template::of(&tokens)], &tokens),
            Some(0),
            "{start}"
        );
    }
}

#[test]
fn what_is_left_out_is_one_wildcard() {
    let long = text_of(&"word ".repeat(200));
    assert_eq!(long.split(' ').count(), MAX_TOKENS + 1);
    assert!(long.ends_with("word <*>"));
    let cut = text_of(&format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(5_000)));
    assert_eq!(cut, "{ a=<NUM> } <*>");
}

#[test]
fn a_message_cannot_write_a_wildcard() {
    let mut template = Template::of(&Tokens::of("open <*> for user=<*> or {user=<*>}"));
    let other = Tokens::of("open <*> for user=mara or {user=<*>}");
    assert!(template.merge(&other));
    assert_eq!(
        template.to_string(),
        r"open \<*> for user=<*> or {user=\<*>}"
    );
    assert_eq!(Template::parse(&template.to_string()), template);
}

#[test]
fn masks_stand_for_what_varies() {
    for (word, masked) in [
        ("192.0.2.1", "<IP>"),
        ("192.0.2.1:443", "<IP>"),
        ("192.0.2.0/24", "<IP>"),
        ("2001:db8::1", "<IP>"),
        ("fe80::1%eth0", "<IP>"),
        ("[2001:db8::1]:443", "<IP>"),
        ("from [192.0.2.1]", "from [<IP>]"),
        ("done [42]", "done [<NUM>]"),
        ("[4, 2]", "<LIST>"),
        ("got [\"a\", {}]", "got <LIST>"),
        ("src=192.0.2.1,dst=192.0.2.2", "src=<IP>, dst=<IP>"),
        ("192.0.2.1-192.0.2.9", "<IP>-<IP>"),
        ("02:00:5e:10:bc:07", "<MAC>"),
        ("02-00-51-10-12-07", "<MAC>"),
        ("02:00:51:10:12:07", "<MAC>"),
        ("0a1b2c3d-1111-2222-3333-444455556666", "<UUID>"),
        ("{0a1b2c3d-1111-2222-3333-444455556666}", "{<UUID>}"),
        ("0xdead", "<HEX>"),
        ("00158d0001abcdef", "<HEX>"),
        ("feedface", "feedface"),
        ("12345678", "<NUM>"),
        ("12ms", "<NUM>"),
        ("-3.5GB", "<NUM>"),
        ("50%", "<NUM>"),
        ("1,234", "<NUM>"),
        ("1m30.5s", "<NUM>"),
        ("usb 1-1.2:", "usb <NUM>-<NUM>:"),
        ("eth0", "eth0"),
        ("web-01", "web-<NUM>"),
        ("1password", "1password"),
        ("HTTP/1.1", "HTTP/<NUM>"),
        ("sshd[1234]:", "sshd[<NUM>]:"),
        ("17:58:01.", "<TIME>."),
        ("2026-11-21", "<TIME>"),
        ("(2026-11-21 17:58:01 +0100)", "(<TIME>)"),
        ("Sat, 21 Nov 2026 17:58:01 +0100", "<TIME>"),
        ("Saturday May 5", "Saturday May <NUM>"),
        ("/etc/passwd", "/etc/passwd"),
        ("/dev/sda1:", "<PATH>:"),
        ("/", "/"),
        ("https://heron.example:8443/a?b=c.", "<URL>."),
        ("mara@heron.example,", "<EMAIL>,"),
        ("getty@tty1.service", "getty@tty1.service"),
        (
            "msg=\"a b c d\" x=\"a b c d\"",
            "msg=\"a b c d\" x=\"<STR>\"",
        ),
    ] {
        assert_eq!(text_of(word), masked);
    }
}

#[test]
fn similarity_is_the_share_of_equal_tokens() {
    let close = |one: &str, other: &str, expected: f32| {
        let template = Template::parse(one);
        let found = similarity(&template, &Tokens::of(other));
        assert!((found - expected).abs() < 1e-6, "{one} | {other}: {found}");
    };
    close("gate opened by mara", "gate opened by mara", 1.0);
    close("gate opened by mara", "gate opened by joris", 0.75);
    close("gate opened by <*>", "gate opened by joris", 0.75);
    close("gate opened by mara", "gate opened by mara again", 0.0);
    close("gate opened by=mara now", "gate opened by=joris now", 0.875);
    close("gate opened by=<*> now", "gate opened by=joris now", 0.875);
    close("gate opened by=<*> now", "gate opened mara now", 0.75);
    close("", "", 1.0);
    let line = "Nov 21 17:58:01 heron gated[7]: gate opened";
    close("<TIME> <*> gated[<NUM>]: gate closed", line, 0.5);
    close("<TIME> heron other[<NUM>]: gate opened", line, 0.0);
}

#[test]
fn the_best_template_is_chosen() {
    let templates = [
        "gate <*> by mara",
        "gate opened by <*>",
        "gate opened by mara",
        "gate opened by mara",
    ]
    .map(Template::parse);
    let chosen = |count: usize, message| choose(&templates[..count], &Tokens::of(message));
    assert_eq!(chosen(4, "gate opened by mara"), Some(2));
    assert_eq!(chosen(2, "gate opened by mara"), Some(0));
    // As similar to the third, which it would make a second one like it.
    assert_eq!(chosen(4, "gate opened by joris"), Some(1));
    assert_eq!(chosen(4, "fence painted in green"), None);
    assert_eq!(chosen(0, "gate opened by mara"), None);
    let mixed = [
        Template::parse("gate <*> <*>"),
        Template::parse("gate <*> mara"),
    ];
    assert_eq!(choose(&mixed, &Tokens::of("gate for joris")), None);
    let equal = ["a b x y=<*>", "a b <*> y=<*>", "a b <*> <*>"].map(Template::parse);
    assert_eq!(choose(&equal, &Tokens::of("a b c d")), Some(2));
}

#[test]
fn merging_keeps_keys() {
    let mut template = Template::of(&Tokens::of("door id=7 code=exited in hall"));
    assert!(!template.merge(&Tokens::of("door id=8 code=exited in hall")));
    assert!(template.merge(&Tokens::of("door id=x code=killed in yard")));
    assert_eq!(template.to_string(), "door id=<*> code=<*> in <*>");
    assert!(template.merge(&Tokens::of("door nothing code=killed in yard")));
    assert_eq!(template.to_string(), "door <*> code=<*> in <*>");
    assert!(!template.merge(&Tokens::of("door")));
    assert_eq!(template.to_string(), "door <*> code=<*> in <*>");
}
