//! Of how many modules and components a component is made, told from its bytes alone: each costs its compiler some 100 KiB, and a file of a
//! mebibyte has room for thirty thousand.
//!
//! Must not know: what the parts hold. Bytes that are no component are the compiler's to refuse.

/// Modules and components in a component, all together. Tools make a handful; Python's libraries are some thirty.
pub(super) const PARTS_MAX: usize = 256;

const HEADER_BYTES: usize = 8;
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// Whether it has more parts than it may.
pub(super) fn are_too_many(component: &[u8]) -> bool {
    let mut left = PARTS_MAX;
    // A list in place of recursion, whose depth would be the file's to choose.
    let mut inside = vec![component.get(HEADER_BYTES..).unwrap_or_default()];
    while let Some(mut sections) = inside.pop() {
        while let Some((id, body, rest)) = section(sections) {
            sections = rest;
            if id != CORE_MODULE && id != COMPONENT {
                continue;
            }
            if left == 0 {
                return true;
            }
            left -= 1;
            if id == COMPONENT {
                inside.push(body.get(HEADER_BYTES..).unwrap_or_default());
            }
        }
    }
    false
}

/// The first section's id and body, and what follows it.
fn section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (id, bytes) = bytes.split_first()?;
    let (mut length, mut at) = (0usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        // An u32 has five bytes at the most.
        if at == 5 {
            return None;
        }
    }
    let (body, rest) = bytes.get(at..)?.split_at_checked(length)?;
    Some((*id, body, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_at_any_depth() {
        let flat =
            |count: usize| wat::parse_str(format!("(component {})", "(core module)".repeat(count))).expect("text");
        assert!(!are_too_many(&flat(PARTS_MAX)));
        assert!(are_too_many(&flat(PARTS_MAX + 1)));
        let pair = |inside: &str| format!("(component {inside} {inside})");
        let doubled = |depth| (0..depth).fold("(core module)".to_owned(), |inside, _| pair(&inside));
        assert!(!are_too_many(&wat::parse_str(doubled(6)).expect("text")));
        assert!(are_too_many(&wat::parse_str(doubled(8)).expect("text")));
    }

    #[test]
    fn what_is_no_component_has_no_parts() {
        for bytes in [
            &b""[..],
            b"\0asm",
            b"\0asm\r\0\x01\0",
            b"\0asm\r\0\x01\0\x01\xff\xff\xff\xff\xff\xff",
            b"\0asm\r\0\x01\0\x04\x03\0",
        ] {
            assert!(!are_too_many(bytes), "{bytes:?}");
        }
    }
}
