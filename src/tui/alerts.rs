//! When the person is called by the bell or a notification of the desktop: once per incident, never in storms.

use super::msg::Alert;
use super::theme::TermEnv;
use crate::domain::budget::WhenExhausted;
use crate::domain::config::{AlertFor, DesktopBy};
use crate::domain::health::State;
use crate::domain::ids::{ProviderId, Target};
use crate::domain::time::UnixMs;
use crate::engine::protocol::{Event, EventKind, Level, Snapshot};
use crate::present::{escape, events};
use std::collections::HashMap;
use std::time::Duration;

/// A provider that comes and goes calls no more often than this; neither does anything else.
const QUIET: Duration = Duration::from_mins(5);
/// Calls of different kinds are at least so far apart.
const APART: Duration = Duration::from_secs(2);
/// Characters of a notification at most.
const LONGEST: usize = 200;

/// What was called for, by its subject.
#[derive(Default)]
pub struct Alerts {
    lost: HashMap<ProviderId, Lost>,
    /// When something that is about no provider was called for, by its words.
    other: HashMap<&'static str, UnixMs>,
    last: Option<UnixMs>,
}

/// A provider that cannot be used, or could not not long ago.
struct Lost {
    /// What happened to it.
    sentence: String,
    /// It cannot be used now.
    open: bool,
    /// When the bell and the desktop were last asked to call for it.
    bell: Option<UnixMs>,
    desktop: Option<UnixMs>,
}

/// What an announcement is, to someone who may want to be called.
enum News {
    /// A provider was lost; with `true` it was the one that calls went to.
    Lost(ProviderId, bool),
    /// Something else went wrong: its kind and whether it takes the person's calls away.
    Other(&'static str, bool),
}

impl Alerts {
    /// Takes in an announcement; what to do about it, if anything.
    pub fn hear(&mut self, event: &Event, snapshot: &Snapshot) -> Option<Alert> {
        let wish = snapshot.config.ui.alerts;
        let (news, mut text) = self.understand(event)?;
        let active = matches!(news, News::Lost(_, true) | News::Other(_, true));
        let wanted = |wish| wish == AlertFor::Any || wish == AlertFor::Active && active;
        if !wanted(wish.bell) && !wanted(wish.desktop) {
            return None;
        }
        if self.last.is_some_and(|last| event.at.since(last) < APART && event.at >= last) && !active {
            return None;
        }
        let due = |last: &mut Option<UnixMs>, wanted: bool| {
            let due = wanted && last.is_none_or(|last| event.at.since(last) >= QUIET || event.at < last);
            if due {
                *last = Some(event.at);
            }
            due
        };
        let (bell, desktop) = match &news {
            News::Lost(id, _) => {
                let lost = self.lost.get_mut(id)?;
                if active && lost.sentence != text {
                    text = format!("{} {text}", lost.sentence);
                }
                (due(&mut lost.bell, wanted(wish.bell)), due(&mut lost.desktop, wanted(wish.desktop)))
            }
            News::Other(kind, _) => {
                let mut last = self.other.get(kind).copied();
                let due = due(&mut last, true);
                if let Some(last) = last {
                    self.other.insert(kind, last);
                }
                (due && wanted(wish.bell), due && wanted(wish.desktop))
            }
        };
        if !bell && !desktop {
            return None;
        }
        self.last = Some(event.at);
        let text = escape::line_capped(&format!("lmdeck: {text}"), LONGEST).into_owned();
        Some(Alert { bell, desktop: desktop.then_some((wish.desktop_by, text)) })
    }

    fn understand(&mut self, event: &Event) -> Option<(News, String)> {
        let sentence = events::sentence(&event.kind, None);
        match &event.kind {
            EventKind::HealthChanged { provider, from, to, .. } => {
                let was_usable = matches!(from, State::Up | State::Degraded);
                match to {
                    State::Down | State::Unauthorized if was_usable => {
                        let lost = self.lost.entry(provider.clone()).or_insert_with(|| Lost {
                            sentence: String::new(),
                            open: true,
                            bell: None,
                            desktop: None,
                        });
                        lost.open = true;
                        lost.sentence.clone_from(&sentence);
                        Some((News::Lost(provider.clone(), false), sentence))
                    }
                    State::Down | State::Unauthorized => None,
                    _ => {
                        if let Some(lost) = self.lost.get_mut(provider) {
                            lost.open = false;
                        }
                        None
                    }
                }
            }
            EventKind::EffectiveTargetChanged { from, to, .. } => {
                let left = from.as_deref().and_then(|from| from.parse::<Target>().ok());
                match left.filter(|left| self.lost.get(&left.provider).is_some_and(|lost| lost.open)) {
                    Some(left) => Some((News::Lost(left.provider, true), sentence)),
                    None if to.is_none() => Some((News::Other("no target", true), sentence)),
                    None => None,
                }
            }
            EventKind::ConfigRejected { .. } => Some((News::Other("configuration", false), sentence)),
            EventKind::RecordsDropped { .. } => Some((News::Other("records", false), sentence)),
            EventKind::BudgetAlert { exhausted: false, .. } => Some((News::Other("budget", false), sentence)),
            EventKind::BudgetAlert { when_exhausted, .. } => {
                Some((News::Other("limit", *when_exhausted != WhenExhausted::Warn), sentence))
            }
            _ if event.level == Level::Error => Some((News::Other("trouble", false), sentence)),
            _ => None,
        }
    }
}

/// The bytes that call, for the terminal that the environment tells of. They leave the picture as it is.
pub fn bytes(alert: &Alert, env: &TermEnv) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some((by, text)) = &alert.desktop
        // The console of Linux would print it.
        && env.term != "linux"
        && !env.is_dumb()
    {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let sequence = match by {
            DesktopBy::Osc9 => format!("\x1b]9;{text}\x1b\\"),
            // A semicolon would begin another field.
            DesktopBy::Osc777 => format!("\x1b]777;notify;lmdeck;{}\x1b\\", text.replace(';', ",")),
        };
        out.extend_from_slice(through_multiplexer(sequence, env).as_bytes());
    }
    if alert.bell {
        out.push(b'\x07');
    }
    out
}

/// tmux and screen hand on what is wrapped for them, tmux only with `allow-passthrough`; what they do not hand on
/// they swallow.
fn through_multiplexer(sequence: String, env: &TermEnv) -> String {
    if env.tmux || env.term.starts_with("tmux") {
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else if env.term.starts_with("screen") {
        // screen ends its own string at the first end of a string.
        format!("\x1bP{}\x07\x1b\\", sequence.trim_end_matches("\x1b\\"))
    } else {
        sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "lmdeck: box went down: connection refused.";

    fn alert(by: DesktopBy) -> Alert {
        Alert { bell: true, desktop: Some((by, TEXT.into())) }
    }

    fn env(term: &str, tmux: bool) -> TermEnv {
        TermEnv { term: term.into(), tmux, ..TermEnv::default() }
    }

    #[test]
    fn each_terminal_gets_the_sequence_it_takes() {
        let told = |by, env: &TermEnv| String::from_utf8(bytes(&alert(by), env)).unwrap();
        assert_eq!(told(DesktopBy::Osc9, &env("xterm-256color", false)), format!("\x1b]9;{TEXT}\x1b\\\x07"));
        assert_eq!(told(DesktopBy::Osc777, &env("foot", false)), format!("\x1b]777;notify;lmdeck;{TEXT}\x1b\\\x07"));
        let tmux = format!("\x1bPtmux;\x1b\x1b]9;{TEXT}\x1b\x1b\\\x1b\\\x07");
        assert_eq!(told(DesktopBy::Osc9, &env("screen-256color", true)), tmux);
        assert_eq!(told(DesktopBy::Osc9, &env("screen", false)), format!("\x1bP\x1b]9;{TEXT}\x07\x1b\\\x07"));
        assert_eq!(told(DesktopBy::Osc9, &env("linux", false)), "\x07");
    }

    #[test]
    fn no_text_ends_the_sequence_early_or_begins_another() {
        let nasty = Alert { bell: false, desktop: Some((DesktopBy::Osc777, "a\x07b\x1b\\c;d\u{9c}e".into())) };
        let told = String::from_utf8(bytes(&nasty, &env("xterm", false))).unwrap();
        assert_eq!(told, "\x1b]777;notify;lmdeck;ab\\c,de\x1b\\");
    }
}
