//! When contexts are due next: the earliest part of the stored index, kept in memory.
//!
//! The window holds every context due before its end. What lies behind the end is only in the store, and is read when the
//! window runs empty; so a million timers cost no memory, and the next one is found without a scan.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Millis;

/// The window.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    by_time: BTreeSet<(Millis, String)>,
    by_context: BTreeMap<String, Millis>,
    /// Everything before this is in the window; none: everything is.
    end: Option<Millis>,
}

impl Wakes {
    /// Nothing is known yet: everything is behind the end.
    pub(super) fn unread() -> Self {
        Self { end: Some(0), ..Self::default() }
    }

    /// Takes in the earliest `max` of the index; fewer than `max` means that these are all.
    pub(super) fn refill(&mut self, earliest: Vec<(String, Millis)>, max: usize) {
        // Of several contexts due at the last one's time some may have been cut off: the window ends before them.
        self.end = (earliest.len() >= max).then(|| earliest.last().map_or(0, |(_, at)| *at));
        self.by_time.clear();
        self.by_context.clear();
        let single = earliest.first().map(|(_, at)| *at) == self.end;
        for (context, at) in earliest {
            // A full window of one single time is kept whole: it must not stay empty for ever.
            if single || self.end.is_none_or(|end| at < end) {
                self.by_time.insert((at, context.clone()));
                self.by_context.insert(context, at);
            }
        }
    }

    /// Whether the store must be read before more can be said of other contexts than those.
    pub(super) fn is_used_up(&self, without: &BTreeSet<String>) -> bool {
        self.end.is_some() && self.by_context.keys().all(|context| without.contains(context))
    }

    /// A context's due time changed.
    pub(super) fn set(&mut self, context: &str, at: Option<Millis>, max: usize) {
        if let Some(old) = self.by_context.remove(context) {
            self.by_time.remove(&(old, context.to_owned()));
        }
        let Some(at) = at else { return };
        if self.end.is_some_and(|end| at >= end) {
            return;
        }
        self.by_time.insert((at, context.to_owned()));
        self.by_context.insert(context.to_owned(), at);
        while self.by_time.len() > 2 * max {
            let Some((at, context)) = self.by_time.pop_last() else { break };
            self.by_context.remove(&context);
            self.end = Some(at);
        }
    }

    /// The earliest due time known, of other contexts than those.
    pub(super) fn next(&self, without: &BTreeSet<String>) -> Option<Millis> {
        self.by_time.iter().find(|(_, context)| !without.contains(context)).map(|(at, _)| *at)
    }

    /// The contexts due before `horizon`, earliest first, without those.
    pub(super) fn due(&self, horizon: Millis, max: usize, without: &BTreeSet<String>) -> Vec<String> {
        let due = self.by_time.iter().take_while(|(at, _)| *at < horizon).map(|(_, context)| context);
        due.filter(|context| !without.contains(*context)).take(max).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(items: &[(&str, Millis)]) -> Vec<(String, Millis)> {
        items.iter().map(|(context, at)| ((*context).to_owned(), *at)).collect()
    }

    fn none() -> BTreeSet<String> {
        BTreeSet::new()
    }

    #[test]
    fn window_ends_before_what_was_cut_off() {
        let mut wakes = Wakes::unread();
        assert!(wakes.is_used_up(&none()));
        wakes.refill(pairs(&[("a", 1), ("b", 2), ("c", 2)]), 3);
        assert_eq!(wakes.due(10, 10, &none()), ["a"]);
        wakes.set("d", Some(2), 3);
        assert_eq!(wakes.due(10, 10, &none()), ["a"], "behind the end: in the store only");
        wakes.set("a", None, 3);
        assert!(wakes.is_used_up(&none()));
        wakes.refill(pairs(&[("b", 2), ("c", 2), ("d", 2)]), 3);
        assert_eq!(wakes.due(10, 10, &none()), ["b", "c", "d"], "one single time is kept whole");
        wakes.refill(pairs(&[("d", 2)]), 3);
        wakes.set("d", None, 3);
        assert!(!wakes.is_used_up(&none()), "everything was read");
        assert_eq!(wakes.next(&none()), None);
    }

    #[test]
    fn contexts_that_wait_do_not_keep_the_window_from_moving_on() {
        let mut wakes = Wakes::unread();
        wakes.refill(pairs(&[("a", 1), ("b", 2)]), 2);
        let waiting = BTreeSet::from(["a".to_owned()]);
        assert!(!wakes.is_used_up(&none()) && wakes.is_used_up(&waiting), "b is behind the end");
        wakes.refill(pairs(&[("a", 1), ("b", 2), ("c", 3)]), 3);
        assert!(!wakes.is_used_up(&waiting));
        assert_eq!((wakes.next(&waiting), wakes.due(10, 10, &waiting)), (Some(2), vec!["b".to_owned()]));
    }

    #[test]
    fn growth_is_bounded() {
        let mut wakes = Wakes::default();
        for n in 0..100u64 {
            wakes.set(&format!("c{n}"), Some(100 - n), 4);
        }
        assert_eq!(wakes.next(&none()), Some(1));
        assert!(wakes.due(1000, 1000, &none()).len() <= 8);
    }
}
