//! Makes inputs out of others: bytes flipped, parts cut out, doubled, moved between inputs, words put in.
//!
//! Must not know: what the inputs mean.

use fastrand::Rng;

/// A mutant is not larger than this, so that each is looked at quickly.
const BYTES_MAX: usize = 256 << 10;

/// Draws mutants of seeds.
pub struct Mutator {
    rng: Rng,
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Mutator {
    /// The same seed draws the same mutants.
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> Self {
        Self { rng: Rng::with_seed(seed), seeds, words }
    }

    /// The next one: most are changed in few places.
    pub fn draw(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..1usize << self.rng.u8(..4) {
            self.change(&mut input);
            input.truncate(BYTES_MAX);
        }
        input
    }

    fn seed(&mut self) -> Vec<u8> {
        self.rng.choice(&self.seeds).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.usize(..=input.len());
        let length_max = (input.len() - at).min(1 << self.rng.u8(..10));
        let length = self.rng.usize(..=length_max);
        match self.rng.u8(..11) {
            0 if at < input.len() => input[at] ^= 1 << self.rng.u8(..8),
            1 if at < input.len() => input[at] = *self.rng.choice(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'\n']).unwrap_or(&0),
            2 if at < input.len() => input[at] = input[at].wrapping_add(self.rng.u8(..3)).wrapping_sub(1),
            3 => drop(input.drain(at..at + length)),
            4 => input.truncate(at),
            5 => {
                let bytes: Vec<u8> = (0..length.min(16)).map(|_| self.rng.u8(..)).collect();
                input.splice(at..at, bytes);
            }
            // A part again: nesting and repetition come of it.
            6 | 7 => {
                let part = input[at..at + length].to_vec();
                let times = 1usize << self.rng.u8(..if length < 8 { 14 } else { 3 });
                let to = self.rng.usize(..=input.len());
                input.splice(to..to, part.repeat(times));
            }
            8 => {
                let other = self.seed();
                let from = self.rng.usize(..=other.len());
                let upto = self.rng.usize(from..=other.len());
                input.splice(at..at + length, other[from..upto].iter().copied());
            }
            _ => {
                let word = self.rng.choice(self.words).map_or(&b""[..], |word| word.as_bytes());
                let end = if self.rng.bool() { at } else { at + length };
                input.splice(at..end, word.iter().copied());
            }
        }
    }
}
