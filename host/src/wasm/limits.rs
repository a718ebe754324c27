//! What one instance may take of the host's memory, and the note of what it was refused.

use wasmtime::ResourceLimiter;

/// Refuses growth past the bounds. The guest sees a failed allocation; the host remembers why.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_bytes_max: usize,
    table_elements_max: usize,
    used: usize,
    /// What was refused, if anything was.
    pub(super) refused: Option<String>,
}

impl Limiter {
    pub(super) fn new(memory_bytes_max: usize, table_elements_max: usize) -> Self {
        Self { memory_bytes_max, table_elements_max, used: 0, refused: None }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used + desired.saturating_sub(current);
        if used > self.memory_bytes_max || maximum.is_some_and(|maximum| desired > maximum) {
            let max = self.memory_bytes_max;
            self.refused =
                Some(format!("it asked for {used} bytes of memory and may have {max} (limit memory_bytes_max)"));
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements_max || maximum.is_some_and(|maximum| desired > maximum) {
            let max = self.table_elements_max;
            self.refused = Some(format!(
                "it asked for a table of {desired} elements and may have {max} (limit table_elements_max)"
            ));
            return Ok(false);
        }
        Ok(true)
    }
}
