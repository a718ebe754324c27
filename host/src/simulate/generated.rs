//! Events drawn at random: the same for the same seed.

use quest_engine::model::{Body, Millis, Value};

use super::Event;

/// How many events come in which time, over all contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Milliseconds between two events, on average.
    pub every_ms: f64,
}

impl Rate {
    /// Reads a rate: `20/minute`; units are second, minute, hour and day. Fails with a text for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no rate; a rate is like 20/minute (second, minute, hour or day)");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let count: f64 = count.trim().parse().map_err(|_| wrong())?;
        let unit_ms = match unit.trim() {
            "second" | "s" => 1_000.0,
            "minute" | "min" => 60_000.0,
            "hour" | "h" => 3_600_000.0,
            "day" | "d" => 86_400_000.0,
            _ => return Err(wrong()),
        };
        if !(count > 0.0 && count.is_finite()) {
            return Err(wrong());
        }
        Ok(Self { every_ms: unit_ms / count })
    }
}

/// A source of events without an end: they come as independent ones do, at times of a Poisson process.
pub struct Generated {
    random: fastrand::Rng,
    every_ms: f64,
    contexts: u64,
    /// Names with their weights, summed up.
    names: Vec<(String, f64)>,
    payload: Value,
    at: f64,
}

impl Generated {
    /// Events from `start` on for `contexts` contexts (`user-1` …), by name and weight. Without a name or a context there are none.
    pub fn new(seed: u64, rate: Rate, contexts: u64, names: &[(String, f64)], payload: Value, start: Millis) -> Self {
        let mut sum = 0.0;
        let names = names.iter().map(|(name, weight)| {
            sum += weight;
            (name.clone(), sum)
        });
        let names = names.collect();
        Self {
            random: fastrand::Rng::with_seed(seed),
            every_ms: rate.every_ms,
            contexts,
            names,
            payload,
            at: start as f64,
        }
    }
}

impl Iterator for Generated {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let (_, total) = self.names.last()?;
        let drawn = self.random.f64() * total;
        let (name, _) = self.names.iter().find(|(_, sum)| drawn < *sum).or(self.names.last())?;
        let name = name.clone();
        if self.contexts == 0 {
            return None;
        }
        self.at += -(1.0 - self.random.f64()).ln() * self.every_ms;
        let context = format!("user-{}", self.random.u64(0..self.contexts) + 1);
        Some(Event {
            at: self.at as Millis,
            context,
            id: None,
            body: Body::Emit { name, payload: self.payload.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        for (text, every_ms) in
            [("20/minute", 3_000.0), ("0.5/s", 2_000.0), ("1/day", 86_400_000.0), ("4/h", 900_000.0)]
        {
            assert_eq!(Rate::parse(text), Ok(Rate { every_ms }), "{text}");
        }
        for text in ["", "20", "20/fortnight", "0/s", "-1/s", "inf/s", "x/s", "NaN/s"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_events_at_their_rate_and_weight() {
        let rate = Rate { every_ms: 1_000.0 };
        let names = [("often".to_owned(), 3.0), ("seldom".to_owned(), 1.0)];
        let events =
            |seed| -> Vec<Event> { Generated::new(seed, rate, 10, &names, Value::Null, 5_000).take(10_000).collect() };
        let first = events(1);
        assert!(first == events(1) && first != events(2));
        assert!(first.is_sorted_by_key(|event| event.at) && first[0].at >= 5_000);
        let took = first[9_999].at - 5_000;
        assert!((9_500_000..10_500_000).contains(&took), "{took}");
        let often = first.iter().filter(|it| matches!(&it.body, Body::Emit { name, .. } if name == "often")).count();
        assert!((7_200..7_800).contains(&often), "{often}");
        let mut contexts: Vec<&String> = first.iter().map(|event| &event.context).collect();
        contexts.sort();
        contexts.dedup();
        assert_eq!(contexts.len(), 10);
    }
}
