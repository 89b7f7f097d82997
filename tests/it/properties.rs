//! What must hold for every stream of events, on random ones.

use std::collections::HashMap;

use nightjar::base::ids::message_hash;
use nightjar::event::message::Unmapped;
use nightjar::event::{NewEvent, PublisherId};
use nightjar::event_log::dedupe::Delivery;
use nightjar::storage::Owned;
use nightjar::writer::{Receipt, Submission};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::bench_box::{BenchBox, NOW};
use crate::random_events::events;

/// Streams per property; each starts databases of its own.
const CASES: u32 = 64;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        // A failing stream is told whole; a file beside the source would outlive its cause.
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_rebuild_gives_the_live_tables(events in events(60)) {
        let bench = BenchBox::new();
        bench.store(events);
        prop_assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
        let before = bench.tables();
        prop_assert_eq!(bench.handle().rebuild().unwrap(), bench.handle().head() as u64);
        prop_assert_eq!(bench.tables(), before);
    }

    #[test]
    fn how_the_log_was_cut_into_batches_changes_nothing(
        events in events(60),
        cuts in vec(1_usize..12, 1..20),
    ) {
        let whole = BenchBox::new();
        whole.store(events.clone());
        let pieces = BenchBox::new();
        let mut rest = events.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.store(piece.to_vec());
            rest = later;
        }
        prop_assert_eq!(pieces.log(), whole.log());
        prop_assert_eq!(pieces.tables(), whole.tables());
    }

    #[test]
    fn restarts_change_nothing(
        events in events(40),
        restarts in vec(any::<bool>(), 8),
    ) {
        let steady = BenchBox::new();
        let mut shaken = BenchBox::new();
        for (piece, restart) in events.chunks(6).zip(restarts) {
            steady.store(piece.to_vec());
            shaken.store(piece.to_vec());
            if restart {
                shaken.restart();
                prop_assert!(shaken.caught_up.is_empty(), "nothing had to be folded again");
            }
        }
        prop_assert_eq!(shaken.log(), steady.log());
        prop_assert_eq!(shaken.tables(), steady.tables());
    }

    #[test]
    fn redeliveries_are_stored_once_and_honest_repeats_each(
        steps in vec(delivery_step(), 1..60),
    ) {
        let mut bench = BenchBox::new();
        let mut model = DeliveryModel::default();
        for step in steps {
            match step {
                Step::Deliver { content } => {
                    let delivery = model.deliver(content);
                    let receipt = bench.ask(submission(&delivery, content));
                    let expected = model.stored();
                    prop_assert_eq!(receipt, Receipt::Stored(vec![expected]));
                }
                Step::Redeliver { pick } => {
                    let Some((delivery, content, position)) = model.redeliver(pick) else {
                        continue;
                    };
                    let receipt = bench.ask(submission(&delivery, content));
                    prop_assert_eq!(receipt, Receipt::Duplicate(position));
                }
                Step::Restart => bench.restart(),
            }
        }
        prop_assert_eq!(bench.number("SELECT count(*) FROM event_log"), model.head);
        prop_assert_eq!(bench.unequal_after_rebuild(), Vec::<&str>::new());
    }

    #[test]
    fn a_publishers_id_stands_for_one_content(
        messages in vec((0_usize..2, 0_usize..3, 0_usize..3), 1..40),
    ) {
        let bench = BenchBox::new();
        let mut first: HashMap<(usize, usize), (usize, i64)> = HashMap::new();
        let (mut stored, mut conflicts) = (0, 0);
        for (topic, id, content) in messages {
            let receipt = bench.ask(with_id(topic, id, content));
            match first.get(&(topic, id)) {
                None => {
                    stored += 1;
                    let position = stored + conflicts;
                    first.insert((topic, id), (content, position));
                    prop_assert_eq!(receipt, Receipt::Stored(vec![position]));
                }
                Some((known, position)) if *known == content => {
                    prop_assert_eq!(receipt, Receipt::Duplicate(*position));
                }
                Some((_, position)) => {
                    stored += 1;
                    let own = stored + conflicts;
                    conflicts += 1;
                    prop_assert_eq!(receipt, Receipt::Stored(vec![own]));
                    let told = bench.rows(
                        "SELECT position, cause FROM event_log ORDER BY position DESC LIMIT 1",
                    );
                    prop_assert_eq!(&told, &[[Owned::Integer(own + 1), Owned::Integer(own)]]);
                    let flagged = bench.number("SELECT flags & 8 FROM event_log ORDER BY position DESC LIMIT 1 OFFSET 1");
                    prop_assert_eq!(flagged, 8);
                    prop_assert!(*position < own);
                }
            }
        }
        prop_assert_eq!(bench.number("SELECT count(*) FROM event_log"), stored + conflicts);
        let told = bench.number(
            "SELECT count(*) FROM event_log e JOIN names n ON n.id = e.kind \
             WHERE n.name = 'message.id_conflicted'",
        );
        prop_assert_eq!(told, conflicts);
    }
}

/// A topic's message: few contents, so that honest repeats are frequent.
fn raw_event(topic: &str, content: usize) -> NewEvent {
    let payload = content.to_string().into_bytes();
    let mut event = NewEvent::own(NOW, format!("topic/{topic}"), Unmapped { payload });
    event.topic = Some(topic.into());
    event
}

fn with_id(topic: usize, id: usize, content: usize) -> Submission {
    let topic = format!("t/{topic}");
    Submission {
        publisher_id: Some(PublisherId {
            id: format!("id-{id}"),
            hash: message_hash(&topic, content.to_string().as_bytes()),
        }),
        events: vec![raw_event(&topic, content)],
        ..Submission::default()
    }
}

fn submission(delivery: &Delivery, content: usize) -> Submission {
    Submission {
        delivery: Some(delivery.clone()),
        events: vec![raw_event("t", content)],
        ..Submission::default()
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A message that the broker has not sent before, under the next packet id.
    Deliver { content: usize },
    /// One of the last messages once more, with DUP.
    Redeliver { pick: prop::sample::Index },
    /// The box is stopped and started.
    Restart,
}

fn delivery_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..3).prop_map(|content| Step::Deliver { content }),
        4 => any::<prop::sample::Index>().prop_map(|pick| Step::Redeliver { pick }),
        1 => Just(Step::Restart),
    ]
}

/// What the broker knows: the last message under each packet id.
#[derive(Default)]
struct DeliveryModel {
    delivered: u16,
    head: i64,
    last: Vec<(Delivery, usize, i64)>,
}

impl DeliveryModel {
    /// Packet ids in use; they come round as the broker's do.
    const PACKET_IDS: u16 = 7;

    fn deliver(&mut self, content: usize) -> Delivery {
        let delivery = Delivery {
            family: "camera",
            session: Uuid::from_u128(7),
            packet_id: self.delivered % Self::PACKET_IDS + 1,
            dup: false,
            hash: message_hash("t", content.to_string().as_bytes()),
        };
        self.delivered += 1;
        self.last
            .retain(|(last, ..)| last.packet_id != delivery.packet_id);
        self.last.push((delivery.clone(), content, self.head + 1));
        delivery
    }

    fn stored(&mut self) -> i64 {
        self.head += 1;
        self.head
    }

    fn redeliver(&self, pick: prop::sample::Index) -> Option<(Delivery, usize, i64)> {
        if self.last.is_empty() {
            return None;
        }
        let (delivery, content, position) = pick.get(&self.last).clone();
        Some((
            Delivery {
                dup: true,
                ..delivery
            },
            content,
            position,
        ))
    }
}
