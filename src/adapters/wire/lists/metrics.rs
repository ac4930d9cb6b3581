//! Single figures out of a page in Prometheus' text format.

/// The sum of `name` over all its labels; `None` when it is not there.
pub fn sum(text: &str, name: &str) -> Option<f64> {
    let mut found = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((metric, value)) = split(line) else { continue };
        if metric.split('{').next() == Some(name)
            && let Ok(value) = value.parse::<f64>()
            && (0.0..1e15).contains(&value)
        {
            found = Some(found.unwrap_or(0.0) + value);
        }
    }
    found
}

/// A count of things at work or waiting.
pub fn count(text: &str, name: &str) -> Option<u32> {
    let sum = sum(text, name)?.min(1e9);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    Some(sum as u32)
}

/// A share from 0 to 1 in thousandths; the largest where several parts tell theirs.
pub fn permille(text: &str, name: &str) -> Option<u32> {
    let shares = text.lines().filter_map(split).filter(|(metric, _)| metric.split('{').next() == Some(name));
    let shares = shares.filter_map(|(_, value)| value.parse::<f64>().ok()).filter(|share| (0.0..=1.0).contains(share));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    shares.map(|share| (share * 1000.0).round() as u32).max()
}

/// Metric with its labels, and value; a time stamp may follow, and spaces may stand inside labels.
fn split(line: &str) -> Option<(&str, &str)> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.rfind('}').map_or_else(|| line.find(' '), |at| Some(at + 1))?;
    let value = line.get(end..)?.split_whitespace().next()?;
    Some((line.get(..end)?, value))
}
