//! Who waits on this host for the answer of which call.

use std::collections::HashMap;

use parking_lot::Mutex;
use quest_engine::{model::Outcome, partition::Answered};
use tokio::sync::oneshot;

/// Told when an answer is there: the answer, or none when it is stored and to be read.
type Told = oneshot::Sender<Option<Outcome>>;

/// Everybody who waits.
#[derive(Default)]
pub(super) struct Waiters {
    by_id: Mutex<HashMap<String, Vec<Waiter>>>,
}

struct Waiter {
    context: String,
    told: Told,
}

impl Waiters {
    /// Waits for the answer of a call, as long as what comes with it lives: a caller may go away at any moment.
    pub(super) fn wait(&self, context: &str, id: &str) -> (oneshot::Receiver<Option<Outcome>>, Waits<'_>) {
        let (told, answer) = oneshot::channel();
        let mut by_id = self.by_id.lock();
        by_id.entry(id.to_owned()).or_default().push(Waiter { context: context.to_owned(), told });
        (answer, Waits { waiters: self, id: id.to_owned() })
    }

    /// An answer was committed by this host.
    pub(super) fn answered(&self, answered: Answered) {
        let Answered { context, id, outcome, .. } = answered;
        let mut by_id = self.by_id.lock();
        let Some(waiters) = by_id.get_mut(&id) else { return };
        for waiter in waiters.extract_if(.., |waiter| waiter.context == context) {
            let _ = waiter.told.send(Some(outcome.clone()));
        }
        if waiters.is_empty() {
            by_id.remove(&id);
        }
    }

    /// An answer was committed by another host: whoever waits for that id looks.
    pub(super) fn look(&self, id: &str) {
        for waiter in self.by_id.lock().remove(id).unwrap_or_default() {
            let _ = waiter.told.send(None);
        }
    }
}

/// That somebody waits: over when it is dropped (after the receiver).
pub(super) struct Waits<'a> {
    waiters: &'a Waiters,
    id: String,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut by_id = self.waiters.by_id.lock();
        if let Some(waiters) = by_id.get_mut(&self.id) {
            waiters.retain(|waiter| !waiter.told.is_closed());
            if waiters.is_empty() {
                by_id.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quest_engine::model::Value;

    #[test]
    fn an_answer_reaches_those_who_wait_for_it() {
        let waiters = Waiters::default();
        let ((mut one, _one), (mut two, _two)) = (waiters.wait("c", "x"), waiters.wait("c", "x"));
        let (mut other, _other) = waiters.wait("d", "x");
        let outcome = Outcome::Answered(Value::Integer(1));
        let (host, context, id) = ("h".to_owned(), "c".to_owned(), "x".to_owned());
        waiters.answered(Answered { host, context, id, outcome: outcome.clone() });
        assert_eq!((one.try_recv(), two.try_recv()), (Ok(Some(outcome.clone())), Ok(Some(outcome))));
        assert!(other.try_recv().is_err(), "the same id of another context");
        waiters.look("x");
        assert_eq!(other.try_recv(), Ok(None));
        assert!(waiters.by_id.lock().is_empty());
        let (answer, waits) = waiters.wait("c", "y");
        drop(answer);
        drop(waits);
        assert!(waiters.by_id.lock().is_empty());
    }
}
