//! Where civil time becomes instants: the only place that decides what happens when clocks are changed.
//!
//! Time is cut into stretches of an unchanging offset. Within one, civil times and instants follow each other in the same order; at its
//! beginning stand the civil times that clocks have skipped (a gap) or show once more (a fold).

use super::{
    Fold, Gap, Why,
    calendar::{Calendar, Found},
    civil::{MILLIS_MAX, MS_PER_DAY},
    zone::{Stretch, Zone},
};
use crate::planted::{self, Bug};

/// What happens to civil times that clocks skip or show twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rules {
    pub(super) gap: Gap,
    pub(super) fold: Fold,
}

/// No zone's clocks are further from UTC than this, with room for the largest change.
const OFFSET_MAX: i64 = 26 * 3_600_000;

/// After so many stretches without a run there is none: a rule may only ever meet times that its zone skips.
const STRETCHES_MAX: usize = 1_000;

/// The first instant at or after `from` that the calendar gives in this zone, and what is special about it. `anchor` is civil.
pub(super) fn at_or_after(
    calendar: &Calendar,
    anchor: i64,
    from: i64,
    zone: &Zone,
    rules: Rules,
) -> Option<(i64, Option<Why>)> {
    let mut from = from;
    let fold = if planted::is(Bug::MissedFold) && rules.fold == Fold::Both { Fold::First } else { rules.fold };
    for _ in 0..STRETCHES_MAX {
        if from > MILLIS_MAX.cast_signed() {
            return None;
        }
        let stretch = zone.stretch(from);
        let skipped = skipped(calendar, anchor, from, &stretch, rules.gap);
        let (shown, later) = shown(calendar, anchor, from, &stretch, fold);
        // A time that was moved onto one that runs anyway is that one.
        let first = match (skipped, shown) {
            (Some(skipped), Some(shown)) if shown.0 <= skipped.0 => Some(shown),
            (skipped, shown) => skipped.or(shown),
        };
        if first.is_some() {
            return first.filter(|(at, _)| *at <= MILLIS_MAX.cast_signed());
        }
        let (ends, next) = stretch.ends?;
        if next < stretch.offset {
            // What comes may show again what was looked at already.
            from = ends;
        } else {
            from = ends.max(later? - OFFSET_MAX);
        }
    }
    None
}

/// The first of the civil times that clocks skipped at the stretch's beginning, moved by the length of the gap: into the stretch, as
/// RFC 5545 does (the offset before the gap holds).
fn skipped(calendar: &Calendar, anchor: i64, from: i64, stretch: &Stretch, gap: Gap) -> Option<(i64, Option<Why>)> {
    let (began, before) = stretch.began.filter(|(_, before)| *before < stretch.offset)?;
    let end = began + stretch.offset;
    // Often the whole gap is past already.
    if gap == Gap::Skip || from + before >= end {
        return None;
    }
    let found = calendar.at_or_after(anchor, from + before)?;
    (found.civil < end).then(|| (found.civil - before, Some(Why::GapShifted { civil: found.civil })))
}

/// The first of the civil times that clocks show within the stretch, and the first civil time at or after its end, or one before that.
fn shown(
    calendar: &Calendar,
    anchor: i64,
    from: i64,
    stretch: &Stretch,
    fold: Fold,
) -> (Option<(i64, Option<Why>)>, Option<i64>) {
    let offset = stretch.offset;
    let end = stretch.ends.map_or(i64::MAX, |(ends, _)| ends + offset);
    // Up to here clocks show times once more; from there on they will be shown once more.
    let again_until = stretch.began.map_or(i64::MIN, |(began, before)| began + before);
    let again_from = stretch.ends.map_or(i64::MAX, |(ends, next)| ends + next.min(offset));
    let mut civil = from + offset;
    if fold == Fold::First {
        civil = civil.max(again_until);
    }
    let found = calendar.at_or_after(anchor, civil);
    let Some(Found { civil, clamped }) = found else { return (None, None) };
    if civil >= end || (fold == Fold::Second && civil >= again_from) {
        return (None, Some(civil));
    }
    let why = if civil < again_until {
        Some(Why::FoldSecond)
    } else if civil >= again_from {
        Some(Why::FoldFirst)
    } else {
        clamped.map(|day| Why::DayClamped { day })
    };
    (Some((civil - offset, why)), Some(civil))
}

const _: () = assert!(OFFSET_MAX > MS_PER_DAY);
