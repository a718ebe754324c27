//! Random numbers that are the same for every try of the same event: SplitMix64 over a hash of what names the run.

/// A deterministic sequence. Not for secrets.
#[derive(Debug, Clone)]
pub struct Seed(u64);

impl Seed {
    /// The sequence that the `parts` name, in their order.
    pub fn of(parts: &[&str]) -> Self {
        // FNV-1a, with each part's length mixed in so that ("ab", "c") and ("a", "bc") differ.
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut mix = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        for part in parts {
            part.len().to_le_bytes().into_iter().for_each(&mut mix);
            part.bytes().for_each(&mut mix);
        }
        Self(hash)
    }

    /// The next 64 bits (SplitMix64, Steele, Lea and Flood 2014).
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u32
    }

    /// A number from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count + 8);
        while out.len() < count {
            out.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        out.truncate(count);
        out
    }

    /// `bytes` random bytes as lower-case hexadecimal.
    pub fn hex(&mut self, bytes: usize) -> String {
        self.bytes(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn same_parts_same_sequence() {
        let draw = |parts: &[&str]| Seed::of(parts).next_u64();
        assert_eq!(draw(&["a", "b"]), draw(&["a", "b"]));
        assert_ne!(draw(&["a", "b"]), draw(&["ab"]));
        assert_ne!(draw(&["ab", "c"]), draw(&["a", "bc"]));
    }

    #[test]
    fn ranges() {
        let mut seed = Seed::of(&["ranges"]);
        assert_eq!(seed.below(0), 0);
        for _ in 0..1000 {
            assert!(seed.below(7) < 7);
            let unit = seed.unit();
            assert!((0.0..1.0).contains(&unit));
        }
        assert_eq!(seed.bytes(13).len(), 13);
    }
}
