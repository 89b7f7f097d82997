//! mosquitto's own clients (Debian: mosquitto-clients) against this broker. Without them on the
//! machine these tests say so and pass.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{PATIENCE, Rig, rig, text};
use crate::broker::Options;

fn installed() -> bool {
    let found = ["mosquitto_pub", "mosquitto_sub"]
        .iter()
        .all(|name| Command::new(name).arg("--help").output().is_ok());
    if !found {
        println!("skipped: mosquitto_pub and mosquitto_sub are not installed");
    }
    found
}

fn tool(rig: &Rig, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command
        .args(["-h", "127.0.0.1", "-p", &rig.address.port().to_string()])
        .args(arguments);
    command
}

/// Runs a tool to its end beside the broker.
async fn run(rig: &Rig, name: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = tool(rig, name, arguments);
    let input = input.to_owned();
    let mut blocking = JoinSet::new();
    blocking.spawn_blocking(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    });
    timeout(PATIENCE, blocking.join_next())
        .await
        .expect("the tool ends")
        .unwrap()
        .unwrap()
}

/// 200 lines: more than one window of a stock broker.
fn numbered(prefix: &str) -> String {
    let lines: Vec<String> = (0..200)
        .map(|number| format!("{prefix} {number}\n"))
        .collect();
    lines.concat()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn mosquitto_pub_and_sub_exchange_lines_at_both_qualities() {
    if !installed() {
        return;
    }
    let rig = rig(Options::default()).await;
    for qos in ["0", "1"] {
        let id = format!("sub-{qos}");
        let arguments = [
            "-i",
            &id,
            "-q",
            qos,
            "-t",
            "house/+/door",
            "-C",
            "200",
            "-F",
            "%t %q %p",
        ];
        let listen = run(&rig, "mosquitto_sub", &arguments, "");
        let speak = async {
            rig.until("subscribed", |seen| {
                seen.client(&id)
                    .is_some_and(|view| !view.subscriptions.is_empty())
            })
            .await;
            let lines = numbered("line");
            stdout(
                &run(
                    &rig,
                    "mosquitto_pub",
                    &["-q", qos, "-t", "house/hall/door", "-l"],
                    &lines,
                )
                .await,
            );
        };
        let (heard, ()) = tokio::join!(listen, speak);
        let expected = numbered(&format!("house/hall/door {qos} line"));
        assert_eq!(stdout(&heard), expected);
    }
}

#[tokio::test]
async fn mosquitto_sub_finds_its_persistent_session_again() {
    if !installed() {
        return;
    }
    let rig = rig(Options::default()).await;
    let session = ["-i", "kept", "-c", "-q", "1", "-t", "t"];
    // -E: leave as soon as the subscription is granted.
    stdout(&run(&rig, "mosquitto_sub", &[&session[..], &["-E"]].concat(), "").await);
    stdout(
        &run(
            &rig,
            "mosquitto_pub",
            &["-q", "1", "-t", "t", "-l"],
            "one\ntwo\n",
        )
        .await,
    );
    assert_eq!(rig.observer.client("kept").unwrap().queued, 2);
    let heard = run(
        &rig,
        "mosquitto_sub",
        &[&session[..], &["-C", "2"]].concat(),
        "",
    )
    .await;
    assert_eq!(stdout(&heard), "one\ntwo\n");
}

#[tokio::test]
async fn mosquitto_pub_retains_and_clears() {
    if !installed() {
        return;
    }
    let rig = rig(Options::default()).await;
    let retain = ["-q", "1", "-r", "-t", "state/door"];
    stdout(
        &run(
            &rig,
            "mosquitto_pub",
            &[&retain[..], &["-m", "open"]].concat(),
            "",
        )
        .await,
    );
    let listen = ["-t", "state/#", "-C", "1", "-F", "%r %p"];
    assert_eq!(
        stdout(&run(&rig, "mosquitto_sub", &listen, "").await),
        "1 open\n"
    );
    stdout(&run(&rig, "mosquitto_pub", &[&retain[..], &["-n"]].concat(), "").await);
    let mut late = rig.subscriber("late", "state/#").await;
    late.publish("state/end", "end").await;
    assert_eq!(text(&late.message().await), "end");
}

#[tokio::test]
async fn a_killed_mosquitto_sub_leaves_its_will() {
    if !installed() {
        return;
    }
    let rig = rig(Options::default()).await;
    let mut watcher = rig.subscriber("watcher", "will").await;
    let arguments = [
        "-i",
        "mortal",
        "-t",
        "t",
        "--will-topic",
        "will",
        "--will-payload",
        "dead",
    ];
    let mut mortal = tool(&rig, "mosquitto_sub", &arguments).spawn().unwrap();
    rig.until("connected", |seen| seen.client("mortal").is_some())
        .await;
    mortal.kill().unwrap();
    mortal.wait().unwrap();
    assert_eq!(text(&watcher.message().await), "dead");
}

#[tokio::test]
async fn mosquitto_pub_is_told_that_mqtt_5_is_not_spoken() {
    if !installed() {
        return;
    }
    let rig = rig(Options::default()).await;
    let output = run(
        &rig,
        "mosquitto_pub",
        &["-V", "mqttv5", "-t", "t", "-m", "x"],
        "",
    )
    .await;
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(complaint.contains("protocol version"), "{complaint}");
}
