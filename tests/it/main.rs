//! All integration tests in one binary, so that they link once. One module per part, named after what a user
//! would say is tested.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod alerts;
mod architecture;
mod budget;
mod cache;
mod catalogue;
mod cli;
mod commands_named;
mod config;
mod config_edit;
mod config_good;
mod config_schema;
mod config_trust;
mod connect;
mod demo;
mod dialects;
mod doctor;
mod engine;
mod gateway;
mod gateways_in_a_row;
mod incidents;
mod ledger;
mod limits;
mod models;
mod parity;
mod probe_frames;
mod process;
mod promises;
mod protocol;
mod pty;
mod report;
mod routing;
mod sim;
mod support;
mod tui_frame;
mod tui_keys;
mod tui_playground;
mod tui_routing;
mod tui_rules;
mod tui_telemetry;
mod twelve_states;
mod upstream;

mod queue;
mod routes_cli;
mod rules;

mod plans;
mod replay;
mod rules_under_load;
mod warm;

mod bench_verb;
mod calls;

mod otlp;
mod token_count;
mod tries;
mod unknown_names;

mod presets;
mod presets_cli;
mod tui_presets;

mod config_shown;
mod gateway_keys;
mod json_fields;
mod odd_answers;
mod passed_on;
