//! Which partition a context belongs to.

/// The partition of a context: FNV-1a over its bytes, finished by a multiply-xorshift so that short, similar
/// names spread evenly, modulo the number of partitions. Stored state depends on it: it never changes.
pub fn partition_of(context: &str, partitions: u16) -> u16 {
    let fnv = context
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)) % u64::from(partitions.max(1))) as u16
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn places_never_change() {
        let places: Vec<u16> = ["a", "user-1", "user-2", "用户"].iter().map(|name| partition_of(name, 64)).collect();
        assert_eq!(places, PLACES);
    }

    const PLACES: [u16; 4] = [34, 13, 22, 45];

    #[test]
    fn similar_names_spread() {
        let mut counts = [0u32; 64];
        for n in 0..64_000 {
            counts[usize::from(partition_of(&format!("user-{n}"), 64))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
