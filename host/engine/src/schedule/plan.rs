//! Where a recurrence stands: its next run, how many there were, and what became of those that could not happen in time.

use serde::{Deserialize, Serialize};

use super::{Millis, Missed, Recurrence, Schedule, Why, Zone};
use crate::action::Seed;

/// Where a recurrence stands; stored with its timer. Fields are only added, at the end and with a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// When it was started: what is counted is counted from here, unless the text says from where.
    anchor: Millis,
    /// The instant of the next run by the calendar.
    nominal: Millis,
    /// When it is to happen: the nominal time and its jitter.
    due: Millis,
    /// How many there were.
    runs: u64,
    /// How many were left out just before the next one.
    missed: u64,
}

/// What the policy for missed runs did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaughtUp {
    /// The run that is due happens.
    RunNow,
    /// [`Plan::due`] is another now: ask again when it is due.
    Moved,
    /// There is no other run.
    Ended,
}

/// Runs that were left out are counted one by one up to here (those of exact intervals are reckoned).
pub const MISSED_COUNTED_MAX: u64 = 10_000;

impl Plan {
    /// Begins at `anchor`: the first run after it, or the one at once if the text says `now`. `salt` names the recurrence: its jitter
    /// follows from it. None: there is no run at all.
    pub fn begin(schedule: &Schedule, anchor: Millis, zone: &Zone, salt: &str) -> Option<Self> {
        if schedule.clauses.now {
            return Some(Self { anchor, nominal: anchor, due: anchor, runs: 0, missed: 0 });
        }
        let nominal = schedule.next(anchor, anchor, zone)?.at;
        Some(Self { anchor, nominal, due: 0, runs: 0, missed: 0 }.dated(schedule, zone, salt))
    }

    /// When the next run is due.
    pub fn due(&self) -> Millis {
        self.due
    }

    /// The instant of the next run by the calendar: [`Plan::due`] without its jitter.
    pub fn nominal(&self) -> Millis {
        self.nominal
    }

    /// When it was started.
    pub fn anchor(&self) -> Millis {
        self.anchor
    }

    /// How many runs there were.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How many runs were left out just before the next one. Exact for exact intervals; for others counted up to
    /// 10,000.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// What is special about the next run.
    pub fn why(&self, schedule: &Schedule, zone: &Zone) -> Option<Why> {
        if schedule.clauses.now && self.runs == 0 && self.nominal == self.anchor {
            return Some(Why::AtOnce);
        }
        let before = self.nominal.checked_sub(1)?;
        schedule.next(self.anchor, before, zone).filter(|run| run.at == self.nominal).and_then(|run| run.why)
    }

    /// Applies the policy for missed runs before the run at [`Plan::due`]. Everything before `horizon` is past.
    pub fn catch_up(&mut self, schedule: &Schedule, zone: &Zone, horizon: Millis, salt: &str) -> CaughtUp {
        if self.due >= horizon {
            return CaughtUp::RunNow;
        }
        let after = match schedule.missed() {
            Missed::Once => self.nth_latest(schedule, zone, horizon, salt, 1),
            Missed::All { at_most } => self.nth_latest(schedule, zone, horizon, salt, u64::from(at_most)),
            Missed::Skip { grace } => {
                let earliest = horizon.saturating_sub(grace);
                if self.due >= earliest { None } else { Some(self.last_before(schedule, zone, earliest, salt)) }
            }
        };
        // Everything up to `after`, by the calendar, is left out.
        let Some(after) = after.filter(|after| *after >= self.nominal) else { return CaughtUp::RunNow };
        let left_out = self.left_out(schedule, zone, after);
        let Some(run) = schedule.next(self.anchor, after, zone) else { return CaughtUp::Ended };
        self.missed = self.missed.saturating_add(left_out);
        self.nominal = run.at;
        *self = self.clone().dated(schedule, zone, salt);
        CaughtUp::Moved
    }

    /// After a run: on to the next. None: that was the last (`count`, `until`, or the calendar's end).
    pub fn advance(self, schedule: &Schedule, zone: &Zone, salt: &str) -> Option<Self> {
        let runs = self.runs.saturating_add(1);
        if schedule.clauses.count.is_some_and(|count| runs >= count) {
            return None;
        }
        let nominal = schedule.next(self.anchor, self.nominal, zone)?.at;
        Some(Self { nominal, runs, missed: 0, ..self }.dated(schedule, zone, salt))
    }

    /// The context's zone is another: on to the first run after `now` there. Nothing changes if the schedule does not depend on the
    /// context's zone, or if the run at once has not happened yet. None: there is no such run.
    pub fn rezone(self, schedule: &Schedule, zone: &Zone, now: Millis, salt: &str) -> Option<Self> {
        if !schedule.depends_on_zone() || (schedule.clauses.now && self.runs == 0 && self.nominal == self.anchor) {
            return Some(self);
        }
        self.follow(schedule, zone, now, salt)
    }

    /// The schedule is another: on to its first run after `now`. None: there is no such run.
    pub fn follow(self, schedule: &Schedule, zone: &Zone, now: Millis, salt: &str) -> Option<Self> {
        let nominal = schedule.next(self.anchor, now.max(self.anchor), zone)?.at;
        Some(Self { nominal, missed: 0, ..self }.dated(schedule, zone, salt))
    }

    /// Moves the next run to another time. It stands for all that the calendar has until then; those after it stay where they are.
    pub fn move_to(&mut self, due: Millis) {
        self.due = due;
        self.nominal = self.nominal.max(due);
    }

    /// Sets when it is due.
    fn dated(mut self, schedule: &Schedule, zone: &Zone, salt: &str) -> Self {
        self.due = due(schedule, self.anchor, self.nominal, zone, salt);
        self
    }

    /// The nominal time after which just the `n` latest of the runs that are due before `horizon` lie. None: there are no more than `n`.
    fn nth_latest(&self, schedule: &Schedule, zone: &Zone, horizon: Millis, salt: &str, n: u64) -> Option<Millis> {
        // The jitter is shorter than what lies between two runs, so no more than one by the calendar is not due by the horizon.
        let last = self.last_before(schedule, zone, horizon, salt);
        let has = |after: Millis, wanted: u64| {
            let mut at = after;
            (0..wanted).all(|_| match schedule.next(self.anchor, at, zone) {
                Some(run) if run.at <= last => {
                    at = run.at;
                    true
                }
                _ => false,
            })
        };
        // The next run itself may lie between what the calendar gives: it may be the one at once, or have been moved.
        if !has(self.nominal, n) {
            return None;
        }
        if let Recurrence::Exact(step) = schedule.recurrence {
            return Some(last.saturating_sub(step.saturating_mul(n)).max(self.nominal));
        }
        // The latest time after which there still are `n`.
        let (mut enough, mut few) = (self.nominal, last);
        while few - enough > 1 {
            let middle = enough + (few - enough) / 2;
            if has(middle, n) { enough = middle } else { few = middle }
        }
        Some(enough)
    }

    /// The nominal time of the latest run that is due before `horizon`, at least the next one's.
    fn last_before(&self, schedule: &Schedule, zone: &Zone, horizon: Millis, salt: &str) -> Millis {
        let is_past = |nominal: Millis| due(schedule, self.anchor, nominal, zone, salt) < horizon;
        let next = |after: Millis| schedule.next(self.anchor, after, zone).map(|run| run.at);
        // Due is nominal time and something: what is past by its due time is past by the calendar.
        let (mut some, mut none) = (self.nominal, horizon.max(self.nominal + 1));
        // Between a run that is past by the calendar and a time after which there is none that is.
        while none - some > 1 {
            let middle = some + (none - some) / 2;
            match next(middle) {
                Some(at) if at < horizon => some = at,
                _ => none = middle,
            }
        }
        if is_past(some) || some == self.nominal {
            return some;
        }
        // The latest one's jitter reaches past the horizon: the one before it.
        let (mut before, mut none) = (self.nominal, some - 1);
        while none > before && none - before > 1 {
            let middle = before + (none - before) / 2;
            match next(middle) {
                Some(at) if at < some => before = at,
                _ => none = middle,
            }
        }
        before
    }

    /// How many runs by the calendar there are from the next one up to `last`.
    fn left_out(&self, schedule: &Schedule, zone: &Zone, last: Millis) -> u64 {
        if let Recurrence::Exact(step) = schedule.recurrence {
            // The next one may be the run at once, which lies between what is counted.
            let second = schedule.next(self.anchor, self.nominal, zone).map(|run| run.at).filter(|at| *at <= last);
            return 1 + second.map_or(0, |second| (last - second) / step + 1);
        }
        let (mut at, mut count) = (self.nominal, 1);
        while count < MISSED_COUNTED_MAX {
            match schedule.next(self.anchor, at, zone) {
                Some(run) if run.at <= last => (at, count) = (run.at, count + 1),
                _ => break,
            }
        }
        count
    }
}

/// When the run of this nominal time is due. The jitter ends before the next run begins, so runs keep their order.
fn due(schedule: &Schedule, anchor: Millis, nominal: Millis, zone: &Zone, salt: &str) -> Millis {
    if schedule.clauses.jitter == 0 {
        return nominal;
    }
    let next = schedule.next(anchor, nominal, zone).map_or(Millis::MAX, |run| run.at);
    let room = schedule.clauses.jitter.saturating_add(1).min(next - nominal);
    let drawn = Seed::of(&["jitter", salt, &nominal.to_string()]).next_u64();
    nominal + ((u128::from(drawn) * u128::from(room)) >> 64) as u64
}
