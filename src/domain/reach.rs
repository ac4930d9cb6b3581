//! How far away a provider is: this machine, the network around it, or the cloud.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Decided from the address actually connected to, never from the name in the configuration alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Loopback.
    Machine,
    /// Private (RFC 1918), link-local, unique local (RFC 4193) or shared (RFC 6598, 100.64/10) addresses.
    Network,
    /// Everything else.
    Cloud,
}

impl Reach {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
                if v4.is_loopback() {
                    Self::Machine
                } else if v4.is_private() || v4.is_link_local() || shared {
                    Self::Network
                } else {
                    Self::Cloud
                }
            }
            IpAddr::V6(v6) => {
                if let Some(v4) = v6.to_ipv4_mapped() {
                    return Self::of(IpAddr::V4(v4));
                }
                if v6.is_loopback() {
                    Self::Machine
                } else if v6.is_unique_local() || v6.is_unicast_link_local() {
                    Self::Network
                } else {
                    Self::Cloud
                }
            }
        }
    }

    /// What a host name promises before anything is resolved: an address literal or `localhost`.
    /// Other names are `Cloud` until a connection proves otherwise.
    pub fn of_host(host: &str) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.eq_ignore_ascii_case("localhost") {
            return Self::Machine;
        }
        bare.parse::<IpAddr>().map_or(Self::Cloud, Self::of)
    }

    /// The same without a guess: `None` for a name that only a connection can place, because nobody outside has it or
    /// because its profile says that it is `local`.
    pub fn foretold(host: &str, local: bool) -> Option<Self> {
        match Self::of_host(host) {
            Self::Cloud if host.parse::<IpAddr>().is_ok() || host.starts_with('[') => Some(Self::Cloud),
            Self::Cloud if local || is_house_name(host) => None,
            reach => Some(reach),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Network => "network",
            Self::Cloud => "cloud",
        }
    }

    /// `local` in orders means this machine and the network around it.
    pub fn is_local(self) -> bool {
        self != Self::Cloud
    }
}

/// Names that no public server has.
pub fn is_house_name(host: &str) -> bool {
    !host.contains('.') || [".local", ".lan", ".home", ".internal", ".localhost"].iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fall_into_the_reach_their_range_has() {
        for (text, reach) in [
            ("127.0.0.1", Reach::Machine),
            ("127.9.9.9", Reach::Machine),
            ("::1", Reach::Machine),
            ("::ffff:127.0.0.1", Reach::Machine),
            ("192.168.1.20", Reach::Network),
            ("100.88.3.7", Reach::Network),
            ("169.254.3.3", Reach::Network),
            ("fd00::1", Reach::Network),
            ("fe80::1", Reach::Network),
            ("100.63.0.1", Reach::Cloud),
            ("100.128.0.1", Reach::Cloud),
            ("8.8.8.8", Reach::Cloud),
            ("0.0.0.0", Reach::Cloud),
            ("2001:4860::8888", Reach::Cloud),
        ] {
            assert_eq!(Reach::of(text.parse().unwrap()), reach, "{text}");
        }
    }

    #[test]
    fn a_name_is_cloud_until_a_connection_proves_otherwise() {
        assert_eq!(Reach::of_host("localhost"), Reach::Machine);
        assert_eq!(Reach::of_host("[::1]"), Reach::Machine);
        assert_eq!(Reach::of_host("gpu-box.lan"), Reach::Cloud);
    }

    #[test]
    fn nothing_is_foretold_of_a_name_of_the_house_or_of_one_that_is_called_local() {
        for (host, local, foretold) in [
            ("127.0.0.1", false, Some(Reach::Machine)),
            ("192.168.1.20", false, Some(Reach::Network)),
            ("8.8.8.8", true, Some(Reach::Cloud)),
            ("[2001:4860::8888]", true, Some(Reach::Cloud)),
            ("workstation", false, None),
            ("gpu-box.lan", false, None),
            ("models.example.com", true, None),
            ("models.example.com", false, Some(Reach::Cloud)),
        ] {
            assert_eq!(Reach::foretold(host, local), foretold, "{host} {local}");
        }
    }
}
