//! Faults, for real: real hosts and real servers, killed, stopped, cut off, filled up. Every run ends with the accounts balanced: accepted
//! is applied or a dead letter, each once, per instance in order. `docs/reliability.md` says what each fault does.

mod cluster;
mod floods;
mod hostile;
mod hosts;
mod links;
mod redis;
mod sentinel;
mod soak;
mod ten;

use std::path::Path;

use quest_host_tests::{
    eventually,
    guests::guest,
    process::{Host, Http, Setup},
};

/// Hosts on the store at `url` that serve the probe.
fn setup(url: &str, folder: &Path, lease_ms: u64) -> Setup {
    let lease = format!("pace.lease_ms={lease_ms}");
    Setup::new(crate::EXE, folder, &[guest("guest-probe")]).flags(&["--store", url, "--set", &lease])
}

/// Waits until the health check of a host has this status.
fn health(host: &Host, status: u16) {
    let http = Http::default();
    eventually("the health check tells", || host.health(&http).filter(|(found, _)| *found == status));
}
