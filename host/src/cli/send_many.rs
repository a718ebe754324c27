//! `send FILE`: many events as JSON lines, in chunks, with a progress bar. Each carries an id, its own or a drawn one, so that what is
//! sent again is not done twice.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{
    Outcome,
    client::{Client, Refused},
    print::Printer,
    send::{PAUSE, TRIES, post},
};

/// Events and bytes of one request: the host takes bodies of 16 MiB.
const CHUNK_EVENTS: usize = 1_000;
const CHUNK_BYTES: usize = 4 << 20;
/// What is read at once.
const BUFFER_BYTES: usize = 1 << 16;

/// How many events went which way.
#[derive(Default)]
struct Counts {
    accepted: u64,
    duplicates: u64,
    refused: u64,
}

struct Sender<'a> {
    client: &'a Client,
    printer: &'a Printer,
    bar: ProgressBar,
    counts: Counts,
    /// Events not sent yet, with their lines' numbers.
    chunk: Vec<(usize, Value)>,
}

pub(super) async fn run(client: &Client, printer: &Printer, file: &Path) -> Outcome {
    let is_stdin = file.as_os_str() == "-";
    let (input, length): (Box<dyn Read>, Option<u64>) = if is_stdin {
        (Box::new(std::io::stdin().lock()), None)
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let length = opened.metadata().ok().map(|about| about.len());
        (Box::new(opened), length)
    };
    let bar = progress(length, printer);
    let mut sender = Sender { client, printer, bar, counts: Counts::default(), chunk: Vec::new() };
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, input);
    let (mut number, mut line, mut bytes) = (0, Vec::new(), 0);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", file.display()))?;
        number += 1;
        bytes += read;
        sender.line(number, &line);
        // What a pipe holds back may not come for hours: what is there goes.
        let waits = is_stdin && reader.buffer().is_empty();
        if read == 0 || waits || bytes >= CHUNK_BYTES || sender.chunk.len() >= CHUNK_EVENTS {
            sender.flush().await?;
            bytes = 0;
        }
        if read == 0 {
            return sender.finish();
        }
    }
}

impl Sender<'_> {
    /// Takes a line into the chunk.
    fn line(&mut self, number: usize, line: &[u8]) {
        self.bar.inc(line.len() as u64);
        if line.trim_ascii().is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(mut event) => {
                if let Value::Object(fields) = &mut event {
                    fields.entry("event_id").or_insert_with(|| Value::String(crate::service::draw_id()));
                }
                self.chunk.push((number, event));
            }
            Err(error) => self.refuse(number, &format!("not JSON: {error}")),
        }
    }

    /// Sends the chunk. What meets full inboxes is sent again after a pause, in its order.
    async fn flush(&mut self) -> Outcome {
        let mut pause = PAUSE;
        for tries in 1..=TRIES {
            if self.chunk.is_empty() {
                break;
            }
            let events: Vec<&Value> = self.chunk.iter().map(|(_, event)| event).collect();
            let answer = post(self.client, &json!(events)).await.with_context(|| {
                format!(
                    "{} events were accepted; what comes from line {} on is open",
                    self.counts.all(),
                    self.chunk[0].0
                )
            })?;
            let results = answer["results"].as_array().cloned().unwrap_or_default();
            for ((number, event), result) in std::mem::take(&mut self.chunk).into_iter().zip(results) {
                match result["error"]["message"].as_str() {
                    Some(_) if result["error"]["code"] == "full" && tries < TRIES => self.chunk.push((number, event)),
                    Some(message) => self.refuse(number, message),
                    None if result["duplicate"] == Value::Bool(true) => self.counts.duplicates += 1,
                    None => self.counts.accepted += 1,
                }
            }
            if !self.chunk.is_empty() {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        Ok(())
    }

    fn refuse(&mut self, number: usize, why: &str) {
        self.counts.refused += 1;
        self.bar.suspend(|| self.printer.warn(&format!("line {number}: {why}")));
    }

    fn finish(self) -> Outcome {
        let Counts { accepted, duplicates, refused } = self.counts;
        self.bar.finish_and_clear();
        if self.printer.is_json() {
            self.printer.json(&json!({"accepted": accepted, "duplicates": duplicates, "refused": refused}));
        } else {
            self.printer.line(&format!("{accepted} accepted, {duplicates} duplicates, {refused} refused"));
        }
        match refused {
            0 => Ok(()),
            refused => Err(Refused::by_host(&format!("{refused} events were refused"), "the lines above say why")),
        }
    }
}

impl Counts {
    fn all(&self) -> u64 {
        self.accepted + self.duplicates
    }
}

fn progress(length: Option<u64>, printer: &Printer) -> ProgressBar {
    if printer.is_json() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{bar:30} {bytes}/{total_bytes} {elapsed}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
