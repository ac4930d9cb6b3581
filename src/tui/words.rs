//! From the roles of words in `present` to the roles of the theme.

use super::theme::Role;
use crate::present::labels;

pub fn role(role: labels::Role) -> Role {
    match role {
        labels::Role::Good => Role::Good,
        labels::Role::Warn => Role::Warn,
        labels::Role::Bad => Role::Bad,
        labels::Role::Accent => Role::Accent,
        labels::Role::Muted => Role::Muted,
        labels::Role::Plain => Role::Plain,
    }
}
