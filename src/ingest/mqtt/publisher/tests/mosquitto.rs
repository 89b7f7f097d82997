//! The same with a real mosquitto. Without it on the machine these tests say so and pass.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::*;

/// A mosquitto of its own; it ends with the value.
struct Mosquitto {
    address: SocketAddr,
    program: &'static str,
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Mosquitto {
    async fn start() -> Option<Self> {
        // Debian keeps it out of the path of those who are not root.
        let program = ["mosquitto", "/usr/sbin/mosquitto"]
            .into_iter()
            .find(|name| Command::new(name).arg("-h").output().is_ok());
        let Some(program) = program else {
            println!("skipped: mosquitto is not installed");
            return None;
        };
        // The port may be taken by somebody else before mosquitto has it.
        for _ in 0..10 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = port.local_addr().unwrap();
            drop(port);
            let folder = tempfile::tempdir().unwrap();
            let mut conf = format!(
                "listener {} 127.0.0.1\nallow_anonymous true\n",
                address.port()
            );
            if rustix::process::geteuid().is_root() {
                conf.push_str("user root\n");
            }
            let path = folder.path().join("mosquitto.conf");
            let mut file = std::fs::File::create(&path).unwrap();
            file.write_all(conf.as_bytes()).unwrap();
            let child = spawn(program, &folder);
            let mut mosquitto = Self {
                address,
                program,
                folder,
                child,
            };
            if mosquitto.listens().await {
                return Some(mosquitto);
            }
        }
        panic!("mosquitto does not start");
    }

    async fn listens(&mut self) -> bool {
        let mut up = false;
        until("mosquitto listens or ends", || {
            up = TcpStream::connect(self.address).is_ok();
            up || self.child.try_wait().unwrap().is_some()
        })
        .await;
        up && self.child.try_wait().unwrap().is_none()
    }

    fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    async fn start_again(&mut self) {
        self.child = spawn(self.program, &self.folder);
        assert!(self.listens().await);
    }
}

fn spawn(program: &str, folder: &tempfile::TempDir) -> Child {
    Command::new(program)
        .arg("-c")
        .arg(folder.path().join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_publishes_the_will_of_a_publisher_that_is_killed() {
    let Some(broker) = Mosquitto::start().await else {
        return;
    };
    let mut tasks = JoinSet::new();
    let heard = listen(broker.address, "listener", &mut tasks).await;
    let mut running = run(broker.address, BRISK);
    let latency = running.send("smoke", PATIENCE).answer().await.unwrap();
    assert!(latency > Duration::ZERO);
    // The socket closes without a word, as when the process dies.
    running.tasks.shutdown().await;
    until("the will is published", || {
        heard.on(AVAILABILITY) == [ONLINE, OFFLINE]
    })
    .await;
    assert_eq!(heard.alerts(), ["smoke"]);
    let later = listen(broker.address, "later", &mut tasks).await;
    until("the will is retained", || {
        later.retained(AVAILABILITY).as_deref() == Some(OFFLINE)
    })
    .await;
    assert_eq!(
        running.outlet.publish("t", "x", false),
        Err(Refusal::Stopped)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_killed_and_started_again_is_told_the_states_again() {
    let Some(mut broker) = Mosquitto::start().await else {
        return;
    };
    let mut running = run(broker.address, BRISK);
    running
        .outlet
        .set_state("nightjar/home/alarm", "ARMED_AWAY")
        .unwrap();
    running.settled().await;
    broker.kill();
    until("the loss is noticed", || !running.health().connected).await;
    broker.start_again().await;
    running.settled().await;
    let mut tasks = JoinSet::new();
    let heard = listen(broker.address, "listener", &mut tasks).await;
    until("the states are retained", || {
        heard.retained("nightjar/home/alarm").as_deref() == Some("ARMED_AWAY")
            && heard.retained(AVAILABILITY).as_deref() == Some(ONLINE)
    })
    .await;
    for number in 0..1_000 {
        let payload = format!("{number}");
        running
            .outlet
            .publish("nightjar/home/alert", payload, false)
            .unwrap();
    }
    running.cancel.cancel();
    tokio::time::timeout(PATIENCE, running.tasks.join_next())
        .await
        .unwrap();
    until("everything is heard", || {
        heard.alerts().len() == 1_000 && heard.on(AVAILABILITY) == [ONLINE, OFFLINE]
    })
    .await;
    assert_eq!(running.telemetry.publish_failed.get(), 0);
}
