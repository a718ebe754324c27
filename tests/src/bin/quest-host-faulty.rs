//! A process that meets the fault of the disk which its environment names: the command under test whole, or with `disk-work` only
//! its embedded store under a fixed piece of work, which starts faster.

use std::{io::Write as _, process::ExitCode};

use quest_host::store::{Durability, Open, open};
use quest_host_tests::disk::{
    fault::Plan,
    trap,
    work::{Heard, Work},
};

fn main() -> ExitCode {
    if let Some(plan) = Plan::from_environment() {
        trap::arm(&plan);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["disk-work", as_whom, data, durability, partitions, rounds, bytes_max] => {
            if as_whom == "nobody" {
                trap::become_nobody();
            }
            let durability = if durability == "everysec" { Durability::Everysec } else { Durability::Always };
            let number = |text: &str| text.parse::<u64>().expect("a number");
            let partitions = u16::try_from(number(partitions)).expect("a number of partitions");
            let work = Work { partitions, rounds: number(rounds), bytes_max: number(bytes_max) as usize };
            disk_work(&Open { data: data.into(), durability, partitions, ..Open::default() }, &work);
            ExitCode::SUCCESS
        }
        _ => quest_host::cli::main(),
    }
}

/// Says each answer as soon as it is there, so that what was heard before a kill counts.
fn disk_work(settings: &Open, work: &Work) {
    let say = |line: &dyn std::fmt::Display| writeln!(std::io::stdout(), "{line}").expect("somebody listens");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match open(settings).await {
            Ok(store) => work.on(&*store, |heard| say(&heard)).await,
            Err(error) => say(&Heard::Refused(error.to_string())),
        }
    });
    say(&format!("calls {}", trap::count()));
}
