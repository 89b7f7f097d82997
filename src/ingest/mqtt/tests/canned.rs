//! Canned packets through the seam: what the task does with each, without a network.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::task::JoinSet;

use super::*;
use crate::ingest::mqtt::link::Doorbell;

/// What the task did to its link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Poll,
    Ack(Vec<u16>),
    Subscribe(Vec<String>, Vec<String>),
    Reset,
    RaiseLimit,
}

#[derive(Default)]
struct Stage {
    script: VecDeque<Result<Incoming, LinkError>>,
    acts: Vec<(tokio::time::Duration, Act)>,
    rung: VecDeque<u16>,
    left: Vec<Arrived>,
}

/// A link that plays a script, and reports the doorbell's acks as rumqttc does.
#[derive(Clone)]
struct CannedLink {
    stage: Arc<Mutex<Stage>>,
    wake: Arc<tokio::sync::Notify>,
    began: tokio::time::Instant,
}

impl CannedLink {
    fn new() -> Self {
        Self {
            stage: Arc::default(),
            wake: Arc::default(),
            began: tokio::time::Instant::now(),
        }
    }

    fn play(&self, incoming: Result<Incoming, LinkError>) {
        self.stage.lock().unwrap().script.push_back(incoming);
        self.wake.notify_one();
    }

    fn act(&self, act: Act) {
        self.stage
            .lock()
            .unwrap()
            .acts
            .push((self.began.elapsed(), act));
    }

    fn acts(&self) -> Vec<Act> {
        self.stage
            .lock()
            .unwrap()
            .acts
            .iter()
            .map(|(_, act)| act.clone())
            .collect()
    }

    /// Every packet id that was acknowledged, in order, however it went out.
    fn acked(&self) -> Vec<u16> {
        let ids = |act| match act {
            Act::Ack(ids) => ids,
            _ => Vec::new(),
        };
        self.acts().into_iter().flat_map(ids).collect()
    }

    fn subscriptions(&self) -> usize {
        self.acts()
            .iter()
            .filter(|act| matches!(act, Act::Subscribe(..)))
            .count()
    }
}

impl Link for CannedLink {
    async fn poll(&mut self) -> Result<Incoming, LinkError> {
        self.act(Act::Poll);
        loop {
            {
                let mut stage = self.stage.lock().unwrap();
                if let Some(packet_id) = stage.rung.pop_front() {
                    let at = self.began.elapsed();
                    stage.acts.push((at, Act::Ack(vec![packet_id])));
                    return Ok(Incoming::AckSent);
                }
                if let Some(incoming) = stage.script.pop_front() {
                    return incoming;
                }
            }
            self.wake.notified().await;
        }
    }

    async fn ack(&mut self, packet_ids: &[u16]) -> Result<(), LinkError> {
        self.act(Act::Ack(packet_ids.to_vec()));
        Ok(())
    }

    async fn subscribe(&mut self, filters: &[String], stale: &[String]) -> Result<(), LinkError> {
        self.act(Act::Subscribe(filters.to_vec(), stale.to_vec()));
        Ok(())
    }

    fn reset(&mut self) -> Vec<Arrived> {
        self.act(Act::Reset);
        let mut stage = self.stage.lock().unwrap();
        stage.rung.clear();
        std::mem::take(&mut stage.left)
    }

    fn raise_limit(&mut self) {
        self.act(Act::RaiseLimit);
    }

    fn doorbell(&mut self) -> Doorbell {
        let (stage, wake) = (Arc::clone(&self.stage), Arc::clone(&self.wake));
        Box::new(move |packet_id| {
            stage.lock().unwrap().rung.push_back(packet_id);
            wake.notify_one();
            true
        })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what the script takes")]
fn connected(session_present: bool) -> Result<Incoming, LinkError> {
    Ok(Incoming::Connected { session_present })
}

#[allow(clippy::unnecessary_wraps, reason = "what the script takes")]
fn granted() -> Result<Incoming, LinkError> {
    Ok(Incoming::Subscribed {
        refused: Vec::new(),
    })
}

fn lost() -> Result<Incoming, LinkError> {
    Err(LinkError::Lost("cut".into()))
}

fn message(packet_id: Option<u16>, dup: bool, value: &str) -> Arrived {
    Arrived {
        topic: "vigilar/sensor/porch/temperature".into(),
        payload: value.as_bytes().to_vec(),
        packet_id,
        dup,
        retain: false,
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what the script takes")]
fn reading(packet_id: u16, value: &str) -> Result<Incoming, LinkError> {
    Ok(Incoming::Arrived(message(Some(packet_id), false, value)))
}

/// The task on a canned link; ends with the test.
struct Task {
    link: CannedLink,
    health: Arc<Mutex<Health>>,
    tasks: JoinSet<()>,
}

impl Task {
    fn on(log: &Log) -> Self {
        let link = CannedLink::new();
        let subscriber = Subscriber::new(log.shared(), log.subscription(), link.clone());
        let health = subscriber.health();
        let mut tasks = JoinSet::new();
        tasks.spawn(subscriber.run(CancellationToken::new()));
        Self {
            link,
            health,
            tasks,
        }
    }

    fn trouble(&self) -> String {
        self.health
            .lock()
            .unwrap()
            .trouble
            .clone()
            .unwrap_or_default()
    }

    async fn drained(&self) {
        until("the script is played", || {
            self.link.stage.lock().unwrap().script.is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn acks_follow_the_commit_in_the_order_of_arrival() {
    let mut log = Log::new();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(granted());
    for packet_id in [5, 3, 9, 1] {
        task.link.play(reading(packet_id, &packet_id.to_string()));
    }
    task.drained().await;
    assert!(
        task.link.acked().is_empty(),
        "acknowledged before anything is durable"
    );
    log.start_writer();
    until("all are acknowledged", || task.link.acked().len() == 4).await;
    assert_eq!(task.link.acked(), [5, 3, 9, 1]);
    let settled = log.readings();
    assert_eq!(settled.values().sum::<usize>(), 4);
}

#[tokio::test]
async fn an_ack_of_an_old_connection_never_goes_out_on_a_new_one() {
    let mut log = Log::new();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(granted());
    task.link.play(reading(7, "20"));
    task.link.play(lost());
    task.link.play(connected(true));
    // On the new connection 7 belongs to somebody else's message, which is not durable either.
    task.link.play(reading(8, "21"));
    task.drained().await;
    log.start_writer();
    until("the new one is acknowledged", || task.link.acked() == [8]).await;
    until("the old one is crossed out", || {
        log.telemetry.acks_stale.get() == 1
    })
    .await;
    // The broker sends the first one again, and it is stored already.
    task.link
        .play(Ok(Incoming::Arrived(message(Some(7), true, "20"))));
    until("the redelivery is acknowledged", || {
        task.link.acked() == [8, 7]
    })
    .await;
    assert_eq!(log.readings().values().sum::<usize>(), 2);
    assert_eq!(log.telemetry.duplicates_redelivered.get(), 1);
}

#[tokio::test]
async fn what_was_read_before_the_error_is_kept_at_qos_0_only() {
    let mut log = Log::new();
    log.start_writer();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(granted());
    task.link.stage.lock().unwrap().left = vec![message(None, false, "1.5")];
    task.link.play(lost());
    until("the left-over message is stored", || {
        log.readings().contains_key("1.5")
    })
    .await;
    assert!(task.link.acked().is_empty());
}

#[tokio::test]
async fn a_lost_session_is_subscribed_again_and_recorded() {
    let mut log = Log::new();
    log.start_writer();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(granted());
    task.link.play(reading(1, "20"));
    task.link.play(lost());
    task.link.play(connected(true));
    task.link.play(lost());
    task.link.play(connected(false));
    task.link.play(granted());
    // The same packet id and bytes, DUP set: in a new session it is another message.
    task.link
        .play(Ok(Incoming::Arrived(message(Some(1), true, "20"))));
    until("both are stored", || log.readings().get("20") == Some(&2)).await;
    assert_eq!(task.link.subscriptions(), 2, "once per session that is new");
    let kinds = log.kinds();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "broker.session_lost")
            .count(),
        1
    );
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "broker.session_started")
            .count(),
        1
    );
    assert_eq!(log.telemetry.broker_sessions_lost.get(), 1);
}

/// Whether each request to arm that is stored counts as one that the broker had held.
fn held_back(log: &Log) -> Vec<bool> {
    let requests = log
        .events()
        .into_iter()
        .filter_map(|event| match event.event {
            Event::ArmRequested(request) => Some(request.queued),
            _ => None,
        });
    requests.collect()
}

#[tokio::test]
async fn a_request_right_after_a_resumed_session_may_be_an_old_one() {
    let mut log = Log::new();
    log.start_writer();
    let task = Task::on(&log);
    let request = |packet_id, payload: &str| {
        let topic = "vigilar/system/arm_request".into();
        let message = message(Some(packet_id), false, payload);
        Ok(Incoming::Arrived(Arrived { topic, ..message }))
    };
    let undated = r#"{"mode": "ARMED_HOME"}"#;
    task.link.play(connected(false));
    task.link.play(granted());
    task.link.play(request(1, undated));
    task.link.play(lost());
    task.link.play(connected(true));
    task.link.play(request(2, undated));
    let now = Clock::System.now() / 1_000_000;
    let dated = format!(r#"{{"mode": "ARMED_HOME", "ts": {now}}}"#);
    task.link.play(request(3, &dated));
    until("all are stored", || held_back(&log).len() == 3).await;
    assert_eq!(held_back(&log), [false, true, false]);
}

#[tokio::test]
async fn a_subscription_that_nobody_confirmed_is_asked_for_again_after_a_restart() {
    let mut log = Log::new();
    log.start_writer();
    let mut task = Task::on(&log);
    task.link.play(connected(false));
    until("the session is known", || {
        log.kinds().contains(&"broker.session_started")
    })
    .await;
    task.tasks.shutdown().await;
    // Killed before SUBACK; the broker still has the session, without a subscription.
    let path = log.path.clone();
    let _folder = log.folder.take();
    drop(log.handle);
    log.running.take().unwrap().join().unwrap();
    let mut again = Log::open(&path);
    again.start_writer();
    let task = Task::on(&again);
    task.link.play(connected(true));
    until("it subscribes", || task.link.subscriptions() == 1).await;
}

#[tokio::test]
async fn filters_that_the_configuration_dropped_are_unsubscribed() {
    let mut log = Log::new();
    log.start_writer();
    let mut subscription = log.subscription();
    let old = "vigilar/sensor/#\nold/#".to_owned();
    subscription.known_session = Some((Uuid::from_u128(1), old));
    let link = CannedLink::new();
    let mut tasks = JoinSet::new();
    let subscriber = Subscriber::new(log.shared(), subscription, link.clone());
    tasks.spawn(subscriber.run(CancellationToken::new()));
    link.play(connected(true));
    until("it subscribes", || link.subscriptions() == 1).await;
    let expected = Act::Subscribe(vec!["vigilar/sensor/#".into()], vec!["old/#".into()]);
    assert!(link.acts().contains(&expected));
}

#[tokio::test]
async fn a_refused_subscription_turns_health_red_and_is_recorded() {
    let mut log = Log::new();
    log.start_writer();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(Ok(Incoming::Subscribed {
        refused: vec!["vigilar/sensor/#".into()],
    }));
    until("it is recorded", || {
        log.kinds().contains(&"broker.subscription_refused")
    })
    .await;
    assert!(
        task.trouble().contains("vigilar/sensor/#"),
        "{}",
        task.trouble()
    );
    task.link.play(lost());
    task.link.play(connected(true));
    until("it asks again", || task.link.subscriptions() == 2).await;
}

#[tokio::test]
async fn bad_messages_are_stored_and_acknowledged_like_good_ones() {
    let mut log = Log::new();
    log.start_writer();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(granted());
    let topics = [
        "vigilar/sensor/porch/temperature",
        "vigilar/sensor/porch",
        "nightjar/home/x",
    ];
    for (packet_id, topic) in (1..).zip(topics) {
        let mut bad = message(Some(packet_id), false, "{\"value\":");
        bad.topic = topic.into();
        task.link.play(Ok(Incoming::Arrived(bad)));
    }
    task.link.play(reading(4, "3"));
    until("all are acknowledged", || task.link.acked() == [1, 2, 3, 4]).await;
    let kinds = log.kinds();
    assert!(kinds.contains(&"message.undecodable"));
    assert!(kinds.contains(&"message.unmapped"));
    assert_eq!(
        kinds.len(),
        4,
        "session, undecodable, unmapped, reading; nothing of our own"
    );
}

#[tokio::test]
async fn a_packet_over_the_limit_raises_it() {
    let log = Log::new();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link
        .play(Err(LinkError::TooLarge { bytes: 20_000_000 }));
    until("the limit is raised", || {
        task.link.acts().contains(&Act::RaiseLimit)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connecting_again_backs_off_up_to_half_a_minute() {
    let log = Log::new();
    let task = Task::on(&log);
    for _ in 0..14 {
        task.link.play(lost());
    }
    while !task.link.stage.lock().unwrap().script.is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let polls: Vec<Duration> = {
        let stage = task.link.stage.lock().unwrap();
        stage
            .acts
            .iter()
            .filter(|(_, act)| *act == Act::Poll)
            .map(|(at, _)| *at)
            .collect()
    };
    let pauses: Vec<Duration> = polls
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .collect();
    let near = |pause: Duration, least: f64| {
        let seconds = pause.as_secs_f64();
        assert!((least..least * 1.5 + 0.05).contains(&seconds), "{pauses:?}");
    };
    near(pauses[0], 0.2);
    near(pauses[1], 0.4);
    near(pauses[5], 6.4);
    near(pauses[9], 30.0);
    near(pauses[12], 30.0);
}

#[tokio::test(start_paused = true)]
async fn connections_closed_at_once_ask_whether_the_client_id_is_in_use() {
    let log = Log::new();
    let task = Task::on(&log);
    for _ in 0..3 {
        task.link.play(connected(true));
        task.link.play(lost());
    }
    while !task.trouble().contains("client id in use?") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // A connection that carries a message is none of those.
    task.link.play(connected(true));
    task.link.play(reading(1, "5"));
    task.link.play(lost());
    while task.trouble().contains("client id in use?") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn qos_0_is_shed_and_counted_when_the_writer_is_behind() {
    let log = Log::new();
    let task = Task::on(&log);
    task.link.play(connected(false));
    task.link.play(granted());
    task.drained().await;
    // The writer rests: the channel fills.
    while log.handle.try_submit(Box::default()).is_ok() {}
    task.link
        .play(Ok(Incoming::Arrived(message(None, false, "1"))));
    until("it is shed", || log.telemetry.messages_shed.get() == 1).await;
    assert!(!task.tasks.is_empty(), "the task goes on");
}
