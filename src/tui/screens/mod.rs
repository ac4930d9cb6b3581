//! The screens, one per tab.

pub mod acts;
pub mod health;
pub mod playground;
pub mod providers;
pub mod routing;
pub mod targets;
pub mod telemetry;

use super::part::{Part, Tab};

/// All screens, kept while the dashboard runs so that each remembers where it was.
pub struct Screens(Vec<(Tab, Box<dyn Part>)>);

pub fn all() -> Screens {
    Screens(vec![
        (Tab::Providers, Box::new(providers::Providers::default())),
        (Tab::Health, Box::new(health::Health::default())),
        (Tab::Routing, Box::new(routing::Routing::default())),
        (Tab::Playground, Box::new(playground::Playground::default())),
        (Tab::Telemetry, Box::new(telemetry::Telemetry::default())),
    ])
}

impl Screens {
    /// The screen of a tab. Every tab has one: `all` lists them, and a test holds it.
    pub fn get(&self, tab: Tab) -> &dyn Part {
        let place = self.place(tab);
        self.0[place].1.as_ref()
    }

    pub fn get_mut(&mut self, tab: Tab) -> &mut dyn Part {
        let place = self.place(tab);
        self.0[place].1.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = &dyn Part> {
        self.0.iter().map(|(_, part)| part.as_ref())
    }

    fn place(&self, tab: Tab) -> usize {
        self.0.iter().position(|(own, _)| *own == tab).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tab_has_its_screen() {
        let screens = all();
        for tab in Tab::ALL {
            assert_eq!(screens.0[screens.place(tab)].0, tab);
        }
    }
}
