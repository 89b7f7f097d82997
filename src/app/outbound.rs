//! What leaves the box: the publishing connection, the announcer, and the delivery of alerts.
//!
//! They stop before the writer, and each within a bound: the dispatcher waits a little for sends
//! under way, the publisher says goodbye, and a worker that hangs in a send is left to end by itself.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{DATABASE, thread};
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::Telemetry;
use crate::delivery::courier::{Courier, Directory};
use crate::delivery::dispatch::{self, Dispatcher};
use crate::delivery::{Outcome, Poster, post};
use crate::ingest::mqtt::announcer::{self, Announcer};
use crate::ingest::mqtt::publisher::{DeliveryError, Outlet, Publisher, Refusal};
use crate::ingest::mqtt::{Broker, Health};
use crate::writer::Handle;

/// The publisher's goodbye takes a second at most; a loaded machine gets some more.
const FAREWELL: Duration = Duration::from_secs(2);

/// What leaves the box, and how.
#[derive(Debug)]
pub struct Settings {
    /// What our own topics lie below, such as `nightjar/home`.
    pub base: String,
    /// Whether every event is announced.
    pub events: bool,
    /// Whether vigilar's own topics are served too.
    pub compat: bool,
    /// Who can be told of alerts, and how.
    pub directory: Directory,
}

/// What all parts are handed.
pub(super) struct Shared<'a> {
    pub(super) folder: &'a Path,
    pub(super) site: &'a str,
    pub(super) broker: Broker,
    pub(super) writer: &'a Handle,
    pub(super) telemetry: &'a Arc<Telemetry>,
    pub(super) clock: &'a Clock,
    pub(super) shutdown: &'a Shutdown,
    /// The last position that is not announced.
    pub(super) after: i64,
}

/// The running parts.
#[derive(Debug)]
pub(super) struct Outbound {
    publisher: tokio::task::JoinHandle<()>,
    cancel: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    pub(super) health: Arc<Mutex<Health>>,
    pub(super) warning: Option<String>,
}

impl Outbound {
    pub(super) fn start(
        settings: Settings,
        shared: &Shared<'_>,
        runtime: &Runtime,
    ) -> std::io::Result<Self> {
        let telemetry = Arc::clone(shared.telemetry);
        let publisher = Publisher::new(
            shared.broker.clone(),
            shared.site,
            &settings.base,
            telemetry,
        );
        let (outlet, health) = (publisher.outlet(), publisher.health());
        let cancel = CancellationToken::new();
        let publisher = runtime.spawn(publisher.run(cancel.clone()));
        let troubles = settings.directory.troubles();
        for trouble in &troubles {
            tracing::warn!("{trouble}");
        }
        let announcer = announcer::Options {
            database: shared.folder.join(DATABASE),
            base: settings.base.clone(),
            events: settings.events,
            compat: settings.compat,
            after: shared.after,
        };
        let announcer = Announcer::new(
            announcer,
            outlet.clone(),
            shared.writer.clone(),
            Arc::clone(shared.telemetry),
            shared.shutdown.clone(),
        );
        let courier = Courier {
            directory: settings.directory,
            poster: Poster::new(post::TIMEOUT),
            publish: Box::new(move |topic, payload| publish(&outlet, topic, payload)),
            base: settings.base,
        };
        let options = dispatch::Options {
            database: shared.folder.join(DATABASE),
            site: shared.site.to_owned(),
            clock: shared.clock.clone(),
            grace: dispatch::GRACE,
        };
        let (dispatcher, workers) = Dispatcher::new(
            options,
            courier,
            shared.writer.clone(),
            Arc::clone(shared.telemetry),
            shared.shutdown.clone(),
        );
        for worker in workers {
            // Not joined: see above.
            drop(thread("nightjar-courier", move || worker.run())?);
        }
        let threads = vec![
            thread("nightjar-announcer", move || announcer.run())?,
            thread("nightjar-dispatcher", move || dispatcher.run())?,
        ];
        Ok(Self {
            publisher,
            cancel,
            threads,
            health,
            warning: (!troubles.is_empty()).then(|| troubles.join("; ")),
        })
    }

    /// Ends the parts, whose shutdown was signalled before.
    pub(super) fn stop(self, runtime: &Runtime) {
        for thread in self.threads {
            // One that panicked has said so on stderr.
            let _ = thread.join();
        }
        self.cancel.cancel();
        let farewell = async { tokio::time::timeout(FAREWELL, self.publisher).await };
        if runtime.block_on(farewell).is_err() {
            tracing::warn!("the publisher did not end in time");
        }
    }
}

fn publish(outlet: &Outlet, topic: &str, payload: Vec<u8>) -> Outcome {
    match outlet.publish_and_wait(topic, payload, false, post::TIMEOUT) {
        Ok(_) => Outcome::Sent,
        Err(error @ DeliveryError::Refused(Refusal::TooLarge { .. } | Refusal::Topic(_))) => {
            Outcome::Refused {
                reason: error.to_string(),
            }
        }
        Err(error) => Outcome::Retry {
            reason: error.to_string(),
            after: None,
        },
    }
}
