//! The dispatcher between the real writer with its reactors and real servers.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{self, Request};
use super::web_push::{browser, opened, vapid};
use super::{NOW, poster};
use crate::base::clock::{Clock, DAY_NS, SECOND_NS, UnixNanos};
use crate::base::secret::Secret;
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::Telemetry;
use crate::delivery::courier::{Courier, Directory, Ways};
use crate::delivery::dispatch::{Dispatcher, GRACE, Options, WORKERS};
use crate::delivery::ntfy::Ntfy;
use crate::delivery::webhook::{Webhook, verify};
use crate::delivery::{Outcome, Poster};
use crate::event::alarm::Channel;
use crate::event::animal::{Threat, WildlifeSighted};
use crate::event::{Extra, NewEvent};
use crate::reactor;
use crate::reactor::alerts::Recipient;
use crate::read_model;
use crate::storage::all;
use crate::storage::sqlite::{Database, Durability};
use crate::writer::sabotage::Sabotage;
use crate::writer::{self, Handle, Reactions, StateChange, WriterError};

/// Nothing here takes a second; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(60);

fn secret() -> Secret {
    Secret::new("whsec-s3cret".into())
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let (began, pause) = (Instant::now(), Shutdown::new());
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        pause.wait(Duration::from_millis(2));
    }
}

/// How a path of the server answers.
#[derive(Clone, Copy)]
enum Says {
    Status(u16),
    /// Nothing, until the server is released.
    Hangs,
}

/// A server that answers each path as it is told, many clients at a time, and keeps what came.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    inner: Arc<(Mutex<Desk>, Condvar)>,
}

#[derive(Default)]
struct Desk {
    says: BTreeMap<String, Says>,
    came: Vec<Request>,
    released: bool,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::default(),
        };
        let desk = server.clone();
        let accept = move || {
            for client in listener.incoming() {
                let desk = desk.clone();
                let serve = move || desk.serve(client.unwrap());
                Builder::new().spawn(serve).unwrap();
            }
        };
        Builder::new().spawn(accept).unwrap();
        server
    }

    fn serve(&self, mut client: TcpStream) {
        use std::io::Write as _;
        let Some(request) = server::read(&client) else {
            return;
        };
        let path = path(&request);
        let (desk, wake) = &*self.inner;
        let mut desk = desk.lock().unwrap();
        desk.came.push(request);
        let code = match desk.says.get(&path).copied() {
            None => 201,
            Some(Says::Status(code)) => code,
            Some(Says::Hangs) => {
                let _released = wake.wait_while(desk, |desk| !desk.released).unwrap();
                201
            }
        };
        let _ = write!(
            client,
            "HTTP/1.1 {code} Whatever\r\nContent-Length: 0\r\n\r\n"
        );
    }

    fn says(&self, path: &str, says: Says) {
        self.inner.0.lock().unwrap().says.insert(path.into(), says);
    }

    fn release(&self) {
        self.inner.0.lock().unwrap().released = true;
        self.inner.1.notify_all();
    }

    /// The requests to a path so far.
    fn came(&self, wanted: &str) -> Vec<Request> {
        let desk = self.inner.0.lock().unwrap();
        let came = desk.came.iter();
        came.filter(|one| path(one) == wanted).cloned().collect()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn path(request: &Request) -> String {
    request.line.split(' ').nth(1).unwrap().to_owned()
}

/// A house whose writer reacts, with recipients and a dispatcher.
struct House {
    folder: tempfile::TempDir,
    clock: Clock,
    server: Server,
    bus: Arc<Mutex<Vec<(String, Value)>>>,
    telemetry: Arc<Telemetry>,
    handle: Option<Handle>,
    writer: Option<JoinHandle<Result<(), WriterError>>>,
}

/// A dispatcher that runs.
struct Running {
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn stop(&mut self) {
        self.shutdown.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl House {
    fn new(recipients: &[(&str, &[Channel])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(NOW);
        let mut settings = reactor::Settings::default();
        settings.alerts.recipients = recipients
            .iter()
            .map(|(name, channels)| Recipient {
                name: (*name).to_owned(),
                is_adult: true,
                channels: channels.to_vec(),
            })
            .collect();
        let options = writer::Options {
            path: folder.path().join("nightjar.db"),
            durability: Durability::Scratch,
            cache_kib: 1_024,
            clock: clock.clone(),
            projections: read_model::ALL,
            reactions: Reactions::all(settings),
            tick_every: None,
            sabotage: Sabotage::NONE,
        };
        let telemetry = Arc::new(Telemetry::default());
        let started = writer::start(
            options,
            Arc::clone(&telemetry),
            Shutdown::new(),
            &mut |_, _, _| {},
        )
        .unwrap();
        let core = started.writer;
        Self {
            folder,
            clock,
            server: Server::start(),
            bus: Arc::default(),
            telemetry,
            handle: Some(started.handle),
            writer: Some(Builder::new().spawn(move || core.run()).unwrap()),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("nightjar.db")
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// Everybody by every channel, at the server: ntfy at `/`, webhooks at `/hook/<name>`.
    fn courier(&self, poster: Poster) -> Courier {
        let ways = |name: &str| Ways {
            mqtt: true,
            ntfy: Some(Ok(
                Ntfy::new(&self.server.url(""), "house_s3cret", None).unwrap()
            )),
            webhook: Some(Ok(Webhook::new(
                &self.server.url(&format!("/hook/{name}")),
                secret(),
            )
            .unwrap())),
            web_push: true,
        };
        let bus = Arc::clone(&self.bus);
        Courier {
            directory: Directory {
                recipients: ["ada", "tom", "eva", "kim", "noa", "zoe"]
                    .map(|name| (name.to_owned(), ways(name)))
                    .into(),
                vapid: Some(Ok(vapid())),
            },
            poster,
            publish: Box::new(move |topic, payload| {
                let payload = serde_json::from_slice(&payload).unwrap();
                bus.lock().unwrap().push((topic.to_owned(), payload));
                Outcome::Sent
            }),
            base: "nightjar/home".into(),
        }
    }

    fn dispatch(&self) -> Running {
        self.dispatch_with(self.courier(poster()), GRACE)
    }

    fn dispatch_with(&self, courier: Courier, grace: Duration) -> Running {
        let shutdown = Shutdown::new();
        let options = Options {
            database: self.path(),
            site: "home".into(),
            clock: self.clock.clone(),
            grace,
        };
        let (dispatcher, workers) = Dispatcher::new(
            options,
            courier,
            self.handle().clone(),
            Arc::clone(&self.telemetry),
            shutdown.clone(),
        );
        for worker in workers {
            Builder::new().spawn(move || worker.run()).unwrap();
        }
        Running {
            shutdown,
            thread: Some(Builder::new().spawn(move || dispatcher.run()).unwrap()),
        }
    }

    /// A bear before a camera: an alert for everybody; its id.
    fn bear(&self, camera: &str) -> i64 {
        let sighted = WildlifeSighted {
            camera: camera.into(),
            species: "bear".into(),
            confidence: 0.9,
            threat: Threat::Predator,
            bbox: None,
            crop_path: None,
            temperature_c: None,
            conditions: None,
            extra: Extra::new(),
        };
        let event = NewEvent::own(self.clock.now(), "wildlife/bear", sighted)
            .from_source(format!("camera/{camera}"));
        self.handle().store(vec![event]).unwrap();
        self.ints("SELECT max(alert_id) FROM alerts")[0]
    }

    fn subscribe(&self, recipient: &str, path: &str) -> i64 {
        let (p256dh, auth) = browser();
        let change = StateChange::PushSubscribed {
            recipient: recipient.into(),
            endpoint: self.server.url(path),
            p256dh,
            auth,
            user_agent: Some("a phone".into()),
        };
        self.handle().change(change).unwrap().unwrap()
    }

    fn ints(&self, sql: &'static str) -> Vec<i64> {
        let mut reader = Database::open_reader(&self.path()).unwrap();
        all(&mut reader.snapshot().unwrap(), sql, &[], |row| row.int(0)).unwrap()
    }

    fn texts(&self, sql: &'static str) -> Vec<String> {
        let mut reader = Database::open_reader(&self.path()).unwrap();
        all(&mut reader.snapshot().unwrap(), sql, &[], |row| {
            Ok(row.opt_text(0)?.unwrap_or("NULL").to_owned())
        })
        .unwrap()
    }

    /// `recipient channel address status attempts` of each delivery.
    fn deliveries(&self) -> Vec<String> {
        self.texts(
            "SELECT recipient || ' ' || channel || ' ' || address || ' ' || status || ' ' \
             || attempts FROM alert_deliveries ORDER BY alert_id, recipient, channel, address",
        )
    }

    /// Moves the clock, and makes the dispatcher look.
    fn at(&self, now: UnixNanos) {
        self.clock.set(now);
        let note = crate::event::camera::HeartbeatReceived::default();
        let event = NewEvent::own(now, "camera/porch", note);
        self.handle().store(vec![event]).unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.server.release();
        self.handle = None;
        if let Some(writer) = self.writer.take() {
            writer.join().unwrap().unwrap();
        }
    }
}

#[test]
fn an_alert_goes_out_by_every_channel() {
    let house = House::new(&[("ada", &Channel::ALL)]);
    let phone = house.subscribe("ada", "/push/phone-s3cret");
    let laptop = house.subscribe("ada", "/push/laptop-s3cret");
    let _running = house.dispatch();
    let alert = house.bear("landing");
    let done = [
        "ada MQTT 0 SENT 1".to_owned(),
        "ada NTFY 0 SENT 1".to_owned(),
        format!("ada WEB_PUSH {phone} SENT 1"),
        format!("ada WEB_PUSH {laptop} SENT 1"),
        "ada WEBHOOK 0 SENT 1".to_owned(),
    ];
    let mut done = done.to_vec();
    done.sort();
    until("all is sent", || {
        let mut now = house.deliveries();
        now.sort();
        now == done
    });

    let ntfy = house.server.came("/");
    assert_eq!(ntfy.len(), 1);
    let body = ntfy[0].json();
    assert_eq!(
        (&body["topic"], &body["priority"]),
        (&json!("house_s3cret"), &json!(4))
    );
    assert_eq!(body["title"], "Bear at Landing");

    let hook = &house.server.came("/hook/ada")[0];
    let signature = hook.header("x-nightjar-signature").unwrap();
    assert_eq!(verify(&secret(), signature, &hook.body, NOW), Ok(()));
    let message = hook.json();
    assert_eq!(
        hook.header("x-nightjar-delivery"),
        Some(format!("home-{alert}-ada-WEBHOOK-0").as_str())
    );
    assert_eq!(message["alert_id"], alert);
    assert_eq!(message["severity"], "ALERT");
    assert_eq!(message["kind"], "WILDLIFE_PREDATOR");

    for path in ["/push/phone-s3cret", "/push/laptop-s3cret"] {
        let pushed = house.server.came(path);
        assert_eq!(opened(&pushed[0])["kind"], "WILDLIFE_PREDATOR");
    }
    let bus = house.bus.lock().unwrap().clone();
    let (topic, told) = &bus[0];
    assert_eq!((topic.as_str(), bus.len()), ("nightjar/home/alert/ada", 1));
    assert_eq!(told["event_type"], "WILDLIFE_PREDATOR");
    assert_eq!(told["delivery_id"], format!("home-{alert}-ada-MQTT-0"));
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .starts_with("Wildlife predator at home, ")
    );

    until("both browsers were used", || {
        house.ints("SELECT count(last_used_at) FROM push_subscriptions") == [2]
    });
    assert_eq!(house.telemetry.snapshot().alerts_sent, 5);
    let said = house.texts("SELECT group_concat(coalesce(text, '')) FROM event_log");
    assert!(!said[0].contains("s3cret"), "{said:?}");
}

#[test]
fn what_fails_is_tried_again_in_time_and_is_the_same_delivery() {
    let house = House::new(&[("ada", &[Channel::Webhook])]);
    house.server.says("/hook/ada", Says::Status(503));
    let _running = house.dispatch();
    house.bear("landing");
    until("the first try is stored", || {
        house.deliveries() == ["ada WEBHOOK 0 PENDING 1"]
    });
    let due = house.ints("SELECT next_at FROM alert_deliveries")[0] - NOW;
    assert!((5 * SECOND_NS..=7 * SECOND_NS).contains(&due), "{due}");
    let error = house.texts("SELECT error FROM alert_log");
    let host = house.server.address.to_string();
    assert_eq!(
        error,
        [format!("{host} answered 503 (Service Unavailable)")]
    );

    // Not before its time, though the dispatcher looks.
    house.at(NOW + SECOND_NS);
    house.bear("attic");
    until("the other alert is tried", || {
        house.ints("SELECT count(*) FROM alert_log") == [2]
    });
    assert_eq!(house.ints("SELECT attempts FROM alert_deliveries"), [1, 1]);

    house.server.says("/hook/ada", Says::Status(200));
    house.at(NOW + 20 * SECOND_NS);
    until("both are sent", || {
        house.deliveries() == ["ada WEBHOOK 0 SENT 2", "ada WEBHOOK 0 SENT 2"]
    });
    let came = house.server.came("/hook/ada");
    let ids: Vec<_> = came
        .iter()
        .map(|one| one.header("x-nightjar-delivery").unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 4);
    for id in &ids {
        assert_eq!(ids.iter().filter(|other| *other == id).count(), 2);
    }
    assert_eq!(
        came[0].body,
        came.iter()
            .rfind(|one| { one.header("x-nightjar-delivery") == Some(&ids[0]) })
            .unwrap()
            .body
    );
}

#[test]
fn what_a_clock_that_was_wrong_has_planned_does_not_wait_for_that_day() {
    let house = House::new(&[("ada", &[Channel::Webhook])]);
    house.server.says("/hook/ada", Says::Status(503));
    // The clock is a year ahead, and is set right after the first try.
    house.clock.set(NOW + 365 * DAY_NS);
    let _running = house.dispatch();
    house.bear("landing");
    until("the first try is stored", || {
        house.deliveries() == ["ada WEBHOOK 0 PENDING 1"]
    });
    house.server.says("/hook/ada", Says::Status(200));
    house.at(NOW);
    until("it is sent", || {
        house.deliveries() == ["ada WEBHOOK 0 SENT 2"]
    });
}

#[test]
fn after_a_day_it_is_given_up_and_what_is_refused_at_once() {
    let house = House::new(&[("ada", &[Channel::Webhook]), ("tom", &[Channel::Webhook])]);
    house.server.says("/hook/ada", Says::Status(500));
    house.server.says("/hook/tom", Says::Status(403));
    let _running = house.dispatch();
    house.bear("landing");
    until("both were tried", || {
        house.deliveries() == ["ada WEBHOOK 0 PENDING 1", "tom WEBHOOK 0 FAILED 1"]
    });
    house.at(NOW + DAY_NS - 10 * SECOND_NS);
    until("tried once more", || {
        house.deliveries()[0] == "ada WEBHOOK 0 PENDING 2"
    });
    // The last try stands at the end of the day, whatever the pause.
    assert_eq!(
        house.ints("SELECT next_at FROM alert_deliveries WHERE status = 'PENDING'"),
        [NOW + DAY_NS]
    );
    house.at(NOW + DAY_NS);
    until("given up", || {
        house.deliveries()[0] == "ada WEBHOOK 0 FAILED 3"
    });
    let counted = house.telemetry.snapshot();
    assert_eq!((counted.alerts_failed, counted.alerts_given_up), (4, 2));
}

#[test]
fn a_browser_that_is_gone_is_removed_and_not_tried_again() {
    let house = House::new(&[("ada", &[Channel::WebPush])]);
    let gone = house.subscribe("ada", "/push/gone-s3cret");
    let there = house.subscribe("ada", "/push/there-s3cret");
    house.server.says("/push/gone-s3cret", Says::Status(410));
    let _running = house.dispatch();
    house.bear("landing");
    let ids = "SELECT id FROM push_subscriptions";
    until("the browser is forgotten", || house.ints(ids) == [there]);
    until("the other was told", || {
        house.deliveries()
            == [
                format!("ada WEB_PUSH {gone} FAILED 1"),
                format!("ada WEB_PUSH {there} SENT 1"),
            ]
    });
    let said = house.texts("SELECT error FROM alert_log WHERE status = 'FAILED'");
    assert!(
        said[0].contains("gone") && !said[0].contains("s3cret"),
        "{said:?}"
    );
    // The next alert knows only of the one that is there.
    house.bear("attic");
    until("told again", || house.deliveries().len() == 3);
    assert_eq!(house.server.came("/push/gone-s3cret").len(), 1);
}

#[test]
fn a_subscription_that_was_removed_meanwhile_and_a_stranger_are_given_up() {
    let house = House::new(&[("ada", &[Channel::WebPush]), ("bob", &[Channel::Ntfy])]);
    let id = house.subscribe("ada", "/push/a");
    house.bear("landing");
    house
        .handle()
        .change(StateChange::PushUnsubscribed { id })
        .unwrap();
    let _running = house.dispatch();
    until("both are given up", || {
        house.deliveries()
            == [
                format!("ada WEB_PUSH {id} FAILED 1"),
                "bob NTFY 0 FAILED 1".into(),
            ]
    });
    let said = house.texts("SELECT error FROM alert_log ORDER BY recipient");
    assert_eq!(said[0], format!("push subscription {id} was removed"));
    assert_eq!(said[1], "bob is no recipient of the configuration any more");
}

#[test]
fn those_that_hang_hold_up_neither_others_nor_the_writer() {
    let hook: &[Channel] = &[Channel::Webhook];
    let all = [
        ("ada", &[Channel::Webhook, Channel::Mqtt, Channel::Ntfy][..]),
        ("eva", hook),
        ("kim", hook),
        ("noa", hook),
    ];
    assert!(all.len() >= WORKERS, "as many hang as there are workers");
    let house = House::new(&all);
    for (name, _) in all {
        house.server.says(&format!("/hook/{name}"), Says::Hangs);
    }
    let poster = Poster::new(Duration::from_millis(300));
    let _running = house.dispatch_with(house.courier(poster), GRACE);
    // The first alert finds out who hangs; many more follow for them and for the others.
    house.bear("landing");
    until("all that hang were tried", || {
        house.ints("SELECT count(*) FROM alert_log WHERE channel = 'WEBHOOK'")[0] >= 4
    });
    for number in 0..20 {
        house.bear(&format!("room-{number}"));
    }
    let open = "SELECT count(*) FROM alert_deliveries WHERE status = 'PENDING' \
                AND channel <> 'WEBHOOK'";
    until("all others are told", || house.ints(open) == [0]);
    // One at a time for each target: hundreds of milliseconds each for forty and more tries of those
    // that hang cannot have passed.
    let tries = "SELECT count(*) FROM alert_log WHERE channel = 'WEBHOOK'";
    assert!(house.ints(tries)[0] < 84, "{:?}", house.ints(tries));
    let told = house.server.came("/").len();
    assert_eq!(told, 21);
}

#[test]
fn killed_between_send_and_record_it_is_sent_again_under_the_same_id() {
    let house = House::new(&[("ada", &[Channel::Webhook])]);
    house.server.says("/hook/ada", Says::Hangs);
    let mut running = house.dispatch_with(house.courier(poster()), Duration::ZERO);
    house.bear("landing");
    until("it arrived", || house.server.came("/hook/ada").len() == 1);
    // It has arrived and is not recorded; nobody waits for the answer.
    let began = Instant::now();
    running.stop();
    assert!(
        began.elapsed() < super::super::post::TIMEOUT,
        "a stop is bounded"
    );
    assert_eq!(house.deliveries(), ["ada WEBHOOK 0 PENDING 0"]);

    house.server.says("/hook/ada", Says::Status(200));
    let _running = house.dispatch();
    until("sent", || house.deliveries() == ["ada WEBHOOK 0 SENT 1"]);
    let came = house.server.came("/hook/ada");
    assert_eq!(came.len(), 2);
    assert_eq!(
        came[0].header("x-nightjar-delivery"),
        came[1].header("x-nightjar-delivery")
    );
    assert_eq!(came[0].body, came[1].body);
}

#[test]
fn a_secret_that_is_missing_is_waited_for() {
    let house = House::new(&[("ada", &[Channel::Webhook])]);
    let mut courier = house.courier(poster());
    let ways = courier.directory.recipients.get_mut("ada").unwrap();
    ways.webhook = Some(Err("there is no file /secrets/hook".into()));
    let troubles = courier.directory.troubles();
    assert_eq!(
        troubles,
        ["ada cannot be alerted: there is no file /secrets/hook"]
    );
    let mut running = house.dispatch_with(courier, GRACE);
    house.bear("landing");
    until("tried", || {
        house.deliveries() == ["ada WEBHOOK 0 PENDING 1"]
    });
    running.stop();
    house.at(NOW + 10 * SECOND_NS);
    let _running = house.dispatch();
    until("sent", || house.deliveries() == ["ada WEBHOOK 0 SENT 2"]);
}
