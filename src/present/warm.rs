//! Models that are kept in memory by the person's wish, in words.

use super::{escape, limits, models, reason, units};
use crate::domain::failure::Failure;
use crate::domain::time::UnixMs;
use crate::engine::protocol::{WarmStanding, WarmView};
use std::time::Duration;

/// `acme/chat kept warm mon-fri 08:00-18:00; loaded 12 min ago`.
pub fn line(view: &WarmView, now: UnixMs) -> String {
    let keep = view.keep.as_ref().map(|hours| format!("kept warm {hours}"));
    let preload = view.preload.as_ref().map(|moments| format!("preloaded {moments}"));
    let when = [keep, preload].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let standing = standing(view, now);
    escape::line_capped(&format!("{} {when}; {standing}", view.model), 300).into_owned()
}

fn standing(view: &WarmView, now: UnixMs) -> String {
    match &view.standing {
        WarmStanding::Loaded => match view.loaded_since {
            Some(since) => format!("loaded {} ago", units::age(now.since(since))),
            None => "loaded".to_owned(),
        },
        WarmStanding::Wanted => "not loaded: it is loaded next".to_owned(),
        WarmStanding::Resting => "not wanted now".to_owned(),
        WarmStanding::Held => "unloaded by you: left alone until its next hours".to_owned(),
        WarmStanding::GaveUp { why } => format!("given up until its next hours: {why}"),
        WarmStanding::Away => "waits until its provider can be used".to_owned(),
        WarmStanding::Powerless => "lmdeck cannot have this server load a model".to_owned(),
    }
}

/// What came of telling a server to load it.
pub fn told(target: &str, took_ms: u64, failure: Option<&Failure>, again_in_ms: Option<u64>) -> String {
    let name = escape::line_capped(target, 120);
    let Some(failure) = failure else {
        return format!("{name} was loaded to be kept warm: {}.", models::seconds(took_ms));
    };
    let why = reason::short(failure);
    match again_in_ms {
        Some(wait) => {
            let wait = limits::wait(Duration::from_millis(wait));
            format!("{name} could not be loaded to be kept warm: {why}. It is tried again in {wait}.")
        }
        None => format!(
            "{name} could not be loaded to be kept warm: {why}. It is left alone until its next hours: lmdeck models load {name} tries it now."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::ErrorCode;

    #[test]
    fn a_kept_model_says_its_hours_and_how_it_stands() {
        let now = UnixMs(1_780_000_000_000);
        let view = |standing| WarmView {
            model: "acme/chat".into(),
            keep: Some("mon-fri 08:00-18:00".into()),
            preload: None,
            loaded_since: Some(UnixMs(now.0 - 720_000)),
            standing,
        };
        assert_eq!(
            line(&view(WarmStanding::Loaded), now),
            "acme/chat kept warm mon-fri 08:00-18:00; loaded 12 min ago"
        );
        let nasty = view(WarmStanding::GaveUp { why: "\x1b[2Jno memory".into() });
        assert!(!line(&nasty, now).chars().any(char::is_control));
    }

    #[test]
    fn a_load_that_failed_says_when_it_is_tried_again() {
        let failure = Failure::plain(ErrorCode::ModelLoadFailed, "x");
        let said = told("lm_studio/m", 0, Some(&failure), Some(30_000));
        assert_eq!(said, "lm_studio/m could not be loaded to be kept warm: load failed. It is tried again in 30 s.");
        assert!(told("lm_studio/m", 0, Some(&failure), None).contains("lmdeck models load lm_studio/m"));
        assert_eq!(told("lm_studio/m", 34_000, None, None), "lm_studio/m was loaded to be kept warm: 34 s.");
    }
}
