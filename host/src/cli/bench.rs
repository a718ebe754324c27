//! `bench`: the whole path under load, in this process, on a store of its own.

use std::{
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use quest_engine::partition::Happened;
use serde_json::json;

use super::{Outcome, SettingFlags, print::Printer};
use crate::host::{Host, open_store};

/// Measure events per second and latency.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingFlags,
    /// The module with the quest, e.g. target/wasm32-wasip2/quest/quest_counter.wasm.
    module: PathBuf,
    /// The quest.
    #[arg(long, default_value = "my_example_quest")]
    quest: String,
    /// The event that its action is on.
    #[arg(long, default_value = "test_event")]
    event: String,
    /// Contexts that have the quest.
    #[arg(long, default_value_t = 1_000)]
    contexts: usize,
    /// Events of the throughput part.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Events of the latency part, at 100 a second.
    #[arg(long, default_value_t = 500)]
    paced: usize,
}

/// Events of one call, as an HTTP client would batch them.
const CHUNK: usize = 1_000;

pub(crate) async fn run(args: Args, printer: &Printer) -> Outcome {
    let mut settings = args.settings.resolve(printer)?.settings;
    let scratch = tempfile::tempdir()?;
    if settings.store.is_empty() {
        settings.data = scratch.path().to_owned();
    } else {
        // Beside whatever else the server holds.
        settings.prefix = format!("bench-{:08x}:", fastrand::u32(..));
    }
    // A measurement touches no producer's list.
    settings.ingress = String::new();
    settings.listen = "127.0.0.1:0".to_owned();
    let host = Host::start(&settings, std::slice::from_ref(&args.module)).await?;
    if let Some(problem) = host.problems.first() {
        bail!("{}: {}", problem.file.display(), problem.message);
    }
    for context in 0..args.contexts {
        let name = format!("bench-{context}");
        host.service
            .add(&name, &args.quest, Duration::from_secs(60))
            .await
            .with_context(|| format!("adding the quest to {name}"))?;
    }
    printer.say_named("ready", &format!("{} contexts on {}", args.contexts, host.report.name));
    let throughput = throughput(&host, &args).await?;
    let (p50, p99) = latency(&host, &args).await?;
    let result = json!({
        "store": host.report.name,
        "promise": host.report.promise,
        "contexts": args.contexts,
        "events": args.events,
        "events_per_second": throughput.round(),
        "latency_ms_p50": p50,
        "latency_ms_p99": p99,
    });
    if printer.is_json() {
        printer.json(&result);
    } else {
        printer.line(&format!(
            "{throughput:.0} events/s; at 100 a second from sending to commit: p50 {p50:.2} ms, p99 {p99:.2} ms"
        ));
    }
    host.drain().await;
    if let (_, Some(redis)) = open_store(&settings).await?
        && !redis.erase().await?
    {
        printer.warn(&format!("what was stored is left on the cluster, under {}", settings.prefix));
    }
    Ok(())
}

async fn throughput(host: &Host, args: &Args) -> anyhow::Result<f64> {
    let entries = || host.dispatcher().status().counters().entries.load(Ordering::Relaxed);
    let before = entries();
    let began = Instant::now();
    let mut sent = 0;
    while sent < args.events {
        let count = CHUNK.min(args.events - sent);
        let events: Vec<_> = (sent..sent + count).map(|n| event(args, n)).collect();
        for result in host.service.send(&events).await {
            match result {
                Ok(_) => sent += 1,
                Err(error) if error.code == "full" => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
    while entries() - before < sent as u64 {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    Ok(sent as f64 / began.elapsed().as_secs_f64())
}

async fn latency(host: &Host, args: &Args) -> anyhow::Result<(f64, f64)> {
    let mut happenings = host.service.tail();
    let mut took = Vec::with_capacity(args.paced);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for n in 0..args.paced {
        tick.tick().await;
        let began = Instant::now();
        let receipt = host.service.send(&[event(args, n)]).await.pop().context("an answer")??;
        let committed = async {
            while let Ok((_, happening)) = happenings.recv().await {
                if happening.event_id == receipt.id && happening.what == Happened::Done {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), committed)
            .await
            .context("an event was not committed within 10 s")?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, |took| took.as_secs_f64() * 1_000.0);
    Ok((at(50), at(99)))
}

fn event(args: &Args, n: usize) -> serde_json::Value {
    json!({ "event_context": format!("bench-{}", n % args.contexts.max(1)), "event_name": args.event })
}
