//! Lost connections, and answers that come late, out of order or never.

use std::collections::BTreeMap;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_arrives_and_the_latency_is_told() {
    let mut broker = small().await;
    let heard = broker.listen().await;
    let running = run(broker.address, BRISK);
    let began = Instant::now();
    let latency = running.send("smoke", PATIENCE).answer().await.unwrap();
    assert!(latency > Duration::ZERO && latency <= began.elapsed());
    for number in 0..500 {
        let payload = format!("{number}");
        let queued = running
            .outlet
            .publish("nightjar/home/event/x", payload, false);
        queued.unwrap();
    }
    running.settled().await;
    until("all are heard", || {
        heard.on("nightjar/home/event/x").len() == 500
    })
    .await;
    let in_order: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(heard.on("nightjar/home/event/x"), in_order);
    assert_eq!(heard.alerts(), ["smoke"]);
    assert_eq!(heard.on(AVAILABILITY), [ONLINE]);
    assert_eq!(running.telemetry.published.get(), 502);
    let well = Health {
        connected: true,
        trouble: None,
    };
    assert_eq!(running.health(), well);
    let later = listen(broker.address, "later", &mut broker.tasks).await;
    until("it is retained", || {
        later.retained(AVAILABILITY).as_deref() == Some(ONLINE)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_announced_by_the_will_and_the_next_one_by_us() {
    let mut broker = small().await;
    let heard = broker.listen().await;
    let running = run(broker.address, BRISK);
    running.settled().await;
    broker.cut();
    until("offline and online again", || {
        heard.on(AVAILABILITY) == [ONLINE, OFFLINE, ONLINE]
    })
    .await;
    running.send("still here", PATIENCE).answer().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_are_told_to_a_broker_that_has_forgotten_them() {
    let mut broker = small().await;
    let running = run(broker.address, BRISK);
    running
        .outlet
        .set_state("nightjar/home/alarm", "DISARMED")
        .unwrap();
    running
        .outlet
        .set_state("nightjar/home/stats", "{}")
        .unwrap();
    running.settled().await;
    broker.stop.cancel();
    broker.tasks.join_all().await;
    until("the loss is noticed", || !running.health().connected).await;
    for state in ["ARMED_HOME", "ARMED_AWAY"] {
        running
            .outlet
            .set_state("nightjar/home/alarm", state)
            .unwrap();
    }
    broker = small_at(broker.address).await;
    let heard = broker.listen().await;
    until("all states are there", || {
        [AVAILABILITY, "nightjar/home/alarm", "nightjar/home/stats"]
            .iter()
            .all(|topic| !heard.on(topic).is_empty())
    })
    .await;
    running.settled().await;
    assert_eq!(heard.on("nightjar/home/alarm"), ["ARMED_AWAY"]);
    let later = listen(broker.address, "later", &mut broker.tasks).await;
    until("they are retained", || {
        later.retained("nightjar/home/alarm").as_deref() == Some("ARMED_AWAY")
            && later.retained("nightjar/home/stats").as_deref() == Some("{}")
            && later.retained(AVAILABILITY).as_deref() == Some(ONLINE)
    })
    .await;
    // Cleared, a topic takes no place any more.
    running.outlet.set_state("nightjar/home/stats", "").unwrap();
    running.settled().await;
    assert_eq!(running.outbox.counts(), (0, 0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_late_and_out_of_order_reach_those_who_wait_for_them() {
    let mut broker = small().await;
    let heard = broker.listen().await;
    let running = run(broker.address, BRISK);
    running.settled().await;
    broker.swallow_pubacks(true);
    // Packet id 1 was our being online.
    let mut waiting = BTreeMap::new();
    for packet_id in 2..=5 {
        let sending = running.send(&packet_id.to_string(), PATIENCE);
        waiting.insert(packet_id, sending);
        until("the broker has it", || {
            heard.alerts().len() == waiting.len()
        })
        .await;
    }
    assert_eq!(heard.alerts(), ["2", "3", "4", "5"]);
    for packet_id in [4, 2, 3] {
        let mut sending = waiting.remove(&packet_id).unwrap();
        assert_eq!(
            sending.try_answer(),
            None,
            "nobody is answered before his turn"
        );
        broker.ack(packet_id);
        let mut answer = None;
        until("it is answered", || {
            answer = sending.try_answer();
            answer.is_some()
        })
        .await;
        assert!(answer.unwrap().is_ok());
    }
    let mut dropped = waiting.remove(&5).unwrap();
    assert_eq!(dropped.try_answer(), None);
    broker.cut();
    let answer = dropped.answer().await;
    assert!(
        matches!(answer, Err(DeliveryError::Lost { .. })),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_never_answers_leads_to_an_error_and_a_new_connection() {
    let broker = small().await;
    let impatient = Pace {
        answer_limit: Duration::from_millis(300),
        ..BRISK
    };
    let running = run(broker.address, impatient);
    running.settled().await;
    broker.swallow_pubacks(true);
    let waited = Duration::from_millis(20);
    let answer = running.send("1", waited).answer().await;
    assert_eq!(answer, Err(DeliveryError::Unanswered { waited }));
    let answer = running.send("2", PATIENCE).answer().await;
    let Err(DeliveryError::Lost { reason }) = answer else {
        panic!("{answer:?}");
    };
    assert!(reason.contains("300ms"), "{reason}");
    until("there is a new connection", || broker.connections() >= 2).await;
    broker.swallow_pubacks(false);
    running.settled().await;
    assert_eq!(running.telemetry.publish_failed.get(), 2);
    running.send("3", PATIENCE).answer().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_answer_that_never_comes_does_not_stop_the_others_for_ever() {
    let mut broker = small().await;
    let heard = broker.listen().await;
    let running = run(broker.address, BRISK);
    running.settled().await;
    broker.swallow_pubacks(true);
    let sending = running.send("never answered", PATIENCE);
    until("the broker has it", || heard.alerts().len() == 1).await;
    // Id 2 is taken; all others go round until it is its turn again.
    let others: Vec<u16> = (3..=PACKET_IDS).chain([1]).collect();
    let mut sent = 0;
    for batch in others.chunks(WINDOW - 1) {
        for packet_id in batch {
            let payload = packet_id.to_string();
            let queued = running
                .outlet
                .publish("nightjar/home/event/x", payload, false);
            queued.unwrap();
        }
        sent += batch.len();
        until("the broker has them", || {
            heard.on("nightjar/home/event/x").len() == sent
        })
        .await;
        for packet_id in batch {
            broker.ack(*packet_id);
        }
        until("they are answered", || running.outbox.counts().1 == 1).await;
    }
    assert_eq!(broker.connections(), 1);
    let queued = running
        .outlet
        .publish("nightjar/home/event/x", "again", false);
    queued.unwrap();
    let answer = sending.answer().await;
    let Err(DeliveryError::Lost { reason }) = answer else {
        panic!("{answer:?}");
    };
    assert!(reason.contains("packet id 2"), "{reason}");
    broker.swallow_pubacks(false);
    until("there is a new connection", || broker.connections() >= 2).await;
    running
        .send("on the new one", PATIENCE)
        .answer()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_nothing_and_garbage_are_survived() {
    let broker = small().await;
    let running = run(broker.address, BRISK);
    for garbage in [&[0x40, 2, 0, 77][..], &[0xf0, 0]] {
        running.settled().await;
        let before = broker.connections();
        assert!(broker.faults.send_raw(CLIENT, garbage));
        until("there is a new connection", || {
            broker.connections() > before
        })
        .await;
    }
    running.send("still here", PATIENCE).answer().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_reconnects_leaves_nothing_behind() {
    let broker = small().await;
    let running = run(broker.address, BRISK);
    let mut threads = JoinSet::new();
    let calm = Arc::new(AtomicBool::new(false));
    for _ in 0..2 {
        let (outlet, calm) = (running.outlet.clone(), Arc::clone(&calm));
        threads.spawn_blocking(move || {
            let mut called = 0_u64;
            while !calm.load(Ordering::SeqCst) {
                called += 3;
                drop(outlet.publish("nightjar/home/event/x", vec![b'x'; 2_000], false));
                drop(outlet.publish("nightjar/home/event/y", "y", true));
                drop(outlet.set_state("nightjar/home/stats", format!("{called}")));
                let timeout = Duration::from_millis(1);
                drop(outlet.publish_and_wait("nightjar/home/alert", "z", false, timeout));
            }
            called
        });
    }
    for round in 0..60_u64 {
        until("there is a connection", || running.outbox.is_connected()).await;
        let before = broker.connections();
        broker.faults.change(CLIENT, |faults| {
            faults.cut_after_bytes = Some(4 * (round % 20));
        });
        until("there is a new connection", || {
            broker.connections() > before
        })
        .await;
        let (queued, in_flight, states) = running.outbox.counts();
        assert!(queued <= QUEUE_MESSAGES && in_flight <= WINDOW && states <= 2);
    }
    calm.store(true, Ordering::SeqCst);
    let called: u64 = threads.join_all().await.into_iter().sum();
    running.settled().await;
    assert_eq!(running.outbox.counts(), (0, 0, 2));
    assert_eq!(running.outbox.bytes().0, 0);
    let telemetry = &running.telemetry;
    let counted = telemetry.published.get()
        + telemetry.publish_failed.get()
        + telemetry.publish_dropped.get();
    assert!(counted >= called, "{counted} of {called} are accounted for");
    assert!(telemetry.published.get() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_sends_what_waits_and_says_so_once() {
    let mut broker = small().await;
    let heard = broker.listen().await;
    let mut running = run(broker.address, BRISK);
    running.settled().await;
    for _ in 0..300 {
        running
            .outlet
            .publish("nightjar/home/alert", "last", false)
            .unwrap();
    }
    running.cancel.cancel();
    tokio::time::timeout(PATIENCE, running.tasks.join_next())
        .await
        .unwrap();
    until("the broker sees the end", || {
        broker
            .observer
            .client(CLIENT)
            .is_none_or(|view| view.connection.is_none())
    })
    .await;
    assert_eq!(
        running.outlet.publish("t", "x", false),
        Err(Refusal::Stopped)
    );
    let later = listen(broker.address, "later", &mut broker.tasks).await;
    until("offline is retained", || {
        later.retained(AVAILABILITY).as_deref() == Some(OFFLINE)
    })
    .await;
    until("the last are heard", || heard.alerts().len() == 300).await;
    until("offline is heard", || heard.on(AVAILABILITY).len() >= 2).await;
    assert_eq!(heard.on(AVAILABILITY), [ONLINE, OFFLINE], "and no will");
    assert_eq!(running.health(), Health::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_the_broker_does_not_confirm_is_bounded_and_the_will_says_it() {
    let mut broker = small().await;
    let heard = broker.listen().await;
    let farewell_limit = Duration::from_millis(300);
    let curt = Pace {
        farewell_limit,
        ..BRISK
    };
    let mut running = run(broker.address, curt);
    running.settled().await;
    broker.swallow_pubacks(true);
    let sending = running.send("no answer", PATIENCE);
    until("the broker has it", || heard.alerts().len() == 1).await;
    let began = Instant::now();
    running.cancel.cancel();
    tokio::time::timeout(PATIENCE, running.tasks.join_next())
        .await
        .unwrap();
    assert!(began.elapsed() >= farewell_limit);
    let answer = sending.answer().await;
    assert!(
        matches!(answer, Err(DeliveryError::Lost { .. })),
        "{answer:?}"
    );
    // Ours, and the broker's.
    until("offline twice", || {
        heard.on(AVAILABILITY) == [ONLINE, OFFLINE, OFFLINE]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_it_says_so_and_stops_at_once() {
    let broker = small().await;
    broker.stop.cancel();
    broker.tasks.join_all().await;
    let mut running = run(broker.address, BRISK);
    until("there is trouble", || !running.trouble().is_empty()).await;
    let answer = running.send("x", PATIENCE).answer().await;
    assert!(
        matches!(answer, Err(DeliveryError::NotConnected { .. })),
        "{answer:?}"
    );
    running.cancel.cancel();
    tokio::time::timeout(PATIENCE, running.tasks.join_next())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_closed_at_once_ask_whether_the_client_id_is_in_use() {
    let broker = small().await;
    let running = run(broker.address, BRISK);
    let mut reasons = Vec::new();
    for _ in 0..TAKEOVER_CLOSES {
        running.settled().await;
        broker.swallow_pubacks(true);
        let sending = running.send("x", PATIENCE);
        until("it is on its way", || running.outbox.counts().1 == 1).await;
        // In one go: the next connection comes at once, and is to be answered.
        broker.faults.change(CLIENT, |faults| {
            faults.swallow_pubacks = false;
            faults.cut_after_bytes = Some(0);
        });
        match sending.answer().await {
            Err(DeliveryError::Lost { reason }) => reasons.push(reason),
            other => panic!("{other:?}"),
        }
    }
    let (last, others) = reasons.split_last().unwrap();
    assert!(last.contains("in use?"), "{last}");
    assert!(others.iter().all(|reason| !reason.contains("in use?")));
}

#[tokio::test(start_paused = true)]
async fn connecting_again_backs_off_up_to_half_a_minute() {
    let address = {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        port.local_addr().unwrap()
    };
    let (publisher, telemetry) = publisher(
        address,
        Pace {
            first_pause: BACKOFF_MIN,
            longest_pause: BACKOFF_MAX,
            ..BRISK
        },
    );
    let outlet = publisher.outlet();
    let mut tasks = JoinSet::new();
    tasks.spawn(publisher.run(CancellationToken::new()));
    // Each failure drops what waits, and so shows when it was.
    let mut failures = Vec::new();
    for failed in 1..=12 {
        outlet.publish("t", "x", false).unwrap();
        until("the attempt fails", || {
            telemetry.publish_dropped.get() == failed
        })
        .await;
        failures.push(tokio::time::Instant::now());
    }
    let mut pause = BACKOFF_MIN;
    for pair in failures.windows(2) {
        let waited = pair[1] - pair[0];
        let most = pause.mul_f64(1.5) + Duration::from_millis(100);
        assert!(
            pause <= waited + Duration::from_millis(4) && waited <= most,
            "{waited:?} after a pause of {pause:?}"
        );
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}
