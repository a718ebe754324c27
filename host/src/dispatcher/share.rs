//! An action whose runs are slow, or end at a limit, gets a share of this host's time for them and no more, wherever they run: in a turn, which
//! they hold up for a while, or beside it ([`super::aside`]).
//!
//! Such a run is charged to its action, and the debt is paid off with time. Past a credit the action is not run but fails as transient, so
//! that its events come back later, and end as dead letters if it goes on. Runs that are quick and do what they should are
//! charged nothing, however many there are; nor are other actions of the quest, or other quests.
//!
//! Must not know: what a run does, where a partition stands.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use quest_engine::action::{Export, Failure, FailureKind, Invocation, Ran};

use crate::threads::thread_time;

/// A run that succeeds is charged when it took longer: interpreters that start, or a page of work, do not.
pub(super) const SLOW: Duration = Duration::from_millis(100);
/// What an action may owe, and all that owe something together, before runs are put off.
const CREDIT: Duration = Duration::from_millis(200);
const CREDIT_OF_ALL: Duration = Duration::from_millis(500);
/// A run is slow for those that wait behind it when it took longer.
const QUICK: Duration = Duration::from_millis(2);
/// After how many such runs an action's next is set aside from its beginning: one may be slow because its code was never run before.
const STRIKES: u8 = 2;
/// Of a failure's text, what is kept.
const REASON_BYTES_MAX: usize = 512;

/// Who owes what.
pub(super) struct Shares {
    /// Of the time that passes, what an action's slow runs may take, in percent; 100: as much as they do.
    percent: u64,
    /// Slow runs at once.
    slow_max: usize,
    /// Whether any action was slow lately, to be read without waiting.
    any_slow: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    debts: HashMap<String, Debt>,
    /// Of actions whose runs were slow lately: by how many more than quick ones. Each has one at the least.
    slow: HashMap<String, u8>,
    /// What runs now, a few turns' worth.
    running: Vec<Running>,
    tickets: u64,
}

struct Debt {
    owed: Duration,
    /// When that was.
    at: Instant,
    /// How its last charged run ended.
    reason: String,
}

struct Running {
    ticket: u64,
    action: String,
    began: Instant,
}

/// What is charged: a quest's action, whatever the context.
pub(super) fn selector(invocation: &Invocation) -> String {
    let action = match invocation.export {
        Export::Init => "init",
        Export::Perform => &invocation.action,
    };
    [&invocation.quest, ".", action].concat()
}

impl Shares {
    /// With so many turns at once.
    pub(super) fn new(percent: u64, turns: usize) -> Self {
        Self { percent, slow_max: (turns / 2).max(1), any_slow: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Whether they are kept at all.
    pub(super) fn are_kept(&self) -> bool {
        self.percent < 100
    }

    /// Whether an action's runs were slow lately, so that the next is not to hold others up.
    pub(super) fn is_slow(&self, action: &str) -> bool {
        self.any_slow.load(Ordering::Relaxed)
            && self.state.lock().slow.get(action).is_some_and(|strikes| *strikes >= STRIKES)
    }

    /// Whether a run may begin, as far as is known now.
    pub(super) fn admits(&self, action: &str) -> Result<(), Failure> {
        self.state.lock().admits(action, Instant::now(), self).map_err(refused)
    }

    /// Runs an action, unless it has had its share.
    pub(super) fn run(&self, action: &str, meter: &mut Meter, run: impl FnOnce() -> Ran) -> Ran {
        let Ok(ran) = self.run_within::<Infallible>(action, meter, || Ok(run()));
        ran
    }

    /// The same for a run that may be cut short, and is then not charged for it.
    pub(super) fn run_within<Cut>(
        &self,
        action: &str,
        meter: &mut Meter,
        run: impl FnOnce() -> Result<Ran, Cut>,
    ) -> Result<Ran, Cut> {
        let began = Instant::now();
        meter.read_again(began);
        let ticket = match self.state.lock().begin(action, began, self) {
            Ok(ticket) => ticket,
            Err(message) => return Ok(refused(message).into()),
        };
        let mut ticket = Ticket { of: self, number: ticket, is_slow: false, charge: None };
        let came = run();
        let took = began.elapsed();
        // A thread that did not get to run, in a process that was stopped or on a busy machine, took nothing.
        let took = if took < QUICK { took } else { took.min(meter.since()) };
        ticket.is_slow = took >= QUICK;
        let reason = came.as_ref().ok().and_then(|ran| match ended_by_the_sandbox(ran) {
            None if took > SLOW => Some(format!("a run took {} ms", took.as_millis())),
            reason => reason,
        });
        ticket.charge = reason.map(|reason| (took, reason));
        came
    }
}

/// Why the sandbox had to end a run, if it had to: not what an action says of its own work.
fn ended_by_the_sandbox(ran: &Ran) -> Option<String> {
    let failure = ran.result.as_ref().err()?;
    ["timeout", "limit", "trap"].contains(&failure.code.as_str()).then(|| failure.message.clone())
}

/// What becomes of a run that has to wait for its share.
fn refused(message: String) -> Failure {
    Failure { kind: FailureKind::Transient, code: "over-its-share".to_owned(), message }
}

/// What this thread has used of a processor, read now and then: asking for it costs more than many a run.
pub(super) struct Meter {
    used: Duration,
    at: Instant,
}

/// How old what was read may be: what the turn did in that time counts as the run's, and is to be little beside [`QUICK`].
const READ_AGAIN: Duration = Duration::from_micros(500);

impl Meter {
    pub(super) fn start() -> Self {
        Self { used: thread_time(), at: Instant::now() }
    }

    fn read_again(&mut self, now: Instant) {
        if now.saturating_duration_since(self.at) > READ_AGAIN {
            *self = Self { used: thread_time(), at: now };
        }
    }

    fn since(&self) -> Duration {
        thread_time().saturating_sub(self.used)
    }
}

/// A run that is going on; it ends with this, also where the host panics in it.
struct Ticket<'a> {
    of: &'a Shares,
    number: u64,
    is_slow: bool,
    charge: Option<(Duration, String)>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.of.state.lock();
        state.end(self.number, self.is_slow, self.charge.take(), self.of.percent);
        self.of.any_slow.store(!state.slow.is_empty(), Ordering::Relaxed);
    }
}

impl State {
    fn begin(&mut self, action: &str, now: Instant, shares: &Shares) -> Result<u64, String> {
        self.admits(action, now, shares)?;
        self.tickets += 1;
        self.running.push(Running { ticket: self.tickets, action: action.to_owned(), began: now });
        Ok(self.tickets)
    }

    fn admits(&mut self, action: &str, now: Instant, shares: &Shares) -> Result<(), String> {
        let is_slow = |running: &&Running| now.saturating_duration_since(running.began) > SLOW;
        let slow = self.running.iter().filter(is_slow).count();
        if !self.debts.is_empty() {
            self.debts.retain(|_, debt| debt.owed_at(now, shares.percent) > Duration::ZERO);
            let all: Duration = self.debts.values().map(|debt| debt.owed_at(now, shares.percent)).sum();
            if let Some(debt) = self.debts.get(action)
                && let owed = debt.owed_at(now, shares.percent)
                && (owed > CREDIT || all > CREDIT_OF_ALL || slow >= shares.slow_max)
            {
                let owed = owed.as_millis();
                return Err(format!(
                    "its runs took {owed} ms more than their share, and those of all slow actions {} ms; {}; the last: {}",
                    all.as_millis(),
                    later(shares),
                    debt.reason
                ));
            }
        }
        Ok(())
    }

    fn end(&mut self, ticket: u64, is_slow: bool, charge: Option<(Duration, String)>, percent: u64) {
        let Some(at) = self.running.iter().position(|running| running.ticket == ticket) else { return };
        let Running { action, .. } = self.running.swap_remove(at);
        if is_slow {
            let strikes = self.slow.entry(action.clone()).or_default();
            *strikes = (*strikes + 1).min(STRIKES + 1);
        } else if !self.slow.is_empty()
            && let Some(strikes) = self.slow.get_mut(&action)
        {
            *strikes -= 1;
            if *strikes == 0 {
                self.slow.remove(&action);
            }
        }
        let Some((charged, mut reason)) = charge else { return };
        let now = Instant::now();
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let before = self.debts.get(&action).map_or(Duration::ZERO, |debt| debt.owed_at(now, percent));
        if before <= CREDIT && before + charged > CREDIT {
            tracing::warn!(
                action,
                reason,
                "its runs are slow, or end at limits: they get a share of the time (pace.slow_share)"
            );
        }
        self.debts.insert(action, Debt { owed: before + charged, at: now, reason });
    }
}

impl Debt {
    fn owed_at(&self, now: Instant, percent: u64) -> Duration {
        let paid = now.saturating_duration_since(self.at) * u32::try_from(percent).unwrap_or(100) / 100;
        self.owed.saturating_sub(paid)
    }
}

fn later(shares: &Shares) -> String {
    format!("what is slow, or ends at a limit, gets {} % of the time (pace.slow_share)", shares.percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A state with a debt, at a time.
    fn owing(charged: u64) -> (State, Shares, Instant) {
        let shares = Shares::new(10, 4);
        let mut state = State::default();
        let ticket = state.begin("slow", Instant::now(), &shares).expect("nothing is owed");
        state.end(ticket, false, Some((ms(charged), "why".to_owned())), 10);
        let at = state.debts["slow"].at;
        (state, shares, at)
    }

    #[test]
    fn past_its_credit_an_action_waits_until_time_has_paid_for_it() {
        let (mut state, shares, at) = owing(1_000);
        let refused = state.begin("slow", at, &shares).expect_err("it owes a second");
        assert!(refused.contains("1000 ms more than their share") && refused.contains("the last: why"), "{refused}");
        assert!(state.begin("quick", at, &shares).is_ok(), "others go on");
        assert!(state.begin("slow", at + ms(7_999), &shares).is_err());
        assert!(state.begin("slow", at + ms(8_000), &shares).is_ok(), "a tenth of the time is its own");
        state.begin("other", at + ms(10_000), &shares).expect("it never owed anything");
        assert!(state.debts.is_empty(), "what is paid is forgotten");
    }

    #[test]
    fn small_debts_of_many_actions_count_together() {
        let (mut state, shares, at) = owing(150);
        assert!(state.begin("slow", at, &shares).is_ok());
        for action in ["a", "b", "c"] {
            let ticket = state.begin(action, at, &shares).expect("it owes nothing");
            state.end(ticket, false, Some((ms(150), "why".to_owned())), 10);
        }
        assert!(state.begin("slow", at, &shares).is_err());
        assert!(state.begin("quick", at, &shares).is_ok());
    }

    #[test]
    fn quick_runs_are_charged_nothing_and_what_the_sandbox_ended_is() {
        let shares = Shares::new(10, 4);
        let ok = || Ran { result: Ok(quest_engine::action::Changes::default()), logs: Vec::new() };
        assert!(shares.run("q", &mut Meter::start(), ok).result.is_ok());
        assert!(shares.state.lock().debts.is_empty() && shares.state.lock().running.is_empty());
        let trap = || Ran::from(Failure::trap("aborted".to_owned()));
        assert!(shares.run("q", &mut Meter::start(), trap).result.is_err());
        assert_eq!(shares.state.lock().debts["q"].reason, "aborted");
    }

    #[test]
    fn an_action_that_was_slow_twice_is_slow_until_its_runs_are_quick_again() {
        let shares = Shares::new(10, 4);
        let ends = |is_slow| {
            let number = shares.state.lock().begin("a", Instant::now(), &shares).expect("nothing is owed");
            drop(Ticket { of: &shares, number, is_slow, charge: None });
        };
        ends(true);
        assert!(!shares.is_slow("a"), "once may be by chance");
        ends(true);
        ends(true);
        ends(true);
        assert!(shares.is_slow("a") && !shares.is_slow("b"));
        ends(false);
        assert!(shares.is_slow("a"));
        ends(false);
        assert!(!shares.is_slow("a"));
        ends(false);
        assert!(shares.state.lock().slow.is_empty(), "what is quick is forgotten");
    }
}
