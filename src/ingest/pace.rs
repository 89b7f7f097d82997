//! How far sources that can wait run ahead of the writer.
//!
//! The writer takes submissions in their order. A first import that filled its channel would hold
//! back what the house has to say meanwhile, and would fill the memory.

use std::collections::VecDeque;

use crossbeam_channel::{Receiver, bounded};

use crate::writer::{Handle, Receipt, Reply, Submission, WriterError};

/// Submissions under way: one is stored while the next is read.
pub(super) const IN_FLIGHT: usize = 2;

/// Submits, and waits for the writer when it is behind.
#[derive(Debug)]
pub(super) struct Pace {
    writer: Handle,
    answers: VecDeque<Receiver<Receipt>>,
}

impl Pace {
    /// Nothing is under way.
    pub(super) const fn new(writer: Handle) -> Self {
        Self {
            writer,
            answers: VecDeque::new(),
        }
    }

    /// Submits as soon as there is room.
    pub(super) fn submit(&mut self, submission: Submission) -> Result<(), WriterError> {
        self.wait_until(IN_FLIGHT - 1)?;
        let (reply, answer) = bounded(1);
        self.writer.submit(Submission {
            reply: Reply::Once(reply),
            ..submission
        })?;
        self.answers.push_back(answer);
        Ok(())
    }

    /// Waits until everything that was submitted is durable.
    pub(super) fn settle(&mut self) -> Result<(), WriterError> {
        self.wait_until(0)
    }

    fn wait_until(&mut self, most: usize) -> Result<(), WriterError> {
        while self.answers.len() > most {
            if let Some(answer) = self.answers.pop_front() {
                self.writer.await_answer(&answer)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::Bench;
    use super::*;
    use crate::ingest::places;

    #[test]
    fn little_waits_for_a_writer_that_stands_still() {
        let bench = Bench::new();
        let folder = tempfile::tempdir().unwrap();
        let stalled = bench.stalled(folder.path().join("other.db"));
        let handle = stalled.handle.clone();
        let source = std::thread::Builder::new().name("source".into());
        let source = source.spawn(move || {
            let mut pace = Pace::new(stalled.handle);
            let submit = |_: &i32| {
                let events = vec![places::note(1, "a line")];
                let submission = Submission {
                    events,
                    ..Submission::default()
                };
                pace.submit(submission).is_ok()
            };
            (0..100).take_while(submit).count()
        });
        bench.until("two submissions", |_| {
            (handle.waiting() >= IN_FLIGHT).then_some(())
        });
        drop(stalled.writer);
        assert_eq!(source.unwrap().join().unwrap(), IN_FLIGHT);
        assert_eq!(handle.waiting(), IN_FLIGHT);
    }
}
