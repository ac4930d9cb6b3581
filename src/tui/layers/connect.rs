//! The programs that can be pointed at the gateway; choosing one opens its lines.

use super::choose::{Row, Source};
use super::pager::Pager;
use crate::engine::protocol::Snapshot;
use crate::present::connect::{Answers, CLIENTS, Gateway, find};
use crate::tui::part::{Cx, Effect};

pub struct Clients {
    gateway: Gateway,
    answers: Answers,
}

impl Clients {
    pub fn of(snapshot: &Snapshot) -> Self {
        let answers = if snapshot.gateway.listening.is_some() { Answers::Lmdeck } else { Answers::Nobody };
        Self { gateway: Gateway::of(snapshot), answers }
    }
}

impl Source for Clients {
    type Key = String;
    const PAGE: bool = false;

    fn title(&self) -> &'static str {
        "Connect a program"
    }

    fn about(&self) -> &'static str {
        "Choosing one shows the lines that point it at the gateway of this dashboard. Its calls appear under Telemetry."
    }

    fn rows(&self, _: &Cx<'_>) -> Vec<Row<String>> {
        let row = |name: &str, title: &str| Row {
            key: name.to_owned(),
            mark: None,
            left: name.to_owned(),
            right: title.to_owned(),
            more: String::new(),
        };
        CLIENTS.iter().map(|client| row(client.name, client.title)).collect()
    }

    fn chosen(&self, key: &String) -> Option<Effect> {
        let client = find(key)?;
        let page = client.page(&self.gateway, self.answers);
        let pager = Pager::new(client.title, format!("lmdeck connect {}", client.name), &page)
            .copying(client.lines_for(&self.gateway))
            .about("What to put into that program. y copies the lines alone; its calls appear under Telemetry.");
        Some(Effect::Open(Box::new(pager)))
    }

    fn nothing(&self) -> &'static str {
        "There is no program to connect."
    }
}
