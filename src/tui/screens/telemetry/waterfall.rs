//! The attempts of one call as bars on one scale of time.

use crate::domain::call::Attempt;
use crate::present::units;

/// Cells right of the bars, so that the label of the last mark can begin at its own moment.
pub const LABEL: usize = 8;

/// Where the cells of one bar stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    pub lead: usize,
    pub waiting: usize,
    pub writing: usize,
}

/// The end of the scale: when the last attempt ended.
pub fn scale(attempts: &[Attempt], duration_ms: u64) -> u64 {
    let ends = attempts.iter().map(|attempt| attempt.start_ms.saturating_add(attempt.duration_ms));
    ends.chain([duration_ms]).max().unwrap_or(0).max(1)
}

/// The bar of `attempt` in `width` cells that stand for `scale_ms`. Too short for a cell: all are 0 but the lead.
pub fn bar(attempt: &Attempt, scale_ms: u64, width: usize) -> Bar {
    let cell = |ms: u64| {
        let cells = u128::from(ms) * width as u128 / u128::from(scale_ms.max(1));
        usize::try_from(cells).unwrap_or(width).min(width)
    };
    let (start, end) = (attempt.start_ms, attempt.start_ms.saturating_add(attempt.duration_ms));
    let first = attempt.ttft_ms.map_or(end, |ttft| start.saturating_add(ttft).min(end));
    let lead = cell(start).min(width.saturating_sub(1));
    let (first, end) = (cell(first).max(lead), cell(end).max(lead));
    Bar { lead, waiting: first - lead, writing: end - first }
}

/// Marks of the axis: the moment and the cell where its label begins; the first is 0, at most five in all. A label
/// may reach [`LABEL`] cells past `width`.
pub fn ticks(scale_ms: u64, width: usize) -> Vec<(usize, String)> {
    let step = step(scale_ms);
    let mut ticks = vec![(0, "0".to_owned())];
    let mut free = 3;
    for at in (1..5).map(|n| step.saturating_mul(n)).take_while(|at| *at <= scale_ms) {
        let words = whole(at);
        let cell = usize::try_from(u128::from(at) * width as u128 / u128::from(scale_ms)).unwrap_or(width);
        if cell >= free && words.len() <= LABEL {
            free = cell + words.len() + 2;
            ticks.push((cell, words));
        }
    }
    ticks
}

/// 1, 2 or 5 with noughts, so that two to four steps fill the scale.
fn step(scale_ms: u64) -> u64 {
    let mut decade = 1u64;
    loop {
        for times in [1, 2, 5] {
            let step = decade.saturating_mul(times);
            if step.saturating_mul(5) > scale_ms {
                return step;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

/// `2 s`, `200 ms`, `1.5 s`: a round figure without needless decimals.
fn whole(ms: u64) -> String {
    if (1000..60_000).contains(&ms) && ms.is_multiple_of(1000) {
        format!("{} s", ms / 1000)
    } else {
        units::duration(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Target;
    use proptest::prelude::*;

    fn attempt(start_ms: u64, ttft_ms: Option<u64>, duration_ms: u64) -> Attempt {
        Attempt { target: Target::new("a", "b"), start_ms, ttft_ms, duration_ms, failure: None, answered_by: None }
    }

    #[test]
    fn attempts_share_one_scale() {
        let (first, second) = (attempt(0, None, 3), attempt(3, Some(520), 4097));
        let scale = scale(&[first.clone(), second.clone()], 4100);
        assert_eq!(scale, 4100);
        assert_eq!(bar(&first, scale, 41), Bar { lead: 0, waiting: 0, writing: 0 });
        assert_eq!(bar(&second, scale, 41), Bar { lead: 0, waiting: 5, writing: 36 });
        let marks =
            |width| ticks(scale, width).iter().map(|(cell, words)| format!("{cell} {words}")).collect::<Vec<_>>();
        assert_eq!(marks(41), ["0 0", "10 1 s", "20 2 s", "30 3 s", "40 4 s"]);
        assert_eq!(marks(12), ["0 0", "5 2 s", "11 4 s"]);
    }

    proptest! {
        #[test]
        fn no_bar_leaves_its_place(
            start in any::<u64>(), ttft in any::<Option<u64>>(), long in any::<u64>(), scale in any::<u64>(), width in 0usize..200,
        ) {
            let bar = bar(&attempt(start, ttft, long), scale, width);
            prop_assert!(bar.lead + bar.waiting + bar.writing <= width.max(1));
            let ticks = ticks(scale, width);
            prop_assert!(ticks.len() <= 5 && ticks.iter().skip(1).all(|(cell, words)| cell + words.len() <= width + LABEL));
        }
    }
}
