//! What the bars of the sweep are measured against. A scale holds while the sweep passes, so that one slow answer
//! rewrites one column and not the chart: what is over it is a full column until the sweep wraps, or until the
//! person does something here. Past the wrap the columns right of the gap keep the scale they were drawn with.

use super::sweep::Window;
use crate::domain::ids::ProviderId;
use std::cell::Cell;

/// Whose latencies the scale fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    #[default]
    Own,
    Shared,
}

impl Scale {
    pub fn next(self) -> Self {
        if self == Self::Own { Self::Shared } else { Self::Own }
    }
}

/// So few columns are cheap to draw again: until there are more, the scale grows at once.
const FEW_COLUMNS: usize = 3;

/// The tops, in milliseconds, of the columns left and right of the gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tops {
    pub newer: u64,
    pub older: u64,
}

/// What a scale was chosen for: another chart gets another scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Of {
    pub provider: ProviderId,
    pub window: Window,
    pub scale: Scale,
    pub width: u16,
}

/// The scale in force.
#[derive(Default)]
pub(super) struct Held(Cell<Option<Hold>>);

struct Hold {
    of: Of,
    pass: i64,
    tops: Tops,
}

impl Held {
    /// The next picture gets the scale that fits it.
    pub fn release(&self) {
        self.0.set(None);
    }

    /// The tops for a chart in its `pass` over the columns: `highest` is the slowest answer on it, `columns` how
    /// many it has.
    pub fn tops(&self, of: Of, pass: i64, columns: usize, highest: u64) -> Tops {
        let fitting = fitting(highest);
        let tops = match self.0.take() {
            Some(held) if held.of == of && held.pass == pass => {
                let newer = if columns <= FEW_COLUMNS { held.tops.newer.max(fitting) } else { held.tops.newer };
                Tops { newer, ..held.tops }
            }
            Some(held) if held.of == of && held.pass + 1 == pass => Tops { newer: fitting, older: held.tops.newer },
            _ => Tops { newer: fitting, older: fitting },
        };
        self.0.set(Some(Hold { of, pass, tops }));
        tops
    }

    /// Whether another scale would fit better.
    pub fn is_stale(&self, highest: u64) -> bool {
        let held = self.0.take();
        let fitting = fitting(highest);
        let stale = held.as_ref().is_some_and(|held| held.tops != Tops { newer: fitting, older: fitting });
        self.0.set(held);
        stale
    }
}

/// The step for `highest` with some room above it; a few milliseconds are never spread over the whole height.
fn fitting(highest: u64) -> u64 {
    step_above(highest.saturating_add(highest / 4).max(12))
}

/// The next step at or above `ms`.
fn step_above(ms: u64) -> u64 {
    const STEPS: [u64; 13] = [12, 24, 48, 100, 200, 500, 1_000, 2_000, 5_000, 12_000, 24_000, 48_000, 120_000];
    STEPS.into_iter().find(|step| *step >= ms).unwrap_or(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(width: u16) -> Of {
        Of { provider: "box".into(), window: Window::Probes, scale: Scale::Own, width }
    }

    #[test]
    fn the_scale_grows_by_steps() {
        assert_eq!([1, 12, 13, 48, 49, 900, 1_001].map(step_above), [12, 12, 24, 48, 100, 1_000, 2_000]);
        assert_eq!([0, 9, 10, 40].map(fitting), [12, 12, 12, 100]);
    }

    #[test]
    fn it_holds_while_the_sweep_passes_and_fits_again_after_the_wrap() {
        let held = Held::default();
        let same = |top| Tops { newer: top, older: top };
        assert_eq!(held.tops(of(50), 7, 20, 30), same(48));
        assert_eq!(held.tops(of(50), 7, 21, 900), same(48));
        assert!(held.is_stale(900));
        assert_eq!(held.tops(of(50), 8, 40, 900), Tops { newer: 2_000, older: 48 });
        assert_eq!(held.tops(of(50), 8, 40, 900), Tops { newer: 2_000, older: 48 });
        assert_eq!(held.tops(of(50), 9, 40, 30), Tops { newer: 48, older: 2_000 });
    }

    #[test]
    fn another_chart_another_width_and_a_release_fit_at_once() {
        let held = Held::default();
        held.tops(of(50), 7, 20, 30);
        assert_eq!(held.tops(of(60), 7, 20, 900).newer, 2_000);
        held.release();
        assert_eq!(held.tops(of(60), 7, 20, 30).newer, 48);
        assert!(!held.is_stale(30));
    }

    #[test]
    fn the_first_columns_do_not_fix_it() {
        let held = Held::default();
        assert_eq!(held.tops(of(50), 7, 1, 3).newer, 12);
        assert_eq!(held.tops(of(50), 7, 2, 300).newer, 500);
    }
}
