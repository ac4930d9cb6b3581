//! Calls that have to wait for a slot: who goes first, and that everybody gets there.

use crate::support::engine::{Act, ask, collect, house, profile};
use lmdeck::domain::call::{CallRequest, Facts, Priority};
use lmdeck::domain::failure::ErrorCode;
use lmdeck::domain::ids::ProviderId;
use lmdeck::domain::kind::Kind;
use lmdeck::domain::queue::{Bounds, Entry, HEAD_START_MS, Place, Queue};
use lmdeck::engine::protocol::ByPriority;
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn urgent(priority: Priority) -> CallRequest {
    let request = ask("auto");
    CallRequest { facts: Facts { priority, ..request.facts }, ..request }
}

#[tokio::test(start_paused = true)]
async fn a_high_call_overtakes_those_that_wait_and_says_how_long_it_waited() {
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |config, stage| {
        config.limits.max_concurrent_requests = 1;
        stage.acts("local/small", [Act::SayAfter(Duration::from_secs(3), "first")]);
    })
    .await;
    let start = |priority| tokio::spawn(collect(house.engine.handle.dispatch(urgent(priority))));
    let first = start(Priority::Normal);
    sleep(Duration::from_millis(100)).await;
    let low = start(Priority::Low);
    sleep(Duration::from_millis(100)).await;
    let high = start(Priority::High);
    sleep(Duration::from_millis(100)).await;
    let queue = house.engine.handle.snapshot().flow.queue.clone();
    assert_eq!((queue.running, queue.waiting, queue.slots), (1, 2, 1));
    assert_eq!(queue.waiting_by, ByPriority { high: 1, normal: 0, low: 1 });
    first.await.unwrap();
    let (low, high) = (low.await.unwrap().1.record, high.await.unwrap().1.record);
    assert!(high.queue_ms > 2000 && low.queue_ms > high.queue_ms + 50, "{} {}", high.queue_ms, low.queue_ms);
    sleep(Duration::from_millis(100)).await;
    let queue = house.engine.handle.snapshot().flow.queue.clone();
    assert_eq!((queue.running, queue.waiting, queue.waited, queue.refused), (0, 0, 2, 0));
    assert!(queue.longest_ms >= low.queue_ms);
}

#[tokio::test(start_paused = true)]
async fn a_provider_takes_no_more_at_once_than_its_profile_says_and_others_go_on() {
    let mut narrow = profile("local", Kind::LlamaCpp, &["small"]);
    narrow.max_concurrent = Some(1);
    let house = house(vec![narrow, profile("other", Kind::LlamaCpp, &["big"])], |_, stage| {
        stage.acts("local/small", [Act::SayAfter(Duration::from_secs(3), "first")]);
    })
    .await;
    let first = tokio::spawn(collect(house.engine.handle.dispatch(ask("local"))));
    sleep(Duration::from_millis(100)).await;
    let second = tokio::spawn(collect(house.engine.handle.dispatch(ask("local"))));
    sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    collect(house.engine.handle.dispatch(ask("other"))).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "a full provider held up another one's call");
    let at = house.engine.handle.snapshot().flow.queue.providers.clone();
    let local = at.iter().find(|at| at.provider.as_str() == "local").unwrap();
    assert_eq!((local.running, local.waiting, local.slots), (1, 1, Some(1)));
    first.await.unwrap();
    assert!(second.await.unwrap().1.record.queue_ms > 2000);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_the_queue_leaves_its_place() {
    let house = house(vec![profile("local", Kind::LlamaCpp, &["small"])], |config, stage| {
        config.limits.max_concurrent_requests = 1;
        config.limits.queue = 1;
        stage.acts("local/small", [Act::SayAfter(Duration::from_secs(3), "first")]);
    })
    .await;
    let first = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    sleep(Duration::from_millis(100)).await;
    let waiting = house.engine.handle.dispatch(ask("auto"));
    sleep(Duration::from_millis(100)).await;
    let refused = collect(house.engine.handle.dispatch(ask("auto"))).await.1;
    assert_eq!(refused.failure.unwrap().code, ErrorCode::QueueFull);
    drop(waiting);
    sleep(Duration::from_millis(100)).await;
    let third = tokio::spawn(collect(house.engine.handle.dispatch(ask("auto"))));
    first.await.unwrap();
    assert!(third.await.unwrap().1.failure.is_none());
    let queue = house.engine.handle.snapshot().flow.queue.clone();
    assert_eq!(queue.refused, 1);
}

/// One thing that happens to the queue.
#[derive(Debug, Clone)]
enum Step {
    Arrive(Priority, u8),
    /// The running call of this place in the list ends.
    End(usize),
    Leave(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    prop_oneof![
        4 => (priority, 0..3u8).prop_map(|(priority, at)| Step::Arrive(priority, at)),
        3 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Leave),
        2 => (0..20_000u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// However urgent those who come after it are, a call of low priority is passed only by those who arrive within
    /// two head starts of it.
    #[test]
    fn low_priority_is_never_starved(gaps in prop::collection::vec(1..2_000u64, 1..400)) {
        let at = ProviderId::from("a");
        let bounds = Bounds { total: 1, provider: None, waiting: usize::MAX };
        let mut queue = Queue::default();
        queue.enter(&at, Priority::High, 0, bounds);
        let Entry::Waiting(low) = queue.enter(&at, Priority::Low, 0, bounds) else { panic!("it waits") };
        let mut now = 0;
        for gap in gaps {
            now += gap;
            // One more high call arrives for each that ends: without ageing the low one would wait for ever.
            queue.enter(&at, Priority::High, now, bounds);
            queue.release(&at);
            if queue.start_next() == Some(low) {
                prop_assert!(now <= 2 * HEAD_START_MS + 2_000);
                return Ok(());
            }
        }
        prop_assert!(now <= 2 * HEAD_START_MS + 2_000, "it still waits after {now} ms");
    }

    /// Bounds hold at every moment, no slot is lost, and everybody who stays gets one.
    #[test]
    fn no_slot_is_lost_and_no_bound_passed(steps in prop::collection::vec(step(), 1..200), total in 1..5usize) {
        let providers = ["a", "b", "c"].map(ProviderId::from);
        let caps = [Some(1), Some(2), None];
        let mut queue = Queue::default();
        let mut now = 0;
        let mut running: Vec<usize> = Vec::new();
        let mut waiting: Vec<(Place, usize)> = Vec::new();
        let settle = |queue: &mut Queue, running: &mut Vec<usize>, waiting: &mut Vec<(Place, usize)>| {
            while let Some(place) = queue.start_next() {
                let at = waiting.iter().position(|(known, _)| *known == place).unwrap();
                running.push(waiting.remove(at).1);
            }
        };
        for step in steps {
            match step {
                Step::Arrive(priority, at) => {
                    let at = usize::from(at);
                    let bounds = Bounds { total, provider: caps[at], waiting: 10 };
                    match queue.enter(&providers[at], priority, now, bounds) {
                        Entry::Started => running.push(at),
                        Entry::Waiting(place) => waiting.push((place, at)),
                        Entry::Full => prop_assert_eq!(waiting.len(), 10),
                    }
                }
                Step::End(which) if !running.is_empty() => {
                    let ended = running.remove(which % running.len());
                    queue.release(&providers[ended]);
                }
                Step::Leave(which) if !waiting.is_empty() => {
                    let (place, _) = waiting.remove(which % waiting.len());
                    prop_assert!(queue.leave(place));
                }
                Step::Pass(ms) => now += ms,
                Step::End(_) | Step::Leave(_) => {}
            }
            settle(&mut queue, &mut running, &mut waiting);
            prop_assert!(running.len() <= total);
            for (at, cap) in caps.iter().enumerate() {
                let here = running.iter().filter(|p| **p == at).count();
                prop_assert!(cap.is_none_or(|cap| here <= cap));
                prop_assert_eq!(here, queue.running_at(&providers[at]));
            }
        }
        while let Some(ended) = running.pop() {
            queue.release(&providers[ended]);
            settle(&mut queue, &mut running, &mut waiting);
        }
        prop_assert!(waiting.is_empty() && queue.running() == 0 && queue.waiting() == 0);
    }
}
