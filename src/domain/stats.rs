//! Figures over small sets of samples: percentiles of the values on a screen.

/// The nearest-rank percentile of `values` (0 < `p` ≤ 100); `None` of an empty set. Sorts its argument.
pub fn percentile(values: &mut [u64], p: u64) -> Option<u64> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let rank = (values.len() as u64 * p).div_ceil(100).max(1);
    values.get(usize::try_from(rank - 1).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn nearest_rank_as_the_textbook_has_it() {
        let mut values = [15, 20, 35, 40, 50];
        assert_eq!(percentile(&mut values, 30), Some(20));
        assert_eq!(percentile(&mut values, 50), Some(35));
        assert_eq!(percentile(&mut values, 100), Some(50));
        assert_eq!(percentile(&mut [], 50), None);
        assert_eq!(percentile(&mut [7], 95), Some(7));
    }
}
