//! Changes of tables that are no projection.

use super::*;

fn subscribed(recipient: &str, endpoint: &str) -> StateChange {
    StateChange::PushSubscribed {
        recipient: recipient.into(),
        endpoint: endpoint.into(),
        p256dh: vec![4; 65],
        auth: vec![7; 16],
        user_agent: None,
    }
}

fn rows(bench: &Bench) -> Vec<(i64, String, Option<i64>)> {
    let mut reader = Database::open_reader(&bench.path()).unwrap();
    let sql = "SELECT id, recipient, last_used_at FROM push_subscriptions ORDER BY id";
    let mut session = reader.snapshot().unwrap();
    all(&mut session, sql, &[], |row| {
        Ok((row.int(0)?, row.text(1)?.to_owned(), row.opt_int(2)?))
    })
    .unwrap()
}

#[test]
fn a_subscription_is_made_renewed_used_removed_and_survives_a_rebuild() {
    let mut bench = Bench::new();
    let change = |bench: &Bench, change| bench.handle().change(change).unwrap();
    let one = change(&bench, subscribed("ada", "https://push.example/1")).unwrap();
    let two = change(&bench, subscribed("tom", "https://push.example/2")).unwrap();
    assert_ne!(one, two);
    // The same browser again keeps its number; whose it is may change.
    let again = change(&bench, subscribed("eva", "https://push.example/1"));
    assert_eq!(again, Some(one));
    let used = StateChange::PushUsed { id: two, at: 5 };
    assert_eq!(change(&bench, used), Some(two));
    bench.handle().rebuild().unwrap();
    let both = vec![
        (one, "eva".to_owned(), None),
        (two, "tom".to_owned(), Some(5)),
    ];
    assert_eq!(rows(&bench), both);
    bench.stop().unwrap();
    bench.start();
    assert_eq!(rows(&bench), both);

    let gone = StateChange::PushUnsubscribed { id: two };
    assert_eq!(change(&bench, gone.clone()), Some(two));
    assert_eq!(change(&bench, gone), None);
    assert_eq!(
        change(&bench, StateChange::PushUsed { id: two, at: 6 }),
        None
    );
    // A number is never given twice: a delivery to it must not reach another browser.
    let next = change(&bench, subscribed("tom", "https://push.example/3")).unwrap();
    assert!(next > two);
}

#[test]
fn a_recipient_has_so_many_browsers_and_no_more() {
    let bench = Bench::new();
    for number in 0..crate::writer::change::SUBSCRIPTIONS_MAX {
        let endpoint = format!("https://push.example/{number}");
        bench.handle().change(subscribed("ada", &endpoint)).unwrap();
    }
    let one_more = bench
        .handle()
        .change(subscribed("ada", "https://push.example/x"));
    let said = one_more.unwrap_err().to_string();
    assert!(
        said.contains("ada has 32 push subscriptions already"),
        "{said}"
    );
    bench
        .handle()
        .change(subscribed("tom", "https://push.example/x"))
        .unwrap();
    bench
        .handle()
        .change(subscribed("ada", "https://push.example/0"))
        .unwrap();
    // Nothing of a refused change stays, and the writer goes on.
    assert_eq!(rows(&bench).len(), 33);
}

#[test]
fn neither_debug_nor_the_log_shows_the_secrets() {
    let bench = Bench::new();
    let change = subscribed("ada", "https://push.example/s3cret");
    let shown = format!("{change:?}");
    assert!(
        shown.contains("ada") && !shown.contains("s3cret"),
        "{shown}"
    );
    bench.handle().change(change).unwrap();
    assert_eq!(bench.ints("SELECT count(*) FROM event_log"), [0]);
}

#[test]
fn followers_are_rung_for_and_forgotten_when_they_go() {
    let bench = Bench::new();
    let news = bench.handle().follow();
    drop(bench.handle().follow());
    assert!(news.try_recv().is_err());
    let note = || {
        NewEvent::own(
            NOW,
            "camera/porch",
            crate::event::camera::HeartbeatReceived::default(),
        )
    };
    for _ in 0..2 {
        bench.handle().store(vec![note(), note()]).unwrap();
        assert!(news.try_recv().is_ok());
        assert!(news.try_recv().is_err(), "one ring says it all");
    }
    let followers = bench.handle().followers.0.lock().unwrap().len();
    assert_eq!(followers, 1);
}
