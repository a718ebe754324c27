//! What one instance may take of the host's memory, the note of what it was refused, and wasmtime's refusals in the limits' own names.

use wasmtime::ResourceLimiter;

use super::{LoadError, QuestLimits, RuntimeSettings};

/// Refuses growth past the bounds. The guest sees a failed allocation; the host remembers why.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_bytes_max: usize,
    table_elements_max: usize,
    counts: [u32; 3],
    used: usize,
    /// What was refused, if anything was.
    pub(super) refused: Option<String>,
}

impl Limiter {
    pub(super) fn new(settings: &RuntimeSettings, limits: &QuestLimits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            counts: [settings.core_instances_max, settings.memories_max, settings.tables_max],
            used: 0,
            refused: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.memory_bytes_max {
            let max = self.memory_bytes_max;
            self.refused =
                Some(format!("it asked for {used} bytes of memory and may have {max} (limit memory_bytes_max)"));
            return Ok(false);
        }
        // Past its own maximum a memory never grows: the guest's matter, not a limit of the host.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements_max {
            let max = self.table_elements_max;
            self.refused = Some(format!(
                "it asked for a table of {desired} elements and may have {max} (limit table_elements_max)"
            ));
            return Ok(false);
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        self.counts[0] as usize
    }

    fn memories(&self) -> usize {
        self.counts[1] as usize
    }

    fn tables(&self) -> usize {
        self.counts[2] as usize
    }
}

/// A refusal of wasmtime's to make room for a component at all, in the name of the limit that it breaks; none if it is another error.
///
/// wasmtime gives these as text only; a test meets each of them, so that another wording does not pass unseen.
pub(super) fn refusal(error: &wasmtime::Error, settings: &RuntimeSettings) -> Option<LoadError> {
    let said = format!("{error:#}");
    let (memories, tables, instances) = (settings.memories_max, settings.tables_max, settings.core_instances_max);
    let (bytes, elements) = (settings.memory_bytes_max, settings.table_elements_max);
    let known = [
        ("memory has a minimum byte size", format!("its memory begins above {bytes} bytes"), "memory_bytes_max"),
        ("has a minimum element size", format!("its table begins above {elements} elements"), "table_elements_max"),
        ("linear memories, which exceeds", format!("it has more than {memories} memories"), "memories_max"),
        ("defined memories count", format!("it has more than {memories} memories"), "memories_max"),
        ("memory count too high", format!("it has more than {memories} memories"), "memories_max"),
        ("tables, which exceeds", format!("it has more than {tables} tables"), "tables_max"),
        ("defined tables count", format!("it has more than {tables} tables"), "tables_max"),
        ("table count too high", format!("it has more than {tables} tables"), "tables_max"),
        ("core module instances", format!("it is made of more than {instances} core instances"), "core_instances_max"),
        (
            "instance count too high",
            format!("it is made of more than {instances} core instances"),
            "core_instances_max",
        ),
    ];
    let (_, message, limit) = known.into_iter().find(|(text, ..)| said.contains(text))?;
    Some(LoadError::new(
        "limit",
        format!("{message} (limit {limit})"),
        "build it smaller, or raise the limit if it must be so",
    ))
}
