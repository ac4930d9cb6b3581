//! What putting money aside adds to a call while 64 of them run: `cargo bench --bench reserve`. The bound is 10 µs;
//! the percentiles are measured over every reservation and settlement, those that ask the store for a new share
//! included.

use lmdeck::adapters::ledger::{FILE_NAME, Leases, SqliteLedger};
use lmdeck::domain::config::MoneyRules;
use lmdeck::domain::money::Money;
use lmdeck::domain::time::UnixMs;
use lmdeck::engine::ports::Clock;
use lmdeck::engine::till::Till;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLS: usize = 64;
const ROUNDS: usize = 2_000;

/// A day that does not end.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> UnixMs {
        UnixMs(1_795_348_800_000)
    }

    fn day_start(&self, at: UnixMs, _: Option<&str>) -> UnixMs {
        UnixMs(at.0 - at.0.rem_euclid(86_400_000))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` only asks whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 20 };
    let folder = tempfile::tempdir()?;
    let ledger = SqliteLedger::open(folder.path(), None)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let till = Till::new(Arc::new(Noon), Arc::new(Leases::new(&folder.path().join(FILE_NAME))));
    let mut took = runtime.block_on(measure(&till, rounds))?;
    drop(ledger);
    took.sort_unstable();
    let at = |permille: usize| took[(took.len() - 1) * permille / 1000];
    let sum: Duration = took.iter().sum();
    println!("reserve and settle, {CALLS} calls at once, {} in all", took.len());
    println!("  mean {:?}", sum / u32::try_from(took.len())?);
    println!("  p50 {:?}  p99 {:?}  p99.9 {:?}  slowest {:?}", at(500), at(990), at(999), at(1000));
    Ok(())
}

async fn measure(till: &Arc<Till>, rounds: usize) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let tasks: Vec<_> = (0..CALLS)
        .map(|_| {
            let till = till.clone();
            tokio::spawn(async move {
                let rules = MoneyRules::default();
                let mut took = Vec::with_capacity(rounds);
                for _ in 0..rounds {
                    let begun = Instant::now();
                    // About 7 cents of a thousand dollars, settled at a tenth of a cent.
                    let held = till.reserve(&rules, Money(1_000_000_000_000_000), Money(70_000_000_000), false).await;
                    let reserved = begun.elapsed();
                    tokio::task::yield_now().await;
                    let begun = Instant::now();
                    if let Ok(held) = held {
                        held.settle(Money(1_000_000_000));
                        took.push(reserved + begun.elapsed());
                    }
                }
                took
            })
        })
        .collect();
    let mut all = Vec::with_capacity(CALLS * rounds);
    for task in tasks {
        all.extend(task.await?);
    }
    Ok(all)
}
