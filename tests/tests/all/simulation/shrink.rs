//! Makes a failing plan small: leaves out whatever the failure does not need.

use super::plan::{Faults, Plan};

/// Plans that are tried at most.
const TRIES_MAX: usize = 600;

/// The smallest plan that was found to fail still.
pub fn shrink(plan: Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut shrinking = Shrinking { plan, fails, tries: 0 };
    while shrinking.round() {}
    shrinking.plan
}

struct Shrinking<F> {
    plan: Plan,
    fails: F,
    tries: usize,
}

impl<F: Fn(&Plan) -> bool> Shrinking<F> {
    /// Whether anything could be left out.
    fn round(&mut self) -> bool {
        let before = self.plan.clone();
        self.leave_faults_out();
        let mut length = self.plan.steps.len().div_ceil(2);
        while length > 0 {
            self.leave_steps_out(length);
            length /= 2;
        }
        self.plan != before && self.tries < TRIES_MAX
    }

    fn leave_faults_out(&mut self) {
        let rates: [fn(&mut Faults) -> &mut u64; 6] = [
            |faults| &mut faults.lost_requests,
            |faults| &mut faults.lost_answers,
            |faults| &mut faults.lost_relays,
            |faults| &mut faults.repeated_commits,
            |faults| &mut faults.lost_bells,
            |faults| &mut faults.deaths,
        ];
        for rate in rates {
            let mut smaller = self.plan.clone();
            *rate(&mut smaller.faults) = 0;
            self.take(smaller);
        }
    }

    /// Tries without each `length` steps that follow each other.
    fn leave_steps_out(&mut self, length: usize) {
        let mut from = 0;
        while from < self.plan.steps.len() {
            let mut smaller = self.plan.clone();
            let upto = (from + length).min(smaller.steps.len());
            // The time that they took is kept.
            let waited: u64 = smaller.steps.drain(from..upto).map(|step| step.then_ms).sum();
            if let Some(before) = from.checked_sub(1) {
                smaller.steps[before].then_ms += waited;
            }
            if !self.take(smaller) {
                from += length;
            }
        }
    }

    fn take(&mut self, smaller: Plan) -> bool {
        if smaller == self.plan || self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let fails = (self.fails)(&smaller);
        if fails {
            self.plan = smaller;
        }
        fails
    }
}
