use serde_json::json;

use super::server::{serve, status};
use super::{NOW, message, poster, reason};
use crate::base::secret::Secret;
use crate::delivery::ntfy::{BadNtfy, Ntfy};
use crate::delivery::{BadAddress, Message, Outcome, Severity};

fn token() -> Secret {
    Secret::new("tk_s3cret".into())
}

#[test]
fn a_message_goes_to_the_root_as_ntfy_documents_it() {
    let (outcome, requests) = serve(vec![status(200, "")], |at| {
        let ntfy = Ntfy::new(&format!("http://{at}"), "house_s3cret", Some(&token())).unwrap();
        ntfy.send(&poster(), &message(), NOW)
    });
    assert_eq!(outcome, Outcome::Sent);
    let request = &requests[0];
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some("Bearer tk_s3cret"));
    assert_eq!(
        request.json(),
        json!({
            "topic": "house_s3cret",
            "title": "Mira is outside",
            "message": "Seen at the garden gate — 03:12",
            "priority": 4,
            "tags": ["rotating_light", "PET_ESCAPE"],
            "click": "https://box.example/alerts/17",
        })
    );
}

#[test]
fn severity_is_priority_and_texts_are_cut() {
    for (severity, priority) in [
        (Severity::Info, 2),
        (Severity::Warning, 3),
        (Severity::Alert, 4),
        (Severity::Critical, 5),
    ] {
        let long = Message {
            severity,
            title: "ä".repeat(5_000),
            body: "ß".repeat(5_000),
            url: None,
            ..message()
        };
        let (_, requests) = serve(vec![status(200, "")], |at| {
            let ntfy = Ntfy::new(&format!("http://{at}/"), "house", None).unwrap();
            ntfy.send(&poster(), &long, NOW)
        });
        let body = requests[0].json();
        assert_eq!(body["priority"], priority);
        let text = body["message"].as_str().unwrap();
        assert!(text.len() <= 4_096 && text.len() > 3_990 && text.ends_with("ß…"));
        assert!(body["title"].as_str().unwrap().len() <= 256);
        assert!(body.get("click").is_none());
        assert_eq!(requests[0].header("authorization"), None);
    }
}

#[test]
fn a_message_without_a_body_shows_its_title() {
    let bare = Message {
        body: String::new(),
        ..message()
    };
    let (_, requests) = serve(vec![status(200, "")], |at| {
        let ntfy = Ntfy::new(&format!("http://{at}/"), "house", None).unwrap();
        ntfy.send(&poster(), &bare, NOW)
    });
    assert_eq!(requests[0].json()["message"], "Mira is outside");
    assert_eq!(requests[0].json()["title"], "");
}

#[test]
fn neither_token_nor_topic_is_shown() {
    let (outcome, _) = serve(vec![status(403, "")], |at| {
        let ntfy = Ntfy::new(&format!("http://{at}"), "house_s3cret", Some(&token())).unwrap();
        assert!(!format!("{ntfy:?}").contains("s3cret"), "{ntfy:?}");
        ntfy.send(&poster(), &message(), NOW)
    });
    assert!(matches!(outcome, Outcome::Refused { .. }));
    assert!(!reason(&outcome).contains("s3cret"), "{outcome:?}");
}

#[test]
fn what_ntfy_would_not_take_is_refused_at_once() {
    let new = |server, topic, token: Option<&str>| {
        let token = token.map(|text| Secret::new(text.to_owned()));
        Ntfy::new(server, topic, token.as_ref()).unwrap_err()
    };
    let server = "https://ntfy.example";
    assert_eq!(
        new("https://ntfy.example/house", "house", None),
        BadNtfy::NotTheRoot
    );
    assert_eq!(
        new("https://ntfy.example?a", "house", None),
        BadNtfy::NotTheRoot
    );
    assert_eq!(
        new("ntfy.example", "a", None),
        BadNtfy::Address(BadAddress::Unreadable)
    );
    let long = "x".repeat(65);
    for topic in ["", "a b", "a/b", "häuser", &long] {
        assert_eq!(new(server, topic, None), BadNtfy::Topic, "{topic}");
    }
    for token in ["", "a b", "a\r\nX-Evil: 1", "ö"] {
        assert_eq!(new(server, "house", Some(token)), BadNtfy::Token, "{token}");
    }
}
